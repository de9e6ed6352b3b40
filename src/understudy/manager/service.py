"""The manager: everything of a node that can block. It runs agents for the pulse, keeps the history, and answers people.

It decides nothing. If it dies, the pulse goes on, programs go on (their processes are not tied to it), and the next manager
takes over what runs by its records; the pulse asks MONITOR for whatever it must know.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from ..adapters.agents import Agents
from ..adapters.channel import Packet, Peer
from ..changes import together
from ..effects import Action, FenceAction, Level, Mark
from ..errors import NotRunning, TimedOut
from ..events import Outcome
from ..model import Cluster, Quorum, Role
from ..units import MILLISECOND, SECOND, Duration, Instant, format_duration
from . import descriptors
from .balance_desk import BalanceDesk
from .drift import Drift
from .dumps import Dumps
from .entry import Entry, read_stamp
from .fencing import Fencer
from .history import History
from .hours import HoursWatch, Seen
from .kept import Kept
from .keys import TOPICS, KeyRing
from .old_pair import GenerationsFile, translated
from .peers import Peers
from .ping import Pinger, pinger
from .probes import Probes
from .pulse_link import PulseLink
from .reasons import Reasons
from .refused import RefusedLately
from .reload import Reloads
from .router_desk import RouterDesk
from .service_watch import ServiceWatch
from .standby import StandbyFile
from .status import silence_warning, status_answer
from .tallies import Tallies
from .upgrade import TOPICS as UPGRADE
from .upgrade import Upgrades
from .wishes_file import WishesFile

if TYPE_CHECKING:
    from .control import Control

_STATUS_LIMIT: Duration = 100 * MILLISECOND
_LOOK: float = 5.0
"""Seconds between two looks at the pulse of our own accord: well below ``refused.WINDOW``."""

_SAVE_LIMIT: float = 2.0
"""Seconds that the answer to ``standby`` and ``online`` waits for the disk."""

_ADMIN_LIMIT: Duration = 10 * SECOND
_FENCE_LIMIT: Duration = 600 * SECOND
"""Every level of devices may take its time; the operator is told before that when all have failed."""
# What a pulse may ask for at most, whatever the packet says: a day.
_LONGEST_LIMIT: Duration = 24 * 3600 * SECOND


class Manager:
    """One node's manager. Construct it inside the running event loop."""

    def __init__(
        self,
        cluster: Cluster,
        me: str,
        runtime_dir: str,
        state_dir: str,
        stream: Any = sys.stderr,
        former: Cluster | None = None,
        home: str = "",
    ) -> None:
        """``former``: what ran before a reload that is not over. ``home``: of the old protocol's identity."""
        self.cluster = cluster
        self.me = me
        self._runtime_dir = runtime_dir
        self.history = History(os.path.join(state_dir, "history.jsonl"), stream)
        self.standby = StandbyFile(os.path.join(state_dir, "standby"), me, self.say)
        self.draining = StandbyFile(os.path.join(state_dir, "draining"), me, self.say, drain=True)
        self.wishes = WishesFile(os.path.join(state_dir, "wishes.json"), me, self.say)
        self.refused = RefusedLately(cluster.heartbeat3)
        self.tallies = Tallies()
        self._reasons = Reasons(tuple(group.name for group in cluster.groups))
        self.link = PulseLink(os.path.join(runtime_dir, "pulse.sock"), self._received, self._link_changed)
        self.agents = Agents(cluster, me, runtime_dir, self._resource_failed, former)
        self.fencer = Fencer(cluster, me, self.say)
        self.probes = Probes(cluster, me, self._probed)
        self.hours = HoursWatch(cluster, self._hours_seen)
        self.members = cluster.names if former is None else together(former, cluster).names
        """Also those that the former file names: in the middle of a change of the voters they still vote."""
        others = () if cluster.heartbeat3 else tuple(name for name in self.members if name != me)
        self.peers = Peers(me, others, self.link, self.next_number, self.history.kept, self.say)
        self._tasks: set[asyncio.Task[None]] = set()
        # Far from what an earlier manager counted, so that a late answer to it is not taken for ours.
        self._number = int.from_bytes(os.urandom(4), "big") << 16
        self._snapshot: tuple[Instant, dict[str, Any]] | None = None
        self._pinger: Pinger | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._drift = Drift(cluster, runtime_dir)
        self.reloads = Reloads(self, runtime_dir, state_dir)
        self.keys = KeyRing(self, runtime_dir)
        self.upgrades = Upgrades(self, runtime_dir, state_dir)
        self.routers = RouterDesk(self, runtime_dir)
        self.balance = BalanceDesk(runtime_dir, self.say)
        self.ending = asyncio.Event()
        self.dumps = Dumps(self, runtime_dir)
        self._was_connected, self._standby_told = False, 0
        self.control: Control | None = None
        self.access: Any = None  # () -> old_access.Access
        self._may_stand_by = cluster.member(me).role is Role.NODE and not cluster.heartbeat3
        self.generations = GenerationsFile(state_dir, me, home, self.say) if cluster.heartbeat3 else None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set. What runs goes on running.

        Raises OSError when the control socket cannot be made, and whatever ends the link to the pulse: a manager without it is
        of no use, and the supervisor starts another one.
        """
        self.ending = stop
        adopted = self.agents.adopt()
        for trouble in self.agents.troubles:
            self.say(Level.ERROR, trouble)
        self.say(Level.INFO, "manager started" + (f"; found running: {', '.join(adopted)}" if adopted else ""))
        link = asyncio.ensure_future(self.link.run())
        self.background(self.agents.tend_logs())
        self.background(self.routers.follow(self.cluster.routers_on(self.me)))
        self.background(self._look_around())
        self.background(self.hours.run())
        self.background(self.balance.run())
        self.background(ServiceWatch(self, self._runtime_dir).run())
        self._ping()
        self.control = control = await self._listen()
        # Not while a thread is loading that library: the one reads files in another thread, the other starts programs at once.
        self.background(self._drift.run())
        self.background(self.peers.watch_clocks(self.heard))
        self._look_at_devices()
        stopping = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, link}, return_when=asyncio.FIRST_COMPLETED)
            if link in done:
                link.result()
            self.link.read_now()  # what the pulse has said last: it ended before we were told to
        finally:
            for task in (stopping, link, *self._tasks):
                task.cancel()
            await self.probes.close()
            await self.routers.close()
            await control.stop()
            self.say(Level.INFO, "manager stopped; the programs go on")
            for kept in (self.standby, self.draining, self.wishes, self.generations):
                if kept is not None:
                    kept.close()
            self.history.close()

    def _look_at_devices(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        if self.cluster.member(self.me).role is Role.NODE:  # a witness fences nobody
            self._looking = self.background(self.fencer.look_around())

    def _ping(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
        self._pinger = self._pinging = None
        here = self.cluster.member(self.me).role is Role.NODE
        targets = dict.fromkeys(self.cluster.reach_targets if here else ())
        if self.cluster.quorum is Quorum.PAIR:
            targets |= dict.fromkeys(self.cluster.ping)
        if targets:
            self._pinger = pinger(self.cluster, tuple(targets), self._pings_seen)
            self._pinging = self.background(self._pinger.run())

    async def follow(self, cluster: Cluster, former: Cluster | None) -> None:
        """Another configuration counts from now on; ``former`` still counts for what is to be stopped."""
        self._drift.follow(cluster)
        if self.me not in cluster.names:
            cluster = together(self.cluster, cluster)  # this node is being taken out, and hands over what it has
        before, self.cluster = self.cluster, cluster
        self._members_are(tuple(dict.fromkeys((*cluster.names, *self.members))))
        self.agents.follow(cluster, former)
        self._reasons = Reasons(tuple(group.name for group in cluster.groups))
        self.probes.follow(cluster)
        self.hours.follow(cluster)
        await self.routers.follow(cluster.routers_on(self.me))
        if before.fences != cluster.fences:
            self.fencer.follow(cluster)
            self._look_at_devices()
        if (before.ping, before.reach_targets) != (cluster.ping, cluster.reach_targets):
            self._ping()
        if self.control is not None:
            await self.control.follow(cluster)

    def forget_former_members(self) -> None:
        """Nothing of a former configuration counts any more."""
        self._members_are(self.cluster.names)

    def _members_are(self, names: tuple[str, ...]) -> None:
        self.members = names
        self.peers.others = tuple(name for name in names if name != self.me)

    async def _listen(self) -> Control:
        """Programs come before people: the HTTP library takes most of the start, so it is loaded when agents can run already."""
        name = f"{__package__}.control"
        module = await asyncio.get_running_loop().run_in_executor(None, importlib.import_module, name)
        control: Control = module.Control(self, os.path.join(self._runtime_dir, "control.sock"))
        await control.start()
        return control

    def say(
        self,
        level: Level,
        text: str,
        group: str = "",
        node: str = "",
        at: int | None = None,
        stamp: tuple[Mark, ...] = (),
    ) -> None:
        """Add a sentence to the history; ``at`` is wall-clock nanoseconds, now if None; ``stamp`` what the core knew."""
        self.tallies.entries[level.value] += 1
        self.history.add(Entry(time.time_ns() if at is None else at, level, text, group, node or self.me, stamp))

    def background(self, work: Any) -> asyncio.Task[None]:
        """Have ``work`` done until this manager ends; what it raises goes into the history."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.say(Level.ERROR, f"the manager failed inside: {error!r}")

    def next_number(self) -> int:
        self._number += 1
        return self._number

    # What the pulse says ------------------------------------------------------------------------------------------

    def _link_changed(self, connected: bool) -> None:
        self.probes.forget()  # numbers mean something to the pulse that gave them only
        if not connected:
            self.tallies.pulse_losses += 1
            self.say(Level.WARNING, f"the pulse was lost: {self.link.trouble}")
        elif self._was_connected:
            self.say(Level.INFO, "the pulse is back")
        if connected:
            self.background(self.reloads.again())
            self.background(self.keys.learn())
            self.upgrades.connected()
            self.routers.connected()
            self.hours.again()
        self._was_connected = True

    def _received(self, packet: Packet, peer: Peer) -> None:
        kind = packet["t"]
        if kind == "run_agent":
            self.background(self._run_agent(packet, peer))
        elif kind == "fence":
            self.background(self._fence(packet, peer))
        elif kind == "run_probes":
            self._run_probes(packet)
        elif kind == "note":
            self._note(packet)
        elif kind == "save_standby":
            self._standby_told += 1
            self.standby.want(packet.get("standby") is True)
            self.draining.want(packet.get("draining") is True)
        elif kind == "settled":
            self.agents.forget_former()
            self.background(self.reloads.settled())
        elif kind == "remember" and self.generations is not None:
            self.generations.heard(packet)
        elif kind == "save_wishes":
            self.wishes.want(str(packet.get("text", "")))
        elif kind == "dump_part":
            self.dumps.part(packet)
        elif kind == "router_tell":
            self.routers.tell(packet)
        elif kind == "inquiry" and packet.get("topic") in TOPICS:
            self.background(self.keys.answer(packet))
        elif kind == "inquiry" and packet.get("topic") in UPGRADE:
            self.background(self.upgrades.answer(packet))
        elif kind == "inquiry":
            self.peers.answer(packet)

    async def _run_agent(self, packet: Packet, peer: Peer) -> None:
        op, limit, ballot = packet.get("op"), packet.get("limit_ns"), packet.get("ballot", 0)
        if not (isinstance(op, int) and isinstance(limit, int) and isinstance(ballot, int)):
            return
        try:
            action = Action(packet.get("action"))
        except ValueError:
            self._finished(op, Outcome.UNKNOWN, f"unknown action {packet.get('action')!r}", peer)
            return
        group, resource = str(packet.get("group", "")), str(packet.get("resource", ""))
        outcome, text = Outcome.UNKNOWN, "the manager failed inside"
        until = packet.get("until_ns")
        if action is Action.START and isinstance(until, int) and time.clock_gettime_ns(time.CLOCK_BOOTTIME) >= until:
            # This process was frozen, or starved, with the order in hand: another machine may have the group by now.
            self._finished(op, Outcome.NOT_RUNNING, "not begun: the right to it may be over", peer)
            return
        began = time.monotonic_ns()
        try:
            reason = self._reasons.of(group, str(packet.get("why", "")), time.monotonic_ns())
            most = min(max(limit, 0), _LONGEST_LIMIT)
            outcome, text = await self.agents.run(
                group, resource, action, most, ballot, reason, packet.get("former") is True
            )
        finally:
            self.tallies.agent_ran(group, resource, action, outcome, time.monotonic_ns() - began)
            # Only to the pulse that asked: another one counts its operations anew.
            self._finished(op, outcome, text, peer)
        if outcome is Outcome.OK:
            self._tell_success(group, resource, action, text)

    async def _fence(self, packet: Packet, peer: Peer) -> None:
        op, limit, names = packet.get("op"), packet.get("limit_ns"), packet.get("devices")
        if not (isinstance(op, int) and isinstance(limit, int) and isinstance(names, list)):
            return
        outcome, text = Outcome.UNKNOWN, "the manager failed inside"
        try:
            action = FenceAction(packet.get("action"))
            node = str(packet.get("node", ""))
            outcome, text = await self.fencer.order(node, [str(n) for n in names], action, limit)
            self.tallies.fenced(node, action, outcome)
        finally:
            self._finished(op, outcome, text, peer)

    def _finished(self, op: int, outcome: Outcome, text: str, peer: Peer) -> None:
        self.link.send({"t": "finished", "op": op, "outcome": outcome.value, "text": text}, over=peer)

    def _tell_success(self, group: str, resource: str, action: Action, text: str) -> None:
        """What the core has no use for, but people have: whom an unmount has ended, which script could not be told."""
        if text and action is not Action.MONITOR:
            self.say(Level.INFO, f"{resource}, {action.value}: {text}", group)

    def _resource_failed(self, group: str, resource: str, text: str) -> None:
        self.tallies.resource_failures[group, resource] += 1
        told = self.link.send({"t": "resource_failed", "group": group, "resource": resource, "text": text})
        if not told:  # Otherwise the core says it, with what it makes of it.
            self.say(Level.ERROR, f"{resource}: {text}", group)

    def _run_probes(self, packet: Packet) -> None:
        found = packet.get("probes")
        items = found if isinstance(found, list) else []
        pairs = [item for item in items if isinstance(item, list) and [type(part) for part in item] == [str, int]]
        self.probes.want(str(packet.get("group", "")), [(name, number) for name, number in pairs])

    def _probed(self, group: str, probe: str, number: int, up: bool | None, text: str) -> None:
        packet = {"t": "probed", "group": group, "probe": probe, "number": number, "up": up, "text": text}
        self.link.send(packet)

    def _pings_seen(self, answering: tuple[str, ...]) -> None:
        self.link.send({"t": "pings", "answering": list(answering)})

    def _hours_seen(self, seen: Seen) -> None:
        self.link.send({"t": "hours", "hours": [list(item) for item in seen]})

    def _note(self, packet: Packet) -> None:
        try:
            level = Level(packet.get("level"))
        except ValueError:
            level = Level.INFO
        now, at = time.time_ns(), packet.get("at_ns")
        if isinstance(at, int):
            now -= max(time.clock_gettime_ns(time.CLOCK_BOOTTIME) - at, 0)
        group, why = str(packet.get("group") or ""), str(packet.get("why", ""))
        self._reasons.heard(group, why, time.monotonic_ns())
        self.say(level, why, group, str(packet.get("node") or ""), now, read_stamp(packet.get("stamp")))

    # What people ask ----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Take a new snapshot. Raises NotRunning or TimedOut."""
        number, told = self.next_number(), self._standby_told
        packet = await self.link.ask({"t": "snapshot", "id": number}, "snapshot", number, _STATUS_LIMIT)
        snapshot = packet.get("snapshot")
        if not isinstance(snapshot, dict):
            return
        self._snapshot = (time.time_ns(), snapshot)
        rejected = snapshot.get("rejected")
        if isinstance(rejected, dict):
            self.refused.add(rejected, time.monotonic_ns())
        standby = snapshot.get("standby")
        if self._may_stand_by and isinstance(standby, bool) and told == self._standby_told:
            # Also what an earlier manager could not save any more. A wish that came meanwhile is newer than this answer.
            self.standby.want(standby)
            self.draining.want(snapshot.get("draining") is True)

    async def _look_around(self) -> None:
        """What nobody tells us: refused datagrams, an unsaved standby, a clock that was set. Runs until cancelled."""
        while True:
            self.history.look_at_clock(self.me)
            with contextlib.suppress(NotRunning, TimedOut):
                await self._look()
            await asyncio.sleep(_LOOK)

    async def nodes(self) -> list[dict[str, Any]]:
        """The members by a fresh word of the pulse, as in the status. Raises NotRunning or TimedOut."""
        await self._look()
        return list(self._snapshot[1].get("nodes", ())) if self._snapshot is not None else []

    def heard(self) -> dict[str, bool]:
        """Of each other member whether it was there when the pulse was last asked."""
        nodes = self._snapshot[1].get("nodes", ()) if self._snapshot is not None else ()
        return {str(node["name"]): node["state"] in ("up", "late") for node in nodes}

    async def status(self) -> dict[str, Any]:
        """A fresh status, or the last one with ``stale_ms`` and a warning. Raises NotRunning when there never was one."""
        pulse, trouble = "answers", ""
        try:
            await self._look()
        except TimedOut:
            pulse = "silent"
        except NotRunning:
            pulse, trouble = "away", self.link.trouble
        now = time.time_ns()
        if self._snapshot is None:
            raise NotRunning(silence_warning(pulse, trouble, None), "see the log of the supervisor")
        taken_at, snapshot = self._snapshot
        warnings = [text for text in (file.warning() for file in (self.standby, self.draining, self.wishes)) if text]
        warnings += [*self._drift.warnings, *self.history.warnings(), *self.refused.warnings(time.monotonic_ns())]
        warnings += [*self.fencer.warnings(), *self.peers.warnings(), *self.probes.warnings(), *self.keys.warnings()]
        warnings += [*self.upgrades.warnings(), *self.routers.warnings()]
        warnings += descriptors.warnings(self.cluster, self.me)
        services, troubles = await self.balance.services()
        warnings += troubles
        if self.control is not None and self.control.remote is not None:
            warnings += self.control.remote.warnings()
        if self._pinger is not None and self._pinger.trouble:
            warnings.append(self._pinger.trouble)
        if pulse != "answers":
            warnings.insert(0, silence_warning(pulse, trouble, now - taken_at))
        answer = status_answer(snapshot, taken_at, now, pulse, warnings, stale=pulse != "answers")
        return {**answer, "services": services} if services else answer

    async def admin(
        self, verb: str, group: str, node: str, by: str, reason: str = "", span: Duration = 0
    ) -> tuple[bool, str]:
        """Put an operator's wish to the core. Raises NotRunning, or TimedOut: then the outcome is unknown."""
        if self.cluster.heartbeat3:
            await self._look()
            verb, group, node = translated(self.cluster, self.me, (verb, group, node), self._snapshot)
        op = self.next_number()
        limit = _FENCE_LIMIT if verb == "fence" else _ADMIN_LIMIT
        packet: Packet = {
            "t": "admin",
            "op": op,
            "verb": verb,
            "group": group,
            "node": node,
            "by": by,
            "reason": reason,
        }
        packet |= {"wall_clock_ms": time.time_ns() // MILLISECOND, "span_ns": span}
        try:
            reply = await self.link.ask(packet, "reply", op, limit)
        except TimedOut:
            raise TimedOut(
                f"no answer within {format_duration(limit)}; whether it happens is unknown",
                "look with: understudy status",
            ) from None
        if reply.get("unknown") is True:
            raise TimedOut(str(reply.get("text", "")), "look with: understudy status")
        ok, text = reply.get("ok") is True, str(reply.get("text", ""))
        if ok and verb in ("standby", "drain", "online") and node == self.me:
            text += await self._unsaved(self.standby)
            text += await self._unsaved(self.draining)
        if ok and verb in ("stop", "start", "maintenance-on", "maintenance-off"):
            text += await self._unsaved(self.wishes)
        return ok, text

    async def _unsaved(self, kept: Kept[Any]) -> str:
        """Wait a little for the disk; what the operator should know if the next start would not know what was asked."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(kept.tried()), _SAVE_LIMIT)
        warning = kept.warning()
        return f"; but {warning}" if warning else ""
