"""IPVS's messages over generic netlink, both ways: services, servers, counters and the sync daemon as bytes (``linux/ip_vs.h``).

Nothing here speaks to the kernel. What comes from there is read leniently: attributes that are not known are passed over, and
what is no service or no server at all gives None.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address

from ..balance import Counters, Place, TableServer, TableService, kept_by_ipvs, place_in_ipvs
from ..services import IPIP, Forward, ServiceKey, SyncDaemon, Timeouts, Tunnelling
from ..units import SECOND
from .netlink import attribute, attributes, nested

FAMILY_NAME = "IPVS"
CONTROL_FAMILY = 16
"""The family that knows all others (GENL_ID_CTRL, ``linux/genetlink.h``)."""
GET_FAMILY = 3
_FAMILY_ID, _FAMILY_NAME = 1, 2

_HEAD = struct.Struct("=BBH")
_NUMBER, _SHORT, _PORT, _PAIR = struct.Struct("=I"), struct.Struct("=H"), struct.Struct("!H"), struct.Struct("=II")
_ADDRESS_SIZE = 16

_SERVICE, _SERVER, _DAEMON, _TIMEOUT_TCP, _TIMEOUT_FIN, _TIMEOUT_UDP = 1, 2, 3, 4, 5, 6
_AF, _PROTOCOL, _ADDRESS, _SERVICE_PORT, _MARK, _SCHEDULER, _FLAGS, _TIMEOUT, _NETMASK = 1, 2, 3, 4, 5, 6, 7, 8, 9
_ENGINE = 11
_TO_ADDRESS, _TO_PORT, _FORWARD, _WEIGHT, _UPPER, _LOWER, _ACTIVE, _INACTIVE, _PERSISTENT = 1, 2, 3, 4, 5, 6, 7, 8, 9
_STATS, _TO_FAMILY, _STATS64, _TUNNEL, _TUNNEL_PORT, _TUNNEL_FLAGS = 10, 11, 12, 13, 14, 15
_STATE, _DEVICE, _SYNC_ID, _MOST_BYTES, _GROUP, _GROUP6, _SYNC_PORT, _TTL = 1, 2, 3, 4, 5, 6, 7, 8

PERSISTENT, ONE_PACKET = 0x1, 0x4
_SCHEDULER_FLAGS = {"1": 0x08, "2": 0x10, "3": 0x20}
_OURS = PERSISTENT | ONE_PACKET | 0x38
"""The flags that we say anything about. The kernel's own mark that a service is hashed (0x2) is not ours to set."""

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
FORWARDS = {Forward.NAT: 0, Forward.TUNNEL: 2, Forward.DIRECT: 3}
_FORWARD_NAMES = {number: forward for forward, number in FORWARDS.items()}
TUNNELS = {"ipip": 0, "gue": 1, "gre": 2}
_TUNNEL_NAMES = {number: name for name, number in TUNNELS.items()}
CHECKSUMS = {"": 0, "csum": 1, "remcsum": 2}
_CHECKSUM_NAMES = {number: name for name, number in CHECKSUMS.items()}


class Command(IntEnum):
    """What a message asks for; also in its answer."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    GET_SERVICE = 4
    NEW_SERVER = 5
    SET_SERVER = 6
    DEL_SERVER = 7
    GET_SERVER = 8
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    GET_DAEMON = 11
    SET_CONFIG = 12
    FLUSH = 17


class SyncState(IntEnum):
    """What the kernel's sync daemon does: a master tells its connections, a backup takes them up."""

    MASTER = 1
    BACKUP = 2


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A server of a service as the kernel tells it, with its counters."""

    server: TableServer
    counters: Counters


def family_of(payload: bytes) -> tuple[str, int]:
    """(name, number) of a family that the control family tells of; ("", 0) for what is none."""
    found = dict(attributes(payload[_HEAD.size :]))
    name = found.get(_FAMILY_NAME, b"").rstrip(b"\0").decode("ascii", "replace")
    number = found.get(_FAMILY_ID, b"")
    return (name, int(_SHORT.unpack(number)[0])) if name and len(number) == _SHORT.size else ("", 0)


def head(command: int) -> bytes:
    """``genlmsghdr`` with IPVS's version."""
    return _HEAD.pack(command, 1, 0)


# -- what is asked


def identity(key: ServiceKey) -> bytes:
    """The attributes that name a service."""
    family = attribute(_AF, _SHORT.pack(socket.AF_INET6 if key.family == 6 else socket.AF_INET))
    if key.mark:
        return family + attribute(_MARK, _NUMBER.pack(key.mark))
    return (
        family
        + attribute(_PROTOCOL, _SHORT.pack(PROTOCOLS[key.protocol]))
        + attribute(_ADDRESS, _padded(key.address))
        + attribute(_SERVICE_PORT, _PORT.pack(key.port))
    )


def service(command: Command, wanted: TableService) -> bytes:
    """The payload that adds or changes a service. Raises OSError for an address that is none."""
    kept = kept_by_ipvs(wanted)
    bits = sum(_SCHEDULER_FLAGS[_bit(flag)] for flag in kept.flags)
    bits |= (PERSISTENT if kept.persistence else 0) | (ONE_PACKET if kept.one_packet else 0)
    parts = [
        identity(kept.key),
        attribute(_SCHEDULER, kept.scheduler.encode() + b"\0"),
        attribute(_FLAGS, _PAIR.pack(bits, _OURS)),
        attribute(_TIMEOUT, _NUMBER.pack(kept.persistence // SECOND)),
        attribute(_NETMASK, _netmask(kept)),
    ]
    if kept.persistence_engine:
        parts.append(attribute(_ENGINE, kept.persistence_engine.encode() + b"\0"))
    return head(command) + nested(_SERVICE, *parts)


def of_service(command: Command, key: ServiceKey) -> bytes:
    """The payload that removes a service, or asks for its servers."""
    return head(command) + nested(_SERVICE, identity(key))


def server(command: Command, key: ServiceKey, wanted: TableServer) -> bytes:
    """The payload that adds or changes a server of a service."""
    place = place_in_ipvs(key, wanted.place, wanted.forward)
    parts = [
        _place(place),
        attribute(_FORWARD, _NUMBER.pack(FORWARDS[wanted.forward])),
        attribute(_WEIGHT, _NUMBER.pack(wanted.weight)),
        attribute(_UPPER, _NUMBER.pack(wanted.upper)),
        attribute(_LOWER, _NUMBER.pack(wanted.lower)),
    ]
    tunnel = wanted.tunnelling
    # Kernels before 5.2 know IP in IP alone, and none of the attributes about it.
    if wanted.forward is Forward.TUNNEL and tunnel != IPIP:
        parts.append(attribute(_TUNNEL, bytes([TUNNELS[tunnel.kind]])))
        parts.append(attribute(_TUNNEL_PORT, _PORT.pack(tunnel.port)))
        parts.append(attribute(_TUNNEL_FLAGS, _SHORT.pack(CHECKSUMS[tunnel.checksum])))
    return of_service(command, key) + nested(_SERVER, *parts)


def drop_server(key: ServiceKey, place: Place) -> bytes:
    """The payload that removes a server, named as it stands in the table."""
    return of_service(Command.DEL_SERVER, key) + nested(_SERVER, _place(place))


def timeouts(wanted: Timeouts) -> bytes:
    """The payload that sets IPVS's timeouts, in whole seconds; what is 0 stays as it is."""
    given = ((_TIMEOUT_TCP, wanted.tcp), (_TIMEOUT_FIN, wanted.tcp_fin), (_TIMEOUT_UDP, wanted.udp))
    return head(Command.SET_CONFIG) + b"".join(
        attribute(kind, _NUMBER.pack(-(-span // SECOND))) for kind, span in given
    )


def start_daemon(daemon: SyncDaemon, state: SyncState) -> bytes:
    """The payload that starts the sync daemon. Kernels before 4.3 know the first three attributes alone."""
    usual = SyncDaemon(daemon.device)
    parts = [
        attribute(_STATE, _NUMBER.pack(state)),
        attribute(_DEVICE, daemon.device.encode() + b"\0"),
        attribute(_SYNC_ID, _NUMBER.pack(daemon.identifier)),
    ]
    if daemon.most_bytes:
        parts.append(attribute(_MOST_BYTES, _SHORT.pack(daemon.most_bytes)))
    if daemon.group != usual.group:
        packed = _packed(daemon.group)
        parts.append(attribute(_GROUP if len(packed) == 4 else _GROUP6, packed))
    if daemon.port != usual.port:
        parts.append(attribute(_SYNC_PORT, _SHORT.pack(daemon.port)))
    if daemon.ttl != usual.ttl:
        parts.append(attribute(_TTL, bytes([daemon.ttl])))
    return head(Command.NEW_DAEMON) + nested(_DAEMON, *parts)


def stop_daemon(state: SyncState) -> bytes:
    """The payload that stops the sync daemon of this state."""
    return head(Command.DEL_DAEMON) + nested(_DAEMON, attribute(_STATE, _NUMBER.pack(state)))


# -- what is answered


def read_service(payload: bytes) -> TableService | None:
    """The service that a message tells of, in the words of ``kept_by_ipvs``; None when it tells of none that has our words."""
    found = _inner(payload, _SERVICE)
    key = None if found is None else _key(found)
    if found is None or key is None:
        return None
    bits = _number(found, _FLAGS)
    flags = tuple(f"flag-{name}" for name, bit in _SCHEDULER_FLAGS.items() if bits & bit)
    return kept_by_ipvs(
        TableService(
            key,
            _text(found, _SCHEDULER),
            flags,
            _number(found, _TIMEOUT) * SECOND if bits & PERSISTENT else 0,
            _granularity(key.family, found.get(_NETMASK, b"")),
            _text(found, _ENGINE),
            bool(bits & ONE_PACKET),
        )
    )


def read_server(payload: bytes, family: int) -> SeenServer | None:
    """The server that a message tells of; ``family``: of its service, for kernels that do not say (before 3.18)."""
    found = _inner(payload, _SERVER)
    if found is None or len(found.get(_TO_ADDRESS, b"")) < 4 or len(found.get(_TO_PORT, b"")) != _PORT.size:
        return None
    given = found.get(_TO_FAMILY, b"")
    six = _SHORT.unpack(given)[0] == socket.AF_INET6 if len(given) == _SHORT.size else family == 6
    place = Place(_address(found[_TO_ADDRESS], six), _PORT.unpack(found[_TO_PORT])[0])
    # Older kernels tell of a server on this machine itself by a way of its own (1); that is direct, too.
    forward = _FORWARD_NAMES.get(_number(found, _FORWARD) & 7, Forward.DIRECT)
    tunnelling = IPIP
    if forward is Forward.TUNNEL and found.get(_TUNNEL):
        port = found.get(_TUNNEL_PORT, b"")
        kind = _TUNNEL_NAMES.get(found[_TUNNEL][0], "ipip")
        checksum = _CHECKSUM_NAMES.get(_small(found, _TUNNEL_FLAGS), "")
        tunnelling = Tunnelling(kind, _PORT.unpack(port)[0] if len(port) == _PORT.size else 0, checksum)
    row = TableServer(
        place, forward, _number(found, _WEIGHT), _number(found, _UPPER), _number(found, _LOWER), tunnelling
    )
    return SeenServer(row, _counters(found))


def read_daemon(payload: bytes) -> tuple[SyncState, SyncDaemon] | None:
    """The sync daemon that a message tells of; what the kernel does not say is as usual."""
    found = _inner(payload, _DAEMON)
    if found is None or _number(found, _STATE) not in (SyncState.MASTER, SyncState.BACKUP):
        return None
    usual = SyncDaemon("")
    group = next((_address(found[kind], kind == _GROUP6) for kind in (_GROUP, _GROUP6) if kind in found), usual.group)
    daemon = SyncDaemon(
        _text(found, _DEVICE),
        "",
        _number(found, _SYNC_ID),
        _small(found, _MOST_BYTES),
        _small(found, _SYNC_PORT) or usual.port,
        (found.get(_TTL) or b"\1")[0],
        group,
    )
    return SyncState(_number(found, _STATE)), daemon


# -- parts


def _bit(flag: str) -> str:
    return flag.rpartition("-")[2].replace("fallback", "1").replace("port", "2")


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _padded(address: str) -> bytes:
    """``nf_inet_addr``: 16 bytes in either family."""
    return _packed(address).ljust(_ADDRESS_SIZE, b"\0")


def _place(place: Place) -> bytes:
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    return (
        attribute(_TO_ADDRESS, _padded(place.address))
        + attribute(_TO_PORT, _PORT.pack(place.port))
        + attribute(_TO_FAMILY, _SHORT.pack(family))
    )


def _netmask(wanted: TableService) -> bytes:
    """IPv4: the mask in network order; IPv6: the prefix length as a number."""
    if wanted.key.family == 6:
        return _NUMBER.pack(wanted.granularity or 128)
    return struct.pack("!I", 0xFFFFFFFF << (32 - (wanted.granularity or 32)) & 0xFFFFFFFF)


def _granularity(family: int, data: bytes) -> int:
    if len(data) != _NUMBER.size:
        return 0
    return int(_NUMBER.unpack(data)[0]) if family == 6 else int.from_bytes(data, "big").bit_count()


def _inner(payload: bytes, kind: int) -> dict[int, bytes] | None:
    for found, data in attributes(payload[_HEAD.size :]):
        if found == kind:
            return dict(attributes(data))
    return None


def _key(found: Mapping[int, bytes]) -> ServiceKey | None:
    six = _small(found, _AF) == socket.AF_INET6
    family = 6 if six else 4
    if mark := _number(found, _MARK):
        return ServiceKey(mark=mark, family=family)
    protocol = _PROTOCOL_NAMES.get(_small(found, _PROTOCOL))
    address, port = found.get(_ADDRESS, b""), found.get(_SERVICE_PORT, b"")
    if protocol is None or len(address) < (16 if six else 4) or len(port) != _PORT.size:
        return None
    return ServiceKey(protocol, _address(address, six), _PORT.unpack(port)[0], 0, family)


def _address(data: bytes, six: bool) -> str:
    """As the configuration writes it: inet_ntop and ``ipaddress`` differ in IPv4 addresses mapped into IPv6."""
    if six:
        return str(IPv6Address(data[:16].ljust(16, b"\0")))
    return socket.inet_ntop(socket.AF_INET, data[:4].ljust(4, b"\0"))


def _number(found: Mapping[int, bytes], kind: int) -> int:
    data = found.get(kind, b"")
    return int(_NUMBER.unpack_from(data)[0]) if len(data) >= _NUMBER.size else 0


def _small(found: Mapping[int, bytes], kind: int) -> int:
    data = found.get(kind, b"")
    return int(_SHORT.unpack(data)[0]) if len(data) == _SHORT.size else 0


def _text(found: Mapping[int, bytes], kind: int) -> str:
    return found.get(kind, b"").rstrip(b"\0").decode("utf-8", "replace")


def _counters(found: Mapping[int, bytes]) -> Counters:
    """From the 64-bit statistics, or from the old ones, whose connections and packets have 32 bits (kernels before 4.1)."""
    data = dict(attributes(found.get(_STATS64) or found.get(_STATS, b"")))
    told = [int.from_bytes(data[kind], "little" if _LITTLE else "big") if kind in data else 0 for kind in range(1, 6)]
    return Counters(_number(found, _ACTIVE), _number(found, _INACTIVE), _number(found, _PERSISTENT), *told)


_LITTLE = struct.pack("=H", 1) == b"\1\0"
