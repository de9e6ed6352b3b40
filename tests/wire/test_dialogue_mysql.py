"""MySQL and MariaDB: both ways to log in, TLS, and a row."""

from __future__ import annotations

import hashlib

import pytest
from dialogue_samples import GOOD, MY_EOF, MY_OK, MY_ROWS, drive, my_greeting, my_packet

from understudy.service_checks import Service, ServiceQuestion, Tls
from understudy.wire.dialogues.mysql import native_proof, sha2_proof

QUESTION = GOOD["mysql"][0]
INSIDE_TLS = ServiceQuestion(Service.MYSQL, login="u", password="p", request="SELECT 1", tls=Tls())
NONCE = b"abcdefghijklmnopqrst"
LOGGED_IN = my_greeting() + my_packet(2, MY_OK)
SHA2 = my_greeting(b"caching_sha2_password")
FAST, FULL = my_packet(2, b"\1\3") + my_packet(3, MY_OK), my_packet(2, b"\1\4")


def error(number: int, code: int, words: bytes) -> bytes:
    return my_packet(number, b"\xff" + code.to_bytes(2, "little") + b"#28000" + words)


def test_row_after_a_native_login() -> None:
    course = drive(QUESTION, my_greeting(), my_packet(2, MY_OK), MY_ROWS)
    assert (course.verdict, course.dialogue.to_search) == ("", None)
    login, statement, leave = course.said
    flags = int.from_bytes(login[4:8], "little")
    assert flags == 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
    assert login[3] == 1
    assert login[36:] == b"u\0\x14" + native_proof(b"p", NONCE) + b"d\0mysql_native_password\0"
    assert (statement, leave) == (my_packet(0, b"\3SELECT 1"), my_packet(0, b"\1"))


def test_server_can_check_the_proofs() -> None:
    """As a server does, which keeps only a hash of the password's hash."""
    stored = hashlib.sha1(hashlib.sha1(b"p").digest()).digest()
    mask = hashlib.sha1(NONCE + stored).digest()
    once = bytes(a ^ b for a, b in zip(native_proof(b"p", NONCE), mask, strict=True))
    assert hashlib.sha1(once).digest() == stored
    stored = hashlib.sha256(hashlib.sha256(b"p").digest()).digest()
    mask = hashlib.sha256(stored + NONCE).digest()
    once = bytes(a ^ b for a, b in zip(sha2_proof(b"p", NONCE), mask, strict=True))
    assert hashlib.sha256(once).digest() == stored


def test_fast_path_of_caching_sha2() -> None:
    course = drive(QUESTION, SHA2, FAST, MY_ROWS)
    assert course.verdict == ""
    assert course.said[0].endswith(b"u\0\x20" + sha2_proof(b"p", NONCE) + b"d\0caching_sha2_password\0")


def test_whole_path_of_caching_sha2_only_inside_tls() -> None:
    assert drive(QUESTION, SHA2, FULL).verdict.startswith("it wants the whole login of caching_sha2_password")
    course = drive(INSIDE_TLS, SHA2, my_packet(3, b"\1\4"), my_packet(5, MY_OK), MY_ROWS)
    assert course.verdict == ""
    wish, login, password = course.said[:3]
    assert (len(wish), wish[3], login[3], wish[4:] == login[4:36]) == (36, 1, 2, True)
    assert int.from_bytes(wish[4:8], "little") & 0x800
    assert password == my_packet(4, b"p\0")


def test_other_plugin_after_the_greeting() -> None:
    nonce = b"0123456789abcdefghij"
    for plugin, proof in ((b"mysql_native_password", native_proof), (b"caching_sha2_password", sha2_proof)):
        switch = my_packet(2, b"\xfe" + plugin + b"\0" + nonce + b"\0")
        course = drive(QUESTION, my_greeting(b"client_ed25519") + switch + my_packet(4, MY_OK), MY_ROWS)
        assert course.verdict == ""
        assert my_packet(3, proof(b"p", nonce)) in course.said[0]


def test_empty_password_is_sent_as_none() -> None:
    question = ServiceQuestion(Service.MYSQL, login="u", request="SELECT 1")
    assert drive(question, my_greeting()).said[0].endswith(b"u\0\0mysql_native_password\0")


def test_great_row_counts_before_it_is_whole() -> None:
    course = drive(QUESTION, LOGGED_IN, MY_ROWS[:-14], b"\xff\xff\xff\4\xfd" + bytes(200_000), close=False)
    assert course.verdict == ""


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (
            my_packet(0, b"\xff\x10\4Too many connections"),
            'it refused the connection: error 1040, "Too many connections"',
        ),
        (my_packet(0, b"\x09old"), 'it does not greet as MySQL does (handshake version 10): "old"'),
        (my_packet(0, b""), "it does not greet as MySQL does (handshake version 10): nothing"),
        (my_greeting(capabilities=0, version=b"3.23"), "it is older than MySQL 4.1: 3.23"),
        (my_greeting() + error(2, 1045, b"Access denied"), 'it refused the login: error 1045, "Access denied"'),
        (my_greeting() + my_packet(2, b""), "it refused the login: an answer that cannot be read (nothing)"),
        (
            my_greeting() + my_packet(2, b"\xfeclient_ed25519\0abc"),
            'it wants a login with "client_ed25519", which is not known here',
        ),
        (LOGGED_IN + error(1, 1146, b"No such table"), 'it refused the statement: error 1146, "No such table"'),
        (LOGGED_IN + my_packet(1, MY_OK), "the statement gives no rows"),
        (
            LOGGED_IN + my_packet(1, b"\xfb/etc/passwd"),
            "it asked for a file of ours instead of answering the statement",
        ),
        (LOGGED_IN + MY_ROWS[:-15] + my_packet(4, MY_EOF), "the statement gave no row"),
        (LOGGED_IN + MY_ROWS[:-15] + my_packet(4, b""), "the statement gave no row"),
        (LOGGED_IN + MY_ROWS[:-15] + error(4, 1317, b"stop"), 'it refused the statement: error 1317, "stop"'),
        (LOGGED_IN + my_packet(1, b"\1") + error(2, 1, b"x"), 'it refused the statement: error 1, "x"'),
        (b"", "it closed the connection before its greeting"),
        (my_greeting(), "it closed the connection before its answer to the login"),
        (LOGGED_IN, "it closed the connection before its answer to the statement"),
        (b"\xff\xff\xff\0" + bytes(70_000), "it said more than 65536 bytes before its greeting"),
    ],
)
def test_refusal(stream: bytes, why: str) -> None:
    assert drive(QUESTION, stream).verdict == why


def test_no_tls() -> None:
    course = drive(INSIDE_TLS, my_greeting(capabilities=0xC1FF_F7FF))
    assert (course.verdict, course.said) == ("it offers no TLS", [])
