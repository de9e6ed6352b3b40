"""Leading an upgrade: both nodes are asked, the links are tried, everything is prepared on both; only then do they go over."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..effects import Level
from ..errors import NotRunning, Refused, TimedOut, UnderstudyError
from ..units import SECOND, Duration, format_duration
from ..wire.native import key_name
from ..wire.parcel import PRIVATE, public, unwrap
from .upgrade import DROP, GO, KEEP, KEY, LINKS, LOOK, PLAN, Upgrades, label
from .upgrade_plan import Plan, config_path, key_beside

if TYPE_CHECKING:
    from .service import Manager

_PATIENCE: Duration = 2 * SECOND
_LINKS_PATIENCE: Duration = 4 * SECOND
_GO_PATIENCE: Duration = SECOND


@dataclass(slots=True)
class Rehearsal:
    """What was found. ``obstacles``: (node or "", text, hint)."""

    obstacles: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    digest: str = ""
    key: str = ""
    agreed: bool = False
    """The key is a fresh one, not that of files on both nodes."""

    def blame(self, node: str, found: Sequence[Sequence[str]]) -> None:
        self.obstacles += [(node, str(item[0]), str(item[1])) for item in found]


class Leader:
    """The upgrades that are led from this node, one at a time."""

    def __init__(self, manager: Manager, upgrades: Upgrades) -> None:
        self._manager = manager
        self._here = upgrades
        self._lock = asyncio.Lock()

    async def report(self, by: str) -> dict[str, Any]:
        """A rehearsal: nothing is written, nobody goes over. Raises UnderstudyError when this node cannot even be asked."""
        async with self._lock:
            return self._told(await self._rehearse(by))

    async def go(self, by: str) -> dict[str, Any]:
        """The upgrade. Raises Refused, with the reason and what is so now, when it does not happen."""
        async with self._lock:
            found = await self._rehearse(by)
            if found.obstacles:
                texts = "\n".join(
                    f"{node + ': ' if node else ''}{text}; {hint}" for node, text, hint in found.obstacles
                )
                raise Refused("the pair cannot be upgraded now; nothing is changed", texts)
            self._manager.say(Level.INFO, f"{by} upgrades the pair to the native protocol")
            await self._prepare(found)
            await self._first(found.digest)
            ok, text = await self._here.over(by)
            if not ok:
                hint = (
                    f"if {self._here.peer} has gone over it comes back by itself, or is followed as soon as it is heard; "
                    "then try again"
                )
                raise Refused(text, hint)
            return {
                **self._told(found),
                "text": f"both nodes speak the native protocol; {config_path()} counts from now on",
            }

    async def abandon(self) -> dict[str, Any]:
        """Give up what was prepared, here and on the other node. Raises TimedOut when that is not reached."""
        self._check()
        async with self._lock:
            trouble = await self._drop()
        if trouble:
            peer = self._here.peer
            text = f"nothing is prepared any more on {self._manager.me}, but {peer} was not reached ({trouble})"
            raise TimedOut(text, f"say the same on {peer}, or again when it answers")
        return {"ok": True, "text": "nothing is prepared any more"}

    def _check(self) -> None:
        if not self._manager.cluster.heartbeat3:
            raise Refused("this node speaks the native protocol already")
        if not self._here.peer:
            raise Refused("there is no second node", "stop it, and start it with the native form: understudy convert")

    # Looking -------------------------------------------------------------------------------------------------------

    async def _ask(self, topic: str, asked: object, patience: Duration = _PATIENCE) -> dict[str, Any]:
        text = await self._manager.peers.ask(self._here.peer, topic, json.dumps(asked), patience)
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(f"{self._here.peer} answered in words of another version")
        return found

    async def _rehearse(self, by: str) -> Rehearsal:
        self._check()
        me, peer, found = self._manager.me, self._here.peer, Rehearsal()
        mine = await self._here.facts(by)
        found.blame(me, mine["obstacles"])
        try:
            theirs = await self._ask(LOOK, {})
            found.blame(peer, theirs["obstacles"])
            found.versions = {me: str(mine["version"]), peer: str(theirs["version"])}
            await self._compare(found, mine, theirs)
        except TimedOut:
            text = "it does not answer over the old protocol"
            found.obstacles.append(
                (peer, text, f"does {peer} run this version of Understudy? look with: understudy status")
            )
        except Refused as error:
            found.obstacles.append(("", error.text, error.hint or "mend that first"))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            found.obstacles.append(
                (peer, "it answered in words of another version", "install the same version on both")
            )
        return found

    async def _compare(self, found: Rehearsal, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        me, peer = self._manager.me, self._here.peer
        addresses = {me: list(mine["addresses"]), peer: list(theirs["addresses"])}
        if not all(addresses.values()):
            return
        own = await self._here.draft(addresses)
        other = await self._ask(PLAN, {"addresses": addresses})
        found.blame(me, own["obstacles"])
        found.blame(peer, other["obstacles"])
        found.notes += list(dict.fromkeys([*own["notes"], *map(str, other["notes"])]))
        if len(set(found.versions.values())) > 1:
            found.notes.append(f"{me} has version {found.versions[me]}, {peer} has {found.versions[peer]}")
        if own["digest"] != other["digest"] and own["digest"] and other["digest"]:
            parts = [
                name
                for name in {**own["parts"], **other["parts"]}
                if own["parts"].get(name) != other["parts"].get(name)
            ]
            text = f"{me} and {peer} would run with different native files; different are: {', '.join(parts) or 'the files'}"
            hint = "make ha.cf and haresources the same on both (address/24/device where interfaces differ), and restart both"
            found.obstacles.append(("", text, hint))
            return
        found.digest = str(own["digest"])
        if found.digest and await self._agree(found, mine, theirs):
            await self._try_links(found)

    async def _agree(self, found: Rehearsal, mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
        """On a key: that of the files of both, else a fresh one. False: there is an obstacle."""
        me, peer, path = self._manager.me, self._here.peer, key_beside(config_path())
        names = (str(mine["key"]), str(theirs["key"]))
        if names[0] and names[0] == names[1]:
            found.key = names[0]
            return True
        if any(names):
            text = (
                f"{path} is not the same on both nodes"
                if all(names)
                else f"{path} is on {me if names[0] else peer} only"
            )
            found.obstacles.append(("", text, "copy it to the other node (scp -p), or remove it from both"))
            return False
        unsafe = str(mine["weak"] or theirs["weak"])
        if unsafe:
            hint = f"on one node: understudy keygen {path}, then copy it to the other (scp -p); or use sha1 in authkeys"
            text = f"{unsafe}: the nodes cannot agree on a key, for anybody in between could be the other one"
            found.obstacles.append(("", text, hint))
            return False
        private = os.urandom(PRIVATE)
        given = await self._ask(KEY, {"public": public(private).hex()})
        parcel, other = bytes.fromhex(given["parcel"]), bytes.fromhex(given["public"])
        key = unwrap(parcel, private, other, label(self._manager.cluster, peer, me))
        if key is None:
            raise Refused(f"what {peer} sent as a key is spoilt", "try again")
        self._here.key, found.key, found.agreed = key, key_name(key), True
        return True

    async def _try_links(self, found: Rehearsal) -> None:
        me, peer, made = self._manager.me, self._here.peer, self._here.plan
        if made is None:
            return
        asking = asyncio.ensure_future(self._ask(LINKS, {}, _LINKS_PATIENCE))
        try:
            heard = {me: set(await self._here.test())}
        except Refused as error:
            asking.cancel()
            found.obstacles.append((me, error.text, "free the port, or stop what has it"))
            return
        heard[peer] = set(map(str, (await asking)["heard"]))
        found.links = sorted({link.network for link in made.cluster.member(me).links})
        for network in found.links:
            for name, other in ((me, peer), (peer, me)):
                if network not in heard[name]:
                    port = made.cluster.member(name).links[0].port
                    text = f"nothing of {other} arrives over {network} at UDP port {port}"
                    found.obstacles.append(
                        (name, text, "let it through: look at the firewalls of both nodes (nft list ruleset)")
                    )

    # Doing ---------------------------------------------------------------------------------------------------------

    async def _prepare(self, found: Rehearsal) -> None:
        """On both, or on neither."""
        wanted = {"digest": found.digest, "key": found.key}
        try:
            await self._ask(KEEP, wanted)
            await self._here.keep(found.digest, found.key)
        except UnderstudyError as error:
            await self._drop()
            raise Refused(f"{error.text}; nothing is changed", error.hint) from None

    async def _first(self, digest: str) -> None:
        """The other node goes over before us. When its answer is lost, its native heartbeats say the same."""
        try:
            await self._ask(GO, {"digest": digest}, _GO_PATIENCE)
        except (TimedOut, NotRunning):
            if self._here.follows:
                return
            await self._drop()
            raise Refused(
                f"{self._here.peer} did not answer; nothing is changed here",
                "if it has gone over it comes back by itself",
            ) from None
        except UnderstudyError as error:
            await self._drop()
            raise Refused(f"{error.text}; nothing is changed", error.hint) from None

    async def _drop(self) -> str:
        """Here and there. Returns why not there, or ""."""
        await self._here.drop()
        try:
            await self._ask(DROP, {})
        except UnderstudyError as error:
            return error.text
        return ""

    # Telling -------------------------------------------------------------------------------------------------------

    def _told(self, found: Rehearsal) -> dict[str, Any]:
        return {
            "ok": not found.obstacles,
            "config": config_path(),
            "versions": found.versions,
            "obstacles": [{"node": node, "text": text, "hint": hint} for node, text, hint in found.obstacles],
            "notes": found.notes,
            "steps": [] if found.obstacles or self._here.plan is None else self._steps(found, self._here.plan),
        }

    def _steps(self, found: Rehearsal, made: Plan) -> list[str]:
        me, peer, path = self._manager.me, self._here.peer, config_path()
        how = (
            "a new one, agreed on between them so that nobody who listens can read it"
            if found.agreed
            else "which both have"
        )
        cluster = made.cluster
        addresses = "; ".join(
            f"{member.name} {', '.join(link.address for link in member.links)}" for member in cluster.members
        )
        times = f"heartbeats every {format_duration(cluster.heartbeat)}, dead time {format_duration(cluster.dead_time)}"
        return [
            f"both write {path}, and the key beside it ({how})",
            f"{peer} goes over: its pulse begins anew within its process, keeps what it holds, and waits to hear {me}",
            f"{me} follows at once; each that does not hear the other within "
            f"{format_duration(min(cluster.dead_time // 2, 5 * SECOND))} goes back to the old protocol",
            "addresses stay on their devices and programs run on; no group moves",
            f"from then on: {times}, UDP port {cluster.members[0].links[0].port} ({addresses}); ha.cf, haresources and authkeys "
            "are not read any more",
        ]
