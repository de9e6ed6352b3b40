"""One answer of an HTTP/1 server, read in the pieces in which it arrives (RFC 9112). No IO.

``status_of`` is for those who only want the status: one look at the first bytes. Not handled: upgrades (101 is an answer like
any other), trailers (read over), encodings of content (``body`` is as it was sent), a second answer on the same connection.
"""

from __future__ import annotations

import re

from .said import quoted

MOST_HEAD = 65_536
"""Bytes of status line and headers, those of interim answers (100, 103) among them."""

MOST_BODY = 4 << 20
"""Bytes of a page that are read. A longer one is a trouble: what is looked for might stand behind."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] +([1-9][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n(?![ \t])")
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\n")
_EMPTY_LINES = (b"\r\n", b"\n")
_LONGEST_SIZE_LINE = 4096

_HEAD, _COUNTED, _UNTIL_CLOSE, _CHUNK_SIZE, _CHUNK, _CHUNK_END, _TRAILER = range(7)


def status_of(data: bytes) -> int:
    """The status of an answer whose beginning is ``data``; 0 when that takes a closer look: too short, interim, or not HTTP.

    Accepts only what ``HttpAnswer`` accepts.
    """
    found = _STATUS_LINE.match(data)
    if found is None or found[1][0] == 0x31:
        return 0
    return int(found[1])


class HttpAnswer:
    """Feed it what arrives, and tell it of the end with ``closed``. It never raises, and keeps what its limits say at most.

    ``method``: of the request; HEAD has no body. ``keep``: False reads the body over without keeping it.

    ``status``: 0 until the head is whole, then 101 or 200 to 999. ``over``: nothing more will come of it. ``trouble``: "" or a
    sentence why the answer is no good; then ``over`` too, and what was read before stays.
    """

    __slots__ = (
        "_body",
        "_fields",
        "_heads",
        "_keep",
        "_left",
        "_most",
        "_no_body",
        "_state",
        "_text",
        "_wait",
        "over",
        "status",
        "trouble",
    )

    def __init__(self, method: str = "GET", *, keep: bool = True, most: int = MOST_BODY) -> None:
        self.status = 0
        self.over = False
        self.trouble = ""
        self._no_body = method == "HEAD"
        self._keep = keep
        self._most = most
        self._state = _HEAD
        self._text = b""
        """Of the head, or of the framing of chunks, what is not read yet."""
        self._heads = 0
        """Bytes of heads and framing so far."""
        self._wait = 0
        """Up to where no end of the head was found, so that many small pieces do not cost the square of their number."""
        self._left = 0
        self._body = bytearray()
        self._fields: bytes | dict[str, str] = b""

    @property
    def headers(self) -> dict[str, str]:
        """Names in small letters; what was said several times is joined by ", ". Empty until the head is whole."""
        if isinstance(self._fields, bytes):
            self._fields = _fields(self._fields)
        return self._fields

    @property
    def body(self) -> bytes:
        """So much of it as there is yet."""
        return bytes(self._body)

    def feed(self, data: bytes) -> None:
        """What has arrived. Anything behind the answer's end is forgotten."""
        if self._state == _HEAD and not self.over:
            data = self._head(data)
        while data and not self.over:
            if self._state == _COUNTED or self._state == _CHUNK:
                data = self._counted(data)
            elif self._state == _UNTIL_CLOSE:
                self._take(data)
                return
            else:
                data = self._framing(data)

    def closed(self) -> None:
        """The other side has closed (or reset) the connection."""
        if self.over:
            return
        self.over = True
        if self._state == _UNTIL_CLOSE:
            return
        if self._state == _HEAD and not self._text and not self._heads:
            self.trouble = "it closed the connection without an answer"
        elif self._state == _HEAD:
            self.trouble = "it closed the connection in the middle of its answer's head"
        else:
            more = f", {self._left} bytes before its end" if self._state == _COUNTED else ""
            self.trouble = f"it closed the connection in the middle of the page{more}"

    def _bad(self, trouble: str) -> bytes:
        self.trouble = trouble
        self.over = True
        return b""

    # -- the head

    def _head(self, data: bytes) -> bytes:
        """Read heads (interim ones, too); what is behind them is given back."""
        data = self._text + data if self._text else data
        while data:
            end = _end_of_head(data, self._wait)
            if self._heads + (end or len(data)) > MOST_HEAD:
                return self._bad(f"its answer's head is longer than {MOST_HEAD} bytes")
            if not end:
                self._wait = max(0, len(data) - 3)
                self._text = data
                if not data.startswith(b"HTTP/1."[: len(data)]):
                    return self._bad(f"it does not answer in HTTP/1: {quoted(data)}")
                return b""
            self._wait = 0
            self._heads += end
            found = _STATUS_LINE.match(data)
            if found is None:
                return self._bad(f"it does not answer in HTTP/1: {quoted(data.partition(_EMPTY_LINES[1])[0])}")
            status = int(found[1])
            if status < 200 and status != 101:
                data = data[end:]
                continue
            self.status = status
            self._fields = data[found.end() : end]
            self._text = b""
            self._frame(data[found.end() - 1 : end].lower())
            return data[end:]
        self._text = b""
        return b""

    def _frame(self, fields: bytes) -> None:
        """How the body ends (RFC 9112 section 6.3); ``fields`` begins with the newline of the status line."""
        if self._no_body or self.status in (101, 204, 304):
            self.over = True
        elif b"\ntransfer-encoding" in fields:
            codings = self.headers.get("transfer-encoding", "").lower().split(",")
            self._state = _CHUNK_SIZE if codings[-1].strip() == "chunked" else _UNTIL_CLOSE
        elif fields.count(b"\ncontent-length") == 1 and (
            quick := _LENGTH.search(fields)
        ):  # the usual case, which needs none of the other headers
            self._counts(int(quick[1]))
        elif b"\ncontent-length" in fields:
            said = {number.strip() for number in self.headers.get("content-length", "").split(",")}
            number = said.pop()
            if said or not _NUMBER.fullmatch(number):
                self._bad(f"it says {quoted(self.headers.get('content-length', ''))} for the length of the page")
                return
            self._counts(int(number))
        else:
            self._state = _UNTIL_CLOSE

    def _counts(self, length: int) -> None:
        self._state = _COUNTED
        self._left = length
        self.over = not length

    # -- the body

    def _take(self, data: bytes) -> None:
        if not self._keep:
            return
        if len(self._body) + len(data) > self._most:
            self._bad(f"the page is longer than {self._most} bytes")
            return
        self._body += data

    def _counted(self, data: bytes) -> bytes:
        if len(data) < self._left:
            self._left -= len(data)
            self._take(data)
            return b""
        self._take(data[: self._left])
        data = data[self._left :]
        self._left = 0
        if self._state == _COUNTED:
            self.over = True
        else:
            self._state = _CHUNK_END
        return data

    def _framing(self, data: bytes) -> bytes:
        """One line between the chunks, or of the trailer (RFC 9112 section 7.1)."""
        piece, newline, data = data.partition(b"\n")
        self._text += piece + newline
        if len(self._text) > _LONGEST_SIZE_LINE:
            return self._bad("it sends the page in chunks, and a line between them is too long")
        if not newline:
            return b""
        line, self._text = self._text, b""
        if self._state == _CHUNK_SIZE:
            found = _SIZE.fullmatch(line)
            if found is None:
                return self._bad(f"it sends the page in chunks, and says {quoted(line)} where a length should stand")
            self._left = int(found[1], 16)
            self._state = _CHUNK if self._left else _TRAILER
        elif self._state == _CHUNK_END:
            if line not in _EMPTY_LINES:
                return self._bad(f"it sends the page in chunks, and says {quoted(line)} where one should end")
            self._state = _CHUNK_SIZE
        else:
            self._heads += len(line)
            if self._heads > MOST_HEAD:
                return self._bad(f"what it says behind the page is longer than {MOST_HEAD} bytes")
            self.over = line in _EMPTY_LINES
        return data


def _end_of_head(data: bytes, start: int) -> int:
    """Behind the empty line that ends the head, 0 while there is none. A line may end without a carriage return, too (2.2)."""
    plain = data.find(b"\n\n", start)
    end = data.find(b"\n\r\n", start, plain + 1 if plain >= 0 else len(data))
    if end >= 0:
        return end + 3
    return plain + 2 if plain >= 0 else 0


def _fields(text: bytes) -> dict[str, str]:
    """Header lines that have a colon; one that begins with a blank goes on where the one before ended (RFC 9112 section 5.2)."""
    found: dict[str, str] = {}
    name = ""
    for line in text.decode("latin-1").split("\n"):
        if line[:1] in (" ", "\t"):
            if name and line.strip():
                found[name] = f"{found[name]} {line.strip()}".strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            name = ""
            continue
        found[name] = f"{found[name]}, {value.strip()}" if name in found else value.strip()
    return found
