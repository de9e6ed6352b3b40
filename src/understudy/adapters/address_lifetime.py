"""The fallback where the kernel has no nf_tables: addresses that the kernel itself removes when nobody renews them.

``valid_lft`` of an address counts whole seconds, and the kernel collects ended addresses late: rounding alone costs up to a
quarter of a second, and its collector rests for a second after each run, so an address whose neighbour ended just before can stay
1.25 s longer (``ADDRCONF_TIMER_FUZZ`` and ``_FUZZ_MAX``; measured: 2 s ended between 2.0 and 2.5 s). Therefore:

- The lifetime is the lease, less half a second for the usual lateness, rounded down to whole seconds, but at least one.
- With a dead time of 3 s or more a frozen machine lets go in time except in the rare 1.25 s case. With less it lets go up to
  1.5 s late, and ``too_coarse`` says so in words. This is still much better than never.
- The address disappears rather than being fenced off; a machine that thaws adds it again only with a new lease.

What this does not handle: a group without addresses leaves no trace in the kernel, so a restarted daemon finds no proof of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Cluster
from ..units import MILLISECOND, SECOND, Duration, format_duration
from .addresses import AddressBook

_USUALLY_LATE = 500 * MILLISECOND
_SAFE_DEAD_TIME = 3 * SECOND


def too_coarse(cluster: Cluster) -> str | None:
    """Why address lifetimes do not fully protect ``cluster``, for people; None when they do."""
    if cluster.dead_time >= _SAFE_DEAD_TIME:
        return None
    return (
        f"without nf_tables a frozen machine may keep its addresses up to {format_duration(1500 * MILLISECOND)} beyond the "
        f"dead time of {format_duration(cluster.dead_time)}: install a kernel with nf_tables, or set dead_time to 3s or more"
    )


def lifetime(time_left: Duration) -> int:
    """Whole seconds that an address may live for a lease of ``time_left`` ns; at least 1."""
    return max(1, (time_left - _USUALLY_LATE) // SECOND)


class AddressLifetimeLeases:
    """The same interface as ``KernelLeases``, by lifetimes of the addresses in ``book``.

    Only addresses that the book has placed are renewed: granting a lease puts none there, ending it removes them.
    """

    def __init__(self, cluster: Cluster, book: AddressBook) -> None:
        self._book = book
        self._groups = {group.name: group.addresses for group in cluster.groups}

    def close(self) -> None:
        """Nothing of its own to close; the book belongs to the caller."""

    def hold(self, group: str, time_left: Duration) -> str | None:
        """Let placed addresses of the group live for about ``time_left`` ns, and those that are placed from now on."""
        if time_left < MILLISECOND:
            return self.end(group)
        addresses = self._groups.get(group)
        if addresses is None:
            return f"no group {group} in the configuration"
        seconds = lifetime(time_left)
        self._book.lifetimes.update((item.address, seconds) for item in addresses)
        placed = [item for item in addresses if item.address in self._book.placed]
        return _first_text(self._book.add(placed))

    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]:
        """One after the other. Returns what went wrong, by group."""
        found = ((group, self.hold(group, left)) for group, left in lefts)
        return {group: text for group, text in found if text is not None}

    def end(self, group: str) -> str | None:
        """Remove the group's addresses now. Gone already is success."""
        addresses = self._groups.get(group)
        if addresses is None:
            return f"no group {group} in the configuration"
        # One that is placed without a lease, against the rules of the core, must still end.
        self._book.lifetimes.update((item.address, 1) for item in addresses)
        return _first_text(self._book.remove(addresses))

    def read(self) -> tuple[tuple[str, Duration], ...]:
        """Groups all of whose addresses are there with an end, and the shortest time left, in whole seconds."""
        left = self._book.lifetimes_left()
        found = []
        for group, addresses in self._groups.items():
            ends = [left.get(item.address, 0) for item in addresses]
            if ends and min(ends) > 0:
                found.append((group, min(ends) * SECOND))
        return tuple(found)


def _first_text(results: tuple[tuple[object, str | None], ...]) -> str | None:
    return next((text for _, text in results if text is not None), None)
