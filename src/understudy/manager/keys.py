"""Another cluster key while everything runs: one step at a time on every member, each only when it cuts nobody off.

docs/decisions/0022-rotating-the-key.md has the steps and why. The files come first (the administrator's, then the copy in the
runtime directory), then the pulse takes the copy; every step may be repeated, and does nothing where it is done already. Keys
are never said, logged or sent in the clear; what people see are names, eight digits of what stands in every datagram anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..adapters import running
from ..adapters.channel import Packet
from ..adapters.safe_file import write_file
from ..config.keys import format_keys, is_waiting, parse_keys
from ..config.load import examine, key_path, read_key_text
from ..effects import Level
from ..errors import Problem, Refused, UnderstudyError
from ..model import Cluster
from ..units import MILLISECOND, SECOND, Duration
from ..wire.native import key_name
from ..wire.parcel import PRIVATE, public, unwrap, wrap
from .key_plan import Keys, Step, after, next_step, obstacles

if TYPE_CHECKING:
    from .service import Manager

STATE, STEP, GIVE = "keys", "key-step", "key-give"
TOPICS = frozenset({STATE, STEP, GIVE})
"""What managers ask each other about keys."""

_PULSE: Duration = 2 * SECOND
_PATIENCE: Duration = 1500 * MILLISECOND
"""For each try of a step: two files are written and brought to the disk."""

SETTLE: Duration = 5 * SECOND
"""At most so long a datagram that was sealed before may still be under way when the key that sealed it is dropped."""


class KeyRing:
    """The keys of one node, and the rotations that are led from here."""

    def __init__(self, manager: Manager, runtime_dir: str) -> None:
        self._manager = manager
        self._runtime_dir = runtime_dir
        self._lock = asyncio.Lock()
        self._leading = asyncio.Lock()
        self._known: Keys | None = None

    # What is in use ------------------------------------------------------------------------------------------------

    async def own(self, take: bool = False) -> Keys:
        """What this node's pulse says; with ``take`` it takes the copy up first. Raises NotRunning, TimedOut or Refused."""
        number = self._manager.next_number()
        packet: Packet = {"t": "keys", "id": number, "take": take}
        found = await self._manager.link.ask(packet, "keys", number, _PULSE)
        if found.get("ok") is not True:
            raise Refused(f"the pulse of {self._manager.me} did not take the keys: {found.get('text', '')}")
        names = tuple(str(name) for name in found.get("names", ()))
        keys, waiting = await self._off_loop(self._copy)
        self._known = Keys(names, waiting and names == tuple(map(key_name, keys)))
        return self._known

    async def learn(self) -> None:
        """A pulse is connected: which keys it has, for the warnings."""
        if self._manager.cluster.heartbeat3:
            return
        with contextlib.suppress(UnderstudyError):
            await self.own()

    async def look(self) -> dict[str, Keys | str]:
        """What every member runs with, or a sentence that says why that is not known.

        While one is added or removed those of both files are asked: all of them are heard, and may be needed for a majority.
        """
        if self._manager.cluster.heartbeat3:
            text = "nodes that speak the protocol of Heartbeat 3 sign with authkeys: the cluster has no key of its own"
            raise Refused(text, "stop all nodes, change authkeys on each, and start them")
        names = self._manager.members
        found = await asyncio.gather(*(self._of(name) for name in names))
        return dict(zip(names, found, strict=True))

    async def _of(self, member: str) -> Keys | str:
        try:
            if member == self._manager.me:
                return await self.own()
            return _read(await self._manager.peers.ask(member, STATE, ""))
        except UnderstudyError as error:
            return error.text

    def warnings(self) -> list[str]:
        """For the status: a rotation must not be forgotten half-way."""
        keys = self._known
        if keys is None or len(keys.names) < 2:
            return []
        state = "is known and not used yet" if keys.waiting else "is in use and the old one still accepted"
        return [
            f"the cluster's key is being replaced: {keys.new or keys.names[0]} {state}; go on with: understudy key rotate"
        ]

    # One step here -------------------------------------------------------------------------------------------------

    async def step(self, step: Step, new: str, giver: str, by: str, fresh: bytes = b"") -> Keys:
        """Take it on this node. ``giver`` has the new key; ``fresh`` is it, when it is made here. Raises UnderstudyError."""
        async with self._lock:
            keys, waiting = await self._off_loop(self._copy)
            names = {key_name(key): key for key in keys}
            wanted = after(step, new, Keys(tuple(names), waiting), self._manager.me)
            if wanted is not None:
                if new not in names:
                    names[new] = fresh or await self._fetch(new, giver)
                await self._change(tuple(names[name] for name in wanted.names), wanted.waiting)
                self._manager.say(Level.INFO, f"{by} replaces the cluster's key: {_SAYS[step].format(new=new)}")
            return await self.own(take=True)

    async def _change(self, keys: tuple[bytes, ...], waiting: bool) -> None:
        before, _ = await self._off_loop(self._copy)
        text = format_keys(keys, waiting)
        await self._off_loop(self._write_file, before, keys, text)
        await self._off_loop(self._write_copy, text)

    def _write_file(self, before: tuple[bytes, ...], keys: tuple[bytes, ...], text: str) -> None:
        """The administrator's file, unless it says so already: all machines of a laboratory may share one."""
        source = running.source(self._runtime_dir)
        found, problems = examine(source, with_api_files=False) if source else (None, ())
        if found is None:
            why = "\n".join(str(problem) for problem in problems if problem.severity == "error")
            raise Refused(f"{source or 'the configuration'} cannot be read, so nobody knows where the key file is", why)
        path = key_path(found)
        data = read_key_text(path)
        there = data if isinstance(data, Problem) else parse_keys(data, path)
        if isinstance(there, Problem):
            raise Refused(str(there))
        if there == keys:
            return
        if there != before:
            raise Refused(
                f"{path} has other keys than {self._manager.me} runs with", "take them up first: understudy reload"
            )
        try:
            write_file(path, text.encode("ascii"), 0o600, replace=True)
        except OSError as error:
            raise Refused(
                f"{self._manager.me} cannot write {path}: {error.strerror}; its keys are as they were"
            ) from None

    def _write_copy(self, text: str) -> None:
        try:
            running.keep_keys(self._runtime_dir, text)
        except OSError as error:
            raise Refused(f"{self._manager.me} cannot write {error.filename}: {error.strerror}") from None

    def _copy(self) -> tuple[tuple[bytes, ...], bool]:
        """The keys in the runtime directory, and whether the second is waiting."""
        path = os.path.join(self._runtime_dir, running.KEYS)
        data = read_key_text(path)
        keys = data if isinstance(data, Problem) else parse_keys(data, path)
        if isinstance(data, Problem) or isinstance(keys, Problem):
            raise Refused(str(data if isinstance(data, Problem) else keys))
        return keys, is_waiting(data)

    # From manager to manager ---------------------------------------------------------------------------------------

    async def answer(self, packet: Packet) -> None:
        """Another manager asks: ``packet`` is an ``inquiry`` about one of ``TOPICS``."""
        sender, number = packet.get("from"), packet.get("id")
        if sender not in self._manager.members or sender == self._manager.me or not isinstance(number, int):
            return
        ok, text = True, ""
        try:
            text = await self._answered(str(packet.get("topic")), str(packet.get("text")), str(sender))
        except UnderstudyError as error:
            ok, text = False, error.text
        except (ValueError, KeyError, TypeError):
            ok, text = False, f"{self._manager.me} does not understand the question; is it another version?"
        self._manager.link.send({"t": "page", "to": sender, "id": number, "ok": ok, "text": text})

    async def _answered(self, topic: str, text: str, sender: str) -> str:
        if topic == STATE:
            return _written(await self.own())
        asked = json.loads(text)
        if topic == GIVE:
            return await self._give(str(asked["key"]), bytes.fromhex(asked["public"]), sender)
        by = f"{str(asked['by'])[:80]} at {sender}"
        return _written(await self.step(Step(asked["step"]), str(asked["key"]), str(asked["giver"]), by))

    async def _give(self, name: str, theirs: bytes, taker: str) -> str:
        keys, waiting = await self._off_loop(self._copy)
        if not waiting or key_name(keys[-1]) != name:
            raise Refused(f"{self._manager.me} has no key {name} to give")
        private = os.urandom(PRIVATE)
        parcel = wrap(keys[-1], private, theirs, self._label(self._manager.me, taker, name))
        if parcel is None:
            raise Refused("that is no public number")
        return json.dumps({"public": public(private).hex(), "parcel": parcel.hex()})

    async def _fetch(self, name: str, giver: str) -> bytes:
        if giver not in self._manager.members or giver == self._manager.me:
            raise Refused(f"{self._manager.me} does not know the key {name}, and nobody is named who does")
        private = os.urandom(PRIVATE)
        question = json.dumps({"key": name, "public": public(private).hex()})
        try:
            found = json.loads(await self._manager.peers.ask(giver, GIVE, question))
            parcel, theirs = bytes.fromhex(found["parcel"]), bytes.fromhex(found["public"])
        except (ValueError, KeyError, TypeError):
            raise Refused(f"{giver} sent something that is no key") from None
        key = unwrap(parcel, private, theirs, self._label(giver, self._manager.me, name))
        if key is None or key_name(key) != name:
            raise Refused(f"what {giver} sent as the key {name} is spoilt")
        return key

    def _label(self, giver: str, taker: str, name: str) -> str:
        return "\x00".join((self._manager.cluster.name, giver, taker, name))

    # All members ---------------------------------------------------------------------------------------------------

    async def report(self) -> dict[str, Any]:
        """Who runs with which keys, and what the next step is, as JSON for people and programs."""
        found = await self.look()
        members = [_row(name, keys) for name, keys in found.items()]
        troubles = [f"{name}: {keys}" for name, keys in found.items() if isinstance(keys, str)]
        step, new = "", ""
        try:
            following = next_step({name: keys for name, keys in found.items() if isinstance(keys, Keys)})
            step, new = ("", "") if following is None else (following[0].value, following[1])
        except Refused as error:
            troubles.append(error.text)
        return {"ok": not troubles, "members": members, "next": step, "key": new, "troubles": troubles}

    async def lead(self, wanted: str, without: Iterable[str], by: str) -> dict[str, Any]:
        """Take the step ``wanted`` on all members but those of ``without``. Raises Refused, with the reason, when it may not be
        taken now or not everybody took it; UnderstudyError for what else goes wrong here.
        """
        me, without = self._manager.me, tuple(without)
        if me in without:
            hint = f"leave {me} out by asking another member"
            raise Refused(f"{me} is the node that you ask; it cannot be left out", hint)
        async with self._leading:
            found = {name: keys for name, keys in (await self.look()).items() if name not in without}
            silent = [keys for keys in found.values() if isinstance(keys, str)]
            if silent:
                hint = "bring it back, or go on with --without NAME and copy the key file to it before it comes back"
                raise Refused(f"not every member says which keys it has: {'; '.join(silent)}", hint)
            known = {name: keys for name, keys in found.items() if isinstance(keys, Keys)}
            step, new, fresh = self._chosen(Step(wanted), known)
            if step is Step.DROP:
                await asyncio.sleep(min(2 * self._manager.cluster.dead_time, SETTLE) / SECOND)
            results = await self._everywhere(step, new, fresh, known, by)
            failed = {name: text for name, text in results.items() if isinstance(text, str)}
            if failed:
                texts = "; ".join(failed.values())
                raise Refused(
                    f"{_SAYS[step].format(new=new)}, but not everywhere: {texts}", "ask again when that is mended"
                )
            rows = [_row(name, keys) for name, keys in results.items()]
            return {"ok": True, "step": step.value, "key": new, "text": _SAYS[step].format(new=new), "members": rows}

    def _chosen(self, wanted: Step, known: Mapping[str, Keys]) -> tuple[Step, str, bytes]:
        """The step, the name of the new key, and that key if it is made for this step."""
        if wanted is Step.ABANDON:
            coming = known.get(self._manager.me, Keys(("",))).new or next(
                (keys.new for keys in known.values() if keys.new), ""
            )
            users = [name for name, keys in known.items() if coming and keys.names[0] == coming]
            if users or not coming:
                why = f"{users[0]} uses the key {coming} already" if users else "no new key is waiting to be used"
                raise Refused(f"there is nothing to give up: {why}", "look with: understudy key show")
            return wanted, coming, b""
        following = next_step(known)
        if following is None and wanted is Step.ADD:
            fresh, names = os.urandom(32), {name for keys in known.values() for name in keys.names}
            while key_name(fresh) in names:  # one time in a thousand millions
                fresh = os.urandom(32)
            return wanted, key_name(fresh), fresh
        if following is None or following[0] is not wanted:
            due = "to begin" if following is None else following[0].value
            raise Refused(
                f"the step {wanted.value!r} is not due: the next one is {due!r}", "look with: understudy key show"
            )
        return wanted, following[1], b""

    async def _everywhere(
        self, step: Step, new: str, fresh: bytes, known: Mapping[str, Keys], by: str
    ) -> dict[str, Keys | str]:
        """This node first when it makes the key, so that it can give it."""
        me = self._manager.me
        givers = [name for name, keys in known.items() if keys.new == new]
        giver = me if fresh or me in givers or not givers else givers[0]
        results: dict[str, Keys | str] = {}
        if me in known:
            results[me] = await self.step(step, new, giver, by, fresh)
        others = [name for name in known if name != me]
        question = json.dumps({"step": step.value, "key": new, "giver": giver, "by": by[:80]})
        found = await asyncio.gather(*(self._tell(name, question) for name in others))
        return results | dict(zip(others, found, strict=True))

    async def _tell(self, member: str, question: str) -> Keys | str:
        try:
            return _read(await self._manager.peers.ask(member, STEP, question, _PATIENCE))
        except UnderstudyError as error:
            return error.text

    # The administrator's file --------------------------------------------------------------------------------------

    async def take_file(self, found: Cluster, by: str) -> str:
        """Take up a key file that was changed by hand, with a reload; the sentence that says so, or "" when it was not changed.

        Raises Refused when somebody would be cut off by it.
        """
        async with self._lock:
            path = key_path(found)
            data = await self._off_loop(read_key_text, path)
            keys = data if isinstance(data, Problem) else parse_keys(data, path)
            if isinstance(data, Problem) or isinstance(keys, Problem):
                raise Refused(str(data if isinstance(data, Problem) else keys))
            before, waited = await self._off_loop(self._copy)
            if (keys, is_waiting(data)) == (before, waited):
                return ""
            me = self._manager.me
            others = {name: said for name, said in (await self.look()).items() if name != me}
            reasons = obstacles(tuple(map(key_name, before)), tuple(map(key_name, keys)), others)
            if reasons:
                raise Refused(
                    f"the keys of {path} are not taken up: {'; '.join(reasons)}", "look with: understudy key show"
                )
            await self._off_loop(self._write_copy, format_keys(keys, is_waiting(data)))
            taken = await self.own(take=True)
            text = f"{path} is taken up: {me} seals with the key {taken.names[0]}"
            text += f" and knows {taken.names[1]}" if len(taken.names) > 1 else ""
            self._manager.say(Level.INFO, f"{by} changed the keys: {text}")
            return text

    async def _off_loop(self, work: Any, *arguments: Any) -> Any:
        """Disks may hang; the manager goes on."""
        return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


_SAYS = {
    Step.ADD: "the new key {new} is known and not used yet",
    Step.USE: "the new key {new} is used, the old one still accepted",
    Step.DROP: "only the key {new} is left",
    Step.ABANDON: "the key {new} is given up, and the old one stays",
}


def _row(name: str, keys: Keys | str) -> dict[str, Any]:
    if isinstance(keys, str):
        return {"name": name, "uses": None, "knows": [], "trouble": keys}
    return {"name": name, "uses": keys.names[0], "knows": list(keys.names[1:]), "trouble": ""}


def _written(keys: Keys) -> str:
    return json.dumps({"keys": list(keys.names), "waiting": keys.waiting})


def _read(text: str) -> Keys:
    """What ``_written`` wrote, by a member. Raises Refused for anything else."""
    try:
        found = json.loads(text)
        names = found["keys"]
        if isinstance(names, list) and 1 <= len(names) <= 2 and all(isinstance(name, str) for name in names):
            return Keys(tuple(names), found["waiting"] is True)
    except (ValueError, KeyError, TypeError):
        pass
    raise Refused("a member says something of its keys that makes no sense; is it another version?")
