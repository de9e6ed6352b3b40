"""What a node makes of what it knows: who holds what, who may run what, when to hurry, whose news others lack."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import (
    BEAT,
    DEAD,
    Core,
    address,
    cluster,
    group,
    holding,
    incarnation_of,
    program,
    settled,
)

from understudy.core import outlook
from understudy.events import ManagerChanged
from understudy.messages import Bid, GroupReport, Heard, Hold, Phase, Release
from understudy.units import MILLISECOND, SECOND

BALLOT = 1_800_000 << 8 | 2


def waiting() -> Core:
    """A core that wants nothing for itself: ha02 is first in prefer."""
    core = Core(cluster(group("site", address(100), prefer=("ha02",))))
    core.settle("ha02", "arbiter")
    return core


def holders(core: Core) -> dict[str, str]:
    return outlook.holders(core.node, core.now)


# Who holds what


def test_who_says_that_it_holds_is_the_holder_while_it_lives() -> None:
    core = waiting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    assert holders(core) == {"site": "ha02"}
    core.node.voter.promises.clear()
    assert holders(core) == {"site": "ha02"}
    core.pass_time(2 * DEAD)
    core.node.voter.promises.clear()
    assert holders(core) == {}


def test_who_only_bids_holds_nothing() -> None:
    core = waiting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT, bidding=True),))
    assert holders(core) == {}


def test_a_promise_counts_as_a_holder_until_it_ends() -> None:
    core = waiting()
    core.hear(Bid("ha02", incarnation_of("ha02"), "site", BALLOT, core.now), "ha02")
    assert holders(core) == {"site": "ha02"}
    core.now += core.cluster.silence
    assert holders(core) == {}


def test_a_ballot_that_was_given_up_is_held_by_nobody() -> None:
    core = waiting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    core.drain(Release("ha02", incarnation_of("ha02"), "site", BALLOT, None, True), "ha02")
    assert holders(core) == {}


def test_what_we_hold_is_ours_whatever_others_say() -> None:
    core = holding()
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    assert holders(core) == {"site": "ha01"}


def test_what_the_kernel_still_serves_here_is_ours() -> None:
    core = Core(cluster())
    core.start(leases=(("site", 300 * MILLISECOND),))
    assert holders(core) == {"site": "ha01"}
    core.now += 300 * MILLISECOND
    assert holders(core) == {}


# Who may run what


def test_a_node_that_has_just_started_says_for_how_long_it_waits() -> None:
    core = Core(cluster())
    core.start()
    core.now += 400 * MILLISECOND
    assert outlook.own_view(core.node, core.now).unfit == {"site": "it has just started and waits for another 600ms"}
    core.now += 600 * MILLISECOND
    assert outlook.own_view(core.node, core.now).unfit == {}


def test_but_not_about_what_it_takes_up_again() -> None:
    core = Core(cluster())
    core.start(leases=(("site", 300 * MILLISECOND),))
    assert outlook.own_view(core.node, core.now).unfit == {}


@pytest.mark.parametrize(
    ("words", "bar"),
    [
        ({}, ""),
        ({"standby": True}, "it is in standby"),
        ({"quiet": True}, "it has just started and grants nothing yet"),
        ({"quiet": True, "holds": (Hold("site", BALLOT),)}, ""),
        ({"digest": "x"}, "its configuration counts other voters"),
    ],
    ids=["well", "standby", "quiet", "quiet but takes something up again", "other voters"],
)
def test_another_node_in_its_own_words(words: dict[str, object], bar: str) -> None:
    core = waiting()
    core.beat_of("ha02", **words)
    assert outlook.other_view(core.node, "ha02", core.now).bar == bar


def test_another_node_never_heard_or_lost() -> None:
    core = Core(cluster())
    core.start()
    assert outlook.other_view(core.node, "ha02", core.now).bar == "it was not heard since this node started"
    core.beat_of("ha02")
    core.pass_time(2 * DEAD)
    assert outlook.other_view(core.node, "ha02", core.now).bar == "it is lost, silent for 2s"


def test_what_it_cannot_run_and_since_when_it_is_up() -> None:
    core = settled()
    reports = (
        GroupReport("site", Phase.STOPPED, False, "eth0 has no carrier"),
        GroupReport("mail", Phase.STOPPED, False),
    )
    core.now += 5
    core.beat_of("ha02", groups=reports)
    seen = outlook.other_view(core.node, "ha02", core.now)
    assert seen.unfit == {"site": "eth0 has no carrier", "mail": "it says so"}
    assert seen.up_for == core.now - core.node.membership.members["ha02"].up_since


def test_a_missing_manager_is_told_for_programs_only() -> None:
    core = Core(cluster(group("site", address(1)), group("web", address(2), program("httpd"))))
    core.settle("ha02", "arbiter")
    core.tell(ManagerChanged(False))
    told = {item.group: (item.fit, item.why) for item in outlook.reports(core.node)}
    assert told["site"][0]
    assert told["web"] == (False, "its manager is not there to run programs")


# When to hurry


def test_nobody_is_ready_while_it_is_quiet_in_standby_or_leaving() -> None:
    core = settled()
    assert outlook.ready(core.node, core.now)
    core.node.standby = True
    assert not outlook.ready(core.node, core.now)
    core.node.standby, core.node.leaving = False, True
    assert not outlook.ready(core.node, core.now)
    core.node.leaving = False
    core.node.voter.quiet_until = core.now + 1
    assert not outlook.ready(core.node, core.now)


@pytest.mark.parametrize("quiet", [False, True])
def test_a_better_node_that_is_still_starting_is_given_a_dead_time(quiet: bool) -> None:
    core = settled()
    core.beat_of("ha02", quiet=quiet)
    assert outlook.ready(core.node, core.now) is not quiet
    core.now = core.node.patient_until
    assert outlook.ready(core.node, core.now)


# Whose news others lack


def relayed(core: Core) -> set[str]:
    return {state.node for state in outlook.relay(core.node, core.now)}


def hearing(name: str, age: int) -> tuple[Heard, ...]:
    return (Heard(name, incarnation_of(name), age),)


@pytest.mark.parametrize(("age", "lacks"), [(0, False), (5 * BEAT // 2, False), (5 * BEAT // 2 + 1, True), (-1, True)])
def test_who_does_not_hear_a_member_itself_lacks_its_news(age: int, lacks: bool) -> None:
    core = settled()
    core.beat_of("ha02", heard=hearing("arbiter", age))
    core.beat_of("arbiter", heard=hearing("ha02", 0))
    assert relayed(core) == ({"arbiter"} if lacks else set())


def test_only_what_we_hear_ourselves_is_relayed() -> None:
    core = settled()
    core.beat_of("arbiter", heard=hearing("ha02", 0))
    core.now += 5 * BEAT // 2
    core.beat_of("ha02", heard=hearing("arbiter", -1))
    assert relayed(core) == {"arbiter"}
    core.now += 1
    assert relayed(core) == set(), "silent for longer than a member that is only late"


def test_nothing_is_relayed_for_those_who_are_lost() -> None:
    core = settled()
    core.beat_of("ha02", heard=hearing("arbiter", -1))
    core.pass_time(2 * DEAD, "arbiter")
    assert relayed(core) == set()


def test_after_a_start_nodes_that_were_never_heard_are_waited_for_as_long_as_configured() -> None:
    for init_dead_time in (0, 30 * SECOND):
        core = Core(replace(cluster(), init_dead_time=init_dead_time))
        core.start()
        begun = core.now
        assert core.node.patient_until - begun == max(init_dead_time, DEAD + max(DEAD, SECOND))
        core.now = core.node.voter.quiet_until
        assert outlook.ready(core.node, core.now) is False
        core.now = core.node.patient_until
        assert outlook.ready(core.node, core.now)
