"""Stand-ins for the parts of a balancer: a pool that says what it was told to, a table in a dict, an engine that only notes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from understudy.balance import (
    Answered,
    Ask,
    CheckAnswered,
    Counters,
    DropServer,
    DropService,
    FilesChanged,
    Place,
    PoolEffect,
    PoolEvent,
    PoolSnapshot,
    ServerState,
    ServerWish,
    ServiceState,
    SetServer,
    SetService,
    Synchronise,
    TableEffect,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
)
from understudy.balancer.copied import COPY
from understudy.balancer.maintenance import Maintenance
from understudy.balancer.service import Balancer, Parts, boot_clock
from understudy.config.service_copy import ServiceCopy, write_copy
from understudy.core.pools import Pool
from understudy.services import RealServer, ServiceFiles, ServiceKey, VirtualService
from understudy.units import NEVER

KEY = ServiceKey("tcp", "10.9.9.9", 80)
ONE = RealServer("10.0.0.2", 80)
WEB = VirtualService("web", (KEY,), (ONE,))
COPIED = ServiceCopy(ServiceFiles((WEB,)), node="ha01")


class PretendPool:
    """Answers every wish and file, and does what ``says`` has for the kind of an event."""

    def __init__(self) -> None:
        self.told: list[PoolEvent] = []
        self.says: dict[type, Callable[[Any], Sequence[PoolEffect]]] = {}
        self.deadline = NEVER
        self.sync: Synchronise | None = None

    def handle(self, event: PoolEvent, now: int) -> Sequence[PoolEffect]:
        self.told.append(event)
        self.deadline = NEVER
        effects = list(self.says.get(type(event), lambda _: ())(event))
        if isinstance(event, FilesChanged | ServerWish) and event.op:
            known = not isinstance(event, ServerWish) or event.server in (ONE.name, ONE.address)
            effects.append(Answered(event.op, known, "done" if known else f"there is no server {event.server}"))
        return effects

    def next_deadline(self) -> int:
        return self.deadline

    def snapshot(self, now: int) -> PoolSnapshot:
        probes = (("tcp 10.0.0.2:80", False, "connection refused"),)
        server = ServerState(ONE.name, "down", 0, 1, False, 5_000_000_000, "its check fails", probes)
        state = ServiceState("web", (KEY,), False, True, False, (server,), "no server is up")
        return PoolSnapshot((state,), self.sync, "no such device" if self.sync else "")

    def heard(self, kind: type) -> list[Any]:
        return [each for each in self.told if isinstance(each, kind)]


class PretendPlane:
    """The kernel's table as a dict. ``refuses``: places that it does not take, and why. ``keeps``: why no service goes."""

    def __init__(self) -> None:
        self.table: dict[ServiceKey, tuple[TableService, dict[Place, TableServer]]] = {}
        self.batches: list[list[TableEffect]] = []
        self.refuses: dict[Place, str] = {}
        self.keeps = ""
        self.counted: dict[tuple[ServiceKey, Place], Counters] = {}
        self.judged: list[tuple[str, str]] = []
        self.synchronised: list[Synchronise] = []
        self.misplaced: ServiceKey | None = None
        self.reads = 0
        self.fails: OSError | None = None
        self.trouble = ""
        self.own: set[ServiceKey] = set()
        self.followed: list[ServiceFiles] = []

    def read(self) -> TableSeen:
        self.reads += 1
        if self.fails is not None:
            raise self.fails
        found = tuple((service, tuple(servers.values())) for service, servers in self.table.values())
        return TableSeen(found, own=frozenset(self.own & self.table.keys()))

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        self.batches.append(list(effects))
        refused = []
        for effect in effects:
            match effect:
                case SetService():
                    servers = self.table.get(effect.service.key, (None, {}))[1]
                    self.table[effect.service.key] = (effect.service, servers)
                case DropService() if self.keeps:
                    refused.append(TableRefused(effect.key, None, self.keeps))
                case DropService():
                    del self.table[effect.key]
                case SetServer() if effect.server.place in self.refuses:
                    refused.append(TableRefused(effect.key, effect.server.place, self.refuses[effect.server.place]))
                case SetServer():
                    self.table[effect.key][1][effect.server.place] = effect.server
                case DropServer():
                    del self.table[effect.key][1][effect.place]
        return refused

    def counters(self) -> dict[tuple[ServiceKey, Place], Counters]:
        if self.fails is not None:
            raise self.fails
        return self.counted

    def follow(self, files: ServiceFiles) -> bool:
        self.followed.append(files)
        if not self.reads or self.misplaced not in self.table:
            return False
        del self.table[self.misplaced]
        return True

    def judge(self, files: ServiceFiles) -> list[tuple[str, str]]:
        return list(self.judged)

    def name_of(self, key: ServiceKey) -> str:
        return "nftables"

    def flush(self) -> str:
        self.table.clear()
        return ""

    def settle(self, files: ServiceFiles) -> str:
        return ""

    def synchronise(self, wanted: Synchronise) -> str:
        self.synchronised.append(wanted)
        return "no such device" if wanted.backup else ""

    def close(self) -> None: ...


class PretendEngine:
    def __init__(self, answered: Callable[[CheckAnswered], None]) -> None:
        self.answered = answered
        self.asked: list[Ask] = []
        self.closed = False

    def ask(self, ask: Ask) -> None:
        self.asked.append(ask)

    def close(self) -> None:
        self.closed = True


class PretendWatch:
    """The addresses of the machine, in place of the kernel's. ``changed`` tells."""

    def __init__(self) -> None:
        self.addresses: frozenset[bytes] = frozenset()
        self.silent: frozenset[bytes] = frozenset()
        self.fails: OSError | None = None
        self._ours, self._theirs = socket.socketpair()

    def change(self, *addresses: bytes) -> None:
        self.addresses = frozenset(addresses)
        self._theirs.send(b"1")

    def fileno(self) -> int:
        return self._ours.fileno()

    def drain(self) -> None:
        self._ours.recv(100)

    def present(self) -> tuple[frozenset[bytes], frozenset[bytes]]:
        if self.fails is not None:
            raise self.fails
        return self.addresses, self.silent

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class Bench:
    """A balancer in a folder, with pretended parts. ``deciding``: in place of the pretended pool."""

    def __init__(
        self,
        folder: Path,
        copy: ServiceCopy = COPIED,
        maintenance: Callable[[], Maintenance] = Maintenance,
        deciding: Pool | None = None,
    ) -> None:
        self.folder = folder
        self.pool, self.plane, self.watch = PretendPool(), PretendPlane(), PretendWatch()
        self.engines: list[PretendEngine] = []
        self.log = io.StringIO()
        self.lacks: list[str] = []
        self.beside = ""
        self.stop = asyncio.Event()
        self.write(copy)

        def engine(answered: Callable[[CheckAnswered], None], _: object) -> PretendEngine:
            self.engines.append(PretendEngine(answered))
            return self.engines[-1]

        more = (boot_clock, lambda _: list(self.lacks), maintenance, lambda: self.beside)
        made = Parts(deciding or self.pool, self.plane, engine, lambda: self.watch, *more)  # type: ignore[arg-type]
        self.balancer = Balancer(made, str(folder), str(folder), self.log)

    def write(self, copy: ServiceCopy) -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(write_copy(copy))
        os.replace(fresh, self.folder / COPY)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it runs; it is stopped cleanly at the end."""
        work = asyncio.create_task(self.balancer.run(self.stop))
        await self.wait(lambda: (self.folder / "balancer.sock").exists(), work)
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.wait_for(work, 20)

    async def wait(self, what: Callable[[], object], work: asyncio.Task[None] | None = None) -> None:
        async with asyncio.timeout(20):
            while not what():
                if work is not None and work.done():
                    work.result()
                await asyncio.sleep(0.005)

    async def ask(self, **asked: object) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(str(self.folder / "balancer.sock"))
        writer.write(json.dumps(asked).encode() + b"\n")
        line = await reader.readline()
        writer.close()
        found: dict[str, Any] = json.loads(line)
        return found
