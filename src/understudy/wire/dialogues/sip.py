"""SIP: OPTIONS is answered with 200 (RFC 3261 sections 8.1.1 and 11). Answers with 1xx are waited through.

We do not know our own address, so Via names one that cannot exist, and ``rport`` (RFC 3581) has the answer come to where the
question came from. Not handled: authentication (401 is not 200), bodies.
"""

from __future__ import annotations

import re

from ..said import quoted
from .talk import LineTalk, octets

_STATUS = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])(?: |$)")


class Sip(LineTalk):
    """``login``: USER or USER@DOMAIN, who is asked and asks, as with ldirectord; "" asks the server itself.

    ``address``: as it stands in a URI. ``random``: 16 bytes.
    """

    def __init__(self, address: str, port: int, login: str, udp: bool, random: bytes) -> None:
        super().__init__("its answer to OPTIONS")
        asked = f"{address}:{port}" if not login else login if "@" in login else f"{login}@{address}:{port}"
        sender = login if "@" in login else f"{login or 'understudy'}@anonymous.invalid"
        transport = "UDP" if udp else "TCP"
        lines = (
            f"OPTIONS sip:{asked} SIP/2.0",
            f"Via: SIP/2.0/{transport} anonymous.invalid;branch=z9hG4bK{random[:6].hex()};rport",
            "Max-Forwards: 70",
            f"From: <sip:{sender}>;tag={random[6:10].hex()}",
            f"To: <sip:{asked}>",
            f"Call-ID: {random[10:16].hex()}@anonymous.invalid",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:{sender}>",
            "Accept: application/sdp",
            "Content-Length: 0",
        )
        self._request = octets("".join(f"{line}\r\n" for line in (*lines, "")))
        self._in_head = False

    def begin(self) -> bytes:
        return self._request

    def _line(self, line: bytes) -> bytes:
        if self._in_head:
            self._in_head = line != b""
            return b""
        if not line:  # between messages
            return b""
        found = _STATUS.match(line)
        if found is None:
            return self._bad(f"it does not answer in SIP: {quoted(line)}")
        if found[1] == b"200":
            return self._good()
        if found[1] >= b"200":
            return self._bad(f"it answered OPTIONS with {quoted(line)}")
        self._in_head = True
        return b""
