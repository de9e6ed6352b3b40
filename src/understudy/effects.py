"""Everything the core can wish for. Those that act carry ``why``: a sentence for the administrator.

Effects with an ``op`` end in exactly one ``Finished(op, ...)``, or in none at all: the core has its own deadline for each.
Both matches over this union (``pulse.perform`` and ``sim.host``) end in ``assert_never``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from .logline import Level as Level
from .messages import Inquiry, Message, Page, Wish
from .model import AddressResource
from .units import NEVER, Duration, Instant


class Action(Enum):
    """What an agent is asked to do."""

    START = "start"
    STOP = "stop"
    MONITOR = "monitor"


class FenceAction(Enum):
    """What a fence device is asked to do. ``OFF`` is confirmed by the device's own status afterwards."""

    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Send:
    """Seal ``message`` once and send it to member ``to`` (None: to all) over ``link`` (None: over all links)."""

    message: Message
    to: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class KernelLease:
    """Let the kernel serve the group's addresses until ``until`` (None: end it now). Renews if it runs already.

    The performer computes the time left from its clock at the moment of the system call and never grants a longer one.
    """

    group: str
    until: Instant | None
    why: str


@dataclass(frozen=True, slots=True)
class AddAddresses:
    """Put addresses on their devices, in one batch. Already there is success.

    ``announce``: each is announced as soon as it is there, and not only when the last one is.
    """

    op: int
    group: str
    addresses: tuple[AddressResource, ...]
    why: str
    announce: bool = False


@dataclass(frozen=True, slots=True)
class RemoveAddresses:
    """Take addresses off their devices, in one batch. Already gone is success."""

    op: int
    group: str
    addresses: tuple[AddressResource, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Gratuitous ARP or unsolicited NA, one frame for each address. The core schedules the repeats."""

    addresses: tuple[AddressResource, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ProbeAddresses:
    """Ask the service network whether anybody uses these addresses (RFC 5227 probes), for at most ``limit``.

    ``Finished``: OK nobody answered, FAILED somebody did (the text names address and MAC), UNKNOWN could not ask.
    """

    op: int
    group: str
    addresses: tuple[AddressResource, ...]
    limit: Duration
    why: str


@dataclass(frozen=True, slots=True)
class RunAgent:
    """Have the manager run ``action`` of a program; killed with its process group after ``limit``.

    START and STOP: OK, FAILED or UNKNOWN. MONITOR: OK (runs), NOT_RUNNING, FAILED (runs badly) or UNKNOWN. A START is not begun
    at ``until`` or later, by the clock at that moment, but answered with NOT_RUNNING: whoever was frozen with the order
    in hand may have lost the right to it.
    """

    op: int
    group: str
    resource: str
    action: Action
    limit: Duration
    ballot: int
    why: str
    until: Instant = NEVER
    former: bool = False
    """As it was before ``Reconfigured``: it is changed, or no part of its group any more."""


@dataclass(frozen=True, slots=True)
class RunProbes:
    """Have the manager ask these probes of the group, (name, number) each, and no others of it, until it is told anew.

    A number stays the same for as long as a probe is asked without a break; its answers carry it (``ProbeAnswered``).
    """

    group: str
    probes: tuple[tuple[str, int], ...]
    why: str


@dataclass(frozen=True, slots=True)
class Fence:
    """Have the manager ask all ``devices`` (names, in this order) to power ``node`` off or on.

    ``Finished``: OK only if every device did it by its own word (for OFF: exit 0, and its status then says off); FAILED or
    UNKNOWN (no answer in time: its process group was killed) otherwise. ``limit`` is for each device.
    """

    op: int
    node: str
    devices: tuple[str, ...]
    action: FenceAction
    limit: Duration
    why: str


@dataclass(frozen=True, slots=True)
class FeedWatchdog:
    """Feed the watchdog device once, if the clock does not say ``until`` or later: then the right behind it is over."""

    until: Instant


@dataclass(frozen=True, slots=True)
class CloseWatchdog:
    """Stop the watchdog device (magic close): nothing that must not run twice is left on this machine, and we are leaving."""

    why: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to ``AdminRequest(op)``. ``unknown``: nobody said whether it was done; then ``ok`` is False."""

    op: int
    ok: bool
    text: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of what ``member`` has said a node knew: the newest state and the newest datagram of that incarnation.

    In a node's mark of itself ``number`` is the newest state that it had said before, and ``counter`` is left to the performer.
    """

    member: str
    incarnation: int
    number: int
    counter: int


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of history, cause first. ``stamp``: what the node knew of everybody; put on by ``core.stamps``."""

    why: str
    level: Level = Level.INFO
    group: str = ""
    node: str = ""
    stamp: tuple[Mark, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand our manager what the manager of ``sender`` asks or answers."""

    sender: str
    message: Inquiry | Page


@dataclass(frozen=True, slots=True)
class SaveStandby:
    """Remember across restarts whether this node is in standby (manager's disk; safety does not depend on it).

    ``draining``: it keeps what no other node can take.
    """

    standby: bool
    draining: bool = False


@dataclass(frozen=True, slots=True)
class SaveWishes:
    """Remember the register of wishes across restarts (manager's disk; safety does not depend on it)."""

    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Quit:
    """A clean stop is complete; the process may end."""

    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """After ``Reconfigured``: nothing of the former configuration runs here any more; it may be forgotten."""

    digest: str


Effect: TypeAlias = (
    Send
    | KernelLease
    | AddAddresses
    | RemoveAddresses
    | Announce
    | ProbeAddresses
    | RunAgent
    | RunProbes
    | Fence
    | FeedWatchdog
    | CloseWatchdog
    | Reply
    | Note
    | Deliver
    | SaveStandby
    | Settled
    | SaveWishes
    | Quit
)
