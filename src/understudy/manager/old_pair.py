"""What the manager does otherwise while the pair speaks the protocol of Heartbeat 3: wishes in its words, what is kept on disk,
and the files that an administrator may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from ..adapters import running
from ..adapters.channel import Packet
from ..adapters.old_identity import generations, keep_generation
from ..adapters.safe_file import write_file
from ..config.heartbeat import NAMES, Texts, read_heartbeat
from ..config.heartbeat_copy import HeartbeatCopy
from ..config.load import heartbeat_folder, load_heartbeat
from ..effects import Level
from ..errors import ConfigError, NotRunning, Refused, TimedOut
from ..heartbeat_files import HeartbeatFiles
from ..model import Cluster
from ..old_pair import GENERATIONS
from .kept import RETRY, Kept

_LOOK = 0.3
"""Seconds between two looks whether this node is active."""


def translated(
    cluster: Cluster, me: str, wish: tuple[str, str, str], seen: tuple[int, dict[str, Any]] | None
) -> tuple[str, str, str]:
    """``wish`` (verb, group, node) as the core of an old pair has it: only whole sets move, and only to the other side.

    Standby of a node is ``hb_standby all`` there, its end brings its own groups back; a group moves with its set.
    ``seen``: the newest snapshot, with its time. Raises Refused when there is nothing to do.
    """
    verb, group, node = wish
    if verb in ("standby", "drain"):
        return ("hb_standby" if node == me else "hb_takeover"), "all", ""
    if verb == "online":
        return ("hb_takeover", "local", "") if node == me else ("hb_standby", "foreign", "")
    if verb == "move":
        groups = seen[1].get("groups", ()) if seen is not None else ()
        if any(item["name"] == group and item.get("holder") == node for item in groups):
            raise Refused(f"{group} runs on {node} already")
        mine = cluster.group(group).prefer[:1] == (me,)
        return ("hb_takeover" if node == me else "hb_standby"), "local" if mine else "foreign", ""
    return wish


async def active(status: Callable[[], Awaitable[dict[str, Any]]], me: str) -> None:
    """Wait until this node is one of the pair: the time at which Heartbeat starts its clients."""
    while True:
        with contextlib.suppress(NotRunning, TimedOut):
            said = (await status()).get("heartbeat") or {}
            if any(item["name"] == me and item["status"] == "active" for item in said.get("nodes", ())):
                return
        await asyncio.sleep(_LOOK)


def environment(files: HeartbeatFiles, me: str) -> dict[str, str]:
    """What scripts of the old program look for: where its files are, which node this is, and what ``env`` of ha.cf gives."""
    return {"HA_DIR": files.folder, "HA_CURHOST": me, **dict(files.environment)}


class GenerationsFile(Kept[str]):
    """The newest generation of each node, as JSON, so that recordings from before are refused after a restart; and our own in
    hb_generation, when the core went on to the next one while it ran.
    """

    def __init__(
        self, directory: str, me: str, home: str, say: Callable[[Level, str], None], retry: float = RETRY
    ) -> None:
        self._me = me
        self._numbers = generations(directory)

        def save(path: str, text: str) -> None:
            write_file(path, text.encode("ascii", "backslashreplace"), 0o600, replace=True)
            number = json.loads(text).get(me)
            if home and number is not None:
                keep_generation(home, number)

        def consequence(_wanted: str | None) -> str:
            return f"after a restart of its daemon {me} would take recorded messages of the other node for new ones"

        super().__init__(
            os.path.join(directory, GENERATIONS), "the generations of the nodes", save, consequence, say, retry
        )

    def heard(self, packet: Packet) -> None:
        """Have what the pulse says of a node on disk some time soon."""
        node, generation = packet.get("node"), packet.get("generation")
        if isinstance(node, str) and isinstance(generation, int):
            self._numbers[node] = generation
            self.want(json.dumps(self._numbers))


def drift(runtime_dir: str) -> tuple[str, ...]:
    """A sentence when the folder's files are others than this node runs with. Touches the disk."""
    source = running.source(runtime_dir)
    try:
        copy = load_heartbeat(running.configuration(runtime_dir))
    except ConfigError:
        return ()
    texts = heartbeat_folder(source)
    found = (texts.cf, texts.haresources, texts.authkeys)
    changed = [name for name, file, data in zip(NAMES, found, copy.texts, strict=True) if file.data != data]
    changed = changed or _other_services(texts, copy)
    if not changed:
        return ()
    files = " and ".join(os.path.join(source, name) for name in changed)
    return (
        f"{files} {'differs' if len(changed) == 1 else 'differ'} from what this node runs with: understudy reload takes up "
        "what can be",
    )


def _other_services(texts: Texts, copy: HeartbeatCopy) -> list[str]:
    """The files of ldirectord that haresources names, where they say something else now, or are refused."""
    if copy.files.services is None:
        return []
    found = read_heartbeat(texts).files
    same = found is not None and found.services == copy.files.services
    return [] if same else list(copy.files.services.sources)
