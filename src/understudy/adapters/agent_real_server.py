"""A real server's side of direct routing: it has the virtual address, answers for it, and does not say so on the network.

The address goes on ``lo`` with prefix length 32 and scope host, so that it is never our own source; ``arp_ignore`` and
``arp_announce`` keep the machine from telling its neighbours (IPv6 tells nobody of addresses of ``lo``). The settings as they
were are noted first, and put back by the last resource of this kind that stops, also under the next manager. The note is
worthless after a boot.

On a balancer that is a real server too, the address is on two devices while it serves. The kernel asks only the first local
route whose address it is, and rules that ask by which device it is ours ("fib daddr . iif") would always hear "lo"
(measured, Linux 6.18). So the local route of ours stands behind the one that comes with the group's address.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Any

from ..effects import Action
from ..events import Outcome
from ..model import AddressResource, RealServerResource
from ..units import Duration
from ..vrrp_files import AddressForm
from . import addresses, netlink, subnet_routes
from .agent_ocf import Verdict
from .agent_proc import boot_id, read_record, remove_record, write_record
from .netlink import Failure, NetlinkSocket

SETTINGS = {"arp_ignore": ("1", ("1", "2", "8")), "arp_announce": ("2", ("2",))}
"""What each is set to, and what is good enough to be left alone (Linux, networking/ip-sysctl: 3 answers for addresses of lo)."""

_KIND = "realserver"
_FORM = AddressForm(scope="host", options=("preferred_lft", "0"))
_CONF = "/proc/sys/net/ipv4/conf"


class RealServerRunner:
    """One ``realserver`` resource. ``note``: the path of a small file that remembers what was there before."""

    def __init__(self, resource: RealServerResource, note: str) -> None:
        self.resource = resource
        self._note = note
        self._six = ":" in resource.realserver
        prefix = 128 if self._six else 32
        self._address = AddressResource(resource.id, resource.realserver, prefix, resource.device, form=_FORM)

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        try:
            index = socket.if_nametoindex(self.resource.device)
        except OSError:
            if action is not Action.STOP:
                return Outcome.FAILED, f"there is no network interface {self.resource.device}"
            index = 0
        try:
            link = NetlinkSocket(netlink.NETLINK_ROUTE)
            try:
                if action is Action.START:
                    return self._start(link, index)
                if action is Action.STOP:
                    return self._stop(link, index)
                return self._monitor(link, index)
            finally:
                link.close()
        except OSError as error:
            return Outcome.UNKNOWN, f"cannot ask the kernel: {error.strerror}"

    def _start(self, link: NetlinkSocket, index: int) -> Verdict:
        """What the neighbours hear is settled before the address comes."""
        before = self._remembered()
        there = self._there(link, index)
        record: dict[str, Any] = {
            "kind": _KIND,
            "boot": boot_id(),
            "added": not there if before is None else bool(before.get("added")) or not there,
            "settings": {**self._settings(), **(before or {}).get("settings", {})},
        }
        if trouble := write_record(self._note, record):
            return Outcome.FAILED, trouble
        if trouble := self._quiet():
            return Outcome.FAILED, trouble
        if refusal := self._behind(link, index) if there else self._add(link, index):
            return (
                Outcome.FAILED,
                f"the kernel does not take {self.resource.realserver} on {self.resource.device}: {refusal}",
            )
        return Outcome.OK, "was there already" if there else ""

    def _behind(self, link: NetlinkSocket, index: int) -> str:
        """An address that somebody put there: its local route stands first, and would hide the group's from the lease."""
        if self._six:
            return ""
        packed = addresses.pack(self.resource.realserver)
        ours, kernels = subnet_routes.local_route(packed, index, True), _kernels_route(packed, index)
        for part, fine in ((ours, errno.EEXIST), (kernels, errno.ESRCH)):
            if refusal := _first(link.request(netlink.with_acknowledgement(part)), (fine,)):
                return refusal
        return ""

    def _add(self, link: NetlinkSocket, index: int) -> str:
        packed = addresses.pack(self.resource.realserver)
        parts = [addresses.addition(self._address, index, 2)]
        if not self._six:
            # Ours first, so that the machine answers all the time; then the kernel's, which is the first that it finds.
            ours, kernels = subnet_routes.local_route(packed, index, True), _kernels_route(packed, index)
            parts = [ours, *parts, kernels]
        parts[-1] = netlink.with_acknowledgement(parts[-1])
        return _first(link.request(b"".join(parts)))

    def _stop(self, link: NetlinkSocket, index: int) -> Verdict:
        """The address first: while it is there, the machine must stay quiet about it."""
        before = self._remembered()
        if before is None:
            return Outcome.OK, "was not there"
        if before.get("added") and index:
            parts = [addresses.removal(self._address, index, 2)]
            if not self._six:
                parts.append(subnet_routes.local_route(addresses.pack(self.resource.realserver), index, False))
            parts[-1] = netlink.with_acknowledgement(parts[-1])
            gone = (errno.EADDRNOTAVAIL, errno.ESRCH)
            if refusal := _first(link.request(b"".join(parts)), gone):
                return Outcome.FAILED, f"the kernel does not take {self.resource.realserver} away: {refusal}"
        kept = {name: value for name, value in before.get("settings", {}).items() if index or name.startswith("all/")}
        if trouble := self._restore(kept):
            return Outcome.FAILED, trouble
        remove_record(self._note)
        return Outcome.OK, ""

    def _monitor(self, link: NetlinkSocket, index: int) -> Verdict:
        """An address that is there without a note is somebody else's, and not running."""
        there = self._there(link, index)
        if self._remembered() is None:
            return Outcome.NOT_RUNNING, "the address is there, but not by us" if there else "the address is not there"
        if not there:
            return Outcome.FAILED, f"{self.resource.realserver} is not on {self.resource.device} any more"
        loud = [name for name, value in self._settings().items() if value not in SETTINGS[name.rpartition("/")[2]][1]]
        if loud:
            return Outcome.FAILED, f"the machine may tell its neighbours of the address: {', '.join(loud)} was set back"
        return Outcome.OK, ""

    def _there(self, link: NetlinkSocket, index: int) -> bool:
        found = addresses.list_addresses(link)
        if isinstance(found, Failure):
            raise OSError(found.number, os.strerror(found.number))
        packed = addresses.pack(self.resource.realserver)
        return any(item.index == index and item.packed == packed for item in found)

    def _settings(self) -> dict[str, str]:
        """What they are now, by "DEVICE/NAME". Raises OSError."""
        if self._six:
            return {}
        return {
            f"{device}/{name}": _read(device, name) for device in ("all", self.resource.device) for name in SETTINGS
        }

    def _quiet(self) -> str:
        for name, value in self._settings().items():
            device, _, setting = name.rpartition("/")
            wanted, fine = SETTINGS[setting]
            if value not in fine and (trouble := _write(device, setting, wanted)):
                return trouble
        return ""

    def _restore(self, settings: Mapping[str, str]) -> str:
        """Put each back, or leave it, and what it was before all of us, to another resource of this kind that is still there."""
        others = self._others()
        for name, value in settings.items():
            device, _, setting = name.rpartition("/")
            heirs = {path: record for path, record in others.items() if name in record["settings"]}
            for path, record in heirs.items():
                if value not in SETTINGS[setting][1]:
                    record["settings"][name] = value
                    if trouble := write_record(path, record):
                        return trouble
            if not heirs and _read(device, setting) != value and (trouble := _write(device, setting, value)):
                return trouble
        return ""

    def _others(self) -> dict[str, dict[str, Any]]:
        folder = os.path.dirname(self._note)
        paths = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".json")]
        found = {path: _ours(read_record(path)) for path in paths if path != self._note}
        return {path: record for path, record in found.items() if record is not None}

    def _remembered(self) -> dict[str, Any] | None:
        return _ours(read_record(self._note))


def _ours(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """The record, if it is of this kind and of this boot."""
    if record is None or record.get("kind") != _KIND or record.get("boot") != boot_id():
        return None
    return record if isinstance(record.get("settings"), dict) else None


def _kernels_route(packed: bytes, index: int) -> bytes:
    """RTM_DELROUTE for the local route that the kernel made with the address."""
    return subnet_routes.local_route(packed, index, False, metric=0)


def _first(failures: tuple[Failure, ...], fine: tuple[int, ...] = ()) -> str:
    return next((str(failure) for failure in failures if failure.number not in fine), "")


def _path(device: str, setting: str) -> str:
    return os.path.join(_CONF, device.replace(".", "/"), setting)


def _read(device: str, setting: str) -> str:
    with open(_path(device, setting), encoding="ascii") as file:
        return file.read().strip()


def _write(device: str, setting: str, value: str) -> str:
    """What went wrong, or ""."""
    try:
        with open(_path(device, setting), "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        return f"cannot set net.ipv4.conf.{device}.{setting}={value}: {error.strerror}"
    return ""
