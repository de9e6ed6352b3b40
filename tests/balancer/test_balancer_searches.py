"""Regular expressions in helper processes: what a helper does that is slow or dies is not the server's fault."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from understudy.balancer.reactor import Reactor
from understudy.balancer.searches import LONGEST, Searcher
from understudy.service_checks import Pattern
from understudy.units import SECOND, Instant
from understudy.wire.search import Search

EASY = Search(Pattern("(l)+$"), b"well")
RUNAWAY = Search(Pattern("(a+)+$"), b"a" * 60 + b"!")


class Bench:
    """Time and what is heard come when the test says so."""

    def __init__(self) -> None:
        self.now: Instant = 0
        self.reactor = Reactor(lambda: self.now)
        self.searcher = Searcher(self.reactor)
        self.said: list[tuple[bool | None, str]] = []

    def begin(self, search: Search) -> Callable[[], bool]:
        """Whether it is still waiting."""
        ticket = self.searcher.search(search, lambda good, trouble: self.said.append((good, trouble)))
        self.pass_to(self.now)
        return lambda: ticket.waiting

    def pass_to(self, now: Instant) -> None:
        """Time passes, and nothing is heard meanwhile."""
        self.now = now
        self.reactor.expire(now)

    def hear(self) -> None:
        self.reactor.wait(self.now + SECOND)
        self.reactor.drain()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.searcher.close()
    made.reactor.close()


def helper() -> int:
    """The process of this one that seeks. The kernel says a moment after its start only what it is called with."""
    deadline = time.monotonic() + 20
    while True:
        found = []
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                mine = f"PPid:\t{os.getpid()}\n" in status.read_text()
                if mine and b"search_helper" in (status.parent / "cmdline").read_bytes():
                    found.append(int(status.parent.name))
        if found or time.monotonic() > deadline:
            assert len(found) == 1
            return found[0]


def test_a_search_waits_until_its_helper_is_ready(bench: Bench) -> None:
    waiting = bench.begin(EASY)
    assert waiting()
    bench.pass_to(5 * SECOND)
    assert waiting()
    assert not bench.said
    while not bench.said:
        bench.hear()
    assert not waiting()
    assert bench.said == [(True, "")]
    assert not bench.begin(EASY)(), "the helper is ready"


def test_a_helper_that_does_not_start_is_our_trouble(bench: Bench) -> None:
    bench.begin(EASY)
    bench.pass_to(10 * SECOND)
    assert bench.said == [(None, "a process for regular expressions was not ready within 10s")]


def test_a_helper_that_dies_is_our_trouble_and_another_one_is_started(bench: Bench) -> None:
    bench.begin(EASY)
    os.kill(helper(), signal.SIGKILL)
    while not bench.said:
        bench.hear()
    bench.begin(EASY)
    while len(bench.said) == 1:
        bench.hear()
    assert bench.said == [(None, "a process for regular expressions has died"), (True, "")]


def test_an_expression_that_takes_too_long_is_a_failure(bench: Bench) -> None:
    waiting = bench.begin(RUNAWAY)
    while waiting():
        bench.hear()
    bench.pass_to(LONGEST)
    assert bench.said == [(None, "")]
