"""What ``understudy decode`` passes along: packets out of files, and what a protocol makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Packet:
    """The payload of one packet. ``place``: where it stood, for people. ``clock``: nanoseconds since 1970; ``since``: seconds
    since the recording began; one of them, or none. ``transport``: udp, icmp-echo-request, icmp-echo-reply, serial, file; or
    vrrp, arp, na: then ``data`` begins with the IP header or the ARP message. ``link``: the Ethernet header, b"" without one.
    ``source`` and ``target``: addresses, with the port for udp; ``ports``: both. ``missing``: bytes that the recording left out.
    ``key``: what a record of recorded packets carries. ``trouble``: why there is no payload.
    """

    place: str
    data: bytes
    transport: str
    clock: int | None = None
    since: float | None = None
    source: str = ""
    target: str = ""
    ports: tuple[int, ...] = ()
    missing: int = 0
    key: Mapping[str, Any] | None = None
    trouble: str = ""
    link: bytes = b""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a packet says, in the words of its protocol, and whether it holds.

    ``holds``: True signed by a key of ours (or unsigned by rule, and right), False not so or broken, None not checked; ``seal``
    says it in words. ``same``:
    whether encoding it again gave the same bytes, None when that was not tried. ``content``: all of it, for ``--json``.
    """

    protocol: str
    sender: str
    receiver: str
    text: str
    holds: bool | None
    seal: str
    same: bool | None = None
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return self.holds is not False and self.same is not False


class Reader(Protocol):
    """One protocol. To add another: such a class in the table of ``decode_protocols``, and where it is not UDP, its number in
    ``decode_frames``.
    """

    name: str

    def claims(self, packet: Packet) -> bool:
        """Whether the packet is one of this protocol, or stands where only such are expected."""

    def judge(self, packet: Packet, again: bool) -> Finding:
        """What it says. ``again``: encode it once more and compare. Never raises, whatever the packet holds."""


def printable(text: str) -> str:
    """For a terminal: strangers write these texts, and control characters could rewrite what stands on it."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text
    )
