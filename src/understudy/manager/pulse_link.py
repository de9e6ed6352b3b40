"""The manager's end of the channel to the pulse: connect, again at once after a loss, and match answers to requests.

While the pulse is away a connection is tried every 10 to 50 ms: a restarted pulse must get its manager back within a short
dead time, and a refused connect costs microseconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ..adapters import channel
from ..adapters.channel import Packet, Peer
from ..errors import NotRunning, TimedOut
from ..units import SECOND, Duration, format_duration

_FIRST_PAUSE = 0.010
_LONGEST_PAUSE = 0.050


class PulseLink:
    """``received`` gets each packet that answers no request, with the connection it came by; ``changed`` gains and losses."""

    def __init__(self, path: str, received: Callable[[Packet, Peer], None], changed: Callable[[bool], None]) -> None:
        self._path = path
        self._received = received
        self._changed = changed
        self._peer: Peer | None = None
        self._lost = asyncio.Event()
        self._waiting: dict[tuple[str, int], asyncio.Future[Packet]] = {}
        self._watched = -1
        self.trouble = "not tried yet"
        """Why there is no connection; empty while there is one."""

    @property
    def connected(self) -> bool:
        return self._peer is not None and not self._peer.lost

    async def run(self) -> None:
        """Keep a connection; runs until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                peer = channel.connect(self._path)
            except OSError as error:
                self.trouble = error.strerror or str(error)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            await self._serve(peer)

    async def _serve(self, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        self._peer, self.trouble = peer, ""
        self._lost.clear()
        # Watched through a descriptor of our own: the peer closes its one itself, and a closed number may be in use again
        # before the event loop has heard of it.
        self._watched = os.dup(peer.fileno())
        loop.add_reader(self._watched, self._readable, peer)
        self._changed(True)
        try:
            await self._lost.wait()
        finally:
            loop.remove_reader(self._watched)
            loop.remove_writer(self._watched)
            os.close(self._watched)
            why = peer.lost
            peer.close()
            self._peer, self.trouble = None, why or "closed here"
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(NotRunning(f"the pulse was lost before it answered: {self.trouble}"))
            self._waiting.clear()
            if why:
                self._changed(False)

    def _readable(self, peer: Peer) -> None:
        for packet in peer.receive():
            key = (str(packet["t"]), _number(packet, "id", "op"))
            future = self._waiting.pop(key, None)
            if future is None:
                self._received(packet, peer)
            elif not future.done():
                future.set_result(packet)
        if peer.lost:
            self._lost.set()

    def read_now(self) -> None:
        """What has arrived and was not looked at yet; the last words of a pulse that is gone."""
        if self._peer is not None:
            self._readable(self._peer)

    def send(self, packet: Packet, over: Peer | None = None) -> bool:
        """Send now or queue; ``over`` demands that very connection, so that an answer never reaches another pulse."""
        peer = self._peer
        if peer is None or (over is not None and over is not peer):
            return False
        sent = peer.send(packet)
        if peer.lost:
            self._lost.set()
        elif peer.waiting:
            asyncio.get_running_loop().add_writer(self._watched, self._writable, peer)
        return sent

    def _writable(self, peer: Peer) -> None:
        peer.flush()
        if peer.lost:
            self._lost.set()
        if not peer.waiting:
            asyncio.get_running_loop().remove_writer(self._watched)

    async def ask(self, packet: Packet, answer: str, number: int, limit: Duration) -> Packet:
        """Send ``packet`` and wait for the packet of type ``answer`` whose ``id`` or ``op`` is ``number``.

        Raises NotRunning without a connection (also one lost while waiting), TimedOut after ``limit``.
        """
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        key = (answer, number)
        self._waiting[key] = future
        try:
            if not self.send(packet):
                raise NotRunning(f"the pulse is not there: {self.trouble or 'the connection was lost'}")
            async with asyncio.timeout(limit / SECOND):
                return await future
        except TimeoutError:
            raise TimedOut(f"the pulse did not answer within {format_duration(limit)}") from None
        finally:
            if self._waiting.get(key) is future:
                del self._waiting[key]


def _number(packet: Packet, *names: str) -> int:
    for name in names:
        value = packet.get(name)
        if isinstance(value, int):
            return value
    return -1
