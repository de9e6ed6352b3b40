"""The history as a stream of JSON lines, for as many as ``MOST_STREAMS`` clients that read at their own pace.

Nothing is queued for a client: each has its place in the history, which keeps the newest entries anyway. So a slow client costs
no memory, and what it has missed can be counted.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from .history import History
from .listener import Connection, refusal

MOST_STREAMS = 16
ALIVE: float = 15.0
"""Seconds without an entry after which an empty line is sent."""

_PATIENCE: float = 30.0
"""Seconds that a client may read nothing while there is something to send."""


class Events:
    """The streams of one manager."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._news: set[asyncio.Event] = set()
        self._stopping = False

    def stop(self) -> None:
        """End all streams, in order, soon."""
        self._stopping = True
        for news in self._news:
            news.set()

    async def stream(self, request: web.BaseRequest, lines: int) -> web.StreamResponse:
        """Answer ``request`` with the ``lines`` newest entries, and then each new one, until the client goes."""
        if len(self._news) >= MOST_STREAMS:
            return refusal(429, f"{MOST_STREAMS} clients follow the events already", "end one of them")
        news = asyncio.Event()
        loop = asyncio.get_running_loop()
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.closed.add_done_callback(lambda _: news.set())
        self._news.add(news)
        unwatch = self._history.watch(lambda: _wake(loop, news))
        try:
            response = web.StreamResponse(
                headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            try:
                await self._send(response, news, connection, self._history.newest - lines)
            except (TimeoutError, ConnectionError):  # it has begun, so no other answer can be given: hang up
                if isinstance(connection, Connection):
                    connection.force_close()
            return response
        finally:
            unwatch()
            self._news.discard(news)

    async def _send(self, response: web.StreamResponse, news: asyncio.Event, connection: object, number: int) -> None:
        first = True
        while not self._stopping and not (isinstance(connection, Connection) and connection.closed.done()):
            news.clear()
            # Before this process began there is nothing to miss; the history may hold entries of an earlier one.
            entries, number, missed = self._history.after(number)
            if first:
                first, missed = False, 0
            if missed:
                text = f"{missed} entries were left out: this client reads too slowly"
                entries.insert(0, {"at": entries[0]["at"], "level": "warning", "text": text, "group": "", "node": ""})
            data = b"".join(
                json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for entry in entries
            )
            if data:
                async with asyncio.timeout(_PATIENCE):
                    await response.write(data)
            try:
                async with asyncio.timeout(ALIVE):
                    await news.wait()
            except TimeoutError:
                async with asyncio.timeout(_PATIENCE):
                    await response.write(b"\n")


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(news.set)
    except RuntimeError:
        pass  # the loop is closed: the manager has ended, and only the history still writes
