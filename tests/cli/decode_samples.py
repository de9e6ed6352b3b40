"""Captures for the tests of ``understudy decode``, built byte by byte after the drafts of the formats."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

A, B = "192.0.2.1", "192.0.2.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
CLOCK = 1_700_000_000_123_456_789


def udp(payload: bytes, port: int = 694) -> bytes:
    return struct.pack("!4H", 40000, port, 8 + len(payload), 0) + payload


def echo(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, 77, 1) + payload


def ipv4(inside: bytes, protocol: int = 17, offset: int = 0, more: bool = False, number: int = 5) -> bytes:
    flags = offset // 8 | (0x2000 if more else 0)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inside), number, flags, 64, protocol, 0)
    return head + socket.inet_aton(A) + socket.inet_aton(B) + inside


def ipv6(inside: bytes, protocol: int = 17) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, A6) + socket.inet_pton(socket.AF_INET6, B6)
    return struct.pack("!IHBB", 6 << 28, len(inside), protocol, 64) + ends + inside


def options(following: int, inside: bytes) -> bytes:
    """A hop-by-hop header in front."""
    return bytes((following, 0)) + bytes(6) + inside


def ipv6_fragments(inside: bytes, protocol: int, size: int) -> list[bytes]:
    found = []
    for at in range(0, len(inside), size):
        more = at + size < len(inside)
        head = struct.pack("!BBHI", protocol, 0, at | more, 99)
        found.append(ipv6(head + inside[at : at + size], 44))
    return found


def ethernet(packet: bytes, vlans: int = 0) -> bytes:
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    # Short frames are padded on the wire.
    return (bytes(12) + b"\x81\x00\x00\x05" * vlans + kind + packet).ljust(60, b"\0")


def cooked(packet: bytes) -> bytes:
    return bytes(14) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


def cooked2(packet: bytes) -> bytes:
    return (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + bytes(18) + packet


def loopback(packet: bytes) -> bytes:
    return struct.pack("<I", 10 if packet[0] >> 4 == 6 else 2) + packet


LINKS = {"ethernet": (1, ethernet), "cooked": (113, cooked), "cooked2": (276, cooked2), "loopback": (0, loopback)}
LINKS |= {"raw": (101, bytes), "raw4": (228, bytes)}


def pcap(frames: Iterable[bytes], link: int = 1, order: str = "<", nano: bool = False, snap: int = 262144) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    found = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for number, frame in enumerate(frames):
        seconds, rest = divmod(CLOCK + number * 1_000_000, 1_000_000_000)
        kept = frame[:snap]
        found.append(struct.pack(order + "4I", seconds, rest if nano else rest // 1000, len(kept), len(frame)) + kept)
    return b"".join(found)


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(
    frames: Iterable[bytes], link: int = 1, order: str = "<", resolution: int | None = 9, simple: bool = False
) -> bytes:
    found = _block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    choice = (
        b"" if resolution is None else struct.pack(order + "HHB3x", 9, 1, resolution) + struct.pack(order + "HH", 0, 0)
    )
    found += _block(order, 1, struct.pack(order + "HHI", link, 0, 0) + choice)
    found += _block(order, 5, bytes(12))  # statistics, which nobody asked for
    units = 1_000_000 if resolution is None else 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    for number, frame in enumerate(frames):
        clock = (CLOCK + number * 1_000_000) * units // 1_000_000_000
        if simple:
            found += _block(order, 3, struct.pack(order + "I", len(frame)) + frame)
        else:
            head = struct.pack(order + "5I", 0, clock >> 32, clock & 0xFFFFFFFF, len(frame), len(frame))
            found += _block(order, 6, head + frame)
    return found
