"""A hand-over whose answer comes too late: the giver waits ten seconds, and the other one no longer than it has to."""

from __future__ import annotations

from dataclasses import replace

from heartbeat3_parts import A, B, Two

from understudy.core.heartbeat3 import standby
from understudy.units import MILLISECOND, SECOND

LONG = 30 * SECOND


def offered() -> Two:
    """A has asked, B has agreed, and A has not heard it for ten seconds."""
    two = Two(1, deadtime=LONG, initdead=2 * LONG)
    two.cluster = replace(two.cluster, dead_time=LONG)
    two.start(A)
    two.run(100 * MILLISECOND)
    two.start(B)
    assert two.run_until(two.settled, 80 * SECOND)
    two.run(3 * SECOND)
    two.deaf = {A}
    assert two.operator(A, "hb_standby", "all")[0]
    two.run(9 * SECOND)
    assert two.node(B).handover.state.value == "offered"
    return two


def test_the_giver_that_has_given_up_says_so_and_the_other_waits_no_more() -> None:
    two = offered()
    two.run(2 * SECOND)
    two.deaf = set()
    two.run(5 * SECOND)
    assert [two.node(name).handover.state.value for name in (A, B)] == ["idle", "idle"]
    assert two.owners() == (A, B)
    assert any("node-a has given up waiting" in note for note in two.hosts[B].notes)
    assert two.operator(B, "hb_standby", "all")[0]
    assert two.run_until(lambda: two.owners() == (A, A), 10 * SECOND)
    assert not two.doubles


def test_a_report_from_before_the_question_ends_nothing() -> None:
    two = offered()
    node = two.node(B)
    assert node.peer is not None
    standby.reported(node, node.peer, "idle", node.handover.opened - 1, two.now)
    assert node.handover.state.value == "offered"
    two.deaf = set()
    assert two.run_until(lambda: two.owners() == (B, B), 10 * SECOND)
    assert not two.doubles
