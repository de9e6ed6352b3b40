"""Every recorded packet of real Heartbeat 3.0.6 nodes decodes, verifies, and comes back from encoding byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from heartbeat3_samples import HERE, Record, as_triples, recordings, records

from understudy.heartbeat3 import OldMessage
from understudy.wire import heartbeat3_text as text
from understudy.wire.heartbeat3 import (
    Auth,
    Framing,
    Keys,
    OldReason,
    Opened,
    Packing,
    Refusal,
    encode,
    inner_signature,
    open_message,
    peek,
)

RECORDINGS = recordings()


def test_the_recordings_are_here() -> None:
    found = [record for path in HERE.glob("*.jsonl") for record in records(path)]
    assert len(found) > 1000
    assert {str(record.auth.method) for record in found} == {"crc", "md5", "sha1"}
    assert {record.auth.index for record in found} == {1, 2, 3}
    assert sum(path.stat().st_size for path in HERE.glob("*.jsonl")) < 3_000_000


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_packet_comes_back_byte_for_byte(path: Path) -> None:
    for record in records(path):
        result = open_message(record.keys, record.data)
        if not record.was_verified:
            assert isinstance(result, Refusal), record.place
            continue
        assert isinstance(result, Opened), f"{record.place}: {result}"
        assert result.index == record.auth.index
        back = encode(result.sent, record.auth, result.framing)
        assert back + b"\0" * result.nul == record.data, record.place
        agrees_with_the_record(record, result)
        written_anew(record, result)


def agrees_with_the_record(record: Record, result: Opened) -> None:
    """What another program found in the same packet."""
    told = record.told
    if "fields" in told:
        assert as_triples(result.sent) == told["fields"], record.place
    if "inner_auth" in told:
        assert result.message.get("auth") == told["inner_auth"], record.place
        assert inner_signature(record.keys, result.message) == record.auth.index, record.place
    if "inner_signed_text" in told:
        assert text.signed_text(result.message).decode("unicode_escape") == told["inner_signed_text"].replace(
            "\\n", "\n"
        )


def written_anew(record: Record, result: Opened) -> None:
    """From the message alone, without its signatures: as a program of ours sends it."""
    inner = result.message.has("auth")
    plain = OldMessage(tuple(field for field in result.message.fields if field.name != "auth"))
    packing = Packing(result.packed) if result.packed else None
    data = encode(plain, record.auth, result.framing, inner=inner, packing=packing)
    assert data + b"\0" * result.nul == record.data, record.place


def by_place(name: str) -> dict[int, Record]:
    return {int(record.place.rpartition(":")[2]): record for record in records(HERE / name)}


def test_packets_that_the_real_program_refused_have_their_reasons() -> None:
    found = by_place("acceptance-experiment.jsonl")
    reasons = {}
    for number, record in found.items():
        result = open_message(record.keys, record.data)
        if isinstance(result, Refusal):
            reasons[number] = result.reason
    forged = dict.fromkeys((28, 29, 30, 31), OldReason.BAD_SIGNATURE)
    nonsense = dict.fromkeys((54, 55, 62), OldReason.NOT_OURS)
    broken = dict.fromkeys((56, 57, 58, 60), OldReason.MALFORMED)
    unsigned = dict.fromkeys((59, 61), OldReason.UNSIGNED)
    assert reasons == {**forged, **nonsense, **broken, **unsigned}


def test_the_packet_that_ends_the_real_program_is_a_refusal() -> None:
    """A type that there is not, signed by nobody: 3.0.6 reads before it verifies."""
    record = by_place("acceptance-experiment.jsonl")[61]
    assert "died" in record.verdict
    assert isinstance(open_message(record.keys, record.data), Refusal)
    assert peek(record.data) == Refusal(OldReason.MALFORMED, "there is no type 9")


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
def test_a_compressed_packet_says_what_is_in_it(algorithm: str) -> None:
    path = HERE / f"extra-sha1-compressed-{algorithm}.jsonl"
    opened = [open_message(record.keys, record.data) for record in records(path)]
    packed = [item for item in opened if isinstance(item, Opened) and item.packed]
    assert [item.packed for item in packed] == [algorithm]
    assert [field.name for field in packed[0].sent.fields] == ["_compressed_payload", "_compression_algorithm"]
    assert packed[0].message.get("src") == "node-a"
    assert len(packed[0].message.fields) > 20


def test_another_key_verifies_nothing() -> None:
    for path in HERE.glob("[fqs]*.jsonl"):
        for record in records(path):
            if record.auth.secret:
                wrong = Keys((Auth(record.auth.index, record.auth.method, b"another"),), record.auth.index)
                result = open_message(wrong, record.data)
                assert isinstance(result, Refusal), record.place
                assert result.reason == OldReason.BAD_SIGNATURE


def test_serial_messages_are_string_framing() -> None:
    for record in records(HERE / "serial-md5-classic.jsonl"):
        result = open_message(record.keys, record.data)
        assert isinstance(result, Opened)
        assert result.framing is Framing.STRING
