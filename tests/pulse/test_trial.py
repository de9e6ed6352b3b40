"""The first moments under the native protocol: who is heard stays, who is not goes back, who dies went back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pulse_parts import DEAD_TIME, HandClock, PretendCore, heartbeat, rig

from understudy.adapters import channel, running, upgrading
from understudy.events import Received
from understudy.messages import Heard, Heartbeat, Inquiry, Message, Page
from understudy.old_pair import ManagerSays, OldEffect
from understudy.pulse.trial import LONGEST, Trial, begin, change, span
from understudy.units import MILLISECOND, NEVER, SECOND

PORT = 15797


def naming(node: str, incarnation: int, sender: str = "b") -> Heartbeat:
    """A heartbeat of one that hears that life of ``node``."""
    said = heartbeat(sender)
    return replace(said, state=replace(said.state, heard=(Heard(node, incarnation, 0),)))


@pytest.fixture
def place(tmp_path: Path) -> str:
    running.keep(str(tmp_path), "the old one", "", "/etc/ha.d")
    upgrading.prepare(str(tmp_path), "the native one", "the key", "/etc/understudy/cluster.toml")
    return str(tmp_path)


def copy(place: str) -> str:
    return (Path(place) / "running.toml").read_text()


def test_it_is_over_before_anybody_could_count_the_node_as_dead() -> None:
    assert span(SECOND) == 500 * MILLISECOND
    assert span(60 * SECOND) == LONGEST


def test_who_hears_the_other_stays(place: str) -> None:
    assert change(place)
    trial = Trial(place, "a", 5, SECOND, 10 * SECOND)
    assert not trial.failed(10 * SECOND - 1)
    trial.heard("a", naming("a", 5, sender="a"))
    assert upgrading.in_trial(place), "that was ourselves"
    trial.heard("b", naming("a", 5))
    assert (trial.deadline, trial.failed(11 * SECOND), upgrading.in_trial(place)) == (NEVER, False, False)
    begin(place)
    assert copy(place) == "the native one"


@pytest.mark.parametrize(
    "message",
    [
        Inquiry("a", 0, "upgrade-test", ""),
        Page("a", 0, True, ""),
        heartbeat(),
        naming("b", 5),
        naming("a", 4),
    ],
)
def test_only_a_heartbeat_that_names_this_life_ends_it(place: str, message: Message) -> None:
    """Not the test of a node that still speaks the old protocol, nor what was recorded in an earlier trial."""
    assert change(place)
    trial = Trial(place, "a", 5, SECOND, 10 * SECOND)
    trial.heard("b", message)
    assert upgrading.in_trial(place)
    assert trial.failed(10 * SECOND)


def test_who_does_not_goes_back(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert change(place)
    assert Trial(place, "a", 5, SECOND, 10 * SECOND).failed(10 * SECOND)
    assert "not heard under the native protocol within 500ms" in capsys.readouterr().err
    assert not change(place)
    assert (copy(place), upgrading.in_trial(place)) == ("the old one", False)
    assert change(place), "and may try again"


def test_who_died_meanwhile_went_back(place: str) -> None:
    assert change(place)
    begin(place)
    assert (copy(place), upgrading.in_trial(place)) == ("the old one", False)


def test_what_cannot_be_put_in_place_changes_nothing(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(place) / "next.toml").unlink()
    assert not change(place)
    assert (copy(place), upgrading.in_trial(place)) == ("the old one", False)
    assert "the old protocol goes on" in capsys.readouterr().err


def test_the_mark_is_gone_before_the_core_hears_the_first_message(place: str) -> None:
    """Else a promise could outlive the memory of it."""
    assert change(place)
    marks: list[bool] = []

    def answers(event: object) -> list[OldEffect]:
        if isinstance(event, Received):
            marks.append(upgrading.in_trial(place))
        return []

    clock = HandClock()
    parts = rig(place, PORT, clock, PretendCore(answers=answers))
    try:
        parts.loop.trial = Trial(place, "a", 5, DEAD_TIME, clock.now + DEAD_TIME)
        parts.ear.first = parts.loop.trial.heard
        parts.loop.armed = clock.now
        parts.core.deadline = NEVER
        parts.loop.turn()
        assert (marks, parts.loop.performer.anew) == ([], False)
        parts.sender.send(parts.sealer.seal(naming("a", 5)))
        clock.now += DEAD_TIME
        parts.loop.turn()
        assert marks
        assert not any(marks), "told before it was on record"
        assert not parts.loop.performer.anew, "what had arrived in time counts before time does"
    finally:
        parts.close()


def test_nobody_heard_begins_anew(place: str) -> None:
    assert change(place)
    clock = HandClock()
    parts = rig(place, PORT, clock)
    try:
        parts.loop.trial = Trial(place, "a", 5, DEAD_TIME, clock.now + DEAD_TIME // 4)
        parts.loop.armed = clock.now
        parts.core.deadline = NEVER
        clock.now += DEAD_TIME // 4
        parts.loop.turn()
        assert parts.loop.performer.anew
    finally:
        parts.close()


def test_what_managers_say_goes_through_a_core_that_numbers_it(place: str) -> None:
    clock = HandClock()
    parts = rig(place, PORT, clock)
    try:
        parts.loop.numbers, parts.loop.armed, parts.core.deadline = True, clock.now, NEVER
        manager = channel.connect(parts.path)
        manager.send({"t": "inquire", "to": "b", "id": 3, "topic": "upgrade-look", "text": "{}"})
        parts.loop.turn()
        parts.loop.turn()
        assert ManagerSays(Inquiry("b", 3, "upgrade-look", "{}")) in parts.core.told
        manager.close()
    finally:
        parts.close()
