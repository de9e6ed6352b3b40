"""The channel between pulse and manager: one JSON object in each packet of a Unix ``SOCK_SEQPACKET`` socket.

The pulse listens, the manager connects; the newest connection wins, because an old one belongs to a manager that was given up.
Only root or our own user is let in (``SO_PEERCRED``).

Neither side ever waits. When the other side does not read, packets that can be done without (notes, snapshots) are dropped
and counted; those that something depends on wait in a short queue, in order, and when that is full the other side counts as
lost and the connection is closed: a manager that takes no orders is no manager.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Packet: TypeAlias = dict[str, Any]
"""One message; the key ``"t"`` names its type."""

LARGEST_PACKET = 1 << 20
"""Bytes. A larger packet is refused by the sender: it would not fit the socket's buffer."""

LARGEST_REQUEST = 1 << 16
"""Bytes that the pulse accepts in one packet: nothing that a manager has to say is longer."""

LONGEST_QUEUE = 512
"""Packets that wait for a reader before it counts as lost."""

_UCRED = struct.Struct("@iII")
_SO_SNDBUFFORCE = 32
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


@dataclass(slots=True)
class Peer:
    """One end of a connected channel.

    ``lost`` becomes a sentence as soon as the other side is gone or given up; from then on nothing is sent or received.
    ``largest`` is the longest packet in bytes that this side accepts.
    """

    handle: socket.socket
    lost: str = ""
    dropped: int = 0
    malformed: int = 0
    largest: int = LARGEST_PACKET
    _queue: deque[bytes] = field(default_factory=deque)
    _buffer: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.handle.setblocking(False)
        self._buffer = bytearray(self.largest)
        try:
            self.handle.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * LARGEST_PACKET)
        except OSError:
            self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LARGEST_PACKET)

    def fileno(self) -> int:
        """The descriptor, or -1 after ``close``."""
        return self.handle.fileno()

    @property
    def waiting(self) -> bool:
        """Whether packets wait for the socket to become writable; then ``flush`` is due."""
        return bool(self._queue)

    def send(self, packet: Packet, droppable: bool = False) -> bool:
        """Send or queue ``packet``. False: it was dropped (``droppable``, too large) or the other side is lost."""
        if self.lost:
            return False
        data = _encode(packet).encode("utf-8", "surrogatepass")
        if len(data) > LARGEST_PACKET:
            self.dropped += 1
            return False
        self.flush()
        if not self._queue:
            written = self._write(data)
            if written is not None:
                return written
        if droppable:
            self.dropped += 1
            return False
        if len(self._queue) >= LONGEST_QUEUE:
            self.give_up("does not read what it is sent")
            return False
        self._queue.append(data)
        return True

    def flush(self) -> None:
        """Send what waits, as far as the other side reads."""
        while self._queue and self._write(self._queue[0]):
            self._queue.popleft()

    def _write(self, data: bytes) -> bool | None:
        """True: the kernel has it. False: the other side is lost. None: no room now."""
        try:
            self.handle.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:  # the kernel is short of memory for a moment
                return None
            if error.errno == errno.EMSGSIZE:  # a small net.core.wmem_max and no right to exceed it
                self.dropped += 1
                return True
            self.give_up(error.strerror or str(error))
            return False
        return True

    def receive(self, bound: int = 64) -> list[Packet]:
        """What has arrived, at most ``bound`` packets. Anything that is not a JSON object with a type is counted and skipped."""
        found: list[Packet] = []
        view = memoryview(self._buffer)
        for _ in range(0 if self.lost else bound):
            try:
                size, _control, flags, _source = self.handle.recvmsg_into([view])
            except BlockingIOError:
                break
            except OSError as error:
                self.give_up(error.strerror or str(error))
                break
            if not size:
                self.give_up("closed the connection")
                break
            packet = None if flags & socket.MSG_TRUNC else parse(bytes(view[:size]))
            if packet is None:
                self.malformed += 1
            else:
                found.append(packet)
        return found

    def give_up(self, why: str) -> None:
        """Close the connection for good."""
        if not self.lost:
            self.lost = why
            self._queue.clear()
            self.handle.close()

    def close(self) -> None:
        self.give_up("closed here")


def parse(data: bytes) -> Packet | None:
    """A packet, or None for bytes that are none."""
    try:
        packet = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if isinstance(packet, dict) and isinstance(packet.get("t"), str):
        return packet
    return None


@dataclass(slots=True)
class Listener:
    """The pulse's end: waits for managers at ``path``.

    The caller holds the pulse's lock file, so a socket file that exists is a dead one and is replaced. Raises OSError when the
    directory does not permit it.
    """

    path: str
    refused: int = 0
    _handle: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._handle = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        before = os.umask(0o177)
        try:
            self._handle.bind(self.path)
        finally:
            os.umask(before)
        self._handle.listen(4)

    def fileno(self) -> int:
        return self._handle.fileno()

    def accept(self) -> Peer | None:
        """The newest waiting connection of root or our own user, or None. Older ones that wait are closed."""
        newest: Peer | None = None
        while True:
            try:
                handle, _ = self._handle.accept()
            except OSError:
                return newest
            if user_of(handle) not in (0, os.geteuid()):
                self.refused += 1
                handle.close()
                continue
            if newest is not None:
                newest.close()
            newest = Peer(handle, largest=LARGEST_REQUEST)

    def close(self) -> None:
        self._handle.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass


def user_of(handle: socket.socket) -> int:
    """The user of the process at the other end, by the kernel's word (``SO_PEERCRED``)."""
    _process, user, _group = _UCRED.unpack(handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(user)


def connect(path: str) -> Peer:
    """The manager's end. Raises OSError while nobody listens (retry soon), PermissionError for another user's pulse."""
    handle = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        handle.connect(path)
        if user_of(handle) not in (0, os.geteuid()):
            raise PermissionError(f"{path} belongs to another user's process")
    except OSError:
        handle.close()
        raise
    return Peer(handle)
