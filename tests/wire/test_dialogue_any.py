"""What holds for every dialogue: any cutting of a conversation goes the same way, and nothing that is said can break one."""

from __future__ import annotations

import pytest
from dialogue_samples import GOOD, OTHERS, RANDOM, TARGET, WWW, dns_answer, drive, my_greeting
from hypothesis import given
from hypothesis import strategies as st

from understudy.service_checks import Pattern, Service, ServiceQuestion, Tls
from understudy.wire.dialogues.make import TLS_LATER, cannot_ask, make, over_udp
from understudy.wire.dialogues.talk import MOST_SAID
from understudy.wire.said import MOST_LETTERS

QUESTIONS = [question for question, _ in GOOD.values()] + list(OTHERS)
STREAMS = [stream for _, stream in GOOD.values()] + [
    dns_answer(WWW),
    b"220 x\r\n230 x\r\n227 (1,2,3,4,5,6)\r\n226 x\r\n",
    b"S",
]


@pytest.mark.parametrize("name", GOOD)
def test_every_cutting_goes_the_same_way(name: str) -> None:
    question, stream = GOOD[name]
    whole = drive(question, stream)
    assert whole.verdict == ""
    assert drive(question, *(bytes([byte]) for byte in stream)).seen == whole.seen
    for cut in range(len(stream)):
        assert drive(question, stream[:cut], stream[cut:]).seen == whole.seen, cut


@pytest.mark.parametrize("name", GOOD)
def test_every_shortened_conversation_has_a_verdict(name: str) -> None:
    question, stream = GOOD[name]
    for end in range(len(stream)):
        course = drive(question, stream[:end])
        assert course.verdict == "" or course.verdict.startswith("it closed the connection before ")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.service.value)
@pytest.mark.parametrize("piece", [b"\r\n", b"a", b"220-x\r\n", b"* X\r\n", b"\0", b"0\5\2\1\7\x61\0", b"N\0\0\0\4"])
def test_what_is_kept_is_bounded(question: ServiceQuestion, piece: bytes) -> None:
    course = drive(question, *([piece * 1000] * (MOST_SAID // len(piece) // 1000 + 2)), close=over_udp(question))
    assert course.dialogue.verdict is not None


@given(
    st.sampled_from(QUESTIONS),
    st.lists(st.sampled_from(STREAMS) | st.binary(max_size=40), max_size=6),
    st.integers(0, 300),
)
def test_nothing_that_is_said_breaks_it(question: ServiceQuestion, pieces: list[bytes], cut: int) -> None:
    stream = b"".join(pieces)
    judge(question, (stream[:cut], stream[cut:]))
    judge(question, tuple(pieces))


@given(st.sampled_from(list(GOOD)), st.integers(0, 500), st.binary(max_size=4), st.integers(0, 4))
def test_nothing_that_is_changed_breaks_it(name: str, at: int, change: bytes, gone: int) -> None:
    question, stream = GOOD[name]
    at %= len(stream)
    judge(question, (stream[:at] + change + stream[at + gone :],))


def judge(question: ServiceQuestion, pieces: tuple[bytes, ...]) -> None:
    course = drive(question, *pieces)
    dialogue = course.dialogue
    if dialogue.wants_connection:
        assert 0 < dialogue.wants_connection[1] < 65536
        dialogue.feed_second(b"".join(pieces))
        dialogue.closed_second()
    verdict = course.verdict
    assert len(verdict) <= MOST_LETTERS
    assert verdict.isprintable()
    dialogue.feed(b"more")
    dialogue.closed()
    assert dialogue.verdict == verdict


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (
            ServiceQuestion(Service.ORACLE),
            "Oracle cannot be asked: its protocol is not public; use an external program as the check",
        ),
        (ServiceQuestion(Service.POP, login="a\r\nDELE 1"), "what pop is asked cannot hold line breaks or zero bytes"),
        (
            ServiceQuestion(Service.IMAP, login="a", password="b\nc"),
            "what imap is asked cannot hold line breaks or zero bytes",
        ),
        (ServiceQuestion(Service.PGSQL, login="a\0b"), "what pgsql is asked cannot hold line breaks or zero bytes"),
        (ServiceQuestion(Service.SMTP, helo="\ud800"), "the question holds letters that are none (lone surrogates)"),
        (ServiceQuestion(Service.DNS, request="a..b"), "DNS cannot be asked for A of 'a..b'"),
        (ServiceQuestion(Service.RADIUS), "RADIUS needs a login of at most 253 bytes"),
        (ServiceQuestion(Service.RADIUS, login="a", password="b" * 129), "RADIUS passwords have at most 128 bytes"),
    ],
)
def test_what_cannot_be_asked(question: ServiceQuestion, why: str) -> None:
    assert cannot_ask(question) == why
    dialogue = make(question, TARGET, RANDOM)
    assert (dialogue.verdict, dialogue.begin(), dialogue.feed(b"x")) == (why, b"", b"")


def test_bytes_that_were_no_letters_go_as_they_stood() -> None:
    course = drive(ServiceQuestion(Service.POP, login="b\udcfcb"), b"+OK\r\n")
    assert course.said == [b"USER b\xfcb\r\n"]


def test_statements_may_have_lines() -> None:
    assert cannot_ask(ServiceQuestion(Service.PGSQL, login="a", request="SELECT 1\nFROM t")) == ""


def test_what_goes_over_udp() -> None:
    assert over_udp(ServiceQuestion(Service.DNS, udp=True))
    assert not over_udp(ServiceQuestion(Service.DNS))
    assert over_udp(ServiceQuestion(Service.RADIUS))
    assert over_udp(ServiceQuestion(Service.SIP, udp=True))
    assert not over_udp(ServiceQuestion(Service.SIP))
    assert not over_udp(ServiceQuestion(Service.SMTP, udp=True))


def test_all_but_two_have_tls_from_the_first_byte() -> None:
    """What the dialogue says first with TLS in the question is what it says without."""
    for question, _ in GOOD.values():
        if question.service not in TLS_LATER:
            inside = ServiceQuestion(question.service, request="x", login="y", tls=Tls(), expect=Pattern("z"))
            course = drive(inside, b"")
            assert not course.dialogue.wants_tls


@pytest.mark.parametrize("question", OTHERS[1:3], ids=lambda question: question.service.value)
def test_tls_stands_when_nothing_is_fed(question: ServiceQuestion) -> None:
    one, other = make(question, TARGET, RANDOM), make(question, TARGET, RANDOM)
    for dialogue in (one, other):
        dialogue.begin()
        dialogue.feed(my_greeting() if question.service is Service.MYSQL else b"S")
        assert dialogue.wants_tls
    said = one.begin_tls()
    assert said
    assert (other.feed(b""), other.wants_tls, other.feed(b"")) == (said, False, b"")
