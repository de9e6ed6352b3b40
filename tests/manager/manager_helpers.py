"""A pulse that does as the test says, a manager around it, and a raw HTTP client. Shared by tests/manager and tests/cli."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from understudy.adapters import channel
from understudy.manager.service import Manager
from understudy.model import (
    AddressResource,
    Cluster,
    CommandResource,
    Group,
    Link,
    Member,
    OcfResource,
    Quorum,
    Role,
    ScriptResource,
)
from understudy.snapshot import GroupStatus, LinkStatus, NodeStatus, QuorumStatus, ResourceStatus, Snapshot
from understudy.units import MILLISECOND, SECOND

PATIENCE = 10.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Look until the condition is true; the bound only keeps a broken test from hanging."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {PATIENCE} s: {what}")
        time.sleep(0.002)
    return result


def a_cluster(*resources: Any, quorum: Quorum = Quorum.MAJORITY, ping: tuple[str, ...] = ()) -> Cluster:
    members = tuple(
        Member(name, role, (Link("net1", f"192.0.2.{number}"),))
        for number, (name, role) in enumerate((("a", Role.NODE), ("b", Role.NODE), ("w", Role.WITNESS)), 1)
    )
    group = Group("site", resources or (CommandResource("sleeper", ("sleep", "1000")),))
    return Cluster("testing", "key", 100 * MILLISECOND, SECOND, quorum, members, (group,), ping)


def a_snapshot(holder: str | None = "a", state: str = "started", standby: bool = False) -> Snapshot:
    links = (LinkStatus("net1", True, 12.5),)
    return Snapshot(
        node="a",
        role="node",
        cluster="testing",
        digest="0123456789abcdef",
        quorum=QuorumStatus("majority", 2, 3, 3, True, "partition with quorum"),
        nodes=(
            NodeStatus("a", "node", "up", "direct", "f00d", 0.0, standby, False, ()),
            NodeStatus("b", "node", "up", "direct", "beef", 12.5, False, False, links),
            NodeStatus("w", "witness", "late", "b", None, None, False, True, (LinkStatus("net1", False, None),)),
        ),
        groups=(
            GroupStatus(
                name="site",
                holder=holder,
                state=state,
                for_ms=65_000.0,
                ballot=42,
                lease_left_ms=812.5 if holder == "a" else None,
                why="a is first in prefer",
                not_on={"b": "a holds it and b is not better placed"},
                resources=(ResourceStatus("sleeper", "command", "running", "process 4711"),),
                up=state == "started",
                prospects=("if a fails: to b",),
            ),
        ),
        warnings=("no real-time priority",),
        rejected={"bad-seal": 3},
        counters={"late": 0},
        standby=standby,
    )


class FakePulse:
    """Listens like a pulse, remembers every packet, answers snapshots and operators' wishes as told."""

    def __init__(self, runtime_dir: Path) -> None:
        self.path = str(runtime_dir / "pulse.sock")
        self.snapshot: Snapshot | None = a_snapshot()
        self.reply: dict[str, Any] | None = {"ok": True, "text": "as you wish"}
        self.on_admin: Callable[[dict[str, Any]], None] = lambda packet: None
        self.answers: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda packet: None
        self.after_snapshot: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self._peer: channel.Peer | None = None
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._stop = threading.Event()
        self._listener = channel.Listener(self.path)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            watched: list[Any] = [self._listener] + ([self._peer] if self._peer else [])
            ready, _, _ = select.select(watched, [], [], 0.05)
            with self._lock:
                if self._listener in ready and (peer := self._listener.accept()):
                    self._peer, self.connections = peer, self.connections + 1
                elif self._peer is not None and self._peer in ready:
                    for packet in self._peer.receive():
                        self._answer(self._peer, packet)
                    if self._peer.lost:
                        self._peer = None

    def _answer(self, peer: channel.Peer, packet: dict[str, Any]) -> None:
        self.received.append(packet)
        if packet["t"] == "snapshot" and self.snapshot is not None:
            peer.send({"t": "snapshot", "id": packet["id"], "snapshot": self.snapshot.to_json()})
            more, self.after_snapshot = self.after_snapshot, []
            for item in more:
                peer.send(item)
        elif packet["t"] == "admin":
            self.on_admin(packet)
            if self.reply is not None:
                peer.send({"t": "reply", "op": packet["op"], **self.reply})
        elif packet["t"] == "dump":
            peer.send({"t": "dump_part", "id": packet["id"], "lines": ['{"at": 1}', '{"at": 2}']})
            peer.send({"t": "dump_part", "id": -5, "lines": ["of somebody else"]})
            peer.send({"t": "dump", "id": packet["id"]})
        elif (answer := self.answers(packet)) is not None:
            peer.send(answer)

    def send(self, packet: dict[str, Any]) -> None:
        until(lambda: self._peer, "a manager connects")
        with self._lock:
            assert self._peer is not None
            assert self._peer.send(packet)

    def tell(self, packet: dict[str, Any]) -> None:
        """``send`` for use inside ``on_admin``, where the connection is ours already."""
        assert self._peer is not None
        assert self._peer.send(packet)

    def run_agent(self, op: int, resource: str, action: str, limit: int = 5 * SECOND) -> None:
        why = "the test wants it"
        asked = {"group": "site", "resource": resource, "action": action, "limit_ns": limit, "ballot": 7, "why": why}
        self.send({"t": "run_agent", "op": op, **asked})

    def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first packet of this type with these fields."""

        def look() -> dict[str, Any] | None:
            for packet in tuple(self.received):
                if packet["t"] == kind and all(packet.get(name) == value for name, value in fields.items()):
                    return packet
            return None

        found: dict[str, Any] = until(look, f"{kind} {fields} arrives; came: {self.received}")
        return found

    def die(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self._listener.close()

    def come_back(self) -> None:
        self.received.clear()
        self._start()


class RunningManager:
    """A manager in a thread of its own, with its own event loop."""

    def __init__(
        self,
        cluster: Cluster,
        runtime_dir: Path,
        state_dir: Path,
        prepare: Callable[[Manager], None] = lambda _: None,
    ) -> None:
        self.runtime_dir = runtime_dir
        self._prepare = prepare
        self._arguments = (cluster, "a", str(runtime_dir), str(state_dir), None)
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        until(lambda: self._error or (runtime_dir / "control.sock").exists(), "the manager listens")
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        async def work() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            self.manager = Manager(*self._arguments)
            self._prepare(self.manager)
            self._ready.set()
            await self.manager.run(self._stop)

        try:
            uvloop.run(work())
        except BaseException as error:
            self._error = error
            self._ready.set()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error


@contextmanager
def a_manager(cluster: Cluster, directory: Path, prepare: Callable[[Manager], None] = lambda _: None) -> Any:
    """A manager on ``directory``; at the end it is stopped, as are the programs that it left running."""
    runtime_dir, state_dir = directory / "run", directory / "state"
    runtime_dir.mkdir(exist_ok=True)
    state_dir.mkdir(exist_ok=True)
    running = RunningManager(cluster, runtime_dir, state_dir, prepare)
    try:
        yield running
    finally:
        running.stop()
        kill_programs(runtime_dir)


def kill_programs(runtime_dir: Path) -> None:
    from understudy.adapters.agent_proc import read_record, recorded_identity, signal_group

    for record in (runtime_dir / "programs").glob("*.json"):
        leader = recorded_identity(read_record(str(record)))
        if leader is not None:
            signal_group(leader, 9)


def ask(
    runtime_dir: Path, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """One request; the status and the JSON of the answer."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(str(runtime_dir / "control.sock"))
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def is_root() -> bool:
    return os.geteuid() == 0


__all__ = [
    "AddressResource",
    "CommandResource",
    "FakePulse",
    "OcfResource",
    "RunningManager",
    "ScriptResource",
    "a_cluster",
    "a_manager",
    "a_snapshot",
    "alive",
    "ask",
    "is_root",
    "until",
]
