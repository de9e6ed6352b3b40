"""``maintenancedir``: a file named like a server takes it out of service, and its removal puts it back.

A file may be named ADDRESS:PORT or ADDRESS (IPv6 in brackets), or NAME:PORT or NAME, where NAME is a host that has the server's
address. ldirectord asks for the name of every server in every round; here only names of files that are no addresses are looked
up, and remembered for ``MEMORY`` seconds. The folder is looked at every second, in a thread of its own for which nobody ever
waits, not even the end of the process: it may lie on a disk that hangs for good.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..services import ServiceFiles

MEMORY = 60.0
MOST_NAMES = 1000
"""More files than that are no maintenance of anything."""

SILENT = 5.0
"""Seconds after which a look that has not come back is said to hang."""

Found = frozenset[tuple[str, str]]
"""Servers with a file: (service, server)."""

Resolve = Callable[[str], tuple[str, ...]]
Names = Callable[[str], Sequence[str]]


def addresses_of(name: str) -> tuple[str, ...]:
    """What the name service knows; () for nothing. May wait for it."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(eq=False, slots=True)
class _Look:
    """One look, in a thread. ``found``: None until it has come back."""

    folder: str
    servers: dict[str, set[tuple[str, str]]]
    begun: float
    found: Found | None = None


class Maintenance:
    """The folder of ``files``. ``names``: what lies in a folder; raises OSError."""

    def __init__(
        self, resolve: Resolve = addresses_of, clock: Callable[[], float] = time.monotonic, names: Names = os.listdir
    ) -> None:
        self._resolve = resolve
        self._clock = clock
        self._names = names
        self._folder = ""
        self._servers: dict[str, set[tuple[str, str]]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._look: _Look | None = None
        self._found: Found | None = None

    def follow(self, files: ServiceFiles) -> None:
        """Other servers, or another folder: of that one nothing is known yet."""
        if files.maintenance != self._folder:
            self._folder, self._look, self._found = files.maintenance, None, None
        servers: dict[str, set[tuple[str, str]]] = {}
        for service in files.services if files.maintenance else ():
            for real in service.reals:
                address = f"[{real.address}]" if ":" in real.address else real.address
                for name in (f"{address}:{real.port}", address):
                    servers.setdefault(name, set()).add((service.name, real.name))
        self._servers = servers

    def begin(self, came_back: Callable[[], object]) -> None:
        """Look, unless the look before has not come back. ``came_back`` is called in another thread.

        Raises RuntimeError when no thread can be started; the next call tries again.
        """
        if self._folder and (self._look is None or self._look.found is not None):
            look = _Look(self._folder, self._servers, self._clock())
            threading.Thread(target=self._work, args=(look, came_back), name="maintenance", daemon=True).start()
            self._look = look  # not before: a thread that could not begin is no look that hangs

    def found(self) -> Found:
        """For which servers there was a file at the last look that came back. A folder that cannot be read has none."""
        look = self._look
        if look is not None and look.found is not None:
            self._look = None
            if look.servers is self._servers:  # else its words are those of before a reload
                self._found = look.found
        return self._found or frozenset()

    @property
    def trouble(self) -> str:
        """A sentence while a look hangs, else ""."""
        look = self._look
        if look is None or look.found is not None or self._clock() - look.begun < SILENT:
            return ""
        known = "until it does no server is" if self._found is None else "meanwhile the same servers as before are"
        why = "its disk hangs, or the name service about the names of its files"
        return f"the maintenance folder {self._folder} does not answer ({why}): {known} in maintenance"

    def _work(self, look: _Look, came_back: Callable[[], object]) -> None:
        found: Found = frozenset()
        try:
            found = self._looked(look)
        finally:
            look.found = found
            with contextlib.suppress(RuntimeError):  # who waits for it has ended
                came_back()

    def _looked(self, look: _Look) -> Found:
        try:
            names = self._names(look.folder)[:MOST_NAMES]
        except OSError:
            return frozenset()
        return frozenset[tuple[str, str]]().union(
            *(look.servers.get(address, ()) for name in names for address in self._meant(name, look.servers))
        )

    def _meant(self, name: str, servers: Iterable[str]) -> tuple[str, ...]:
        if name in servers:
            return (name,)
        host, colon, port = name.rpartition(":")
        host, port = (host, f":{port}") if colon and port.isdigit() else (name, "")
        if not host or host.startswith((".", "[")) or host.replace(".", "").isdigit():
            return ()
        now = self._clock()
        at, addresses = self._known.get(host, (-MEMORY, ()))
        if now - at >= MEMORY:
            addresses = self._resolve(host)
            self._known[host] = (now, addresses)
        return tuple(f"[{each}]{port}" if ":" in each else f"{each}{port}" for each in addresses)
