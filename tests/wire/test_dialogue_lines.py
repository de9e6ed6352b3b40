"""SMTP, POP3, IMAP, NNTP and SIP: what is said, and every refusal."""

from __future__ import annotations

import pytest
from dialogue_samples import GOOD, SIP_OK, drive

from understudy.service_checks import Service, ServiceQuestion, Target

SAID = {
    "smtp": [b"QUIT\r\n"],
    "helo": [b"HELO me.example\r\n", b"QUIT\r\n"],
    "pop": [b"QUIT\r\n"],
    "pop login": [b"USER bob\r\n", b"PASS x y\r\n", b"QUIT\r\n"],
    "imap": [b"b LOGOUT\r\n"],
    "imap login": [b'a LOGIN "bob" "a\\"b\\\\c"\r\n', b"b LOGOUT\r\n"],
    "imap known": [b"b LOGOUT\r\n"],
    "nntp": [b"QUIT\r\n"],
}


@pytest.mark.parametrize("name", SAID)
def test_good_conversation(name: str) -> None:
    question, stream = GOOD[name]
    course = drive(question, *stream.splitlines(keepends=True))
    assert (course.said, course.verdict) == (SAID[name], "")
    assert course.dialogue.to_search is None


@pytest.mark.parametrize(
    ("name", "stream", "why"),
    [
        ("smtp", b"554 no\r\n", 'it said "554 no" where its greeting should be 220'),
        ("smtp", b"+OK\r\n", 'it said "+OK" where its greeting should begin with three digits'),
        ("smtp", b"220-mx\r\n", "it closed the connection before its greeting"),
        ("smtp", b"", "it closed the connection before its greeting"),
        ("helo", b"220 mx\r\n501 who?\r\n", 'it said "501 who?" where its answer to HELO should be 250'),
        ("helo", b"220 mx\r\n250 mx\r\n421 no\r\n", 'it said "421 no" where its answer to QUIT should be 221'),
        ("helo", b"220 mx\r\n250 mx\r\n", "it closed the connection before its answer to QUIT"),
        ("pop", b"-ERR full\r\n", 'it said "-ERR full" where its greeting should be +OK'),
        ("pop", b"+OKAY\r\n", 'it said "+OKAY" where its greeting should be +OK'),
        ("pop login", b"+OK\r\n-ERR\r\n", 'it said "-ERR" where its answer to the name should be +OK'),
        (
            "pop login",
            b"+OK\r\n+OK\r\n-ERR [AUTH] no\r\n",
            'it said "-ERR [AUTH] no" where its answer to the password should be +OK',
        ),
        ("imap", b"* BYE full\r\n", 'it said "* BYE full" where its greeting should be * OK'),
        (
            "imap login",
            b"* OK\r\na NO [AUTHENTICATIONFAILED] x\r\n",
            'it refused the login: "a NO [AUTHENTICATIONFAILED] x"',
        ),
        ("imap login", b"* OK\r\n* BYE down\r\n", 'it refused the login: "* BYE down"'),
        ("imap login", b"* OK\r\n* X\r\n", "it closed the connection before its answer to the login"),
        ("nntp", b"400 throttled\r\n", 'it said "400 throttled" where its greeting should begin with 2'),
        ("sip", b"SIP/2.0 404 Not Found\r\n", 'it answered OPTIONS with "SIP/2.0 404 Not Found"'),
        ("sip", b"HTTP/1.1 200 OK\r\n", 'it does not answer in SIP: "HTTP/1.1 200 OK"'),
        ("sip", b"SIP/2.0 100 Trying\r\n\r\n", "it closed the connection before its answer to OPTIONS"),
    ],
)
def test_refusal(name: str, stream: bytes, why: str) -> None:
    assert drive(GOOD[name][0], stream).verdict == why


def test_sip_asks_for_the_login_or_the_server_itself() -> None:
    course = drive(GOOD["sip"][0], SIP_OK)
    assert course.verdict == ""
    lines = course.said[0].split(b"\r\n")
    assert lines[0] == b"OPTIONS sip:bob@example.com SIP/2.0"
    assert b"From: <sip:bob@example.com>;tag=4748494a" in lines
    assert lines[1].startswith(b"Via: SIP/2.0/TCP anonymous.invalid;branch=z9hG4bK")
    assert course.said[0].endswith(b"Content-Length: 0\r\n\r\n")
    bare = drive(ServiceQuestion(Service.SIP, udp=True), SIP_OK, target=Target("2001:db8::5", 5060)).said[0]
    assert bare.startswith(b"OPTIONS sip:[2001:db8::5]:5060 SIP/2.0\r\nVia: SIP/2.0/UDP ")
    user = drive(ServiceQuestion(Service.SIP, login="bob"), SIP_OK, target=Target("192.0.2.5", 5060)).said[0]
    assert user.startswith(b"OPTIONS sip:bob@192.0.2.5:5060 SIP/2.0\r\n")
