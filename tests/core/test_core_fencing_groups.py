"""Fencing and proof of stop where more than one group, or a machine that was never heard, is concerned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import BEAT, DEAD, Core, address, cluster, group, messages, of, program, state
from test_core_fencing import HIS, after_a_lost_holder, answer, database, device, fences, started

from understudy.core import awaiting
from understudy.core.charge import Charge
from understudy.core.leases import Claim
from understudy.effects import Action, Reply, RunAgent
from understudy.events import AdminRequest, Outcome
from understudy.messages import Bid, GroupReport, Hold, Phase, Unfinished
from understudy.units import MILLISECOND, SECOND


def two_groups_of_a_lost_holder() -> Core:
    """The second group becomes ours while the device is at work for the first."""
    mail = group("mail", address(2), program("spool", exclusive=True), stop=60 * SECOND)
    core = Core(replace(cluster(database(), mail), fences=(device("ipmi2", "ha02"),)))
    holds = (Hold("site", HIS), Hold("mail", HIS + 256))
    reports = tuple(GroupReport(name, Phase.STARTED, True) for name in ("site", "mail"))
    core.words["ha02"] = {"holds": holds, "groups": reports}
    core.settle("ha02", "arbiter")
    core.pass_time(2 * DEAD, "ha02", "arbiter")
    core.effects.clear()
    while not messages(Bid, core.effects):
        core.pass_time(BEAT // 2, "arbiter")
    for bid in messages(Bid, core.effects):
        core.finish_all(core.grant(bid, "arbiter"))
        core.now += MILLISECOND
    return core


def test_one_fencing_does_for_all_groups_of_a_machine() -> None:
    core = two_groups_of_a_lost_holder()
    assert len(fences(core)) == 1
    answer(core)
    assert {effect.resource for effect in of(RunAgent, core.effects) if effect.action is Action.START} == {
        "db",
        "spool",
    }
    assert len(fences(core)) == 1


def test_an_answer_to_a_question_of_before_is_no_proof_if_the_machine_held_the_group_since() -> None:
    core = two_groups_of_a_lost_holder()
    claim = core.node.steward.claims.held("mail")
    assert claim is not None
    claim.unfinished = {Unfinished(HIS + 512, "ha02")}
    answer(core)
    assert core.node.steward.charges["site"].waiting_for == ()
    assert core.node.steward.charges["mail"].waiting_for == ("ha02",)


def test_a_machine_that_was_never_heard_may_have_the_watchdog_of_the_file() -> None:
    found = replace(cluster(database(stop=5 * SECOND)), watchdog_timeout=10 * SECOND)
    members = tuple(replace(item, watchdog="/dev/watchdog") if item.name == "ha02" else item for item in found.members)
    core = Core(replace(found, members=members))
    core.settle("arbiter")
    core.hold("arbiter")
    core.serve(20 * SECOND, "arbiter")
    assert not started(core), "its watchdog may still be counting"
    core.serve(3 * SECOND, "arbiter")
    assert started(core)


def test_a_machine_that_said_a_shorter_time_may_have_started_again_with_that_of_the_file() -> None:
    found = replace(cluster(database(stop=SECOND)), watchdog_timeout=10 * SECOND)
    members = tuple(replace(item, watchdog="/dev/watchdog") if item.name == "ha02" else item for item in found.members)
    core = Core(replace(found, members=members))
    his = {"holds": (Hold("site", HIS),), "groups": (GroupReport("site", Phase.STARTED, True),)}
    core.words["ha02"] = his
    core.settle("ha02", "arbiter")
    core.node.steward.proof.heard(replace(state("ha02", **his), watchdog=2 * SECOND), 0, core.now)
    core.pass_time(2 * DEAD, "arbiter")
    core.effects.clear()
    core.hold("arbiter")
    core.serve(20 * SECOND, "arbiter")
    assert not started(core), "it may count to ten by now"
    core.serve(3 * SECOND, "arbiter")
    assert started(core)


def test_a_group_may_be_called_operator() -> None:
    core = Core(replace(cluster(replace(database(), name="operator")), fences=(device("ipmi2", "ha02", retries=1),)))
    core.settle("ha02", "arbiter")
    core.tell(AdminRequest(5, "fence", "", "ha02", "root"))
    core.pass_time(BEAT, "ha02", "arbiter")
    answer(core, Outcome.FAILED, "login denied")
    assert len(fences(core)) == 2, "it is tried again"
    answer(core, Outcome.FAILED, "login denied")
    assert not of(Reply, core.effects)[-1].ok


def taken_once_it_was_off() -> tuple[Core, Charge, Claim]:
    core = after_a_lost_holder()
    answer(core)
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    return core, core.node.steward.charges["site"], claim


@pytest.mark.parametrize("newest_only", [False, True], ids=["all are named", "by an earlier version"])
def test_who_said_stopped_and_is_not_named_is_waited_for_only_if_a_voter_may_hide_it(newest_only: bool) -> None:
    core, charge, claim = taken_once_it_was_off()
    steward = core.node.steward
    assert "ha02" not in steward.alive
    steward.fencing.targets["ha02"].confirmed_at = None  # what it has against it is only what a voter may hide
    steward.proof.stopped_at["site", "ha02"] = core.now
    claim.unfinished, claim.newest_only = {Unfinished(HIS + 512, "ha03")}, newest_only
    awaiting.begin(steward, charge, claim, core.now)
    assert charge.waiting_for == (("ha02",) if newest_only else ())


@pytest.mark.parametrize("newest_only", [False, True], ids=["all are named", "by an earlier version"])
def test_another_lost_holder_spoils_a_confirmation_only_if_a_voter_may_hide_more(newest_only: bool) -> None:
    core, charge, claim = taken_once_it_was_off()
    steward = core.node.steward
    steward.proof.unfinished("site", "ha02")
    claim.unfinished, claim.newest_only = {Unfinished(HIS + 512, "ha03")}, newest_only
    awaiting.begin(steward, charge, claim, core.now)
    assert charge.waiting_for == (("ha02",) if newest_only else ())


def test_a_ballot_of_nobody_knows_whom_may_be_anybodys() -> None:
    core, charge, claim = taken_once_it_was_off()
    steward = core.node.steward
    steward.proof.unfinished("site", "ha02")
    claim.unfinished = {Unfinished(HIS | 0xFF)}
    awaiting.begin(steward, charge, claim, core.now)
    assert charge.waiting_for == ("ha02",)
