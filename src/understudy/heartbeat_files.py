"""What an administrator of Linux-HA Heartbeat 3 configured in ha.cf, haresources and authkeys, for the old protocol's runtime.

Built only by ``config.heartbeat``. Durations are nanoseconds; Heartbeat keeps whole milliseconds. Defaults are filled in, so that
nobody else has to know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .model import Group
from .services import ServiceFiles
from .units import MILLISECOND, SECOND, Duration

DEFAULT_PORT = 694
"""Of broadcast and unicast, where the services file has no entry ``ha-cluster``."""


class MediumKind(Enum):
    """How messages leave; the value is the directive."""

    BROADCAST = "bcast"
    UNICAST = "ucast"
    MULTICAST = "mcast"
    UNICAST6 = "ucast6"
    MULTICAST6 = "mcast6"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Medium:
    """One path that messages take. Every message leaves on every medium.

    ``device``: the network interface, or the path of the tty. ``peer``: the host (a name or an address) or the multicast group.
    ``port``, ``hops`` (the TTL) and ``loop`` are of networks, ``baud`` of serial lines.
    """

    kind: MediumKind
    device: str
    peer: str = ""
    port: int = 0
    hops: int = 0
    loop: bool = False
    baud: int = 0


class AutoFailback(Enum):
    """``LEGACY`` is an older protocol, in which nobody reports what he holds and groups are asked for singly; Heartbeat takes it
    when ha.cf does not say.
    """

    ON = "on"
    OFF = "off"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class PingNode:
    """A member that only answers pings. ``name`` as written; it is reached while any of ``hosts`` answers (``PingsSeen`` names
    hosts).
    """

    name: str
    hosts: tuple[str, ...]
    group: bool = False


@dataclass(frozen=True, slots=True)
class Respawn:
    """A program that runs beside the daemon. ``failfast``: the machine is to be restarted when it ends badly."""

    user: str
    program: str
    arguments: tuple[str, ...] = ()
    failfast: bool = False


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Who may be the client ``client`` of the API: a user of ``users`` or a member of ``groups``."""

    client: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OldStonith:
    """A STONITH device. ``host``: the node that uses it, ``*`` for all. ``arguments``: its parameters, or with
    ``config_file`` None they are in the file of that name.
    """

    host: str
    type: str
    arguments: tuple[str, ...] = ()
    config_file: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A line of authkeys. ``method``: crc, md5 or sha1. ``key``: the bytes as written, b"" for crc. ``index``: 0 to 15."""

    index: int
    method: str
    key: bytes = b""

    def __repr__(self) -> str:
        """Without the key: what is printed ends in logs."""
        return f"SigningKey(index={self.index}, method={self.method!r})"


@dataclass(frozen=True, slots=True)
class OldGroup:
    """One line of haresources. ``key``: its first resource as written, which names it on the wire. ``words``: all of them.

    ``group``: the same as our own model has it, in the same order, one resource for each word but ``ldirectord``, whose services
    name the group. An address whose interface nobody has looked up yet has the device "".
    """

    key: str
    node: str
    words: tuple[str, ...]
    group: Group


@dataclass(frozen=True, slots=True)
class HeartbeatFiles:
    """The three files together. ``nodes`` are in lower case, in the order of ha.cf; ping nodes are not among them.

    ``max_resend_delay``: ``max_rexmit_delay``. ``ipfail``: a respawned ipfail, which is built in. ``environment``: of ``env``,
    names with HA_ in front. ``logging``: the directives about logs, as written. ``hop_fudge`` shows in ``ttl`` alone.
    ``watchdog``: the device, "" for none. ``outgoing``: the index of the key that signs. ``services``: what the files behind
    ``ldirectord::`` balance, None where there is no such resource, or nobody has read them.
    """

    folder: str
    nodes: tuple[str, ...]
    media: tuple[Medium, ...]
    keepalive: Duration
    deadtime: Duration
    warntime: Duration
    initdead: Duration
    deadping: Duration
    auto_failback: AutoFailback
    udpport: int = DEFAULT_PORT
    ping_nodes: tuple[PingNode, ...] = ()
    ipfail: bool = False
    respawn: tuple[Respawn, ...] = ()
    api_access: tuple[ApiAccess, ...] = ()
    stonith: tuple[OldStonith, ...] = ()
    watchdog: str = ""
    cluster: str = "linux-ha"
    msgfmt: str = "classic"
    compression: str = "zlib"
    compression_threshold: int = 2
    """KiB."""
    traditional_compression: bool = False
    max_resend_delay: Duration = 250 * MILLISECOND
    hop_fudge: int = 1
    generation_by_time: bool = False
    """``hbgenmethod time``: the generation is the time of the start, and nothing is kept."""
    uuid_from_name: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    logging: tuple[tuple[str, str], ...] = ()
    keys: tuple[SigningKey, ...] = ()
    outgoing: int = 0
    groups: tuple[OldGroup, ...] = ()
    services: ServiceFiles | None = None

    def key(self, index: int) -> SigningKey | None:
        """The key of an index, or None."""
        return next((key for key in self.keys if key.index == index), None)

    def groups_of(self, node: str) -> tuple[OldGroup, ...]:
        """What haresources gives ``node``, in the order of the file."""
        return tuple(group for group in self.groups if group.node == node.lower())

    @property
    def ttl(self) -> int:
        """What every message says: the fudge and all nodes, ping nodes among them."""
        return self.hop_fudge + len(self.nodes) + len(self.ping_nodes)


KEEPALIVE: Duration = SECOND
DEADTIME: Duration = 30 * SECOND


def default_initdead(deadtime: Duration) -> Duration:
    """Heartbeat's rule: the dead time where that is above 10 s, 12 s where it is below 6 s, else twice the dead time."""
    if deadtime > 10 * SECOND:
        return deadtime
    return 12 * SECOND if deadtime < 6 * SECOND else 2 * deadtime
