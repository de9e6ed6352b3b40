"""The ear and the mouth for the protocol of Linux-HA Heartbeat 3: its packets on its media, as messages of its core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..adapters.old_media import OldMedia
from ..adapters.udp import Datagram
from ..effects import Send
from ..heartbeat3 import OldMessage
from ..heartbeat_files import HeartbeatFiles
from ..old_pair import HostSeen, OldEvent, OldReceived, SendOld
from ..units import MILLISECOND, NEVER, Instant
from ..wire.heartbeat3 import Auth, Framing, Keys, Method, Opened, Packing, Refusal, encode, open_message
from ..wire.heartbeat3_serial import SerialReader
from .mouth import Mouth
from .senders import Senders

_LOAD = "/proc/loadavg"


def keys_of(files: HeartbeatFiles) -> Keys:
    """The lines of authkeys, as the wire wants them."""
    return Keys((Auth(key.index, Method(key.method), key.key) for key in files.keys), files.outgoing)


@dataclass(slots=True)
class OldEar:
    """``lines``: the media that are streams. A refused packet is counted by its reason, and its sender remembered."""

    keys: Keys
    lines: frozenset[str]
    senders: Senders = field(default_factory=Senders)
    rejected: dict[str, int] = field(default_factory=dict)
    heard: Callable[[int, OldMessage, Instant], None] = lambda _, __, ___: None
    """Told of each message, and of the index that it is signed with."""
    again: Callable[[Instant], None] = lambda _: None
    """Called every second."""
    _readers: dict[str, SerialReader] = field(default_factory=dict)
    _load: int = -1

    def hear(self, datagram: Datagram, now: Instant) -> Sequence[OldEvent]:
        heard = []
        for found in self._opened(datagram):
            if isinstance(found, Opened):
                self.heard(found.index, found.message, now)
                heard.append(OldReceived(datagram.network, found.message, datagram.arrival))
            else:
                self._refuse(found, datagram, now)
        return heard

    def _opened(self, datagram: Datagram) -> Sequence[Opened | Refusal]:
        if datagram.network not in self.lines:
            return (open_message(self.keys, datagram.data),)
        reader = self._readers.get(datagram.network)
        if reader is None:
            reader = self._readers[datagram.network] = SerialReader(self.keys)
        return reader.feed(datagram.data)

    def _refuse(self, refusal: Refusal, datagram: Datagram, now: Instant) -> None:
        reason = str(refusal.reason)
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.senders.refused(reason, datagram.source, datagram.network, now)

    def tidings(self, now: Instant, mouth: Mouth) -> Sequence[OldEvent]:
        """The clock on the wall and the load: both stand in every message of this protocol."""
        self.again(now)
        return (HostSeen(time.time_ns() // MILLISECOND, self._read_load()),)

    def _read_load(self) -> str:
        try:
            if self._load < 0:
                self._load = os.open(_LOAD, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._load, 128, 0).decode("ascii", "replace").strip()
        except OSError:
            return ""

    def sentences(self, now: Instant) -> list[str]:
        return self.senders.sentences(now)


@dataclass(slots=True)
class OldMouth:
    """Signs with the key that ``auth`` names. ``inner``: ``msgfmt classic``, with the signature of the string form as well."""

    media: OldMedia
    auth: Auth
    inner: bool = True
    packing: Packing | None = None

    @property
    def counter(self) -> int:
        """Their order is not that of notes: messages may be sent again."""
        return 0

    def send(self, effect: Send | SendOld) -> None:
        if not isinstance(effect, SendOld):
            return  # managers have no words for each other in this protocol
        message = effect.message
        data = encode(message, self.auth, inner=self.inner, packing=self.packing)
        text = encode(message, self.auth, Framing.STRING) if self.media.serial else b""
        self.media.send(data, text, "status" if message.get("t") == "status" else "")

    def agree(self, version: int) -> None:
        """This protocol has one version."""

    def next_deadline(self) -> Instant:
        due = self.media.next_deadline()
        return NEVER if due is None else due


def mouth_of(files: HeartbeatFiles, media: OldMedia, keys: Keys) -> OldMouth:
    """As ``msgfmt`` and the directives about compression want it."""
    packing = None
    if files.traditional_compression:
        packing = Packing(files.compression, files.compression_threshold * 1024)
    return OldMouth(media, keys.sending, files.msgfmt == "classic", packing)
