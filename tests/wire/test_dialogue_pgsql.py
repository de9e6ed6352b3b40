"""PostgreSQL: every way to log in, TLS, and a row."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from dialogue_samples import GOOD, PG_READY, PG_ROW, RANDOM, drive, pg_message

from understudy.service_checks import Service, ServiceQuestion, Tls
from understudy.wire.dialogues.pgsql import md5_proof
from understudy.wire.dialogues.scram import MOST_ROUNDS, Scram

QUESTION = GOOD["pgsql"][0]
INSIDE_TLS = ServiceQuestion(Service.PGSQL, login="u", password="p", database="d", request="SELECT 1", tls=Tls())
START = pg_message(b"", b"\0\3\0\0user\0u\0application_name\0understudy\0\0")
ASK, LEAVE = pg_message(b"Q", b"SELECT 1\0"), pg_message(b"X", b"")
NONCE = base64.b64encode(RANDOM[:18])
SALT = b"W22ZaJ0SNY7soEsUEjb6gQ=="


def wants(method: int, more: bytes = b"") -> bytes:
    return pg_message(b"R", method.to_bytes(4, "big") + more)


SASL = wants(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")


def challenge(rounds: int = 4096, nonce: bytes = NONCE + b"more", salt: bytes = SALT) -> bytes:
    return b"r=" + nonce + b",s=" + salt + b",i=" + str(rounds).encode()


def refusal(words: bytes) -> bytes:
    return pg_message(b"E", b"SFATAL\0C28P01\0M" + words + b"\0\0")


def test_row_after_a_login_without_password() -> None:
    course = drive(QUESTION, PG_READY, PG_ROW)
    assert (course.said, course.verdict) == ([START, ASK, LEAVE], "")
    assert course.dialogue.to_search is None


@pytest.mark.parametrize(
    ("method", "answer"), [(wants(3), b"p\0"), (wants(5, b"salt"), md5_proof("u", "p", b"salt") + b"\0")]
)
def test_passwords(method: bytes, answer: bytes) -> None:
    course = drive(QUESTION, method, PG_READY, PG_ROW)
    assert (course.said, course.verdict) == ([START, pg_message(b"p", answer), ASK, LEAVE], "")


def test_md5_of_password_and_name() -> None:
    inner = hashlib.md5(b"pu").hexdigest()
    assert md5_proof("u", "p", b"salt") == b"md5" + hashlib.md5(inner.encode() + b"salt").hexdigest().encode()


def server_scram(password: bytes, said: bytes, final: bytes) -> bytes | None:
    """What a server does that keeps only a key: the last message, or None for a wrong proof."""
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(SALT), 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    bare, _, proof = final.partition(b",p=")
    whole = b"n=,r=" + NONCE + b"," + said + b"," + bare
    signature = hmac.digest(stored, whole, "sha256")
    key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
    if hashlib.sha256(key).digest() != stored:
        return None
    return b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), whole, "sha256"))


def test_scram() -> None:
    course = drive(QUESTION, SASL, wants(11, challenge()), close=False)
    first, final = course.said[1:]
    assert first == pg_message(b"p", b"SCRAM-SHA-256\0" + b"\0\0\0\x20" + b"n,,n=,r=" + NONCE)
    proof = server_scram(b"p", challenge(), final[5:])
    assert proof is not None
    assert server_scram(b"q", challenge(), final[5:]) is None
    assert drive(QUESTION, SASL, wants(11, challenge()), wants(12, proof), PG_READY, PG_ROW).verdict == ""
    wrong = drive(QUESTION, SASL, wants(11, challenge()), wants(12, b"v=AAAA"))
    assert wrong.verdict == "it does not know the password: its SCRAM signature is wrong"
    unproven = drive(QUESTION, SASL, wants(11, challenge()), PG_READY)
    assert unproven.verdict == "it accepted the login without showing that it knows the password"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        challenge(nonce=NONCE),
        challenge(nonce=b"other"),
        challenge(salt=b"A"),
        challenge(rounds=0),
        challenge(rounds=10**9),
        challenge()[:-4],
        b"m=x," + challenge(),
    ],
)
def test_scram_challenges_that_cannot_be(said: bytes) -> None:
    assert isinstance(Scram("p", NONCE).final(said), str)
    assert drive(QUESTION, SASL, wants(11, said)).verdict.startswith("its SCRAM challenge cannot be read")


def test_scram_rounds_are_bounded() -> None:
    assert drive(QUESTION, SASL, wants(11, challenge(MOST_ROUNDS + 1))).verdict.startswith(
        "it wants 100001 rounds of SCRAM"
    )


def test_tls() -> None:
    course = drive(INSIDE_TLS, b"S", PG_READY, PG_ROW)
    assert course.verdict == ""
    assert course.said[:2] == [
        bytes.fromhex("0000000804d2162f"),
        START[:3] + bytes((START[3] + 11,)) + START[4:-1] + b"database\0d\0\0",
    ]
    assert drive(INSIDE_TLS, b"N").verdict == "it offers no TLS"
    assert drive(INSIDE_TLS, b"S" + PG_READY).verdict.startswith("it answered the wish for TLS with ")
    assert drive(INSIDE_TLS, b"").verdict == "it closed the connection before its answer to the wish for TLS"


def test_great_row_counts_before_it_is_whole() -> None:
    course = drive(QUESTION, PG_READY, b"D\x3f\0\0\0" + bytes(200_000), close=False)
    assert course.verdict == ""


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (refusal(b"no pg_hba.conf entry"), 'it refused the login: "no pg_hba.conf entry" ("28P01")'),
        (pg_message(b"E", b""), "it refused the login: nothing (nothing)"),
        (wants(7), "it wants a login with GSSAPI, which is not known here"),
        (wants(99), "it wants a login with method 99, which is not known here"),
        (wants(10, b"OTHER\0MORE\0\0"), 'it wants a login with "OTHER, MORE", which is not known here'),
        (wants(11, challenge()), "it wants a login with method 11, which is not known here"),
        (PG_READY + refusal(b"no such table"), 'it refused the statement: "no such table" ("28P01")'),
        (PG_READY + pg_message(b"C", b"SELECT 0\0") + pg_message(b"Z", b"I"), "the statement gave no row"),
        (PG_READY + pg_message(b"I", b"") + pg_message(b"Z", b"I"), "the statement gave no row"),
        (PG_READY + pg_message(b"G", b"\0"), 'it answered with "G" where its answer to the statement was awaited'),
        (pg_message(b"D", b""), 'it answered with "D" where its answer to the login was awaited'),
        (b"HTTP/1.1 400 Bad Request", "it does not answer in PostgreSQL's protocol, or with too much: "),
        (b"R\0\0\0\3", "it does not answer in PostgreSQL's protocol: "),
        (b"\0\0\0\0\0", "it does not answer in PostgreSQL's protocol: "),
        (PG_READY[:20], "it closed the connection before its answer to the login"),
        (PG_READY, "it closed the connection before its answer to the statement"),
    ],
)
def test_refusal(stream: bytes, why: str) -> None:
    assert drive(QUESTION, stream).verdict.startswith(why)
