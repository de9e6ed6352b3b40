"""Takes up other keys while the loop turns, and says which are in use; only names of keys ever leave this file.

The incarnation and its counter go on, so for everybody who knows the key that seals now nothing has happened: what was sealed
with either key opens, and no datagram is lost. The file is read in a thread: the runtime directory need not be in memory.
"""

from __future__ import annotations

from typing import Any

from ..config.load import read_key_file
from ..errors import Problem
from ..wire.native import key_name
from .ear import NativeEar
from .manager_link import ManagerLink
from .mouth import NativeMouth
from .reading import Reading


class Rekeyer:
    """``path``: our own copy of the key file, which the manager writes. ``names``: the keys in use, the one that seals first.
    ``ear`` and ``mouth`` get the others.
    """

    def __init__(self, path: str, keys: tuple[bytes, ...], ear: NativeEar, mouth: NativeMouth) -> None:
        self._ear, self._mouth = ear, mouth
        self.names = tuple(map(key_name, keys))
        self._asked: Any = None
        self._reading: Reading[tuple[bytes, ...] | Problem] = Reading(
            lambda: read_key_file(path), lambda text: Problem(path, 0, 0, text)
        )

    @property
    def busy(self) -> bool:
        """Whether the loop has to look again soon."""
        return self._reading.busy

    def begin(self, id: Any, take: bool, manager: ManagerLink) -> None:
        """Say which keys are in use; with ``take`` take those of the file first."""
        if not take or not self._reading.begin():
            manager.keys(id, not take, "the keys are being read" if take else "", self.names)
            return
        self._asked = id

    def take(self, manager: ManagerLink) -> None:
        """Once the file is read its keys open and seal from now on."""
        found = self._reading.take()
        if found is None:
            return
        if isinstance(found, Problem):
            manager.keys(self._asked, False, str(found), self.names)
            return
        names = tuple(map(key_name, found))
        if names != self.names:
            self._mouth.sealer = self._mouth.sealer.with_keys(found)
            self._ear.opener = self._ear.opener.with_keys(found)
            self.names = names
        manager.keys(self._asked, True, "", self.names)
