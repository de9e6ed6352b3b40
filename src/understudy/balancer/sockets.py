"""Sockets of checks: from where they ask, and what a refusal of the kernel means."""

from __future__ import annotations

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
_RESET = struct.pack("ii", 1, 0)
_OUR_CONNECT = OURS | {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN, errno.EPERM, errno.EACCES}
"""No free port, or a packet filter of ours."""

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
UNDER_WAY = frozenset({0, errno.EINPROGRESS})


class OwnTrouble(Exception):
    """Nothing could be asked, for a reason of our own machine; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to ask and from where, as the kernel wants it. ``options``: (level, name, value)."""

    family: int
    address: tuple[Any, ...]
    source: tuple[str, int] | None = None
    options: tuple[tuple[int, int, int | bytes], ...] = ()

    @property
    def bare(self) -> bool:
        """Whether nothing has to be said about where from."""
        return self.source is None and not self.options


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
        handle = socket.SocketType(place.family, kind, 0)
    except OSError as error:
        raise OwnTrouble(f"cannot open a socket: {sentence(error)}") from None
    if not place.bare:
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


def reset(handle: socket.SocketType) -> None:
    """End a connection at once, without TIME_WAIT: thousands of checks a second would use up all ports."""
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass
    handle.close()
