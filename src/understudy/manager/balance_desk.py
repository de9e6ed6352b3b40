"""The manager beside a balancer: its notes go into the history, and what it balances stands in the status.

The balancer is asked over its own socket, as people ask it. Nothing waits for it: while it is away the status says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

from ..adapters import running
from ..effects import Level

LIMIT = 0.2
"""Seconds that the status waits for it."""

READ = 5_000_000
"""And a second for each so many bytes of what is balanced: ten thousand servers are not told within the limit."""

AGAIN = 1.0
LONGEST_ANSWER = 1 << 26

Say = Callable[[Level, str, str, str, int], None]
"""Level, sentence, group, node, when."""


class BalanceDesk:
    """Of one manager."""

    def __init__(self, runtime_dir: str, say: Say) -> None:
        self._runtime_dir = runtime_dir
        self._path = os.path.join(runtime_dir, "balancer.sock")
        self._copy = os.path.join(runtime_dir, running.SERVICES)
        self._say = say
        self.answers: bool | None = None
        """Whether it did when it was asked last; None where nothing is balanced."""

    async def run(self) -> None:
        """Take its notes, until cancelled."""
        while True:
            if running.has_services(self._runtime_dir):
                with contextlib.suppress(OSError, ValueError):
                    await self._follow()
            await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(b'{"do":"notes"}\n')
            while line := await reader.readline():
                note = json.loads(line)
                at = note.get("at_ns")
                self._say(_level(note.get("level")), str(note.get("text")), "", "", at if isinstance(at, int) else 0)
        finally:
            writer.close()

    async def services(self) -> tuple[list[dict[str, Any]], list[str]]:
        """What is balanced, and warnings; nothing where nothing is."""
        if not running.has_services(self._runtime_dir):
            self.answers = None
            return [], []
        try:
            async with asyncio.timeout(LIMIT + os.stat(self._copy).st_size / READ):
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_ANSWER)
                try:
                    writer.write(b'{"do":"pool"}\n')
                    answer = json.loads(await reader.readline())
                finally:
                    writer.close()
            self.answers = True
            return list(answer["services"]), [str(text) for text in answer["warnings"]]
        except (OSError, TimeoutError, ValueError, KeyError, TypeError):
            self.answers = False
            return [], ["the balancer does not answer: the kernel balances on as it did, and no server is probed here"]


def _level(text: object) -> Level:
    try:
        return Level(text)
    except ValueError:
        return Level.INFO
