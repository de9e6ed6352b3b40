"""One listening socket of the API: connections counted and timed, and trouble with HTTP itself answered in JSON.

Connections are accepted here rather than by the event loop's own server, for two reasons: those that are still shaking hands
(TLS) count, too, so strangers cannot use up the manager's descriptors; and the kernel is asked at that moment who connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .api import LARGEST_BODY

MOST_CONNECTIONS = 64
"""At once; more wait in the kernel's queue."""

HANDSHAKE: float = 5.0
HEAD: float = 10.0
IDLE: float = 30.0
"""Seconds: for the TLS handshake; until the first request is there; between two requests."""

_SO_PEERGROUPS = 59
_MOST_GROUPS = 256

Handler = Callable[[web.BaseRequest, "Connection"], Awaitable[web.StreamResponse]]


def answer(status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status)


def refusal(status: int, text: str, hint: str = "") -> web.Response:
    return answer(status, {"ok": False, "text": text, "hint": hint})


def peer(handle: socket.socket) -> tuple[int, tuple[int, ...]]:
    """The user and all groups of the process that connected, as the kernel noted them then (unix(7), SO_PEERCRED and
    SO_PEERGROUPS of socket(7)); -1 where it does not tell, as over TCP.
    """
    if handle.family != socket.AF_UNIX:
        return -1, ()
    try:
        _, user, group = struct.unpack("3i", handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except (OSError, struct.error):
        return -1, ()
    try:
        others = handle.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * 4)
    except OSError:
        others = b""  # More groups than Python's buffer takes: such a user needs the group as the primary one.
    return user, (group, *struct.unpack(f"{len(others) // 4}I", others))


class Connection(web.RequestHandler):
    """One client. ``user`` and ``groups`` as ``peer`` says; ``asked``: a whole request head has come."""

    def __init__(
        self, server: web.Server, loop: asyncio.AbstractEventLoop, who: tuple[int, tuple[int, ...]], head: float
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=IDLE,
            lingering_time=1.0,
            # A body is read as it came: what little is sent here needs no compression, and a bomb finds nobody.
            auto_decompress=False,
        )
        self.user, self.groups = who
        self.asked = False
        self.closed: asyncio.Future[None] = loop.create_future()
        self._timer = loop.call_later(head, self._too_slow)

    def _too_slow(self) -> None:
        if not self.asked:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the HTTP library found wrong, said in our form; it would answer in plain text and write to the log."""
        self.asked = True
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        first = (message or "").strip().partition("\n")[0].rstrip(":")
        text = (
            f"this is not HTTP as the manager understands it: {first[:200]}" if status < 500 else "the manager failed"
        )
        response = refusal(status, text.rstrip(": "), "see docs/api.md" if status < 500 else "its log says why")
        response.force_close()
        return response


class Listener:
    """Serves connections from ``handle``, a listening non-blocking socket that it owns from now on."""

    def __init__(
        self,
        handle: socket.socket,
        handler: Handler,
        context: ssl.SSLContext | None = None,
        most: int = MOST_CONNECTIONS,
        head: float = HEAD,
    ) -> None:
        self._handle = handle
        self._handler = handler
        self._context = context
        self._head = head
        self._loop = asyncio.get_running_loop()
        self._server = web.Server(self._respond, request_factory=self._request, loop=self._loop)
        self._free = asyncio.Semaphore(most)
        self._serving: set[asyncio.Task[None]] = set()
        self._accepting = self._loop.create_task(self._accept())

    async def stop(self, patience: float = 1.0) -> None:
        """Close everything; requests that are being answered are given ``patience`` seconds."""
        self._accepting.cancel()
        self._handle.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting
        await self._server.shutdown(patience)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            await self._free.acquire()
            try:
                client, _ = await self._loop.sock_accept(self._handle)
            except OSError:
                # Out of descriptors, mostly: the client waits in the queue, and others close theirs meanwhile.
                self._free.release()
                await asyncio.sleep(0.1)
                continue
            task = self._loop.create_task(self._serve(client))
            self._serving.add(task)
            task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self._free.release()
        if not task.cancelled():
            task.exception()  # a handshake that failed or a client that went: nothing that anybody should hear of

    async def _serve(self, client: socket.socket) -> None:
        connection = Connection(self._server, self._loop, peer(client), self._head)
        secure: dict[str, Any] = {}
        if self._context is not None:
            secure = {"ssl": self._context, "ssl_handshake_timeout": HANDSHAKE, "ssl_shutdown_timeout": 1.0}
        try:
            transport, _ = await self._loop.connect_accepted_socket(lambda: connection, client, **secure)
        except BaseException:
            client.close()
            raise
        try:
            await connection.closed
        finally:
            transport.close()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=LARGEST_BODY)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            return refusal(500, "the manager failed")
        connection.asked = True
        return await self._handler(request, connection)
