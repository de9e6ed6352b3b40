"""``maintenancedir``: a file named like a server takes it out of service, and its removal puts it back.

A file may be named ADDRESS:PORT or ADDRESS (IPv6 in brackets), or NAME:PORT or NAME, where NAME is a host that has the server's
address. ldirectord asks for the name of every server in every round; here only names of files that are no addresses are looked
up, and remembered for ``MEMORY`` seconds. The folder is looked at every second, in a thread of its own for which nobody ever
waits for long, not even the end of the process: it may lie on a disk that hangs for good. A folder that cannot be read has not
become empty: what it said last holds, so that nobody's work on a server ends without a word. Nor does a name service without an
answer end it: the addresses that the name last had count, until the answer is that there are others, or none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..services import ServiceFiles

MEMORY = 60.0
MOST_NAMES = 1000
"""More files than that are no maintenance of anything."""

SILENT = 5.0
"""Seconds after which a look that has not come back is said to hang."""

Found = frozenset[tuple[str, str]]
"""Servers with a file: (service, server)."""

Resolve = Callable[[str], tuple[str, ...] | None]
Names = Callable[[str], Sequence[str]]


_NONE = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY)


def addresses_of(name: str, ask: Callable[..., Any] = socket.getaddrinfo) -> tuple[str, ...] | None:
    """What the name service knows; () when it knows of none, None when it does not answer. May wait for it."""
    try:
        found = ask(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        return ()
    except OSError as error:
        return () if error.errno in _NONE else None
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(eq=False, slots=True)
class _Look:
    """One look, in a thread. ``names``: the addresses that have a file, None where the folder cannot be read: ``failure``.

    ``back``: it has come back, and the others count; set last.
    """

    folder: str
    begun: float
    names: frozenset[str] | None = None
    failure: OSError | None = None
    back: bool = False


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
        self._found: frozenset[str] | None = None
        self._read = False
        self._failed = ""

    def move(self, folder: str) -> None:
        """Another folder, "" for none: until that one is read, what the former one said holds for the servers that there are."""
        if folder != self._folder:
            self._folder, self._look, self._read, self._failed = folder, None, False, ""
            if not folder:
                self._found = None

    def follow(self, files: ServiceFiles) -> None:
        """Other servers, or another folder."""
        self.move(files.maintenance)
        servers: dict[str, set[tuple[str, str]]] = {}
        for service in files.services if files.maintenance else ():
            for real in service.reals:
                address = f"[{real.address}]" if ":" in real.address else real.address
                for name in (f"{address}:{real.port}", address):
                    servers.setdefault(name, set()).add((service.name, real.name))
        self._servers = servers

    def begin(self, came_back: Callable[[], object]) -> None:
        """Look, unless the look before has not come back. ``came_back`` is called in another thread.

        Raises RuntimeError when no thread can be started.
        """
        if self._folder and not self.looking:
            self.found()
            look = _Look(self._folder, self._clock())
            threading.Thread(target=self._work, args=(look, came_back), name="maintenance", daemon=True).start()
            self._look = look  # not before: one that could not begin would be waited for for ever

    @property
    def looking(self) -> bool:
        """Whether a look at the folder has not come back yet."""
        return self._look is not None and not self._look.back

    def found(self) -> Found:
        """For which servers there was a file when the folder was read last."""
        look = self._look
        if look is not None and look.back:
            self._look = None
            self._judge(look)
        names = self._found or ()
        return frozenset[tuple[str, str]]().union(*(self._servers.get(name, ()) for name in names))

    def _judge(self, look: _Look) -> None:
        if look.names is not None:
            self._found, self._read, self._failed = look.names, True, ""
            return
        failure = look.failure
        if failure is not None and failure.errno == errno.ENOENT and not self._read:
            self._found = None  # it was never there, so nobody took it away
        why = (failure.strerror or str(failure)) if failure is not None else "the look at it failed"
        self._failed = f"the maintenance folder {look.folder} cannot be read: {why}"

    @property
    def trouble(self) -> str:
        """A sentence while a look hangs, or since one that failed, else ""."""
        known = "no server is" if self._found is None else "the same servers as before are"
        if self._failed:  # also while the next look is under way: it is one trouble until the folder is read
            return f"{self._failed}; {known} in maintenance"
        look = self._look
        if look is None or look.back or self._clock() - look.begun < SILENT:
            return ""
        why = "its disk hangs, or the name service about the names of its files"
        known = f"{'until it does' if self._found is None else 'meanwhile'} {known}"
        return f"the maintenance folder {self._folder} does not answer ({why}): {known} in maintenance"

    def _work(self, look: _Look, came_back: Callable[[], object]) -> None:
        try:
            names = self._names(look.folder)[:MOST_NAMES]
            look.names = frozenset(address for name in names for address in self._meant(name))
            for host in set(self._known).difference(_parts(name)[0] for name in names):
                self._known.pop(host, None)
        except OSError as error:
            look.failure = error
        finally:
            look.back = True
            with contextlib.suppress(RuntimeError):  # who waits for it has ended
                came_back()

    def _meant(self, name: str) -> tuple[str, ...]:
        """The addresses, with or without a port, that a file's name stands for."""
        host, port = _parts(name)
        if not host or host.startswith("."):
            return ()
        if host.startswith("[") or host.replace(".", "").isdigit():
            return (name,)
        now = self._clock()
        at, addresses = self._known.get(host, (-MEMORY, ()))
        if now - at >= MEMORY:
            found = self._resolve(host)
            addresses = addresses if found is None else found
            self._known[host] = (now, addresses)
        return tuple(f"[{each}]{port}" if ":" in each else f"{each}{port}" for each in addresses)


def _parts(name: str) -> tuple[str, str]:
    """Of a file's name: the host, and the port with its colon, or ""."""
    host, colon, port = name.rpartition(":")
    return (host, f":{port}") if colon and port.isdigit() else (name, "")
