"""``understudy reload`` and SIGHUP: the administrator's file, judged, compared with what runs, and taken up.

A file that is refused, or that asks for what only a restart can do, changes nothing at all. What is taken up is copied first, as
at the start: the former copy stays beside it until the pulse has said that nothing of it is left, so that whoever dies in between
is followed by somebody who knows both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..adapters import running
from ..changes import rest, voters
from ..config.difference import Change, Difference, difference, entering
from ..config.keepalived_cluster import named
from ..config.load import examine, key_path, load, load_key_text
from ..config.render import is_alone, render
from ..config.service_copy import balances, copy_of, write_copy
from ..effects import Level
from ..errors import ConfigError, NotRunning, Problem, Refused, TimedOut, UnderstudyError, check
from ..model import Cluster
from ..units import SECOND, Duration

if TYPE_CHECKING:
    from .service import Manager

_LIMIT: Duration = 10 * SECOND

MOST_ERRORS = 3
"""Of a refused file so many errors are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The file: ``cluster`` None when it is refused. ``problems`` are sentences, warnings too; ``as_before`` are those of them
    that are just as true of what runs.
    """

    source: str
    cluster: Cluster | None
    problems: tuple[str, ...]
    difference: Difference
    remarks: tuple[str, ...] = ()
    keys: bool = False
    """Whether its key file has other keys."""
    as_before: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    """Those of ``problems`` for which it is refused."""

    def accepted(self, digest: str) -> Cluster:
        """What can be taken up. ``digest``: what was shown to the operator, if anything was. Raises Refused."""
        if self.cluster is None:
            raise Refused(f"{self.source} is refused; nothing is changed", self.told)
        if digest and digest != self.cluster.digest:
            raise Refused(f"{self.source} was changed meanwhile; nothing is changed", "look at the difference again")
        if self.difference.obstacles:
            why = "\n".join(change.text for change in self.difference.obstacles)
            raise Refused(f"a reload cannot take up all of {self.source}; nothing is changed", why)
        return self.cluster

    @property
    def told(self) -> str:
        """What keeps it from being taken up, a few lines: a file has many warnings, and one error among them is not seen."""
        shown = self.errors[:MOST_ERRORS]
        rest = {"errors": len(self.errors) - len(shown), "warnings": len(self.problems) - len(self.errors)}
        more = " and ".join(f"{count} {what if count > 1 else what[:-1]}" for what, count in rest.items() if count)
        return "\n".join([*shown, *([f"and {more}: understudy check {self.source}"] if more else [])])

    def answer(self) -> dict[str, Any]:
        """As JSON, for people and programs."""
        return {
            "ok": self.cluster is not None and not self.difference.obstacles,
            "source": self.source,
            "digest": "" if self.cluster is None else self.cluster.digest,
            "problems": sorted(self.problems, key=lambda text: text in self.errors),
            "as_before": list(self.as_before),
            "remarks": list(self.remarks),
            "changes": [
                {"where": item.where, "text": item.text, "how": item.how.value} for item in self.difference.changes
            ],
            "effects": list(self.difference.effects),
        }


def judge(source: str, before: Cluster) -> Judged:
    """Read the file at ``source`` and compare it with ``before``. Touches the disk."""
    found, problems = examine(source)
    found = named(found, before.names[0]) if is_alone(before) else found
    sentences = tuple(str(problem) for problem in problems)
    as_before = old_warnings(problems, before)
    if found is None:
        errors = tuple(str(problem) for problem in problems if problem.severity == "error")
        return Judged(source, None, sentences, Difference(()), as_before=as_before, errors=errors)
    try:
        keys = _key_text(found) != _key_text(before)
    except ConfigError as error:
        text = str(error)
        return Judged(source, None, (*sentences, text), Difference(()), as_before=as_before, errors=(text,))
    differs = difference(before, found)
    if keys:
        change = Change("cluster.key_file", f"{key_path(found)} has other keys: taken up if that cuts nobody off")
        differs = replace(differs, changes=(*differs.changes, change))
    return Judged(source, found, sentences, differs, lacking(found), keys, as_before)


def keep_services(cluster: Cluster, runtime_dir: str, node: str) -> None:
    """What the balancer takes up within a second, where there is something to balance, or was. Raises OSError."""
    if balances(cluster, node) or running.has_services(runtime_dir):
        running.keep_services(runtime_dir, write_copy(copy_of(cluster, node)))


def lacking(found: Cluster) -> tuple[str, ...]:
    """Interfaces of virtual routers that are not there, in sentences: a name that was misspelled ends its service."""
    routers = () if found.routers is None else found.routers.routers
    there = {name for _, name in socket.if_nameindex()}
    wanted = ((router, router.device) for router in routers if router.tracks_device and router.device not in there)
    return tuple(f"{router.name} would be in FAULT: there is no interface {device}" for router, device in wanted)


def _key_text(cluster: Cluster) -> str:
    """The keys as we write them; virtual routers alone have none. Raises ConfigError."""
    return "" if is_alone(cluster) else load_key_text(cluster)


def old_warnings(problems: tuple[Problem, ...], before: Cluster) -> tuple[str, ...]:
    """Those warnings among ``problems`` that the file with which ``before`` came gets, too, wherever they stand in it."""
    _, former = examine(before.source) if before.source else (None, ())
    known = {problem.text for problem in former}
    return tuple(str(item) for item in problems if item.severity == "warning" and item.text in known)


class Reloads:
    """All reloads of one manager, one at a time."""

    def __init__(self, manager: Manager, runtime_dir: str, state_dir: str = "") -> None:
        self._manager = manager
        self._runtime_dir = runtime_dir
        self._state_dir = state_dir
        self._lock = asyncio.Lock()

    async def look(self) -> Judged:
        """What a reload would do now. Raises UnderstudyError when nobody knows which file this node was started with."""
        if self._manager.cluster.heartbeat3:
            text = "a node that speaks the protocol of Heartbeat 3 takes up no other files while it runs; nothing is changed"
            raise Refused(text, "stop it, which hands everything over, and start it again")
        source = self._source("file")
        return await asyncio.get_running_loop().run_in_executor(None, judge, source, self._manager.cluster)

    def _source(self, kind: str) -> str:
        """Where the file (or whatever ``kind`` it is) lies."""
        source = running.source(self._runtime_dir)
        if not source:
            text = f"nothing says which {kind} this node was started with"
            raise UnderstudyError(text, "start it with: understudy run")
        return source

    async def reload(self, by: str, digest: str = "") -> dict[str, Any]:
        """Take the file up. ``digest``: what was shown to the operator; another file than that is refused.

        Raises Refused, with the reason, when nothing was changed; NotRunning or TimedOut when the pulse takes it up later.
        """
        async with self._lock:
            judged = await self.look()
            found = judged.accepted(digest)
            if not judged.difference.changes:
                return {**judged.answer(), "text": f"{judged.source} says what this node runs with; nothing to do"}
            former = self._former()
            under_way = former is not None and voters(former) != voters(self._running())
            if former is not None and not under_way:
                raise Refused(
                    "something of the configuration before the last reload has not stopped here yet; nothing is changed",
                    "look with: understudy status",
                )
            if former is not None and voters(found) != voters(former):
                raise Refused(
                    "a change of the voters is under way here; nothing is changed",
                    "`understudy status` says whom it waits for. When it is over, reload this file; or take the change back: "
                    "reload the file as it was before",
                )
            if len(judged.difference.changes) > (1 if judged.keys else 0):
                await self._compare_others(found)
            texts = [await self._manager.keys.take_file(found, by)] if judged.keys else []
            if len(judged.difference.changes) > len(texts):
                await self._apply(found, judged, by, back=under_way)
                texts.insert(0, f"{judged.source} is taken up")
            return {**judged.answer(), "text": "; ".join(filter(None, texts))}

    async def _compare_others(self, found: Cluster) -> None:
        """An address or an exclusive resource is put into a group only while every other node that lives runs with the same
        configuration as this one, or with the new one already: in any other it may belong to another group, with another lease.

        Whose votes a node counts besides does not matter here: in the middle of a change of the voters it says the former ones.
        """
        before = self._manager.cluster
        new = ", ".join(entering(before, found))
        if not new:
            return
        try:
            nodes = await self._manager.nodes()
        except (NotRunning, TimedOut) as error:
            why = "what the other nodes run with is not known; nothing is changed"
            raise Refused(why, f"{error.text}; {new} may belong to another group there: try again") from None
        others = [str(node["name"]) for node in nodes if node["role"] == "node" and node["state"] in ("up", "late")]
        runs_with = {str(node["name"]): str(node.get("digest", "")) for node in nodes}
        third = [name for name in others if rest(runs_with[name]) not in (rest(before.digest), rest(found.digest))]
        if third:
            raise Refused(
                f"{' and '.join(third)} runs with a third configuration, where {new} may belong to another group; "
                "nothing is changed",
                f"give all nodes one file without {new} first, with a reload on each of them; then put it in",
            )

    def _former(self) -> Cluster | None:
        """What ran before a reload that is not over."""
        path = running.former(self._runtime_dir)
        return load(path) if os.path.exists(path) else None

    def _running(self) -> Cluster:
        return load(running.configuration(self._runtime_dir))

    async def _apply(self, found: Cluster, judged: Judged, by: str, back: bool) -> None:
        """``back``: a change of the voters is taken back; what was before it is remembered already."""
        manager, before = self._manager, self._manager.cluster
        loop = asyncio.get_running_loop()
        try:
            after = await loop.run_in_executor(None, self._write, found, before, back)
        except OSError as error:
            raise UnderstudyError(f"cannot write {error.filename}: {error.strerror}; nothing is changed") from None
        manager.say(
            Level.INFO, f"{by} reloads {judged.source}: {'; '.join(item.text for item in judged.difference.changes)}"
        )
        await manager.follow(after, before)
        ok, text = await self._tell()
        if not ok:
            await loop.run_in_executor(None, self._undo, before, back)
            await manager.follow(before, None)
            if not back:
                manager.forget_former_members()
            raise Refused(f"the pulse refused it: {text}; nothing is changed")

    def _write(self, found: Cluster, before: Cluster, back: bool) -> Cluster:
        if not back:
            running.begin_change(self._runtime_dir)
        try:
            if not back and voters(found) != voters(self._running()):
                running.keep_former(self._runtime_dir, self._state_dir)
            self._copy(found, before)
            after = self._running()
            check(after.digest == found.digest, "the copy of the configuration does not mean the same")
        except Exception:
            self._undo(before, back)
            raise
        return after

    def _copy(self, found: Cluster, before: Cluster) -> None:
        text = render(found if is_alone(found) else replace(found, key_file=running.KEYS))
        running.keep(self._runtime_dir, text, _key_text(before), found.source)
        keep_services(found, self._runtime_dir, self._manager.me)

    def _undo(self, before: Cluster, back: bool) -> None:
        if back:
            self._copy(before, before)
            return
        running.undo_change(self._runtime_dir)
        keep_services(before, self._runtime_dir, self._manager.me)
        running.forget_former(self._state_dir)

    async def settled(self) -> None:
        """The pulse has nothing left of what was before."""
        self._manager.forget_former_members()
        with contextlib.suppress(OSError):  # the next start finds that the change is over
            await asyncio.get_running_loop().run_in_executor(None, self._conclude)

    def _conclude(self) -> None:
        running.keep_last(self._runtime_dir, self._state_dir)
        running.forget_former(self._state_dir)

    async def _tell(self) -> tuple[bool, str]:
        number = self._manager.next_number()
        try:
            packet = await self._manager.link.ask({"t": "reload", "id": number}, "reloaded", number, _LIMIT)
        except (NotRunning, TimedOut) as error:
            hint = "the copies are written: the pulse takes them up when it is back"
            raise type(error)(f"{error.text}; whether it is taken up already is unknown", hint) from None
        return packet.get("ok") is True, str(packet.get("text", ""))

    async def again(self) -> None:
        """A pulse is connected: was it told of the last change?"""
        if not os.path.exists(running.former(self._runtime_dir)):
            await self.settled()
        else:
            try:
                await self._tell()
            except (NotRunning, TimedOut):
                return  # it reads the copies when it starts, and we ask again when it is connected again

    async def by_signal(self) -> None:
        """SIGHUP: without a question; the history says what came of it."""
        manager = self._manager
        try:
            answer = await self.reload("SIGHUP")
        except UnderstudyError as error:
            manager.say(
                Level.ERROR, f"SIGHUP: {error.text}" + (f": {error.hint}" if error.hint else "").replace("\n", "; ")
            )
            return
        for text in (answer["text"], *answer["effects"], *answer["remarks"]):
            manager.say(Level.INFO, f"SIGHUP: {text}")
