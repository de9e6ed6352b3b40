"""``understudy decode`` of VRRP, ARP and neighbour advertisements: keepalived's recordings, and what is wrong elsewhere."""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from decode_samples import pcap

from understudy.cli.decode import command
from understudy.cli.decode_capture import Frame
from understudy.cli.decode_frames import Payloads
from understudy.cli.decode_keys import read_ring
from understudy.cli.decode_packet import Finding
from understudy.cli.decode_protocols import PROTOCOLS

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))

from vrrp_vectors import HERE, Vector, of_kind, vectors

PASSWORDS = ("s3cr3t88", "1111", "longer-than-eight", "aaaa", "bbbb")
WITH_PASSWORDS = tuple(word for password in PASSWORDS for word in ("--auth-pass", password))


def decode(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def as_json(*words: str | Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    done = decode("--json", *words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["ok"] is (done.exit_code == 0)
    return lines[:-1], lines[-1]


def captured(tmp_path: Path, *frames: bytes, link: int = 1) -> Path:
    (tmp_path / "file").write_bytes(pcap(frames, link))
    return tmp_path / "file"


def first(scenario: str, kind: str = "vrrp") -> Vector:
    return next(vector for vector in vectors() if vector.scenario == scenario and vector.kind == kind)


def test_all_recordings_hold_and_come_back(tmp_path: Path) -> None:
    file = tmp_path / "vectors.jsonl"
    file.write_bytes(gzip.decompress((HERE / "vectors.jsonl.gz").read_bytes()))
    packets, summary = as_json("--roundtrip", *WITH_PASSWORDS, file)
    assert (summary["packets"], summary["held"], summary["changed"], summary["others"]) == (1720, 1720, 0, 0)
    for packet, vector in zip(packets, vectors(), strict=True):
        assert packet["since"] == vector.since
        if vector.kind == "vrrp":
            told = vector.told["vrrp"]
            assert (packet["protocol"], packet["same"]) == ("vrrp", True), vector.place
            assert [packet["checksum"]] == told["checksum_valid_as"]
            assert (packet["vrid"], packet["priority"]) == (told["vrid"], told["priority"])
            assert packet["addresses"] == told["addresses"]
        else:
            assert packet["protocol"] == "neighbour"
            assert packet["gratuitous"] is (packet["same"] is True), vector.place
            assert packet["gratuitous"] or vector.kind != "garp"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.pcap")), ids=lambda path: path.stem)
def test_captures_hold_and_come_back(path: Path) -> None:
    packets, summary = as_json("--roundtrip", *WITH_PASSWORDS, path)
    assert summary["packets"] == len([vector for vector in vectors() if vector.scenario == path.stem])
    assert (summary["wrong"], summary["changed"], summary["unchecked"], summary["others"]) == (0, 0, 0, 0)
    assert all(packet["clock_ns"] for packet in packets)


def test_lines_for_people(tmp_path: Path) -> None:
    goodbye = next(vector for vector in of_kind("vrrp") if vector.told["vrrp"]["priority"] == 0 and vector.family == 4)
    frames = (first("v3-ipv6").frame, goodbye.frame, first("v2-noauth", "garp").frame, first("v3-ipv6", "na").frame)
    done = decode("--roundtrip", captured(tmp_path, *frames))
    lines = [line.partition(" ")[2].partition(" ")[2] for line in done.stdout.splitlines()[:-1]]
    assert lines == [
        "router 64: VRRP 3, priority 150, every 1s: fe80::5e:64, 2001:db8:51::100 (fe80::5eff:fe10:a → ff02::12)"
        " [TTL 255, checksum right (ipv6-pseudo-header)] [same bytes]",
        "router 51: VRRP 2, priority 0 (I stop), every 1s: 192.0.2.100 (192.0.2.11 → 224.0.0.18)"
        " [TTL 255, checksum right (no-pseudo-header)] [same bytes]",
        "02:00:5e:10:00:0a: gratuitous ARP: 192.0.2.100 is at 02:00:5e:10:00:0a [nothing to check] [same bytes]",
        "02:00:5e:10:00:0a: neighbour advertisement: fe80::5e:64 is at 02:00:5e:10:00:0a (override)"
        " (fe80::5e:64 → ff02::1) [checksum right] [same bytes]",
    ]
    assert done.exit_code == 0


@pytest.mark.parametrize("scenario", ["v2-pass8", "v2-ah", "v2-unicast-ah"])
def test_passwords(tmp_path: Path, scenario: str) -> None:
    file = captured(tmp_path, first(scenario).frame)
    name = "AH" if "ah" in scenario else "PASS"
    (packet,), _ = as_json("--roundtrip", file)
    assert (packet["holds"], packet["auth"]) == (None, name)
    assert packet["seal"].endswith(f"{name} not checked: no --auth-pass")
    (packet,), _ = as_json("--roundtrip", "--auth-pass", "wrong", "--auth-pass", "s3cr3t88", file)
    assert (packet["holds"], packet["same"]) == (True, True)
    assert packet["seal"].endswith(f", {name} holds")
    done = decode("--roundtrip", "--auth-pass", "wrong", file)
    assert f"[WRONG: {name} does not hold: it was made with another password]" in done.stdout
    assert done.exit_code == 1
    assert "s3cr3t88" not in done.output + json.dumps(packet)


def with_ttl(frame: bytes) -> bytes:
    """One less, and the header's checksum mended as a router mends it (RFC 1141)."""
    old = int.from_bytes(frame[24:26], "big") + 0x100
    return (
        frame[:22]
        + bytes((frame[22] - 1,))
        + frame[23:24]
        + (old + (old >> 16) & 0xFFFF).to_bytes(2, "big")
        + frame[26:]
    )


def flipped(place: int, bits: int = 1) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:place] + bytes((frame[place] ^ bits,)) + frame[place + 1 :]


@pytest.mark.parametrize(
    ("scenario", "change", "why"),
    [
        ("v2-noauth", with_ttl, "its TTL is 254, not 255: it came through a router"),
        ("v2-noauth", flipped(18), "the checksum of its IPv4 header is wrong"),
        ("v2-noauth", flipped(36), "its checksum is wrong"),
        ("v3-ipv4", flipped(36), "its checksum is wrong"),
        ("v3-ipv6", flipped(56), "its checksum is wrong"),
        ("v3-ipv6", flipped(21), "its TTL is 254, not 255: it came through a router"),
        ("v3-ipv4", flipped(37), "it has 12 bytes, where version 3 and its 0 addresses ask for 8"),
        ("v3-ipv4", flipped(34), "it is of type 0, no advertisement"),
        ("v2-ipv6", flipped(58), "it says that it is authenticated, for which there is no room over IPv6"),
        ("v2-ah", flipped(62, 2), "it is in an Authentication Header, or says so, but not both"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, scenario: str, change: Callable[[bytes], bytes], why: str) -> None:
    (packet,), _ = as_json("--roundtrip", captured(tmp_path, change(first(scenario).frame)))
    assert (packet["holds"], packet["same"], packet["seal"]) == (False, None, why)


def test_a_neighbour_advertisement_that_was_changed_or_forwarded(tmp_path: Path) -> None:
    frame = first("v3-ipv6", "na").frame
    packets, _ = as_json(captured(tmp_path, flipped(70)(frame), flipped(21)(frame)))
    assert [packet["seal"] for packet in packets] == ["its checksum is wrong", "its hop limit is 254, not 255"]


def test_other_bytes_for_the_same_words_are_found(tmp_path: Path) -> None:
    """RFC 3768 section 5.3.10: without a password nobody reads what stands in its place."""
    from understudy.wire.checksum import checksum

    frame = first("v2-noauth").frame
    body = frame[34:40] + b"\0\0" + frame[42:-1] + b"\1"
    changed = frame[:34] + body[:6] + checksum(body).to_bytes(2, "big") + body[8:]
    done = decode("--roundtrip", captured(tmp_path, changed))
    assert "[OTHER BYTES]" in done.stdout
    assert done.exit_code == 1


def test_gratuitous_arp_of_both_forms_comes_back(tmp_path: Path) -> None:
    """RFC 5227 section 3: what stands for the target's MAC address does not matter."""
    frame = first("v2-noauth", "garp").frame
    zeros = frame[:32] + bytes(6) + frame[38:]
    packets, _ = as_json("--roundtrip", captured(tmp_path, frame, zeros, zeros.ljust(60, b"\0")))
    assert [packet["same"] for packet in packets] == [True] * 3
    (packet,), _ = as_json("--roundtrip", captured(tmp_path, frame[:32] + b"\1" * 6 + frame[38:]))
    assert packet["same"] is False


def test_captures_without_ethernet_and_with_vlan_tags(tmp_path: Path) -> None:
    for vector in (first("v2-noauth"), first("v3-ipv6"), first("v3-ipv6", "na"), first("v2-noauth", "garp")):
        frame = vector.frame
        tagged = frame[:12] + b"\x81\x00\x00\x05" + frame[12:]
        cooked = bytes(14) + frame[12:]
        for link, data in ((1, tagged.ljust(64, b"\0")), (113, cooked)):
            (packet,), summary = as_json("--roundtrip", captured(tmp_path, data, link=link))
            assert (packet["holds"], packet["same"], summary["changed"]) == (True, True, 0), (vector.place, link)


def test_what_is_cut_off_or_none_of_this(tmp_path: Path) -> None:
    frame = first("v2-noauth").frame
    (tmp_path / "cut").write_bytes(pcap([frame], snap=50))
    done = decode(tmp_path / "cut")
    assert "4 bytes of it were not recorded" in done.stdout
    assert done.exit_code == 1
    other_ah = first("v2-ah").frame[:34] + b"\x06" + first("v2-ah").frame[35:]
    other_arp = bytes(12) + b"\x08\x06" + bytes(40)
    solicited = first("v3-ipv6", "na").frame[:54] + b"\x87" + first("v3-ipv6", "na").frame[55:]
    _, summary = as_json(captured(tmp_path, other_ah, other_arp, solicited))
    assert (summary["packets"], summary["others"]) == (0, 3)


def test_lines_of_json_that_hold_no_frame(tmp_path: Path) -> None:
    lines = ['{"hex": "xyz"}', '{"hex": 5}', json.dumps({"hex": "00" * 60}), json.dumps({"hex": "", "t": 1})]
    lines.append(json.dumps({"hex": first("v2-noauth").frame.hex(), "t": "soon"}))
    (tmp_path / "lines").write_text("\n".join(lines))
    packets, summary = as_json(tmp_path / "lines")
    assert [packet["ok"] for packet in packets] == [False] * 3
    assert summary["others"] == 2
    assert "hex" in packets[0]["text"]


def test_mutated_frames_are_findings() -> None:
    readers = [protocol(read_ring((), "", PASSWORDS)) for protocol in PROTOCOLS]
    chance, seen = random.Random(1), Counter[bool | None]()
    frames = [vector.frame for number, vector in enumerate(vectors()) if number % 5 == 0]
    for _ in range(4000):
        data = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(12, len(data))] = chance.randrange(256)
        if chance.randrange(4) == 0:
            del data[chance.randrange(len(data)) :]
        packet = Payloads("x").read(Frame(1, None, bytes(data), 0))
        reader = packet and next((reader for reader in readers if reader.claims(packet)), None)
        if packet and reader:
            finding = reader.judge(packet, True)
            assert isinstance(finding, Finding)
            seen[finding.holds] += 1
    assert seen[False] > 1000
    assert seen[True] > 100
