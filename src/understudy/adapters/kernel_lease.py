"""The right to serve, written into the kernel with its end: a frozen or starved daemon cannot remove an address.

Each group has one set element, ``held_<group>`` in each table of the cluster, with a timeout. Packets for, from and about the
group's addresses pass while it is there and are dropped afterwards (``kernel_lease_setup`` has the rules). Granting and
renewing is one transaction over netlink, 10 to 15 µs; expiring needs nobody.

What was measured, and read in the kernel's source:

- Service ends 3 to 17 ms before the computed end and never after it: the kernel counts in jiffies and rounds down. It can be
  late only by as much as the kernel's own tick stands still while another processor goes on.
- Adding an element that is there does not renew it before Linux 6.12. So a renewal is delete and add. The delete fails when the
  element has expired, and a transaction that fails makes the kernel wait until every processor was somewhere else
  (synchronize_rcu), 15 to 30 ms beside busy programs: whoever renewed late was later still the next time. So what may have
  expired is renewed by add, delete, add, which always fits, and so is what was refused.
- A timeout shorter than a jiffy means *no timeout at all* in kernels without a fix of 2024. With HZ=100 that is all below 10 ms,
  so what is shorter than ``SHORTEST`` ends the lease instead.
- ``nft flush ruleset``, which Debian's ``nftables.service`` does on every reload, takes our tables along. The next renewal
  notices and sets them up again; ``repairs`` counts that. Until then nothing would end the service of a frozen daemon.
- Frames through packet sockets (our own announcements) pass no rule here: only a running holder sends those.
"""

from __future__ import annotations

import errno
import re
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..units import MILLISECOND, Duration
from . import netlink, nftables
from .netlink import Failure, NetlinkSocket
from .nftables import Family

if TYPE_CHECKING:
    from ..model import Cluster, Group

SHORTEST = 10
"""Milliseconds; the shortest lease that every kernel ends."""

ROUNDING: Duration = 20 * MILLISECOND
"""By so much the kernel's end may come before the computed one: two jiffies with HZ=100."""

ETHER_TYPE = {Family.IP: b"\x08\x00", Family.ARP: b"\x08\x06", Family.IP6: b"\x86\xdd"}
_LONGEST_PART = 100


class Leases(Protocol):
    """What the pulse needs from whatever keeps the lease; texts are for people."""

    def hold(self, group: str, time_left: Duration) -> str | None:
        """Let the group be served for ``time_left`` ns from now. Returns what went wrong, or None."""

    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]:
        """As ``hold``, for many groups at once. Returns what went wrong, by group."""

    def end(self, group: str) -> str | None:
        """Let the group be served no longer. Ended already is success. Returns what went wrong, or None."""

    def read(self) -> tuple[tuple[str, Duration], ...]:
        """(group, time left in ns) of the leases that run now."""

    def close(self) -> None: ...


def identifier(prefix: str, name: str) -> str:
    """``prefix_name`` in characters that nf_tables takes; names that differ keep different identifiers."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)[:_LONGEST_PART]
    return f"{prefix}_{plain}" if plain == name else f"{prefix}_{plain}_{zlib.crc32(name.encode()):08x}"


def table_name(cluster: Cluster) -> str:
    """The name of our table, the same in every family."""
    return identifier("understudy", cluster.name)


def families(group: Group) -> tuple[Family, ...]:
    """In which tables the group's lease stands. A group without addresses has one too: it is the proof for a restarted daemon."""
    has_ipv4 = any(":" not in item.address for item in group.addresses)
    has_ipv6 = any(":" in item.address for item in group.addresses)
    found = ((Family.IP, Family.ARP) if has_ipv4 else ()) + ((Family.IP6,) if has_ipv6 else ())
    return found or (Family.IP,)


def held_set(group: str) -> str:
    """The name of the set that holds the group's lease."""
    return identifier("held", group)


@dataclass(slots=True)
class _Template:
    """Messages ready to be sent in a transaction: where their timeouts stand, and the last one, which asks for an answer."""

    data: bytearray
    places: tuple[int, ...]
    last: int

    def messages(self, timeout: int) -> bytes:
        """Without the request for an answer."""
        for place in self.places:
            struct.pack_into("!Q", self.data, place, timeout)
        return bytes(self.data)

    def filled(self, timeout: int) -> bytes:
        """A transaction of its own."""
        data = self.messages(timeout)
        return nftables.batch(data[: self.last], netlink.with_acknowledgement(data[self.last :]))


Place = Callable[[str, Family], tuple[str, tuple[bytes, ...]]]
"""In which set the lease of a group stands, and under which keys."""


def own_set(group: str, family: Family) -> tuple[str, tuple[bytes, ...]]:
    """Each group has a set of its own, in which the EtherType is the only key."""
    return held_set(group), (ETHER_TYPE[family],)


def _template(steps: str, table: str, group: Group, place: Place) -> _Template:
    """``steps``: "a" adds, "d" deletes, in this order in every table of the group."""
    marker = 0x1122334455667788
    parts: list[bytes] = []
    for family in families(group):
        name, keys = place(group.name, family)
        for key, step in ((key, step) for key in keys for step in steps):
            if step == "a":
                parts.append(nftables.new_element(family, table, name, key, timeout=marker))
            else:
                parts.append(nftables.delete_element(family, table, name, key))
    data = b"".join(parts)
    pattern = struct.pack("!Q", marker)
    places = tuple(match.start() for match in re.finditer(re.escape(pattern), data))
    return _Template(bytearray(data), places, len(data) - len(parts[-1]))


@dataclass(slots=True)
class _Prepared:
    renew: _Template
    grant: _Template
    end: _Template
    families: tuple[Family, ...]
    ends: int = 0
    """By the monotonic clock; 0 when it may have ended."""

    def to_hold(self) -> _Template:
        """``renew`` only where the element is there for certain."""
        return self.renew if time.monotonic_ns() + ROUNDING < self.ends else self.grant

    def held(self, timeout: int) -> None:
        """The kernel has it now, for ``timeout`` ms."""
        self.ends = time.monotonic_ns() + timeout * MILLISECOND


class KernelLeases:
    """The leases of ``cluster``'s groups in nf_tables sets.

    ``set_up`` makes the tables again when they are gone (``kernel_lease_setup.setup``). ``place``: where each lease stands.
    ``refused`` counts transactions that were sent again. Raises OSError when the kernel offers no NETLINK_NETFILTER.
    """

    def __init__(self, cluster: Cluster, set_up: Callable[[Cluster], str | None], place: Place = own_set) -> None:
        self.repairs = self.refused = 0
        self._cluster = cluster
        self._set_up = set_up
        self._place = place
        self._table = table_name(cluster)
        self._socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
        self._groups = {
            group.name: _Prepared(
                _template("da", self._table, group, place),
                _template("ada", self._table, group, place),
                _template("ad", self._table, group, place),
                families(group),
            )
            for group in cluster.groups
        }

    def close(self) -> None:
        self._socket.close()

    def hold(self, group: str, time_left: Duration) -> str | None:
        """Let the kernel serve the group for ``time_left`` ns, rounded down to ms; less than ``SHORTEST`` ms ends the lease.

        Returns what went wrong; the lease that ran before then runs on to its own end.
        """
        timeout = time_left // MILLISECOND
        if timeout < SHORTEST:
            return self.end(group)
        prepared = self._groups.get(group)
        if prepared is None:
            return f"no group {group} in the configuration"
        template = prepared.to_hold()
        prepared.ends = 0
        failed = self._socket.request(template.filled(timeout))
        text = self._insist(prepared.grant.filled(timeout), failed) if failed else None
        if text:
            return f"the kernel lease of {group} was not granted: {text}"
        prepared.held(timeout)
        return None

    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]:
        """As ``hold``, for many groups in one transaction where that is possible. Returns what went wrong, by group."""
        known = [(self._groups.get(group), left // MILLISECOND) for group, left in lefts]
        ready = [(item, left) for item, left in known if item is not None and left >= SHORTEST]
        if len(ready) == len(lefts) > 1:
            templates = [item.to_hold() for item, _ in ready]
            parts = [template.messages(left) for template, (_, left) in zip(templates, ready, strict=True)]
            last = templates[-1].last
            whole = nftables.batch(*parts[:-1], parts[-1][:last], netlink.with_acknowledgement(parts[-1][last:]))
            if not self._socket.request(whole):
                for item, left in ready:
                    item.held(left)
                return {}
            for item, _ in ready:
                item.ends = 0
        found = ((group, self.hold(group, left)) for group, left in lefts)
        return {group: text for group, text in found if text is not None}

    def end(self, group: str) -> str | None:
        """Let the kernel serve the group no longer, from the next packet on. Ended already is success."""
        prepared = self._groups.get(group)
        if prepared is None:
            return f"no group {group} in the configuration"
        prepared.ends = 0
        ended = prepared.end.filled(SHORTEST)
        failed = self._socket.request(ended)
        text = self._insist(ended, failed) if failed else None
        return f"the kernel lease of {group} was not ended: {text}" if text else None

    def read(self) -> tuple[tuple[str, Duration], ...]:
        """What runs in the kernel now, also from an earlier process. A lease counts only if it runs in all its tables."""
        found: list[tuple[str, Duration]] = []
        known: dict[tuple[str, Family], dict[bytes, int] | None] = {}
        for group, prepared in self._groups.items():
            left = min(self._left(group, family, known) for family in prepared.families)
            if left > 0:
                prepared.held(left // MILLISECOND)
                found.append((group, left))
        return tuple(found)

    def _left(self, group: str, family: Family, known: dict[tuple[str, Family], dict[bytes, int] | None]) -> Duration:
        name, keys = self._place(group, family)
        if (name, family) not in known:
            known[name, family] = self._listed(name, family)
        lefts = known[name, family] or {}
        return min(lefts.get(key, 0) for key in keys) * MILLISECOND

    def _listed(self, name: str, family: Family) -> dict[bytes, int] | None:
        """Milliseconds left of each key of a set; None when there is no such set."""
        found = self._socket.dump(nftables.kind(nftables.GETSETELEM), nftables.set_request(family, self._table, name))
        if isinstance(found, Failure):
            return None
        return {key: left for item in found for key, left in nftables.expirations(item.payload)}

    def _insist(self, batch: bytes, failures: Sequence[Failure]) -> str | None:
        """After ``failures``, because an element expired under its hands or the tables are gone: once more, with ``batch``."""
        self.refused += 1
        if any(failure.number == errno.ENOENT for failure in failures) and not self._tables_exist():
            text = self._set_up(self._cluster)
            if text is not None:
                return text
            self.repairs += 1
        failures = self._socket.request(batch)
        return "; ".join(dict.fromkeys(str(failure) for failure in failures)) or None

    def _tables_exist(self) -> bool:
        """Whether every set that we need is there."""
        sets = {
            (self._place(group, family)[0], family)
            for group, prepared in self._groups.items()
            for family in prepared.families
        }
        return all(self._listed(name, family) is not None for name, family in sets)
