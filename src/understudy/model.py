"""What an administrator configured: a frozen tree, the same on every node.

Built only by ``config.validate``; everything else reads it. Durations are nanoseconds (``units.Duration``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from .fence_devices import FenceDevice
from .hours import Hours
from .probes import Probe, Reach
from .services import ServiceFiles
from .units import MILLISECOND, MINUTE, SECOND, Duration
from .vrrp_files import AddressForm, RouterAddress, RouterFiles


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
    """``PAIR`` is not safe by itself: docs/safety.md. ``FENCE``: "confirmed off" by a device counts as the other's vote."""

    MAJORITY = "majority"
    PAIR = "pair"
    FENCE = "fence"


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
    capacity: int | None = None
    """The sum of the weights of groups that it takes; None: any."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard time limits of an agent's operations, and how often it is monitored (0 = never)."""

    start: Duration = 20 * SECOND
    stop: Duration = 20 * SECOND
    monitor: Duration = 20 * SECOND
    interval: Duration = 10 * SECOND


class OnFailure(Enum):
    """What follows when a resource has failed.

    ``RESTART``: restarted in place; when that was too often the group moves. ``MOVE``: the group moves at once. ``FENCE``: as
    ``RESTART``, but in the end the machine is to be switched off. ``IGNORE``: it is noted, and nothing else.
    """

    RESTART = "restart"
    MOVE = "move"
    FENCE = "fence"
    IGNORE = "ignore"


class OnStopFailure(Enum):
    """What follows when a resource does not stop: ``FENCE``: the group goes nowhere before this machine was switched off, or the
    stop has worked after all; ``GO_ON``: the group leaves after its stop timeout, and the rest of it may still be here.
    """

    FENCE = "fence"
    GO_ON = "go-on"


@dataclass(frozen=True, slots=True)
class Restarts:
    """A failed resource is restarted in place at most ``most`` times within ``within``; then its group moves.

    ``on_stop`` None: by what the resource is; what must not run twice is fenced, what may is left behind.
    """

    most: int = 3
    within: Duration = 10 * MINUTE
    on_failure: OnFailure = OnFailure.RESTART
    on_stop: OnStopFailure | None = None


@dataclass(frozen=True, slots=True)
class AddressResource:
    """A virtual address, IPv4 or IPv6. Its holder announces it by gratuitous ARP or unsolicited NA.

    ``form``: of a virtual router's address, as its file has it; None: as ``adapters.addresses`` finds best.
    """

    id: str
    address: str
    prefix: int
    device: str
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)
    form: AddressForm | None = None

    @classmethod
    def of_router(cls, item: RouterAddress, id: str = "") -> AddressResource:
        """The address of a virtual router; ``id``: where the address alone is not one."""
        return cls(id or item.address, item.address, item.prefix, item.device, form=item.form)


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


class KillHolders(Enum):
    """What a stop does to processes that keep a file system busy: nothing, SIGTERM, or SIGKILL to whom SIGTERM did not end."""

    NEVER = "never"
    TERM = "term"
    KILL = "kill"


class MountCheck(Enum):
    """What a monitor does besides looking whether it is mounted: nothing, read from the device, or write a small file."""

    NONE = "none"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class MountResource:
    """A file system at a directory. ``type`` as mount(8) takes it, or ``bind`` for a directory shown at another place.

    ``fsck``: repair it before it is mounted, as far as that is safe without a human (``fsck -p``).
    """

    id: str
    device: str
    directory: str
    type: str
    options: tuple[str, ...] = ()
    fsck: bool = False
    kill_holders: KillHolders = KillHolders.KILL
    check: MountCheck = MountCheck.NONE
    exclusive: bool = True
    limits: Limits = field(default_factory=lambda: Limits(start=MINUTE, stop=30 * SECOND))
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class LsbResource:
    """An init script, judged by the exit codes of the LSB (Core 5.0, 22.2 "Init Script Actions").

    With ``pid_file`` or ``process`` (the name of a program) its own ``status`` is not asked: what runs is looked at instead.
    """

    id: str
    init_script: str
    pid_file: str | None = None
    process: str | None = None
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class ResourceDResource:
    """A script of Heartbeat's ``resource.d``: called with its arguments and then the action; its status is judged by words.

    ``resource_script``: a whole path, or a name that is looked for as Heartbeat does.
    """

    id: str
    resource_script: str
    arguments: tuple[str, ...] = ()
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class SystemdResource:
    """A unit of systemd, named with its suffix, started and stopped over D-Bus."""

    id: str
    unit: str
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class RouteResource:
    """A route. ``destination`` is a network (the default route is 0.0.0.0/0 or ::/0); ``table`` 254 is the main one.

    ``source``: the address that the machine prefers as its own on this route.
    """

    id: str
    destination: str
    via: str | None
    device: str | None
    table: int = 254
    metric: int | None = None
    source: str | None = None
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class SourceAddressResource:
    """The address that the machine prefers as its own on a route that is there already; put back as it was on stop.

    ``of_route``: the network that the route leads to. ``route_device``: which one, when several lead there.
    """

    id: str
    source_address: str
    of_route: str
    route_device: str | None = None
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class NotifyResource:
    """A program that is told, by a last argument ``up`` or ``down``, when its group comes and goes; it is waited for.

    ``must_succeed``: the group does not start when it fails to take the news; a stop goes on in any case.
    """

    id: str
    notify: tuple[str, ...]
    must_succeed: bool = False
    exclusive: bool = False
    limits: Limits = field(default_factory=lambda: Limits(interval=0))
    restarts: Restarts = field(default_factory=Restarts)


@dataclass(frozen=True, slots=True)
class RealServerResource:
    """A virtual address that this machine, a real server, has on ``device`` and keeps silent about; as it was before on stop."""

    id: str
    realserver: str
    device: str = "lo"
    exclusive: bool = False
    limits: Limits = field(default_factory=Limits)
    restarts: Restarts = field(default_factory=Restarts)


Program: TypeAlias = (
    CommandResource
    | ScriptResource
    | OcfResource
    | MountResource
    | LsbResource
    | ResourceDResource
    | SystemdResource
    | RouteResource
    | SourceAddressResource
    | NotifyResource
    | RealServerResource
)
"""Resources that the manager runs; addresses belong to the pulse."""
Resource: TypeAlias = AddressResource | Program


class FailbackKind(Enum):
    """When a group returns to a better placed node: at once, never, when that has been up for a while, or at certain hours."""

    WHEN_HEALTHY = "when-healthy"
    NEVER = "never"
    AFTER = "after"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class Failback:
    """``after`` counts only with ``FailbackKind.AFTER``, ``hours`` (by the holder's clock) only with ``WITHIN``."""

    kind: FailbackKind = FailbackKind.WHEN_HEALTHY
    after: Duration = 0
    hours: Hours | None = None


def stages_of(numbers: Sequence[int]) -> tuple[int, ...]:
    """``Group.stages`` for resources with these numbers, which never fall: counted from 0, or empty if no two are equal."""
    places = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
    return tuple(places[number] for number in numbers) if len(places) < len(numbers) else ()


@dataclass(frozen=True, slots=True)
class Group:
    """What runs on one machine at a time. ``resources`` start in this order and stop in reverse.

    ``prefer`` names nodes, best first; nodes that it leaves out come after them in the order of the file.
    ``stop_timeout`` is how long another machine's exclusive programs are given to be over when nobody can say that they are.
    ``together``: the group on whose node alone this one runs. ``apart``: groups on whose nodes it never runs. ``after``: groups
    that must have started, anywhere, before this one starts. ``weight``: what it takes of a node's ``capacity``.
    ``stages``: of each resource the number of its stage, if any two are in one; else empty. ``ranks``: of a group that stands for
    virtual routers, (node, priority) of each by the file; what a node says of itself counts instead, and ``prefer`` follows it.
    """

    name: str
    resources: tuple[Resource, ...]
    prefer: tuple[str, ...] = ()
    failback: Failback = field(default_factory=Failback)
    stop_timeout: Duration = 60 * SECOND
    together: str | None = None
    apart: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    weight: int = 0
    probes: tuple[Probe, ...] = ()
    stays_where: Reach | None = None
    stages: tuple[int, ...] = ()
    ranks: tuple[tuple[str, int], ...] = ()

    @property
    def stage_numbers(self) -> tuple[int, ...]:
        """Of each resource, never less than the one before: those with the same number have no order among each other."""
        return self.stages or tuple(range(len(self.resources)))

    @property
    def addresses(self) -> tuple[AddressResource, ...]:
        return tuple(item for item in self.resources if isinstance(item, AddressResource))

    @property
    def exclusive(self) -> bool:
        """Whether any part must never run on two machines, so that proof of stop is needed."""
        return any(item.exclusive for item in self.resources)


@dataclass(frozen=True, slots=True)
class Api:
    """The API over TCP. ``listen``: (member, address, port), member "" for all members. The others are paths of files."""

    listen: tuple[tuple[str, str, int], ...]
    certificate: str
    key: str
    token_file: str

    def endpoint(self, member: str) -> tuple[str, int] | None:
        """Where ``member`` listens, or None."""
        return next(((address, port) for name, address, port in self.listen if name in ("", member)), None)


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
    api: Api | None = None
    """None: the API is served on the control socket only."""
    init_dead_time: Duration = 0
    """At least so long after its start a node waits for nodes it has not heard of before it takes what nobody holds."""
    heartbeat3: bool = False
    """Whether the nodes speak the protocol of Linux-HA Heartbeat 3; then members have no links, and nobody votes."""
    routers: RouterFiles | None = None
    """Virtual routers (VRRP). Where there is nothing else, this node is the only member, and nobody votes."""
    services: ServiceFiles | None = None  # what is balanced: each machine's own matter (``config.digest``)

    nodes: tuple[Member, ...] = field(init=False, repr=False, compare=False)
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Of ``members``: those that run groups, and the names of all; kept, because every plan asks for them."""
    reach_targets: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The ping targets of all groups, each once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(member for member in self.members if member.role is Role.NODE))
        object.__setattr__(self, "names", tuple(member.name for member in self.members))
        reaches = (group.stays_where for group in self.groups if group.stays_where is not None)
        object.__setattr__(self, "reach_targets", tuple(dict.fromkeys(name for each in reaches for name in each.ping)))

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
        """The devices that can fence ``node``, grouped by level, the first to try first; gates before the others."""
        able = [device for device in self.fences if any(name == node for name, _ in device.targets)]
        able.sort(key=lambda device: not device.is_gate)
        levels = sorted({device.level for device in able})
        return tuple(tuple(device for device in able if device.level == level) for level in levels)

    @property
    def majority(self) -> int:
        """Votes needed: more than half of all members."""
        return len(self.members) // 2 + 1

    def routers_on(self, name: str) -> RouterFiles | None:
        """The virtual routers of one member, None for a witness. Raises KeyError for a name that is not in the file."""
        return self.routers.on(name) if self.routers is not None and self.member(name).role is Role.NODE else None

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
