"""DNS over UDP or TCP: one question, recursion desired (RFC 1035 section 4). Any answer without an error (RCODE 0) is good.

``to_search``: the addresses (A) and names (PTR) of the answer, as ldirectord has them, and the data of the records of the type
that was asked for by name: "10 mx.example.com" (MX), the joined strings of TXT, the seven fields of SOA. Not handled:
asking again over TCP after an answer that was cut (what it holds counts), EDNS, repetition of a lost question.
"""

from __future__ import annotations

import ipaddress

from ..said import quoted
from .talk import Talk

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
_RCODES = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
_MOST_NAME = 255
_MOST_ANSWER = 4096
"""Bytes. Without EDNS there are 512, but not every server keeps to that."""
_MOST_POINTERS = 32


class Dns(Talk):
    """``question``: name and type from ``asked``. ``named``: the type was asked for by name. ``random``: 2 bytes.

    Over TCP (not ``udp``) two bytes before each message are its length (RFC 1035 section 4.2.2).
    """

    def __init__(self, name: bytes, kind: int, named: bool, udp: bool, random: bytes) -> None:
        super().__init__("its answer to the question")
        self._udp = udp
        self._come = b""
        self._number = random[:2]
        self._question = name + kind.to_bytes(2, "big") + b"\0\1"
        self._searched = {TYPES["A"], TYPES["PTR"]} | ({kind} if named else set())
        self.to_search = ()

    def begin(self) -> bytes:
        message = self._number + b"\1\0\0\1\0\0\0\0\0\0" + self._question
        return message if self._udp else len(message).to_bytes(2, "big") + message

    def _heard(self, data: bytes) -> bytes:
        if self._udp:
            return self._message(data)
        self._come += data
        while self.verdict is None and len(self._come) >= 2:
            end = 2 + int.from_bytes(self._come[:2], "big")
            if len(self._come) < end:
                break
            message, self._come = self._come[2:end], self._come[end:]
            self._message(message)
        return b""

    def _message(self, data: bytes) -> bytes:
        if len(data) < 12:
            return self._bad(f"it does not answer in DNS: {quoted(data)}")
        if self._udp and len(data) > _MOST_ANSWER:
            return self._bad(f"it answered with {len(data)} bytes, which DNS does not over UDP")
        if data[:2] != self._number:  # an answer to somebody else
            return b""
        rcode = data[3] & 15
        if not data[2] & 0x80 or data[2] & 0x78:
            return self._bad("it sends a question, or another operation, instead of an answer")
        if rcode:
            return self._bad(f"it answered with {_RCODES.get(rcode, 'an error')} (RCODE {rcode})")
        end = 12 + len(self._question)
        if data[4:6] != b"\0\1" or data[12:end].lower() != self._question.lower():
            return self._bad("it answered another question")
        found = _records(data, end, int.from_bytes(data[6:8], "big"), self._searched)
        if found is None:
            return self._bad("the records of its answer cannot be read")
        self.to_search = found
        return self._good()


def asked(request: str, kind: str) -> tuple[bytes, int] | None:
    """The name in the form of the wire, and the type; None for what cannot be asked.

    ``kind`` "": PTR for an address, otherwise A. An address is asked for below in-addr.arpa or ip6.arpa (RFC 1035 section 3.5,
    RFC 3596 section 2.5) when PTR is. Names beyond ASCII go as IDNA has them.
    """
    name = request.rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        address = None
    number = TYPES.get(kind.upper() or ("PTR" if address else "A"))
    if address and number == TYPES["PTR"]:
        name = address.reverse_pointer
    encoded = b""
    for label in name.split(".") if name else ():
        try:
            piece = label.encode("ascii") if label.isascii() else label.encode("idna")
        except UnicodeError:
            return None
        if not 1 <= len(piece) <= 63:
            return None
        encoded += bytes((len(piece),)) + piece
    return (encoded + b"\0", number) if number and len(encoded) < _MOST_NAME else None


def _records(data: bytes, at: int, count: int, searched: set[int]) -> tuple[str, ...] | None:
    found: list[str] = []
    cut = bool(data[2] & 2)  # TC: it may end anywhere, and what came counts
    for _ in range(count):
        owner = _name(data, at)
        if owner is None:
            return tuple(found) if cut else None
        at = owner[1]
        start = at + 10
        end = start + int.from_bytes(data[at + 8 : start], "big")
        if start > len(data) or end > len(data):
            return tuple(found) if cut else None
        kind = int.from_bytes(data[at : at + 2], "big")
        if data[at + 2 : at + 4] == b"\0\1" and kind in searched:
            text = _text(data, kind, start, end)
            if text is None:
                return tuple(found) if cut and end == len(data) else None
            found.append(text)
        at = end
    return tuple(found)


def _text(data: bytes, kind: int, start: int, end: int) -> str | None:
    """The data of a record as people write it."""
    size = end - start
    match kind:
        case 1 | 28:
            wanted = 4 if kind == 1 else 16
            return str(ipaddress.ip_address(data[start:end])) if size == wanted else None
        case 2 | 5 | 12:
            name = _name(data, start)
            return name[0] if name and name[1] == end else None
        case 15:
            name = _name(data, start + 2)
            return f"{int.from_bytes(data[start : start + 2], 'big')} {name[0]}" if name and name[1] == end else None
        case 16:
            return _strings(data[start:end])
    first = _name(data, start)
    second = _name(data, first[1]) if first else None
    if first is None or second is None or second[1] + 20 != end:
        return None
    numbers = (int.from_bytes(data[at : at + 4], "big") for at in range(second[1], end, 4))
    return " ".join((first[0], second[0], *map(str, numbers)))


def _strings(data: bytes) -> str | None:
    joined = b""
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            return None
        joined += data[at + 1 : end]
        at = end
    return joined.decode("utf-8", "replace")


def _name(data: bytes, at: int) -> tuple[str, int] | None:
    """The name at ``at`` without its last point, and where what stands behind it begins; None for what is no name.

    A pointer (RFC 1035 section 4.1.4) must point to before the name, and further forward each time: so there is an end.
    """
    labels: list[bytes] = []
    size = jumps = 0
    behind = -1
    limit = at
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            to = int.from_bytes(data[at : at + 2], "big") & 0x3FFF
            jumps += 1
            if at + 2 > len(data) or to >= limit or jumps > _MOST_POINTERS:
                return None
            behind = at + 2 if behind < 0 else behind
            at = limit = to
            continue
        size += length + 1
        if length > 63 or size > _MOST_NAME or at + 1 + length > len(data):
            return None
        if not length:
            text = b".".join(labels).decode("utf-8", "replace")
            return text, at + 1 if behind < 0 else behind
        labels.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    return None
