"""A key in a parcel: only who asked can open it, and only for what it was asked for."""

from __future__ import annotations

import random

from understudy.wire.parcel import PRIVATE, public, unwrap, wrap


def numbers(seed: int, count: int) -> list[bytes]:
    dice = random.Random(seed)
    return [dice.randbytes(PRIVATE) for _ in range(count)]


def test_only_the_asker_opens_it() -> None:
    key, giver, taker, other = numbers(1, 4)
    parcel = wrap(key, giver, public(taker), "site\x00ha01\x00ha02")
    assert parcel is not None
    assert unwrap(parcel, taker, public(giver), "site\x00ha01\x00ha02") == key
    assert unwrap(parcel, taker, public(giver), "site\x00ha01\x00ha03") is None
    assert unwrap(parcel, other, public(giver), "site\x00ha01\x00ha02") is None
    assert unwrap(parcel, taker, public(other), "site\x00ha01\x00ha02") is None
    assert key not in parcel


def test_what_is_spoilt_is_none_and_never_an_exception() -> None:
    key, giver, taker = numbers(2, 3)
    parcel = wrap(key, giver, public(taker), "x")
    assert parcel is not None
    for place in range(len(parcel)):
        spoilt = parcel[:place] + bytes([parcel[place] ^ 1]) + parcel[place + 1 :]
        assert unwrap(spoilt, taker, public(giver), "x") is None
    for wrong in (b"", b"short", bytes(31), bytes(33), bytes(32)):  # of other lengths, and a point of low order
        assert wrap(key, giver, wrong, "x") is None
        assert unwrap(parcel, taker, wrong, "x") is None
    assert unwrap(b"", taker, public(giver), "x") is None
    short = wrap(key[:16], giver, public(taker), "x")
    assert short is not None
    assert unwrap(short, taker, public(giver), "x") is None, "a key has 32 bytes"
