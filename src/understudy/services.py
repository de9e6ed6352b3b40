"""What an administrator configured to be balanced: virtual services and their real servers, whatever file they were written in.

Built only by ``config`` (from ``[services.NAME]``, ldirectord.cf or ``virtual_server`` of keepalived.conf). Durations are
nanoseconds. Where ldirectord and keepalived differ a field says which way, so that the pool needs to know neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .service_checks import Check
from .units import Duration

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos")
"""Of IPVS, as far as Linux has them."""


class Protocol(Enum):
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Forward(Enum):
    """How packets reach a real server. ``DIRECT``: its MAC (gate, DR); ``NAT`` (masq); ``TUNNEL``: IP in IP (ipip, TUN)."""

    DIRECT = "direct"
    NAT = "nat"
    TUNNEL = "tunnel"


class OnFailure(Enum):
    """A server that failed is taken out of the table, or stays with weight 0 (``quiescent``, ``inhibit_on_failure``)."""

    REMOVE = "remove"
    QUIET = "quiet"


class Plane(Enum):
    """What in the kernel does it. ``AUTO``: nf_tables where it can do all that the service asks for, else IPVS."""

    AUTO = "auto"
    NFTABLES = "nftables"
    IPVS = "ipvs"


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """What the kernel knows a service by: protocol, address and port (0: every port, only persistent ones), or a firewall mark.

    ``family`` 4 or 6. With a ``mark`` protocol, address and port are "", "" and 0.
    """

    protocol: str = ""
    address: str = ""
    port: int = 0
    mark: int = 0
    family: int = 4

    def __str__(self) -> str:
        if self.mark:
            return f"fwmark {self.mark}" + (" (IPv6)" if self.family == 6 else "")
        address = f"[{self.address}]" if self.family == 6 else self.address
        return f"{self.protocol} {address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tunnelling:
    """``kind``: "ipip", "gue" (``port``) or "gre"; ``checksum``: "", "csum" or "remcsum"."""

    kind: str = "ipip"
    port: int = 0
    checksum: str = ""


IPIP = Tunnelling()


@dataclass(frozen=True, slots=True)
class Notice:
    """A program that is told of a change. ``argv`` () for none; ``user``: "" for ours."""

    argv: tuple[str, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class RealServer:
    """One server behind a service. ``weight`` 0 to 65535; ``upper``, ``lower``: thresholds of connections, 0 for none.

    All of ``checks`` must be up; without any it is up. ``on_failure``: what becomes of it in the table. ``starts_up``: in the
    table from the beginning (keepalived without ``alpha``). ``mail``: its changes are mailed to whom the service names.
    """

    address: str
    port: int
    forward: Forward = Forward.NAT
    weight: int = 1
    upper: int = 0
    lower: int = 0
    tunnelling: Tunnelling = IPIP
    checks: tuple[Check, ...] = ()
    on_failure: OnFailure = OnFailure.REMOVE
    starts_up: bool = False
    notify_up: Notice = Notice()
    notify_down: Notice = Notice()
    mail: bool = False

    @property
    def name(self) -> str:
        """As people write it, and unique in its service."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Mailing:
    """ldirectord's ``emailalert``. ``repeat``: while it is down (0: once). ``when``: starting, running, stopping, reloading."""

    to: tuple[str, ...] = ()
    sender: str = ""
    repeat: Duration = 0
    when: frozenset[str] = frozenset({"starting", "running", "stopping", "reloading"})
    smtp: str = ""


@dataclass(frozen=True, slots=True)
class VirtualService:
    """One service, known to the kernel by each of ``keys`` (a ``virtual_server_group`` has several).

    ``group``: the group (or virtual router) that has its address, "" when nothing of ours has it: then it is always served.
    ``scheduler``: IPVS's word. ``flags``: of the scheduler. ``persistence`` 0: none; ``granularity``: prefix length of clients
    that belong together. ``one_packet``: UDP datagrams are scheduled singly.

    ``fallback``: serves while there is no quorum (sorry server). ``quorum``: the least sum of weights, ``hysteresis`` above and
    below it; ``by_count``: servers are counted instead of weights (ldirectord: any one). ``drop_without_quorum``: the servers
    that are left are taken out beside a fallback (keepalived). ``fallback_quiet``: it stays with weight 0.

    ``fallback_command``: run with start or stop, ADDRESS:PORT and protocol. ``quorum_up``, ``quorum_down``: keepalived's.
    ``slow_start``: a server that is back comes to its weight in so long. ``drain``: a server taken out by hand keeps its
    connections so long. ``clean_stop``: the table goes when we stop. ``down_at_stop``: notifiers are run then (omega).
    ``only_when_held``: no checks while the address is not here (``ha_suspend``).
    """

    name: str
    keys: tuple[ServiceKey, ...]
    reals: tuple[RealServer, ...] = ()
    group: str = ""
    scheduler: str = "wlc"
    flags: tuple[str, ...] = ()
    persistence: Duration = 0
    granularity: int = 0
    persistence_engine: str = ""
    one_packet: bool = False
    hashed: bool = False
    plane: Plane = Plane.AUTO
    fallback: RealServer | None = None
    fallback_quiet: bool = False
    quorum: int = 1
    hysteresis: int = 0
    by_count: bool = False
    drop_without_quorum: bool = False
    fallback_command: Notice = Notice()
    quorum_up: Notice = Notice()
    quorum_down: Notice = Notice()
    slow_start: Duration = 0
    drain: Duration = 0
    clean_stop: bool = True
    down_at_stop: bool = False
    only_when_held: bool = False
    readd_quiet: bool = False
    monitor_file: str = ""
    mailing: Mailing = Mailing()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """IPVS's own connection synchronisation (``lvs_sync_daemon``). ``router``: whose holder is its master."""

    device: str
    router: str = ""
    identifier: int = 0
    most_bytes: int = 0
    port: int = 8848
    ttl: int = 1
    group: str = "224.0.0.81"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """IPVS's timeouts, 0 for what the kernel has."""

    tcp: Duration = 0
    tcp_fin: Duration = 0
    udp: Duration = 0


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """All of it. ``maintenance``: a folder in which a file named like a server takes it out (ldirectord's ``maintenancedir``).

    ``callback``: run with the file's path when it has changed; ``autoreload``: changes are taken up without being asked.
    ``flush``: every service of the kernel's table goes at the start, ``flush_at_stop`` at the end, strangers' too.
    ``sources``: the files in which it stands, where they are not the configuration itself; no part of what it means.
    """

    services: tuple[VirtualService, ...] = ()
    maintenance: str = ""
    autoreload: bool = False
    callback: Notice = Notice()
    sync: SyncDaemon | None = None
    timeouts: Timeouts = Timeouts()
    flush: bool = False
    flush_at_stop: bool = False
    log_file: str = ""
    log_facility: str = ""
    sources: tuple[str, ...] = field(default=(), compare=False)
