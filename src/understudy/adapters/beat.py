"""A process shows the supervisor that its event loop turns (``supervisor.silence``): it touches its own lock file."""

from __future__ import annotations

import asyncio
import contextlib
import os

INTERVAL = 2.0
"""Seconds."""


async def beat(path: str) -> None:
    """Until cancelled. The times of a file that exists can be set on a full disk, too."""
    while True:
        with contextlib.suppress(OSError):
            os.utime(path)
        await asyncio.sleep(INTERVAL)
