"""The native links beside the old protocol: are they let through, and has the other node gone over already?

Both sockets and seals are those of the native protocol; only what is said is not. The port is free while the old protocol runs,
and must be free again before the pulse goes over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ..adapters.udp import UdpLinks, boot_clock
from ..config.paths import paths
from ..messages import Heartbeat, Inquiry
from ..model import Cluster
from ..wire.native import Opener, Sealer
from ..wire.reject import Reject

TEST = "upgrade-test"
EVERY = 0.05
"""Seconds between two words of a test."""


class Wires:
    """Open until ``close``. ``gone_over`` is called for each heartbeat of the other node's native pulse."""

    def __init__(self, cluster: Cluster, me: str, key: bytes, gone_over: Callable[[], None] | None = None) -> None:
        """Raises OSError when an address or the port cannot be used."""
        self._cluster, self._me = cluster, me
        self.peer = next(name for name in cluster.names if name != me)
        ways = paths(cluster, me)
        self.networks = tuple(dict.fromkeys(way.network for way in ways))
        ports = {link.address: link.port for link in cluster.member(me).links}
        self._links = UdpLinks(ways, ports=ports)
        self._sealer = Sealer(cluster.name, (key,), me, int.from_bytes(os.urandom(8), "big") or 1)
        self._opener = Opener(cluster.name, (key,), cluster.names)
        self._gone_over = gone_over
        self.heard: set[str] = set()
        """The networks by which a test of the other node came."""
        self._watched = self._links.descriptors
        self._stopped = False
        loop = asyncio.get_running_loop()
        for descriptor in self._watched:
            loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        for datagram in self._links.drain(boot_clock())[0]:
            found = self._opener.open(datagram.data)
            if isinstance(found, Reject) or found.sender != self.peer:
                continue
            if isinstance(found.message, Inquiry) and found.message.topic == TEST:
                self.heard.add(datagram.network)
            elif isinstance(found.message, Heartbeat) and self._gone_over is not None:
                self._gone_over()

    async def test(self, seconds: float) -> list[str]:
        """Speak for that long on every link, or until ``stop``. Returns the networks by which the other node was heard."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and not self._stopped:
            data = self._sealer.seal(Inquiry(self.peer, 0, TEST, ""))
            for network in self.networks:
                self._links.send(data, self.peer, network)
            await asyncio.sleep(EVERY)
        return sorted(self.heard)

    def stop(self) -> None:
        """The test ends within ``EVERY``."""
        self._stopped = True

    def close(self) -> None:
        for descriptor in self._watched:
            asyncio.get_running_loop().remove_reader(descriptor)
        self._watched = ()
        self._links.close()
