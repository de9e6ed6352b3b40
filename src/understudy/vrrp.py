"""What VRRP routers say to each other, and what only this conversation has besides the other words: its events and effects.

RFC 3768 (version 2), RFC 5798 and RFC 9568 (version 3), and the parts of RFC 2338 that keepalived kept (PASS and AH).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TypeAlias

from .effects import Effect
from .events import Event
from .units import SECOND, Duration, Instant
from .vrrp_files import RouterFiles

OWNER = 255
"""The priority of the address owner (RFC 9568 section 6.1); no tracking gives it or takes it away."""

GOODBYE = 0
"""The priority that says: I stop (RFC 9568 section 6.4.3)."""


class AuthType(IntEnum):
    """By its number on the wire, in version 2 over IPv4 only (RFC 2338 section 5.3.6)."""

    NONE = 0
    PASS = 1
    AH = 2


class RouterState(Enum):
    """As keepalived names them. ``INIT``: nothing is known yet; ``FAULT``: something that it needs is missing."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"
    FAULT = "FAULT"
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One advertisement, without what protects it on the way. ``priority``: 0 (``GOODBYE``) to 255 (``OWNER``).

    ``interval``: whole seconds in version 2, hundredths (at most 40.95 s) in version 3. ``addresses``: in the order of the wire,
    of one family, at most 255, as ``ipaddress`` writes them.
    """

    version: int
    vrid: int
    priority: int
    addresses: tuple[str, ...]
    interval: Duration = SECOND
    auth: AuthType = AuthType.NONE


@dataclass(frozen=True, slots=True)
class AdvertHeard:
    """An advertisement whose form, checksum and password are right came for this virtual router. ``mac``: "" when not known.

    ``sequence``: of AH, which must grow; 0 without AH. ``arrival``: the kernel's receive time, at most now. ``differs``: in what
    its sender is configured otherwise, a clause, "" for nothing.
    """

    router: str
    advert: Advertisement
    source: str
    arrival: Instant
    mac: str = ""
    sequence: int = 0
    differs: str = ""


@dataclass(frozen=True, slots=True)
class AdvertRefused:
    """Something for this virtual router (its VRID, its device) was not taken. ``why``: a clause such as "its password is wrong".

    Never a reason to act; who sent it is named, once and then seldom. ``reason``: the same in one word, for statistics
    (``wire.vrrp.VrrpReason``).
    """

    router: str
    why: str
    source: str
    arrival: Instant
    mac: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AdvertUnsent:
    """The kernel did not take the advertisement that ``SendAdvert`` asked for; ``why``: a clause such as "network is down".

    ``number``: of that ``SendAdvert``; one turn may have had several. Whoever performs ``SendAdvert`` leaves the ``KernelLease``
    of this router out that follows it: nobody has heard of us.
    """

    router: str
    why: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class SourceKnown:
    """The address that adverts of this virtual router leave from; "": its device has none, and it can't speak (FAULT)."""

    router: str
    address: str


@dataclass(frozen=True, slots=True)
class DevicesMissing:
    """All the devices of the configuration that are not there now. They have no carrier either, which is said besides."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrackSaid:
    """What a tracked script, file or process says. ``good``: a script or process is well. ``value``: the number in a file.

    ``kind``: "script", "file" or "process". What has not said anything yet is unknown: a router that tracks it waits in INIT
    for what has no weight (keepalived does), unless the object says that it begins as failed.

    ``counts`` False: it can't be asked on this machine (its program is missing, or may not be run); it is as if nobody tracked
    it, as in keepalived. ``text`` says why.
    """

    kind: str
    name: str
    good: bool
    value: int = 0
    text: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class RoutersChanged:
    """Another configuration from now on; what is the same goes on. ``addresses``, ``carriers``: as in ``events.Reconfigured``."""

    files: RouterFiles
    addresses: tuple[str, ...] = ()
    carriers: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class PeerLives:
    """By a second path (the native cluster link) the router behind ``source`` said just now that it is master of ``router``,
    and goes on until ``until``: silence of the advert interface alone is not its death.
    """

    router: str
    priority: int
    until: Instant


@dataclass(frozen=True, slots=True)
class MayServe:
    """A virtual router that follows a group's lease: it may be master until ``until`` (None: it must not be, now)."""

    router: str
    until: Instant | None
    why: str
    ballot: int = 0
    """Of the lease, the fencing token of notify scripts; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class SendAdvert:
    """Send this now, to the multicast group or to every unicast peer, from ``SourceKnown``'s address.

    Its identification and AH sequence are the performer's; ``sequence`` (when not 0) is the least that AH must use from now on.
    ``number``: for ``AdvertUnsent``; 0 for those that give no right to serve.
    """

    router: str
    advert: Advertisement
    sequence: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Tell:
    """Have the manager run the notify scripts and write the FIFO for this, in the order of the effects.

    ``what``: "INSTANCE" or "GROUP". ``state``: MASTER, BACKUP, FAULT, STOP, DELETED, or keepalived's MASTER_RX_LOWER_PRI,
    MASTER_PRIORITY, BACKUP_PRIORITY. ``priority``: the effective one, 0 for groups. ``why``, ``ballot`` (0: none): for our own
    environment variables.
    """

    what: str
    name: str
    state: str
    priority: int
    why: str
    ballot: int = 0


@dataclass(frozen=True, slots=True)
class AnnounceSource:
    """One gratuitous frame for the own unicast source address, so that peers' caches are fresh."""

    router: str
    why: str


RouterEvent: TypeAlias = (
    Event
    | AdvertHeard
    | AdvertRefused
    | AdvertUnsent
    | SourceKnown
    | DevicesMissing
    | TrackSaid
    | RoutersChanged
    | PeerLives
    | MayServe
)
RouterEffect: TypeAlias = Effect | SendAdvert | Tell | AnnounceSource


@dataclass(frozen=True, slots=True)
class RouterView:
    """One virtual router in the snapshot. ``since``: nanoseconds ago. ``master``: the address of the master, "" unknown.

    ``refused``: whose advertisement was not taken lately, why, how to mend that, and when; "" when there is none.
    ``outlook``: of a backup, why it is none but that now, and when it takes over; "" otherwise. ``group``: its sync group.
    """

    name: str
    state: str
    since: Duration
    why: str
    vrid: int
    family: int
    version: int
    device: str
    priority: int
    base_priority: int
    master: str = ""
    master_priority: int = 0
    addresses: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    tracks: tuple[tuple[str, str], ...] = ()
    counters: tuple[tuple[str, int], ...] = field(default=())
    refused: str = ""
    outlook: str = ""
    group: str = ""
