"""A serial line carries messages in pieces, with noise between them, and loses some."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from heartbeat3_samples import KEYS, SHA1, STATUS
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import InternalError
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.units import SECOND
from understudy.wire.heartbeat3 import LONGEST, Framing, Opened, Refusal, encode, with_inner_signature
from understudy.wire.heartbeat3_serial import LONGEST_LINE, Lines, SerialReader, portions


def written(number: int) -> tuple[OldMessage, bytes]:
    message = OldMessage((*STATUS.fields, *text_fields(n=str(number))))
    return with_inner_signature(message, SHA1), encode(message, SHA1, Framing.STRING)


MESSAGES = [written(number) for number in range(20)]
STREAM = b"".join(data for _, data in MESSAGES)


def read(*pieces: bytes) -> tuple[list[OldMessage], list[Refusal]]:
    reader = SerialReader(KEYS)
    found = [item for piece in pieces for item in reader.feed(piece)]
    opened = [item.message for item in found if isinstance(item, Opened)]
    return opened, [item for item in found if isinstance(item, Refusal)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=60))
def test_pieces_may_end_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]
    assert read(*pieces) == ([message for message, _ in MESSAGES], [])


def test_byte_by_byte_and_with_carriage_returns() -> None:
    stream = STREAM.replace(b"\n", b"\r\n")
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == ([message for message, _ in MESSAGES], [])


@given(st.binary(max_size=300).filter(lambda noise: b">" not in noise), st.integers(0, 19))
def test_noise_between_messages_is_skipped(noise: bytes, at: int) -> None:
    stream = b"".join((noise if number == at else b"") + data for number, (_, data) in enumerate(MESSAGES))
    assert read(stream) == ([message for message, _ in MESSAGES], [])


def test_who_listens_in_the_middle_hears_the_next_message() -> None:
    assert read(STREAM[40:]) == ([message for message, _ in MESSAGES[1:]], [])


@given(st.integers(5, len(MESSAGES[0][1]) - 1))
def test_a_message_without_its_end_costs_no_other(length: int) -> None:
    opened, refused = read(MESSAGES[0][1][:length], MESSAGES[1][1], MESSAGES[2][1])
    assert opened == [message for message, _ in MESSAGES[1:3]]
    assert [item.reason for item in refused] == ["malformed"]


def test_what_is_lost_is_told() -> None:
    opened, refused = read(MESSAGES[0][1][:-4], MESSAGES[1][1])
    assert opened == [MESSAGES[1][0]]
    assert [item.reason for item in refused] == ["malformed"]


def test_a_mangled_message_is_refused_and_the_next_is_read() -> None:
    mangled = MESSAGES[0][1].replace(b"active", b"actife")
    opened, refused = read(mangled + MESSAGES[1][1])
    assert opened == [MESSAGES[1][0]]
    assert [item.reason for item in refused] == ["bad-signature"]


def test_no_noise_fills_the_memory() -> None:
    lines = Lines()
    chance = random.Random(3)
    for piece in (b"x", b"a=b\n", b">>>\na=b\n"):
        for _ in range(30):
            lines.feed(piece * 5_000)
            kept = len(lines._partial) + (sum(map(len, lines._message)) if lines._message else 0)
            assert kept <= max(LONGEST_LINE, LONGEST)
    for _ in range(300):
        lines.feed(chance.randbytes(4096))
    assert lines.feed(b"\n" + MESSAGES[0][1])[-1] == MESSAGES[0][1]
    assert lines.noise > 0
    assert lines.dropped > 0


def test_an_endless_line_in_a_message_drops_it() -> None:
    lines = Lines()
    lines.feed(b">>>\na=")
    for _ in range(100):
        lines.feed(b"x" * 10_000)
    assert lines.dropped == 1
    assert len(lines._partial) <= LONGEST_LINE
    assert lines.feed(b"\n" + MESSAGES[0][1]) == [MESSAGES[0][1]]


@pytest.mark.parametrize(("baud", "pause"), [(19_200, 4096 * SECOND // 19_200), (9600, 4096 * SECOND // 9600)])
def test_portions_have_the_pauses_of_the_old_program(baud: int, pause: int) -> None:
    data = bytes(range(256)) * 5
    found = portions(data, baud)
    assert b"".join(piece for piece, _ in found) == data
    assert [(len(piece), wait) for piece, wait in found] == [(512, pause), (512, pause), (256, 0)]
    assert portions(b"", baud) == []


def test_a_line_without_speed_is_our_bug() -> None:
    with pytest.raises(InternalError, match="speed"):
        portions(b"x", 0)
