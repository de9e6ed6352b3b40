"""Pages of web servers as dialogues: every way to say where a body ends, what is judged, and whatever else may arrive."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.service_checks import HttpQuestion, Page, Pattern, Target, Tls
from understudy.wire.page import MOST_BODY, PageTalk, followed, request_of

TARGET = Target("192.0.2.7", 80)


def verdict(answer: bytes, page: Page | None = None, piece: int = 0, closes: bool = True) -> str | None:
    """Of ``answer`` in pieces; then the end of the connection."""
    talk = PageTalk(page or Page(), b"")
    for at in range(0, len(answer), piece or max(len(answer), 1)):
        talk.feed(answer[at : at + (piece or len(answer))])
        if talk.verdict is not None:
            return talk.verdict
    if closes:
        talk.closed()
    return talk.verdict


def answer(body: bytes = b"well", *fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + body


CHUNKED = answer(b"3;x=y\r\nwel\r\n1\r\nl\r\n0\r\n\r\n", "Transfer-Encoding: gzip, Chunked")
LENGTH = answer(b"well", "CONTENT-length:  4 ")
GOOD = {
    "length": LENGTH,
    "more than the length": LENGTH + b"HTTP/1.1 500 Late",
    "chunks": CHUNKED,
    "until the end": answer(b"well"),
    "line feeds alone": b"HTTP/1.0 200\nA: b\n\nwell",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH,
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_body_is_read_to_its_end(name: str, piece: int) -> None:
    digest = hashlib.md5(b"well").hexdigest().upper()
    assert verdict(GOOD[name], Page(digest=digest, text="ell", pattern=Pattern("^w.ll$")), piece) == ""


@pytest.mark.parametrize(("whole", "last"), [(LENGTH, b"l"), (CHUNKED, b"0\r\n\r\n")])
def test_a_body_that_breaks_off_is_not_good(whole: bytes, last: bytes) -> None:
    part = whole.removesuffix(last)
    assert "before the end" in (verdict(part) or "")
    assert verdict(part, closes=False) is None, "it may still come"
    assert verdict(whole, closes=False) == "", "nothing more is waited for"


BAD = {
    "status 503 Busy": (answer(b"", status="503 Busy"), Page()),
    "status 200": (b"HTTP/1.1 200\r\n\r\n", Page(status=((404, 404), (500, 599)))),
    "the text 'ill' is not in the body, which begins 'well'": (LENGTH, Page(text="ill")),
    "'^x' is not in the body, which begins 'well'": (LENGTH, Page(pattern=Pattern("^x"))),
    "'we' is in the body, which begins 'well'": (LENGTH, Page(pattern=Pattern("we", absent=True))),
    f"the MD5 sum of the body is {hashlib.md5(b'well').hexdigest()} instead of {'0' * 32}": (
        LENGTH,
        Page(digest="0" * 32),
    ),
    "no proper answer: it begins 'SSH-2.0-x'": (b"SSH-2.0-x", Page()),
    "no proper answer: it begins 'HTTP/1.1 abc'": (b"HTTP/1.1 abc\r\n\r\n", Page()),
    "no proper answer: Content-Length is '-4'": (answer(b"", "Content-Length: -4"), Page()),
    "no proper answer: 'zz' is no size of a chunk": (answer(b"zz\r\n", "Transfer-Encoding: chunked"), Page()),
    "no proper answer: a chunk does not end, 'xx'": (answer(b"1\r\nxxx", "Transfer-Encoding: chunked"), Page()),
    "the connection was closed without an answer": (b"", Page()),
    "the answer ended after 'HTTP/1.1 20'": (b"HTTP/1.1 20", Page()),
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said(text: str) -> None:
    assert verdict(*BAD[text]) == text


def test_nothing_is_read_behind_a_head_alone() -> None:
    head = answer(b"", "Content-Length: 4")
    assert verdict(head, Page(method="HEAD"), closes=False) == ""
    assert verdict(answer(b"", "Content-Length: 4", status="204 No Content"), closes=False) == ""
    assert verdict(head, closes=False) is None


def test_a_body_without_end_is_enough_at_some_time() -> None:
    assert verdict(answer(b"x" * MOST_BODY), closes=False) == ""
    assert verdict(answer(b"x" * MOST_BODY), Page(digest="0" * 32), closes=False) is None, "its sum needs all of it"


def test_a_head_without_end_is_no_answer() -> None:
    assert "no proper answer" in (verdict(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, piece=9000) or "")


def test_a_long_search_is_left_to_others() -> None:
    talk = PageTalk(Page(pattern=Pattern("(a+)+$")), b"")
    talk.feed(answer(b"aaa!", "Content-Length: 4"))
    assert talk.verdict is None
    assert talk.search is not None
    assert talk.search.data == b"aaa!"
    talk.closed()
    assert talk.verdict is None, "the body was all there"
    talk.searched(False)
    assert talk.verdict == "'(a+)+$' is not in the body, which begins 'aaa!'"


@given(st.binary(max_size=300), st.integers(1, 9), st.booleans())
def test_garbage_has_a_verdict_and_no_exception(data: bytes, piece: int, begun: bool) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if begun else b""
    assert verdict(start + data, Page(text="never"), piece) is not None


def test_requests_say_what_they_must() -> None:
    page = Page("/a b\r\nX: y?ü", "www.example.org")
    assert request_of(page, HttpQuestion(version="1.0"), TARGET).split(b"\r\n")[:2] == [
        b"GET /a%20b%0D%0AX:%20y?%C3%BC HTTP/1.0", b"Host: www.example.org",
    ]  # fmt: skip
    assert b"Connection" not in request_of(page, HttpQuestion(version="1.0"), TARGET)
    assert request_of(page, HttpQuestion(version="1.0C"), TARGET).startswith(
        b"GET /a%20b%0D%0AX:%20y?%C3%BC HTTP/1.0\r\n"
    )
    assert b"\r\nConnection: close\r\n" in request_of(page, HttpQuestion(version="1.0C"), TARGET)
    assert b"\r\nHost: [2001:db8::1]:8080\r\n" in request_of(Page(), HttpQuestion(), Target("2001:db8::1", 8080))
    assert b"\r\nHost: 192.0.2.7\r\n" in request_of(Page(), HttpQuestion(tls=Tls()), Target("192.0.2.7", 443))
    head = request_of(Page("/x", "a.example", "HEAD"), HttpQuestion(proxy=True), TARGET)
    assert head.startswith(b"HEAD http://a.example/x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "location", ["/new?x=1", "http://www.example.org/new?x=1", "//192.0.2.7:80/new?x=1", "../new?x=1"]
)
def test_a_redirect_to_the_same_server_is_followed(location: str) -> None:
    page = Page("/old/er", "www.example.org", text="well")
    assert followed(page, location, HttpQuestion(), TARGET) == Page("/new?x=1", "www.example.org", text="well")


@pytest.mark.parametrize(
    "location",
    ["http://elsewhere.example/", "https://www.example.org/", "http://www.example.org:81/", "http://[x/", "ftp://a/"],
)
def test_a_redirect_to_another_is_a_failure(location: str) -> None:
    said = followed(Page("/", "www.example.org"), location, HttpQuestion(), TARGET)
    assert said == f"it is redirected to another server, {location!r}"


def test_a_redirect_is_a_status_where_none_is_to_be_followed() -> None:
    moved = answer(b"", "Location: /new", status="302 Found")
    assert verdict(moved) == "status 302 Found"
    talk = PageTalk(Page(), b"", follows=True)
    talk.feed(moved)
    assert (talk.verdict, talk.location) == ("", "/new")
