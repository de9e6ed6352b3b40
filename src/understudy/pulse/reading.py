"""Reads files while the loop turns, in a thread that gives way to it: neither a disk nor a long text holds up a heartbeat."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

Found = TypeVar("Found")

SWITCH = 0.0002
"""Seconds after which a thread that reads gives way to the loop."""

NAME = "reads"
"""Of the thread."""

STACK = 1 << 20
"""Bytes of the thread's stack, which is locked in memory."""


class Reading(Generic[Found]):
    """``read`` says what it found, never None. Should it raise anything, that is what ``refusal`` makes of a sentence."""

    def __init__(self, read: Callable[[], Found], refusal: Callable[[str], Found]) -> None:
        self._read = read
        self._refusal = refusal
        self._found: Found | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether the loop has to look again soon."""
        return self._thread is not None

    def begin(self) -> bool:
        """Read now. False: what was asked for before has not been taken yet, and nothing is begun."""
        if self._thread is not None:
            return False
        self._found = None
        threading.stack_size(STACK)
        sys.setswitchinterval(SWITCH)
        self._thread = threading.Thread(target=self._work, name=NAME, daemon=True)
        self._thread.start()
        return True

    def _work(self) -> None:
        # A thread that ended without an answer would keep the loop awake, and have all that follows refused.
        try:
            self._found = self._read()
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            self._found = self._refusal(
                f"a bug of Understudy's: {what} ({os.path.basename(last.filename)}:{last.lineno})"
            )

    def take(self) -> Found | None:
        """What was read, once; None while there is nothing."""
        if self._thread is None or self._found is None:
            return None
        self._thread.join()
        self._thread = None
        return self._found
