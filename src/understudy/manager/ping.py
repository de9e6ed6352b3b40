"""Which ping targets answer: ICMP echo to each target, a few times in a dead time. The ``pair`` policy asks for
it, and groups with ping targets of their own.

Raw sockets, or the kernel's unprivileged ICMP sockets where only those are permitted. A target of Heartbeat's files may be a name
that nobody knew when the node started: it is looked up again beside the event loop, and does not answer until it is known.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable

from ..adapters.host_names import beside, is_address, look_up
from ..model import Cluster
from ..units import SECOND, Duration
from ..wire.ping import echo_request, is_answer

LOOK_AGAIN = 30.0
"""Seconds between two questions for names that nobody knows."""


def pinger(cluster: Cluster, targets: tuple[str, ...], seen: Callable[[tuple[str, ...]], None]) -> Pinger:
    """As often as ``cluster`` needs it."""
    if cluster.heartbeat3:  # its core waits for ``deadping`` itself, counted from the last time that it was told
        return Pinger(targets, cluster.heartbeat, 2 * cluster.heartbeat, seen, again=0)
    interval = 2 * cluster.heartbeat
    return Pinger(targets, interval, max(cluster.dead_time, 3 * interval), seen)


class Pinger:
    """Pings ``targets`` every ``interval``; one that was not heard for ``patience`` does not answer.

    ``seen`` gets the answering targets, in the order of the file, on every change and after ``again`` at the latest.
    """

    def __init__(
        self,
        targets: tuple[str, ...],
        interval: Duration,
        patience: Duration,
        seen: Callable[[tuple[str, ...]], None],
        again: Duration = SECOND,
        look: Callable[[Iterable[str]], dict[str, str]] = look_up,
    ) -> None:
        self._targets = targets
        self._interval = interval
        self._patience = patience / SECOND
        self._seen = seen
        self._again = again / SECOND
        self._heard: dict[str, float] = {}
        self._identifier = os.getpid() & 0xFFFF
        self._sockets: dict[int, tuple[socket.socket, bool]] = {}
        self._look = look
        self._addresses = {target: target for target in targets if is_address(target)}
        self._opening = ""

    @property
    def trouble(self) -> str:
        """Why something cannot be pinged, or ""."""
        unknown = [target for target in self._targets if target not in self._addresses]
        if unknown and not self._opening:
            return f"nobody knows an address of the ping node {' and '.join(unknown)}: it counts as one that does not answer"
        return self._opening

    async def run(self) -> None:
        """Runs until cancelled."""
        loop = asyncio.get_running_loop()
        sequence = 0
        told: tuple[str, ...] | None = None
        told_at = 0.0
        looked_at = -LOOK_AGAIN
        try:
            while True:
                self._open(loop)
                if loop.time() - looked_at >= LOOK_AGAIN and len(self._addresses) < len(self._targets):
                    looked_at = loop.time()
                    self._ask(loop)
                sequence = (sequence + 1) & 0xFFFF
                self._send(sequence)
                await asyncio.sleep(self._interval / SECOND)
                now = loop.time()
                answering = tuple(name for name in self._targets if now - self._last(name) < self._patience)
                if answering != told or now - told_at >= self._again:
                    told, told_at = answering, now
                    self._seen(answering)
        finally:
            for handle, _ in self._sockets.values():
                loop.remove_reader(handle.fileno())
                handle.close()

    def _last(self, target: str) -> float:
        return self._heard.get(self._addresses.get(target, "").partition("%")[0], -1e9)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        """For the names that are not known; a name server that is gone keeps a thread, and nobody else, waiting."""
        unknown = tuple(target for target in self._targets if target not in self._addresses)
        beside(loop, lambda: self._look(unknown), self._addresses.update)

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        for version in sorted(
            {6 if ":" in address else 4 for address in self._addresses.values()} - set(self._sockets)
        ):
            family, protocol = (
                (socket.AF_INET, socket.IPPROTO_ICMP) if version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
            )
            for kind, raw in ((socket.SOCK_RAW, True), (socket.SOCK_DGRAM, False)):
                try:
                    handle = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
                except OSError as error:
                    self._opening = f"cannot ping: {error.strerror}"
                    continue
                self._opening = ""
                self._sockets[version] = (handle, raw)
                loop.add_reader(handle.fileno(), self._receive, version)
                break

    def _send(self, sequence: int) -> None:
        for address in self._addresses.values():
            version = 6 if ":" in address else 4
            if version in self._sockets:
                try:
                    self._sockets[version][0].sendto(echo_request(version, self._identifier, sequence), (address, 0))
                except OSError:
                    continue  # No route is the same as no answer.

    def _receive(self, version: int) -> None:
        handle, raw = self._sockets[version]
        loop = asyncio.get_running_loop()
        for _ in range(64):
            try:
                data, source = handle.recvfrom(2048)
            except OSError:
                return
            if is_answer(version, raw, data, self._identifier):
                self._heard[source[0].partition("%")[0]] = loop.time()
