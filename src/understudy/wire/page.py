"""One page asked of a web server, as a dialogue: HTTP/1.0 and 1.1 (RFC 9110, RFC 9112), as far as a check needs them.

Bodies by length, by chunks and until the end of the connection; interim answers are passed over. Of a body at most ``MOST_BODY``
bytes are looked at, of all of it where its MD5 is wanted. Compressed bodies are never asked for, trailers are not looked at.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from ..service_checks import HttpQuestion, Page, Target
from .heard import quoted
from .search import Search, found

MOST_BODY = 256 * 1024
MOST_HEAD = 64 * 1024

_STATUS = re.compile(rb"HTTP/1\.\d (\d\d\d)(?: ([^\r\n]*))?\r?\n")
_ODD_END = re.compile(rb"\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[^\r\n]*\r?\n")
_ODD = re.compile(r"[^!-~]")
_MOVED = frozenset({301, 302, 303, 307, 308})


def request_of(page: Page, question: HttpQuestion, target: Target) -> bytes:
    """All that is sent for ``page``."""
    host = page.host or (f"[{target.address}]" if ":" in target.address else target.address)
    scheme, usual = ("https", 443) if question.tls is not None else ("http", 80)
    if target.port not in (usual, 0) and not page.host:
        host = f"{host}:{target.port}"
    path = _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd.group().encode("utf-8", "replace")), page.path)
    line = f"{page.method} {f'{scheme}://{host}' if question.proxy else ''}{path} HTTP/{question.version[:3]}"
    lines = [line, f"Host: {_ODD.sub('', host)}", "User-Agent: Understudy", "Accept: */*"]
    if question.version != "1.0":
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def followed(page: Page, location: str, question: HttpQuestion, target: Target) -> Page | str:
    """The page that a redirect names, or why it is not followed: only the server that was asked is asked again."""
    scheme = "https" if question.tls is not None else "http"
    here = urlsplit(f"{scheme}://{page.host or 'HERE'}:{target.port}{page.path}")
    try:
        there = urlsplit(urljoin(here.geturl(), location))
        names = {
            (page.host or "HERE").rpartition(":")[0].lower(),
            (page.host or "HERE").lower(),
            target.address.lower(),
        }
        ports = {None, target.port, urlsplit(f"//{page.host}").port}
        same = there.scheme == scheme and (there.hostname or "") in names and there.port in ports
    except ValueError:
        same = False
    if not same:
        return f"it is redirected to another server, {location[:100]!r}"
    return replace(page, path=(there.path or "/") + (f"?{there.query}" if there.query else ""))


def _field(head: bytes, lower: bytes, name: bytes) -> bytes | None:
    """The value of the first such field; ``name`` with the end of the line before it."""
    at = lower.find(name)
    return head[at + len(name) : head.index(b"\n", at + 1)].strip() if at >= 0 else None


class PageTalk:
    """One request and its answer. ``location``: where it is redirected to, with a good verdict. ``search``: to be sought by
    whoever has the means, and told to ``searched``; until then there is no verdict.
    """

    __slots__ = (
        "_body", "_chunks", "_digest", "_follows", "_head", "_keeps", "_left", "_looks", "_page", "_request", "_seen", "location",
        "search", "verdict",
    )  # fmt: skip

    wants_tls = False

    def __init__(self, page: Page, request: bytes, follows: bool = False) -> None:
        self._page, self._request, self._follows = page, request, follows
        self._head = b""
        self._left: int | None = None
        """What is missing of the body; -1: nobody knows. None: the head is not over."""
        self._keeps = bool(page.text or page.pattern)
        self._looks = self._keeps or page.digest != ""
        self._digest = hashlib.md5(usedforsecurity=False) if page.digest else None
        self._body = bytearray()
        self._seen = 0
        self._chunks: _Chunks | None = None
        self.verdict: str | None = None
        self.location = ""
        self.search: Search | None = None

    def begin(self) -> bytes:
        return self._request

    @property
    def stage(self) -> str:
        """What has been heard, for the sentence when time is over."""
        if self.search is not None:
            return f"the regular expression {self.search.pattern.text!r} takes too long"
        return (
            "the answer began, and did not end" if self._head or self._left is not None else "connected, but no answer"
        )

    def feed(self, data: bytes) -> bytes:
        if self._left is not None:
            self._take(data)
        else:
            self._head = head = self._head + data if self._head else data
            end = head.find(b"\r\n\r\n") + 4
            if end == 3 and (odd := _ODD_END.search(head)) is not None:
                end = odd.end()
            if end > 3:
                self._begin_body(head[:end], head[end:])
            elif len(head) > MOST_HEAD or not head.startswith(b"HTTP/1."[: len(head)]):
                self._bad(f"no proper answer: it begins {quoted(head)}")
        return b""

    def _begin_body(self, head: bytes, rest: bytes) -> None:
        line = _STATUS.match(head)
        if line is None:
            return self._bad(f"no proper answer: it begins {quoted(head)}")
        status = int(line[1])
        if 100 <= status < 200:
            self._head = b""
            if rest:
                self.feed(rest)
            return None
        lower = head.lower()
        if self._follows and status in _MOVED and (moved := _field(head, lower, b"\nlocation:")) is not None:
            self.location = moved.decode("utf-8", "replace")
            self.verdict = ""
            return None
        for low, high in self._page.status:
            if low <= status <= high:
                break
        else:
            return self._bad(f"status {status} {(line[2] or b'').decode('utf-8', 'replace')}".rstrip())
        self._left = -1
        if self._page.method == "HEAD" or status in (204, 304):
            self._left = 0
        elif (coding := _field(head, lower, b"\ntransfer-encoding:")) is not None and coding.lower().endswith(
            b"chunked"
        ):
            self._chunks = _Chunks()
        elif (length := _field(head, lower, b"\ncontent-length:")) is not None:
            if not length.isdigit() or len(length) > 18:
                return self._bad(f"no proper answer: Content-Length is {quoted(length)}")
            self._left = int(length)
        self._take(rest)
        return None

    def _take(self, data: bytes) -> None:
        if self._chunks is not None:
            data, trouble = self._chunks.feed(data)
            if trouble:
                return self._bad(f"no proper answer: {trouble}")
        elif self._left is not None and self._left >= 0:
            if len(data) > self._left:
                data = data[: self._left]
            self._left -= len(data)
        self._seen += len(data)
        if self._looks:
            if self._keeps:
                self._body += data
            if self._digest is not None:
                self._digest.update(data)
        if (
            self._left == 0
            or (self._seen >= MOST_BODY and self._digest is None)
            or (self._chunks and self._chunks.over)
        ):
            if self._looks:
                self._judge()
            else:
                self.verdict = ""
        return None

    def closed(self) -> None:
        if self.verdict is not None or self.search is not None:
            return
        if self._left is None:
            began = f"the answer ended after {quoted(self._head)}"
            self._bad(began if self._head else "the connection was closed without an answer")
        elif self._left > 0 or self._chunks is not None:
            self._bad("the connection was closed before the end of the answer")
        else:
            self._judge()

    def _judge(self) -> None:
        page = self._page
        if self._digest is not None and self._digest.hexdigest() != page.digest.lower():
            return self._bad(f"the MD5 sum of the body is {self._digest.hexdigest()} instead of {page.digest}")
        body = bytes(self._body[:MOST_BODY])
        if page.text and page.text.encode("utf-8", "replace") not in body:
            return self._bad(f"the text {page.text!r} is not in the body, which begins {quoted(body)}")
        if page.pattern is None:
            self.verdict = ""
            return None
        self.search = Search(page.pattern, body)
        if self.search.quick:
            self.searched(found(self.search))
        return None

    def searched(self, good: bool) -> None:
        """What became of ``search``."""
        if self.search is None:
            return
        pattern, body, self.search = self.search.pattern, self.search.data, None
        where = "is in the body" if pattern.absent else "is not in the body"
        self.verdict = "" if good else f"{pattern.text!r} {where}, which begins {quoted(body)}"

    def _bad(self, text: str) -> None:
        self.verdict = text


class _Chunks:
    """The chunked coding (RFC 9112 section 7.1). ``over``: the last one has come."""

    __slots__ = ("_kept", "_left", "over")

    def __init__(self) -> None:
        self._kept = b""
        self._left = 0
        """Of a chunk with the end of its line (-2 to 0: that alone)."""
        self.over = False

    def feed(self, data: bytes) -> tuple[bytes, str]:
        """(what it means, what is wrong with it)."""
        data, said = self._kept + data, []
        self._kept = b""
        while data and not self.over:
            if self._left > 0:
                part, data = data[: self._left], data[self._left :]
                said.append(part)
                self._left -= len(part)
                if self._left == 0:
                    self._left = -1
                continue
            if self._left < 0:
                if data == b"\r":
                    self._kept = data
                    break
                if not data.startswith((b"\r\n", b"\n")):
                    return b"".join(said), f"a chunk does not end, {quoted(data)}"
                data = data[2 if data[0] == 13 else 1 :]
                self._left = 0
                continue
            size = _CHUNK.match(data)
            if size is None:
                if b"\n" in data or len(data) > 1024:
                    return b"".join(said), f"{quoted(data)} is no size of a chunk"
                self._kept = data
                break
            self._left = int(size[1], 16)
            self.over = self._left == 0
            data = data[size.end() :]
        return b"".join(said), ""
