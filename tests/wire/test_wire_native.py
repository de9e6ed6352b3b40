"""Seals: only members of this cluster with one of its keys can say anything, and nothing a stranger sends does harm."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_reference import CLUSTER, INCARNATION, KEY, MEMBERS, OTHER_KEY, seal, section
from wire_samples import SAMPLES, messages, state

from understudy.errors import InternalError
from understudy.messages import Bid, Heartbeat, Message
from understudy.wire.encode import encode
from understudy.wire.native import (
    OLDEST,
    SOFT_LIMIT,
    VERSION,
    Envelope,
    Opener,
    Reason,
    Reject,
    Sealer,
    agreed_version,
)

BID = SAMPLES[1]


def sealer(sender: str = "ha01", key: bytes = KEY, cluster: str = CLUSTER, incarnation: int = INCARNATION) -> Sealer:
    return Sealer(cluster, (key,), sender, incarnation)


def opener(*keys: bytes, cluster: str = CLUSTER) -> Opener:
    return Opener(cluster, keys or (KEY,), MEMBERS)


def reason(result: Envelope | Reject) -> str:
    return result.reason if isinstance(result, Reject) else f"opened: {result}"


@given(messages.filter(lambda message: len(encode(message)) <= 1300))
def test_what_was_sealed_opens_unchanged(message: Message) -> None:
    assert opener().open(sealer().seal(message)) == Envelope("ha01", INCARNATION, 1, VERSION, message)


def test_who_meets_other_members_keeps_the_keys_in_use() -> None:
    datagram = sealer("ha09", OTHER_KEY).seal(BID)
    strangers = opener().with_keys((OTHER_KEY,))
    assert reason(strangers.open(datagram)) == Reason.UNKNOWN_MEMBER
    assert isinstance(strangers.with_members((*MEMBERS, "ha09")).open(datagram), Envelope)
    assert reason(strangers.with_members((*MEMBERS, "ha09")).open(sealer("ha09").seal(BID))) == Reason.UNKNOWN_KEY


def test_each_datagram_has_the_next_counter_and_other_bytes() -> None:
    writer, reader = sealer(), opener()
    datagrams = [writer.seal(BID) for _ in range(5)]
    opened = [reader.open(datagram) for datagram in datagrams]
    assert [item.counter for item in opened if isinstance(item, Envelope)] == [1, 2, 3, 4, 5]
    assert len({datagram[40:] for datagram in datagrams}) == 5


def test_a_sealer_goes_on_counting_where_another_stopped() -> None:
    first = sealer()
    first.seal(BID)
    second = Sealer(CLUSTER, (OTHER_KEY, KEY), "ha01", INCARNATION, counter=first.counter)
    result = opener(OTHER_KEY).open(second.seal(BID))
    assert isinstance(result, Envelope)
    assert result.counter == 2


def test_the_same_counter_of_another_process_has_another_key_stream() -> None:
    """A nonce may repeat between incarnations and members only because their keys differ."""
    body_start = 32 + len("ha01")
    variants = [
        sealer(),
        sealer(incarnation=INCARNATION + 1),
        sealer("ha02"),
        sealer(key=OTHER_KEY),
        sealer(cluster="b"),
    ]
    assert len({writer.seal(BID)[body_start:] for writer in variants}) == len(variants)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_a_second_implementation_writes_the_same_bytes(message: Message) -> None:
    assert sealer().seal(message) == seal(encode(message))


# Refusals ----------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_told_apart_from_a_broken_seal() -> None:
    datagram = sealer(key=OTHER_KEY).seal(BID)
    assert reason(opener().open(datagram)) == "unknown-key"
    forged = datagram[:12] + sealer().seal(BID)[12:16] + datagram[16:]
    assert reason(opener().open(forged)) == "bad-seal"


def test_another_cluster_on_the_same_network_is_told_apart() -> None:
    datagram = sealer(cluster="other").seal(BID)
    assert reason(opener().open(datagram)) == "other-cluster"
    assert reason(opener().open(datagram[:8] + sealer().seal(BID)[8:12] + datagram[12:])) == "bad-seal"


def test_a_name_outside_the_cluster_is_refused() -> None:
    assert reason(opener().open(sealer("ha99").seal(BID))) == "unknown-member"


def test_a_member_cannot_be_renamed_in_the_header() -> None:
    datagram = sealer("ha01").seal(BID)
    assert reason(opener().open(datagram[:32] + b"ha02" + datagram[36:])) == "bad-seal"


def test_every_bit_of_the_header_is_under_the_seal() -> None:
    datagram = sealer().seal(BID)
    reader = opener()
    for position in range(36 * 8):
        changed = bytearray(datagram)
        changed[position // 8] ^= 1 << position % 8
        assert isinstance(reader.open(bytes(changed)), Reject), position
    assert reason(reader.open(datagram[:6] + b"\x01" + datagram[7:])) == "bad-seal", "the reserved byte too"


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_a_datagram_cut_anywhere_is_refused(message: Message) -> None:
    datagram = sealer().seal(message)
    reader = opener()
    expected = {"not-ours", "too-short", "unknown-member", "bad-seal"}
    reasons = [reason(reader.open(datagram[:length])) for length in range(len(datagram))]
    assert set(reasons) <= expected
    assert reasons[0] == "not-ours"
    assert reasons[-1] == "bad-seal"


def test_foreign_traffic_is_not_ours() -> None:
    for data in (b"", b"U", b"USD", b"GET / HTTP/1.1\r\n" * 20, bytes(1400), b"USDZ" + sealer().seal(BID)[4:]):
        assert reason(opener().open(data)) == "not-ours"


def test_a_header_without_a_body_is_too_short() -> None:
    assert reason(opener().open(seal(b""))) == "too-short"
    name_past_the_end = bytearray(sealer().seal(BID))
    name_past_the_end[7] = 255
    assert reason(opener().open(bytes(name_past_the_end))) == "too-short"


def test_impossible_headers_under_a_good_seal_are_malformed() -> None:
    body = encode(BID)
    assert reason(opener().open(seal(body, counter=0))) == "malformed"
    assert reason(opener().open(seal(body, incarnation=0))) == "malformed"
    assert reason(opener().open(seal(body, version=2, newest=1))) == "malformed"
    assert isinstance(opener().open(seal(body)), Envelope)


def test_reserved_flags_of_a_later_version_are_ignored() -> None:
    assert isinstance(opener().open(seal(encode(BID), flags=255)), Envelope)


def test_every_reason_is_a_plain_word() -> None:
    assert all(isinstance(item, str) and f"{item}" == item.value for item in Reason)
    assert {item.value: 1 for item in Reason}["bad-seal"] == {"bad-seal": 1}[Reason.BAD_SEAL]


# Key rotation ------------------------------------------------------------------------------------------------------


def test_rotation_in_three_steps_loses_no_datagram_whatever_the_order() -> None:
    """Each step is safe while some members have taken it and others have not."""
    steps = [(KEY,), (KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)]
    for before, after in pairwise(steps):
        for mine, yours in ((before, after), (after, before)):
            datagram = Sealer(CLUSTER, mine, "ha01", INCARNATION).seal(BID)
            assert isinstance(opener(*yours).open(datagram), Envelope), (mine, yours)


def test_the_first_key_seals_and_each_key_opens() -> None:
    both = Sealer(CLUSTER, (OTHER_KEY, KEY), "ha01", INCARNATION)
    assert isinstance(opener(OTHER_KEY).open(both.seal(BID)), Envelope)
    assert reason(opener(KEY).open(both.seal(BID))) == "unknown-key"


# Versions ----------------------------------------------------------------------------------------------------------


def test_one_version_newer_is_understood_without_what_is_new() -> None:
    body = encode(Heartbeat(state())) + section(150, b"news of the next version")
    result = opener().open(seal(body, version=VERSION + 1, newest=VERSION + 1))
    assert result == Envelope("ha01", INCARNATION, 1, VERSION + 1, Heartbeat(state()))


def test_a_message_of_the_next_version_is_counted_and_harmless() -> None:
    reader = opener()
    result = reader.open(seal(b"\xc8" + section(1, b"news"), version=VERSION + 1, newest=VERSION + 1))
    assert reason(result) == "unknown-message"
    assert isinstance(reader.open(sealer().seal(BID)), Envelope)


def test_two_versions_newer_and_version_zero_are_refused() -> None:
    for version in (0, VERSION + 2, 255):
        assert reason(opener().open(seal(encode(BID), version=version, newest=255))) == "unknown-version"


def test_a_member_tells_the_newest_version_it_speaks() -> None:
    result = opener().open(seal(encode(BID), version=1, newest=9))
    assert isinstance(result, Envelope)
    assert result.version == 9


def test_a_sealer_writes_what_all_live_members_can_read() -> None:
    assert agreed_version(()) == VERSION
    assert agreed_version((VERSION + 1, VERSION + 7)) == VERSION
    assert agreed_version((0,)) == OLDEST
    writer = sealer()
    for wanted, taken in ((VERSION + 1, VERSION), (0, OLDEST), (VERSION, VERSION)):
        writer.version = wanted
        assert writer.version == taken
        assert writer.seal(BID)[4:6] == bytes((taken, VERSION))


# Floods ------------------------------------------------------------------------------------------------------------


def test_ten_thousand_random_datagrams_are_refused() -> None:
    random_source = random.Random(1)
    reader = opener()
    head = sealer().seal(BID)
    reasons = set()
    for number in range(10_000):
        data = random_source.randbytes(random_source.randrange(0, 300))
        if number % 2:  # half of them begin like ours, so that they come further
            data = head[: random_source.randrange(0, 40)] + data
        reasons.add(reason(reader.open(data)))
    assert {"not-ours", "too-short", "other-cluster", "unknown-key", "unknown-member", "bad-seal"} <= reasons
    assert reasons <= {item.value for item in Reason}
    assert reader.remembered == 0, "a stranger's datagrams leave nothing behind"


def mutate(data: bytes, others: list[bytes], random_source: random.Random) -> bytes:
    """One of the ways in which networks and attackers change datagrams."""
    at = random_source.randrange(len(data))
    match random_source.randrange(7):
        case 0:
            return data[:at] + bytes((data[at] ^ 1 << random_source.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data + random_source.randbytes(random_source.randint(1, 40))
        case 3:
            return data[:at] + random_source.randbytes(random_source.randint(1, 8)) + data[at:]
        case 4:
            return data[:at] + data[at + random_source.randint(1, 8) :]
        case 5:
            return data[:at] + random_source.choice(others)[at:]
        case _:
            end = at + random_source.randint(1, 16)
            return data[:at] + bytes(len(data[at:end])) + data[end:]


def test_ten_thousand_mutated_datagrams_are_refused_unless_unchanged() -> None:
    random_source = random.Random(2)
    writers = [sealer(name) for name in MEMBERS] + [sealer(incarnation=INCARNATION + 1)]
    genuine = [writer.seal(message) for writer in writers for message in SAMPLES]
    reader = opener()
    changed = 0
    for _ in range(10_000):
        data = mutate(random_source.choice(genuine), genuine, random_source)
        result = reader.open(data)
        if data in genuine:
            assert isinstance(result, Envelope)
        else:
            changed += 1
            assert isinstance(result, Reject), data.hex()
    assert changed > 9_000
    assert reader.remembered <= len(writers)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_value(data: bytes) -> None:
    assert isinstance(opener().open(data), Reject)


def test_recordings_of_many_incarnations_cannot_fill_the_memory() -> None:
    reader = opener()
    for incarnation in range(1, 500):
        assert isinstance(reader.open(sealer(incarnation=incarnation).seal(BID)), Envelope)
    assert 0 < reader.remembered <= 4 * len(MEMBERS)


def test_forgeries_do_not_push_out_the_key_of_a_member() -> None:
    reader = opener()
    genuine = sealer().seal(BID)
    reader.open(genuine)
    for incarnation in range(1, 100):
        reader.open(genuine[:16] + incarnation.to_bytes(8, "big") + genuine[24:])
    reader.open(genuine[:-1] + bytes((genuine[-1] ^ 1,)))
    assert reader.remembered == 1
    assert isinstance(reader.open(genuine), Envelope)


# Sizes and our own mistakes ----------------------------------------------------------------------------------------


def test_a_heartbeat_with_many_relayed_states_stays_inside_one_frame() -> None:
    relayed = tuple(state(f"node{number}", number) for number in range(1, 20))
    writer, reader = sealer(), opener()
    heard = set()
    for _ in relayed:
        datagram = writer.seal(Heartbeat(state(), relayed))
        assert len(datagram) <= SOFT_LIMIT
        result = reader.open(datagram)
        assert isinstance(result, Envelope)
        assert isinstance(result.message, Heartbeat)
        heard |= {item.node for item in result.message.relayed}
    assert heard == {item.node for item in relayed}, "each state gets its turn"


def test_bad_arguments_are_our_bug() -> None:
    for key in (b"", bytes(16), bytes(33)):
        with pytest.raises(InternalError, match="a key has 32 bytes"):
            Sealer(CLUSTER, (key,), "ha01", 1)
        with pytest.raises(InternalError, match="a key has 32 bytes"):
            Opener(CLUSTER, (key,), MEMBERS)
    with pytest.raises(InternalError, match="needs a key"):
        Sealer(CLUSTER, (), "ha01", 1)
    for name in ("", "x" * 256):
        with pytest.raises(InternalError, match="1 to 255 bytes"):
            Sealer(CLUSTER, (KEY,), name, 1)
    for incarnation in (0, 2**64):
        with pytest.raises(InternalError, match="64-bit"):
            Sealer(CLUSTER, (KEY,), "ha01", incarnation)


def test_a_refused_message_uses_no_counter_and_the_last_counter_is_the_last() -> None:
    writer = sealer()
    with pytest.raises(InternalError):
        writer.seal(Bid("ha01", -1, "site", 1, 1))
    assert writer.counter == 0
    spent = Sealer(CLUSTER, (KEY,), "ha01", INCARNATION, counter=2**40)
    with pytest.raises(InternalError, match="used up"):
        spent.seal(BID)
