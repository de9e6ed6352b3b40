"""How long nobody served a group: what a client would have felt."""

from __future__ import annotations

from ..units import Duration
from .host import Host
from .world import Observer, WorldTime


class Outages(Observer):
    """The longest time that nobody served a group, since last asked."""

    def __init__(self) -> None:
        self.longest: dict[str, Duration] = {}
        self._until: dict[str, WorldTime] = {}
        self._server: dict[str, str] = {}

    def lease_changed(self, host: Host, group: str, until: WorldTime) -> None:
        if self._server.get(group) == host.name and until <= host.world.now:
            self._until[group] = min(self._until[group], host.world.now)

    def turn_ended(self, host: Host) -> None:
        now = host.world.now
        for group in host.world.cluster.groups:
            name = group.name
            serves = host.serves(name) and all(a.address in host.kernel.addresses for a in group.addresses)
            if serves:
                gap = now - self._until.get(name, now)
                self.longest[name] = max(self.longest.get(name, 0), gap)
                self._until[name] = host.clock.when(host.kernel.leases[name])
                self._server[name] = host.name
            elif self._server.get(name) == host.name:
                self._until[name] = min(self._until[name], now)

    def take(self, group: str, now: WorldTime) -> Duration:
        """The longest outage since the last call; one that still lasts counts up to now."""
        running = max(0, now - self._until.get(group, now))
        return max(self.longest.pop(group, 0), running)
