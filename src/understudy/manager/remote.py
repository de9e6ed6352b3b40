"""The API over TCP: only with TLS, only for those who bring a token.

The three files (certificate, key, tokens) are read again when they change; while one of them is missing or bad the port is
closed and status says why. Nothing else of this node waits for that.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ..config.api import Token
from ..config.load import load_pair, load_tokens
from ..effects import Level
from ..errors import Problem
from ..model import Api
from .listener import Connection, Listener, refusal

if TYPE_CHECKING:
    from .control import Control

LOOK: float = 1.0
"""Seconds between two looks at the files, and between two attempts to listen."""

MOST_CONNECTIONS = 32
_EXPIRES_SOON = 14 * 86400
_COMPLAIN_EVERY: float = 60.0

Say = Callable[[Level, str], None]


class Tokens:
    """Who brings which token. The secrets themselves are not kept."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._known = [(_digest(token.secret.encode()), token) for token in tokens]

    def find(self, header: str) -> Token | None:
        """The token of an ``Authorization`` header (RFC 6750, section 2.1). Every known one is compared, in constant time."""
        kind, _, secret = header.partition(" ")
        given = _digest(secret.strip().encode("utf-8", "surrogateescape"))
        found = None
        for digest, token in self._known:
            if hmac.compare_digest(digest, given):
                found = token
        return found if kind.lower() == "bearer" else None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


class Remote:
    """Listens at ``endpoint`` for ``control``, which answers. ``trouble``: why it does not, a sentence, or ""."""

    def __init__(self, control: Control, api: Api, endpoint: tuple[str, int], say: Say) -> None:
        self._control = control
        self._api = api
        self._endpoint = endpoint
        self._say = say
        self._listener: Listener | None = None
        self._context: ssl.SSLContext | None = None
        self._tokens = Tokens(())
        self._seen: tuple[object, ...] | None = None
        self._refused = 0
        self._complained = -_COMPLAIN_EVERY
        self._expires = 0.0
        self._task: asyncio.Task[None] | None = None
        self.port = 0
        self.trouble = "it has not begun to listen yet"

    def start(self) -> None:
        """Begin to listen, and go on looking at the files, until ``stop``."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.trouble = f"the manager failed inside: {error!r}"
            self._say(Level.ERROR, f"the API is not served on {_shown(self._endpoint)}: {self.trouble}")

    async def _run(self) -> None:
        """Keep the port open, as far as the files permit; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            seen = await loop.run_in_executor(None, self._look)
            if seen != self._seen or self._listener is None:
                await self._open(seen)
            await asyncio.sleep(LOOK)

    async def _close(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.stop()

    def warnings(self) -> tuple[str, ...]:
        """Sentences for the status."""
        where = _shown(self._endpoint)
        if self.trouble:
            return (f"the API is not served on {where}: {self.trouble}",)
        left = self._expires - time.time()
        if left < 0:
            return (f"the certificate of the API on {where} has expired: {self._api.certificate}",)
        if left < _EXPIRES_SOON:
            return (
                f"the certificate of the API on {where} expires in {left / 86400:.0f} days: {self._api.certificate}",
            )
        return ()

    def _look(self) -> tuple[object, ...]:
        """What tells the files' present content from an earlier one. May wait for a disk."""
        found: list[object] = []
        for path in (self._api.certificate, self._api.key, self._api.token_file):
            try:
                status = os.stat(path)
                found.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode))
            except OSError as error:
                found.append(error.errno)
        return tuple(found)

    async def _open(self, seen: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        before = self.trouble
        read = await loop.run_in_executor(None, self._read)
        self._seen = seen
        await self._close()  # whoever is connected came by the old files
        if isinstance(read, str):
            self.trouble = read
        else:
            self._context, self._tokens, self._expires = read
            try:
                handle = _listening(self._endpoint)
                self.port = handle.getsockname()[1]
                self._listener = Listener(handle, self._answer, self._context, MOST_CONNECTIONS)
                self.trouble = ""
            except OSError as error:
                self.trouble = error.strerror or str(error)
        if self.trouble and self.trouble != before:
            self._say(Level.ERROR, f"the API is not served on {_shown(self._endpoint)}: {self.trouble}")
        elif before and not self.trouble:
            self._say(Level.INFO, f"the API is served on {_shown(self._endpoint)}, with TLS and tokens")

    def _read(self) -> tuple[ssl.SSLContext, Tokens, float] | str:
        """Context, tokens and when the certificate expires (seconds since 1970); or what is wrong."""
        expires, tokens = load_pair(self._api), load_tokens(self._api)
        if isinstance(expires, Problem):
            return f"{expires.file}: {expires.text}"
        if isinstance(tokens, Problem):
            return f"{tokens.file}: {tokens.text}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._api.certificate, self._api.key, password=lambda: "")
            return context, Tokens(tokens), expires
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            return f"{self._api.certificate}: {error}"

    async def _answer(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        headers = request.headers.getall("Authorization", [])
        token = self._tokens.find(headers[0]) if len(headers) == 1 else None
        address = str(request.remote)
        if token is None:
            self._complain(address)
            response = refusal(401, "a token is needed", "send the header: Authorization: Bearer TOKEN")
            response.headers["WWW-Authenticate"] = 'Bearer realm="understudy"' + (
                ', error="invalid_token"' if headers else ""
            )
            response.force_close()
            return self._control.counted(response)
        return await self._control.respond(request, f"{token.name} (token, from {address})", token.may_change)

    def _complain(self, address: str) -> None:
        """Into the history, but a flood of wrong tokens makes one line a minute."""
        self._refused += 1
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN_EVERY:
            count = "a request" if self._refused == 1 else f"{self._refused} requests"
            self._say(Level.WARNING, f"{count} over TCP without a right token refused, the last one from {address}")
            self._complained, self._refused = now, 0


def _shown(endpoint: tuple[str, int]) -> str:
    return f"[{endpoint[0]}]:{endpoint[1]}" if ":" in endpoint[0] else f"{endpoint[0]}:{endpoint[1]}"


def _listening(endpoint: tuple[str, int]) -> socket.socket:
    """A listening socket. Raises OSError; an address that is not here yet is tried again later."""
    address, port = endpoint
    (family, kind, protocol, _, where), *_ = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )
    handle = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        handle.bind(where)
        handle.listen(64)
    except BaseException:
        handle.close()
        raise
    return handle
