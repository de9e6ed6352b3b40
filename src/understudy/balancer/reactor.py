"""Descriptors and deadlines of one thread: an epoll set and a heap, without coroutines.

Made for very many short connections, of which each may cost some 40 µs: a callback a descriptor, edge-triggered, nothing else.
Whoever drives it calls ``turn`` when ``descriptor()`` is readable (an epoll descriptor can stand in another epoll set) or when
``next_deadline()`` has come. A turn is bounded; what is left over makes the descriptor readable or the deadline past.
"""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable
from functools import partial

from ..units import NEVER, SECOND, Instant

MOST_EVENTS = 128
MOST_TIMERS = 128
"""In one turn: some milliseconds of work."""

CHANGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""Everything that may happen on a connection, each told once: read and write until the kernel has no more."""


boot_clock: Callable[[], Instant] = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


class Reactor:
    """``clock``: nanoseconds, for what must know the time within a turn."""

    def __init__(self, clock: Callable[[], Instant] = boot_clock) -> None:
        self.clock = clock
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[Instant, int, Callable[[Instant], None]]] = []
        self._count = 0
        self._happened: list[tuple[int, int]] = []

    def descriptor(self) -> int:
        return self._epoll.fileno()

    def watch(self, descriptor: int, ready: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        """``ready`` gets the events (``select.EPOLL*``). It may be called for nothing, when a number is used again."""
        self._epoll.register(descriptor, events)
        self._ready[descriptor] = ready

    def watch_again(self, descriptor: int, ready: Callable[[int], None]) -> None:
        """One that was forgotten and not closed: it is told the same events as before."""
        self._ready[descriptor] = ready

    def rearm(self, descriptor: int, events: int = CHANGES) -> None:
        """Other events; and what is there already is told again."""
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Before it is closed, which ends the watching, or ``watch_again``."""
        self._ready.pop(descriptor, None)

    def unwatch(self, descriptor: int) -> None:
        """One that stays open."""
        if self._ready.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def at(self, when: Instant, due: Callable[[Instant], None]) -> None:
        """Cannot be taken back: ``due`` must see itself whether it is still wanted."""
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, due))

    def next_deadline(self) -> Instant:
        if self._happened:
            return 0
        return self._timers[0][0] if self._timers else NEVER

    def drain(self) -> bool:
        """Tell what has happened to descriptors; whether there may be more of it."""
        ready = self._ready
        happened = self._happened or self._epoll.poll(0, MOST_EVENTS)
        self._happened = []
        rest = iter(happened)
        try:
            for descriptor, events in rest:
                told = ready.get(descriptor)
                if told is not None:
                    told(events)
        except BaseException:
            self._happened = list(rest)  # the kernel tells them once
            raise
        return len(happened) == MOST_EVENTS

    def expire(self, now: Instant) -> None:
        """Tell the deadlines that have come."""
        timers = self._timers
        for _ in range(MOST_TIMERS):
            if not timers or timers[0][0] > now:
                return
            _, _, due = heapq.heappop(timers)
            due(now)

    def wait(self, limit: Instant) -> None:
        """For a process that has no other loop: until something happens, or ``limit``."""
        left = max(min(self.next_deadline(), limit) - self.clock(), 0)
        self._happened = self._happened or self._epoll.poll(min(left / SECOND, 3600.0), MOST_EVENTS)

    def close(self) -> None:
        self._ready.clear()
        self._timers.clear()
        self._epoll.close()
