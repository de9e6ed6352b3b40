"""What ``understudy decode`` is made of: frames of captures, key files, and the words for messages."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from decode_samples import echo, ethernet, ipv4, ipv6, ipv6_fragments, options, pcap, pcapng, udp
from hypothesis import given
from hypothesis import strategies as st

from understudy.cli.decode import command
from understudy.cli.decode_capture import BadCapture, Frame, frames
from understudy.cli.decode_frames import MOST_REASSEMBLED, Payloads
from understudy.cli.decode_keys import parse_authkeys
from understudy.cli.decode_old_words import WORDS, words
from understudy.errors import UnderstudyError
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.wire.heartbeat3 import Auth, Method, encode

KEY = bytes(range(32))
PACKET = encode(OldMessage(text_fields(t="status", st="active", src="node-a", seq="1f")), Auth(1, Method.CRC))


def written(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "file").write_bytes(data)
    return tmp_path / "file"


def test_fragments_without_an_end_do_not_pile_up() -> None:
    payloads = Payloads("x")
    for number in range(1000):
        payloads.read(Frame(101, None, ipv4(bytes(64), more=True, number=number), 0))
    assert len(payloads._fragments._open) == MOST_REASSEMBLED


# Damaged frames ----------------------------------------------------------------------------------------------------


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randint(1, len(changed))] if chance.random() < 0.2 else changed)


SEEDS: tuple[Callable[[list[bytes]], bytes], ...] = (
    pcap,
    pcapng,
    lambda frames: pcapng(frames, order=">", resolution=None),
)


@pytest.mark.parametrize("make", SEEDS)
def test_mutated_captures_end_in_a_value(make: Callable[[list[bytes]], bytes]) -> None:
    chance = random.Random(5)
    whole = udp(PACKET)
    inside = [ipv4(whole), ipv6(options(17, whole), 0), *ipv6_fragments(whole, 17, 96), ipv4(echo(8, PACKET), 1)]
    data = make([ethernet(item) for item in inside])
    for _ in range(2000):
        payloads = Payloads("x")
        try:
            for frame in frames(BytesIO(mutated(data, chance))):
                payloads.read(frame)
        except BadCapture:
            pass


@given(st.binary(max_size=120), st.sampled_from((0, 1, 12, 101, 108, 113, 228, 229, 276, 147)))
def test_any_frame_is_a_value(data: bytes, link: int) -> None:
    payloads = Payloads("x")
    for prefix in (b"", ethernet(ipv4(b""))[:34], ethernet(ipv6(b""))[:54]):
        payloads.read(Frame(link, 0, prefix + data, 0))


# Words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"t": "status", "st": "up", "dt": "bb8", "seq": "a"}, "#10 heartbeat: up; dead after 3 s of silence"),
        ({"t": "status"}, "heartbeat: ?"),
        ({"t": "status", "dt": "zz", "seq": "-"}, "heartbeat: ?"),
        ({"t": "NS_ackmsg", "ackseq": "1f"}, "has all up to #31"),
        ({"t": "NS_ackmsg", "ackseq": "x"}, "has all up to #x"),
        ({"t": "NS_rexmit", "firstseq": "12", "lastseq": "12"}, "please send #12 again"),
        ({"t": "NS_rexmit", "firstseq": "12", "lastseq": "14"}, "please send #12 to #14 again"),
        ({"t": "NS_nak_rexmit", "firstseq": "c", "info": "gone"}, "cannot send #12 again (gone)"),
        ({"t": "resource", "rsc_hold": "all", "rtype": "full", "isstable": "1"}, "holds all groups, stable"),
        (
            {"t": "resource", "rsc_hold": "foreign", "info": "mach_down"},
            "holds the other's groups as well (mach_down)",
        ),
        ({"t": "resource", "rsc_hold": "none", "rtype": "full", "isstable": "0"}, "holds nothing, not stable yet"),
        ({"t": "ask_resources", "rsc_hold": "all", "info": "me"}, "standby: would give up all groups"),
        ({"t": "ask_resources", "rsc_hold": "local", "info": "done"}, "standby: done on this side (local)"),
        ({"t": "stonith", "node": "b", "result": "n_stnth"}, "b was not fenced: no device is configured"),
        ({"t": "stonith", "node": "b", "result": "odd"}, "b fencing: odd"),
        ({"t": "repnodes", "nodelist": "a b ", "delnodelist": " "}, "the nodes are a b"),
        (
            {"t": "ip-request-resp", "ipaddr": "10.0.0.1", "weown": "yes", "ok": "OK"},
            "you may take 10.0.0.1: it is not running here any more (OK)",
        ),
        ({"t": "news", "what": "x", "ttl": "3"}, "news: what=x"),
        ({"what": "x"}, "a message without a type: what=x"),
        ({"t": "status", "seq": "f" * 5000}, "heartbeat: ?"),
    ],
)
def test_messages_in_words(fields: dict[str, str], expected: str) -> None:
    assert words(OldMessage(text_fields(**fields))) == expected


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_every_type_has_words_also_when_it_is_empty(kind: str) -> None:
    assert words(OldMessage(text_fields(t=kind)))


# Key files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("auth 1\n1 md4 key\n", "2:3", 'unknown method "md4"'),
        ("auth 1\n1 md5\n", "2:3", "md5 needs a key"),
        ("auth 1\n1 crc key\n", "2:7", "crc takes no key"),
        ("auth 16\n", "1:6", "from 0 to 15"),
        ("auth\n", "1:1", "names no key"),
        ("  x sha1 key\n", "1:3", "not the index of a key"),
        ("1 crc\nauth 1\n", "2:1", "Heartbeat does not find it"),
        ("auth 2\n1 crc\n", "1:6", "names a key that is not there"),
        ("# nothing\n", "", "no auth line says which key signs"),
    ],
)
def test_a_wrong_authkeys_says_where(tmp_path: Path, text: str, where: str, what: str) -> None:
    with pytest.raises(UnderstudyError) as caught:
        parse_authkeys(text.encode(), "authkeys")
    assert (f"authkeys:{where}" if where else "authkeys: ") in str(caught.value)
    assert what in str(caught.value)
    line = [sys.executable, "-m", "understudy", "decode", "--keys", str(written(tmp_path, text.encode())), "x"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert what in done.stderr


def test_authkeys_as_the_old_program_reads_it() -> None:
    keys = parse_authkeys(b"\n  # note\nauth 3\r\n  1 crc\r\n3\tsha1  the-key rest\n", "authkeys")
    assert keys.sending == Auth(3, Method.SHA1, b"the-key")
    assert keys.get(1) == Auth(1, Method.CRC)


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnderstudyError, match=r"cannot read .*none: No such file"):
        CliRunner().invoke(
            command, ["--keys", str(tmp_path / "none"), "x"], catch_exceptions=False, standalone_mode=False
        )


def test_a_bad_key_of_ours_says_where(tmp_path: Path) -> None:
    path = written(tmp_path, b"# ours\n" + KEY.hex().encode() + b"\n" + b"ab" * 20 + b"\n")
    with pytest.raises(UnderstudyError, match="file:3:1: error: this line is not a key"):
        CliRunner().invoke(command, ["--keys", str(path), "x"], catch_exceptions=False, standalone_mode=False)
