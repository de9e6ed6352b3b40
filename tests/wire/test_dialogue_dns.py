"""DNS: the question, and what is found in every type of answer."""

from __future__ import annotations

import pytest
from dialogue_samples import RANDOM, WWW, dns_answer, drive

from understudy.service_checks import Service, ServiceQuestion
from understudy.wire.dialogues.dns import TYPES, asked

QUESTION = ServiceQuestion(Service.DNS, request="www.example.com", udp=True)
TO_WWW = b"\xc0\x0c"
TO_DOMAIN = b"\xc0\x10"


def record(kind: str, data: bytes, owner: bytes = TO_WWW, size: int | None = None) -> bytes:
    length = len(data) if size is None else size
    return owner + TYPES[kind].to_bytes(2, "big") + b"\0\1" + bytes(4) + length.to_bytes(2, "big") + data


def question(kind: str) -> bytes:
    return WWW[:-4] + TYPES[kind].to_bytes(2, "big") + b"\0\1"


A_RECORD = record("A", bytes((192, 0, 2, 1)))


def test_address_is_found_behind_an_alias() -> None:
    alias = record("CNAME", b"\4web1" + TO_DOMAIN)
    course = drive(QUESTION, dns_answer(WWW, alias + A_RECORD * 2, 3))
    assert course.said == [RANDOM[:2] + b"\1\0\0\1\0\0\0\0\0\0" + WWW]
    assert (course.verdict, course.dialogue.to_search) == ("", ("192.0.2.1", "192.0.2.1"))


def test_answer_without_records_is_good_and_holds_nothing() -> None:
    assert drive(QUESTION, dns_answer(WWW)).seen[1:] == ("", ())


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("A", bytes((192, 0, 2, 1)), "192.0.2.1"),
        ("AAAA", bytes.fromhex("20010db8") + bytes(11) + b"\1", "2001:db8::1"),
        ("NS", b"\2ns" + TO_DOMAIN, "ns.example.com"),
        ("CNAME", b"\1a\1b\0", "a.b"),
        ("PTR", TO_DOMAIN, "example.com"),
        ("MX", b"\0\x0a\2mx" + TO_DOMAIN, "10 mx.example.com"),
        ("TXT", b"\5hello\6 world", "hello world"),
        (
            "SOA",
            b"\2ns" + TO_DOMAIN + b"\1h" + TO_DOMAIN + bytes(15) + b"\7" + bytes(3) + b"\x09",
            "ns.example.com h.example.com 0 0 0 7 9",
        ),
    ],
)
def test_type_that_was_asked_for(kind: str, data: bytes, text: str) -> None:
    named = ServiceQuestion(Service.DNS, request="www.example.com", kind=kind.lower(), udp=True)
    said = dns_answer(question(kind), record(kind, data), 1)
    assert drive(named, said).seen[1:] == ("", (text,))
    cut = dns_answer(question(kind), record(kind, data)[:-1], 1)
    assert drive(named, cut).verdict == "the records of its answer cannot be read"
    short = dns_answer(question(kind), record(kind, data[:-1], size=len(data) - 1), 1)
    assert drive(named, short).verdict == "the records of its answer cannot be read"
    assert drive(named, cut[:2] + b"\x83" + cut[3:]).seen[1:] == ("", ())


@pytest.mark.parametrize("size", range(2 * len(A_RECORD)))
def test_answer_that_was_cut_counts_wherever_it_ends(size: int) -> None:
    whole = dns_answer(WWW, A_RECORD * 2, 5)
    said = whole[: len(whole) - size]
    assert drive(QUESTION, said).verdict == "the records of its answer cannot be read"
    found = ("192.0.2.1",) * ((2 * len(A_RECORD) - size) // len(A_RECORD))
    assert drive(QUESTION, said[:2] + b"\x83" + said[3:]).seen[1:] == ("", found)
    short = dns_answer(WWW, A_RECORD + record("A", b"123"), 5, b"\x83\x80")
    assert drive(QUESTION, short).seen[1:] == ("", ("192.0.2.1",))


def test_ldirectord_searches_only_addresses_and_names_of_addresses() -> None:
    more = record("MX", b"\0\x0a\2mx" + TO_DOMAIN) + record("TXT", b"\1x") + record("PTR", TO_WWW) + A_RECORD
    assert drive(QUESTION, dns_answer(WWW, more, 4)).dialogue.to_search == ("www.example.com", "192.0.2.1")


def test_addresses_are_asked_for_backwards() -> None:
    assert asked("192.0.2.9", "") == (b"\x019\x012\x010\x03192\x07in-addr\x04arpa\0", TYPES["PTR"])
    backwards = asked("2001:db8::1", "")
    assert backwards
    assert backwards[0].startswith(b"\x011\x010\x010")
    assert backwards[0].endswith(b"\x012\x03ip6\x04arpa\0")
    assert asked("192.0.2.9", "A") == (b"\x03192\x010\x012\x019\0", TYPES["A"])


def test_names() -> None:
    assert asked(".", "soa") == (b"\0", TYPES["SOA"])
    assert asked("WWW.Example.com.", "") == (b"\3WWW\7Example\3com\0", TYPES["A"])
    assert asked("bücher.example", "") == (b"\x0dxn--bcher-kva\7example\0", TYPES["A"])
    for name, kind in (
        ("a..b", ""),
        ("a" * 64, ""),
        ("x" * 60 + ("." + "y" * 60) * 4, ""),
        ("a.b", "WKS"),
        ("\udcff.b", ""),
    ):
        assert asked(name, kind) is None


def test_letters_of_the_question_may_differ_in_size() -> None:
    assert drive(QUESTION, dns_answer(WWW.replace(b"example", b"eXamPle"), A_RECORD, 1)).verdict == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (dns_answer(WWW, flags=b"\x81\x83"), "it answered with no such name (RCODE 3)"),
        (dns_answer(WWW, flags=b"\x81\x85"), "it answered with refused (RCODE 5)"),
        (dns_answer(WWW, flags=b"\x81\x8f"), "it answered with an error (RCODE 15)"),
        (dns_answer(WWW, flags=b"\1\0"), "it sends a question, or another operation, instead of an answer"),
        (dns_answer(WWW, flags=b"\xa1\0"), "it sends a question, or another operation, instead of an answer"),
        (dns_answer(WWW.replace(b"www", b"ftp")), "it answered another question"),
        (dns_answer(b""), "it answered another question"),
        (dns_answer(WWW, A_RECORD, 2), "the records of its answer cannot be read"),
        (dns_answer(WWW, record("A", b"1234", b"\xc0\x22"), 1), "the records of its answer cannot be read"),
        (dns_answer(WWW, record("A", b"1234", b"\xc0\xff"), 1), "the records of its answer cannot be read"),
        (dns_answer(WWW, record("A", b"1234", b"\x40"), 1), "the records of its answer cannot be read"),
        (
            dns_answer(WWW, record("A", b"1234", (b"\x3f" + b"a" * 63) * 4 + b"\0"), 1),
            "the records of its answer cannot be read",
        ),
        (dns_answer(WWW) + bytes(4096), "it answered with 4129 bytes, which DNS does not over UDP"),
        (b"hello", 'it does not answer in DNS: "hello"'),
        (b"xx" + dns_answer(WWW)[2:], "it closed the connection before its answer to the question"),
    ],
)
def test_refusal(said: bytes, why: str) -> None:
    assert drive(QUESTION, said).verdict == why


def test_chain_of_pointers_has_an_end() -> None:
    at = len(dns_answer(WWW)) + 11
    chain = b"\0" + b"".join((0xC000 | (at + max(0, 2 * step - 1))).to_bytes(2, "big") for step in range(50))
    longer = record("TXT", chain, owner=b"\0")
    last = (0xC000 | (at + 99)).to_bytes(2, "big")
    said = dns_answer(WWW, longer + record("A", b"1234", last), 2)
    assert drive(QUESTION, said).verdict == "the records of its answer cannot be read"
    near = (0xC000 | (at + 9)).to_bytes(2, "big")
    assert drive(QUESTION, dns_answer(WWW, longer + record("A", b"1234", near), 2)).verdict == ""


def test_over_tcp_each_message_has_its_length_before_it() -> None:
    """RFC 1035 section 4.2.2. Answers may come in pieces, and one to another number is passed over."""
    over_tcp = ServiceQuestion(Service.DNS, request="www.example.com")
    answer = dns_answer(WWW, A_RECORD, 1)
    stranger = b"\0\0" + answer[2:]
    whole = b"".join(len(each).to_bytes(2, "big") + each for each in (stranger, answer))
    message = RANDOM[:2] + b"\1\0\0\1\0\0\0\0\0\0" + WWW
    for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        course = drive(over_tcp, *pieces)
        assert course.said == [len(message).to_bytes(2, "big") + message]
        assert (course.verdict, course.dialogue.to_search) == ("", ("192.0.2.1",))
    assert drive(over_tcp, whole[:-1]).verdict == "it closed the connection before its answer to the question"
    assert drive(over_tcp, b"\0\3abc").verdict.startswith("it does not answer in DNS")
