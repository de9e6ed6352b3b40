"""Another balancer that was started on this machine after this one: ldirectord, or keepalived's checkers.

``understudy run`` does not start beside one, and nothing tells when one starts later. Looking at every process takes time, and
the kernel may make a reader wait for a process that changes its memory: it is done in a thread, for which nobody ever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

EACH = 60.0
"""Seconds between two looks."""

GONE = "no other balancer runs on this machine any more"


class Beside:
    """``look``: what is to be said of another one, "" for none. ``say``: a sentence and its level, called in the event loop."""

    def __init__(
        self,
        look: Callable[[], str],
        say: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._say, self._clock = look, say, clock
        self._next = clock()
        self._looking = False
        self.trouble = ""
        """Of the one that was there at the last look, "" for none."""

    def look(self) -> None:
        """Begin to look when it is time, unless the look before has not come back.

        Raises RuntimeError when no thread can be started, or outside an event loop.
        """
        now = self._clock()
        if self._looking or now < self._next:
            return
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(loop,), name="beside", daemon=True).start()
        self._looking, self._next = True, now + EACH

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        found = None
        try:
            found = self._look()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._came_back, found)

    def _came_back(self, found: str | None) -> None:
        """Said once when one comes and once when it is gone. None: the look broke, so nothing is known."""
        self._looking = False
        if found is None:
            return
        before, self.trouble = self.trouble, found
        if found and not before:
            self._say(found, "warning")
        elif before and not found:
            self._say(GONE, "info")
