"""The pool's events and effects, and the words of the kernel's table.

The pool (``core/pools``) is a node of its own, of the same shape: ``handle(event, now) -> effects``, ``next_deadline()``,
``snapshot(now)``. Its process asks the checks and writes the table; neither decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from .service_checks import Check
from .services import IPIP, Forward, Notice, ServiceFiles, ServiceKey, SyncDaemon, Tunnelling
from .units import SECOND, Duration

# -- the kernel's table


@dataclass(frozen=True, slots=True)
class TableService:
    """A service as it stands in the kernel, without its servers. ``persistence`` in nanoseconds, 0 for none."""

    key: ServiceKey
    scheduler: str = "wlc"
    flags: tuple[str, ...] = ()
    persistence: Duration = 0
    granularity: int = 0
    persistence_engine: str = ""
    one_packet: bool = False
    hashed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What the kernel knows a server of a service by."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class TableServer:
    """A server of a service as it stands in the kernel."""

    place: Place
    forward: Forward = Forward.NAT
    weight: int = 1
    upper: int = 0
    lower: int = 0
    tunnelling: Tunnelling = IPIP


@dataclass(frozen=True, slots=True)
class Counters:
    """What went through a server of a service. ``active``, ``inactive``, ``persistent``: connections and templates now.

    The others count from when the server came into the table. ``connections``: started; in: from clients to the server. -1: not
    known to this plane.
    """

    active: int = 0
    inactive: int = 0
    persistent: int = 0
    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


def kept_by_ipvs(service: TableService) -> TableService:
    """The service as IPVS keeps it and tells it again; two that are equal then mean the same to it.

    Persistence is in whole seconds, at least 1. A granularity without persistence, or of the whole address, says nothing. The
    flags have names for some schedulers. Every service is hashed, so that word says nothing.
    """
    persistence = -(-service.persistence // SECOND) * SECOND
    whole = 128 if service.key.family == 6 else 32
    granularity = service.granularity if persistence and service.granularity != whole else 0
    bits = {flag.rpartition("-")[2].replace("fallback", "1").replace("port", "2") for flag in service.flags}
    own = service.scheduler if service.scheduler in ("sh", "mh") else ""
    names = {"1": f"{own}-fallback", "2": f"{own}-port"} if own else {}
    flags = tuple(names.get(bit, f"flag-{bit}") for bit in sorted(bits))
    return replace(service, flags=flags, persistence=persistence, granularity=granularity, hashed=False)


def place_in_ipvs(key: ServiceKey, place: Place, forward: Forward) -> Place:
    """Where the server stands in IPVS's table: without NAT no port is rewritten, so it has its service's (ipvsadm's rule)."""
    return Place(place.address, key.port) if forward is not Forward.NAT and not key.mark else place


# -- events


@dataclass(frozen=True, slots=True)
class TableSeen:
    """What the kernel's table holds now: at the start, and when somebody else may have changed it.

    ``kept``: what could not be read, and is believed to be as it was. ``own``: what this balancer itself, or the one before it,
    has written for sure: where no service of the configuration has it, it is left over.
    """

    services: tuple[tuple[TableService, tuple[TableServer, ...]], ...]
    kept: frozenset[ServiceKey] = frozenset()
    own: frozenset[ServiceKey] = frozenset()


@dataclass(frozen=True, slots=True)
class CheckAnswered:
    """One asking has ended. ``number``: as in ``Ask``. ``failure`` "" for a good answer; ``weight``: of a dynamic check, or None.

    An asking that could not be made for a trouble of our own is not told at all.
    """

    number: int
    failure: str = ""
    weight: int | None = None
    took: Duration = 0


@dataclass(frozen=True, slots=True)
class MaintenanceSeen:
    """For which servers a maintenance file is there now: (service, server's name)."""

    servers: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ServerWish:
    """An operator's wish for a server of a service (``service`` "": of all that have it).

    ``verb``: "drain", "disable" (no new connections, at once out), "enable", "weight" (``value`` 0 to 65535, kept until "enable"
    or another one, whatever the files say). ``op``: for the answer.
    """

    op: int
    service: str
    server: str
    verb: str
    value: int = 0


@dataclass(frozen=True, slots=True)
class HeldSeen:
    """Which groups this machine serves now. The table of the others is kept ready.

    ``absent``: of which no address is on any device of this machine, not even on lo.
    """

    groups: frozenset[str]
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Another configuration. ``op``: for the answer; 0 when nobody waits for it."""

    files: ServiceFiles
    op: int = 0


@dataclass(frozen=True, slots=True)
class TableRefused:
    """The kernel did not take a change. It is tried again."""

    key: ServiceKey
    place: Place | None
    text: str


@dataclass(frozen=True, slots=True)
class SyncRefused:
    """IPVS's sync daemons do not run as they were wanted last (``Synchronise``). It is tried again."""

    text: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A clean stop."""


@dataclass(frozen=True, slots=True)
class PoolTimer:
    """A deadline of ``next_deadline`` has come; answers that were there were told before."""


PoolEvent: TypeAlias = (
    TableSeen
    | CheckAnswered
    | MaintenanceSeen
    | ServerWish
    | HeldSeen
    | FilesChanged
    | TableRefused
    | SyncRefused
    | StopAsked
    | PoolTimer
)

# -- effects


@dataclass(frozen=True, slots=True)
class SetService:
    """A service is to stand in the table like this; ``new``: it is not there yet. ``why``: a sentence."""

    service: TableService
    new: bool
    why: str


@dataclass(frozen=True, slots=True)
class DropService:
    """The service goes, with its servers."""

    key: ServiceKey
    why: str


@dataclass(frozen=True, slots=True)
class SetServer:
    """A server is to stand in the table like this; ``new``: it is not there yet."""

    key: ServiceKey
    server: TableServer
    new: bool
    why: str


@dataclass(frozen=True, slots=True)
class DropServer:
    """The server goes; its connections go with it where the plane says so."""

    key: ServiceKey
    place: Place
    why: str


@dataclass(frozen=True, slots=True)
class Synchronise:
    """Of IPVS's sync daemons are to run: the one that tells connections (``master``), the one that takes them up (``backup``).

    ``daemon`` None: neither. What runs so already is left alone.
    """

    daemon: SyncDaemon | None
    master: bool
    backup: bool
    why: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Checks that are to be asked from now on, and those that are not any more. Each has a number, which is never used again.

    The same check for several servers has one number: it is asked once.
    """

    begin: tuple[tuple[int, Check], ...] = ()
    end: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """A program is to be run. ``more``: arguments behind those of ``notice``. ``key``: those with the same run in order."""

    notice: Notice
    more: tuple[str, ...]
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail about a server of a service is to be sent."""

    service: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class PoolNote:
    """A line of the history. ``level``: "info", "warning" or "error"."""

    text: str
    level: str = "info"
    service: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class Monitored:
    """A line for a ``monitorfile``."""

    path: str
    server: str
    up: bool
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a wish or a change of files."""

    op: int
    ok: bool
    text: str


TableEffect: TypeAlias = SetService | DropService | SetServer | DropServer
"""What changes the kernel's table."""


def refusal(effect: TableEffect, text: str) -> TableRefused:
    """That this change was not made, and why."""
    match effect:
        case SetService():
            return TableRefused(effect.service.key, None, text)
        case DropService():
            return TableRefused(effect.key, None, text)
        case SetServer():
            return TableRefused(effect.key, effect.server.place, text)
        case _:
            return TableRefused(effect.key, effect.place, text)


PoolEffect: TypeAlias = TableEffect | Synchronise | Ask | Tell | Mail | PoolNote | Monitored | Answered

# -- the snapshot


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of one server of a service. ``weight``: in the table now; ``wanted``: configured, or wished for.

    ``state``: "up", "down", "starting", "draining", "disabled", "maintenance" or "fallback". ``since``: nanoseconds ago. ``why``:
    a sentence. ``probes``: for each check what it asks, up or not (None: nobody knows yet), what its last failure said ("" none).
    ``wished``: the weight that an operator gave it, None where nobody did.
    """

    name: str
    state: str
    weight: int
    wanted: int
    in_table: bool
    since: Duration
    why: str
    probes: tuple[tuple[str, bool | None, str], ...] = ()
    checks: int = 0
    failed: int = 0
    ups: int = 0
    downs: int = 0
    wished: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What is known of one service. ``quorum``: there is. ``serving``: its address is here. ``trouble``: the kernel's refusal."""

    name: str
    keys: tuple[ServiceKey, ...]
    quorum: bool
    serving: bool
    fallback: bool
    servers: tuple[ServerState, ...]
    why: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """All services of this machine. ``sync``: which sync daemons are to run, None where none is; ``sync_trouble``: why not so."""

    services: tuple[ServiceState, ...]
    sync: Synchronise | None = None
    sync_trouble: str = ""
