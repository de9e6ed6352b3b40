"""ICMP echo: one socket for all that ask from the same place, IPv4 and IPv6 apart.

Raw sockets, or the kernel's unprivileged ones where only those are permitted. A reply is known by address and sequence.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from ..adapters.refusals import sentence
from ..units import Duration, format_duration
from ..wire.ping import echo_reply, echo_request
from .asker import Ears
from .reactor import Reactor
from .sockets import OwnTrouble, Place, bind, refusal

_BUFFER = 1 << 20
"""Replies of thousands that are asked at once."""

_ICMP_FILTER, _ICMPV6_FILTER, _SOL_RAW = 1, 1, 255
_ONLY_REPLIES = struct.pack("=I", ~(1 << 0) & 0xFFFF_FFFF)
_ONLY_REPLIES_6 = struct.pack(
    "=8I", *(0xFFFF_FFFF & ~(1 << 129 % 32) if word == 129 // 32 else 0xFFFF_FFFF for word in range(8))
)
_MOST_READ = 64


class Pings:
    """The sockets, and who waits for which reply. ``identifier``: 16 bits, drawn by whoever makes it."""

    def __init__(self, reactor: Reactor, identifier: int) -> None:
        self._reactor, self.identifier = reactor, identifier & 0xFFFF
        self._sockets: dict[tuple[object, ...], tuple[socket.SocketType, bool]] = {}
        self._waiting: dict[tuple[str, int], Callable[[], None]] = {}
        self._sequence = 0

    def send(self, place: Place, replied: Callable[[], None]) -> tuple[str, int]:
        """What to give to ``forget``. Raises OwnTrouble, or OSError where there is no way to it."""
        handle, _ = self._open(place)
        address = str(place.address[0]).partition("%")[0]
        for _ in range(0x10000):
            self._sequence = (self._sequence + 1) & 0xFFFF
            if (address, self._sequence) not in self._waiting:
                break
        ticket = (address, self._sequence)
        version = 6 if place.family == socket.AF_INET6 else 4
        to = (place.address[0], 0, *place.address[2:])
        self._waiting[ticket] = replied
        try:
            handle.sendto(echo_request(version, self.identifier, self._sequence), to)
        except OSError:
            del self._waiting[ticket]
            raise
        return ticket

    def forget(self, ticket: tuple[str, int]) -> None:
        self._waiting.pop(ticket, None)

    def _open(self, place: Place) -> tuple[socket.SocketType, bool]:
        key = (place.family, place.source, place.options)
        found = self._sockets.get(key)
        if found is None:
            found = self._sockets[key] = _opened(place)
            six, raw = place.family == socket.AF_INET6, found[1]
            handle = found[0]
            self._reactor.watch(handle.fileno(), lambda events: self._read(handle, 6 if six else 4, raw))
        return found

    def _read(self, handle: socket.SocketType, version: int, raw: bool) -> None:
        for _ in range(_MOST_READ):
            try:
                data, source = handle.recvfrom(2048)
            except OSError:
                return
            reply = echo_reply(version, raw, data)
            if reply is not None and (reply[0] == self.identifier or not raw):
                replied = self._waiting.pop((source[0].partition("%")[0], reply[1]), None)
                if replied is not None:
                    replied()

    def close(self) -> None:
        for handle, _ in self._sockets.values():
            self._reactor.forget(handle.fileno())
            handle.close()
        self._sockets.clear()
        self._waiting.clear()


def _opened(place: Place) -> tuple[socket.SocketType, bool]:
    six = place.family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    trouble = ""
    for kind, raw in ((socket.SOCK_RAW, True), (socket.SOCK_DGRAM, False)):
        try:
            handle = socket.SocketType(place.family, kind | socket.SOCK_NONBLOCK, protocol)
        except OSError as error:
            trouble = sentence(error)
            continue
        bind(handle, place)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if raw and six:
            handle.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, _ONLY_REPLIES_6)
        elif raw:
            handle.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_REPLIES)
        return handle, raw
    raise OwnTrouble(f"cannot ping: {trouble}")


class Ping:
    """Asks one address. ``tries``: how many requests, each with the whole time limit."""

    def __init__(self, pings: Pings, ears: Ears, place: Place, timeout: Duration, tries: int) -> None:
        self._pings, self._ears, self._place, self._timeout, self._tries = pings, ears, place, timeout, tries
        self._left = 0
        self._ticket: tuple[str, int] | None = None

    def ask(self) -> None:
        self._left = max(self._tries, 1)
        self._send()

    def _send(self) -> None:
        self._left -= 1
        try:
            self._ticket = self._pings.send(self._place, self._replied)
        except OwnTrouble as trouble:
            self._ears.ours(str(trouble))
        except OSError as error:
            self._refused(error)

    def _refused(self, error: OSError) -> None:
        try:
            text = refusal(error.errno or 0).replace("cannot connect", "cannot be reached")
        except OwnTrouble:
            self._ears.ours(f"cannot ping: {sentence(error)}")
            return
        self._ears.over(text, None)

    def _replied(self) -> None:
        self._ticket = None
        self._ears.over("", None)

    def expire(self) -> None:
        self.cancel()
        if self._left > 0:
            self._ears.anew()
            self._send()
        else:
            times = f"{self._tries} requests, each" if self._tries > 1 else "a request"
            self._ears.over(f"no reply to {times} within {format_duration(self._timeout)}", None)

    def cancel(self) -> None:
        if self._ticket is not None:
            self._pings.forget(self._ticket)
            self._ticket = None
