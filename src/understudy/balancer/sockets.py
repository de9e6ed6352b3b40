"""Sockets of checks: from where they ask, and what a refusal of the kernel means."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from ..adapters.refusals import OURS, sentence
from ..service_checks import Target

_BIND_ADDRESS_NO_PORT, _FREE_PORT = 24, (socket.IPPROTO_IP, 24, 1)
_MARK = 36
_SOCKET, _LINGER = socket.SOL_SOCKET, socket.SO_LINGER
_RESET = struct.pack("ii", 1, 0)
_OUR_CONNECT = OURS | {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN, errno.EPERM, errno.EACCES}
"""No free port, or a packet filter of ours."""

_Socket = socket.SocketType
STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
UNDER_WAY = frozenset({0, errno.EINPROGRESS})

_connect = ctypes.CDLL(None).connect
_connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_NOWHERE = bytes(16)
"""An address of AF_UNSPEC, which Python's ``connect`` does not take: it dissolves the connection (connect(2))."""

_MOST_SPARE = 256


class OwnTrouble(Exception):
    """Nothing could be asked, for a reason of our own machine; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to ask and from where, as the kernel wants it. ``options``: (level, name, value)."""

    family: int
    address: tuple[Any, ...]
    source: tuple[str, int] | None = None
    options: tuple[tuple[int, int, int | bytes], ...] = ()


def place_of(target: Target) -> Place | str:
    """What is wrong with it, in a sentence, where it is no address. Asks no name server."""
    try:
        found = socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return f"{target.address!r} is no address"
    family, address = found[0][0], found[0][4]
    options: list[tuple[int, int, int | bytes]] = []
    if target.device:
        options.append((socket.SOL_SOCKET, socket.SO_BINDTODEVICE, target.device.encode("utf-8", "replace")))
    if target.mark:
        options.append((socket.SOL_SOCKET, _MARK, target.mark))
    source = None
    if target.source or target.source_port:
        source = (target.source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), target.source_port)
        options.append((socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) if target.source_port else _FREE_PORT)
    return Place(family, address, source, tuple(options))


def opened(place: Place, kind: int) -> socket.SocketType:
    """Bound, not connected. Raises OwnTrouble."""
    try:
        handle = _Socket(place.family, kind, 0)
    except OSError as error:
        raise OwnTrouble(f"cannot open a socket: {sentence(error)}") from None
    if place.options or place.source is not None:
        bind(handle, place)
    return handle


def bind(handle: socket.SocketType, place: Place) -> None:
    """To where it is to ask from; closed when that fails. Raises OwnTrouble."""
    try:
        for level, name, value in place.options:
            handle.setsockopt(level, name, value)
        if place.source is not None:
            handle.bind(place.source)
    except OSError as error:
        handle.close()
        where = f" as {place.source[0]} port {place.source[1]}" if place.source else ""
        raise OwnTrouble(f"cannot ask{where} as the configuration wants: {sentence(error)}") from None


def refusal(number: int) -> str:
    """Why a connection could not be made. Raises OwnTrouble when that says nothing of the other side."""
    if number in _OUR_CONNECT:
        raise OwnTrouble(f"cannot connect: {os.strerror(number)}")
    return f"cannot connect: {os.strerror(number)}"


class Spares:
    """Sockets whose connection was dissolved, for the next ones: thousands of checks a second need not make and close as many.

    The other side sees a reset, as ``reset`` has it, and the next connection has a port of its own. They stay in the epoll set.
    """

    __slots__ = ("_families",)

    def __init__(self) -> None:
        self._families: dict[int, list[socket.SocketType]] = {socket.AF_INET: [], socket.AF_INET6: []}

    def take(self, family: int) -> socket.SocketType | None:
        """One that is not connected, and watched already; None where there is none."""
        spare = self._families[family]
        return spare.pop() if spare else None

    def keep(self, handle: socket.SocketType) -> bool:
        """End its connection at once. False when it is not kept, and still connected."""
        spare = self._families[handle.family]
        if len(spare) >= _MOST_SPARE or _connect(handle.fileno(), _NOWHERE, len(_NOWHERE)):
            return False
        spare.append(handle)
        return True

    def close(self) -> None:
        for spare in self._families.values():
            for handle in spare:
                handle.close()
            spare.clear()


def reset(handle: socket.SocketType) -> None:
    """End a connection at once, without TIME_WAIT: thousands of checks a second would use up all ports."""
    handle.setsockopt(_SOCKET, _LINGER, _RESET)
    handle.close()
