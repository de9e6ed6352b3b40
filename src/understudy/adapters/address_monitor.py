"""Watches our virtual addresses and the devices that carry them, and tells what others changed.

The kernel's notifications say what happened; this keeps the state and reports differences only, so a lost notification
(ENOBUFS) costs one dump and no wrong fact. An address is gone when the ``AddressBook`` counts it as placed and it is not there;
so our own removals are no news. Measured: a pulled cable is seen after 0.2 ms on veth; the kernel itself may hold the news of a
flapping cable back for up to a second.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ..events import AddressGone, LinkChanged
from . import netlink
from .addresses import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    AddressBook,
    list_addresses,
    list_links,
    pack,
    read_address,
    read_link,
)
from .netlink import Failure, Incoming, NetlinkSocket

_GROUP_LINK, _GROUP_IPV4_ADDRESS, _GROUP_IPV6_ADDRESS = 0x1, 0x10, 0x100
_RECEIVE_SIZE = 1 << 16


@dataclass(frozen=True, slots=True)
class AddressThere:
    """One of our virtual addresses appeared on its device: by us, or by somebody else."""

    address: str


Fact: TypeAlias = AddressGone | AddressThere | LinkChanged


class AddressMonitor:
    """A non-blocking watch on the addresses of ``book`` and on their devices, plus ``devices``.

    Raises OSError when the kernel offers no NETLINK_ROUTE.
    """

    def __init__(self, book: AddressBook, devices: Iterable[str] = ()) -> None:
        self._book = book
        self._ours = {(item.device, pack(item.address)): item.address for item in book.addresses}
        self._present: set[str] = set()
        self._watched = tuple(sorted({item.device for item in book.addresses} | set(devices)))
        self._carriers: dict[str, bool] = {}
        self._names: dict[int, str] = {}
        self._lookup = NetlinkSocket(netlink.NETLINK_ROUTE)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, netlink.NETLINK_ROUTE)
        netlink.enlarge_receive_buffer(self._socket)
        self._socket.bind((0, _GROUP_LINK | _GROUP_IPV4_ADDRESS | _GROUP_IPV6_ADDRESS))
        # Listening comes before looking: what changes in between is then seen twice rather than never.
        self._lost = not self._look()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        self._lookup.close()

    def present(self) -> tuple[str, ...]:
        """Which of our addresses were on their devices when last read, in the order of the configuration."""
        return tuple(item.address for item in self._book.addresses if item.address in self._present)

    def carriers(self) -> tuple[tuple[str, bool], ...]:
        """(device, has carrier) when last read; devices that do not exist are left out."""
        return tuple((device, self._carriers[device]) for device in self._watched if device in self._carriers)

    def facts(self, limit: int = 128) -> tuple[Fact, ...]:
        """Read at most ``limit`` notifications and say what is different now.

        An address that somebody removed and put back between two calls is not mentioned. While more is waiting (the descriptor
        stays readable) nothing is said to be gone: its return may be among it. A device that vanished has lost its carrier.
        """
        present, carriers = set(self._present), dict(self._carriers)
        drained = self._read(limit)
        if self._lost:
            drained = self._look()
            self._lost = not drained
        facts: list[Fact] = []
        for device in self._watched:
            before, after = carriers.get(device), self._carriers.get(device)
            if before is not after and (before or after is not None):
                facts.append(LinkChanged(device, after is True))
            if after and not before:
                self._book.restore_routes(device)
        for address in self._ours.values():
            if address in self._present:
                if address not in present:
                    facts.append(AddressThere(address))
            elif drained and address in self._book.placed:
                self._book.placed.discard(address)
                facts.append(AddressGone(address))
        return tuple(facts)

    def _read(self, limit: int) -> bool:
        """Returns whether everything that waited was read."""
        for _ in range(limit):
            try:
                data = self._socket.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                return True
            except OSError as error:
                self._lost = self._lost or error.errno == errno.ENOBUFS
                continue
            for item in netlink.messages(data):
                self._learn(item)
        return False

    def _learn(self, item: Incoming) -> None:
        if item.kind in (RTM_NEWADDR, RTM_DELADDR):
            seen = read_address(item)
            address = self._ours.get((self._names.get(seen.index, ""), seen.packed)) if seen else None
            if address is not None:
                (self._present.add if item.kind == RTM_NEWADDR else self._present.discard)(address)
        elif item.kind in (RTM_NEWLINK, RTM_DELLINK):
            link = read_link(item)
            if link is None:
                return
            if item.kind == RTM_DELLINK:
                self._vanished(link.index, link.name)
                return
            # A device may get one of our names, or lose it, with addresses on it already: by renaming.
            self._lost = self._lost or self._names.get(link.index, link.name) != link.name
            self._names[link.index] = link.name
            if link.name in self._watched:
                self._carriers[link.name] = link.carrier

    def _vanished(self, index: int, name: str) -> None:
        self._names.pop(index, None)
        self._carriers.pop(name, None)
        for (device, _), address in self._ours.items():
            if device == name:
                self._present.discard(address)

    def _look(self) -> bool:
        """Take the state from a dump. Returns False when the kernel would not tell: then we try again at the next call."""
        links, addresses = list_links(self._lookup), list_addresses(self._lookup)
        if isinstance(links, Failure) or isinstance(addresses, Failure):
            return False
        self._names = {link.index: link.name for link in links}
        there = {link.name: link.carrier for link in links}
        self._carriers = {device: there[device] for device in self._watched if device in there}
        keys = ((self._names.get(seen.index, ""), seen.packed) for seen in addresses)
        self._present = {self._ours[key] for key in keys if key in self._ours}
        return True
