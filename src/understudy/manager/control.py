"""The API of one node's manager: who may ask, and what becomes of each request.

Every answer is JSON; a refusal is ``{"ok": false, "text": ..., "hint": ...}``. Nothing that a client sends can raise an
exception towards it or towards the daemon. What can be asked is the table in ``api``; docs/api.md is written from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..effects import Level
from ..errors import NotRunning, Refused, TimedOut, UnderstudyError, UsageError
from ..model import Api, Cluster
from ..units import MILLISECOND, SECOND
from . import api, metrics, whatif
from .api import LARGEST_BODY, nearest
from .entry import public
from .event_stream import Events
from .key_plan import Step
from .listener import Connection, Listener, answer, refusal
from .old_access import Access
from .remote import Remote
from .upgrade_lead import Leader
from .wanted import select, wanted

if TYPE_CHECKING:
    from .service import Manager

NAMES: float = 0.5
"""Seconds that the start, or a reload, waits for the name service."""

BODY_LIMIT: float = 10.0
"""Seconds that a client has for sending the body of a request."""

_STATUS = {UsageError: 400, Refused: 409, NotRunning: 503, TimedOut: 504}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was judged: ``verb`` is the last word of its path, ``by`` who asks, a name or the number of a Unix user.

    Names of users are looked up only for what changes something: a name service that is gone must not delay the status.
    """

    request: web.BaseRequest
    verb: str
    fields: dict[str, Any]
    by: str | int


class Control:
    """The control socket at ``path``: for root, our own user and the members of the cluster's admin_group."""

    def __init__(self, manager: Manager, path: str) -> None:
        self._manager = manager
        self._path = path
        self._leader = Leader(manager, manager.upgrades)
        self._group: int | None = None
        self._access = Access()
        self._listener: Listener | None = None
        self.events = Events(manager.history)
        self.remote: Remote | None = None
        self._served: tuple[Api | None, tuple[str, int] | None] = (None, None)

    async def _look_up(self, name: str | None) -> int | None:
        """The number of that Unix group. The name service may have to ask a network that is gone: nobody waits for it long."""
        if name is None:
            return None
        asking = asyncio.get_running_loop().run_in_executor(None, grp.getgrnam, name)
        try:
            async with asyncio.timeout(NAMES):
                return (await asyncio.shield(asking)).gr_gid
        except KeyError:
            self._manager.say(Level.WARNING, f"there is no Unix group {name!r}: only root may use the control socket")
        except TimeoutError:
            why = f"the name service does not say which group {name!r} is: only root may use the control socket until it does"
            self._manager.say(Level.WARNING, why)
            self._manager.background(self._let_in_later(name, asking))
        return None

    async def _let_in_later(self, name: str, asking: asyncio.Future[grp.struct_group]) -> None:
        with contextlib.suppress(KeyError):
            found = await asking
            if self._manager.cluster.admin_group == name:
                self._let_in(found.gr_gid)

    def _let_in(self, group: int | None) -> None:
        if group != self._group:
            self._group = group
            with contextlib.suppress(OSError):
                os.chown(self._path, -1, 0 if group is None else group)

    async def start(self) -> None:
        """Listen. Raises OSError when the socket cannot be made."""
        self._group = await self._look_up(self._manager.cluster.admin_group)
        self._listener = Listener(self._listen(), self._local)
        self._serve(self._manager.cluster)
        if self._manager.access is not None:
            self._manager.background(self._open_to(self._manager.access))

    async def _open_to(self, names: Callable[[], Access]) -> None:
        """Others than root and one group; the name service may take its time. The kernel says who connects, so all may knock."""
        self._access = await asyncio.get_running_loop().run_in_executor(None, names)
        for text in self._access.missing:
            self._manager.say(Level.WARNING, text)
        if self._access.anybody:
            with contextlib.suppress(OSError):
                os.chmod(self._path, 0o666)

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

    async def follow(self, cluster: Cluster) -> None:
        """Other members may ask, or another address and certificate count, from now on."""
        self._let_in(await self._look_up(cluster.admin_group))
        endpoint = cluster.api.endpoint(self._manager.me) if cluster.api is not None else None
        if self._served != (cluster.api, endpoint):
            if self.remote is not None:
                await self.remote.stop()
            self.remote = None
            self._serve(cluster)

    def _serve(self, cluster: Cluster) -> None:
        endpoint = cluster.api.endpoint(self._manager.me) if cluster.api is not None else None
        self._served = (cluster.api, endpoint)
        if cluster.api is not None and endpoint is not None:
            self.remote = Remote(self, cluster.api, endpoint, self._manager.say)
            self.remote.start()

    async def stop(self) -> None:
        self.events.stop()
        if self.remote is not None:
            await self.remote.stop()
        if self._listener is not None:
            await self._listener.stop()

    # Who asks ------------------------------------------------------------------------------------------------------

    async def _local(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        """A request on the Unix socket: the kernel says who it is."""
        user = connection.user
        permitted = user in (0, os.geteuid()) or (self._group is not None and self._group in connection.groups)
        right = True if permitted else self._access.right(user, connection.groups)
        if right is None:
            who, how = "only root and the members of the cluster's admin_group may ask", "use sudo"
            if self._manager.cluster.heartbeat3:
                who = "only root, and whom apiauth in ha.cf names (where it has no line for anon: the group haclient), may ask"
                how = "use sudo; or as root: adduser YOU haclient, or apiauth understudy uid=YOU in ha.cf"
            return self.counted(_last(refusal(403, who, how)))
        return await self.respond(request, user, right)

    async def respond(self, request: web.BaseRequest, by: str | int, may_change: bool = True) -> web.StreamResponse:
        """Judge and answer a request of somebody who may ask. Every trouble becomes an answer."""
        return self.counted(await self._respond(request, by, may_change))

    def counted(self, response: web.StreamResponse) -> web.StreamResponse:
        """``response``, once it is counted for /metrics."""
        self._manager.tallies.requests[str(response.status)] += 1
        return response

    async def _respond(self, request: web.BaseRequest, by: str | int, may_change: bool) -> web.StreamResponse:
        try:
            return await self._answer(request, by, may_change)
        except UnderstudyError as error:
            return refusal(_STATUS.get(type(error), 400), error.text, error.hint)
        except web.HTTPRequestEntityTooLarge:
            return _last(refusal(413, f"the request is longer than {LARGEST_BODY} bytes"))
        except TimeoutError:
            return _last(refusal(408, f"the request did not arrive within {BODY_LIMIT:g} s"))
        except web.RequestPayloadError:
            return _last(refusal(400, "the body is not what its head promises"))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            self._manager.say(Level.ERROR, f"a request failed inside the manager: {error!r}")
            return _last(refusal(500, "the manager failed on this request; its log says why"))

    async def _answer(self, request: web.BaseRequest, by: str | int, may_change: bool) -> web.StreamResponse:
        path = request.path
        known = api.methods(path)
        if not known:
            paths = tuple(dict.fromkeys(endpoint.path for endpoint in api.ENDPOINTS))
            return refusal(404, f"there is nothing at {path[:200]!r}", nearest(path[:200], paths))
        endpoint = known.get(request.method)
        if endpoint is None:
            wrong = refusal(405, f"{path} takes {' or '.join(known)}, not {request.method[:20]}", "see docs/api.md")
            wrong.headers["Allow"] = ", ".join(known)
            return wrong
        if endpoint.changes and not may_change:
            return refusal(403, f"{by} may only read, and {path} changes something", "use a token that may write")
        if "Content-Encoding" in request.headers:
            return _last(refusal(415, "the body of a request must not be compressed"))
        async with asyncio.timeout(BODY_LIMIT):
            body = await request.read()
        if endpoint.method == "GET":
            if body:
                raise UsageError(f"{path} takes parameters in the address and no body")
            asked = api.read_query(request.query.items(), endpoint.fields)
        else:
            if request.query_string:
                raise UsageError(f"{path} takes a JSON object in the body and no parameters in the address")
            asked = api.read_body(body, endpoint.fields)
        if endpoint.handler != "history":  # names that are filters may be those of witnesses, or be left out
            self._check_names(asked, path)
        handler = getattr(self, f"_{endpoint.handler}")
        response: web.StreamResponse = await handler(Asked(request, path.rpartition("/")[2], asked, by))
        return response

    # What is asked -------------------------------------------------------------------------------------------------

    def _check_names(self, asked: dict[str, Any], path: str) -> None:
        """Groups and nodes that a request names exist. Raises UsageError."""
        cluster = self._manager.cluster
        groups = tuple(item.name for item in cluster.groups)
        everything = path in api.OF_ALL_GROUPS and asked.get("group") == ""
        if "group" in asked and asked["group"] not in groups and not everything:
            raise UsageError(f"there is no group {asked['group']!r}", nearest(asked["group"], groups))
        nodes = tuple(member.name for member in cluster.nodes)
        node = asked.get("node")
        if node is None or node in nodes:
            return
        if node in cluster.names:
            raise UsageError(f"{node!r} is a witness: it runs nothing", nearest(node, nodes))
        raise UsageError(f"there is no node {node!r}", nearest(node, nodes))

    async def _status(self, asked: Asked) -> web.Response:
        return answer(200, await self._manager.status())

    async def _whatif(self, asked: Asked) -> web.Response:
        status = await self._manager.status()
        words = (asked.fields[name] for name in ("down", "standby", "unreachable"))
        return answer(200, whatif.answer(self._manager.cluster, status, *words))

    async def _history(self, asked: Asked) -> web.Response:
        manager, now = self._manager, time.time_ns()
        want = wanted(manager.cluster, asked.fields, now)
        scope = asked.fields["scope"]
        if scope == "node":
            entries = [public(form) for form in select(manager.history.kept(), want, manager.me, now)]
            return answer(200, {"ok": True, "entries": entries})
        if scope != "cluster":
            raise UsageError(f"there is no scope {scope!r}", nearest(scope, ("node", "cluster")))
        with contextlib.suppress(NotRunning, TimedOut):
            await manager.status()  # who is there now
        entries, parts = await manager.peers.histories(want, manager.heard())
        missing = {name: part.trouble for name, part in parts.items() if part.trouble}
        ahead = {name: round(part.ahead / MILLISECOND, 3) for name, part in parts.items() if name not in missing}
        return answer(200, {"ok": True, "entries": entries, "missing": missing, "clock_ahead_ms": ahead})

    async def _events(self, asked: Asked) -> web.StreamResponse:
        return await self.events.stream(asked.request, asked.fields["lines"])

    async def _metrics(self, asked: Asked) -> web.Response:
        """The library is loaded by the first who asks, in a thread: most managers are never asked."""
        try:
            status: dict[str, Any] | None = await self._manager.status()
        except NotRunning:
            status = None
        manager = self._manager
        history, balancer = manager.history.lost, None if status is None else manager.balance.answers
        found = list(metrics.values(status, manager.tallies, manager.fencer.rows(), history, balancer))
        accept = asked.request.headers.get("Accept", "")
        loop = asyncio.get_running_loop()
        body, content_type = await loop.run_in_executor(None, metrics.exposition, found, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _move(self, asked: Asked) -> web.Response:
        return await self._decide("move", asked)

    async def _wish(self, asked: Asked) -> web.Response:
        return await self._decide(asked.verb, asked)

    async def _maintenance(self, asked: Asked) -> web.Response:
        return await self._decide(f"maintenance-{asked.verb}", asked)

    async def _standby(self, asked: Asked) -> web.Response:
        return await self._decide(asked.verb, asked)

    async def _heartbeat(self, asked: Asked) -> web.Response:
        """A set of groups, for which the core of an old pair has the field of a group."""
        ok, text = await self._manager.admin(f"hb_{asked.verb}", asked.fields["set"], "", await _name(asked.by))
        return answer(200 if ok else 409, {"ok": ok, "text": text, "hint": ""})

    async def _fence_devices(self, asked: Asked) -> web.Response:
        return answer(200, {"ok": True, "devices": self._manager.fencer.rows()})

    async def _fence(self, asked: Asked) -> web.Response:
        return await self._decide(asked.verb, asked)

    async def _fence_test(self, asked: Asked) -> web.Response:
        return answer(200, {"ok": True, "devices": await self._manager.fencer.test(asked.fields["node"])})

    async def _decide(self, verb: str, asked: Asked) -> web.Response:
        fields = asked.fields
        group, node, reason = (fields.get(name, "") for name in ("group", "node", "reason"))
        span = fields.get("seconds", 0) * SECOND
        ok, text = await self._manager.admin(verb, group, node, await _name(asked.by), reason, span)
        return answer(200 if ok else 409, {"ok": ok, "text": text, "hint": ""})

    async def _difference(self, asked: Asked) -> web.Response:
        return answer(200, (await self._manager.reloads.look()).answer())

    async def _reload(self, asked: Asked) -> web.Response:
        return answer(200, await self._manager.reloads.reload(await _name(asked.by), asked.fields["digest"]))

    async def _keys(self, asked: Asked) -> web.Response:
        return answer(200, await self._manager.keys.report())

    async def _rotate(self, asked: Asked) -> web.Response:
        """A step of a key rotation; names are judged here, because witnesses have keys too."""
        known = self._manager.members
        without = [name for name in asked.fields["without"].split(",") if name]
        for name in without:
            if name not in known:
                raise UsageError(f"there is no member {name!r}", nearest(name, known))
        steps = tuple(step.value for step in Step)
        if asked.fields["step"] not in steps:
            raise UsageError(f"there is no step {asked.fields['step']!r}", nearest(asked.fields["step"], steps))
        by = await _name(asked.by)
        return answer(200, await self._manager.keys.lead(asked.fields["step"], without, by))

    async def _upgrade(self, asked: Asked) -> web.Response:
        """GET rehearses, POST does it."""
        by = await _name(asked.by)
        if asked.request.method == "GET":
            return answer(200, await self._leader.report(by))
        return answer(200, await (self._leader.abandon() if asked.verb == "abandon" else self._leader.go(by)))

    async def _dump(self, asked: Asked) -> web.Response:
        return answer(200, {"ok": True, "file": await self._manager.dumps.dump()})


def _last(response: web.Response) -> web.Response:
    """After this answer the connection is closed: what the client still sends cannot be told from a next request."""
    response.force_close()
    return response


async def _name(by: str | int) -> str:
    return by if isinstance(by, str) else await _user_name(by)


async def _user_name(user: int) -> str:
    """The user's name, or its number when the name service does not answer at once."""
    try:
        async with asyncio.timeout(0.3):
            return (await asyncio.get_running_loop().run_in_executor(None, pwd.getpwuid, user)).pw_name
    except (KeyError, TimeoutError):
        return f"user {user}"
