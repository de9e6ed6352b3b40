"""Fencing, ``quorum = "fence"`` and the watchdog, as one core decides them."""

from __future__ import annotations

from dataclasses import replace

from core_parts import BEAT, DEAD, Core, address, cluster, group, notes, of, program, state

from understudy.core import awaiting
from understudy.core.fencing import PAUSE, SLACK
from understudy.effects import (
    Action,
    CloseWatchdog,
    Effect,
    FeedWatchdog,
    Fence,
    FenceAction,
    Level,
    Note,
    Reply,
    RunAgent,
)
from understudy.events import AdminRequest, Finished, ManagerChanged, Outcome, ShutdownAsked, Started
from understudy.fence_devices import FenceDevice, FenceKind
from understudy.messages import Bid, GroupReport, Heartbeat, Hold, Phase, Unfinished
from understudy.model import Cluster, Group, Quorum
from understudy.units import MILLISECOND, SECOND

LIMIT = 30 * SECOND
BY_HAND = "switch it off by hand, look, then `understudy confirm-off ha02`"

HIS = (41 << 8) | 2
"""A ballot of ha02, the third of the sorted names of a cluster with an arbiter."""


def device(name: str, node: str, level: int = 1, retries: int = 0, reboot: bool = False) -> FenceDevice:
    return FenceDevice(name, FenceKind.AGENT, "fence_dummy", (), (), ((node, ""),), level, LIMIT, retries, reboot)


def database(stop: int = 60 * SECOND) -> Group:
    return group("site", address(1), program("db", exclusive=True), stop=stop)


def three(*devices: FenceDevice) -> Cluster:
    return replace(cluster(database()), fences=devices or (device("ipmi2", "ha02"),))


def two(me: str = "ha01") -> Core:
    found = cluster(database(), witnesses=(), quorum=Quorum.FENCE)
    return Core(replace(found, fences=(device("ipmi1", "ha01"), device("ipmi2", "ha02"))), me)


def after_a_lost_holder(*devices: FenceDevice) -> Core:
    """ha02 held the group, was heard and fell silent; we have just taken the lease."""
    core = Core(three(*devices))
    core.words["ha02"] = {"holds": (Hold("site", HIS),), "groups": (GroupReport("site", Phase.STARTED, True),)}
    core.settle("ha02", "arbiter")
    core.pass_time(2 * DEAD, "ha02", "arbiter")
    core.effects.clear()
    core.hold("arbiter")
    return core


def fences(core: Core) -> list[Fence]:
    return of(Fence, core.effects)


def started(core: Core) -> bool:
    return any(effect.action is Action.START for effect in of(RunAgent, core.effects))


def answer(core: Core, outcome: Outcome = Outcome.OK, text: str = "") -> list[Effect]:
    return core.finish_all(core.tell(Finished(fences(core)[-1].op, outcome, text)))


# For proof of stop


def test_a_lost_holder_is_fenced_and_only_that_lets_exclusive_parts_start() -> None:
    core = after_a_lost_holder()
    (fence,) = fences(core)
    assert (fence.node, fence.devices, fence.action) == ("ha02", ("ipmi2",), FenceAction.OFF)
    core.serve(25 * SECOND, "arbiter")
    assert not started(core), "time is no proof for a machine that can be fenced"
    answer(core)
    assert started(core)
    assert core.node.steward.fencing.off("ha02")


def test_the_address_does_not_wait() -> None:
    core = after_a_lost_holder()
    states = {resource.id: state.value for resource, state, _ in core.node.steward.charges["site"].execution.states()}
    assert states == {"address-1": "running", "db": "unknown"} or states == {"address-1": "running", "db": "stopped"}


def test_a_failure_and_a_silence_are_no_proof() -> None:
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_RUNNING):
        core = after_a_lost_holder()
        answer(core, outcome, "no route to the device")
        assert not started(core), outcome
        assert not core.node.steward.fencing.off("ha02")
    core = after_a_lost_holder()
    core.serve(LIMIT + SLACK + BEAT, "arbiter")
    assert not started(core)
    assert "no answer in time" in notes(core.effects)


def test_an_answer_after_its_deadline_is_no_proof() -> None:
    core = after_a_lost_holder()
    late = fences(core)[0].op
    core.serve(LIMIT + SLACK + BEAT, "arbiter")
    core.tell(Finished(late, Outcome.OK))
    assert not core.node.steward.fencing.off("ha02")


def test_retries_then_levels_then_a_pause_that_grows() -> None:
    core = after_a_lost_holder(device("ipmi2", "ha02", retries=1), device("pdu", "ha02", level=2))
    for _ in range(3):
        answer(core, Outcome.FAILED, "busy")
    assert [fence.devices for fence in fences(core)] == [("ipmi2",), ("ipmi2",), ("pdu",)]
    assert core.node.next_deadline() <= core.now + PAUSE
    core.pass_time(PAUSE, "arbiter")
    assert [fence.devices for fence in fences(core)][3:] == [("ipmi2",)]
    for _ in range(3):
        answer(core, Outcome.FAILED, "busy")
    core.pass_time(PAUSE + BEAT, "arbiter")
    assert len(fences(core)) == 6, "twice the pause"
    core.pass_time(PAUSE, "arbiter")
    assert len(fences(core)) == 7


def test_all_devices_of_a_level_are_asked_together() -> None:
    core = after_a_lost_holder(device("pdu-a", "ha02"), device("pdu-b", "ha02"))
    assert fences(core)[0].devices == ("pdu-a", "pdu-b")


def test_a_node_is_switched_on_again_only_where_its_device_says_so() -> None:
    core = after_a_lost_holder(device("pdu-a", "ha02", reboot=True), device("pdu-b", "ha02"))
    answer(core)
    assert [(fence.action, fence.devices) for fence in fences(core)][1:] == [(FenceAction.ON, ("pdu-a",))]
    core.tell(Finished(fences(core)[-1].op, Outcome.FAILED, "no power"))
    assert "ha02 was not switched on again: no power" in notes(core.effects)
    assert core.node.steward.fencing.off("ha02")


def test_a_node_that_came_back_meanwhile_is_not_off() -> None:
    core = after_a_lost_holder()
    core.words["ha02"] = {"incarnation": 0xFEED}
    core.node.steward.fencing.returned("ha02", core.now + 1)
    core.now += 2
    answer(core)
    assert not core.node.steward.fencing.off("ha02")
    assert "it came back while the device was at it" in notes(core.effects)


def test_a_confirmation_ends_when_the_node_is_heard_again() -> None:
    core = after_a_lost_holder()
    answer(core)
    core.node.steward.fencing.returned("ha02", core.now)
    assert not core.node.steward.fencing.off("ha02")


def test_a_device_that_lied_is_named() -> None:
    core = after_a_lost_holder()
    answer(core)
    core.pass_time(BEAT, "arbiter")
    core.beat_of("ha02")
    assert core.node.steward.fencing.off("ha02"), "that may have been under way"
    core.pass_time(3 * DEAD, "arbiter")
    core.beat_of("ha02")
    assert not core.node.steward.fencing.off("ha02")
    assert "do not rely on that" in "\n".join(n.why for n in of(Note, core.effects) if n.level is Level.ERROR)


def test_a_node_never_heard_is_given_time_to_boot() -> None:
    core = Core(three())
    core.settle("arbiter")
    core.hold("arbiter")
    core.serve(50 * SECOND, "arbiter")
    assert not fences(core)
    core.serve(15 * SECOND, "arbiter")
    assert [fence.node for fence in fences(core)] == ["ha02"]


def test_nobody_is_fenced_whose_own_word_came() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    core.hold("ha02", "arbiter")
    core.serve(90 * SECOND, "ha02", "arbiter")
    assert not fences(core)
    assert started(core)


def test_proof_that_was_asked_for_before_the_lease_is_used_only_if_nobody_held_it_since() -> None:
    core = after_a_lost_holder()
    answer(core)
    steward = core.node.steward
    charge, claim = steward.charges["site"], steward.claims.held("site")
    assert claim is not None
    known = steward.fencing.targets["ha02"].ballots["site"]
    steward.proof.unfinished("site", "ha02")
    claim.unfinished = {Unfinished(known, "ha02")}
    awaiting.begin(steward, charge, claim, core.now)
    assert charge.waiting_for == ()
    steward.proof.unfinished("site", "ha02")
    claim.unfinished = {Unfinished(known + 256, "ha02")}
    awaiting.begin(steward, charge, claim, core.now)
    assert charge.waiting_for == ("ha02",), "it held the group after it was switched on again"


def test_a_vote_without_its_answer_is_not_counted() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    core.pass_time(BEAT, "ha02", "arbiter")
    claim = core.node.steward.claims.claims["site"]
    core.beat_of("arbiter", votes=core.votes_for_us())
    assert core.node.steward.claims.held("site") is None, "the arbiter has not told whose programs may still run"
    core.grant(Bid("ha01", 0xA1, "site", claim.ballot, core.sent_at), "arbiter", highest=HIS)
    assert core.node.steward.claims.held("site") is not None
    assert core.node.steward.charges["site"].waiting_for == ("ha02",)


# Stops that hang


def test_a_stop_that_hangs_is_said_and_the_next_node_fences() -> None:
    core = Core(three())
    stuck = {"holds": (Hold("site", HIS),), "groups": (GroupReport("site", Phase.STUCK, False, "db did not stop"),)}
    core.words["ha02"] = stuck
    core.settle("ha02", "arbiter")
    core.pass_time(BEAT, "ha02", "arbiter")
    assert [fence.why for fence in fences(core)] == ["site does not stop on it"]
    core.words["ha02"] = {}
    core.beat_of("ha02")
    assert not core.node.steward.fencing.targets["ha02"].reasons, "it stopped after all"


def again(core: Core) -> RunAgent:
    """The stop that follows the first one that failed."""
    found = core.pass_time(2 * SECOND, "ha02", "arbiter")
    return next(effect for effect in of(RunAgent, found) if effect.action is Action.STOP)


def test_our_own_stop_that_hangs_is_said() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    core.hold("ha02", "arbiter")
    found = core.tell(AdminRequest(1, "standby", "", "ha01", "anna"))
    stop = next(effect for effect in of(RunAgent, found) if effect.action is Action.STOP)
    core.tell(Finished(stop.op, Outcome.UNKNOWN, "killed at its time limit"))
    assert core.node.steward.charges["site"].execution.phase() is Phase.FAILED, "it is tried again first"
    stop = again(core)
    look = of(RunAgent, core.tell(Finished(stop.op, Outcome.UNKNOWN, "killed at its time limit")))[0]
    core.tell(Finished(look.op, Outcome.OK))
    assert core.node.steward.charges["site"].execution.phase() is Phase.STUCK
    shown = core.node.snapshot(core.now)
    coming = " ".join(shown.groups[0].prospects)
    assert "nobody takes it over before it has stopped on ha01" in coming
    assert "understudy move" not in coming
    assert "understudy confirm-off ha01" in coming
    assert "understudy start" not in coming
    core.tell(AdminRequest(2, "stop", "site", "", "anna"))
    assert shown.groups[0].prospects == core.node.snapshot(core.now).groups[0].prospects[:-1]
    assert "then `understudy start site`" in core.node.snapshot(core.now).groups[0].prospects[-1]
    assert sum("is stuck here" in text for text in shown.warnings) == 1
    assert core.node.steward.claims.held("site") is not None, "the lease is kept: nobody may start it"


# Operators


def test_an_operator_fences_and_is_told() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    assert of(Reply, core.tell(AdminRequest(5, "fence", "", "ha02", "anna"))) == []
    assert fences(core)[0].why == "anna asked for it"
    answer(core)
    assert of(Reply, core.effects)[-1] == Reply(5, True, "ha02 is off: confirmed by ipmi2")


def test_an_operator_is_told_when_it_fails() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    core.tell(AdminRequest(5, "fence", "", "ha02", "anna"))
    answer(core, Outcome.FAILED, "login denied")
    assert of(Reply, core.effects)[-1] == Reply(5, False, f"ha02 could not be fenced: ipmi2: login denied; {BY_HAND}")
    core.pass_time(3 * PAUSE, "ha02", "arbiter")
    assert len(fences(core)) == 1, "an operator's wish is not repeated behind his back"


def test_what_cannot_be_fenced_is_refused() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    for node, text in (
        ("ha01", "ha01 cannot fence itself; ask another node"),
        ("ha03", "ha03 is not a node of this cluster (ha01, ha02)"),
    ):
        assert of(Reply, core.tell(AdminRequest(5, "fence", "", node, "anna"))) == [Reply(5, False, text)]
    bare = Core(cluster(database()))
    bare.settle("ha02", "arbiter")
    text = f"there is no fence device for ha02 in the configuration; {BY_HAND}"
    assert of(Reply, bare.tell(AdminRequest(5, "fence", "", "ha02", "anna"))) == [Reply(5, False, text)]


def test_a_human_confirms() -> None:
    core = after_a_lost_holder()
    core.tell(AdminRequest(5, "confirm-off", "", "ha02", "anna"))
    assert of(Reply, core.effects)[-1] == Reply(5, True, "ha02 counts as off, by the word of anna")
    core.serve(BEAT, "arbiter")
    assert started(core)


def test_a_human_is_not_believed_about_a_node_that_is_heard() -> None:
    core = Core(three())
    core.settle("ha02", "arbiter")
    found = core.tell(AdminRequest(5, "confirm-off", "", "ha02", "anna"))
    (reply,) = of(Reply, found)
    assert not reply.ok
    assert reply.text.startswith("ha02 is not off: ha01 hears it; wait a dead time")


# quorum = "fence"


def test_a_holder_keeps_alone() -> None:
    core = two()
    core.settle("ha02")
    core.hold("ha02")
    core.serve(10 * DEAD)
    assert core.node.steward.claims.held("site") is not None
    assert not fences(core), "it needs nothing from its peer"


def peer_holds(core: Core, peer: str) -> None:
    core.words[peer] = {"holds": (Hold("site", HIS),), "groups": (GroupReport("site", Phase.STARTED, True),)}
    core.settle(peer)
    core.pass_time(2 * DEAD, peer)


def test_a_lost_holder_must_be_off_before_the_group_is_taken() -> None:
    core = two()
    peer_holds(core, "ha02")
    core.serve(5 * DEAD)
    (fence,) = fences(core)
    assert core.node.steward.claims.held("site") is None
    core.finish_all(core.tell(Finished(fence.op, Outcome.OK)))
    core.serve(DEAD)
    assert core.node.steward.claims.held("site") is not None
    assert started(core), "the same confirmation is the proof of stop"


def test_a_node_that_has_not_met_its_peer_does_not_fence_it() -> None:
    core = two()
    core.settle()
    core.serve(20 * DEAD)
    assert not fences(core)
    assert core.node.steward.claims.held("site") is None
    assert "understudy confirm-off ha02" in notes(core.effects)
    core.tell(AdminRequest(5, "confirm-off", "", "ha02", "anna"))
    core.serve(5 * DEAD)
    assert core.node.steward.claims.held("site") is not None


def test_nobody_is_fenced_while_the_service_network_answers_for_the_address() -> None:
    core = two()
    peer_holds(core, "ha02")
    for _ in range(100):
        found = core.pass_time(BEAT)
        core.finish(found, Outcome.FAILED, "192.0.2.1 is used by 02:00:00:00:00:02")
    assert not fences(core)
    core.serve(3 * DEAD)
    assert fences(core), "nobody answers any more"


def test_the_second_of_the_file_waits_when_both_may_shoot() -> None:
    core = Core(replace(two().cluster, groups=(database(), group("mail", address(2)))), "ha02")
    peer_holds(core, "ha01")  # but not mail
    lost = core.now
    core.serve(5 * DEAD)
    assert fences(core)
    assert core.node.steward.fencing.targets["ha01"].operation is not None
    assert core.node.steward.fencing.targets["ha01"].operation.began >= lost + DEAD + 2 * SECOND - BEAT


def test_a_holders_own_kernel_lease_lets_it_keep_the_group_after_a_restart() -> None:
    core = two()
    core.start(leases=(("site", 800 * MILLISECOND),), present=("192.0.2.1",))
    core.serve(5 * DEAD)
    assert core.node.steward.claims.held("site") is not None
    without = two()
    without.start()
    without.serve(5 * DEAD)
    assert without.node.steward.claims.held("site") is None


# Watchdog


def watched(core: Core, timeout: int = 10 * SECOND, ran: bool = False) -> Core:
    core.tell(Started(0xA1, 7, 1_700_000, carriers=(("eth0", True),), watchdog=timeout, watchdog_ran=ran))
    return core


def fed_until(core: Core) -> int:
    feeds = of(FeedWatchdog, core.effects)
    return feeds[-1].until if feeds else 0


def test_an_idle_machine_feeds_its_watchdog() -> None:
    core = watched(Core(three()))
    core.serve(3 * DEAD, "ha02", "arbiter")
    assert core.now < fed_until(core) <= core.now + DEAD
    assert (
        of(Heartbeat, [effect.message for effect in core.effects if hasattr(effect, "message")])[-1].state.watchdog
        == 10 * SECOND
    )


def test_programs_of_an_earlier_life_must_be_seen_to_have_stopped_first() -> None:
    core = watched(Core(three()), ran=True)
    core.pass_time(3 * DEAD, "ha02", "arbiter")
    assert not of(FeedWatchdog, core.effects), "nobody has said that they do not run"


def test_a_machine_whose_right_is_over_is_not_fed_until_exclusive_parts_have_stopped() -> None:
    core = watched(Core(three()))
    core.finish_all(core.tell(ManagerChanged(True)))
    core.serve(5 * DEAD, "ha02", "arbiter")
    held = core.node.steward.claims.held("site")
    assert held is not None
    assert started(core)
    assert fed_until(core) > core.now
    last = held.until
    core.effects.clear()
    found = core.pass_time(5 * DEAD)
    last = max(last, held.until)
    assert all(feed.until <= last for feed in of(FeedWatchdog, found))
    core.finish_all(found)
    core.pass_time(BEAT)
    assert fed_until(core) > core.now, "it has stopped"


def test_a_machine_that_is_stuck_is_not_fed_although_its_right_stands() -> None:
    core = watched(Core(three()))
    core.finish_all(core.tell(ManagerChanged(True)))
    core.serve(5 * DEAD, "ha02", "arbiter")
    found = core.tell(AdminRequest(1, "standby", "", "ha01", "anna"))
    stop = next(effect for effect in of(RunAgent, found) if effect.action is Action.STOP)
    core.tell(Finished(stop.op, Outcome.FAILED, "no"))
    look = of(RunAgent, core.tell(Finished(again(core).op, Outcome.FAILED, "no")))[0]
    core.tell(Finished(look.op, Outcome.UNKNOWN, "killed at its time limit"))
    core.effects.clear()
    core.pass_time(3 * BEAT, "ha02", "arbiter")
    assert core.node.steward.claims.held("site") is not None
    assert not of(FeedWatchdog, core.effects)


def test_the_watchdog_of_a_lost_machine_is_the_proof() -> None:
    core = Core(cluster(database(stop=5 * SECOND)))
    core.words["ha02"] = {"holds": (Hold("site", HIS),), "groups": (GroupReport("site", Phase.STARTED, True),)}
    core.settle("ha02", "arbiter")
    core.node.steward.proof.heard(
        replace(
            state("ha02", holds=(Hold("site", HIS),), groups=(GroupReport("site", Phase.STARTED, True),)),
            watchdog=10 * SECOND,
        ),
        0,
        core.now,
    )
    core.pass_time(2 * DEAD, "arbiter")
    core.effects.clear()
    core.hold("arbiter")
    core.serve(21 * SECOND, "arbiter")
    assert not started(core), "the stop timeout of 5s is over, the watchdog's time, fed once more by the kernel, is not"
    core.serve(2 * SECOND, "arbiter")
    assert started(core)
    assert "its watchdog has reset it: that is the proof of stop" in notes(core.effects)


def test_a_clean_stop_closes_the_watchdog() -> None:
    core = watched(Core(three()))
    core.serve(3 * DEAD, "ha02", "arbiter")
    core.tell(ShutdownAsked())
    core.serve(2 * DEAD, "ha02", "arbiter")
    assert len(of(CloseWatchdog, core.effects)) == 1
