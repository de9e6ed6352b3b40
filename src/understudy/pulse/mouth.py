"""What the core wishes to be sent, as bytes on the links; ``ear.py`` is the other half. One mouth for each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..adapters.udp import UdpLinks
from ..effects import Send
from ..old_pair import SendOld
from ..units import NEVER, Instant
from ..wire.native import Sealer


class Mouth(Protocol):
    """``counter``: the number of the last datagram, 0 where datagrams have none. Nothing here waits or raises."""

    @property
    def counter(self) -> int: ...
    def send(self, effect: Send | SendOld) -> None: ...
    def agree(self, version: int) -> None:
        """All members that are heard understand this version of the protocol."""
        ...

    def next_deadline(self) -> Instant:
        """When the links want to be drained although nothing came: a slow line can take more. ``NEVER``: they need not."""
        ...


@dataclass(slots=True)
class NativeMouth:
    """For ``wire.native``. ``sealer`` may be replaced by another one of the same life."""

    sealer: Sealer
    links: UdpLinks

    @property
    def counter(self) -> int:
        return self.sealer.counter

    def send(self, effect: Send | SendOld) -> None:
        if isinstance(effect, Send):  # the native core knows no other
            self.links.send(self.sealer.seal(effect.message), effect.to, effect.link)

    def agree(self, version: int) -> None:
        self.sealer.version = version

    def next_deadline(self) -> Instant:
        return NEVER
