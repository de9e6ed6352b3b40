"""The pulse's view of the manager: who is connected, what it is sent, what it says; and what it must not miss.

While no manager is connected, notes wait for the next one (a bounded number; the oldest go first) and so does the newest wish
to remember the standby; agents cannot be run then, which the performer answers at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from ..adapters.channel import Listener, Packet, Peer
from ..adapters.host_names import is_address
from ..core import saved_wishes
from ..effects import Deliver, Fence, Note, Reply, RunAgent, RunProbes, SaveWishes
from ..events import (
    AdminRequest,
    Event,
    Finished,
    HoursSeen,
    ManagerChanged,
    Outcome,
    PingsSeen,
    ProbeAnswered,
    ResourceFailed,
    ShutdownAsked,
)
from ..messages import Inquiry, Page
from ..old_pair import RememberGeneration, ScriptSaid
from ..units import Instant
from ..vrrp import Tell, TrackSaid

BACKLOG = 512
"""Notes kept for a manager that is not there."""

DUMP_SLICE = 16
"""Recorder entries formatted in one turn: about half a millisecond."""


@dataclass(frozen=True, slots=True)
class SnapshotWanted:
    id: Any


@dataclass(frozen=True, slots=True)
class DumpWanted:
    id: Any


@dataclass(frozen=True, slots=True)
class ReloadWanted:
    """The copies in the runtime directory are new."""

    id: Any


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """Which keys are in use; with ``take`` those of the copy in the runtime directory from now on."""

    id: Any
    take: bool


@dataclass(frozen=True, slots=True)
class HostsKnown:
    """Addresses of names in Heartbeat's ``ucast`` lines, of which nobody knew one when this node started."""

    hosts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ForPeer:
    """What our manager has to say to another one; sent as it is, the core has no part in it."""

    message: Inquiry | Page


Said: TypeAlias = (
    Event | ScriptSaid | TrackSaid | SnapshotWanted | DumpWanted | ReloadWanted | KeysWanted | HostsKnown | ForPeer
)

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def understand(packet: Packet) -> Said | None:
    """What a packet of the manager means; None when it means nothing."""
    try:
        match packet["t"]:
            case "finished":
                return Finished(_number(packet["op"]), _OUTCOMES[packet["outcome"]], _text(packet.get("text", "")))
            case "resource_failed":
                return ResourceFailed(_text(packet["group"]), _text(packet["resource"]), _text(packet.get("text", "")))
            case "admin":
                return _request(packet)
            case "pings":
                return PingsSeen(tuple(_text(item) for item in packet["answering"]))
            case "hours":
                return HoursSeen(
                    tuple((_text(text), within is True, _number(left)) for text, within, left in packet["hours"])
                )
            case "probed":
                up = packet["up"]
                if up is not None and not isinstance(up, bool):
                    return None
                group, probe = _text(packet["group"]), _text(packet["probe"])
                return ProbeAnswered(group, probe, _number(packet["number"]), up, _text(packet.get("text", "")))
            case "shutdown":
                return ShutdownAsked()
            case "snapshot":
                return SnapshotWanted(packet.get("id"))
            case "inquire":
                to, topic = _text(packet["to"]), _text(packet["topic"])
                return ForPeer(Inquiry(to, _number(packet["id"]), topic, _text(packet["text"])))
            case "page":
                return ForPeer(
                    Page(_text(packet["to"]), _number(packet["id"]), packet["ok"] is True, _text(packet["text"]))
                )
            case "say":
                return ScriptSaid(tuple((_text(name), _text(value)) for name, value in packet["fields"]))
            case "hosts":
                return HostsKnown(tuple((_text(name), _address(_text(address))) for name, address in packet["hosts"]))
            case "track":
                return _track(packet)
            case "dump":
                return DumpWanted(packet.get("id"))
            case "reload":
                return ReloadWanted(packet.get("id"))
            case "keys":
                return KeysWanted(packet.get("id"), packet.get("take") is True)
    except (KeyError, TypeError, ValueError):
        return None
    return None


def _request(packet: Packet) -> AdminRequest:
    return AdminRequest(
        _number(packet["op"]),
        _text(packet["verb"]),
        _text(packet.get("group") or ""),
        _text(packet.get("node") or ""),
        _text(packet.get("by") or ""),
        _text(packet.get("reason") or ""),
        _number(packet.get("wall_clock_ms") or 0),
        max(0, _number(packet.get("span_ns") or 0)),
    )


def _track(packet: Packet) -> TrackSaid:
    return TrackSaid(
        _text(packet["track"]),
        _text(packet["name"]),
        packet["good"] is True,
        _number(packet.get("value") or 0),
        _text(packet.get("text") or ""),
        packet.get("counts") is not False,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _address(text: str) -> str:
    """Nothing that a name server would be asked for: the pulse never waits."""
    if not is_address(text):
        raise ValueError
    return text


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


@dataclass(slots=True)
class ManagerLink:
    """``peer`` is the connected manager, or None. ``generation`` counts connections, ``notes_lost`` what nobody will read."""

    listener: Listener
    peer: Peer | None = None
    notes_lost: int = 0
    malformed: int = 0
    generation: int = 0
    _notes: deque[Packet] = field(default_factory=deque)
    _tells: deque[Packet] = field(default_factory=deque)
    _standby: Packet | None = None
    _dump: tuple[Any, Iterator[str]] | None = None

    @property
    def descriptors(self) -> dict[int, bool]:
        """What the loop watches; True: for writability too."""
        found = {self.listener.fileno(): False}
        if self.peer is not None and not self.peer.lost:
            found[self.peer.fileno()] = self.peer.waiting
        return found

    @property
    def busy(self) -> bool:
        """Whether there is something left to send that need not wait for the manager to read."""
        return self._dump is not None and self.peer is not None and not self.peer.waiting

    def receive(self) -> list[Said]:
        """Accept, flush and read; connections made and lost come as ``ManagerChanged``."""
        found: list[Said] = []
        newest = self.listener.accept()
        if self.peer is not None and newest is None:
            self.peer.flush()
            for packet in self.peer.receive():
                said = understand(packet)
                if said is None:
                    self.malformed += 1
                else:
                    found.append(said)
        if self.peer is not None and (newest is not None or self.peer.lost):
            self.malformed += self.peer.malformed
            self.notes_lost += self.peer.dropped
            self.peer.close()
            self.peer = None
            self._dump = None
            found.append(ManagerChanged(False))
        if newest is not None:
            self.peer = newest
            self.generation += 1
            found.append(ManagerChanged(True))
            self._deliver_backlog()
        self._continue_dump()
        return found

    def _deliver_backlog(self) -> None:
        if self._standby is not None and self._send(self._standby):
            self._standby = None
        while self._tells and self._send(self._tells[0]):
            self._tells.popleft()
        while self._notes and self._send(self._notes[0], droppable=True):
            self._notes.popleft()

    def _send(self, packet: Packet, droppable: bool = False) -> bool:
        return self.peer is not None and self.peer.send(packet, droppable)

    # -- what the core wishes ------------------------------------------------------------------------------------

    def run_agent(self, effect: RunAgent) -> bool:
        """False: nobody is there to run it."""
        return self._send(
            {
                "t": "run_agent",
                "op": effect.op,
                "group": effect.group,
                "resource": effect.resource,
                "action": effect.action.value,
                "limit_ns": effect.limit,
                "ballot": effect.ballot,
                "why": effect.why,
                "until_ns": effect.until,
                **({"former": True} if effect.former else {}),
            }
        )

    def run_probes(self, effect: RunProbes) -> None:
        """The core tells the next manager anew, so nothing is lost with one that is not there."""
        probes = [[name, number] for name, number in effect.probes]
        self._send({"t": "run_probes", "group": effect.group, "probes": probes})

    def fence(self, effect: Fence) -> bool:
        """False: nobody is there to do it."""
        return self._send(
            {
                "t": "fence",
                "op": effect.op,
                "node": effect.node,
                "devices": list(effect.devices),
                "action": effect.action.value,
                "limit_ns": effect.limit,
                "why": effect.why,
            }
        )

    def reply(self, effect: Reply) -> None:
        packet = {"t": "reply", "op": effect.op, "ok": effect.ok, "text": effect.text}
        self._send({**packet, "unknown": True} if effect.unknown else packet)

    def save_standby(self, standby: bool, draining: bool = False) -> None:
        packet: Packet = {"t": "save_standby", "standby": standby}
        packet |= {"draining": True} if draining else {}
        if not self._send(packet):
            self._standby = packet

    def deliver(self, effect: Deliver) -> None:
        """A question may be lost when nobody reads; it is asked again."""
        message = effect.message
        packet = {"t": "page" if isinstance(message, Page) else "inquiry", "from": effect.sender, "id": message.request}
        if isinstance(message, Page):
            self._send({**packet, "ok": message.ok, "text": message.text}, droppable=True)
        else:
            self._send({**packet, "topic": message.topic, "text": message.text}, droppable=True)

    def save_wishes(self, effect: SaveWishes, wall_clock: int) -> None:
        """Without a manager this is lost on purpose: the core says it again to the next one."""
        self._send({"t": "save_wishes", "text": saved_wishes.written(effect.wishes, wall_clock)})

    def remember(self, effect: RememberGeneration) -> None:
        """Lost without a manager: then recordings from before are not refused after our next start; nothing else follows."""
        self._send({"t": "remember", "node": effect.node, "generation": effect.generation})

    def tell(self, effect: Tell) -> None:
        """The packet ``{"t": "router_tell", "what", "name", "state", "priority", "why", "ballot"}``, in the order of the effects.

        Scripts of a change of state must run, so it waits for a manager that is not there; the newest ``BACKLOG`` of them.
        """
        packet: Packet = {
            "t": "router_tell",
            "what": effect.what,
            "name": effect.name,
            "state": effect.state,
            "priority": effect.priority,
            "why": effect.why,
            "ballot": effect.ballot,
        }
        if not self._tells and self._send(packet):
            return
        if len(self._tells) >= BACKLOG:
            self._tells.popleft()
            self.notes_lost += 1
        self._tells.append(packet)

    def note(self, effect: Note, now: Instant, said: int = 0) -> None:
        """``said``: the counter of the last datagram before it."""
        packet: Packet = {
            "t": "note",
            "level": effect.level.value,
            "why": effect.why,
            "group": effect.group,
            "node": effect.node,
            "at_ns": now,
        }
        if effect.stamp:
            packet["stamp"] = [
                [mark.member, f"{mark.incarnation:016x}", mark.number, mark.counter if place else said]
                for place, mark in enumerate(effect.stamp)
            ]
        if not self._notes and self._send(packet, droppable=True):
            return
        if len(self._notes) >= BACKLOG:
            self._notes.popleft()
            self.notes_lost += 1
        self._notes.append(packet)

    # -- what the manager wishes ---------------------------------------------------------------------------------

    def snapshot(self, id: Any, snapshot: dict[str, Any]) -> None:
        self._send({"t": "snapshot", "id": id, "snapshot": snapshot}, droppable=True)

    def reloaded(self, id: Any, ok: bool, text: str) -> None:
        self._send({"t": "reloaded", "id": id, "ok": ok, "text": text})

    def keys(self, id: Any, ok: bool, text: str, names: tuple[str, ...]) -> None:
        """The names of the keys in use, the one that seals first; never the keys."""
        self._send({"t": "keys", "id": id, "ok": ok, "text": text, "names": list(names)})

    def settled(self) -> None:
        """A manager that is not there sees by the copies that it is so."""
        self._send({"t": "settled"}, droppable=True)

    def dump(self, id: Any, lines: Iterator[str]) -> None:
        """Send packets ``{"t": "dump_part", "id", "lines": [...]}``, a few lines in each turn, then ``{"t": "dump", "id"}``."""
        self._dump = (id, lines)

    def _continue_dump(self) -> None:
        if self._notes and self.peer is not None and not self.peer.waiting:
            self._deliver_backlog()
        if self._dump is None or self.peer is None or self.peer.waiting:
            return
        id, lines = self._dump
        some = list(islice(lines, DUMP_SLICE))
        if some:
            self._send({"t": "dump_part", "id": id, "lines": some})
        if len(some) < DUMP_SLICE:
            self._send({"t": "dump", "id": id})
            self._dump = None

    def close(self) -> None:
        if self.peer is not None:
            self.peer.flush()
            self.peer.close()
        self.listener.close()
