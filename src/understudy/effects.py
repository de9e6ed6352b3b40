"""Everything the core can wish for. Those that act carry ``why``: a sentence for the administrator.

Effects with an ``op`` end in exactly one ``Finished(op, ...)``, or in none at all: the core has its own deadline for each.
Both matches over this union (``pulse.perform`` and ``sim.host``) end in ``assert_never``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from .messages import Message, Wish
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


class Level(Enum):
    """How much a note matters to somebody woken at night."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


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
    """Put addresses on their devices, in one batch. Already there is success."""

    op: int
    group: str
    addresses: tuple[AddressResource, ...]
    why: str


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
class Note:
    """One sentence of history, cause first."""

    why: str
    level: Level = Level.INFO
    group: str = ""
    node: str = ""


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


Effect: TypeAlias = (
    Send
    | KernelLease
    | AddAddresses
    | RemoveAddresses
    | Announce
    | ProbeAddresses
    | RunAgent
    | Fence
    | FeedWatchdog
    | CloseWatchdog
    | Reply
    | Note
    | SaveStandby
    | SaveWishes
    | Quit
)
