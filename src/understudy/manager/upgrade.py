"""An upgrade of a Heartbeat pair, as far as this node has a part in it: what it answers, prepares, and how it goes over.

docs/decisions/0026-upgrade-of-a-pair.md has the order of things and why nobody serves twice in any state on the way. The two
managers speak over the old protocol, whose signatures say who it is; the new key travels wrapped (``wire/parcel.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from .. import __version__
from ..adapters import running, upgrading
from ..adapters.channel import Packet
from ..adapters.safe_file import write_file
from ..adapters.upgrading import NATIVE, PREPARED, Record
from ..config.heartbeat_copy import HeartbeatCopy
from ..config.keys import format_keys
from ..config.load import COPY_MARK, load, load_heartbeat, load_keys
from ..config.render import render
from ..effects import Level
from ..errors import NotRunning, Refused, TimedOut, UnderstudyError
from ..model import Cluster
from ..units import SECOND, Duration
from ..wire.native import key_name
from ..wire.parcel import PRIVATE, public, wrap
from .upgrade_links import Wires
from .upgrade_plan import Plan, config_path, key_beside, known_key, obstacles, own_addresses, plan, source, weak

if TYPE_CHECKING:
    from .service import Manager

LOOK, PLAN, KEY, LINKS, KEEP, GO, DROP = (
    f"upgrade-{word}" for word in ("look", "plan", "key", "links", "keep", "go", "drop")
)
TOPICS = frozenset({LOOK, PLAN, KEY, LINKS, KEEP, GO, DROP})
"""What the managers of such a pair ask each other."""

TEST_TIME = 1.0
"""Seconds for which both speak on the native links."""

_GLANCE = 0.02
_LINGER = 0.5
"""Seconds for which a manager that is to be followed by one of the other protocol still answers."""

_OUTCOME_LIMIT = 20.0
_CORE_LIMIT: Duration = 2 * SECOND
GO_OVER, FOLLOW = "upgrade-go", "upgrade-follow"
"""What the core is asked: at rest, with the other node there; or alone, because the other node has left the old protocol."""

_AGAIN, _LONGEST_PAUSE = 2.0, 30.0
"""Seconds between two attempts to follow the other node. After each trial that failed the pause is twice as long."""

Found = TypeVar("Found")


class Upgrades:
    """Of one manager. Everything that touches the disk is done off the event loop."""

    def __init__(self, manager: Manager, runtime_dir: str, state_dir: str) -> None:
        self._manager = manager
        self._runtime_dir, self._state_dir = runtime_dir, state_dir
        self.plan: Plan | None = None
        self.key = b""
        self._made: list[str] = []
        self._wires: Wires | None = None
        self._testing: asyncio.Task[list[str]] | None = None
        self._tested: Wires | None = None
        self._going: asyncio.Task[tuple[bool, str]] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._try_at, self._pause = 0.0, _AGAIN
        self._trouble = self._said = ""
        self._opening, self._keeping = asyncio.Lock(), asyncio.Lock()
        self._away = False
        self.record_again = 10.0
        """Seconds between two attempts to write the record on a disk that is full."""

    @property
    def peer(self) -> str:
        """The other node, "" when there is none."""
        return next((name for name in self._manager.cluster.names if name != self._manager.me), "")

    async def off_loop(self, work: Callable[..., Found], *given: Any) -> Found:
        return await asyncio.get_running_loop().run_in_executor(None, work, *given)

    # What is so here -----------------------------------------------------------------------------------------------

    def _copy(self) -> HeartbeatCopy:
        return load_heartbeat(running.configuration(self._runtime_dir))

    async def facts(self, by: str) -> dict[str, Any]:
        """What the one who leads must know of this node."""
        copy = await self.off_loop(self._copy)
        found = await self.off_loop(obstacles, copy, self._runtime_dir, self._state_dir)
        name, key, wrong = await self.off_loop(known_key, config_path())
        text = await self._ask_core("upgrade-look", by)
        if text:
            found.insert(0, (text, "wait until it is over, or mend it; look with: understudy status"))
        self.key = key
        return {
            "version": __version__,
            "obstacles": [*found, *([wrong] if wrong else [])],
            "addresses": await self.off_loop(own_addresses, copy.files),
            "key": name,
            "weak": weak(copy.files),
        }

    async def _ask_core(self, verb: str, by: str) -> str:
        """What the core has against it, or "". Raises NotRunning or TimedOut."""
        number = self._manager.next_number()
        packet: Packet = {"t": "admin", "op": number, "verb": verb, "group": "", "node": "", "by": by}
        reply = await self._manager.link.ask(packet, "reply", number, _CORE_LIMIT)
        return "" if reply.get("ok") is True else str(reply.get("text") or "it is refused")

    async def draft(self, addresses: dict[str, list[str]]) -> dict[str, Any]:
        """The native form here, as its digest, its parts, and what is in its way."""
        copy = await self.off_loop(self._copy)
        given = {str(name): tuple(map(str, items)) for name, items in addresses.items()}
        self.plan, found = await self.off_loop(plan, copy, given)
        if self.plan is None:
            return {"digest": "", "parts": {}, "obstacles": found, "notes": []}
        return {
            "digest": self.plan.cluster.digest,
            "parts": self.plan.parts,
            "obstacles": found,
            "notes": list(self.plan.notes),
        }

    async def test(self) -> list[str]:
        """Speak on the native links, and listen. Raises Refused when a link cannot be used."""
        if self._away:
            raise Refused(f"{self._manager.me} goes over just now")
        if self._testing is None or self._testing.done():
            self._testing = asyncio.ensure_future(self._test())
        return await asyncio.shield(self._testing)

    async def _test(self) -> list[str]:
        if self.plan is None:
            raise Refused(f"{self._manager.me} has made no native form yet")
        self._close_wires()
        try:
            wires = self._tested = Wires(self.plan.cluster, self._manager.me, self.key)
        except OSError as error:
            raise Refused(error.strerror or str(error)) from None
        try:
            return await wires.test(TEST_TIME)
        finally:
            self._tested = None
            wires.close()
            await self._listen()

    # Prepared ------------------------------------------------------------------------------------------------------

    async def keep(self, digest: str, key: str) -> None:
        """Write everything that this node is to run with, and that it may go over. Raises Refused.

        Whoever got no answer asks again: what is kept already stays, and what is being written is waited for.
        """
        async with self._keeping:
            made = self.plan
            if made is None or made.cluster.digest != digest or key_name(self.key or bytes(32)) != key:
                raise Refused(f"{self._manager.me} has prepared another upgrade: ask again")
            if self._going is not None and self._going.done():
                self._going = None
            if not await self.off_loop(self._is_kept, made):
                self._going = None
                await self._keep(made)

    async def _keep(self, made: Plan) -> None:
        try:
            await self.off_loop(self._write, made)
        except OSError as error:
            await self._give_up()
            where = error.filename2 or error.filename or "its files"
            raise Refused(f"{self._manager.me} cannot write {where}: {error.strerror}; nothing is changed") from None
        await self._listen()

    def _is_kept(self, made: Plan) -> bool:
        record = upgrading.read_record(self._state_dir)
        same = record is not None and (record.state, record.digest) == (PREPARED, made.cluster.digest)
        there = os.path.exists(config_path()) and known_key(config_path())[1] == self.key
        return same and there and upgrading.is_prepared(self._runtime_dir, format_keys((self.key,)))

    def _write(self, made: Plan) -> None:
        path, keys = config_path(), format_keys((self.key,))
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        if not os.path.lexists(key_beside(path)):
            write_file(key_beside(path), keys.encode("ascii"), 0o600, replace=False)
            self._made.append(key_beside(path))
        if not made.there:
            write_file(path, made.text.encode(), 0o644, replace=False)
            self._made.append(path)
        self._prepare(made.cluster, keys, path)
        digest = made.cluster.digest
        record = Record(PREPARED, source(self._runtime_dir), path, digest, int(time.time()))
        upgrading.write_record(self._state_dir, record)

    def _prepare(self, cluster: Cluster, keys: str, path: str) -> None:
        upgrading.forget(self._runtime_dir)
        text = render(replace(cluster, key_file=running.KEYS))
        upgrading.prepare(self._runtime_dir, text, keys, path)

    async def drop(self) -> None:
        """Nothing is prepared any more; files that this attempt made go."""
        async with self._keeping:
            await self._give_up()

    async def _give_up(self) -> None:
        self._close_wires()
        self._trouble = self._said = ""
        with contextlib.suppress(OSError):
            await self.off_loop(self._remove)

    def _remove(self) -> None:
        upgrading.forget_record(self._state_dir)
        upgrading.forget(self._runtime_dir)
        made, self._made = self._made, []
        for path in made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    # Over ----------------------------------------------------------------------------------------------------------

    async def over(self, by: str, verb: str = GO_OVER) -> tuple[bool, str]:
        """Have the pulse go over; what came of it. Whoever asks while it goes gets the same answer."""
        if self._going is None or self._going.done():
            self._going = asyncio.ensure_future(self._over(by, verb))
        return await asyncio.shield(self._going)

    async def _over(self, by: str, verb: str) -> tuple[bool, str]:
        """The port is the pulse's from here to the outcome."""
        self._away = True
        try:
            await self._free_the_port()
            ok, text = await self._attempt(by, verb)
        finally:
            self._away = False
        if not ok:
            await self._listen()
        return ok, text

    async def _free_the_port(self) -> None:
        if self._testing is not None and not self._testing.done():
            if self._tested is not None:
                self._tested.stop()
            await asyncio.wait((self._testing,))
        async with self._opening:
            self._close_wires()

    async def _attempt(self, by: str, verb: str) -> tuple[bool, str]:
        text = ""
        try:
            await self.off_loop(self._ready_to_go, verb)
            text = await self._ask_core(verb, by)
        except (NotRunning, TimedOut):
            pass  # lost with the connection: the files say what came of it
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
        except UnderstudyError as error:
            text = str(error)
        if text:
            found = f"{self._manager.me} does not go over: {text}"
            if verb == FOLLOW:
                self._trouble = f"{self.peer} speaks the native protocol already, but {found}"
            return False, found
        end = time.monotonic() + _OUTCOME_LIMIT
        while time.monotonic() < end:
            await asyncio.sleep(_GLANCE)
            outcome = await self.off_loop(self._outcome)
            if outcome is None:
                continue
            if outcome:
                self._trouble, self._pause = "", _AGAIN
                return True, f"{self._manager.me} speaks the native protocol"
            self._trouble = (
                f"{self.peer} was not heard under the native protocol, so {self._manager.me} went back to the old one"
            )
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return False, self._trouble
        return False, f"{self._manager.me} has not gone over in {_OUTCOME_LIMIT:g} s; look with: understudy status"

    def _ready_to_go(self, verb: str) -> None:
        """Raises OSError, and UnderstudyError when what runs here is not what was prepared any more."""
        upgrading.forget_old(self._runtime_dir)
        if verb == FOLLOW:
            self._prepared()

    def _outcome(self) -> bool | None:
        """Whether the native protocol counts; None while that is being found out."""
        begun = os.path.exists(os.path.join(self._runtime_dir, "old.toml"))
        return None if not begun or upgrading.in_trial(self._runtime_dir) else self._is_native()

    def _is_native(self) -> bool:
        """By the copy that the pulse reads; where there is none, everything is as this manager was started for."""
        try:
            with open(running.configuration(self._runtime_dir), encoding="utf-8", errors="replace") as file:
                return file.read(len(COPY_MARK)) != COPY_MARK
        except OSError:
            return not self._manager.cluster.heartbeat3

    @property
    def follows(self) -> bool:
        """Whether the other node was heard natively since everything was prepared, so that this one goes over as well."""
        return self._going is not None

    def connected(self) -> None:
        """A pulse is there: does it speak what this manager was started for?"""
        if self._watching is None or self._watching.done():
            self._watching = self._manager.background(self._watch())

    async def _watch(self) -> None:
        while await self.off_loop(upgrading.in_trial, self._runtime_dir):
            await asyncio.sleep(_GLANCE)
        native = await self.off_loop(self._is_native)
        if native is self._manager.cluster.heartbeat3:
            word = "native protocol" if native else "protocol of Heartbeat 3"
            self._manager.say(
                Level.INFO, f"the pulse speaks the {word} now: another manager takes the place of this one"
            )
            await asyncio.sleep(_LINGER)
            self._manager.ending.set()  # the supervisor starts another one
        elif native:
            while trouble := await self.off_loop(self._conclude):
                if trouble != self._said:
                    self._said = trouble
                    self._manager.say(Level.ERROR, trouble)
                await asyncio.sleep(self.record_again)
        else:
            await self._listen()

    def _conclude(self) -> str:
        """This node has gone over: that is on record from now on. Returns why it is not, or ""."""
        record = upgrading.read_record(self._state_dir)
        if record is None or record.state != PREPARED:
            return ""
        try:
            upgrading.write_record(self._state_dir, replace(record, state=NATIVE, at=int(time.time())))
            running.keep_last(self._runtime_dir, self._state_dir)
            upgrading.forget(self._runtime_dir)
        except OSError as error:
            return f"cannot write {error.filename}: {error.strerror}; a start would ask the other node"
        text = f"the pair has gone over to the native protocol: {record.config} counts, and {record.folder} is not read any more"
        self._manager.say(Level.INFO, text)
        return ""

    # The other node may have gone over without us ------------------------------------------------------------------

    async def _listen(self) -> None:
        """While it is prepared and not done: a node that hears the other natively follows it."""
        async with self._opening:
            self._close_wires()
            if self._away:
                return
            try:
                found = await self.off_loop(self._prepared)
                if found is not None:
                    self._wires = Wires(found[0], self._manager.me, found[1], self._follow)
            except (UnderstudyError, OSError) as error:
                self._trouble = f"the prepared upgrade cannot be gone on with: {error}"

    def _prepared(self) -> tuple[Cluster, bytes] | None:
        """What the record speaks of, put in place again after a boot. Raises UnderstudyError and OSError."""
        record = upgrading.read_record(self._state_dir)
        if record is None or record.state != PREPARED or self._is_native():
            return None
        cluster = load(record.config)
        keys = load_keys(cluster)
        if cluster.digest != record.digest or len(keys) != 1:
            raise Refused(f"{record.config}, or the key beside it, is not what was prepared")
        made, found = plan(self._copy(), {item.name: _addresses(cluster, item.name) for item in cluster.members})
        if found or made is None or made.cluster.digest != record.digest:
            raise Refused(f"what runs here says something else than {record.config} by now")
        if not upgrading.is_prepared(self._runtime_dir):
            self._prepare(cluster, format_keys(keys), record.config)
        return cluster, keys[0]

    def _follow(self) -> None:
        going = self._going is not None and not self._going.done()
        if not going and time.monotonic() >= self._try_at:
            self._try_at = inf  # until it is known what came of this attempt
            self._manager.background(self._followed())

    async def _followed(self) -> None:
        """What is said again by each attempt is told once."""
        if not self._said:
            text = f"{self.peer} speaks the native protocol already: {self._manager.me} follows"
            self._manager.say(Level.INFO, text)
        try:
            ok, text = await self.over(f"{self.peer}, which has gone over,", FOLLOW)
        finally:
            self._try_at = time.monotonic() + self._pause
        if text != self._said:
            self._manager.say(Level.INFO if ok else Level.WARNING, text)
        self._said = "" if ok else text

    def _close_wires(self) -> None:
        if self._wires is not None:
            self._wires.close()
            self._wires = None

    def warnings(self) -> list[str]:
        """For the status."""
        if not self._manager.cluster.heartbeat3:
            return []
        found = [self._trouble] if self._trouble else []
        if self._wires is not None and (self._going is None or self._going.done()):
            found.append(
                "an upgrade to the native protocol was prepared and is not done: go on with `understudy upgrade`, or give it "
                "up with `understudy upgrade --abandon`"
            )
        return found

    # What the other manager asks -----------------------------------------------------------------------------------

    async def answer(self, packet: Packet) -> None:
        """``packet`` is an ``inquiry`` about one of ``TOPICS``."""
        sender, number, topic = packet.get("from"), packet.get("id"), str(packet.get("topic"))
        if not self._manager.cluster.heartbeat3 or sender != self.peer or not isinstance(number, int):
            return
        ok, text = True, ""
        try:
            text = json.dumps(await self._answered(topic, json.loads(str(packet.get("text")))))
        except UnderstudyError as error:
            ok, text = False, str(error)
        except (ValueError, KeyError, TypeError, AttributeError):
            ok, text = False, f"{self._manager.me} does not understand the question; is it another version?"
        self._manager.link.send({"t": "page", "to": sender, "id": number, "ok": ok, "text": text})
        if ok and topic == GO:
            self._manager.background(self._go(str(sender)))

    async def _go(self, sender: str) -> None:
        ok, text = await self.over(f"an operator at {sender}")
        self._manager.say(Level.INFO if ok else Level.WARNING, text)

    async def _answered(self, topic: str, asked: dict[str, Any]) -> object:
        by = f"an operator at {self.peer}"
        if topic == LOOK:
            return await self.facts(by)
        if topic == PLAN:
            return await self.draft(dict(asked["addresses"]))
        if topic == KEY:
            return await self._give(bytes.fromhex(asked["public"]))
        if topic == LINKS:
            return {"heard": await self.test()}
        if topic == KEEP:
            await self.keep(str(asked["digest"]), str(asked["key"]))
        elif topic == DROP:
            await self.drop()
        elif self.plan is None or self.plan.cluster.digest != asked["digest"]:
            raise Refused(f"{self._manager.me} has prepared another upgrade: ask again")
        else:
            text = await self._ask_core("upgrade-look", by)
            if text:
                raise Refused(f"{self._manager.me}: {text}")
        return {}

    async def _give(self, theirs: bytes) -> dict[str, str]:
        """A fresh key, for whoever has the private number of ``theirs``. Raises Refused when anybody could be that."""
        unsafe = weak((await self.off_loop(self._copy)).files)
        if unsafe:
            raise Refused(f"{self._manager.me} gives no key to anybody: {unsafe}")
        fresh, private = os.urandom(32), os.urandom(PRIVATE)
        parcel = wrap(fresh, private, theirs, label(self._manager.cluster, self._manager.me, self.peer))
        if parcel is None:
            raise Refused("that is no public number")
        self.key = fresh
        return {"public": public(private).hex(), "parcel": parcel.hex()}


def label(cluster: Cluster, giver: str, taker: str) -> str:
    """What a parcel with the key is for."""
    return "\x00".join(("upgrade", cluster.name, giver, taker))


def _addresses(cluster: Cluster, name: str) -> tuple[str, ...]:
    return tuple(link.address for link in cluster.member(name).links)
