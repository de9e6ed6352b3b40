"""The control socket: HTTP and JSON on a Unix socket, for root, our own user and one configured group.

Every answer is a JSON object; a refusal is ``{"ok": false, "text": ..., "hint": ...}``. Nothing that a client sends can raise
an exception towards it or towards the daemon. The requests are described in docs/api.md.
"""

from __future__ import annotations

import asyncio
import difflib
import grp
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..effects import Level
from ..errors import NotRunning, Refused, TimedOut, UnderstudyError, UsageError

if TYPE_CHECKING:
    from .service import Manager

LARGEST_BODY = 64 * 1024
_SO_PEERGROUPS = 59
_MOST_GROUPS = 256
_STATUS = {UsageError: 400, Refused: 409, NotRunning: 503, TimedOut: 504}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status)


def refusal(status: int, text: str, hint: str = "") -> web.Response:
    return answer(status, {"ok": False, "text": text, "hint": hint})


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A hint that names the nearest known word, or all of them."""
    close = difflib.get_close_matches(word, known, 1, 0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "there are none"


def read_fields(data: bytes, wanted: tuple[str, ...]) -> dict[str, str]:
    """Read a request's JSON object, which must have exactly the ``wanted`` fields. Raises UsageError saying what is wrong."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise UsageError("the request is not JSON", f"send an object with {', '.join(wanted) or 'no fields'}") from None
    if not isinstance(body, dict):
        raise UsageError("the request is not a JSON object", f"send an object with {', '.join(wanted) or 'no fields'}")
    for name, value in body.items():
        if name not in wanted:
            raise UsageError(f"unknown field {name[:80]!r}", nearest(name[:80], wanted))
        if not isinstance(value, str) or len(value) > 255:
            raise UsageError(f"field {name!r} must be a short text")
    for name in wanted:
        if name not in body:
            raise UsageError(f"field {name!r} is missing")
    return body


class Control:
    """The API of one node's manager."""

    def __init__(self, manager: Manager, path: str) -> None:
        self._manager = manager
        self._path = path
        self._group = self._admin_group(manager.cluster.admin_group)
        self._runner: web.AppRunner | None = None
        self.troubles: tuple[str, ...] = ()

    def _admin_group(self, name: str | None) -> int | None:
        if name is None:
            return None
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            self._manager.say(Level.WARNING, f"there is no Unix group {name!r}: only root may use the control socket")
            return None

    async def start(self) -> None:
        """Listen. Raises OSError when the socket cannot be made."""
        application = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._guard])
        application.router.add_get("/v1/status", self._status)
        application.router.add_get("/v1/history", self._history)
        application.router.add_post("/v1/move", self._move)
        application.router.add_post("/v1/standby", self._standby)
        application.router.add_post("/v1/online", self._standby)
        application.router.add_post("/v1/dump", self._dump)
        application.router.add_get("/v1/fence", self._fence_devices)
        application.router.add_post("/v1/fence", self._fence)
        application.router.add_post("/v1/fence/test", self._fence_test)
        application.router.add_post("/v1/confirm-off", self._fence)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listen()).start()

    def _listen(self) -> socket.socket:
        """Bound under another name and renamed, so that there is never a moment with the wrong permissions or no socket."""
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        temporary = f"{self._path}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        before = os.umask(0o177)
        try:
            handle.bind(temporary)
        finally:
            os.umask(before)
        if self._group is not None:
            try:
                os.chown(temporary, -1, self._group)
            except OSError as error:
                self._manager.say(Level.WARNING, f"cannot give the control socket to its group: {error.strerror}")
        os.chmod(temporary, 0o660)
        handle.listen(64)
        os.replace(temporary, self._path)
        return handle

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who may ask, and the promise that every trouble becomes an answer."""
        try:
            if not self._permitted(request):
                return refusal(403, "only root and the members of the cluster's admin_group may ask", "use sudo")
            return await handler(request)
        except UnderstudyError as error:
            return refusal(_STATUS.get(type(error), 400), error.text, error.hint)
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, f"the request is longer than {LARGEST_BODY} bytes")
        except web.HTTPException as error:
            return refusal(error.status, f"{request.method} {request.path[:200]}: {error.reason}", "see docs/api.md")
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            self._manager.say(Level.ERROR, f"a request failed inside the manager: {error!r}")
            return refusal(500, "the manager failed on this request; its log says why")

    def _permitted(self, request: web.Request) -> bool:
        user, groups = _peer(request)
        if user in (0, os.geteuid()):
            return True
        return self._group is not None and self._group in groups

    async def _status(self, request: web.Request) -> web.Response:
        status = await self._manager.status()
        return answer(200, status)

    async def _history(self, request: web.Request) -> web.Response:
        text = request.query.get("lines", "50")
        unknown = [name for name in request.query if name != "lines"]
        if unknown:
            raise UsageError(f"unknown parameter {unknown[0][:80]!r}", nearest(unknown[0][:80], ("lines",)))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 2000):
            raise UsageError("lines must be a number from 1 to 2000")
        return answer(200, {"ok": True, "entries": self._manager.history.last(int(text))})

    async def _move(self, request: web.Request) -> web.Response:
        fields = read_fields(await request.read(), ("group", "node"))
        group, node = fields["group"], fields["node"]
        groups = tuple(item.name for item in self._manager.cluster.groups)
        if group not in groups:
            raise UsageError(f"there is no group {group!r}", nearest(group, groups))
        self._check_node(node)
        return await self._decide("move", group, node, request)

    async def _standby(self, request: web.Request) -> web.Response:
        node = read_fields(await request.read(), ("node",))["node"]
        self._check_node(node)
        return await self._decide(request.path.rpartition("/")[2], "", node, request)

    async def _fence_devices(self, request: web.Request) -> web.Response:
        return answer(200, {"ok": True, "devices": self._manager.fencer.rows()})

    async def _fence(self, request: web.Request) -> web.Response:
        node = read_fields(await request.read(), ("node",))["node"]
        self._check_node(node)
        return await self._decide(request.path.rpartition("/")[2], "", node, request)

    async def _fence_test(self, request: web.Request) -> web.Response:
        node = read_fields(await request.read(), ("node",))["node"]
        self._check_node(node)
        return answer(200, {"ok": True, "devices": await self._manager.fencer.test(node)})

    def _check_node(self, node: str) -> None:
        names = tuple(member.name for member in self._manager.cluster.nodes)
        if node in names:
            return
        if node in self._manager.cluster.names:
            raise UsageError(f"{node!r} is a witness: it runs nothing", nearest(node, names))
        raise UsageError(f"there is no node {node!r}", nearest(node, names))

    async def _decide(self, verb: str, group: str, node: str, request: web.Request) -> web.Response:
        by = await _user_name(_peer(request)[0])
        ok, text = await self._manager.admin(verb, group, node, by)
        return answer(200 if ok else 409, {"ok": ok, "text": text, "hint": ""})

    async def _dump(self, request: web.Request) -> web.Response:
        read_fields(await request.read() or b"{}", ())
        return answer(200, {"ok": True, "file": await self._manager.dump()})


def _peer(request: web.Request) -> tuple[int, tuple[int, ...]]:
    """The user and all groups of the process that connected, as the kernel noted them then; -1 when it does not tell."""
    transport = request.transport
    raw = transport.get_extra_info("socket") if transport is not None else None
    if raw is None:
        return -1, ()
    try:
        with socket.socket(fileno=os.dup(raw.fileno())) as handle:
            _, user, group = struct.unpack("3i", handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            try:
                others = handle.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * 4)
            except OSError:
                others = b""  # More groups than Python's buffer takes: such a user needs the group as the primary one.
    except (OSError, struct.error):
        return -1, ()
    return user, (group, *struct.unpack(f"{len(others) // 4}I", others))


async def _user_name(user: int) -> str:
    """The user's name, or its number when the name service does not answer at once."""
    try:
        async with asyncio.timeout(0.3):
            return (await asyncio.get_running_loop().run_in_executor(None, pwd.getpwuid, user)).pw_name
    except (KeyError, TimeoutError):
        return f"user {user}"
