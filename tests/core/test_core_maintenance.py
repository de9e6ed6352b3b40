"""Maintenance (watch, touch nothing), restart in place, cleanup and drain: what a node does, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import BEAT, Core, cluster, group, holding, messages, notes, of, program, right_of, script, settled

from understudy.core.parts import State
from understudy.core.wishing import ending
from understudy.effects import Action, AddAddresses, Effect, Fence, RemoveAddresses, Reply, RunAgent, SaveStandby
from understudy.events import AddressGone, AdminRequest, Finished, Outcome, ResourceFailed, ShutdownAsked
from understudy.messages import Answer, Ask, Bid, Heartbeat, Release, Wish, WishKind
from understudy.units import SECOND

WALL = 1_700_000_000_000
WORDS = "in maintenance for anna at ha01, 2023-11-14 22:13 UTC: switches"


def wish(core: Core, verb: str, name: str = "", node: str = "", span: int = 0) -> list[Effect]:
    return core.tell(AdminRequest(7, verb, name, node, "anna", "switches", WALL, span))


def reply(effects: list[Effect]) -> Reply:
    (found,) = of(Reply, effects)
    return found


def touched(effects: list[Effect]) -> list[Effect]:
    """All that is more than a question."""
    return [
        item
        for item in effects
        if isinstance(item, AddAddresses | RemoveAddresses | Fence)
        or (isinstance(item, RunAgent) and item.action is not Action.MONITOR)
    ]


def maintained(*resources: object, span: int = 0) -> Core:
    core = holding(*resources)  # type: ignore[arg-type]
    assert reply(wish(core, "maintenance-on", "site", span=span)).ok
    core.effects.clear()
    return core


def states(core: Core) -> list[State]:
    return [state for _, state, _ in core.node.steward.charges["site"].execution.states()]


def test_what_fails_is_noted_and_left_until_the_maintenance_ends() -> None:
    core = maintained(program("httpd"))
    found = core.tell(ResourceFailed("site", "httpd", "died"))
    assert "httpd failed (died): left so, in maintenance" in notes(found)
    core.pass_time(5 * SECOND, "ha02", "arbiter")
    assert not touched(core.effects)
    assert right_of(core) > core.now, "it keeps its lease"
    found = wish(core, "maintenance-off", "site")
    assert reply(found).text == "site is not in maintenance any more"
    assert [item.action for item in of(RunAgent, found)] == [Action.STOP], "then it is dealt with as always"
    core.finish_all(found)
    assert states(core) == [State.RUNNING]


def test_monitors_go_on_and_what_was_mended_by_hand_counts_as_running() -> None:
    core = maintained(script("exim", interval=2 * SECOND))
    found = core.pass_time(3 * SECOND, "ha02", "arbiter")
    (asked,) = of(RunAgent, found)
    core.tell(Finished(asked.op, Outcome.NOT_RUNNING))
    assert states(core) == [State.FAILED]
    found = core.pass_time(3 * SECOND, "ha02", "arbiter")
    (asked,) = of(RunAgent, found)
    found = core.tell(Finished(asked.op, Outcome.OK))
    assert "exim runs again" in notes(found)
    assert states(core) == [State.RUNNING]
    assert not touched(core.effects)
    assert not touched(wish(core, "maintenance-off", "site"))


def test_it_fails_any_number_of_times_without_the_node_giving_up() -> None:
    core = maintained(program("httpd", most=0))
    core.tell(ResourceFailed("site", "httpd", "died"))
    assert core.node.steward.charges["site"].unfit_until == 0


def test_an_address_that_is_removed_by_hand_stays_removed() -> None:
    core = maintained()
    found = core.tell(AddressGone("192.0.2.100"))
    assert "left so, in maintenance" in notes(found)
    assert not touched(core.pass_time(2 * SECOND, "ha02", "arbiter"))
    assert of(AddAddresses, wish(core, "maintenance-off", "site"))


def test_it_ends_by_itself() -> None:
    core = maintained(program("httpd"), span=10 * SECOND)
    core.tell(ResourceFailed("site", "httpd", "died"))
    (shown,) = core.node.snapshot(core.now).wishes
    assert (shown.kind, shown.left_ms) == ("maintenance", 10_000.0)
    core.pass_time(10 * SECOND - 1, "ha02", "arbiter")
    assert not touched(core.effects)
    found = core.pass_time(1, "ha02", "arbiter")
    assert "the maintenance for anna at ha01 is over: its time is up" in notes(found)
    assert touched(found)


@pytest.mark.parametrize("verb", ["move", "restart", "stop"])
def test_what_would_touch_it_is_refused_with_the_way_out(verb: str) -> None:
    core = maintained()
    found = reply(wish(core, verb, "site", "ha02" if verb == "move" else ""))
    assert (found.ok, found.text) == (False, f"site is {WORDS}; end that first: understudy maintenance off site")


def test_standby_waits_for_its_end() -> None:
    core = maintained()
    wish(core, "standby", node="ha01")
    core.pass_time(3 * SECOND, "ha02", "arbiter")
    assert not touched(core.effects)
    assert touched(wish(core, "maintenance-off", "site"))


def test_nobody_takes_over_and_nobody_bids() -> None:
    core = Core(cluster(group("site")))
    core.words["ha02"] = {"wishes": (Wish("", 256, WishKind.MAINTENANCE, "anna", "", WALL),)}
    core.settle("ha02", "arbiter")
    core.pass_time(5 * SECOND, "arbiter")
    assert not messages(Bid, core.effects)
    shown = core.node.snapshot(core.now)
    assert shown.groups[0].why.startswith("nobody takes it over, in maintenance for anna")
    assert any("nobody takes over when a holder fails" in text for text in shown.warnings)


def test_a_lost_lease_is_a_lost_lease() -> None:
    core = maintained(program("httpd"))
    found = core.pass_time(3 * SECOND)
    assert of(RemoveAddresses, found) or [item.action for item in of(RunAgent, found)] == [Action.STOP]
    assert core.node.steward.claims.held("site") is None


def test_a_daemon_that_is_stopped_stops_its_groups_and_names_no_successor() -> None:
    core = maintained()
    found = core.tell(ShutdownAsked())
    assert "leaves ha01 for nowhere: ha01 is being stopped; in maintenance" in notes(found)
    core.finish_all(found)
    (release,) = messages(Release, core.effects)
    assert (release.successor, release.stopped) == (None, True)


def test_of_all_and_of_one() -> None:
    core = holding()
    assert reply(wish(core, "maintenance-on")).text.startswith("the cluster is in maintenance: ")
    found = reply(wish(core, "maintenance-off", "site"))
    assert (found.ok, found.text) == (
        False,
        "site is not in maintenance itself, all groups are; end that: understudy maintenance off",
    )
    assert reply(wish(core, "maintenance-on", "site")).ok
    assert reply(wish(core, "maintenance-off", "site")).text.endswith("not in maintenance any more, but all groups are")
    assert reply(wish(core, "maintenance-off")).text == "the cluster is not in maintenance any more"
    assert reply(wish(core, "maintenance-off")).text == "the cluster is not in maintenance"


def test_what_runs_nowhere_then_is_named() -> None:
    core = settled()
    assert reply(wish(core, "maintenance-on")).text.endswith("; nobody holds site, and it stays so")


def test_a_stopped_group_needs_no_maintenance() -> None:
    core = settled()
    wish(core, "stop", "site")
    found = reply(wish(core, "maintenance-on", "site"))
    assert not found.ok
    assert found.text.endswith(": nothing touches it already")


def test_the_command_that_ends_it() -> None:
    assert ending(Wish("", 1, WishKind.MAINTENANCE)) == "understudy maintenance off"
    assert ending(Wish("site", 1, WishKind.MAINTENANCE)) == "understudy maintenance off site"


# Restart, cleanup


def test_a_restart_stops_everything_in_order_and_starts_it_again_with_the_same_lease() -> None:
    core = holding(program("disk"), program("httpd"))
    ballot = core.node.steward.claims.holds()[0].ballot
    core.effects.clear()
    found = wish(core, "restart", "site")
    assert reply(found).text == "site is stopped and started again on ha01"
    core.finish_all(found)
    core.pass_time(BEAT, "ha02", "arbiter")
    done = [(item.resource, item.action.value) for item in of(RunAgent, core.effects)]
    assert done == [("httpd", "stop"), ("disk", "stop"), ("disk", "start"), ("httpd", "start")]
    assert core.node.steward.claims.holds()[0].ballot == ballot


def test_a_restart_gives_way_to_a_move() -> None:
    core = holding(program("httpd"))
    wish(core, "restart", "site")
    core.node.steward.charges["site"].moving_to = "ha02"
    core.pass_time(BEAT, "ha02", "arbiter")
    assert not core.node.steward.charges["site"].execution.restarting
    assert reply(wish(core, "restart", "site")).text == "site is about to leave ha01"


def test_what_nobody_holds_cannot_be_restarted() -> None:
    found = reply(wish(settled(), "restart", "site"))
    assert (found.ok, found.text.startswith("site is held by nobody now: ")) == (False, True)


def test_a_cleanup_is_done_here_and_asked_of_all_nodes_that_are_there() -> None:
    core = settled()
    charge = core.node.steward.charges["site"]
    charge.give_up(600 * SECOND, "httpd failed", core.now)
    found = wish(core, "cleanup", "site")
    assert reply(found).text == "the failures of site are forgotten on ha01 and ha02"
    assert charge.unfit_until == 0
    (ask,) = messages(Ask, found)
    assert (ask.to, ask.verb, ask.group) == ("ha02", "cleanup", "site")
    assert not of(Reply, core.hear(Answer("ha02", "ha01", ask.request, True, ""), "ha02"))
    core.pass_time(3 * SECOND, "arbiter")
    assert (
        reply(wish(core, "cleanup", "site")).text == "the failures of site are forgotten on ha01; ha02 cannot be asked"
    )


def test_a_cleanup_asked_elsewhere_is_done_here_too() -> None:
    core = settled()
    core.node.steward.charges["site"].give_up(600 * SECOND, "httpd failed", core.now)
    (answer,) = messages(Answer, core.hear(Ask("ha02", "ha01", 9, "cleanup", "site", "", "berta"), "ha02"))
    assert answer.ok
    assert core.node.steward.charges["site"].unfit_until == 0


# Drain


def test_a_drain_keeps_what_no_other_node_can_take_and_hands_over_the_rest() -> None:
    core = holding()
    core.beat_of("ha02", standby=True)
    found = wish(core, "drain", node="ha01")
    assert reply(found).text == "ha01 is draining"
    assert of(SaveStandby, found) == [SaveStandby(True, draining=True)]
    assert messages(Heartbeat, found)[-1].state.draining
    core.effects.clear()
    core.words["ha02"] = {"standby": True}
    core.pass_time(2 * SECOND, "ha02", "arbiter")
    assert not touched(core.effects)
    core.words["ha02"] = {}
    assert of(RemoveAddresses, core.pass_time(2 * SECOND, "ha02", "arbiter")), "now there is another"


def test_standby_stops_what_drain_would_keep() -> None:
    core = holding()
    core.words["ha02"] = {"standby": True}
    core.beat_of("ha02")
    wish(core, "drain", node="ha01")
    found = wish(core, "standby", node="ha01")
    assert of(SaveStandby, found) == [SaveStandby(True, draining=False)]
    assert touched(found)


def test_a_draining_node_that_is_stopped_keeps_nothing() -> None:
    core = holding()
    core.words["ha02"] = {"standby": True}
    core.beat_of("ha02")
    wish(core, "drain", node="ha01")
    found = core.tell(ShutdownAsked())
    assert touched(found)
    assert not messages(Heartbeat, found)[-1].state.draining


def test_online_ends_a_drain() -> None:
    core = holding()
    wish(core, "drain", node="ha01")
    found = wish(core, "online", node="ha01")
    assert of(SaveStandby, found) == [SaveStandby(False, draining=False)]
    assert (core.node.standby, core.node.draining) == (False, False)


def test_others_see_a_drain_as_standby_that_may_keep() -> None:
    core = settled()
    said = replace(core.node.states["ha02"], standby=True, draining=True, number=99)
    core.hear(Heartbeat(said), "ha02")
    assert core.node.snapshot(core.now).nodes[1].draining
