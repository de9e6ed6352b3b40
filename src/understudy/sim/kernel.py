"""A machine's pretend kernel: carriers, addresses, and the leases that let addresses be served.

It outlives the daemon and forgets everything with the power, as the real one does. A lease ends by itself at its end
on the machine's own clock: exactly then, which is the worst case (measured on the real kernel: 3 to 17 ms early,
never late).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model import AddressResource
from ..units import Duration, Instant


@dataclass(slots=True)
class Kernel:
    """``leases``: group to end. ``stubborn``: devices on which no address can be added or removed (for tests of failures).

    Counts are of the next so many requests. ``refusals``: address changes that end with EPERM. ``silences``: address
    changes without any answer; every second one of those was carried out all the same. ``lease_refusals``: leases that
    are neither begun nor renewed.
    """

    carriers: dict[str, bool] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    leases: dict[str, Instant] = field(default_factory=dict)
    stubborn: set[str] = field(default_factory=set)
    refusals: int = 0
    silences: int = 0
    lease_refusals: int = 0

    def change(self, items: tuple[AddressResource, ...], add: bool) -> tuple[bool, str | None]:
        """Add or remove addresses, or fail to: whether there is an answer at all, and what failed."""
        if self.refusals:
            self.refusals -= 1
            return True, "Operation not permitted"
        if self.silences:
            self.silences -= 1
            if self.silences % 2:
                return False, None
            return False, self.add(items) if add else self.remove(items)
        return True, self.add(items) if add else self.remove(items)

    def add(self, items: tuple[AddressResource, ...]) -> str | None:
        """Put addresses on their devices; the text says what failed. Already there is success."""
        for item in items:
            if item.device in self.stubborn or item.device not in self.carriers:
                return f"no device {item.device} for {item.address}"
            self.addresses[item.address] = item.device
        return None

    def remove(self, items: tuple[AddressResource, ...]) -> str | None:
        for item in items:
            if item.device in self.stubborn and item.address in self.addresses:
                return f"device {item.device} refuses to give up {item.address}"
            self.addresses.pop(item.address, None)
        return None

    def hold(self, group: str, until: Instant | None, now: Instant) -> Instant:
        """Grant or renew, or end, the lease; returns its end (``now`` when it is over)."""
        if until is None or until <= now:
            self.leases.pop(group, None)
            return now
        self.leases[group] = until
        return until

    def running(self, now: Instant) -> tuple[tuple[str, Duration], ...]:
        """The leases that have not ended, with the time left."""
        return tuple((group, until - now) for group, until in sorted(self.leases.items()) if until > now)

    def serves(self, group: str, now: Instant) -> bool:
        return self.leases.get(group, now) > now
