"""The plane of IPVS: the kernel's table of virtual services, read and changed over generic netlink in batches.

A batch of changes goes out in slices; only the last message of a slice asks for an acknowledgement, so that the kernel answers
refusals alone. Ten thousand servers are some twenty system calls.

Changes are idempotent: what is to be new and is there is changed, what is to be changed and is gone is made anew, and what is
gone is removed. IPVS has no condition on the address being here, so a service is to stand in the table only while it is served.

- The kernel writes no port of packets but with NAT: a server for direct routing or a tunnel has its service's port in the table
  (``balance.place_in_ipvs``). ``read`` tells what the kernel has; the pool must want it so.
- Schedulers are modules of their own, which the kernel loads by itself. What it lacks comes back as a refusal.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from typing import Protocol

from ..balance import (
    Counters,
    DropServer,
    DropService,
    Place,
    SetServer,
    SetService,
    Synchronise,
    TableEffect,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
)
from ..services import ServiceKey, SyncDaemon, Timeouts
from . import ipvs_messages, netlink
from .ipvs_messages import CONTROL_FAMILY, FAMILY_NAME, GET_FAMILY, Command, SyncState
from .netlink import Failure, Incoming, NetlinkSocket

NETLINK_GENERIC = 16
SLICE = 500
"""Messages in one system call: the refusals of all of them fit into the socket's buffer (some 1 KiB each of 2 MiB)."""

MISSING = "this kernel has no IPVS: load the module ip_vs, or let the service have the plane nftables"
NOT_PERMITTED = "not permitted to change IPVS's table: run as root or give the process CAP_NET_ADMIN"


class Link(Protocol):
    """What the plane needs of a netlink socket; ``NetlinkSocket`` is one."""

    def request(self, batch: bytes) -> tuple[Failure, ...]: ...

    def dump(self, kind: int, payload: bytes) -> tuple[Incoming, ...] | Failure: ...

    def close(self) -> None: ...


def lacking() -> str:
    """Why this machine has no IPVS, for ``check``; "" when it has, or would load it. Changes nothing."""
    try:
        link = NetlinkSocket(NETLINK_GENERIC)
    except OSError as error:
        return f"this kernel has no generic netlink ({error.strerror})"
    try:
        return "" if _family(link) or _modprobe("--dry-run") else MISSING
    finally:
        link.close()


class PlaneIpvs:
    """The kernel's table of this network namespace. Raises OSError, whose ``strerror`` is a sentence, when there is none."""

    def __init__(self, link: Link | None = None) -> None:
        self._link: Link = NetlinkSocket(NETLINK_GENERIC) if link is None else link
        family = _family(self._link)
        if not family and link is None and _modprobe():
            family = _family(self._link)
        if not family:
            self._link.close()
            raise OSError(errno.ENOENT, MISSING)
        self._kind = family

    def close(self) -> None:
        self._link.close()

    def read(self) -> TableSeen:
        """The whole table, strangers' services too. Raises OSError when the kernel does not tell it."""
        found = []
        for service in self._services():
            told = self._servers(service.key)
            rows = (ipvs_messages.read_server(payload, service.key.family) for payload in told)
            found.append((service, tuple(row for row in rows if row is not None)))
        return TableSeen(tuple(found))

    def counters(self) -> dict[tuple[ServiceKey, Place], Counters]:
        """What went through each server. The kernel brings these numbers up to date every two seconds. Raises OSError."""
        return {
            (service.key, row.place): ipvs_messages.read_counters(payload)
            for service in self._services()
            for payload in self._servers(service.key)
            if (row := ipvs_messages.read_server(payload, service.key.family)) is not None
        }

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        """All changes, in their order; one that is refused stops no other. Returns the refusals."""
        refused: list[TableRefused] = []
        for start in range(0, len(effects), SLICE):
            refused += self._apply(effects[start : start + SLICE])
        return refused

    def _apply(self, portion: Sequence[TableEffect]) -> list[TableRefused]:
        failed = self._send([_payload(change, _is_new(change)) for change in portion])
        again: list[tuple[int, TableEffect, bool]] = []
        refused: dict[int, Failure] = {}
        for place, failure in failed.items():
            change = portion[place]
            if isinstance(change, DropService | DropServer):
                if failure.number not in (errno.ESRCH, errno.ENOENT):
                    refused[place] = failure
            elif failure.number in (errno.EEXIST, errno.ESRCH, errno.ENOENT):
                again.append((place, change, failure.number != errno.EEXIST))
            else:
                refused[place] = failure
        if again:
            failed = self._send([_payload(change, new) for _, change, new in again])
            refused |= {again[place][0]: failure for place, failure in failed.items()}
        return [_refusal(portion[place], refused[place]) for place in sorted(refused)]

    def set_timeouts(self, wanted: Timeouts) -> str:
        """IPVS's timeouts. Returns what went wrong, or ""."""
        return self._ask([ipvs_messages.timeouts(wanted)])

    def flush(self) -> str:
        """Every service goes, strangers' too. Returns what went wrong, or ""."""
        return self._ask([ipvs_messages.head(Command.FLUSH)])

    def synchronise(self, wanted: Synchronise) -> str:
        """Bring the kernel's sync daemons to what is wanted. What runs so is left alone. Returns what went wrong, or ""."""
        try:
            running = self.sync_daemons()
        except OSError as error:
            return f"cannot ask for IPVS's sync daemon: {error.strerror}"
        trouble = self._ask(sync_steps(running, wanted))
        return f"IPVS's sync daemon on {wanted.daemon.device}: {trouble}" if trouble and wanted.daemon else trouble

    def sync_daemons(self) -> dict[SyncState, SyncDaemon]:
        """The sync daemons that run now. Raises OSError."""
        told = self._dump(ipvs_messages.head(Command.GET_DAEMON))
        return dict(found for item in told if (found := ipvs_messages.read_daemon(item.payload)) is not None)

    def _services(self) -> list[TableService]:
        told = self._dump(ipvs_messages.head(Command.GET_SERVICE))
        return [found for item in told if (found := ipvs_messages.read_service(item.payload)) is not None]

    def _servers(self, key: ServiceKey) -> list[bytes]:
        return [item.payload for item in self._dump(ipvs_messages.of_service(Command.GET_SERVER, key))]

    def _dump(self, payload: bytes) -> tuple[Incoming, ...]:
        found = self._link.dump(self._kind, payload)
        if isinstance(found, Failure):
            raise OSError(found.number, _words(found))
        return tuple(item for item in found if item.kind == self._kind)

    def _ask(self, payloads: Sequence[bytes]) -> str:
        failed = self._send(payloads) if payloads else {}
        return "; ".join(dict.fromkeys(_words(failure) for failure in failed.values()))

    def _send(self, payloads: Sequence[bytes]) -> dict[int, Failure]:
        """Refusals by the number of their message. What the socket itself refuses is refused of all of them."""
        messages = [
            netlink.message(self._kind, netlink.REQUEST, number, payload) for number, payload in enumerate(payloads, 1)
        ]
        messages[-1] = netlink.with_acknowledgement(messages[-1])
        failures = self._link.request(b"".join(messages))
        whole = next((failure for failure in failures if not 1 <= failure.sequence <= len(payloads)), None)
        if whole is not None:
            return dict.fromkeys(range(len(payloads)), whole)
        return {failure.sequence - 1: failure for failure in failures}


def sync_steps(running: dict[SyncState, SyncDaemon], wanted: Synchronise) -> list[bytes]:
    """The messages that bring what runs to what is wanted. A daemon that is to be another one is stopped first."""
    daemon = wanted.daemon
    if daemon is None:
        return [ipvs_messages.stop_daemon(state) for state in running]
    states = [*([SyncState.MASTER] if wanted.master else []), *([SyncState.BACKUP] if wanted.backup else [])]
    right = [state for state in states if state in running and _same(running[state], daemon)]
    stops = [ipvs_messages.stop_daemon(state) for state in running if state not in right]
    return stops + [ipvs_messages.start_daemon(daemon, state) for state in states if state not in right]


def _same(running: SyncDaemon, wanted: SyncDaemon) -> bool:
    """The kernel fills in the most bytes from the device when nothing is said, and knows nothing of routers."""
    size = wanted.most_bytes or running.most_bytes
    filled = SyncDaemon(wanted.device, running.router, wanted.identifier, size, wanted.port, wanted.ttl, wanted.group)
    return running == filled


def _family(link: Link) -> int:
    """The number of IPVS's family, 0 for none."""
    told = link.dump(CONTROL_FAMILY, ipvs_messages.head(GET_FAMILY))
    if isinstance(told, Failure):
        return 0
    return dict(ipvs_messages.family_of(item.payload) for item in told).get(FAMILY_NAME, 0)


def _modprobe(*options: str) -> bool:
    """As ipvsadm does: the family is there only once the module is."""
    command = ["modprobe", "--quiet", *options, "ip_vs"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _is_new(change: TableEffect) -> bool:
    return isinstance(change, SetService | SetServer) and change.new


def _payload(change: TableEffect, new: bool) -> bytes:
    match change:
        case SetService(service):
            return ipvs_messages.service(Command.NEW_SERVICE if new else Command.SET_SERVICE, service)
        case DropService(key):
            return ipvs_messages.of_service(Command.DEL_SERVICE, key)
        case SetServer(key, server):
            return ipvs_messages.server(Command.NEW_SERVER if new else Command.SET_SERVER, key, server)
        case DropServer(key, place):
            return ipvs_messages.drop_server(key, place)


def _refusal(change: TableEffect, failure: Failure) -> TableRefused:
    match change:
        case SetService(service):
            words = _words(failure)
            if failure.number == errno.ENOENT:
                engine = (
                    f", or no persistence engine {service.persistence_engine}" if service.persistence_engine else ""
                )
                words = f"the kernel has no scheduler {service.scheduler}{engine}"
            return TableRefused(service.key, None, words)
        case DropService(key):
            return TableRefused(key, None, _words(failure))
        case SetServer(key, TableServer(place)) | DropServer(key, place):
            words = "the service is not in the kernel's table" if failure.number == errno.ESRCH else _words(failure)
            return TableRefused(key, place, words)


def _words(failure: Failure) -> str:
    if failure.number == errno.EPERM:
        return NOT_PERMITTED
    return f"the kernel refuses it: {failure}" if failure.number else os.strerror(failure.number)
