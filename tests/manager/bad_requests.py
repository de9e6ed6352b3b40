"""Requests that must all be refused: random, mutated, or right but for one fault. The same ones for the same seed.

The cluster that they are for has the nodes a and b, the witness w and the group site. What is mutated blindly names a group and
a node that there are not, so that no mutation of what is around them makes it a wish that may be fulfilled.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

WISHES = ("/v1/move", "/v1/standby", "/v1/online", "/v1/fence", "/v1/fence/test", "/v1/confirm-off", "/v1/dump")
VIEWS = ("/v1/status", "/v1/history", "/v1/fence")
REFUSED = frozenset({400, 401, 404, 405, 408, 411, 413, 415, 417, 431, 501, 505})


@dataclass(frozen=True)
class Request:
    """``whole``: a complete request, so an answer must come; otherwise more may have to be sent before one comes."""

    data: bytes
    whole: bool


def _head(method: str, path: str, headers: dict[str, str], body: bytes, extra: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body and not {"Content-Length", "Transfer-Encoding"} & set(headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode("latin-1") + body


def _good(path: str) -> dict[str, Any]:
    if path == "/v1/dump":
        return {}
    return {"group": "site", "node": "b"} if path == "/v1/move" else {"node": "b"}


def _text(rng: random.Random) -> str:
    letters = 'ab w{}[]",:\\/\x00\n\u00e9\u4e2d\ud800é'
    return "".join(rng.choice(letters) for _ in range(rng.randrange(12)))


def _value(rng: random.Random, depth: int = 0) -> Any:
    plain: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randrange(-(10 ** rng.randrange(1, 30)), 10**9),
        lambda: rng.random(),
        lambda: float("nan"),
        lambda: _text(rng),
    )
    if depth > 3 or rng.random() < 0.6:
        return rng.choice(plain)()
    if rng.random() < 0.5:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {_text(rng): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _wrong_value(rng: random.Random) -> Any:
    found = _value(rng)
    return found if found not in ("a", "b", "site") else None


def _bad_body(rng: random.Random, path: str) -> bytes:
    """A body with one fault, for a path that is right."""
    good = _good(path)
    text = json.dumps(good)
    name = rng.choice(sorted(good) or ["x"])
    faults: tuple[Callable[[], bytes], ...] = (
        lambda: json.dumps({**good, f"x{_text(rng)}": _value(rng)}).encode(),
        lambda: json.dumps({**good, name: _wrong_value(rng)}).encode(),
        lambda: json.dumps({**good, name: "w"}).encode(),
        lambda: json.dumps({**good, "node": "b" * rng.randrange(256, 4000)}).encode(),
        lambda: f'{text[:-1]}{", " if good else ""}"{name}": "b", "{name}": "b"}}'.encode(),
        lambda: json.dumps([good]).encode(),
        lambda: text[: rng.randrange(1, len(text))].encode(),
        lambda: text.encode() + bytes([rng.randrange(33, 256)]),
        lambda: b"\xff" + text.encode(),
        lambda: b"[" * rng.randrange(1, 60_000),
        lambda: b'{"node":' * rng.randrange(1, 8000),
        lambda: rng.randbytes(rng.randrange(1, 400)),
        lambda: b'{"node": ' + b"9" * rng.randrange(5000, 9000) + b"}",
    )
    return rng.choice(faults)()


def _bad_content(rng: random.Random) -> Request:
    path = rng.choice(WISHES)
    return Request(_head("POST", path, {}, _bad_body(rng, path)), True)


def _bad_address(rng: random.Random) -> Request:
    body = json.dumps(_good("/v1/move")).encode()
    wish = rng.choice(WISHES)
    choices = (
        _head(rng.choice(("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "CONNECT")), wish, {}, body),
        _head("GET", "/v1/move", {}, b""),
        _head(
            "POST",
            rng.choice(("/v1/move/", "//v1/move", "/v1/../v1/move", "/V1/MOVE", "/v2/move", "/", "/*")),
            {},
            body,
        ),
        _head(
            "POST",
            f"{wish}?{rng.choice(('force=1', 'node=b', '%00', '&=&', '='))}",
            {},
            json.dumps(_good(wish)).encode(),
        ),
        _head("POST", f"/v1/%{rng.choice(('00', 'ff', '2f', 'zz', ''))}move", {}, body),
        _head(
            "GET",
            f"/v1/history?{rng.choice(('lines=0', 'lines=-1', 'lines=1e3', 'lines=5&lines=5', 'n=1', 'lines='))}",
            {},
            b"",
        ),
        _head("GET", f"/v1/status?{rng.randrange(9)}=x", {}, b""),
        _head("GET", rng.choice(VIEWS), {}, b"{}"),
    )
    return Request(rng.choice(choices), True)


def _bad_http(rng: random.Random) -> Request:
    """The wish itself would be granted; the HTTP around it is not."""
    body = json.dumps(_good("/v1/move")).encode()
    length = str(len(body))
    whole = (
        _head("POST", "/v1/move", {"Content-Encoding": rng.choice(("gzip", "deflate", "br", "x"))}, body),
        _head("POST", "/v1/move", {"Content-Length": length, "Transfer-Encoding": "chunked"}, body),
        _head("POST", "/v1/move", {"Content-Length": rng.choice(("-1", "x", "1e3", "+30", "0x1e", "9" * 40))}, body),
        _head("POST", "/v1/move", {"Transfer-Encoding": "chunked"}, b"zz\r\n" + body),
        _head("POST", "/v1/move", {"Content-Length": length}, body, f"Content-Length: {len(body) - 1}\r\n"),
        _head("POST", "/v1/move", {"X": "y" * rng.randrange(9000, 40_000)}, body),
        _head("POST", "/v1/move", {}, b" " * rng.randrange(65_537, 120_000)),
        _head("POST", "/v1/move", {"Bad Name": "x"}, body),
        _head("POST", "/v1/move", {"X": "a\x00b"}, body),
        b"POST /v1/move HTTP/9.9\r\n\r\n",
        b"POST  /v1/move\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    )
    partial = (
        _head("POST", "/v1/move", {"Content-Length": str(len(body) + rng.randrange(1, 99))}, body),
        _head("POST", "/v1/move", {"Transfer-Encoding": "chunked"}, b"fffff\r\n" + body),
        _head("POST", "/v1/move", {}, body)[: rng.randrange(1, 40)],
    )
    if rng.random() < 0.7:
        return Request(rng.choice(whole), True)
    return Request(rng.choice(partial), False)


def _smuggled(rng: random.Random) -> Request:
    """Two readings of where the first request ends; by one of them a wish follows that would be granted."""
    wish = _head("POST", "/v1/move", {}, json.dumps(_good("/v1/move")).encode())
    heads = (
        f"Content-Length: {len(wish) + 5}\r\nTransfer-Encoding: chunked",
        f"Transfer-Encoding: chunked\r\nContent-Length: {rng.randrange(6)}",
        f"Content-Length: 5\r\nContent-Length: {len(wish) + 5}",
        f"Content-Length: {len(wish) + 5}, 5",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked, chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5",
        "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: +5",
        "X: y\nTransfer-Encoding: chunked\r\nContent-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5_0",
    )
    head = f"{rng.choice(('POST', 'GET'))} /v1/status HTTP/1.1\r\nHost: localhost\r\n{rng.choice(heads)}\r\n\r\n"
    return Request(head.encode("latin-1") + b"0\r\n\r\n" + wish, True)


def _mutated(rng: random.Random) -> Request:
    wish = {"group": "nosuchgroup", "node": "nosuchnode"}
    path = rng.choice(WISHES[:-1])
    body = json.dumps({name: wish[name] for name in _good(path)}).encode()
    data = bytearray(_head("POST", path, {"Content-Type": "application/json", "Accept": "*/*"}, body))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data))
        change = rng.randrange(4)
        if change == 0:
            data[at] = rng.randrange(256)
        elif change == 1:
            del data[at : at + rng.randrange(1, 8)]
        elif change == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 8))
        else:
            data[at:at] = data[at : at + rng.randrange(1, 40)]
        if not data:
            break
    return Request(bytes(data), False)


def _noise(rng: random.Random) -> Request:
    return Request(rng.randbytes(rng.randrange(1, 600)), False)


def bad_requests(count: int, seed: int) -> Iterator[Request]:
    rng = random.Random(seed)
    kinds = (_bad_content, _bad_content, _bad_address, _bad_http, _smuggled, _mutated, _mutated, _noise)
    for _ in range(count):
        yield rng.choice(kinds)(rng)
