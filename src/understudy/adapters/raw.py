"""Neighbour frames out of and into the devices of our virtual addresses, over packet sockets.

``Announcer`` sends announcements and probes; ``Listener`` hears who else claims our addresses. The frame codec is handed in by
whoever puts the parts together (``pulse``), because adapters know nothing of wire formats.

Frames are built when the configuration is loaded and again when a device's MAC address changed. Sending one costs 5 µs
(measured; ``sendmmsg`` gains nothing worth having). Two sockets for listening on each device, for ARP and for IPv6: one for all
protocols would make the kernel show us every packet that the machine sends.

A device that does not exist yet, or vanishes, is no error: call ``refresh`` when a link changed. Devices that are not Ethernet
(loopback, tunnels) have no neighbours to tell; their addresses are skipped.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..model import AddressResource
from . import packet_filter
from .addresses import pack

_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_ARPHRD_ETHER = 1
_OUTGOING = 4
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_MULTICAST = 0
_FRAME = 2048


class Claim(Protocol):
    """What the codec reads from a frame: ``wire.neighbour.Claim``."""

    @property
    def address(self) -> str: ...
    @property
    def mac(self) -> str: ...
    @property
    def probe(self) -> bool: ...


class BuildAnnouncement(Protocol):
    """``wire.neighbour.announcement``."""

    def __call__(self, mac: bytes, address: str, router: bool = False) -> bytes: ...


BuildProbe = Callable[[bytes, str], bytes]
ReadClaim = Callable[[bytes], Claim | None]
Failures = tuple[tuple[AddressResource, str], ...]


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """A frame on ``device`` says that ``mac`` uses ``address`` of ours, or with ``probe`` that it is about to."""

    address: str
    device: str
    mac: str
    probe: bool


def _open(device: str, protocol: int, program: packet_filter.Program | None = None) -> socket.socket:
    """A packet socket, bound to ``device`` if it exists; it hears nothing before its filter is in place."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    try:
        if program is not None:
            packet_filter.attach(opened, program)
    except OSError:
        opened.close()
        raise
    _bind(opened, device, protocol)
    return opened


def _bind(opened: socket.socket, device: str, protocol: int) -> None:
    try:
        opened.bind((device, protocol))
    except OSError:
        pass  # no such device now; refresh() tries again


def _bound_to(opened: socket.socket, device: str) -> bool:
    """Whether the socket still sits on the device that has this name now."""
    try:
        return bool(opened.getsockname()[0] == device)
    except OSError:
        return False


def _mac(opened: socket.socket) -> bytes | None:
    """The device's present MAC address; None when it is gone or not Ethernet."""
    try:
        _, _, _, hardware, mac = opened.getsockname()
    except OSError:
        return None
    return bytes(mac) if hardware == _ARPHRD_ETHER and len(mac) == 6 else None


def forwards(device: str) -> bool:
    """Whether the machine routes IPv6 for others on ``device``: then its advertisements must say that it is a router."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{device.replace('.', '/')}/forwarding", encoding="ascii") as setting:
            return setting.read().strip() not in ("", "0")
    except OSError:
        return False


@dataclass(slots=True)
class _Frames:
    mac: bytes
    announcements: dict[str, bytes]
    probes: dict[str, bytes]


class Announcer:
    """Sends announcements and probes for ``addresses``. Raises OSError when packet sockets are not permitted."""

    def __init__(
        self, addresses: Iterable[AddressResource], announcement: BuildAnnouncement, probe: BuildProbe
    ) -> None:
        self._announcement = announcement
        self._probe = probe
        self._addresses: dict[str, list[str]] = {}
        for item in addresses:
            self._addresses.setdefault(item.device, []).append(item.address)
        self._sockets = {device: _open(device, 0) for device in self._addresses}
        self._routers: dict[str, bool] = {}
        self._frames: dict[str, _Frames] = {}
        self.refresh()

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()

    def refresh(self) -> None:
        """Bind to devices that appeared, and build the frames where the MAC address or the router's role changed."""
        for device, opened in self._sockets.items():
            if not _bound_to(opened, device):
                _bind(opened, device, 0)
            mac = _mac(opened)
            router = forwards(device)
            if mac is not None and self._routers.get(device) != router:
                self._routers[device] = router
                self._build(device, mac)
            elif mac is not None:
                self._current(device, mac)

    def announce(self, addresses: Sequence[AddressResource]) -> Failures:
        """One announcement for each address now. Returns those that could not be sent, with the reason for people.

        Callers with hundreds of addresses pass them in slices: each frame takes some 5 µs.
        """
        return self._send(addresses, probing=False)

    def probe(self, addresses: Sequence[AddressResource]) -> Failures:
        """One probe for each address now. Returns those that could not be sent, with the reason for people."""
        return self._send(addresses, probing=True)

    def macs(self) -> frozenset[str]:
        """The present MAC addresses of our devices, lower case with colons."""
        found = (_mac(opened) for opened in self._sockets.values())
        return frozenset(mac.hex(":") for mac in found if mac is not None)

    def _send(self, addresses: Sequence[AddressResource], probing: bool) -> Failures:
        failures: list[tuple[AddressResource, str]] = []
        current: dict[str, _Frames | str | None] = {}
        for resource in addresses:
            device = resource.device
            if device not in current:
                current[device] = self._ready(device)
            frames = current[device]
            if frames is None:
                continue
            if isinstance(frames, str):
                failures.append((resource, frames))
                continue
            known = frames.probes if probing else frames.announcements
            frame = known.get(resource.address) or self._one(frames, resource, probing)
            try:
                self._sockets[device].send(frame)
            except OSError as error:
                failures.append((resource, f"cannot send on {device}: {error.strerror}"))
        return tuple(failures)

    def _ready(self, device: str) -> _Frames | str | None:
        """The frames of ``device``; a text when it cannot send; None when it has no neighbours to tell."""
        opened = self._sockets.get(device)
        if opened is None:
            opened = self._sockets[device] = _open(device, 0)
            self._addresses[device] = []
            self._routers[device] = forwards(device)
        elif not _bound_to(opened, device):
            _bind(opened, device, 0)
        mac = _mac(opened)
        if mac is not None:
            return self._current(device, mac)
        if not _bound_to(opened, device):
            return f"there is no device {device} on this machine"
        return None

    def _one(self, frames: _Frames, resource: AddressResource, probing: bool) -> bytes:
        if probing:
            return self._probe(frames.mac, resource.address)
        return self._announcement(frames.mac, resource.address, self._routers.get(resource.device, False))

    def _current(self, device: str, mac: bytes) -> _Frames:
        frames = self._frames.get(device)
        return frames if frames is not None and frames.mac == mac else self._build(device, mac)

    def _build(self, device: str, mac: bytes) -> _Frames:
        router = self._routers.get(device, False)
        frames = _Frames(
            mac,
            {address: self._announcement(mac, address, router) for address in self._addresses[device]},
            {address: self._probe(mac, address) for address in self._addresses[device]},
        )
        self._frames[device] = frames
        return frames


@dataclass(frozen=True, slots=True)
class _Ear:
    socket: socket.socket
    device: str
    protocol: int
    groups: tuple[bytes, ...]


class Listener:
    """Hears frames about ``addresses``. Raises OSError when packet sockets are not permitted.

    ``filenos`` never change: a device that comes back is heard on the same descriptor after ``refresh``.
    """

    def __init__(self, addresses: Iterable[AddressResource], read_claim: ReadClaim) -> None:
        self._read_claim = read_claim
        self._ours: dict[str, dict[bytes, str]] = {}
        for item in addresses:
            self._ours.setdefault(item.device, {})[pack(item.address)] = item.address
        self._ears: list[_Ear] = []
        for device, ours in self._ours.items():
            ipv4 = [packed for packed in ours if len(packed) == 4]
            ipv6 = [packed for packed in ours if len(packed) == 16]
            if ipv4:
                self._listen(device, _ETHERTYPE_ARP, packet_filter.arp_about(ipv4), ())
            if ipv6:
                # Somebody else's duplicate address detection goes to this group only (RFC 4291 section 2.7.1).
                groups = tuple(sorted({b"\x33\x33\xff" + packed[13:] for packed in ipv6}))
                self._listen(device, _ETHERTYPE_IPV6, packet_filter.discovery_about(ipv6), groups)

    def filenos(self) -> tuple[int, ...]:
        return tuple(ear.socket.fileno() for ear in self._ears)

    def close(self) -> None:
        for ear in self._ears:
            ear.socket.close()

    def refresh(self) -> None:
        """Bind again to devices that appeared, came back or were renamed."""
        for ear in self._ears:
            if not _bound_to(ear.socket, ear.device):
                _bind(ear.socket, ear.device, ear.protocol)
                _join(ear)

    def claims(self, limit: int = 32) -> tuple[ClaimSeen, ...]:
        """Read at most ``limit`` frames from each socket; what our own MAC addresses say is left out."""
        own = {mac.hex(":") for mac in (_mac(ear.socket) for ear in self._ears) if mac is not None}
        found: dict[ClaimSeen, None] = {}
        for ear in self._ears:
            for _ in range(limit):
                try:
                    frame, source = ear.socket.recvfrom(_FRAME)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # the device went down; the monitor of links tells
                if source[2] == _OUTGOING:
                    continue
                seen = self._judge(ear.device, frame)
                if seen is not None and seen.mac not in own:
                    found[seen] = None
        return tuple(found)

    def _judge(self, device: str, frame: bytes) -> ClaimSeen | None:
        said = self._read_claim(frame)
        if said is None:
            return None
        address = self._ours[device].get(pack(said.address))
        return None if address is None else ClaimSeen(address, device, said.mac, said.probe)

    def _listen(self, device: str, protocol: int, program: packet_filter.Program, groups: tuple[bytes, ...]) -> None:
        ear = _Ear(_open(device, protocol, program), device, protocol, groups)
        self._ears.append(ear)
        _join(ear)


def _join(ear: _Ear) -> None:
    """Have the device pass the Ethernet multicast groups of ``ear`` on to us."""
    try:
        index = socket.if_nametoindex(ear.device)
    except OSError:
        return
    for group in ear.groups:
        request = struct.pack("=IHH8s", index, _PACKET_MR_MULTICAST, len(group), group)
        try:
            ear.socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        except OSError:
            return
