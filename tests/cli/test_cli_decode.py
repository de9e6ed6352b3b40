"""``understudy decode``: captures of every kind, serial logs, records; what it says of them, and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from decode_samples import A6, CLOCK, LINKS, echo, ethernet, ipv4, ipv6, ipv6_fragments, options, pcap, pcapng, udp

from understudy.cli.decode import Count, command, decode_file, summary_text
from understudy.cli.decode_old_words import WORDS
from understudy.cli.decode_packet import Finding, Packet
from understudy.cli.decode_sources import Source
from understudy.cli.render_text import Paint
from understudy.config.keys import format_keys
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.messages import Bid, Heartbeat
from understudy.wire.heartbeat3 import Auth, Framing, Method, Packing, encode
from understudy.wire.native import Sealer, outside

sys.path.insert(0, str(Path(__file__).parent.parent / "wire"))

from wire_samples import SAMPLES, state

RECORDS = Path(__file__).parent.parent / "wire" / "heartbeat3"
AUTH = Auth(2, Method.SHA1, b"secret-key")
AUTHKEYS = "# for the tests\nauth 2\n1 crc\n2 sha1 secret-key and a comment\n"
KEY = bytes(range(32))


def heartbeat(number: int = 1, **more: str) -> OldMessage:
    return OldMessage(text_fields(t="status", st="active", dt="bb8", src="node-a", seq=f"{number:x}", ts="1", **more))


PACKET = encode(heartbeat(31), AUTH)


@pytest.fixture
def authkeys(tmp_path: Path) -> str:
    (tmp_path / "authkeys").write_text(AUTHKEYS)
    return str(tmp_path / "authkeys")


@pytest.fixture
def cluster_key(tmp_path: Path) -> str:
    (tmp_path / "cluster.key").write_text(format_keys((KEY,)))
    return str(tmp_path / "cluster.key")


def decode(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def as_json(*words: str | Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The packets, and the summary."""
    done = decode("--json", *words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["kind"] == "summary"
    assert lines[-1]["ok"] is (done.exit_code == 0)
    return lines[:-1], lines[-1]


def written(tmp_path: Path, data: bytes, name: str = "file") -> Path:
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


# What is printed ---------------------------------------------------------------------------------------------------


def test_a_line_for_people(tmp_path: Path, authkeys: str) -> None:
    done = decode("--keys", authkeys, "--roundtrip", written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))])))
    first, last = done.stdout.splitlines()
    assert first[19:] == (
        ".123456 node-a → all: #31 heartbeat: active; dead after 3 s of silence (192.0.2.1:40000 → 192.0.2.2:694)"
        " [sha1 2 holds] [same bytes]"
    )
    assert last == "1 packet: 1 hold, 1 come back with the same bytes"
    assert done.exit_code == 0


def test_json_has_all_of_it(tmp_path: Path, authkeys: str) -> None:
    (packet,), summary = as_json("--keys", authkeys, written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))], nano=True)))
    assert packet["clock_ns"] == CLOCK
    assert (packet["protocol"], packet["framing"], packet["index"]) == ("heartbeat3", "netstring", 2)
    assert packet["fields"][0] == [0, "t", "status"]
    assert (packet["holds"], packet["same"], packet["ok"]) == (True, None, True)
    assert (summary["packets"], summary["held"], summary["schema"]) == (1, 1, 1)


def test_without_keys_nothing_is_judged(tmp_path: Path) -> None:
    (packet,), summary = as_json(written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))])))
    assert packet["holds"] is None
    assert "no authkeys" in packet["seal"]
    assert summary["unchecked"] == 1


def test_a_wrong_key_says_why_and_shows_the_message_still(tmp_path: Path, authkeys: str) -> None:
    other = encode(heartbeat(), replace(AUTH, secret=b"another"))
    unknown = encode(heartbeat(), replace(AUTH, index=9))
    done = decode("--keys", authkeys, written(tmp_path, pcap([ethernet(ipv4(udp(data))) for data in (other, unknown)])))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert "node-a → all: #1 heartbeat: active" in lines[0]
    assert "[WRONG: bad-signature: the sha1 signature with index 2 is not that of our key]" in lines[0]
    assert "[WRONG: unknown-key: signed with index 9, which authkeys does not have]" in lines[1]
    assert lines[2] == "2 packets: 0 hold, 2 wrong"
    assert "secret-key" not in done.output


def test_several_key_files(tmp_path: Path, authkeys: str) -> None:
    (tmp_path / "older").write_text("auth 2\n2 md5 older\n")
    older = encode(heartbeat(), Auth(2, Method.MD5, b"older"))
    capture = written(tmp_path, pcap([ethernet(ipv4(udp(data))) for data in (PACKET, older)]))
    assert decode("--keys", authkeys, "--keys", tmp_path / "older", capture).exit_code == 0
    assert decode("--keys", authkeys, capture).exit_code == 1


def test_an_inner_signature_is_looked_at_as_well(tmp_path: Path, authkeys: str) -> None:
    forged = OldMessage((*heartbeat().fields, *text_fields(auth="2 " + "0" * 40)))
    done = decode("--keys", authkeys, written(tmp_path, pcap([ethernet(ipv4(udp(encode(forged, AUTH))))])))
    assert done.exit_code == 1
    assert "the inner signature does not hold" in done.stdout
    good = encode(heartbeat(), AUTH, inner=True)
    assert decode("--keys", authkeys, written(tmp_path, pcap([ethernet(ipv4(udp(good)))]))).exit_code == 0


class Forgetful:
    """A protocol whose encoding has lost something. Ours have one spelling for all that they accept."""

    name = "forgetful"

    def claims(self, packet: Packet) -> bool:
        return True

    def judge(self, packet: Packet, again: bool) -> Finding:
        return Finding(self.name, "a", "b", "hello", True, "holds", False if again else None)


def test_other_bytes_from_the_round_trip_do_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))]))
    for again, good in ((False, True), (True, False)):
        count = Count()
        decode_file(Source(str(capture)), [Forgetful()], again, count, Paint(False))
        assert count.good is good
        assert ("[OTHER BYTES]" in capsys.readouterr().out) is again
        assert ("1 with others" in summary_text(count, again, Paint(False))) is again


def test_control_characters_of_strangers_do_not_reach_the_terminal(tmp_path: Path) -> None:
    evil = encode(heartbeat(info="\x1b[2J\x9b31m\r\n", more="\u202e"), AUTH)
    odd = encode(OldMessage(text_fields(t="odd\x07", src="\x1b]0;x\x07", info="a\nb\x1b[1m")), AUTH)
    done = decode(written(tmp_path, pcap([ethernet(ipv4(udp(data))) for data in (evil, odd)])))
    assert not set(done.stdout) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}
    assert "info=a\\nb\\x1b[1m" in done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_text_that_is_no_utf8_can_be_printed(tmp_path: Path, authkeys: str) -> None:
    message = OldMessage(text_fields(t="x", src=b"\xff\xe9".decode("utf-8", "surrogateescape")))
    capture = written(tmp_path, pcap([ethernet(ipv4(udp(encode(message, AUTH))))]))
    assert decode("--keys", authkeys, "--roundtrip", capture).exit_code == 0
    assert as_json("--keys", authkeys, capture)[0][0]["fields"][1] == [0, "src", "\udcff\udce9"]


def test_colour_only_on_a_terminal(tmp_path: Path) -> None:
    capture = written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))]))
    line = [sys.executable, "-m", "understudy", "decode", str(capture)]
    plain = subprocess.run(line, capture_output=True, check=True).stdout
    assert b"\x1b" not in plain
    mine, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    subprocess.run(line, stdout=theirs, env=environment, check=True)
    os.close(theirs)
    assert b"\x1b[33m" in os.read(mine, 4096)
    os.close(mine)


# Files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["pcap", "nano", "pcapng", "pcapng-micro", "pcapng-binary"])
def test_every_capture_is_read(tmp_path: Path, authkeys: str, link: str, order: str, form: str) -> None:
    number, wrap = LINKS[link]
    inside = [wrap(ipv4(udp(PACKET))), wrap(ipv4(udp(encode(heartbeat(2), AUTH))))]
    if link != "raw4":
        inside.append(wrap(ipv6(udp(encode(heartbeat(3), AUTH)))))
    resolution = {"pcapng": 9, "pcapng-micro": None, "pcapng-binary": 0x80 | 30}
    if form.startswith("pcapng"):
        data = pcapng(inside, number, order, resolution[form])
    else:
        data = pcap(inside, number, order, form == "nano")
    packets, summary = as_json("--keys", authkeys, "--roundtrip", written(tmp_path, data))
    assert [packet["holds"] for packet in packets] == [True] * len(inside)
    assert summary["same"] == len(inside)
    assert abs(packets[0]["clock_ns"] - CLOCK) < 1000
    assert packets[-1]["target"] == ("192.0.2.2:694" if link == "raw4" else "[2001:db8::2]:694")


def test_frames_without_a_time(tmp_path: Path) -> None:
    (packet,), _ = as_json(written(tmp_path, pcapng([ethernet(ipv4(udp(PACKET)))], simple=True)))
    assert packet["clock_ns"] is None
    assert decode(tmp_path / "file").stdout.startswith(f"{tmp_path}/file:1 node-a")


@pytest.mark.parametrize("vlans", [1, 2])
def test_vlan_tags_are_skipped(tmp_path: Path, vlans: int) -> None:
    assert as_json(written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)), vlans)])))[1]["packets"] == 1


def test_pings_carry_messages_and_plain_ones_do_not(tmp_path: Path, authkeys: str) -> None:
    asked = encode(OldMessage(text_fields(t="NS_st", st="ping", info="ping", src="192.0.2.254", ts="1")), AUTH)
    pings = [
        ipv4(echo(8, asked), 1),
        ipv4(echo(0, asked), 1),
        ipv4(echo(8, bytes(range(56))), 1),
        ipv4(echo(3, asked), 1),
    ]
    pings += [ipv6(echo(128, asked), 58), ipv6(echo(129, asked), 58), ipv6(options(58, echo(128, asked)), 0)]
    packets, summary = as_json("--keys", authkeys, written(tmp_path, pcap([ethernet(item) for item in pings])))
    kinds = [packet["transport"].removeprefix("icmp-echo-") for packet in packets]
    assert kinds == ["request", "reply", "request", "reply", "request"]
    assert [packet["text"] for packet in packets[:2]] == ["asks whether it answers", "ping node answers"]
    assert (packets[0]["receiver"], packets[1]["sender"]) == ("192.0.2.254", "192.0.2.254")
    assert packets[4]["source"] == A6
    assert summary["others"] == 2


def test_fragments_are_put_together(tmp_path: Path, authkeys: str) -> None:
    whole = udp(encode(heartbeat(info="x" * 3000), AUTH))
    pieces = [ipv4(whole[at : at + 1480], offset=at, more=at + 1480 < len(whole)) for at in range(0, len(whole), 1480)]
    assert len(pieces) == 3
    for order in ((0, 1, 2), (2, 0, 1), (1, 1, 2, 0)):
        capture = written(tmp_path, pcap([ethernet(pieces[place]) for place in order]))
        assert as_json("--keys", authkeys, capture)[1]["held"] == 1
    capture = written(tmp_path, pcap([ethernet(piece) for piece in ipv6_fragments(whole, 17, 1448)]))
    assert as_json("--keys", authkeys, capture)[1]["held"] == 1
    assert as_json(written(tmp_path, pcap([ethernet(pieces[0])])))[1]["packets"] == 0


def test_what_the_recording_cut_off_does_not_hold(tmp_path: Path, authkeys: str) -> None:
    capture = written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))], snap=120))
    done = decode("--keys", authkeys, capture)
    assert done.exit_code == 1
    assert "bytes of it were not recorded" in done.stdout
    assert "-s 0" in done.stdout


def test_other_traffic_is_left_out_but_not_what_goes_to_the_port(tmp_path: Path) -> None:
    others = [ipv4(udp(b"a question", 53)), ipv4(bytes(40), 6), ipv6(udp(b"x", 123))]
    nonsense = ipv4(udp(b"nonsense", 694))
    frames_ = [ethernet(item) for item in (*others, nonsense)] + [bytes(60), b"", bytes(12) + b"\x08\x06" + bytes(40)]
    done = decode(written(tmp_path, pcap(frames_)))
    assert done.exit_code == 1
    assert "not-ours: it begins with neither ### nor >>>" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 packet: 0 hold, 1 wrong, 6 of other protocols left out"


def test_a_damaged_capture_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = pcap([ethernet(ipv4(udp(PACKET)))] * 3)
    done = decode(written(tmp_path, data[:-10]))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("2 packets")
    assert f"{tmp_path}/file: the file is cut off here" in done.stderr
    huge = data + struct.pack("<4I", 1, 1, 1 << 30, 1 << 30)
    assert "a frame of 1073741824 bytes: the file is damaged" in decode(written(tmp_path, huge)).stderr


def test_a_serial_log(tmp_path: Path, authkeys: str) -> None:
    lines = [encode(heartbeat(number), AUTH, Framing.STRING) for number in range(1, 4)]
    log = b"ello\n" + lines[0] + b"\xff\x00noise\r\n" + lines[1].replace(b"\n", b"\r\n") + lines[2]
    packets, summary = as_json("--keys", authkeys, "--roundtrip", written(tmp_path, log))
    assert [packet["transport"] for packet in packets] == ["serial"] * 3
    assert (summary["held"], summary["same"], summary["noise"]) == (3, 3, 13)
    broken = decode("--keys", authkeys, written(tmp_path, lines[0][:-4] + lines[1] + lines[2][:-4]))
    assert broken.exit_code == 1
    assert broken.stdout.count("WRONG: cannot be read") == 2


def test_a_file_that_is_nothing(tmp_path: Path) -> None:
    done = decode(written(tmp_path, b"just some text\nof two lines\n"))
    assert done.exit_code == 1
    assert "there is no capture, no JSON lines and no message of a serial line in it" in done.stderr
    assert decode(written(tmp_path, b"")).exit_code == 0


def test_one_packet_in_a_file_and_compressed(tmp_path: Path, authkeys: str) -> None:
    data = encode(heartbeat(), AUTH, packing=Packing("bz2", 0))
    done = decode("--keys", authkeys, "--roundtrip", written(tmp_path, data))
    assert "heartbeat: active; dead after 3 s of silence [bz2] [sha1 2 holds] [same bytes]" in done.stdout


def test_the_records_carry_their_keys() -> None:
    files = sorted(RECORDS.glob("[efqs]*.jsonl"))
    packets, summary = as_json("--roundtrip", *files)
    assert summary["held"] == summary["same"] == summary["packets"] == len(packets) > 1000
    assert not [packet["text"] for packet in packets if packet["text"].startswith(("a message", "?"))]
    known = {packet["fields"][0][2] for packet in packets if packet["fields"][0][1] == "t"}
    assert len(known & set(WORDS)) > 15


def test_records_of_what_was_refused(authkeys: str) -> None:
    _, summary = as_json(RECORDS / "acceptance-experiment.jsonl")
    assert (summary["held"], summary["wrong"]) == (50, 13)
    _, summary = as_json("--keys", authkeys, RECORDS / "serial-md5-classic.jsonl")
    assert summary["held"] == 0, "--keys goes before the keys of the records"


@pytest.mark.parametrize(
    "line",
    ['{"payload_b64": "%"}', "{", '{"text": 1}', "{}", '{"payload_b64": "", "t": "x"}', "[]", '{"text": null}', "\xff"],
)
def test_a_line_that_is_no_record(tmp_path: Path, line: str) -> None:
    good = '{"text": ">>>\\nt=x\\n<<<\\n", "key": {"index": 99, "method": "rot13", "key": 5}}'
    done = decode(written(tmp_path, f"{good}\n\n{line}\n".encode("latin-1")))
    assert done.exit_code == 1
    assert "file:3 this line is no record of a packet" in done.stdout


def test_standard_input(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "understudy", "decode", "-"]
    done = subprocess.run(line, input=pcap([ethernet(ipv4(udp(PACKET)))]), capture_output=True, check=True)
    assert "1 packet: 0 hold, 1 not checked" in done.stdout.decode()


def test_files_that_cannot_be_read(tmp_path: Path, authkeys: str) -> None:
    done = decode(tmp_path / "none", written(tmp_path, pcap([ethernet(ipv4(udp(PACKET)))])))
    assert done.exit_code == 1
    assert f"{tmp_path}/none: No such file or directory" in done.stderr
    assert "1 packet" in done.stdout, "the others are read"
    assert decode().exit_code == 2
    assert decode("--nonsense", "x").exit_code == 2


def test_a_large_capture_is_not_kept_in_memory(tmp_path: Path) -> None:
    """Forty times the frames, the same memory: what is read is let go."""
    code = (
        "import re, sys, contextlib\n"
        "from understudy.cli.decode import command\n"
        "with contextlib.redirect_stdout(open('/dev/null', 'w')):\n"
        "    try: command([sys.argv[1]])\n"
        "    except SystemExit: pass\n"
        "print(re.search('VmHWM:\\\\s+(\\\\d+)', open('/proc/self/status').read())[1])\n"
    )
    frame = ethernet(ipv4(udp(bytes(1400), 53)))
    sizes = []
    for number in (500, 20_000):
        capture = written(tmp_path, pcap([frame] * number))
        done = subprocess.run([sys.executable, "-c", code, str(capture)], capture_output=True, text=True, check=True)
        sizes.append(int(done.stdout))
    assert capture.stat().st_size > 25_000_000
    assert sizes[1] - sizes[0] < 8_000, "kilobytes"


# Our own protocol --------------------------------------------------------------------------------------------------


def sealed(*messages: Any, cluster: str = "site") -> bytes:
    sealer = Sealer(cluster, (KEY,), "ha01", 4711)
    return pcap([ethernet(ipv4(udp(sealer.seal(message), 7694))) for message in messages])


def test_our_own_datagrams(tmp_path: Path, cluster_key: str) -> None:
    capture = written(tmp_path, sealed(*SAMPLES))
    packets, summary = as_json("--keys", cluster_key, "--cluster", "site", "--roundtrip", capture)
    assert summary["held"] == summary["same"] == len(SAMPLES)
    assert [packet["message"]["type"] for packet in packets] == [type(message).__name__ for message in SAMPLES]
    line = decode(
        "--keys", cluster_key, "--cluster", "site", written(tmp_path, sealed(Bid("ha01", 4711, "web", 41, 5)))
    ).stdout
    assert "ha01 → all: #1 bids for web with ballot 41" in line
    assert "holds]" in line


def test_a_heartbeat_of_ours_in_words(tmp_path: Path, cluster_key: str) -> None:
    capture = written(tmp_path, sealed(Heartbeat(state(), (state("ha02", 9),))))
    line = decode("--keys", cluster_key, "--cluster", "site", capture).stdout.splitlines()[0]
    assert "heartbeat 1041: " in line
    assert "; tells of ha02 " in line


def test_the_name_of_the_cluster_stands_beside_the_key(tmp_path: Path, cluster_key: str) -> None:
    capture = written(tmp_path, sealed(SAMPLES[0]))
    (packet,), _ = as_json("--keys", cluster_key, capture)
    assert (packet["holds"], packet["seal"]) == (None, "not checked: the cluster's name is needed: --cluster NAME")
    (tmp_path / "cluster.toml").write_text('[cluster]\nname = "site"\n')
    assert as_json("--keys", cluster_key, capture)[1]["held"] == 1


def test_without_the_key_only_the_outside(tmp_path: Path) -> None:
    (packet,), summary = as_json(written(tmp_path, sealed(SAMPLES[0])))
    assert (packet["sender"], packet["counter"], packet["incarnation"], packet["holds"]) == ("ha01", 1, 4711, None)
    assert summary["ok"]
    assert outside(b"USDY" + bytes(10)) is None
    assert outside(b"nothing") is None


def test_our_own_that_do_not_hold(tmp_path: Path, cluster_key: str) -> None:
    other = tmp_path / "other.key"
    other.write_text(format_keys((bytes(reversed(KEY)),)))
    capture = written(tmp_path, sealed(SAMPLES[0]))
    cases = [(cluster_key, "elsewhere", "other-cluster"), (str(other), "site", "unknown-key")]
    for path, cluster, reason in cases:
        (packet,), summary = as_json("--keys", path, "--cluster", cluster, capture)
        assert packet["seal"].startswith(reason)
        assert summary["wrong"] == 1
    data = Sealer("site", (KEY,), "ha01", 4711).seal(SAMPLES[1])
    broken = written(tmp_path, pcap([ethernet(ipv4(udp(item, 7694))) for item in (data[:-1] + b"x", data[:20])]))
    packets, _ = as_json("--keys", cluster_key, "--cluster", "site", broken)
    assert [packet["seal"][:8] for packet in packets] == ["bad-seal", "too shor"]
