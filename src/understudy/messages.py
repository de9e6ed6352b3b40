"""What members say to each other. No bytes here: ``wire.native`` turns these into sealed datagrams and back.

A ``sent_at`` is always a reading of the *sender's* clock; only the sender ever computes with it, when it comes back as an
``echo``. ``incarnation`` is a random 64-bit number drawn when a pulse starts. ``ballot`` is the fencing token: unique to
one bidder, larger than any it had seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from .units import Duration, Instant


class Phase(Enum):
    """What a group is doing on one node, as that node says it.

    ``STUCK``: a part that must not run twice did not stop when asked; only fencing or a reset of the machine ends it.
    """

    UNKNOWN = "unknown"
    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    FAILED = "failed"
    STUCK = "stuck"

    # That of ``Enum`` is written in Python, and every heartbeat looks its phases up.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Hold:
    """A group that the sender holds (``bidding`` False) or bids for (True), and with which ballot."""

    group: str
    ballot: int
    bidding: bool = False


@dataclass(frozen=True, slots=True)
class Vote:
    """A voter's standing promise, and the ``echo``: the ``sent_at`` of the holder's newest message behind it."""

    group: str
    holder: str
    incarnation: int
    ballot: int
    echo: Instant


@dataclass(frozen=True, slots=True)
class Heard:
    """That the sender knows a member's incarnation, and how long ago it heard it directly (-1: only through others).

    ``number`` is the newest ``NodeState.number`` of that incarnation that reached the sender: it shows that the sender lived
    after that was said.
    """

    node: str
    incarnation: int
    age: Duration
    number: int = 0


@dataclass(frozen=True, slots=True)
class GroupReport:
    """How a group stands on the sender's machine. ``fit`` False means it cannot run there, and ``why`` says it."""

    group: str
    phase: Phase
    fit: bool
    why: str = ""


class WishKind(Enum):
    """What an operator asks of a group for as long as nothing else is asked: ``NONE`` is to run as the configuration says."""

    NONE = "none"
    STOPPED = "stopped"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Wish:
    """One entry of the register of wishes (``core.wishes``). ``group`` "": for all groups.

    ``number`` is a counter in all but its last eight bits, which name the member that drew it. ``said_at``: wall clock,
    milliseconds since 1970, only shown. ``span``: how long a maintenance lasts in all, 0 until its end is asked for;
    ``left``: how much of it is left, by the member that says this; ``sure``: it did not have to ask a wall clock for that.
    """

    group: str
    number: int
    kind: WishKind
    by: str = ""
    reason: str = ""
    said_at: int = 0
    span: Duration = 0
    left: Duration = 0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class NodeState:
    """Everything one member says about itself; relayed unchanged by others.

    ``number`` grows with each state of one incarnation; a smaller one is old news. ``quiet`` is set while the sender has just
    started and grants nothing. ``watchdog``: the time-out of its armed watchdog device, 0 for none: it resets the machine
    at most so long after a right to run exclusive parts has ended. ``draining``: in standby, but it keeps what no other node can
    take. ``not_up``: groups started there of which probes do not say that they are up, where other groups wait for that.
    ``reaches``: which ping targets of groups answer there; None when it does not know. ``leaving``: its daemon is being
    stopped; an earlier version hears that as standby. ``ranks``: (group, priority) of groups that stand for virtual routers.

    ``digest``: of the configuration, as far as who votes is concerned of the set that the sender has counted longest (its base).
    ``joint``: the first half of the digest of the set that it counts besides, while ``member`` is added or removed. ``left``:
    that of the set before the present one, which it has dropped.
    """

    node: str
    incarnation: int
    number: int
    sent_at: Instant
    dead_time: Duration
    digest: str
    quiet: bool
    standby: bool
    holds: tuple[Hold, ...] = ()
    votes: tuple[Vote, ...] = ()
    heard: tuple[Heard, ...] = ()
    groups: tuple[GroupReport, ...] = ()
    watchdog: Duration = 0
    wishes: tuple[Wish, ...] = ()
    draining: bool = False
    not_up: tuple[str, ...] = ()
    reaches: tuple[str, ...] | None = None
    joint: str = ""
    member: str = ""
    left: str = ""
    leaving: bool = False
    ranks: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The sender's state, and those of others that some receiver seems to lack."""

    state: NodeState
    relayed: tuple[NodeState, ...] = ()


@dataclass(frozen=True, slots=True)
class Bid:
    """ "Help me to hold ``group``." ``after`` is the ballot of a holder that released to this bidder, or 0."""

    node: str
    incarnation: int
    group: str
    ballot: int
    sent_at: Instant
    after: int = 0


@dataclass(frozen=True, slots=True)
class Echo:
    """A voter's answer to the holds of a heartbeat, sent at once on the link by which it came: its votes for that holder.

    ``dead_time``: how long each promise lasts from when the voter heard the message of ``Vote.echo``.
    """

    voter: str
    incarnation: int
    dead_time: Duration
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A ballot that was granted to ``holder``, which has not said since that everything of the group has stopped on its machine.

    ``holder`` "": a voter of an earlier version did not name it; the ballot tells who it was.
    """

    ballot: int
    holder: str = ""


@dataclass(frozen=True, slots=True)
class BidAnswer:
    """A voter's answer to a Bid.

    ``wait``: how long the promise in the way still runs, by the voter's clock. ``dead_time``: how long the voter's promise
    lasts from when it heard the message of ``echo``. ``highest``: of a refusal, the highest ballot it has granted for the
    group. ``unfinished``: of a grant, whose programs may still run somewhere, as far as this voter knows: all of them, newest
    first. ``newest_only``: it is a voter of an earlier version, which names one and may know of more.
    """

    voter: str
    voter_incarnation: int
    bidder: str
    bidder_incarnation: int
    group: str
    ballot: int
    echo: Instant
    granted: bool
    dead_time: Duration
    wait: Duration = 0
    highest: int = 0
    why: str = ""
    unfinished: tuple[Unfinished, ...] = ()
    newest_only: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """The holder or bidder gives a ballot up for ever. ``stopped``: everything of the group is over on its machine."""

    node: str
    incarnation: int
    group: str
    ballot: int
    successor: str | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """An operator's request that ``to`` must decide: ``move`` (of a group it holds), ``standby`` or ``online``."""

    node: str
    to: str
    request: int
    verb: str
    group: str
    target: str
    by: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an Ask."""

    node: str
    to: str
    request: int
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question of the sender's manager to that of ``to``, about ``topic``. The core passes it on and makes nothing of it.

    ``text`` and that of the ``Page``: at most 1200 bytes; more is asked for page by page, each question with its own number.
    """

    to: str
    request: int
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to an Inquiry. ``ok`` False: the question makes no sense to the one who was asked; the text says why."""

    to: str
    request: int
    ok: bool
    text: str


Message: TypeAlias = Heartbeat | Echo | Bid | BidAnswer | Release | Ask | Answer | Inquiry | Page
