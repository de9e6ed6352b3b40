"""``maintenancedir``: a file named like a server takes it out of service, and its removal puts it back.

A file may be named ADDRESS:PORT or ADDRESS (IPv6 in brackets), or NAME:PORT or NAME, where NAME is a host that has the server's
address. ldirectord asks for the name of every server in every round; here only names of files that are no addresses are looked
up, in a thread, and remembered for ``MEMORY`` seconds. The folder is looked at every second; it may lie on a disk that hangs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable

from ..services import ServiceFiles

MEMORY = 60.0
MOST_NAMES = 1000
"""More files than that are no maintenance of anything."""

Resolve = Callable[[str], tuple[str, ...]]


def addresses_of(name: str) -> tuple[str, ...]:
    """What the name service knows; () for nothing. May wait for it."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


class Maintenance:
    """The folder of ``files``. ``look`` is called in a thread, one at a time."""

    def __init__(self, resolve: Resolve = addresses_of, clock: Callable[[], float] = time.monotonic) -> None:
        self._resolve = resolve
        self._clock = clock
        self._folder = ""
        self._servers: dict[str, set[tuple[str, str]]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    def follow(self, files: ServiceFiles) -> None:
        """Other servers, or another folder."""
        self._folder = files.maintenance
        servers: dict[str, set[tuple[str, str]]] = {}
        for service in files.services if files.maintenance else ():
            for real in service.reals:
                address = f"[{real.address}]" if ":" in real.address else real.address
                for name in (f"{address}:{real.port}", address):
                    servers.setdefault(name, set()).add((service.name, real.name))
        self._servers = servers

    @property
    def is_used(self) -> bool:
        return bool(self._folder)

    def look(self) -> frozenset[tuple[str, str]]:
        """For which servers there is a file now: (service, server). A folder that cannot be read has none."""
        servers = self._servers
        try:
            names = os.listdir(self._folder)[:MOST_NAMES] if self._folder else []
        except OSError:
            names = []
        found: set[tuple[str, str]] = set()
        for name in names:
            for address in self._meant(name, servers):
                found |= servers.get(address, set())
        return frozenset(found)

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
