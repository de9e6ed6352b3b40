"""The way out of the old protocol: when a node may leave it, and what managers say to each other before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heartbeat3_parts import WEB, A, B, ByHand, Two, address, up

from understudy.effects import Deliver, KernelLease
from understudy.events import AdminRequest, ResourceFailed, ShutdownAsked
from understudy.heartbeat_files import AutoFailback
from understudy.messages import Inquiry, Page
from understudy.old_pair import ChangeOver, ManagerSays, OldEffect, PairChanged, SendOld
from understudy.units import MILLISECOND, SECOND


def settled(**changes: object) -> Two:
    two = up(**changes)
    two.run(3 * SECOND)
    return two


def effects(two: Two, name: str, verb: str) -> list[OldEffect]:
    return two.node(name).handle(AdminRequest(5, verb, "", "", "anna"), two.now)


def test_at_rest_it_may_be_left_and_what_is_held_is_renewed_first() -> None:
    two = settled()
    assert two.operator(A, "upgrade-look") == (True, "")
    assert two.owner(WEB) == A
    two.run(200 * MILLISECOND)
    found = effects(two, A, "upgrade-go")
    kinds = [type(item) for item in found]
    assert kinds.index(SendOld) < kinds.index(KernelLease) < kinds.index(ChangeOver)
    renewed = next(item for item in found if isinstance(item, KernelLease))
    assert renewed.until == two.node(A).holdings.right_until
    assert two.node(A).holdings.groups[WEB].lease == renewed.until > two.now + 2 * SECOND
    assert not any(isinstance(item, KernelLease) and item.until is None for item in found), "nothing is given up"


def test_to_look_changes_nothing() -> None:
    two = settled()
    assert not [
        item for item in effects(two, B, "upgrade-look") if isinstance(item, ChangeOver | SendOld | KernelLease)
    ]


def test_not_while_a_hand_over_is_under_way() -> None:
    two = settled(auto_failback=AutoFailback.OFF)
    two.operator(A, "hb_standby", "all")
    assert two.operator(A, "upgrade-go") == (False, "another hand-over is under way")
    two.run_until(lambda: not two.node(B).stable or two.node(B).handover.state.value != "idle", SECOND)
    assert two.operator(B, "upgrade-go")[0] is False
    two.run(5 * SECOND)
    assert two.operator(B, "upgrade-look") == (True, "")


def test_not_alone() -> None:
    two = settled()
    two.crash(B)
    two.run(4 * SECOND)
    assert two.operator(A, "upgrade-go") == (False, "there is no other active node")


def test_not_while_a_group_is_not_started() -> None:
    two = settled()
    two.hosts[A].slow = SECOND
    two.tell(A, ResourceFailed(WEB, "test1", "it died"))
    two.run(100 * MILLISECOND)
    ok, text = two.operator(A, "upgrade-go")
    assert (ok, text.startswith(f"{WEB} is not started here, but ")) == (False, True), text
    assert two.operator(B, "upgrade-look") == (True, ""), "which the other cannot know"


def test_not_while_the_other_hears_nothing_of_this_one() -> None:
    two = settled()
    two.deaf = {B}
    two.run(4 * SECOND)
    assert two.operator(A, "upgrade-go") == (False, "node-b does not hear node-a")


def test_not_in_legacy_mode() -> None:
    two = Two(1, auto_failback=AutoFailback.LEGACY)
    two.start(A)
    two.start(B)
    two.run(20 * SECOND)
    ok, text = two.operator(A, "upgrade-go")
    assert (ok, "legacy" in text) == (False, True)


def test_not_beside_an_old_program_which_is_told_nothing() -> None:
    hand = ByHand()
    hand.settle()
    mark = hand.mark()
    assert hand.two.operator(A, "upgrade-go") == (False, "node-b has not said that it runs Understudy")
    hand.two.tell(A, ManagerSays(Inquiry(B, 1, "upgrade-look", "{}")))
    assert hand.since(mark) == []


@pytest.mark.parametrize(
    "message", [Inquiry(B, 7, "upgrade-look", '{"a": [1]}'), Page(B, 8, True, "{}"), Page(B, 9, False, "no: a\nreason")]
)
def test_what_managers_say_arrives_as_it_was_said(message: Inquiry | Page) -> None:
    delivered: list[tuple[str, Deliver]] = []

    class Listening(Two):
        def perform(self, host, effect):  # type: ignore[no-untyped-def]
            if isinstance(effect, Deliver):
                delivered.append((host.name, effect))
            super().perform(host, effect)

    two = Listening(3)
    two.start(A)
    two.run(100 * MILLISECOND)
    two.start(B)
    assert two.run_until(two.settled, 15 * SECOND)
    two.run(3 * SECOND)
    two.loss = 0.5
    two.tell(A, ManagerSays(message))
    two.run(3 * SECOND)
    assert delivered == [(B, Deliver(A, message))], "once, however often it had to be sent"


def gone_native(two: Two) -> None:
    """B speaks the native protocol from now on: it serves, and nothing of it comes over the old one."""
    two.deaf = {A, B}
    two.hosts[B].stopped = True
    two.hosts[B].leases = dict.fromkeys(two.hosts[B].leases, two.now + 10**15)


@pytest.mark.parametrize("away", [0, 1, 5, 120])
def test_it_follows_however_long_the_other_has_been_away(away: int) -> None:
    """Dead times pass while it is in its trial, or switched off."""
    two = settled()
    gone_native(two)
    two.run(away * SECOND)
    found = effects(two, A, "upgrade-follow")
    assert [item for item in found if isinstance(item, ChangeOver)]
    assert two.owner(WEB) == A
    if away > 4:
        assert two.operator(A, "upgrade-go") == (False, "there is no other active node")


def test_it_follows_from_its_start() -> None:
    two = Two(1)
    two.start(A)
    two.run(100 * MILLISECOND)
    assert two.operator(A, "upgrade-follow") == (True, "")


def test_it_does_not_follow_while_something_is_being_started_or_it_stops() -> None:
    two = settled()
    gone_native(two)
    two.hosts[A].slow = SECOND
    two.tell(A, ResourceFailed(WEB, "test1", "it died"))
    two.run(100 * MILLISECOND)
    ok, text = two.operator(A, "upgrade-follow")
    assert (ok, text.startswith(f"{WEB} is not started here, but ")) == (False, True), text
    two.run(10 * SECOND)
    assert two.operator(A, "upgrade-follow") == (True, "")
    two.hosts[A].slow = 20 * MILLISECOND
    two.tell(A, ShutdownAsked())
    assert two.operator(A, "upgrade-follow") == (False, f"{A} stops")


def test_not_in_the_middle_of_a_reload() -> None:
    """Somebody else has an address that is new."""
    two = settled()
    web = two.cluster.groups[0]
    more = replace(web, resources=(web.resources[0], address("10.77.1.150"), *web.resources[1:]))
    changed = replace(two.cluster, groups=(more, two.cluster.groups[1]))
    two.tell(A, PairChanged(changed, two.node(A).pair, (), ("10.77.1.100",)))
    assert two.node(A).change.under_way
    for verb in ("upgrade-look", "upgrade-go", "upgrade-follow"):
        ok, text = two.operator(A, verb)
        assert (ok, text.startswith("the last reload is not over")) == (False, True), verb
    two.run(5 * SECOND)
    assert not two.node(A).change.under_way
    assert two.operator(A, "upgrade-look") == (True, "")


def test_not_while_a_group_is_away_from_its_own_node_and_would_go_back() -> None:
    two = settled()
    assert two.operator(A, "hb_standby", "local")[0]
    two.run(60 * SECOND)
    assert two.owner(WEB) == B
    ok, text = two.operator(B, "upgrade-look")
    assert (ok, text.startswith(f"{WEB} would move to {A} after the change-over")) == (False, True), text
    assert f"say `understudy online {A}` first" in text
    assert two.operator(A, "upgrade-look") == (True, ""), "which has nothing"
    assert two.operator(A, "hb_takeover", "local")[0]
    two.run(10 * SECOND)
    assert (two.owner(WEB), two.operator(B, "upgrade-look")) == (A, (True, ""))


def test_a_group_that_stays_where_it_is_may_be_away() -> None:
    two = settled(auto_failback=AutoFailback.OFF)
    two.operator(A, "hb_standby", "all")
    two.run(60 * SECOND)
    assert two.owner(WEB) == B
    assert two.operator(B, "upgrade-look") == (True, "")
