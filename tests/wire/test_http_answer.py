"""Answers of HTTP servers: every framing, in every cutting, and every way to be no answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.wire.http_answer import MOST_HEAD, HttpAnswer, status_of
from understudy.wire.said import MOST_LETTERS, printable, quoted

PLAIN = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n0A\r\nlo, world!\r\n0\r\nTrailer: x\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN
OLD = b"HTTP/1.0 404 Not Found\nX-A: 1\nX-A: 2\n folded\n\nno such page"
NO_BODY = b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"
SAMPLES = (PLAIN, CHUNKED, INTERIM, OLD, NO_BODY)


def read(data: bytes, method: str = "GET", close: bool = True, **more: int) -> HttpAnswer:
    answer = HttpAnswer(method, **more)  # type: ignore[arg-type]
    answer.feed(data)
    if close:
        answer.closed()
    return answer


def seen(answer: HttpAnswer) -> tuple[object, ...]:
    return answer.status, answer.headers, answer.body, answer.over, answer.trouble


def test_counted_body_is_over_with_its_last_byte() -> None:
    assert seen(read(PLAIN, close=False)) == (200, {"server": "nginx", "content-length": "5"}, b"hello", True, "")
    short = read(PLAIN[:-1], close=False)
    assert (short.over, short.body, short.status) == (False, b"hell", 200)


def test_chunks_are_joined() -> None:
    answer = read(CHUNKED, close=False)
    assert (answer.body, answer.over, answer.trouble) == (b"hello, world!", True, "")


def test_interim_answers_are_read_over() -> None:
    answer = read(INTERIM, close=False)
    assert (answer.status, answer.body, answer.over) == (200, b"hello", True)
    assert read(INTERIM[:30], close=False).status == 0


def test_body_until_close() -> None:
    answer = read(OLD, close=False)
    assert (answer.status, answer.over) == (404, False)
    answer.closed()
    assert seen(answer) == (404, {"x-a": "1, 2 folded"}, b"no such page", True, "")


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (PLAIN[:-5], "HEAD"),
        (NO_BODY, "GET"),
        (b"HTTP/1.1 304 \r\n\r\n", "GET"),
        (b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", "GET"),
    ],
)
def test_answers_without_body_are_over_with_their_head(data: bytes, method: str) -> None:
    answer = read(data, method, close=False)
    assert (answer.over, answer.body, answer.trouble) == (True, b"", "")


def test_what_is_behind_the_end_is_forgotten() -> None:
    assert seen(read(PLAIN + PLAIN)) == seen(read(PLAIN))


def test_transfer_encoding_counts_more_than_a_length() -> None:
    data = CHUNKED.replace(b"Transfer", b"Content-Length: 3\r\ntransfer")
    assert read(data).body == b"hello, world!"
    assert read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc").body == b"abc"


def test_equal_lengths_said_twice_are_one() -> None:
    assert read(PLAIN.replace(b"Server: nginx", b"Content-Length: 5")).body == b"hello"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 'not answer in HTTP/1: "SSH-2.0-OpenSSH_9.2"'),
        (b"HTTP/2 200\r\n\r\n", "not answer in HTTP/1"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not answer in HTTP/1"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not answer in HTTP/1"),
        (b"HTTP/1.1\r\n\r\n", "not answer in HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", "middle of its answer's head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "middle of its answer's head"),
        (PLAIN[:-1], "1 bytes before its end"),
        (CHUNKED[:-2], "middle of the page"),
        (CHUNKED.replace(b"0A", b"G"), 'says "G" where a length'),
        (CHUNKED.replace(b"hel\r\n", b"help\r\n"), 'says "p" where one should end'),
        (CHUNKED.replace(b"a=b", b"a" * 5000), "too long"),
        (PLAIN.replace(b"5", b"-5"), '"-5" for the length'),
        (PLAIN.replace(b"5", b"5" * 5000), "for the length"),
        (PLAIN.replace(b": 5", b": 5, 6"), "for the length"),
        (PLAIN.replace(b": 5", b":"), "for the length"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * MOST_HEAD, "head is longer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "head is longer"),
        (CHUNKED[:-2] + b"a: b\r\n" * 20_000, "behind the page"),
    ],
)
def test_no_answer(data: bytes, word: str) -> None:
    whole = read(data)
    assert whole.over
    assert word in whole.trouble
    assert len(whole.trouble) <= MOST_LETTERS


def test_garbage_is_known_before_the_line_ends() -> None:
    assert read(b"220 mail", close=False).over
    assert not read(b"HTT", close=False).over


def test_bodies_are_bounded_or_not_kept() -> None:
    assert "longer than 4 bytes" in read(PLAIN, most=4).trouble
    unkept = read(PLAIN, most=4, keep=False)
    assert (unkept.over, unkept.trouble, unkept.body) == (True, "", b"")
    assert "longer than 4 bytes" in read(OLD, most=4).trouble
    assert "longer than 4 bytes" in read(CHUNKED, most=4).trouble


@pytest.mark.parametrize("data", SAMPLES)
def test_every_cutting_reads_the_same(data: bytes) -> None:
    whole = seen(read(data))
    single = HttpAnswer()
    for byte in data:
        single.feed(bytes([byte]))
    single.closed()
    assert seen(single) == whole
    for cut in range(len(data)):
        answer = HttpAnswer()
        answer.feed(data[:cut])
        answer.feed(data[cut:])
        answer.closed()
        assert seen(answer) == whole, cut


@given(
    st.lists(
        st.sampled_from([*SAMPLES, b"\r\n", b"\n", b"\n\n", b"5\r\n", b"HTTP/1.1 200", b" ", b"\0\xff"])
        | st.binary(max_size=30)
    )
)
def test_anything_at_all_has_an_end(pieces: list[bytes]) -> None:
    answer = HttpAnswer()
    for piece in pieces:
        answer.feed(piece)
    answer.closed()
    assert answer.over
    assert answer.trouble or answer.status >= 101
    assert len(answer.trouble) <= MOST_LETTERS
    assert answer.trouble.isprintable()


@given(st.sampled_from(SAMPLES), st.integers(0, 100), st.binary(min_size=1, max_size=3))
def test_quick_look_never_knows_more_than_the_parser(data: bytes, at: int, change: bytes) -> None:
    at %= len(data)
    data = data[:at] + change + data[at + 1 :]
    quick = status_of(data)
    if quick:
        answer = HttpAnswer()
        answer.feed(data)
        answer.feed(b"\r\n\r\n")
        assert answer.status == quick
    assert status_of(PLAIN) == 200
    assert status_of(INTERIM) == 0
    assert status_of(PLAIN[:14]) == 0


def test_what_was_said_is_printable_and_short() -> None:
    assert quoted(b"a\x1b[31mb\r\nc\xff") == '"a?[31mb c?"'
    assert quoted(b" \r\n") == "nothing"
    assert len(printable(b"\xe2\x82\xac" * 1000)) == MOST_LETTERS
    assert "?" not in printable("\N{EURO SIGN}".encode() * 1000)
    assert quoted('say "x"') == "\"say 'x'\""
