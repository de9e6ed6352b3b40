"""What a core says of what would move a group, as ``understudy why`` shows it: on the holder, on others, and of no holder."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import BEAT, DEAD, Core, address, cluster, group, holding, of, program, settled

from understudy.core.placement import MOVED_HERE, stays_by_word
from understudy.core.prospects import span
from understudy.effects import Action, RunAgent
from understudy.events import AdminRequest, Finished, ManagerChanged, Outcome, PingsSeen, ResourceFailed
from understudy.messages import GroupReport, Hold, Phase
from understudy.model import Failback, FailbackKind, Quorum
from understudy.units import MILLISECOND, MINUTE, SECOND

BALLOT = 1_800_000 << 8 | 2


def prospects(core: Core) -> tuple[str, ...]:
    return core.node.snapshot(core.now).groups[0].prospects


def second(failback: Failback) -> Core:
    """ha01 holds site, which likes ha02 better; ha02 has not been heard."""
    wanted = replace(group("site", address(100), prefer=("ha02", "ha01")), failback=failback)
    core = Core(cluster(wanted))
    core.settle("arbiter")
    core.hold("arbiter")
    core.pass_time(3 * BEAT, "arbiter")
    return core


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (1500 * MILLISECOND, "1.5s"),
        (30 * SECOND + 1, "31s"),
        (200 * SECOND, "3m20s"),
        (5 * MINUTE, "5m"),
        (2 * 60 * MINUTE + 9 * MINUTE + 1 * SECOND, "2h10m"),
    ],
)
def test_spans_of_time_to_come(length: int, text: str) -> None:
    assert span(length) == text


def test_a_holder_says_what_a_failure_and_an_operator_would_do() -> None:
    assert prospects(holding(address(100))) == ("if ha01 fails: to ha02", "an operator: `understudy move site ha02`")


def test_the_last_two_of_three_say_that_a_failure_leaves_nobody() -> None:
    core = holding(address(100))
    core.pass_time(3 * DEAD, "arbiter")
    assert prospects(core) == (
        "if ha01 fails, nobody may take it: partition WITHOUT quorum: 1 of 3 votes are left, 2 are needed",
    )


def test_a_failback_counts_down_when_the_better_node_is_back() -> None:
    core = second(Failback(FailbackKind.AFTER, 5 * MINUTE))
    (first, *_) = prospects(core)
    unheard = "it was not heard since this node started (when it is heard again)"
    assert first == f"it goes to ha02 when that has been ready for 5m; now {unheard}"
    core.beat_of("ha02")
    before = prospects(core)[0]
    core.pass_time(100 * SECOND, "ha02", "arbiter")
    assert before == "it goes to ha02 in 5m, when that has been ready for 5m"
    assert prospects(core)[0] == "it goes to ha02 in 3m20s, when that has been ready for 5m"


def test_an_operator_s_word_is_known_on_the_holder_and_on_others() -> None:
    core = second(Failback(FailbackKind.AFTER, 5 * MINUTE))
    core.beat_of("ha02")
    core.tell(AdminRequest(1, "move", "site", "ha01", "root"))
    assert prospects(core)[0] == f"not by itself to ha02: {MOVED_HERE}"
    other = Core(cluster(replace(group("site", address(100), prefer=("ha01",)))))
    other.settle("ha02", "arbiter")
    words = (GroupReport("site", Phase.STARTED, True, stays_by_word("ha02")),)
    other.beat_of("ha02", holds=(Hold("site", BALLOT),), groups=words)
    assert prospects(other)[0] == f"not by itself to ha01: {MOVED_HERE}"
    words = (GroupReport("site", Phase.STARTED, True, "it was lonely"),)
    other.beat_of("ha02", holds=(Hold("site", BALLOT),), groups=words)
    assert prospects(other)[0].startswith("it goes to ha01 ")


def test_what_runs_nowhere_for_lack_of_votes() -> None:
    core = Core(cluster())
    core.start()
    assert prospects(core) == ("when 1 of ha02, arbiter can be heard again: so many more votes are needed",)
    fence = Core(cluster(witnesses=(), quorum=Quorum.FENCE))
    fence.start()
    fence.pass_time(3 * DEAD)
    assert prospects(fence) == ("when ha02 is heard again, or confirmed off: `understudy confirm-off ha02`",)
    pair = Core(cluster(witnesses=(), quorum=Quorum.PAIR, ping=("192.0.2.1",)))
    pair.start()
    pair.tell(PingsSeen(()))
    pair.pass_time(3 * DEAD)
    assert prospects(pair) == ("when ha02 can be heard again: 1 more vote is needed",)


def test_what_runs_nowhere_because_no_node_can() -> None:
    core = settled()
    core.tell(AdminRequest(1, "standby", "", "ha01", "root"))
    core.pass_time(BEAT, "ha02", "arbiter")
    core.beat_of("ha02", standby=True)
    assert set(prospects(core)) == {"ha01: `understudy online ha01`", "ha02: `understudy online ha02`"}


def test_what_has_failed_too_often_is_ended_by_cleanup() -> None:
    core = Core(cluster(group("site", program("httpd"), prefer=("ha02", "ha01"))))
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.STOPPED, False, "failed there: cannot bind"),)}
    core.settle("ha02", "arbiter")
    core.hold("ha02", "arbiter")
    assert "(after a while, or at once: `understudy cleanup site`)" in prospects(core)[0]
    runs = of(RunAgent, core.tell(ResourceFailed("site", "httpd", "ended")))
    while runs:
        ends = (Outcome.FAILED, "cannot bind") if runs[0].action is Action.START else (Outcome.OK, "")
        runs = of(RunAgent, core.tell(Finished(runs[0].op, *ends)))
    (part,) = core.node.snapshot(core.now).groups[0].resources
    assert (part.state, part.text) == ("failed", "start: cannot bind; tried again in 2m30s")
    core.tell(AdminRequest(1, "cleanup", "site", "", "anna"))
    assert not core.node.snapshot(core.now).groups[0].resources[0].text.startswith("start: cannot bind; tried again")


def test_a_node_that_has_no_manager_for_programs() -> None:
    core = Core(cluster(group("site", program("httpd"))))
    core.settle("ha02", "arbiter", manager=False)
    core.beat_of("ha02", standby=True)
    core.tell(ManagerChanged(False))
    assert "ha01: when it is there again" in prospects(core)


def test_a_witness_says_nothing() -> None:
    core = Core(cluster(), "arbiter")
    core.start()
    assert prospects(core) == ()
