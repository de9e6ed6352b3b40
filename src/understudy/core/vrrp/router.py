"""What is known of one virtual router; the other modules decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ...model import AddressResource
from ...units import NEVER, Duration, Instant
from ...vrrp import Advertisement, AuthType, RouterState
from ...vrrp_files import Track, VirtualRouter
from . import timing

if TYPE_CHECKING:
    from .announcing import Pass
    from .companies import Company


@dataclass(slots=True)
class Other:
    """Another router of the same VRID, as it was heard last. ``at``: when."""

    priority: int
    at: Instant
    mac: str = ""


@dataclass(slots=True)
class Refusal:
    """What was not taken last, of whom and why. ``at``: when; ``count``: how often, since something of it was taken."""

    source: str
    text: str
    at: Instant
    count: int = 1


@dataclass(slots=True)
class Holding:
    """The addresses on this machine. ``op``: the change that is under way. ``on``: they are there, as far as we know.

    ``again_at``: when what failed is tried again. ``failed``: why it failed.
    """

    wanted: bool = False
    op: int = 0
    on: bool = False
    again_at: Instant = NEVER
    failed: str = ""


@dataclass(slots=True)
class Lives:
    """What a second path says of the master: it goes on at least until ``until``. ``noted``: that was written down."""

    until: Instant = 0
    deaf_until: Instant = 0
    noted: bool = False


@dataclass(slots=True)
class Router:
    """``index``: its place in the node's list. ``waits``: what has said nothing yet. ``seen``: what it tracks, in words.

    ``down_at``: when Master_Down ends. ``advert_at``: when the next advertisement is due. ``right_until``: until when it may
    serve, by ``advert_right``, until when our newest advertisement keeps everybody else from taking over, and by the lease of the
    group that it follows. ``rights``: the number of each advertisement that may have left, and the right that it gives.
    ``served_until``: until when the kernel serves. ``left_here``: an earlier run left addresses and a lease.

    ``hold_until``: the end of ``startup_delay``, or of the wait of a sync group that was parted. ``tied``: since when, and when
    last, a master of the same priority was left to the first member of the sync group. ``master``: who was heard as master;
    ``master_until``: when that is out of date. ``lower_since``: the first of the lower advertisements that ``preempt_delay``
    counts from; ``lower_at``: the newest one. ``goodbye``: the master has left. ``listening``: it was late as master, and hears
    first whether somebody else has become master. ``wants``: Master_Down is over, and it waits for its sync group or its lease.
    ``excused``: how often in a row it began anew because we were late. ``refusal``: what was not taken last, or was configured
    otherwise. ``rival``: who claimed one of our addresses last, and when. ``answered_at``, ``calm``: the newest answer to frames
    that claim our addresses, and how long after it there is none. ``passes``: the newest pass over its addresses, by device.
    ``right``: for how long one of its advertisements lets it be master.
    """

    spec: VirtualRouter
    index: int
    state: RouterState = RouterState.INIT
    since: Instant = 0
    why: str = "starting"
    source: str | None = None
    base: int = 0
    priority: int = 0
    tracks: tuple[Track, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    down_at: Instant = NEVER
    advert_at: Instant = NEVER
    right_until: Instant = 0
    advert_right: Instant = 0
    served_until: Instant = 0
    rights: list[tuple[int, Instant]] = field(default_factory=list)
    number: int = 0
    left_here: bool = False
    hold_until: Instant = 0
    master: str = ""
    master_priority: int = 0
    master_interval: Duration = 0
    master_until: Instant = 0
    lower_since: Instant | None = None
    lower_at: Instant | None = None
    goodbye: bool = False
    listening: bool = False
    wants: bool = False
    excused: int = 0
    lives: Lives = field(default_factory=Lives)
    may_until: Instant | None = None
    ballot: int = 0
    sequence: int = 0
    sequences: dict[str, int] = field(default_factory=dict)
    others: dict[str, Other] = field(default_factory=dict)
    holding: Holding = field(default_factory=Holding)
    counters: dict[str, int] = field(default_factory=dict)
    noted: dict[str, Instant] = field(default_factory=dict)
    refusal: Refusal | None = None
    rival: tuple[str, Instant] = ("", 0)
    resources: tuple[AddressResource, ...] = ()
    said: Advertisement | None = None
    bursts: list[Instant] = field(default_factory=list)
    contested: bool = False
    tied: tuple[Instant, Instant] = (0, 0)
    contest_at: Instant | None = None
    answered_at: Instant | None = None
    calm: Duration = 0
    passes: dict[str, Pass] = field(default_factory=dict)
    company: Company | None = None
    right: Duration = 0
    deadline: Instant = NEVER
    gone: bool = False

    def __post_init__(self) -> None:
        self.follow(self.spec)
        self.priority = self.base = self.spec.priority
        self.master_interval = self.spec.interval

    def follow(self, spec: VirtualRouter) -> None:
        """Another configuration of the same virtual router."""
        self.spec, self.said, self.refusal = spec, None, None
        self.right = timing.right(spec)
        self.resources = tuple(map(AddressResource.of_router, spec.addresses))

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def backup(self) -> bool:
        return self.state is RouterState.BACKUP

    @property
    def master_here(self) -> bool:
        return self.state is RouterState.MASTER

    @property
    def down_interval(self) -> Duration:
        """Master_Down_Interval, now."""
        return timing.master_down(self.spec, self.priority, self.master_interval)

    @property
    def skew(self) -> Duration:
        return timing.skew(self.spec.version, self.priority, self.master_interval)

    def due(self) -> Instant:
        """The earliest moment at which something is to be done for it."""
        found = min(self.down_at, self.advert_at, self.holding.again_at)
        if self.master_here or self.left_here:
            found = min(found, self.right_until)
        return min(found, self.bursts[0]) if self.bursts and self.holding.on else found

    def count(self, what: str) -> None:
        self.counters[what] = self.counters.get(what, 0) + 1

    def below(self, priority: int, source: str) -> bool:
        """Whether ``source`` with ``priority`` is the better one (RFC 9568 section 6.4.3)."""
        if priority != self.priority:
            return priority > self.priority
        return bool(self.source) and _number(source) > _number(self.source or "")

    def advert(self, priority: int) -> Advertisement:
        """What it says with this priority; the same as before is not made anew."""
        if self.said is None or self.said.priority != priority:
            spec = self.spec
            auth = {"PASS": AuthType.PASS, "AH": AuthType.AH}.get(spec.auth, AuthType.NONE)
            self.said = Advertisement(spec.version, spec.vrid, priority, spec.advertised, spec.interval, auth)
        return self.said


def _number(address: str) -> int:
    return int(ip_address(address.split("%")[0]))
