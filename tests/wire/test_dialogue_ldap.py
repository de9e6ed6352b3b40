"""LDAP: a bind and one entry."""

from __future__ import annotations

import pytest
from dialogue_samples import GOOD, LDAP_FOUND, drive, ldap_message, ldap_result

from understudy.service_checks import Service, ServiceQuestion
from understudy.wire.dialogues.ber import element, elements, whole

QUESTION = GOOD["ldap"][0]
BOUND = ldap_message(1, 0x61, ldap_result(0))
ENTRY = ldap_message(2, 0x64, element(4, b"dc=x") + element(0x30, b""))


def test_one_entry_and_its_name() -> None:
    course = drive(QUESTION, LDAP_FOUND)
    assert (course.verdict, course.dialogue.to_search) == ("", ("dc=example,dc=com",))
    bind = bytes.fromhex("300c020101 6007 020103 0400 8000")
    search = bytes.fromhex("303b020102 6336 0411") + b"dc=example,dc=com"
    search += (
        bytes.fromhex("0a0100 0a0100 020100 020100 010100 870b") + b"objectClass" + bytes.fromhex("3005 0403") + b"1.1"
    )
    unbind = bytes.fromhex("3005020103 4200")
    assert course.said == [bind, search + unbind]


def test_bind_with_a_name() -> None:
    question = ServiceQuestion(Service.LDAP, login="cn=admin", password="secret")
    assert drive(question, b"").said == [bytes.fromhex("301a020101 6015 020103 0408") + b"cn=admin" + b"\x80\6secret"]


def test_references_are_passed_over() -> None:
    reference = ldap_message(2, 0x73, element(4, b"ldap://x"))
    assert drive(QUESTION, LDAP_FOUND[: len(BOUND)] + reference + LDAP_FOUND[len(BOUND) :]).verdict == ""


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (ldap_message(1, 0x61, ldap_result(49)), "it refused the bind: wrong name or password"),
        (ldap_message(1, 0x61, ldap_result(53, b"no")), 'it refused the bind: unwilling to perform, "no"'),
        (ldap_message(1, 0x61, ldap_result(99)), "it refused the bind: result 99"),
        (ldap_message(1, 0x61, b""), "it refused the bind: a result that cannot be read"),
        (ldap_message(1, 0x64, b""), "it answers the bind with something else (tag 100)"),
        (ldap_message(0, 0x78, ldap_result(52)), "it ends the connection: unavailable"),
        (BOUND + ldap_message(2, 0x65, ldap_result(0)), 'the search for "dc=example,dc=com" gave no entry'),
        (BOUND + ldap_message(2, 0x65, ldap_result(32)), 'the search for "dc=example,dc=com" failed: no such object'),
        (BOUND + ENTRY * 2, "the search gave more than one entry"),
        (BOUND + ldap_message(2, 0x70, b""), "it answers the search with something else (tag 112)"),
        (BOUND + ENTRY, "it closed the connection before its answer to the search"),
        (b"", "it closed the connection before its answer to the bind"),
        (b"SSH-2.0\r\n", 'it does not answer in LDAP: "SSH-2.0"'),
        (b"\x30\x80", 'it does not answer in LDAP: "0?"'),
        (b"\x30\x84\0\2\0\0", "it sends a message of 131078 bytes, which is more than is read"),
        (b"\x30\0", "it sends an LDAP message without a number or without content"),
    ],
)
def test_refusal(stream: bytes, why: str) -> None:
    assert drive(QUESTION, stream).verdict == why


def test_answers_to_other_questions_are_passed_over() -> None:
    assert drive(QUESTION, ldap_message(7, 0x61, ldap_result(1)) + LDAP_FOUND).verdict == ""


def test_lengths_of_every_size() -> None:
    for size in (0, 127, 128, 255, 256, 65_535, 65_536):
        made = element(4, bytes(size))
        assert whole(made) == (4, len(made) - size, len(made))
        assert list(elements(made + b"\2\1\5")) == [(4, bytes(size)), (2, b"\5")]
        assert list(elements(made[:-1])) == []
