"""The old protocol's packets as messages of its core, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from understudy.adapters.old_media import OldMedia
from understudy.adapters.udp import Datagram
from understudy.effects import Send
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.heartbeat_files import AutoFailback, HeartbeatFiles, SigningKey
from understudy.messages import Inquiry
from understudy.old_pair import HostSeen, OldReceived, SendOld
from understudy.pulse.old_ear import OldEar, OldMouth, keys_of, mouth_of
from understudy.units import NEVER, SECOND
from understudy.wire.heartbeat3 import Auth, Framing, Method, Opened, encode, inner_signature, open_message

FILES = HeartbeatFiles(
    folder="/etc/ha.d",
    nodes=("ha01", "ha02"),
    media=(),
    keepalive=SECOND,
    deadtime=10 * SECOND,
    warntime=5 * SECOND,
    initdead=30 * SECOND,
    deadping=10 * SECOND,
    auto_failback=AutoFailback.ON,
    keys=(SigningKey(1, "sha1", b"secret"), SigningKey(3, "md5", b"older"), SigningKey(4, "crc")),
    outgoing=1,
)
AUTH = Auth(1, Method.SHA1, b"secret")
MESSAGE = OldMessage(text_fields(t="status", st="active", src="ha02", seq="1f", hg="5", ts="6b00bba8"))
TTY = "/dev/ttyS0"


@dataclass
class PretendMedia:
    """Takes what ``OldMedia`` would send."""

    serial: frozenset[str] = frozenset()
    due: int | None = None
    sent: list[tuple[bytes, bytes, str]] = field(default_factory=list)

    def send(self, data: bytes, text: bytes, subject: str = "") -> int:
        self.sent.append((data, text, subject))
        return 1

    def next_deadline(self) -> int | None:
        return self.due


def ear() -> OldEar:
    return OldEar(keys_of(FILES), frozenset({TTY}))


def mouth(media: PretendMedia, **changes: Any) -> OldMouth:
    from dataclasses import replace

    return mouth_of(replace(FILES, **changes), cast(OldMedia, media), keys_of(FILES))


def heard(data: bytes, network: str = "eth1") -> Datagram:
    return Datagram(network, data, 7 * SECOND, "192.0.2.2")


@pytest.mark.parametrize("framing", list(Framing))
def test_a_signed_packet_is_a_message_whatever_its_framing(framing: Framing) -> None:
    (event,) = ear().hear(heard(encode(MESSAGE, AUTH, framing)), 8 * SECOND)
    assert isinstance(event, OldReceived)
    assert (event.link, event.arrival) == ("eth1", 7 * SECOND)
    assert event.message.get("st") == "active"


def test_every_line_of_authkeys_is_accepted() -> None:
    for auth in (AUTH, Auth(3, Method.MD5, b"older"), Auth(4, Method.CRC)):
        assert len(ear().hear(heard(encode(MESSAGE, auth)), 0)) == 1


def test_what_is_refused_is_counted_by_its_reason_and_its_sender_named() -> None:
    listener = ear()
    bad = [encode(MESSAGE, Auth(1, Method.SHA1, b"another")), encode(MESSAGE, Auth(9, Method.MD5, b"x")), b"garbage"]
    for data in (*bad, bad[0]):
        assert not listener.hear(heard(data), SECOND)
    assert listener.rejected == {"bad-signature": 2, "unknown-key": 1, "not-ours": 1}
    assert any("bad-signature" in text and "192.0.2.2" in text for text in listener.sentences(2 * SECOND))


def test_a_serial_line_is_a_stream_of_its_own() -> None:
    listener = ear()
    stream = encode(MESSAGE, AUTH, Framing.STRING) * 3
    found = []
    for at in range(0, len(stream), 50):
        found += listener.hear(heard(stream[at : at + 50], TTY), SECOND)
        found += listener.hear(heard(encode(MESSAGE, AUTH), "eth1"), SECOND)
    assert [event.link for event in found if isinstance(event, OldReceived)].count(TTY) == 3


def test_the_clock_and_the_load_are_told() -> None:
    (told,) = ear().tidings(0, mouth(PretendMedia()))
    assert isinstance(told, HostSeen)
    assert told.wall_clock > 1_700_000_000_000
    assert len(told.load.split()) == 5


def test_a_message_goes_out_in_both_framings_signed_by_our_key() -> None:
    media = PretendMedia(serial=frozenset({TTY}))
    mouth(media).send(SendOld(MESSAGE))
    ((data, text, subject),) = media.sent
    assert subject == "status"
    for packet in (data, text):
        opened = open_message(keys_of(FILES), packet)
        assert isinstance(opened, Opened)
        assert opened.index == 1
    assert inner_signature(keys_of(FILES), open_message(keys_of(FILES), data).message) == 1  # type: ignore[union-attr]


def test_netstring_messages_have_no_inner_signature_and_without_a_line_no_string_form_is_made() -> None:
    media = PretendMedia()
    mouth(media, msgfmt="netstring").send(SendOld(OldMessage(text_fields(t="starting", src="ha01"))))
    ((data, text, subject),) = media.sent
    opened = open_message(keys_of(FILES), data)
    assert isinstance(opened, Opened)
    assert inner_signature(keys_of(FILES), opened.message) is None
    assert (text, subject) == (b"", "")


def test_long_messages_are_compressed_where_ha_cf_says_so() -> None:
    long = OldMessage((*MESSAGE.fields, *text_fields(info="x" * 5000)))
    for algorithm in ("zlib", "bz2"):
        media = PretendMedia()
        mouth(media, traditional_compression=True, compression=algorithm).send(SendOld(long))
        opened = open_message(keys_of(FILES), media.sent[0][0])
        assert isinstance(opened, Opened)
        assert opened.packed == algorithm
        assert len(media.sent[0][0]) < 1000


def test_managers_have_no_words_for_each_other() -> None:
    media = PretendMedia()
    mouth(media).send(Send(Inquiry("ha02", 1, "history", "")))
    assert media.sent == []


def test_a_slow_line_asks_to_be_drained() -> None:
    assert mouth(PretendMedia()).next_deadline() == NEVER
    assert mouth(PretendMedia(due=3 * SECOND)).next_deadline() == 3 * SECOND
