"""RADIUS: the request as a server reads it, and answers that are sealed or not."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from dialogue_samples import RANDOM, drive

from understudy.service_checks import Service, ServiceQuestion
from understudy.wire.dialogues.radius import hide

SECRET = b"xyzzy5461"
QUESTION = ServiceQuestion(Service.RADIUS, login="nemo", password="arctangent", secret="xyzzy5461", udp=True)
NONCE = RANDOM[1:17]


def answer(
    code: int, fields: bytes = b"", secret: bytes = SECRET, number: bytes = RANDOM[:1], sealed: bool = False
) -> bytes:
    if sealed:
        head = bytes((code,)) + number + (38 + len(fields)).to_bytes(2, "big")
        fields += b"\x50\x12" + hmac.digest(secret, head + NONCE + fields + b"\x50\x12" + bytes(16), "md5")
    head = bytes((code,)) + number + (20 + len(fields)).to_bytes(2, "big")
    return head + hashlib.md5(head + NONCE + fields + secret).digest() + fields


def test_example_of_the_rfc() -> None:
    """RFC 2865 section 7.1: user nemo, password arctangent, secret xyzzy5461."""
    nonce = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
    assert hide(b"arctangent", SECRET, nonce).hex() == "0dbe708d93d413ce3196e43f782a0aee"


def test_request_as_a_server_reads_it() -> None:
    course = drive(QUESTION, answer(2))
    assert course.verdict == ""
    request = course.said[0]
    assert request[:4] == b"\1" + RANDOM[:1] + len(request).to_bytes(2, "big")
    assert request[4:20] == NONCE
    assert request[20:22] == b"\x50\x12"
    blank = request[:22] + bytes(16) + request[38:]
    assert request[22:38] == hmac.digest(SECRET, blank, "md5")
    assert request[38:] == b"\1\6nemo\2\x12" + hide(b"arctangent", SECRET, NONCE) + b"\x20\x0cunderstudy"


def test_long_passwords_are_chained() -> None:
    password = bytes(range(40, 80))
    hidden = hide(password, SECRET, NONCE)
    shown, last = b"", NONCE
    for at in range(0, len(hidden), 16):
        mask = hashlib.md5(SECRET + last).digest()
        last = hidden[at : at + 16]
        shown += bytes(a ^ b for a, b in zip(last, mask, strict=True))
    assert shown == password + bytes(8)
    assert len(hide(b"", SECRET, NONCE)) == 16


def test_sealed_answers() -> None:
    assert drive(QUESTION, answer(2, b"\6\6\0\0\0\1", sealed=True)).verdict == ""
    broken = answer(2, b"\x50\x12" + bytes(16))
    assert drive(QUESTION, broken).verdict == "the Message-Authenticator of its answer is wrong"
    assert drive(QUESTION, answer(2, b"\x50\x03\0")).verdict == "the Message-Authenticator of its answer is wrong"


def test_bytes_behind_the_answer_are_padding() -> None:
    assert drive(QUESTION, answer(2) + b"padding").verdict == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(3), "it rejected the name or the password"),
        (answer(3, b"\x12\5bye"), 'it rejected the name or the password: "bye"'),
        (answer(11), "it wants more than the password"),
        (answer(5), "it answered with code 5"),
        (
            answer(2, secret=b"other"),
            "its answer is not sealed with our secret: another secret there, or somebody else answers",
        ),
        (answer(2, b"\6\0"), "the attributes of its answer cannot be read"),
        (answer(2, b"\6\7\0"), "the attributes of its answer cannot be read"),
        (answer(2, b"\6"), "the attributes of its answer cannot be read"),
        (b"", "it closed the connection before its answer to the Access-Request"),
        (answer(2, number=b"?"), "it closed the connection before its answer to the Access-Request"),
        (answer(2)[:19], "it does not answer in RADIUS: "),
        (answer(2, b"\6\6\0\0\0\1")[:22], "it does not answer in RADIUS: "),
        (b"\2\x41\0\3" + bytes(16), "it does not answer in RADIUS: "),
    ],
)
def test_refusal(said: bytes, why: str) -> None:
    assert drive(QUESTION, said).verdict.startswith(why)
