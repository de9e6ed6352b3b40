"""Kernel leases in a process that may be stopped between any two lines, and on a kernel that refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulse_parts import HandClock, Rig, rig

from understudy.effects import KernelLease
from understudy.events import LeaseRefused
from understudy.units import MILLISECOND, SECOND


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[Rig]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.bind(("127.0.0.1", 0))
        port = int(handle.getsockname()[1])
    made = rig(str(tmp_path), port, clock)
    yield made
    made.close()


def test_a_lease_that_was_granted_too_late_is_taken_back_at_once(parts: Rig, clock: HandClock) -> None:
    until = clock.now + 100 * MILLISECOND
    clock.step = 80 * MILLISECOND  # stopped between the reading and the system call
    parts.loop.performer.perform(KernelLease("web", until, "right"), clock.now)
    assert parts.kernel.done == [("hold", "web", 20 * MILLISECOND), ("end", "web")]


def test_a_lease_that_reached_the_kernel_late_is_told_anew_with_what_is_left(parts: Rig, clock: HandClock) -> None:
    clock.step = 100 * MILLISECOND  # stopped again and again; the right itself lasts
    parts.loop.performer.perform(KernelLease("web", clock.now + SECOND, "right"), clock.now)
    assert parts.kernel.done == [("hold", "web", left * MILLISECOND) for left in (900, 700, 500)]
    clock.step = 0
    parts.kernel.done.clear()
    parts.loop.performer.perform(KernelLease("web", clock.now + SECOND, "right"), clock.now)
    assert parts.kernel.done == [("hold", "web", SECOND)]


def test_the_core_hears_of_every_refused_lease(parts: Rig, clock: HandClock) -> None:
    parts.kernel.lease_refusal = "Operation not permitted"
    for _ in range(2):
        parts.loop.performer.perform(KernelLease("web", clock.now + SECOND, "right"), clock.now)
    assert list(parts.loop.performer.results) == 2 * [LeaseRefused("web", "Operation not permitted")]
