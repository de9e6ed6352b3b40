"""Messages to bodies and back: nothing is lost, and what cannot fit is cut or left out by rule."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from wire_reference import section
from wire_samples import BALLOT, GRANT, SAMPLES, messages, state

from understudy.config.groups import MOST_GROUPS
from understudy.core.wishes import LONGEST_BY, LONGEST_REASON
from understudy.errors import InternalError
from understudy.messages import (
    Answer,
    Ask,
    Bid,
    BidAnswer,
    GroupReport,
    Heard,
    Heartbeat,
    Hold,
    Message,
    NodeState,
    Phase,
    Unfinished,
    Vote,
    Wish,
    WishKind,
)
from understudy.wire.decode import decode
from understudy.wire.encode import encode
from understudy.wire.layout import HARD_LIMIT, TEXT_LIMIT
from understudy.wire.reject import Reject

MALFORMED = Reject("malformed")

LONGEST_NAME = 63
"""What a configuration accepts, in bytes."""


def test_there_is_a_sample_of_every_message() -> None:
    assert {type(sample) for sample in SAMPLES} == set(get_args(Message))


@given(messages)
def test_every_message_comes_back_unchanged(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_a_body_cut_anywhere_is_malformed(message: Message) -> None:
    body = encode(message)
    cuts = [decode(body[:length]) for length in range(len(body))]
    # Cut just before an optional section it is a shorter message; the seal is what refuses that.
    shorter = [cut for cut in cuts if cut != MALFORMED]
    assert all(type(cut) is type(message) for cut in shorter)
    granted = isinstance(message, BidAnswer) and message.granted
    assert len(shorter) == (2 if granted else {"Heartbeat": 2, "Echo": 1}.get(type(message).__name__, 0))


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_bytes_behind_the_end_are_malformed(message: Message) -> None:
    body = encode(message)
    for tail in (b"\x00", b"\x00\x00", b"\x63\x00\x01", b"\x63\x00\x00\x00"):
        assert decode(body + tail) == MALFORMED


def test_bytes_left_over_inside_a_known_section_are_malformed() -> None:
    for sample in SAMPLES:
        body = encode(sample)
        length = int.from_bytes(body[2:4], "big")
        longer = body[:2] + (length + 1).to_bytes(2, "big") + body[4 : 4 + length] + b"x" + body[4 + length :]
        assert decode(longer) == MALFORMED, sample


def test_an_unknown_section_is_skipped_wherever_it_stands() -> None:
    extra = section(200, b"from the future")
    for sample in SAMPLES:
        body = encode(sample)
        assert decode(body[:1] + extra + body[1:]) == sample
        assert decode(body + extra) == sample


def test_an_unknown_section_inside_a_state_is_skipped() -> None:
    body = encode(Heartbeat(state()))
    content = body[4:] + section(200, b"from the future")
    assert decode(body[:1] + section(6, content)) == Heartbeat(state())


def test_an_unknown_kind_is_told_apart_from_damage() -> None:
    assert decode(bytes((99,)) + section(1, b"news")) == Reject("unknown-message")
    assert decode(b"") == MALFORMED


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("a heartbeat without a state", b"\x01"),
        ("two own states", b"\x01" + encode(Heartbeat(state()))[1:] * 2),
        ("a state without fields", b"\x01" + section(6, b"")),
        ("the same section twice", b"\x02" + encode(SAMPLES[1])[1:] * 2),
        ("a bid without fields", b"\x02"),
        ("an unknown flag", b"\x06" + section(1, bytes(8) + b"\x02\x00\x00\x00\x00")),
        ("a successor without its flag", b"\x04" + section(1, bytes(16) + b"\x00\x00\x00\x01x")),
        ("not UTF-8", b"\x06" + section(1, bytes(8) + b"\x01\x01\x00\x00\x00\xff")),
        ("a surrogate in UTF-8", b"\x06" + section(1, bytes(8) + b"\x01\x03\x00\x00\x00\xed\xa0\x80")),
        ("an overlong form in UTF-8", b"\x06" + section(1, bytes(8) + b"\x01\x02\x00\x00\x00\xc0\x80")),
        ("a name past the end", b"\x06" + section(1, bytes(8) + b"\x01\x05\x00\x00\x00x")),
        ("a length past the end", b"\x06\x01\xff\xff" + bytes(13)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed(why: str, body: bytes) -> None:
    assert decode(body) == MALFORMED, why


def with_lists(**sections: bytes) -> bytes:
    """A heartbeat whose state has the fields of a good one and the given sections."""
    plain = replace(state(), holds=(), votes=(), heard=(), groups=(), wishes=())
    content = encode(Heartbeat(plain))[4:]
    numbers = {"holds": 2, "votes": 3, "heard": 4, "groups": 5, "wishes": 9}
    for name, data in sections.items():
        content += section(numbers[name], data)
    return b"\x01" + section(6, content)


@pytest.mark.parametrize(
    "sections",
    [
        {"holds": bytes(8) + b"\x02\x01g"},
        {"holds": bytes(8) + b"\x00\x02g"},
        {"holds": bytes(9)},
        {"votes": bytes(24) + b"\x01\x02gh"},
        {"votes": bytes(23)},
        {"heard": bytes(24) + b"\x02n"},
        {"heard": bytes(24)},
        {"groups": b"\x07\x01\x01\x00\x00g"},
        {"groups": b"\x03\x02\x01\x00\x00g"},
        {"groups": b"\x03\x01\x01\x00\x01g"},
        {"groups": b"\x03"},
        {"wishes": bytes(8) + b"\x03\x01" + bytes(24) + b"\x01\x00\x00g"},
        {"wishes": bytes(8) + b"\x01\x02" + bytes(24) + b"\x01\x00\x00g"},
        {"wishes": bytes(8) + b"\x01\x01" + bytes(24) + b"\x01\x01\x00g"},
        {"wishes": bytes(8) + b"\x02\x01" + bytes(8) + b"\xff" + bytes(15) + b"\x01\x00\x00g"},
        {"wishes": bytes(8)},
    ],
    ids=str,
)
def test_malformed_lists(sections: dict[str, bytes]) -> None:
    assert isinstance(decode(with_lists()), Heartbeat)
    assert decode(with_lists(**sections)) == MALFORMED


def test_good_lists_built_by_hand_are_read() -> None:
    first = b"\x00\x00\x00\x00\x00\x00\x00\x63" + b"\xff" * 7 + b"\xfe" + b"\xff" * 8 + b"\x04ha02"
    second = b"\x00\x00\x00\x00\x00\x00\x00\x62" + bytes(8) + b"\x00\x00\x00\x00\x00\x00\x00\x05" + b"\x01w"
    message = decode(with_lists(heard=first + second, groups=b"\x05\x00\x04\x00\x02sitex!"))
    assert isinstance(message, Heartbeat)
    assert message.state.heard == (Heard("ha02", 99, -1, number=2**64 - 2), Heard("w", 98, 5, number=0))
    assert message.state.groups == (GroupReport("site", Phase.FAILED, fit=False, why="x!"),)


# What does not fit -------------------------------------------------------------------------------------------------


def test_relayed_states_beyond_the_limit_are_left_out_and_take_turns() -> None:
    relayed = tuple(state(f"node{number}", number) for number in range(1, 6))
    seen: dict[str, int] = {}
    for turn in range(len(relayed)):
        body = encode(Heartbeat(state(), relayed), 700, turn)
        assert len(body) <= 700
        message = decode(body)
        assert isinstance(message, Heartbeat)
        assert message.state == state()
        assert 0 < len(message.relayed) < len(relayed)
        for item in message.relayed:
            assert item in relayed
            seen[item.node] = seen.get(item.node, 0) + 1
    assert set(seen.values()) == {len(message.relayed)}, "every state gets the same share"


def test_one_relayed_state_goes_even_when_there_is_no_room() -> None:
    """Otherwise a state that alone is too long would never be heard of behind a cut."""
    big = state("ha02", 99, groups=40)
    message = decode(encode(Heartbeat(state(), (big, state("arbiter", 98))), 300, 0))
    assert message == Heartbeat(state(), (big,))


def test_the_own_state_gives_up_explanations_before_anything_else() -> None:
    own = state(why="w" * 240, groups=10)
    whole = decode(encode(Heartbeat(own), 60_000))
    assert whole == Heartbeat(own)
    short = decode(encode(Heartbeat(own), 1400))
    assert isinstance(short, Heartbeat)
    assert {report.why for report in short.state.groups} == {"w" * 48}
    tight = decode(encode(Heartbeat(own), 300))
    assert isinstance(tight, Heartbeat)
    assert {report.why for report in tight.state.groups} == {""}
    plain = tuple(replace(report, why="") for report in own.groups)
    assert tight.state == replace(own, groups=plain)


def full(length: int, holder: bool) -> NodeState:
    """The state of a member of a cluster with as many groups as a configuration permits, all held by one node."""
    names = [f"{number:0{length}}" for number in range(MOST_GROUPS)]
    return replace(
        state("n" * length),
        holds=tuple(Hold(name, BALLOT) for name in names) if holder else (),
        votes=tuple(Vote(name, "n" * length, 7, BALLOT, 1) for name in names),
        heard=tuple(Heard(f"{number:0{length}}", 1, 0, number=2**63) for number in range(4)),
        groups=tuple(GroupReport(name, Phase.STARTED, True, "w" * 240 if holder else "") for name in names),
    )


def test_as_many_groups_as_configurable_with_the_longest_names_fit_all_held_by_one_node() -> None:
    own = full(LONGEST_NAME, holder=True)
    names = [report.group for report in own.groups]
    body = encode(Heartbeat(own), 1400)
    assert len(body) <= HARD_LIMIT
    message = decode(body)
    assert isinstance(message, Heartbeat)
    assert (message.state.holds, message.state.votes) == (own.holds, own.votes)
    assert [report.group for report in message.state.groups] == names


def test_as_many_wishes_as_there_can_be_fit_and_only_then_without_their_texts() -> None:
    own = full(LONGEST_NAME, holder=True)
    asked = Wish("", 257, WishKind.STOPPED, "b" * LONGEST_BY, "r" * LONGEST_REASON, 1_700_000_000_000)
    wishes = tuple(replace(asked, group=report.group) for report in own.groups)
    message = decode(encode(Heartbeat(replace(own, wishes=(asked, *wishes))), 1400))
    assert isinstance(message, Heartbeat)
    assert [wish.group for wish in message.state.wishes] == ["", *(report.group for report in own.groups)]
    assert {(wish.by, wish.reason) for wish in message.state.wishes} == {("", "")}
    few = decode(encode(Heartbeat(replace(own, wishes=(asked, *wishes[:50]))), 1400))
    assert isinstance(few, Heartbeat)
    assert few.state.wishes == (asked, *wishes[:50])


@pytest.mark.parametrize(("length", "passed"), [(55, True), (LONGEST_NAME, False)])
def test_the_fullest_state_of_a_holder_can_be_passed_on_with_names_of_55_bytes(length: int, passed: bool) -> None:
    said = decode(encode(Heartbeat(full(length, holder=True)), 1400))
    assert isinstance(said, Heartbeat)
    own = full(length, holder=False)
    message = decode(encode(Heartbeat(own, (said.state,)), 1400))
    assert message == Heartbeat(own, (said.state,) if passed else ())


@pytest.mark.parametrize(("groups", "text"), [(310, "60000 are possible"), (400, "Heartbeat cannot be encoded")])
def test_a_state_that_cannot_fit_is_our_bug(groups: int, text: str) -> None:
    own = replace(state(), groups=tuple(GroupReport("g" * 200, Phase.STARTED, True) for _ in range(groups)))
    with pytest.raises(InternalError, match=text):
        encode(Heartbeat(own))


def test_a_number_outside_its_field_is_our_bug() -> None:
    with pytest.raises(InternalError, match="Bid cannot be encoded"):
        encode(Bid("ha01", 2**64, "site", 1, 0))


def test_long_texts_are_cut_at_a_whole_character() -> None:
    message = decode(encode(Answer("ha01", "ha02", 1, True, "x" + "ä" * 2000)))
    assert isinstance(message, Answer)
    assert message.text == "x" + "ä" * ((TEXT_LIMIT - 1) // 2)
    ask = decode(encode(Ask("ha01", "ha02", 1, "move", "site", "€" * 100, "root")))
    assert isinstance(ask, Ask)
    assert ask.target == "€" * 85


def test_what_utf8_cannot_express_becomes_a_question_mark() -> None:
    message = decode(encode(Ask("ha01", "ha02", 1, "move", "site", "a\udc80b", "root")))
    assert isinstance(message, Ask)
    assert message.target == "a?b"


def test_ten_thousand_damaged_bodies_are_messages_or_values() -> None:
    """Under a good seal this is a member's bug, not an attack; even then nothing is raised and all can be said again."""
    random_source = random.Random(20)
    bodies = [encode(sample) for sample in SAMPLES]
    survivors = 0
    for _ in range(10_000):
        body = bytearray(random_source.choice(bodies))
        for _ in range(random_source.randint(1, 4)):
            body[random_source.randrange(len(body))] = random_source.choice(
                (0, 1, 127, 255, random_source.randrange(256))
            )
        result = decode(bytes(body))
        if not isinstance(result, Reject):
            survivors += 1
            assert type(decode(encode(result))) is type(result)
    assert 0 < survivors < 10_000


@pytest.mark.parametrize(
    "wrong", [b"", b"\x01\x00", b"\x01\x00\x00", b"\x00\x00\x00x", b"\x01\x00\x00\xff"], ids=lambda value: value.hex()
)
def test_a_word_about_other_voters_that_no_version_writes_is_malformed(wrong: bytes) -> None:
    plain = encode(Heartbeat(replace(state(), holds=(), votes=(), heard=(), groups=(), joint="x")))
    good = section(13, b"\x01\x00\x00x")
    assert good in plain
    spoilt = plain.replace(good, section(13, wrong))
    grown = len(wrong) - 4
    length = int.from_bytes(plain[2:4], "big") + grown
    assert decode(spoilt[:2] + length.to_bytes(2, "big") + spoilt[4:]) == MALFORMED


def test_a_member_of_an_earlier_version_reads_the_newest_of_the_unfinished_and_is_read_so() -> None:
    """Its answers have no section 15, and the oldest no section 14 either."""
    said = replace(GRANT, unfinished=(Unfinished(43, "ha03"), Unfinished(41, "ha02")))
    body = encode(said)
    assert decode(body) == said
    earlier = body.replace(section(15, bytes(7) + b"\x2b\x04ha03" + bytes(7) + b"\x29\x04ha02"), b"")
    assert len(earlier) < len(body)
    assert decode(earlier) == replace(said, unfinished=(Unfinished(43, "ha03"),), newest_only=True)
    assert encode(replace(said, unfinished=said.unfinished[:1], newest_only=True)) == earlier
    oldest = earlier.replace(section(14, b"ha03"), b"")
    assert decode(oldest) == replace(said, unfinished=(Unfinished(43),), newest_only=True)


@pytest.mark.parametrize("content", [bytes(8), bytes(8) + b"\x02x", bytes(8) + b"\x01\xff"], ids=bytes.hex)
def test_malformed_lists_of_the_unfinished(content: bytes) -> None:
    assert decode(encode(GRANT) + section(15, bytes(8) + b"\x01x")) == replace(GRANT, unfinished=(Unfinished(0, "x"),))
    assert decode(encode(GRANT) + section(15, content)) == MALFORMED
