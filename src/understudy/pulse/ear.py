"""What comes over the links, as events for the core; what is refused is counted by its reason.

There is one ear for each protocol: this file has that of our own, ``old_ear.py`` that of Heartbeat 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..adapters.udp import Datagram
from ..events import Received
from ..messages import Message
from ..old_pair import OldEvent
from ..units import SECOND, Duration, Instant
from ..vrrp import RouterEvent
from ..wire.native import Opener, agreed_version
from ..wire.reject import Reject
from .mouth import Mouth
from .senders import Senders


class Ear(Protocol):
    """``rejected`` counts what was refused since the start, by its reason. Nothing here waits or raises."""

    @property
    def rejected(self) -> dict[str, int]: ...
    def hear(self, datagram: Datagram, now: Instant) -> Sequence[OldEvent | RouterEvent]:
        """What ``datagram`` says, in order; ``now`` was read after it was received."""
        ...

    def tidings(self, now: Instant, mouth: Mouth) -> Sequence[OldEvent | RouterEvent]:
        """Once a second: what the core should know of this machine, and the mouth of what was heard."""
        ...

    def sentences(self, now: Instant) -> list[str]:
        """For the status: who sends what is refused."""
        ...


@dataclass(slots=True)
class NativeEar:
    """For ``wire.native``. ``dead_time``: versions heard in the last ten of them are agreed with."""

    opener: Opener
    dead_time: Duration
    senders: Senders = field(default_factory=Senders)
    rejected: dict[str, int] = field(default_factory=dict)
    first: Callable[[str, Message], None] | None = None
    """Told of the sender, and of what it says, before it is passed on."""
    _versions: dict[str, tuple[int, Instant]] = field(default_factory=dict)

    def hear(self, datagram: Datagram, now: Instant) -> Sequence[OldEvent]:
        envelope = self.opener.open(datagram.data)
        if isinstance(envelope, Reject):
            reason = str(envelope.reason)
            self.rejected[reason] = self.rejected.get(reason, 0) + 1
            self.senders.refused(reason, datagram.source, datagram.network, now)
            return ()
        if self.first is not None:
            self.first(envelope.sender, envelope.message)
        self._versions[envelope.sender] = (envelope.version, now)
        self.senders.heard(envelope.sender, envelope.incarnation, datagram.source, datagram.network, now)
        return (
            Received(
                datagram.network,
                envelope.sender,
                envelope.incarnation,
                envelope.counter,
                envelope.message,
                datagram.arrival,
            ),
        )

    def tidings(self, now: Instant, mouth: Mouth) -> Sequence[OldEvent]:
        recent = now - 10 * max(self.dead_time, SECOND)
        self._versions = {name: heard for name, heard in self._versions.items() if heard[1] >= recent}
        mouth.agree(agreed_version(tuple(version for version, _ in self._versions.values())))
        return ()

    def sentences(self, now: Instant) -> list[str]:
        return self.senders.sentences(now)
