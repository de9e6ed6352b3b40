"""Takes up other keys while the loop turns, and says which are in use; only names of keys ever leave this file.

The incarnation and its counter go on, so for everybody who knows the key that seals now nothing has happened: what was sealed
with either key opens, and no datagram is lost. The file is read in a thread: the runtime directory need not be in memory.
"""

from __future__ import annotations

import threading
from typing import Any

from ..config.load import read_key_file
from ..errors import Problem
from ..wire.native import key_name
from .ear import NativeEar
from .manager_link import ManagerLink
from .mouth import NativeMouth
from .reload import STACK


class Rekeyer:
    """``path``: our own copy of the key file, which the manager writes. ``names``: the keys in use, the one that seals first.
    ``ear`` and ``mouth`` get the others.
    """

    def __init__(self, path: str, keys: tuple[bytes, ...], ear: NativeEar, mouth: NativeMouth) -> None:
        self._ear, self._mouth = ear, mouth
        self.names = tuple(map(key_name, keys))
        self._path = path
        self._asked: Any = None
        self._found: tuple[bytes, ...] | Problem | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether the loop has to look again soon."""
        return self._thread is not None

    def begin(self, id: Any, take: bool, manager: ManagerLink) -> None:
        """Say which keys are in use; with ``take`` take those of the file first."""
        if not take or self._thread is not None:
            manager.keys(id, not take, "the keys are being read" if take else "", self.names)
            return
        self._asked, self._found = id, None
        threading.stack_size(STACK)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        self._found = read_key_file(self._path)

    def take(self, manager: ManagerLink) -> None:
        """Once the file is read its keys open and seal from now on."""
        if self._thread is None or self._found is None:
            return
        self._thread.join()
        self._thread, found = None, self._found
        if isinstance(found, Problem):
            manager.keys(self._asked, False, str(found), self.names)
            return
        names = tuple(map(key_name, found))
        if names != self.names:
            self._mouth.sealer = self._mouth.sealer.with_keys(found)
            self._ear.opener = self._ear.opener.with_keys(found)
            self.names = names
        manager.keys(self._asked, True, "", self.names)
