"""The watchdog while the old protocol is spoken: fed with each heartbeat, and when not."""

from __future__ import annotations

from heartbeat3_parts import DEADTIME, KEEPALIVE, A, B, Two, up

from understudy.events import ShutdownAsked
from understudy.heartbeat_files import AutoFailback
from understudy.units import SECOND

TIMEOUT = 2 * DEADTIME


def watched(**changes: object) -> Two:
    """Each has its own groups, and a watchdog that counts to twice the dead time."""
    two = Two(**changes)  # type: ignore[arg-type]
    for name in (A, B):
        two.start(name, watchdog=TIMEOUT)
    assert two.run_until(lambda: two.owners() == (A, B), 30 * SECOND)
    two.run(SECOND)
    return two


def test_it_is_fed_with_each_heartbeat() -> None:
    two = watched()
    before = two.now
    two.run(10 * SECOND)
    fed = [at for at in two.hosts[A].fed if at > before]
    assert len(fed) >= 10 * SECOND // KEEPALIVE - 1
    assert not two.hosts[A].closed


def test_a_machine_without_one_feeds_nothing() -> None:
    two = up()
    assert two.hosts[A].fed == []


def test_a_clean_stop_closes_it() -> None:
    two = watched()
    two.tell(A, ShutdownAsked())
    assert two.run_until(lambda: two.hosts[A].closed, 10 * SECOND)
    assert two.hosts[A].stopped
    assert not two.hosts[B].closed


def test_what_an_earlier_life_may_have_left_is_not_fed_without_a_right_to_it() -> None:
    """Its kernel lease is over, and a program of its group may still run: until the program was seen to have stopped."""
    two = watched(auto_failback=AutoFailback.OFF)
    two.crash(A)
    assert two.run_until(lambda: two.owners() == (B, B), 30 * SECOND)
    host = two.hosts[A]
    host.programs.add("test1")  # as if the machine had lost its daemon only
    host.fed.clear()
    host.slow = 3 * SECOND
    back = two.now
    two.start(A, watchdog=TIMEOUT, watchdog_ran=True)
    assert two.run_until(lambda: "test1" not in host.programs, 30 * SECOND)
    gone = two.now
    two.run(2 * SECOND)
    assert [at for at in host.fed if back < at < gone] == [], "so the device would have reset it in the end"
    assert [at for at in host.fed if at >= gone] != []
