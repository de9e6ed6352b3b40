"""The netlink protocol in the few pieces that we need: messages, attributes, a socket that sends batches and dumps.

Netlink answers in the system call itself: by the time ``send`` returns, the kernel has done the whole batch and every
acknowledgement waits in the socket. So nothing here ever waits, and a batch costs one ``send`` and a few ``recv``.

Layouts are those of ``linux/netlink.h``; numbers are in host byte order unless a subsystem says otherwise.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

REQUEST = 0x001
ACK = 0x004
DUMP = 0x300
REPLACE = 0x100
EXCLUSIVE = 0x200
CREATE = 0x400
APPEND = 0x800

HEADER = struct.Struct("=IHHII")
"""``nlmsghdr``: length, type, flags, sequence number, port."""

_ATTRIBUTE = struct.Struct("=HH")
_ATTRIBUTE_TYPE_MASK = 0x3FFF
NESTED = 0x8000

_ERROR = 2
_DONE = 3
_DUMP_INTERRUPTED = 0x10
_CAPPED = 0x100
_ACK_HAS_ATTRIBUTES = 0x200
_ERROR_TEXT = 1

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_RECEIVE_BUFFER = 1 << 20
_SEND_BUFFER = 1 << 24
_RECEIVE_SIZE = 1 << 16
_DUMP_ATTEMPTS = 5


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding to four bytes."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | NESTED, b"".join(attributes))


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """One message with its header and padding."""
    length = HEADER.size + len(payload)
    return HEADER.pack(length, kind, flags, sequence, 0) + payload + bytes(-length % 4)


def with_acknowledgement(data: bytes) -> bytes:
    """The same message, asking for an acknowledgement."""
    (flags,) = struct.unpack_from("=H", data, 6)
    return data[:6] + struct.pack("=H", flags | ACK) + data[8:]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute in ``data``; stops quietly at the first that does not fit."""
    place = 0
    while place + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, place)
        if length < 4 or place + length > len(data):
            return
        yield kind & _ATTRIBUTE_TYPE_MASK, data[place + 4 : place + length]
        place += (length + 3) & ~3


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message from the kernel. ``port`` is the socket whose request caused it (0: none)."""

    kind: int
    flags: int
    sequence: int
    port: int
    payload: bytes


def messages(data: bytes) -> Iterator[Incoming]:
    """Each message in a datagram; stops quietly at the first that does not fit."""
    place = 0
    while place + HEADER.size <= len(data):
        length, kind, flags, sequence, port = HEADER.unpack_from(data, place)
        if length < HEADER.size or place + length > len(data):
            return
        yield Incoming(kind, flags, sequence, port, data[place + HEADER.size : place + length])
        place += (length + 3) & ~3


@dataclass(frozen=True, slots=True)
class Failure:
    """The kernel's refusal of one message: the errno, and the kernel's own words where it has any."""

    sequence: int
    number: int
    words: str = ""

    def __str__(self) -> str:
        text = os.strerror(self.number)
        return f"{text} ({self.words})" if self.words else text


class NetlinkSocket:
    """A non-blocking netlink socket for requests. Raises OSError when the kernel does not offer ``protocol``."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._lost_answers = False
        try:
            self._socket.setblocking(False)
            self._socket.bind((0, 0))
            enlarge_receive_buffer(self._socket)
            self._enlarge_send_buffer()
            for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
                try:
                    self._socket.setsockopt(_SOL_NETLINK, option, 1)
                except OSError:
                    pass  # kernels before 4.12: refusals then come without the kernel's words
        except OSError:
            self._socket.close()
            raise

    def _enlarge_send_buffer(self) -> None:
        """A transaction is one message to the socket, and tables for hundreds of groups are some megabytes."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    @property
    def port(self) -> int:
        """The kernel's name for this socket; notifications carry it as the port of who caused them."""
        return int(self._socket.getsockname()[0])

    def close(self) -> None:
        self._socket.close()

    def request(self, batch: bytes) -> tuple[Failure, ...]:
        """Send messages and collect the refusals; none means that all were done.

        The last message that the caller wants to be sure of must ask for an acknowledgement: without any answer the batch
        counts as failed (ETIMEDOUT, sequence 0). A refusal by the socket itself has sequence 0 too.
        """
        self._discard()
        try:
            self._socket.send(batch)
        except OSError as error:
            return (Failure(0, error.errno or errno.EIO),)
        failures: list[Failure] = []
        answered = False
        for data in self._waiting():
            for item in messages(data):
                if item.kind == _ERROR and len(item.payload) >= 4:
                    answered = True
                    failure = _failure(item)
                    if failure is not None:
                        failures.append(failure)
        if self._lost_answers:
            failures.append(Failure(0, errno.ENOBUFS))
        elif not answered:
            failures.append(Failure(0, errno.ETIMEDOUT))
        return tuple(failures)

    def dump(self, kind: int, payload: bytes, *, whole: bool = False) -> tuple[Incoming, ...] | Failure:
        """Everything that a dump request lists. Asks again when the list changed under the kernel's hands, at most 5 times.

        ``whole``: a list that changed each time is a Failure (EINTR); else the last one is returned, and may lack something.
        """
        result: tuple[Incoming, ...] | Failure = Failure(0, errno.EINTR)
        for _ in range(_DUMP_ATTEMPTS):
            result, unchanged = self._dump_once(kind, payload)
            if unchanged:
                return result
        return Failure(0, errno.EINTR) if whole and not isinstance(result, Failure) else result

    def _dump_once(self, kind: int, payload: bytes) -> tuple[tuple[Incoming, ...] | Failure, bool]:
        self._discard()
        found: list[Incoming] = []
        whole = True
        try:
            self._socket.send(message(kind, REQUEST | DUMP, 1, payload))
        except OSError as error:
            return Failure(0, error.errno or errno.EIO), True
        for data in self._waiting():
            for item in messages(data):
                whole = whole and not item.flags & _DUMP_INTERRUPTED
                if item.kind == _DONE:
                    return _failure(item) or tuple(found), whole
                if item.kind == _ERROR:
                    return _failure(item) or Failure(1, errno.EIO), True
                found.append(item)
        return Failure(0, errno.ENOBUFS), False

    def _waiting(self) -> Iterator[bytes]:
        while True:
            try:
                data = self._socket.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                self._lost_answers = True
                continue
            yield data

    def _discard(self) -> None:
        for _ in self._waiting():
            pass
        self._lost_answers = False


def enlarge_receive_buffer(target: socket.socket, size: int = _RECEIVE_BUFFER) -> None:
    """Ask for a receive buffer of ``size`` bytes, beyond the system's limit where we may; a smaller one also works."""
    try:
        target.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _failure(item: Incoming) -> Failure | None:
    number = struct.unpack_from("=i", item.payload)[0] if len(item.payload) >= 4 else 0
    if number == 0:
        return None
    words = ""
    sequence = item.sequence
    if item.kind == _ERROR and item.flags & _ACK_HAS_ATTRIBUTES:
        place = 4 + HEADER.size
        if not item.flags & _CAPPED and len(item.payload) >= place:
            (length,) = struct.unpack_from("=I", item.payload, 4)
            place = 4 + ((length + 3) & ~3)
        for kind, value in attributes(item.payload[place:]):
            if kind == _ERROR_TEXT:
                words = value.rstrip(b"\0").decode("utf-8", "replace")
    return Failure(sequence, -number, words)
