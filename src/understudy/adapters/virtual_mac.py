"""Devices with the MAC address of a virtual router (RFC 9568 section 7.3): a macvlan or ipvlan on another device.

A macvlan in private mode: what leaves by it never comes back to the device beneath. The neighbour tables of clients need not
change when the router moves, so nothing depends on gratuitous frames. Both devices are on one network, so each answers ARP for
its own addresses only (``arp_ignore`` 1), and packets that come by the one and are answered by the other must not be taken for
forged (``rp_filter`` 2, loose). Over IPv6 the macvlan has no address of its own: adverts have the link-local one of the device
beneath.

What a kernel does not offer is a sentence, never an exception. A device of that name that is there already is replaced when it is
of the right kind, and otherwise left alone.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass

from . import netlink
from .addresses import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK
from .netlink import Failure, Incoming, NetlinkSocket
from .udp import interface_index

_INFO = struct.Struct("=BxHiII")
_ADDRESS, _IFNAME, _LINK, _LINKINFO = 1, 3, 5, 18
_KIND, _DATA = 1, 2
_MACVLAN_MODE, _MACVLAN_PRIVATE = 1, struct.pack("=I", 1)
_IPVLAN_MODE, _IPVLAN_L2 = 1, struct.pack("=H", 0)
_EXCLUSIVE = 0x200
_IFF_UP = 1
_LONGEST_NAME = 15


@dataclass(frozen=True, slots=True)
class VirtualDevice:
    """``mac``: hexadecimal with colons. ``parent``: the device beneath. ``ipvlan``: it shares that one's MAC address."""

    name: str
    parent: str
    mac: str
    ipvlan: bool = False

    @property
    def kind(self) -> str:
        return "ipvlan" if self.ipvlan else "macvlan"


def usual_mac(vrid: int, family: int) -> str:
    """00:00:5e:00:01:VRID, for IPv6 :02: (RFC 9568 section 7.3)."""
    return f"00:00:5e:00:{1 if family == 4 else 2:02x}:{vrid:02x}"


class VirtualDevices:
    """The devices that this process made or found. Raises OSError when the kernel offers no NETLINK_ROUTE."""

    def __init__(self) -> None:
        self._route = NetlinkSocket(netlink.NETLINK_ROUTE)
        self._wanted: dict[str, VirtualDevice] = {}
        self._made: dict[str, tuple[VirtualDevice, int]] = {}
        """With the index of the device beneath."""
        self.troubles: tuple[str, ...] = ()

    def follow(self, devices: tuple[VirtualDevice, ...]) -> None:
        """These and no others from now on; what is not wanted any more is removed, which may take some milliseconds."""
        self._wanted = {device.name: device for device in devices}
        for name, (device, _) in tuple(self._made.items()):
            if self._wanted.get(name) != device:
                self.remove(name)
        self.mend()

    def mend(self) -> None:
        """Make what is missing: at the start, and when the device beneath has come back. Cheap; call about every second."""
        found = [text for device in self._wanted.values() if (text := self._ensure(device))]
        self.troubles = tuple(found)

    def remove_all(self) -> None:
        """At a clean end."""
        for name in tuple(self._made):
            self.remove(name)

    def remove(self, name: str) -> None:
        self._made.pop(name, None)
        index = interface_index(name)
        if index:
            self._ask(RTM_DELLINK, 0, index, b"")

    def take_away(self, devices: tuple[VirtualDevice, ...]) -> None:
        """What an earlier run left. A device of that name that is of another kind, or stands on another one, stays."""
        for device in devices:
            index, parent = interface_index(device.name), interface_index(device.parent)
            if index and parent:
                self._taken_over(device, index, parent)

    def close(self) -> None:
        self._route.close()

    def _ensure(self, device: VirtualDevice) -> str:
        """ "" or why it is not there."""
        parent = interface_index(device.parent)
        if not parent:
            return ""  # that is said of the device beneath
        index = interface_index(device.name)
        if index and self._made.get(device.name) == (device, parent):
            return ""
        if index:
            text = self._taken_over(device, index, parent)
            if text is not None:
                return text
        if text := self._make(device, parent):
            return text
        self._settings(device)
        index = interface_index(device.name)
        if text := self._ask(RTM_NEWLINK, 0, index, b"", _IFF_UP):
            return f"cannot bring {device.name} up: {text}"
        self._made[device.name] = (device, parent)
        return ""

    def _taken_over(self, device: VirtualDevice, index: int, parent: int) -> str | None:
        """What an earlier run left is made anew, for its settings may be others; None: it is gone now."""
        kind, beneath = self._kind(index)
        if kind != device.kind or (beneath and beneath != parent):
            what = f"a {kind}" if kind else "another device"
            return f"there is {what} named {device.name} already: choose another name for the virtual MAC's device"
        self._ask(RTM_DELLINK, 0, index, b"")
        return None

    def _make(self, device: VirtualDevice, parent: int) -> str:
        if len(device.name) > _LONGEST_NAME:
            return f"the name {device.name} is too long for a device: {_LONGEST_NAME} characters at most"
        data = netlink.attribute(_IPVLAN_MODE, _IPVLAN_L2)
        if not device.ipvlan:
            data = netlink.attribute(_MACVLAN_MODE, _MACVLAN_PRIVATE)
        body = netlink.attribute(_IFNAME, device.name.encode() + b"\0")
        body += netlink.attribute(_LINK, struct.pack("=I", parent))
        if not device.ipvlan:
            body += netlink.attribute(_ADDRESS, bytes.fromhex(device.mac.replace(":", "")))
        body += netlink.nested(_LINKINFO, netlink.attribute(_KIND, device.kind.encode()), netlink.nested(_DATA, data))
        text = self._ask(RTM_NEWLINK, netlink.CREATE | _EXCLUSIVE, 0, body)
        if not text:
            return ""
        return (
            f"no virtual MAC for {device.name}: the kernel refuses a {device.kind} on {device.parent}: {text}"
            f" (is there the module {device.kind}, and the right to use it?)"
        )

    def _ask(self, kind: int, flags: int, index: int, body: bytes, up: int = 0) -> str:
        head = _INFO.pack(socket.AF_UNSPEC, 0, index, up, up)
        data = netlink.message(kind, netlink.REQUEST | netlink.ACK | flags, 1, head + body)
        failures = [item for item in self._route.request(data) if item.number != errno.ENODEV or kind != RTM_DELLINK]
        return str(failures[0]) if failures else ""

    def _kind(self, index: int) -> tuple[str, int]:
        """What it is, "" for no virtual device, and the index of the device beneath, 0 for none."""
        found = self._route.dump(RTM_GETLINK, _INFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        if isinstance(found, Failure):
            return "", 0
        return next((_read(item) for item in found if _INFO.unpack_from(item.payload)[2] == index), ("", 0))

    @staticmethod
    def _settings(device: VirtualDevice) -> None:
        """What is refused here costs comfort and no correctness, so it is not said."""
        _write(f"net/ipv6/conf/{device.name}/addr_gen_mode", "1")
        _write(f"net/ipv6/conf/{device.name}/accept_ra", "0")
        for name in (device.name, device.parent):
            _write(f"net/ipv4/conf/{name}/arp_ignore", "1")
        _write(f"net/ipv4/conf/{device.name}/rp_filter", "2")
        _write(f"net/ipv4/conf/{device.name}/promote_secondaries", "1")


def _read(item: Incoming) -> tuple[str, int]:
    parts = dict(netlink.attributes(item.payload[_INFO.size :]))
    info = dict(netlink.attributes(parts.get(_LINKINFO, b"")))
    beneath = parts.get(_LINK, b"")
    kind = info.get(_KIND, b"").rstrip(b"\0").decode("ascii", "replace")
    return kind, struct.unpack("=I", beneath)[0] if len(beneath) == 4 else 0


def _write(path: str, value: str) -> None:
    """A name may have a dot in it, which is no separator there."""
    folder, _, name = path.rpartition("/")
    try:
        with open(f"/proc/sys/{folder}/{name}", "w", encoding="ascii") as setting:
            setting.write(value)
    except OSError:
        return
