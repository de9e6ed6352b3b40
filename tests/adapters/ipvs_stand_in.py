"""A kernel's IPVS in a few lines, behind the same calls as a netlink socket: what the plane is tested against.

It keeps the attributes as they came and gives them back with what the kernel adds, and refuses as ``ip_vs_ctl.c`` does.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

from understudy.adapters.netlink import HEADER, Failure, Incoming, attribute, attributes, messages, nested

FAMILY = 31
SCHEDULERS = {
    b"rr",
    b"wrr",
    b"lc",
    b"wlc",
    b"sh",
    b"mh",
    b"dh",
    b"fo",
    b"ovf",
    b"sed",
    b"nq",
    b"lblc",
    b"lblcr",
    b"twos",
}
Attributes = dict[int, bytes]
STATS = b"".join(attribute(kind, struct.pack("=Q", kind * (1 << 33))) for kind in range(1, 11))


class StandIn:
    """``present``: the module is loaded. ``sent``: how many messages came in each system call."""

    def __init__(self, present: bool = True) -> None:
        self.present = present
        self.services: dict[bytes, Attributes] = {}
        self.servers: dict[bytes, dict[bytes, Attributes]] = {}
        self.daemons: dict[int, Attributes] = {}
        self.timeouts: Attributes = {}
        self.sent: list[int] = []
        self.closed = False
        self.forbidden = False

    def close(self) -> None:
        self.closed = True

    def request(self, batch: bytes) -> tuple[Failure, ...]:
        failures = []
        items = list(messages(batch))
        self.sent.append(len(items))
        for item in items:
            assert item.kind == FAMILY
            number = errno.EPERM if self.forbidden else self._do(item)
            if number:
                failures.append(Failure(item.sequence, number))
        (flags,) = struct.unpack_from("=H", batch, _last(batch) + 6)
        assert flags & 4, "without an acknowledgement of the last message nobody knows that all were done"
        return tuple(failures)

    def dump(self, kind: int, payload: bytes) -> tuple[Incoming, ...] | Failure:
        if kind == 16:
            names = [("nlctrl", 16), *([("IPVS", FAMILY)] if self.present else [])]
            told = [
                attribute(2, name.encode() + b"\0") + attribute(1, struct.pack("=H", number)) for name, number in names
            ]
            return tuple(Incoming(16, 2, 1, 0, b"\1\2\0\0" + data) for data in told)
        return tuple(Incoming(FAMILY, 2, 1, 0, data) for data in self._listed(payload))

    def _listed(self, payload: bytes) -> Iterator[bytes]:
        if payload[0] == 4:
            for found in self.services.values():
                bits = struct.unpack_from("=I", found[7])[0] | 0x2  # every service is hashed
                told = {**found, 7: struct.pack("=II", bits, 0xFFFFFFFF)}
                yield b"\1\1\0\0" + nested(
                    1, *(attribute(kind, data) for kind, data in told.items()), attribute(12, STATS)
                )
        elif payload[0] == 8:
            service = _identity(dict(attributes(dict(attributes(payload[4:]))[1])))
            for found in self.servers.get(service, {}).values():
                counts = [attribute(kind, struct.pack("=I", kind)) for kind in (7, 8, 9)]
                parts = [attribute(kind, data) for kind, data in found.items()]
                yield b"\5\1\0\0" + nested(2, *parts, *counts, attribute(12, STATS))
        elif payload[0] == 11:
            for found in self.daemons.values():
                yield b"\11\1\0\0" + nested(3, *(attribute(kind, data) for kind, data in found.items()))

    def _do(self, item: Incoming) -> int:
        command, parts = item.payload[0], dict(attributes(item.payload[4:]))
        if command == 17:
            self.services.clear()
            self.servers.clear()
        elif command == 12:
            self.timeouts |= parts
        elif command in (9, 10):
            return self._daemon(command, dict(attributes(parts[3])))
        elif command in (1, 2, 3):
            return self._service(command, dict(attributes(parts[1])))
        else:
            return self._server(command, dict(attributes(parts[1])), dict(attributes(parts[2])))
        return 0

    def _service(self, command: int, parts: Attributes) -> int:
        name = _identity(parts)
        if command == 3:
            self.servers.pop(name, None)
            return 0 if self.services.pop(name, None) is not None else errno.ESRCH
        if (name in self.services) == (command == 1):
            return errno.EEXIST if command == 1 else errno.ESRCH
        if not {6, 7, 8, 9} <= set(parts):
            return errno.EINVAL
        if parts[6].rstrip(b"\0") not in SCHEDULERS:
            return errno.ENOENT
        self.services[name] = parts
        self.servers.setdefault(name, {})
        return 0

    def _server(self, command: int, service: Attributes, parts: Attributes) -> int:
        rows = self.servers.get(_identity(service))
        if rows is None:
            return errno.ESRCH
        name = parts[1] + parts[2] + parts[11]  # two families have the same zeros
        if command == 7:
            return 0 if rows.pop(name, None) is not None else errno.ENOENT
        if not {3, 4, 5, 6} <= set(parts):
            return errno.EINVAL
        if (name in rows) == (command == 5):
            return errno.EEXIST if command == 5 else errno.ENOENT
        rows[name] = parts
        return 0

    def _daemon(self, command: int, parts: Attributes) -> int:
        (state,) = struct.unpack("=I", parts[1])
        if command == 10:
            return 0 if self.daemons.pop(state, None) is not None else errno.ESRCH
        if state in self.daemons:
            return errno.EEXIST
        self.daemons[state] = {4: struct.pack("=H", 1472), **parts}
        return 0


def _identity(parts: Attributes) -> bytes:
    return b"|".join(parts.get(kind, b"") for kind in (1, 2, 3, 4, 5))


def _last(batch: bytes) -> int:
    place = 0
    while True:
        (length, *_) = HEADER.unpack_from(batch, place)
        after = place + ((length + 3) & ~3)
        if after >= len(batch):
            return place
        place = after
