"""Wait for the cluster to become as asked, by looking at its status."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..errors import NotRunning, TimedOut
from ..units import MILLISECOND, SECOND, Duration, format_duration
from .client import Client
from .terminal import Progress

_PAUSE = 0.03

Look = Callable[[dict[str, Any]], tuple[bool, str]]
"""From a status: whether it is done, and a sentence on how it stands."""


def wait_for(client: Client, look: Look, limit: Duration) -> float:
    """Look until it is done; returns the milliseconds that it took. Raises TimedOut with the last sentence."""
    begun = time.monotonic_ns()
    progress = Progress()
    sentence = "the daemon has not answered"
    try:
        while True:
            try:
                status = client.get("/v1/status")
                done, sentence = look(status)
                # What a silent pulse said last proves nothing about now.
                done = done and status["stale_ms"] is None
            except (NotRunning, TimedOut) as error:
                done, sentence = False, error.text
            spent = time.monotonic_ns() - begun
            if done:
                return spent / MILLISECOND
            if spent > limit:
                raise TimedOut(
                    f"not done after {format_duration(limit)}: {sentence}",
                    "the cluster goes on; look with: understudy status",
                )
            progress.show(f"{sentence} ({spent / SECOND:.0f} s)")
            time.sleep(_PAUSE)
    finally:
        progress.clear()


def find(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The group or node with this name; an empty one when the daemon does not know it."""
    return next((item for item in items if item["name"] == name), {})
