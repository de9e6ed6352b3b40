"""What an administrator configured for virtual routers, in keepalived.conf or in ``[virtual_routers]`` of a native file.

Built only by ``config``; everything else reads it. Durations are nanoseconds. keepalived's defaults are filled in, those of
global_defs too, so that nobody else has to know them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from .services import ServiceFiles
from .units import SECOND, Duration


class Checksum(Enum):
    """How the checksum of version 3 over IPv4 is reckoned. What is heard is accepted in either of the first two forms.

    ``PSEUDO``: with a pseudo-header (keepalived). ``PLAIN``: without (RFC 9568, ``v3_checksum_as_v2``). ``OLD_UNICAST``: with a
    pseudo-header that names 224.0.0.18 (keepalived up to 1.3.6, ``old_unicast_checksum``).
    """

    PSEUDO = "pseudo"
    PLAIN = "plain"
    OLD_UNICAST = "old-unicast"


@dataclass(frozen=True, slots=True)
class AddressForm:
    """How an address stands on its device, in the words of ``ip address``, "" for what the kernel takes by itself.

    ``scope``: a name or a number to 255. ``broadcast``: an address, "+" or "-". ``options``: words such as ``home``, ``-nodad``,
    ``noprefixroute``, and ``preferred_lft`` with the word behind it. With a ``peer`` the prefix length is the peer's.
    """

    label: str = ""
    scope: str = ""
    broadcast: str = ""
    peer: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouterAddress:
    """A virtual address. ``device``: where it goes (the router's own by default). ``advertised`` False: of the excluded list.

    ``label``, ``scope``, ``broadcast``, ``peer``, ``options``: as in ``AddressForm``. ``tracked``: put back when deleted.
    """

    address: str
    prefix: int
    device: str
    advertised: bool = True
    label: str = ""
    scope: str = ""
    broadcast: str = ""
    peer: str = ""
    tracked: bool = True
    options: tuple[str, ...] = ()

    @property
    def form(self) -> AddressForm:
        """How it is to stand there."""
        return AddressForm(self.label, self.scope, self.broadcast, self.peer, self.options)


@dataclass(frozen=True, slots=True)
class Track:
    """A tracked interface, script, file or process. ``weight`` 0: a failure is FAULT; -253 to 253 (of a file: a factor)."""

    kind: str
    name: str
    weight: int = 0
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Notified:
    """What is run when a state changes, each a command with its arguments, () for none. ``any``: ``notify``, with four more."""

    master: tuple[str, ...] = ()
    backup: tuple[str, ...] = ()
    fault: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    lower_priority: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    user: str = ""
    """``user`` or ``user:group``, "" for ``RouterGlobals.script_user``."""
    priority_changes: bool = False
    mail: bool = False
    users: tuple[tuple[str, str], ...] = ()
    """(which of the fields above, user) for those that are run as another user."""


@dataclass(frozen=True, slots=True)
class Announcing:
    """Gratuitous frames. ``repeat`` at once, again after ``delay`` (0: not), ``refresh_repeat`` every ``refresh`` (0: never).

    ``lower_*``: after an advert of a lower priority was heard as master. ``interval``: between two frames on one device.
    """

    repeat: int = 5
    delay: Duration = 5 * SECOND
    refresh: Duration = 0
    refresh_repeat: int = 1
    lower_repeat: int = 5
    lower_delay: Duration = 5 * SECOND
    arp_interval: Duration = 0
    na_interval: Duration = 0


@dataclass(frozen=True, slots=True)
class UnicastPeer:
    """A router to which adverts go; ``min_ttl``, ``max_ttl``: what its adverts may have."""

    address: str
    min_ttl: int = 0
    max_ttl: int = 255


@dataclass(frozen=True, slots=True)
class SecondPath:
    """Another network, on ``device``, where ``peers`` are told by unicast that the master lives."""

    device: str
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VirtualMac:
    """A macvlan with the virtual router's own MAC (RFC 9568 section 7.3). ``name``: of the device. ``mac``: "" for the usual.

    ``xmit_base``: adverts leave from the device beneath it. ``ipvlan``: ``use_ipvlan``.
    """

    name: str
    mac: str = ""
    xmit_base: bool = False
    ipvlan: bool = False


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """One ``vrrp_instance``. ``family`` 4 or 6. ``priority``: the base, 1 to 255 (the owner).

    ``begins_as_master``: ``state MASTER``, which matters for the owner only. ``source``: "" for the device's primary address.
    ``peers``: () for multicast to ``group``. ``ttl`` 0: as usual (255; 64 for unicast over IPv6). ``down_adverts``: how many
    intervals without an advert are death. ``tracks_device``: the loss of its own device's carrier is FAULT.
    ``lease_group``: the group of the cluster whose holder alone may be master, "" for none. ``priorities``: (node, priority)
    where the nodes of a cluster have their own; then ``priority`` is the highest of them, but in what ``on`` gives.
    """

    name: str
    device: str
    vrid: int
    addresses: tuple[RouterAddress, ...]
    family: int = 4
    version: int = 2
    priority: int = 100
    begins_as_master: bool = False
    interval: Duration = SECOND
    auth: str = ""
    """"PASS", "AH" or "" for none."""
    password: str = field(default="", repr=False)
    preempt: bool = True
    preempt_delay: Duration = 0
    accept: bool = True
    strict: bool = False
    source: str = ""
    peers: tuple[UnicastPeer, ...] = ()
    ttl: int = 0
    group: str = ""
    check_source: bool = False
    fault_without_peer: bool = False
    virtual_mac: VirtualMac | None = None
    announcing: Announcing = field(default_factory=Announcing)
    tracks: tuple[Track, ...] = ()
    tracks_device: bool = True
    tracks_source: bool = False
    checksum: Checksum = Checksum.PSEUDO
    skip_check_addresses: bool = False
    lower_no_advert: bool = False
    higher_send_advert: bool = False
    down_adverts: int = 3
    startup_delay: Duration = 0
    routes: tuple[tuple[str, ...], ...] = ()
    rules: tuple[tuple[str, ...], ...] = ()
    notified: Notified = field(default_factory=Notified)
    sync_daemon: str = ""
    """``lvs_sync_daemon_interface``, "" for none."""
    lease_group: str = ""
    priorities: tuple[tuple[str, int], ...] = ()
    second_path: SecondPath | None = None

    def on(self, node: str) -> VirtualRouter:
        """As it is on one node."""
        return replace(self, priority=dict(self.priorities)[node], priorities=()) if self.priorities else self

    @property
    def address_device(self) -> str:
        """Where its addresses go that name no device."""
        return self.device if self.virtual_mac is None else self.virtual_mac.name

    @property
    def advert_device(self) -> str:
        """By which device its adverts come and go."""
        mac = self.virtual_mac
        return self.device if mac is None or mac.xmit_base or self.peers else mac.name

    @property
    def advertised(self) -> tuple[str, ...]:
        """What its adverts name, in the order of the file."""
        return tuple(item.address for item in self.addresses if item.advertised)


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Virtual routers that are master together or not at all. ``own_weights``: ``sync_group_tracking_weight``."""

    name: str
    members: tuple[str, ...]
    tracks: tuple[Track, ...] = ()
    own_weights: bool = False
    notified: Notified = field(default_factory=Notified)


@dataclass(frozen=True, slots=True)
class TrackedScript:
    """A ``vrrp_script``. Exit 0 is good. ``rise``, ``fall``: how many in a row turn it; the first result alone decides."""

    name: str
    command: tuple[str, ...]
    interval: Duration = SECOND
    timeout: Duration = SECOND
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1
    begins_failed: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A ``track_file``: its number times the weight is added to the priority; weight 0: not 0 is FAULT.

    ``initial``: written at the start (``init_file``), None when it is only read. ``overwrite``: also over what is there.
    """

    name: str
    path: str
    weight: int = 1
    reverse: bool = False
    initial: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class TrackedProcess:
    """A ``vrrp_track_process``: well while ``quorum`` to ``quorum_max`` (0: any number) processes of that name run.

    ``full_command``: the whole command line is compared. ``parameters``: how (``param_match``): "", "initial", "partial".
    ``delay`` (or ``terminate_delay``, ``fork_delay``): how long a change must last.
    """

    name: str
    process: tuple[str, ...]
    weight: int = 0
    reverse: bool = False
    quorum: int = 1
    quorum_max: int = 0
    full_command: bool = False
    parameters: str = ""
    terminate_delay: Duration = 0
    fork_delay: Duration = 0


@dataclass(frozen=True, slots=True)
class RouterGlobals:
    """What global_defs has for the whole daemon and no virtual router has for itself.

    ``fifos``: (path, command that reads it or ()). ``mails``: who gets mail, and from whom. ``started``, ``stopped``:
    ``startup_script`` and ``shutdown_script``.
    """

    router_id: str = ""
    script_user: str = ""
    script_security: bool = False
    fifos: tuple[tuple[str, tuple[str, ...]], ...] = ()
    states_on_reload: bool = False
    log_unknown: bool = False
    dynamic_interfaces: bool = False
    mails: tuple[str, ...] = ()
    mail_from: str = ""
    mail_server: str = ""
    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    script_timeout: Duration = 10 * SECOND
    realtime_priority: int = 0
    nice: int = 0


@dataclass(frozen=True, slots=True)
class RouterFiles:
    """Everything of virtual routers in one configuration. ``services``: virtual servers of the same file, until ``Cluster`` has
    them (``Cluster.services``).
    """

    routers: tuple[VirtualRouter, ...] = ()
    sync_groups: tuple[SyncGroup, ...] = ()
    scripts: tuple[TrackedScript, ...] = ()
    files: tuple[TrackedFile, ...] = ()
    processes: tuple[TrackedProcess, ...] = ()
    settings: RouterGlobals = field(default_factory=RouterGlobals)
    services: ServiceFiles | None = None

    def on(self, node: str) -> RouterFiles:
        """As they are on one node of a cluster."""
        return replace(self, routers=tuple(router.on(node) for router in self.routers))

    def router(self, name: str) -> VirtualRouter:
        """The one of this name. Raises KeyError."""
        return next((item for item in self.routers if item.name == name), None) or _missing(name)


def _missing(name: str) -> VirtualRouter:
    raise KeyError(name)
