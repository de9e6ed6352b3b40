"""Mutated packets of the old protocol never raise, and none that was changed is taken for signed.

UNDERSTUDY_LONG=1 makes a million of them.
"""

from __future__ import annotations

import os
import random
from functools import cache

import pytest
from heartbeat3_samples import CRC, HERE, KEYS, MD5, SHA1, STATUS, records
from hypothesis import given
from hypothesis import strategies as st

from understudy.heartbeat3 import OldMessage
from understudy.wire import heartbeat3_text as text
from understudy.wire.heartbeat3 import Auth, Framing, Keys, Method, Opened, Packing, Refusal, encode, open_message, peek
from understudy.wire.heartbeat3_serial import SerialReader

ROUNDS = 1_000_000 if os.environ.get("UNDERSTUDY_LONG") == "1" else 20_000

PIECES = (
    b"###\n",
    b"%%%\n",
    b">>>\n",
    b"<<<\n",
    b"(2)",
    b"(3)",
    b"(4)",
    b"(5)",
    b"(9)",
    b"=",
    b",",
    b"\n",
    b"auth=",
    b"\0",
    b"\x14",
)


@cache
def genuine() -> tuple[tuple[bytes, Auth], ...]:
    found = [(record.data, record.auth) for path in sorted(HERE.glob("*.jsonl")) for record in records(path)]
    chosen = [item for number, item in enumerate(found) if number % 7 == 0 and item[0]]
    packings = [Packing("zlib", 0), Packing("bz2", 0), None]
    ours = [
        (encode(STATUS, auth, framing, packing=packing), auth)
        for auth in (CRC, MD5, SHA1)
        for framing in Framing
        for packing in packings
    ]
    return (*chosen, *ours * 8)


def mutate(data: bytes, others: tuple[tuple[bytes, Auth], ...], chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    match chance.randrange(8):
        case 0:
            return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data + chance.randbytes(chance.randint(1, 40))
        case 3:
            return data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at:]
        case 4:
            return data[:at] + data[at + chance.randint(1, 8) :]
        case 5:
            return data[:at] + chance.choice(others)[0][at:]
        case 6:
            return data[:at] + chance.choice(PIECES) + data[at:]
        case _:
            return data[:at] + b"%d" % chance.randrange(10 ** chance.randint(1, 9)) + data[at + 1 :]


def signed_anew(data: bytes, auth: Auth) -> bytes:
    """A mutated netstring message under a good signature, so that the reader of fields sees it."""
    end = data.rfind(b"%%%\n") + 4
    token = auth.token(data[:end])
    return b"%b%d:%b," % (data[:end], len(token), token)


@pytest.mark.parametrize("part", range(10))
def test_mutated_packets_are_values(part: int) -> None:
    chance = random.Random(part)
    samples = genuine()
    known = {data for data, _ in samples}
    kinds = {"opened": 0, "refused": 0, "changed": 0}
    readers = {auth: SerialReader(Keys((auth,), auth.index)) for _, auth in samples}
    for number in range(ROUNDS // 10):
        original, auth = chance.choice(samples)
        data = mutate(original, samples, chance)
        if number % 3 == 0:
            data = mutate(data or b"x", samples, chance)
        keys = readers[auth].keys
        result = open_message(keys, data)
        peek(data)
        if isinstance(result, Refusal):
            kinds["refused"] += 1
        else:
            kinds["opened"] += 1
            kinds["changed"] += data not in known
            holds_what_is_written(result, keys, data, auth)
        if number % 2:
            forged = open_message(keys, signed_anew(data, auth))
            if isinstance(forged, Opened):
                assert encode(forged.sent, auth) == signed_anew(data, auth)
        if number % 5 == 0:
            readers[auth].feed(data)
    assert kinds["refused"] > ROUNDS // 10 * 0.6
    assert kinds["opened"] > 0


def holds_what_is_written(result: Opened, keys: Keys, data: bytes, auth: Auth) -> None:
    """What was accepted was signed: what is under its signature comes back. A line may have had another place for ``auth``."""
    assert result.index == auth.index
    back = encode(result.sent, auth, result.framing)
    if result.framing is Framing.NETSTRING:
        assert back + b"\0" * result.nul == data
    else:
        again = open_message(keys, back)
        assert isinstance(again, Opened)
        assert text.signed_text(again.sent) == text.signed_text(result.sent)


@given(
    st.binary(max_size=400),
    st.sampled_from((b"", b"###\n", b">>>\n")),
    st.sampled_from((b"", b"%%%\n4:1 ab,", b"\n<<<\n")),
)
def test_any_bytes_are_a_value(data: bytes, head: bytes, tail: bytes) -> None:
    assert isinstance(open_message(KEYS, head + data + tail), Refusal | Opened)
    assert isinstance(peek(head + data + tail), Refusal | Opened)
    assert isinstance(text.read(head + data + tail), Refusal | OldMessage)


@given(st.binary(max_size=300))
def test_any_signed_bytes_are_a_value(data: bytes) -> None:
    block = b"###\n" + data + b"%%%\n"
    result = open_message(KEYS, signed_anew(block, SHA1))
    if isinstance(result, Opened):
        assert encode(result.sent, SHA1) == signed_anew(block, SHA1)


def test_a_changed_signature_of_each_method_is_refused() -> None:
    other = Keys((Auth(1, Method.MD5, b"x"), Auth(2, Method.SHA1, b"x"), Auth(3, Method.CRC)), 1)
    for auth in (CRC, MD5, SHA1):
        for framing in Framing:
            assert isinstance(open_message(other, encode(STATUS, auth, framing)), Refusal)
