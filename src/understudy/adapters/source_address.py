"""The address of each device that adverts leave from: followed over netlink, so that its loss and return are known at once.

IPv4: the device's primary address; IPv6: its link-local one, once duplicate address detection is over. Virtual addresses are
never the source: with one of them as its only address a device has none. As long as the one that was chosen is there, it stays.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import netlink
from .addresses import RTM_DELADDR, RTM_DELLINK, RTM_GETADDR, RTM_NEWADDR, RTM_NEWLINK, pack, read_link
from .netlink import Failure, Incoming, NetlinkSocket
from .udp import interface_index

_GROUPS = 0x1 | 0x10 | 0x100
_RECEIVE_SIZE = 1 << 16
_ADDRESS = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_SECONDARY, _OPTIMISTIC, _DAD_FAILED, _TENTATIVE = 0x01, 0x04, 0x08, 0x40
_HOST = 254

Place = tuple[str, int]
"""A device and 4 or 6."""


@dataclass(frozen=True, slots=True)
class _Own:
    index: int
    packed: bytes
    flags: int
    scope: int


@dataclass(slots=True)
class SourceAddresses:
    """``places``: whose source is followed. ``virtual``: addresses that never are one. ``wanted``: configured ones, whose
    presence on any device matters.

    Raises OSError when the kernel offers no NETLINK_ROUTE.
    """

    places: tuple[Place, ...]
    virtual: frozenset[str]
    wanted: frozenset[str] = frozenset()
    known: dict[Place, str] = field(default_factory=dict)
    """"" where there is none."""
    present: frozenset[str] = frozenset()
    """Those of ``wanted`` that this machine has."""
    _virtual: frozenset[bytes] = frozenset()
    _devices: frozenset[str] = frozenset()
    _indices: frozenset[int] = frozenset()
    _lookup: NetlinkSocket = field(init=False)
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._lookup = NetlinkSocket(netlink.NETLINK_ROUTE)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, netlink.NETLINK_ROUTE)
        netlink.enlarge_receive_buffer(self._socket)
        self._socket.bind((0, _GROUPS))
        self.follow(self.places, self.virtual, self.wanted)

    def follow(self, places: Iterable[Place], virtual: Iterable[str], wanted: Iterable[str] = ()) -> None:
        """These count from now on."""
        self.places, self.virtual, self.wanted = tuple(places), frozenset(virtual), frozenset(wanted)
        self._virtual = frozenset(pack(address) for address in self.virtual - self.wanted)
        self._devices = frozenset(device for device, _ in self.places)
        self._look()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        self._lookup.close()

    def changed(self, limit: int = 128) -> bool:
        """Read at most ``limit`` notifications; whether ``known`` or ``present`` is different now."""
        concerns = False
        for _ in range(limit):
            try:
                data = self._socket.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                break
            except OSError:  # some were lost
                concerns = True
                continue
            concerns = concerns or any(self._concerns(item) for item in netlink.messages(data))
        if not concerns:
            return False
        before = (dict(self.known), self.present)
        self._look()
        return before != (self.known, self.present)

    def _concerns(self, item: Incoming) -> bool:
        """What we do with our own virtual addresses changes no source."""
        if item.kind in (RTM_NEWADDR, RTM_DELADDR):
            own = _read(item)
            return own is not None and own.packed not in self._virtual
        if item.kind in (RTM_NEWLINK, RTM_DELLINK):
            link = read_link(item)
            return link is not None and (link.name in self._devices or link.index in self._indices)
        return False

    def _look(self) -> None:
        found = self._lookup.dump(RTM_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        if isinstance(found, Failure):
            return
        every = [own for item in found if item.kind == RTM_NEWADDR and (own := _read(item)) is not None]
        indices = {device: interface_index(device) for device in self._devices}
        self._indices = frozenset(indices.values())
        there = {own.packed for own in every}
        self.present = frozenset(address for address in self.wanted if pack(address) in there)
        self.known = {
            place: self._chosen(place, [own for own in every if own.index == indices[place[0]]])
            for place in self.places
        }

    def _chosen(self, place: Place, here: list[_Own]) -> str:
        size = 4 if place[1] == 4 else 16
        fit = [own for own in here if len(own.packed) == size and own.packed not in self._virtual and _usable(own)]
        if not fit:
            return ""
        texts = [socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, own.packed) for own in fit]
        before = self.known.get(place, "")
        if before in texts:
            return before
        primary = [text for text, own in zip(texts, fit, strict=True) if not own.flags & _SECONDARY or size == 16]
        return (primary or texts)[0]


def _read(item: Incoming) -> _Own | None:
    if len(item.payload) < _ADDRESS.size:
        return None
    _, _, flags, scope, index = _ADDRESS.unpack_from(item.payload)
    packed = b""
    for kind, value in netlink.attributes(item.payload[_ADDRESS.size :]):
        if kind == _IFA_LOCAL or (kind == _IFA_ADDRESS and not packed):
            packed = value
        elif kind == _IFA_FLAGS and len(value) == 4:
            (flags,) = struct.unpack("=I", value)
    return _Own(index, packed, flags, scope) if len(packed) in (4, 16) else None


def _usable(own: _Own) -> bool:
    if len(own.packed) == 4:
        return own.scope != _HOST
    link_local = own.packed[0] == 0xFE and own.packed[1] & 0xC0 == 0x80
    tentative = own.flags & _TENTATIVE and not own.flags & _OPTIMISTIC
    return link_local and not tentative and not own.flags & _DAD_FAILED
