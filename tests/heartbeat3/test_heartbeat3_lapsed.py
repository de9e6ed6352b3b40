"""A machine stood still for longer than its dead time while nobody was heard: the network's answer gives its right back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heartbeat3_parts import A, B, Host, Two, up

from understudy.effects import Action, Announce, ProbeAddresses, RunAgent
from understudy.events import Finished, Outcome, ShutdownAsked, Stalled, TimerDue
from understudy.old_pair import OldEffect
from understudy.units import MILLISECOND, SECOND, Duration


class Wishes(Two):
    """Remembers what the machines wished for."""

    def __init__(self, seed: int = 1, **changes: object) -> None:
        super().__init__(seed, **changes)
        self.wishes: list[tuple[str, OldEffect]] = []

    def perform(self, host: Host, effect: OldEffect) -> None:
        self.wishes.append((host.name, effect))
        super().perform(host, effect)


def cut() -> Two:
    """Only the heartbeat cables are cut: each holds its own."""
    two = up()
    two.links = dict.fromkeys(two.links, False)
    two.run(6 * SECOND)
    assert two.owners() == (A, B)
    return two


def survivor(rest: Duration = 2 * SECOND, **changes: object) -> Wishes:
    """The other one has lost its power, and this one has everything."""
    two = Wishes(1, **changes)
    two.start(A)
    two.run(100 * MILLISECOND)
    two.start(B)
    assert two.run_until(two.settled, 15 * SECOND)
    two.run(2 * SECOND)
    two.crash(B)
    assert two.run_until(lambda: two.owners() == (A, A), 20 * SECOND)
    two.run(rest)
    two.wishes.clear()
    return two


def assert_lost(two: Two) -> None:
    """The other one has everything. What stood still with the machine, its program, is not what these tests are about."""
    assert two.owners() == (B, B)
    two.hosts[A].programs.discard("test1")
    two.doubles.clear()


def assert_served_once(two: Two) -> None:
    """In the end everything is served, and until then nothing twice."""
    assert two.run_until(two.settled, 60 * SECOND)
    assert not two.doubles


def test_with_cut_cables_it_does_not_serve_what_the_other_has_taken() -> None:
    two = cut()
    two.freeze(A, 8 * SECOND)
    two.run(7900 * MILLISECOND)
    assert_lost(two)
    two.run(60 * SECOND)
    assert two.owners() == (B, B)
    assert not two.doubles
    assert any("stood still for its own dead time" in note for note in two.hosts[A].notes)
    assert any("not served again although node-b is silent" in note for note in two.hosts[A].notes)
    two.links = dict.fromkeys(two.links, True)
    assert_served_once(two)


def test_the_program_that_stood_still_with_it_is_stopped() -> None:
    two = cut()
    two.freeze(A, 8 * SECOND)
    two.run(8500 * MILLISECOND)
    assert two.hosts[A].programs == set()
    assert two.hosts[B].programs == {"test1"}


@pytest.mark.parametrize("fence", [False, True])
def test_a_lone_survivor_goes_on_when_nobody_answers_and_restarts_nothing(fence: bool) -> None:
    two = survivor(fence=fence)
    two.freeze(A, 8 * SECOND)
    two.run(8 * SECOND)
    assert two.owners() == ("", "")
    assert two.run_until(lambda: two.owners() == (A, A), 150 * MILLISECOND)
    two.run(10 * SECOND)
    assert two.owners() == (A, A)
    asked = [wish for _, wish in two.wishes if isinstance(wish, ProbeAddresses)]
    assert [len(wish.addresses) for wish in asked] == [2]
    acted = [wish.action for _, wish in two.wishes if isinstance(wish, RunAgent)]
    assert Action.START not in acted
    assert Action.STOP not in acted
    assert two.hosts[A].programs == {"test1"}
    assert any("it goes on" in note for note in two.hosts[A].notes)


def test_what_was_still_to_be_announced_keeps_nobody_awake_meanwhile() -> None:
    two = survivor(rest=50 * MILLISECOND)
    two.freeze(A, 8 * SECOND)
    two.run(8 * SECOND)  # fails where time stands still
    assert two.run_until(lambda: two.owners() == (A, A), 150 * MILLISECOND)
    assert any(isinstance(wish, Announce) for _, wish in two.wishes[-20:])


@pytest.mark.parametrize("fence", [False, True])
def test_what_was_off_may_have_come_back_meanwhile(fence: bool) -> None:
    """A machine that was reset starts while the one that has reset it stands still, and the cables are cut."""
    two = survivor(fence=fence)
    two.links = dict.fromkeys(two.links, False)
    two.hosts[A].fences = Outcome.FAILED
    two.freeze(A, 25 * SECOND)
    two.cluster = replace(two.cluster, fences=())  # in its file there is none
    two.start(B)
    two.run(24 * SECOND)
    assert_lost(two)
    two.run(60 * SECOND)
    assert two.owners() == (B, B)
    assert not two.doubles


def test_one_that_is_heard_again_is_asked_itself() -> None:
    two = survivor()
    two.freeze(A, 25 * SECOND)
    two.run(SECOND)
    two.start(B)
    two.run(23 * SECOND)
    assert_lost(two)
    assert_served_once(two)


def test_silence_that_it_slept_through_is_no_answer() -> None:
    """It stands still again before the answer has come: asked again."""
    two = survivor()
    node = two.node(A)
    later = two.now + 8 * SECOND
    first = [wish for wish in node.handle(Stalled(8 * SECOND), later) if isinstance(wish, ProbeAddresses)]
    again = [wish for wish in node.handle(Stalled(8 * SECOND), later + 8 * SECOND) if isinstance(wish, ProbeAddresses)]
    assert len(first) == len(again) == 1
    node.handle(Finished(first[0].op, Outcome.OK), later + 8 * SECOND + MILLISECOND)
    assert all(right < 0 for right in node.rights(later + 8 * SECOND + MILLISECOND).values())
    node.handle(Finished(again[0].op, Outcome.OK), later + 8 * SECOND + 2 * MILLISECOND)
    assert all(right > 0 for right in node.rights(later + 8 * SECOND + 2 * MILLISECOND).values())


def test_the_network_gives_no_answer() -> None:
    """It begins anew, as for any take-over."""
    two = survivor()
    node = two.node(A)
    later = two.now + 8 * SECOND
    node.handle(Stalled(8 * SECOND), later)
    node.handle(TimerDue(), later + 2 * SECOND)
    assert node.stage.value == "yielding"
    assert node.rights(later + 2 * SECOND) == {}


def test_it_was_stopping_when_it_stood_still() -> None:
    two = survivor()
    two.hosts[A].slow = 2 * SECOND
    two.tell(A, ShutdownAsked())
    two.freeze(A, 8 * SECOND)
    two.run(8 * SECOND)
    for _ in range(40):
        two.run(100 * MILLISECOND)
        assert two.owners() == ("", "")
