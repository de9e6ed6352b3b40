"""Packets out of files, one after the other: captures, JSON lines of recorded packets, serial logs, told apart by their start."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from io import BufferedReader, FileIO
from typing import Any, BinaryIO

from .decode_capture import PCAP, PCAPNG, BadCapture, Frame, frames
from .decode_frames import Payloads
from .decode_packet import Packet

LONGEST_LINE = 1024 * 1024
"""Bytes of a line of JSON; the longest packet, its fields and all, has fewer."""

_PORTION = 65536
_ETHERNET = 1


class Source:
    """One file. ``packets`` reads it as it goes; after that ``others`` and ``noise`` say what was left out, ``trouble`` why.

    Raises OSError from ``packets`` when it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._path = path
        self.others = 0
        """Frames of a capture that carry nothing that any protocol here could want."""
        self.noise = 0
        """Bytes of a serial log that belong to no message."""
        self.trouble = ""
        """Why the rest of the file was not read; "" when it was."""

    def packets(self) -> Iterator[Packet]:
        piped = self._path == "-"
        with BufferedReader(FileIO(sys.stdin.fileno() if piped else self._path, closefd=not piped), 1 << 20) as reader:
            start = reader.peek(64)[:64]
            if start[:4] in PCAP or start[:4] == PCAPNG:
                yield from self._capture(reader)
            elif start.lstrip()[:1] == b"{":
                yield from self._lines(reader)
            elif start[:4] in (b"###\n", b"USDY"):
                yield Packet(self.name, reader.read(LONGEST_LINE), "file")
            else:
                yield from self._serial(reader)

    def _capture(self, file: BinaryIO) -> Iterator[Packet]:
        payloads = Payloads(self.name)
        try:
            for frame in frames(file):
                packet = payloads.read(frame)
                if packet is not None:
                    yield packet
        except BadCapture as bad:
            self.trouble = str(bad)
        self.others = payloads.others

    def _lines(self, file: BinaryIO) -> Iterator[Packet]:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if line.strip():
                packet = _record(f"{self.name}:{number}", line)
                self.others += packet is None
                if packet is not None:
                    yield packet

    def _serial(self, file: BinaryIO) -> Iterator[Packet]:
        from ..wire.heartbeat3_serial import Lines

        lines, number, dropped = Lines(), 0, 0
        while data := file.read(_PORTION):
            for text in lines.feed(data):
                number += 1
                yield Packet(f"{self.name}:{number}", text, "serial")
            for _ in range(lines.dropped - dropped):
                number += 1
                yield Packet(f"{self.name}:{number}", b"", "serial", trouble="a message without an end")
            dropped = lines.dropped
        self.noise = lines.noise
        if lines.unfinished:
            yield Packet(f"{self.name}:{number + 1}", b"", "serial", trouble="the last message has no end")


def _record(place: str, line: bytes) -> Packet | None:
    """One object of JSON: ``payload_b64``, ``text`` or ``hex``, and what else the records of recorded packets carry.

    ``hex`` is a whole Ethernet frame; None for one that carries nothing that any protocol here could want.
    """
    try:
        told = json.loads(line)
        if "hex" in told:
            return _recorded_frame(place, told)
        data = b64decode(told["payload_b64"], validate=True) if "payload_b64" in told else told["text"].encode()
        key = told.get("outer_key") or told.get("key")
        since = told.get("t")
        return Packet(
            place,
            data,
            str(told.get("medium") or ("serial" if "text" in told else "udp")),
            since=float(since) if since is not None else None,
            source=str(told.get("src") or ""),
            target=str(told.get("dst") or ""),
            ports=(694,),
            key=key if _is_key(key) else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Packet(
            place, b"", "", trouble="this line is no record of a packet: a JSON object with payload_b64, text or hex"
        )


def _recorded_frame(place: str, told: dict[str, Any]) -> Packet | None:
    packet = Payloads(place).read(Frame(_ETHERNET, None, bytes.fromhex(told["hex"]), 0))
    since = told.get("t")
    return packet and replace(packet, place=place, since=float(since) if since is not None else None)


def _is_key(key: Any) -> bool:
    if not isinstance(key, dict) or not isinstance(key.get("index"), int) or not isinstance(key.get("key"), str):
        return False
    return (
        0 <= key["index"] <= 15
        and key.get("method") in ("crc", "md5", "sha1")
        and bool(key["key"]) is (key["method"] != "crc")
    )
