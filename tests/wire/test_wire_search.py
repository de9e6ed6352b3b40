"""Regular expressions of checks: where they are found, and which are sought on the way."""

from __future__ import annotations

import pytest

from understudy.service_checks import Pattern, SayQuestion
from understudy.wire.say import SayTalk
from understudy.wire.search import Search, found


@pytest.mark.parametrize(
    ("pattern", "data", "good"),
    [
        (Pattern("b+"), b"abbc", True),
        (Pattern("b+", absent=True), b"abbc", False),
        (Pattern("B+", flags="i"), b"abbc", True),
        (Pattern("^c", flags="m"), b"a\nc", True),
        (Pattern("^c"), b"a\nc", False),
        (Pattern("a.c", flags="s"), b"a\nc", True),
        (Pattern("c", least=2), b"abc", True),
        (Pattern("a", least=1), b"abc", False),
        (Pattern("c", most=1), b"abc", False),
        (Pattern("c", least=2, most=2), b"abc", True),
        (Pattern("\u00fc"), "für".encode(), True),
    ],
)
def test_what_is_found(pattern: Pattern, data: bytes, good: bool) -> None:
    assert found(Search(pattern, data)) is good


def test_lines_are_tried_one_by_one() -> None:
    assert found(Search(Pattern("^b$"), b"a\r\nb\r\n", lines=True))
    assert not found(Search(Pattern("a.b", flags="s"), b"a\nb", lines=True))


@pytest.mark.parametrize(
    "text", ["all is well", "up|ok|fine", "[Ww]ell", r"v\d\.\d", "colou?r", "^well$", "a(b)c", "[*+]"]
)
def test_simple_ones_are_quick(text: str) -> None:
    assert Search(Pattern(text), b"x" * 5000).quick


@pytest.mark.parametrize(
    "text", ["(a+)+$", "(a|a)*b", "(a*)*", r"(a)\1*", "(?=a+)+", "(?P<n>a)(?P=n)", "(x){3}", "a?" * 30 + "a" * 30]
)
def test_runaway_ones_are_not(text: str) -> None:
    assert not Search(Pattern(text), b"a" * 30).quick


def test_a_repetition_is_quick_in_what_is_short() -> None:
    assert Search(Pattern(".*well"), b"x" * 200).quick
    assert not Search(Pattern(".*well"), b"x" * 2000).quick
    assert not Search(Pattern(".*we.*ll"), b"x" * 200).quick


# -- what is said to a server


def test_any_byte_is_an_answer_where_nothing_is_expected() -> None:
    talk = SayTalk(SayQuestion(b"hello\n"))
    assert (talk.begin(), talk.verdict) == (b"hello\n", None)
    talk.feed(b"x")
    assert talk.verdict == ""
    silent = SayTalk(SayQuestion(b"hello\n"))
    silent.closed()
    assert silent.verdict == "the connection was closed without an answer"


def test_with_nothing_to_say_or_hear_the_connection_is_all() -> None:
    talk = SayTalk(SayQuestion())
    assert (talk.begin(), talk.verdict) == (b"", "")


def test_an_answer_may_come_in_pieces() -> None:
    talk = SayTalk(SayQuestion(b"", Pattern("well")))
    talk.begin()
    for byte in b"all is wel":
        talk.feed(bytes((byte,)))
    assert talk.verdict is None
    assert talk.stage == "connected, but only 'all is wel' was said"
    talk.feed(b"l")
    assert talk.verdict == ""


def test_another_answer_is_told() -> None:
    talk = SayTalk(SayQuestion(b"", Pattern("well")))
    talk.feed(b"ill")
    talk.closed()
    assert talk.verdict == "'ill' instead of 'well'"


def test_what_must_be_absent_is_known_at_the_end() -> None:
    talk = SayTalk(SayQuestion(b"", Pattern("ill", absent=True)))
    talk.feed(b"well")
    assert talk.verdict is None
    talk.closed()
    assert talk.verdict == ""
    talk = SayTalk(SayQuestion(b"", Pattern("ill", absent=True)))
    talk.feed(b"ill")
    talk.closed()
    assert talk.verdict == "'ill' is in the answer 'ill'"


def test_an_endless_answer_is_judged_by_its_beginning() -> None:
    talk = SayTalk(SayQuestion(b"", Pattern("well")))
    for _ in range(80):
        talk.feed(b"x" * 1000)
    assert talk.verdict is not None
    assert "instead of 'well'" in talk.verdict
