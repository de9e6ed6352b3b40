"""The kernel as the loop and the performer see it: addresses, carriers, neighbours' frames and leases, put together.

What the kernel does not give (no right to open packet sockets, no nftables) becomes a warning, and the operation that needs it
fails with that reason; a witness, who has no addresses, needs none of it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from ..adapters.address_monitor import AddressMonitor, AddressThere
from ..adapters.addresses import AddressBook, AddressChange, prepare_devices
from ..adapters.kernel_lease import Leases
from ..adapters.lease_choice import open_leases
from ..adapters.raw import Announcer, Listener
from ..events import AddressGone, LinkChanged, RivalSeen
from ..model import AddressResource, Cluster
from ..units import Duration
from ..wire import neighbour

_RECENT = 600.0
"""Seconds for which a trouble that is over stays among the warnings; as in ``core.status``."""


class KernelSide:
    """Everything for the virtual addresses of ``cluster``. ``warnings`` say what does not work, and what follows from it.

    Makes or brings up to date the kernel lease's tables; leases that run in them go on. Some milliseconds: only before the loop.
    Raises OSError only when the kernel has no NETLINK_ROUTE.
    """

    devices: tuple[str, ...] = ()
    """Whose carriers matter beside those of the addresses."""

    def __init__(self, cluster: Cluster) -> None:
        self._gone: list[AddressGone | LinkChanged] = []
        self._repairs = 0
        self._repaired_at = 0.0
        self._open(cluster)

    def _open(self, cluster: Cluster) -> None:
        addresses = tuple(item for group in cluster.groups for item in group.addresses)
        self._addresses = addresses
        self._given = prepare_devices(addresses)
        self._book = AddressBook(addresses)
        self._leases: Leases | None = None
        if cluster.groups:
            self._leases, missing = open_leases(cluster, self._book)
            self._given += missing
        self._monitor = AddressMonitor(self._book, self.devices)
        self._announcer: Announcer | None = None
        self._listener: Listener | None = None
        self._unsent = ""
        try:
            self._announcer = Announcer(addresses, self._announcement, neighbour.probe)
            self._listener = Listener(addresses, neighbour.claim)
        except OSError as error:
            self._given += (
                f"no packet sockets ({error.strerror}): neighbours learn of a take-over late and rivals are not seen;"
                " run as root or give CAP_NET_RAW",
            )

    def _announcement(self, mac: bytes, address: str, router: bool = False) -> bytes:
        return neighbour.announcement(mac, address, router)

    def follow(self, cluster: Cluster) -> None:
        """These are the groups from now on; a few milliseconds. What is on its device stays there, and leases go on.

        Call it only while no change of addresses is under way, and renew the leases after it. Raises OSError.
        """
        old = (self._leases, self._monitor, self._announcer, self._listener, self._book)
        gone, placed = self.facts(), self._book.placed
        self._open(cluster)
        missed = placed.difference(self._book.placed).intersection(item.address for item in self._addresses)
        self._gone = [*gone, *(AddressGone(address) for address in sorted(missed))]
        self._repairs = 0
        for part in old:
            if part is not None:
                part.close()

    def close(self) -> None:
        """What stands in the kernel stays: addresses, and leases until they end."""
        for part in (self._leases, self._monitor, self._announcer, self._listener, self._book):
            if part is not None:
                part.close()

    # -- at the start --------------------------------------------------------------------------------------------

    def present(self) -> tuple[str, ...]:
        return self._monitor.present()

    def carriers(self) -> tuple[tuple[str, bool], ...]:
        return self._monitor.carriers()

    def running_leases(self) -> tuple[tuple[str, Duration], ...]:
        return self._leases.read() if self._leases is not None else ()

    # -- what the kernel says ------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> tuple[int, ...]:
        heard = self._listener.filenos() if self._listener is not None else ()
        return (self._monitor.fileno(), *heard)

    @property
    def warnings(self) -> tuple[str, ...]:
        unsent = (self._unsent,) if self._unsent else ()
        return (*self._given, *self._missing_devices(), *self._repaired(), *unsent)

    def _repaired(self) -> tuple[str, ...]:
        if not self._repairs or time.monotonic() - self._repaired_at > _RECENT:
            return ()
        times = "once" if self._repairs == 1 else f"{self._repairs} times"
        return (
            f"the tables of the kernel leases were deleted by somebody and made again, {times}: something here runs "
            "'nft flush ruleset'; a daemon that freezes in such a moment goes on serving",
        )

    def _missing_devices(self) -> tuple[str, ...]:
        there = {device for device, _ in self._monitor.carriers()}
        missing = {item.device for item in self._addresses if item.device not in there and not _exists(item.device)}
        return tuple(
            f"there is no network interface {item.device} for {item.address}"
            for item in self._addresses
            if item.device in missing
        )

    def facts(self) -> list[AddressGone | LinkChanged]:
        found, self._gone = self._gone, []
        found += [fact for fact in self._monitor.facts() if not isinstance(fact, AddressThere)]
        if any(isinstance(fact, LinkChanged) for fact in found):
            self.mend()
        return found

    def claims(self) -> list[tuple[RivalSeen, bool]]:
        """Frames of others that claim our addresses; True: only a probe that asks."""
        if self._listener is None:
            return []
        return [(RivalSeen(seen.address, seen.device, seen.mac), seen.probe) for seen in self._listener.claims()]

    def mend(self) -> None:
        """Find devices that came, came back or changed their MAC address; note lease tables that had to be made again."""
        repairs = getattr(self._leases, "repairs", 0)
        if repairs != self._repairs:
            self._repairs, self._repaired_at = repairs, time.monotonic()
        if self._announcer is not None:
            self._announcer.refresh()
        if self._listener is not None:
            self._listener.refresh()

    # -- what it is asked to do ----------------------------------------------------------------------------------

    def begin_add(self, addresses: Sequence[AddressResource]) -> AddressChange:
        return self._book.begin_add(addresses)

    def begin_remove(self, addresses: Sequence[AddressResource]) -> AddressChange:
        return self._book.begin_remove(addresses)

    def announce(self, addresses: Sequence[AddressResource]) -> None:
        if self._announcer is None:
            return
        failures = self._announcer.announce(addresses)
        self._unsent = f"cannot announce {failures[0][0].address}: {failures[0][1]}" if failures else ""

    def probe(self, addresses: Sequence[AddressResource]) -> str | None:
        if self._announcer is None or self._listener is None:
            return "no packet sockets"
        failures = self._announcer.probe(addresses)
        return failures[0][1] if failures else None

    def defend(self, address: str) -> None:
        """One probe for ``address``, as an answer to somebody else's."""
        if self._announcer is not None:
            self._announcer.probe([item for item in self._addresses if item.address == address])

    def hold(self, group: str, left: Duration) -> str | None:
        return self._leases.hold(group, left) if self._leases is not None else None

    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]:
        return self._leases.hold_all(lefts) if self._leases is not None else {}

    def end(self, group: str) -> str | None:
        return self._leases.end(group) if self._leases is not None else None


def _exists(device: str) -> bool:
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True
