"""Where datagrams come from: refused ones, and a member that is there twice."""

from __future__ import annotations

from understudy.pulse.senders import RECENT, Senders
from understudy.units import MILLISECOND, SECOND

HERE, THERE = "127.0.0.2", "127.0.0.3"


def test_a_restart_is_one_machine() -> None:
    senders = Senders("a", 1)
    for step in range(40):
        senders.heard("b", 7, HERE, "net1", step * 100 * MILLISECOND)
    for step in range(30, 200):  # the last ones of the old process come late, over a slow link
        senders.heard("b", 8, HERE, "net1", step * 100 * MILLISECOND)
    assert senders.sentences(20 * SECOND) == []


def test_two_machines_with_one_name_are_named_with_their_addresses() -> None:
    senders = Senders("a", 1)
    for step in range(50):
        senders.heard("b", 7, HERE, "net1", step * 100 * MILLISECOND)
        senders.heard("b", 8, THERE, "net1", step * 100 * MILLISECOND)
    (said,) = senders.sentences(5 * SECOND)
    assert said.startswith(
        "two machines use the name b, or one repeats what b said in an earlier life: last heard from "
    )
    assert f"{HERE} on network net1 and {THERE} on network net1" in said
    assert senders.sentences(5 * SECOND + RECENT) == []


def test_our_own_name_from_elsewhere() -> None:
    senders = Senders("a", 1)
    senders.heard("a", 1, HERE, "net1", 0)  # our own broadcast
    assert senders.sentences(0) == []
    senders.heard("a", 9, THERE, "net1", 0)
    (said,) = senders.sentences(0)
    assert f"last heard from {THERE} on network net1;" in said


def test_what_is_played_back_fills_no_memory() -> None:
    senders = Senders("a", 1)
    for number in range(1000):
        senders.heard("b", number, HERE, "net1", number * MILLISECOND)
    assert len(senders._lives["b"]) == 4
