"""What the pulse's recorder holds, as a file: ``understudy dump``."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ..adapters.channel import Packet
from ..adapters.safe_file import write_file
from ..errors import UnderstudyError
from ..units import SECOND, Duration

if TYPE_CHECKING:
    from .service import Manager

LIMIT: Duration = 10 * SECOND


class Dumps:
    """Those that are under way, by their numbers."""

    def __init__(self, manager: Manager, runtime_dir: str) -> None:
        self._manager = manager
        self._runtime_dir = runtime_dir
        self._lines: dict[int, list[str]] = {}

    async def dump(self) -> str:
        """Have what the pulse's recorder holds written to a file, replacing an earlier dump; returns its path.

        Raises NotRunning or TimedOut when the pulse does not deliver, UnderstudyError when the file cannot be written.
        """
        number = self._manager.next_number()
        self._lines[number] = []
        try:
            await self._manager.link.ask({"t": "dump", "id": number}, "dump", number, LIMIT)
            lines = self._lines[number]
        finally:
            del self._lines[number]
        path = os.path.join(self._runtime_dir, "dump.jsonl")
        try:
            data = "".join(f"{line}\n" for line in lines).encode()
            await asyncio.get_running_loop().run_in_executor(None, write_file, path, data, 0o600, True)
        except OSError as error:
            raise UnderstudyError(f"cannot write {path}: {error.strerror}") from None
        return path

    def part(self, packet: Packet) -> None:
        """Some of the lines."""
        lines = packet.get("lines")
        wanted = self._lines.get(packet.get("id", -1))
        if wanted is not None and isinstance(lines, list):
            wanted.extend(str(line) for line in lines)
