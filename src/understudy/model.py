"""What an administrator configured: a frozen tree, the same on every node.

Built only by ``config.validate``; everything else reads it. Durations are nanoseconds (``units.Duration``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from .units import MILLISECOND, MINUTE, SECOND, Duration


class Role(Enum):
    """``NODE`` runs groups and votes; ``WITNESS`` only votes."""

    NODE = "node"
    WITNESS = "witness"


class LinkKind(Enum):
    """How heartbeats leave on a link."""

    UNICAST = "unicast"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"


class Quorum(Enum):
    """Quorum policies of this version. ``PAIR`` is not safe by itself; see ``docs/safety.md`` and ``config.advice``.

    ``FENCE``: two nodes with fencing devices; "confirmed off" counts as the other's vote.
    """

    MAJORITY = "majority"
    PAIR = "pair"
    FENCE = "fence"


class FenceKind(Enum):
    """How a fence device is spoken to: a fence agent (parameters on standard input), a legacy ``external/`` STONITH plugin
    (parameters in the environment), or a command of one's own (``argv``, then the action and the node's name).
    """

    AGENT = "agent"
    EXTERNAL = "external"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class FenceDevice:
    """Something that can power nodes off and say so.

    ``program``: the agent's name or path (``fence_ipmilan``), the plugin's (``external/ipmi``), or for a command its argv[0].
    ``arguments``: the rest of a command's argv. ``targets``: (node, plug) of the nodes that it can fence; plug "" where the
    device takes none. All devices of one ``level`` (1 is tried first) must confirm; then the next level is tried.
    ``timeout`` limits one action, ``retries`` how often a failed one is tried again. ``reboot``: switched on again after "off"
    was confirmed.
    """

    name: str
    kind: FenceKind
    program: str
    arguments: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    level: int = 1
    timeout: Duration = 60 * SECOND
    retries: int = 2
    reboot: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One path that this member's heartbeats take.

    ``network`` names the path; members' links with the same network name reach each other. ``address`` is the
    member's own address there. ``group`` is the multicast group or the broadcast address, None for unicast.
    ``device`` is needed for multicast and link-local IPv6 only.
    """

    network: str
    address: str
    kind: LinkKind = LinkKind.UNICAST
    group: str | None = None
    device: str | None = None
    port: int = 5694


@dataclass(frozen=True, slots=True)
class Member:
    """A node or a witness. Every member has one vote."""

    name: str
    role: Role
    links: tuple[Link, ...]
    watchdog: str = ""
    """Path of the watchdog device of this machine, "" for none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard time limits of an agent's operations, and how often it is monitored (0 = never)."""

    start: Duration = 20 * SECOND
    stop: Duration = 20 * SECOND
    monitor: Duration = 20 * SECOND
    interval: Duration = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Restarts:
    """A failed resource is restarted in place at most ``most`` times within ``within``; then its group moves."""

    most: int = 3
    within: Duration = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class AddressResource:
    """A virtual address, IPv4 or IPv6. Its holder announces it by gratuitous ARP or unsolicited NA."""

    id: str
    address: str
    prefix: int
    device: str
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class CommandResource:
    """A program in the foreground that we run and watch by pidfd: its death is known at once.

    Stopped by ``stop_signal``, then SIGKILL to its whole process group when ``limits.stop`` ends. It counts as started
    when it has lived for ``settle``.
    """

    id: str
    argv: tuple[str, ...]
    directory: str = "/"
    user: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    stop_signal: str = "SIGTERM"
    settle: Duration = 0
    exclusive: bool = False
    limits: Limits = field(default_factory=lambda: Limits(interval=0))
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class ScriptResource:
    """A program called with its arguments and then ``start``, ``stop`` or ``status``; judged by its exit code.

    ``status``: 0 running; 1, 2 or 3 not running (LSB); anything else unknown.
    """

    id: str
    path: str
    arguments: tuple[str, ...] = ()
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class OcfResource:
    """An OCF resource agent (``heartbeat:apache``), run unchanged with its parameters in the environment."""

    id: str
    provider: str
    type: str
    parameters: tuple[tuple[str, str], ...] = ()
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


Resource: TypeAlias = AddressResource | CommandResource | ScriptResource | OcfResource
Program: TypeAlias = CommandResource | ScriptResource | OcfResource
"""Resources that the manager runs; addresses belong to the pulse."""


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """One request, answered well when everything that is asked for holds. Redirects are not followed.

    ``url`` names an address, never a host name; ``host`` is the name sent along, and the one that the certificate must be for
    ("": the address). ``status``: ranges, both ends included. ``text``: stands in the body; ``regex``: is found there (Python's).
    ``expect_headers``: what their values contain. ``ca``: a PEM file with the only authorities that count, "" for the machine's.
    """

    url: str
    host: str = ""
    method: str = "GET"
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    text: str = ""
    regex: str = ""
    send_headers: tuple[tuple[str, str], ...] = ()
    expect_headers: tuple[tuple[str, str], ...] = ()
    verify: bool = True
    ca: str = ""


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A connection is accepted; with ``expect``, the answer to ``send`` (or the greeting) contains it."""

    address: str
    port: int
    send: str = ""
    expect: str = ""


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A program that ends with 0."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PingCheck:
    """An address that answers an ICMP echo request."""

    address: str


Check: TypeAlias = HttpCheck | TcpCheck | CommandCheck | PingCheck


@dataclass(frozen=True, slots=True)
class Probe:
    """A question asked every ``interval`` while what it is about runs here; no answer within ``timeout`` is a failure.

    ``rise`` good answers in a row make it up, ``fall`` failures in a row make it down; failures within ``grace`` of the start
    do not count. ``resource`` is what it judges, "" for the group as a whole. ``name`` is unique in the group.
    """

    name: str
    check: Check
    resource: str = ""
    interval: Duration = 5 * SECOND
    timeout: Duration = 3 * SECOND
    rise: int = 1
    fall: int = 3
    grace: Duration = 10 * SECOND


class FailbackKind(Enum):
    """When a group returns to a better placed node: at once, never, or when that node has been up for a while."""

    WHEN_HEALTHY = "when-healthy"
    NEVER = "never"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Failback:
    """``after`` counts only with ``FailbackKind.AFTER``."""

    kind: FailbackKind = FailbackKind.WHEN_HEALTHY
    after: Duration = 0


@dataclass(frozen=True, slots=True)
class Group:
    """What runs on one machine at a time. ``resources`` start in this order and stop in reverse.

    ``prefer`` names nodes, best first; nodes that it leaves out come after them in the order of the file.
    ``stop_timeout`` is how long another machine's exclusive programs are given to be over when nobody can say that they are.
    """

    name: str
    resources: tuple[Resource, ...]
    prefer: tuple[str, ...] = ()
    failback: Failback = field(default_factory=Failback)
    stop_timeout: Duration = 60 * SECOND
    probes: tuple[Probe, ...] = ()

    @property
    def addresses(self) -> tuple[AddressResource, ...]:
        return tuple(item for item in self.resources if isinstance(item, AddressResource))

    @property
    def exclusive(self) -> bool:
        """Whether any part must never run on two machines, so that proof of stop is needed."""
        return any(item.exclusive for item in self.resources)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The whole configuration. ``members`` are in the order of the file, nodes first.

    ``heartbeat`` is at most a third of ``dead_time``. ``ping`` targets matter to the ``pair`` policy only: a machine that
    reaches neither its peer nor any of them lets go. ``digest`` is a hash of everything that must agree between nodes.
    """

    name: str
    key_file: str
    heartbeat: Duration
    dead_time: Duration
    quorum: Quorum
    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    ping: tuple[str, ...] = ()
    digest: str = ""
    source: str = ""
    admin_group: str | None = None
    """The Unix group that may use the control socket besides root."""
    fences: tuple[FenceDevice, ...] = ()
    fence_delay: Duration = 2 * SECOND
    """Under ``FENCE``, when both nodes may want to fence each other, the second of the file waits so long."""
    watchdog_timeout: Duration = 0
    """What the watchdog devices are set to, whole seconds; 0: there are none."""

    @property
    def margin(self) -> Duration:
        """How much earlier a right ends than the promises behind it: covers 1 % of clock rate error, at least 1 ms."""
        return max(self.dead_time // 100, MILLISECOND)

    @property
    def silence(self) -> Duration:
        """How long a member may be silent before it is lost, and how long a voter's promise lasts.

        A margin shorter than the dead time, so that what a client sees, our own work included, is the dead time and not more.
        """
        return self.dead_time - self.margin

    def fence_levels(self, node: str) -> tuple[tuple[FenceDevice, ...], ...]:
        """The devices that can fence ``node``, grouped by level, the first to try first; empty when there are none."""
        able = [device for device in self.fences if any(name == node for name, _ in device.targets)]
        levels = sorted({device.level for device in able})
        return tuple(tuple(device for device in able if device.level == level) for level in levels)

    @property
    def nodes(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.role is Role.NODE)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @property
    def majority(self) -> int:
        """Votes needed: more than half of all members."""
        return len(self.members) // 2 + 1

    def member(self, name: str) -> Member:
        """Raises KeyError for a name that is not in the file."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    def group(self, name: str) -> Group:
        """Raises KeyError for a name that is not in the file."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
