"""Everything the core can be told. All are facts, in the past tense; all are plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from .messages import Message, Wish
from .model import Cluster
from .units import Duration, Instant


class Outcome(Enum):
    """How an operation ended. ``UNKNOWN`` covers time-outs and lost answers and is never treated as success."""

    OK = "ok"
    NOT_RUNNING = "not running"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Started:
    """The process is up. ``entropy`` seeds the core's random source; ``wall_clock`` (ms since 1970) only starts ballots.

    ``kernel_leases``: (group, time left) of leases still running in the kernel. ``addresses``: which virtual addresses are
    present now. ``carriers``: (device, has carrier) of the devices that resources use. ``standby``: as saved by the last run.
    ``quiet``: the longest dead time that any earlier run may have promised with. ``watchdog``: the time-out of the watchdog
    device as the device itself says it, 0 when none could be opened. ``watchdog_ran``: an earlier run since the machine
    booted left it counting, so programs of that run may still be here. ``wishes``: as saved by the last run. ``taking_up``:
    an earlier run had begun to take up another configuration, which is told next (``Reconfigured``).
    """

    incarnation: int
    entropy: int
    wall_clock: int
    kernel_leases: tuple[tuple[str, Duration], ...] = ()
    addresses: tuple[str, ...] = ()
    carriers: tuple[tuple[str, bool], ...] = ()
    standby: bool = False
    quiet: Duration = 0
    watchdog: Duration = 0
    watchdog_ran: bool = False
    wishes: tuple[Wish, ...] = ()
    draining: bool = False
    taking_up: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram with a good seal. ``arrival`` is the kernel's receive time, at most ``now``."""

    link: str
    sender: str
    incarnation: int
    counter: int
    message: Message
    arrival: Instant


@dataclass(frozen=True, slots=True)
class TimerDue:
    """Every socket was drained first; deadlines up to ``now`` may expire things. Nothing else may."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """This process itself was late by ``duration``: it must not accuse others of silence."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the operation ``op`` that an effect asked for."""

    op: int
    outcome: Outcome
    text: str = ""


@dataclass(frozen=True, slots=True)
class AddressGone:
    """One of our virtual addresses was removed by somebody."""

    address: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A device gained or lost its carrier (or appeared, or vanished)."""

    device: str
    carrier: bool


@dataclass(frozen=True, slots=True)
class RivalSeen:
    """A frame on the service network claims one of our addresses for another MAC."""

    address: str
    device: str
    mac: str


@dataclass(frozen=True, slots=True)
class ResourceFailed:
    """A program died, or its monitor failed, outside any operation."""

    group: str
    resource: str
    text: str


@dataclass(frozen=True, slots=True)
class RoutersJudged:
    """What the virtual routers that follow a group's lease say of this machine: ``rank`` is the lowest priority among them, and
    ``why`` says why they cannot serve here now, "" when they can.
    """

    group: str
    rank: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """What became of a question that ``RunProbes`` asks under ``number``. ``up`` None: not often enough to say.

    ``text``: why this answer was a failure, "" when it was none.
    """

    group: str
    probe: str
    number: int
    up: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class LeaseRefused:
    """The kernel refused to hold or end the group's lease: nothing it is asked for is served, or served without an end."""

    group: str
    text: str


@dataclass(frozen=True, slots=True)
class ManagerChanged:
    """The manager connected (again) or was lost."""

    connected: bool


@dataclass(frozen=True, slots=True)
class PingsSeen:
    """Which ping targets answered lately: those of groups, and under the ``pair`` policy those of the cluster."""

    answering: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoursSeen:
    """What this machine's clock on the wall says of the hours that groups name: (as the file has them, whether it is within them
    now, for how long that stays so). Told again when the clock was set, and about every minute.
    """

    hours: tuple[tuple[str, bool, Duration], ...]


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """An operator's wish: ``move`` (group, node), ``standby``, ``online``, ``drain``, ``fence`` (node: power it off now),
    ``confirm-off`` (node: a human has seen that it is off), ``stop``, ``start``, ``restart``, ``cleanup`` (group),
    ``maintenance-on``, ``maintenance-off`` (group, or "" for all). ``by`` names who asked.

    ``reason``: the operator's own words. ``wall_clock``: milliseconds since 1970, when it was asked. ``span``: how long a
    maintenance lasts, 0 until its end is asked for.
    """

    op: int
    verb: str
    group: str
    node: str
    by: str
    reason: str = ""
    wall_clock: int = 0
    span: Duration = 0


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """A clean stop of the daemon: hand everything over, then ``Quit``."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The configuration is another one from now on; who votes, by which policy and with which times is the same.

    ``restart``: (group, resource) of those that run differently although ``cluster``, which holds no secrets, may not show it.
    ``addresses`` and ``carriers``: as in ``Started``, for what the new configuration names.
    """

    cluster: Cluster
    restart: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()
    carriers: tuple[tuple[str, bool], ...] = ()


Event: TypeAlias = (
    Started
    | Received
    | TimerDue
    | Stalled
    | Finished
    | AddressGone
    | LinkChanged
    | RivalSeen
    | ResourceFailed
    | RoutersJudged
    | ProbeAnswered
    | LeaseRefused
    | ManagerChanged
    | PingsSeen
    | HoursSeen
    | AdminRequest
    | ShutdownAsked
    | Reconfigured
)
