"""Frames out of captures: pcap (both byte orders, microseconds and nanoseconds) and pcapng, one after the other as they are read.

After the Internet drafts draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. No library: those that read both bring a whole
packet toolkit along, and this is two headers and six kinds of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from ..units import SECOND

LONGEST_FRAME = 16 * 1024 * 1024
"""Bytes. A longer one means that the file is damaged."""

PCAPNG = b"\x0a\x0d\x0d\x0a"
PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""The first four bytes: byte order, and nanoseconds in a unit of the second half of a time."""

_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_RESOLUTION, _OFFSET = 9, 14


class BadCapture(Exception):
    """The file cannot be read on from here; the text says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its link type (tcpdump.org/linktypes), nanoseconds since 1970 or None, bytes, and how many are missing."""

    link: int
    clock: int | None
    data: bytes
    missing: int


def frames(file: BinaryIO) -> Iterator[Frame]:
    """The frames of a capture, from its first byte on. Raises BadCapture where it is damaged or cut off."""
    magic = _exactly(file, 4)
    if magic == PCAPNG:
        yield from _pcapng(file)
    elif magic in PCAP:
        yield from _pcap(file, *PCAP[magic])
    else:
        raise BadCapture("this is no capture")


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise BadCapture("the file is cut off here")
    return data


def _pcap(file: BinaryIO, order: str, unit: int) -> Iterator[Frame]:
    link = Struct(order + "2HiIII").unpack(_exactly(file, 20))[5] & 0xFFFF
    header = Struct(order + "4I")
    while head := file.read(header.size):
        if len(head) < header.size:
            raise BadCapture("the file is cut off here")
        seconds, fraction, length, original = header.unpack(head)
        if length > LONGEST_FRAME:
            raise BadCapture(f"a frame of {length} bytes: the file is damaged here")
        yield Frame(link, seconds * SECOND + fraction * unit, _exactly(file, length), max(0, original - length))


@dataclass(slots=True)
class _Interface:
    link: int
    snap: int
    units_per_second: int = 1_000_000
    offset: int = 0


def _pcapng(file: BinaryIO) -> Iterator[Frame]:
    """Blocks of type, length, body, length; a section header says in which byte order its section is."""
    order, interfaces = "<", list[_Interface]()
    kind_bytes = PCAPNG
    while kind_bytes:
        length_bytes = _exactly(file, 4)
        if kind_bytes == PCAPNG:
            magic = _exactly(file, 4)
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(magic, "")
            if not order:
                raise BadCapture("a section without a byte order: the file is damaged here")
            interfaces = []
            _body(file, order, length_bytes, 4)
        else:
            kind = Struct(order + "I").unpack(kind_bytes)[0]
            body = _body(file, order, length_bytes, 0)
            if kind == _INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in (_ENHANCED, _SIMPLE):
                yield _packet(order, body, interfaces, kind)
        kind_bytes = file.read(4)
        if 0 < len(kind_bytes) < 4:
            raise BadCapture("the file is cut off here")


def _body(file: BinaryIO, order: str, length_bytes: bytes, already: int) -> bytes:
    length = Struct(order + "I").unpack(length_bytes)[0]
    if length % 4 or not 12 + already <= length <= LONGEST_FRAME + 64:
        raise BadCapture(f"a block of {length} bytes: the file is damaged here")
    body = _exactly(file, length - 12 - already)
    if _exactly(file, 4) != length_bytes:
        raise BadCapture("a block with two lengths: the file is damaged here")
    return body


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise BadCapture("an interface without a link type: the file is damaged here")
    link, _, snap = Struct(order + "2HI").unpack_from(body)
    found = _Interface(link, snap or LONGEST_FRAME)
    option, at = Struct(order + "2H"), 8
    while at + option.size <= len(body):
        code, length = option.unpack_from(body, at)
        value = body[at + option.size : at + option.size + length]
        at += option.size + (length + 3) // 4 * 4
        if code == 0:
            break
        if code == _RESOLUTION and len(value) == 1:
            found.units_per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _OFFSET and len(value) == 8:
            found.offset = Struct(order + "q").unpack(value)[0]
    return found


def _packet(order: str, body: bytes, interfaces: list[_Interface], kind: int) -> Frame:
    if kind == _ENHANCED and len(body) >= 20:
        number, high, low, length, original = Struct(order + "5I").unpack_from(body)
        start = 20
    elif kind == _SIMPLE and len(body) >= 4:
        number, high, low, start = 0, 0, 0, 4
        original = length = Struct(order + "I").unpack_from(body)[0]
    else:
        raise BadCapture("a packet without a header: the file is damaged here")
    if number >= len(interfaces):
        raise BadCapture("a packet of no interface: the file is damaged here")
    interface = interfaces[number]
    if kind == _SIMPLE:
        length = min(original, interface.snap)
    if start + length > len(body):
        raise BadCapture("a packet longer than its block: the file is damaged here")
    clock = None
    if kind == _ENHANCED:
        clock = (high << 32 | low) * SECOND // interface.units_per_second + interface.offset * SECOND
    return Frame(interface.link, clock, body[start : start + length], max(0, original - length))
