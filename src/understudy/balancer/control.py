"""The balancer's own socket: ``understudy pool`` works while the manager is away, and the manager asks here like anybody else.

A request is a line of JSON, the answer another; a connection may ask again. Whoever may open the socket (root, the cluster's
admin_group) may ask all of it: the permissions of the file say who that is.

    {"do": "pool", "service": NAME or ""}     {"ok": true, "services": [...], ...}
    {"do": "wish", "verb": ..., "server": ..., "service": ..., "value": ..., "by": ...}     {"ok": ..., "text": ...}
    a wish about a service or server that there is not, or one that makes no sense: {"ok": false, "wrong": true, "text": ...}
    {"do": "reload"}                          takes the copy in the runtime directory up, and answers when it counts
    {"do": "notes"}                           a line for each note from now on, until one side ends
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from .wishes import VERBS, Wish

if TYPE_CHECKING:
    from .service import Balancer

NAME = "balancer.sock"
LONGEST_LINE = 1 << 16


class Control:
    """The socket at ``path``."""

    def __init__(self, balancer: Balancer, path: str) -> None:
        self._balancer = balancer
        self._path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bound under another name and renamed: there is no moment with wrong permissions. Raises OSError."""
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        fresh = f"{self._path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        before = os.umask(0o177)
        try:
            handle.bind(fresh)
        finally:
            os.umask(before)
        handle.listen(64)
        os.replace(fresh, self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=handle, limit=LONGEST_LINE)

    async def let_in(self, group: str) -> None:
        """The Unix group that may ask besides root, "" for none. Its number comes from the name service, which may take long."""
        with contextlib.suppress(KeyError, OSError):
            number = 0
            if group:
                number = (await asyncio.get_running_loop().run_in_executor(None, grp.getgrnam, group)).gr_gid
            os.chown(self._path, -1, number if os.geteuid() == 0 else -1)
            os.chmod(self._path, 0o660 if group else 0o600)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.close()
        if self._serving:  # they end by themselves; the loop's end would cancel them, loudly
            await asyncio.wait(self._serving, timeout=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            while line := await reader.readline():
                asked = _object(line)
                if asked.get("do") == "notes":
                    await self._follow(reader, writer)
                    return
                writer.write(json.dumps(await self._answer(asked), separators=(",", ":")).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):  # gone, or a line that is too long
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(note: dict[str, Any]) -> None:
            writer.write(json.dumps(note).encode() + b"\n")

        notes = self._balancer.notes
        notes.listen(send)
        try:
            await reader.read()  # until the manager goes
        finally:
            if notes.listener is send:  # another manager may listen already
                notes.listen(None)

    async def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        verb = asked.get("do")
        if verb == "pool":
            return self._balancer.answer(str(asked.get("service") or ""))
        if verb == "reload":
            ok, text = await self._balancer.reload()
            return {"ok": ok, "text": text}
        if verb == "wish":
            wish = _wish(asked)
            if isinstance(wish, str):
                return {"ok": False, "wrong": True, "text": wish}
            ok, text = await self._balancer.wish(wish, str(asked.get("by") or "somebody"))
            return {"ok": ok, "text": text, **({} if ok or self._balancer.knows(wish) else {"wrong": True})}
        return {"ok": False, "wrong": True, "text": f"nobody knows {verb!r} here"}


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _wish(asked: dict[str, Any]) -> Wish | str:
    verb, server, value = asked.get("verb"), asked.get("server"), asked.get("value", 0)
    if verb not in VERBS:
        return f"a server can be asked to {', '.join(VERBS)}, not {verb!r}"
    if not isinstance(server, str) or not server:
        return "which server?"
    if not isinstance(value, int) or not 0 <= value <= 65535:
        return "a weight is a whole number from 0 to 65535"
    return Wish(str(asked.get("service") or ""), server, verb, value)
