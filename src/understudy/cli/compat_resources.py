"""``ResourceManager``: the keys of resource groups, what runs here, and one group taken or given up.

Keys come from haresources; where the daemon runs a native cluster the names of its groups are the keys. Groups are never started
or stopped behind the daemon's back: it is asked, so that no other machine serves at the same time.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UnderstudyError
from . import compat
from .client import Client
from .compat_files import Line, haresources, source
from .compat_system import Found, look
from .compat_view import View, of_set, view
from .where import HEARTBEAT

LIMIT = 15.0
"""Seconds for each question; the daemon answers within 10."""
PATIENCE = 60_000_000_000
"""Nanoseconds to wait for a group; the daemon goes on with it after that."""

RUNS, STOPPED = 0, 3


@dataclass(frozen=True, slots=True)
class Here:
    """``client`` and ``view``: None when no daemon answers, ``trouble`` says why."""

    lines: tuple[Line, ...]
    folder: str
    client: Client | None = None
    view: View | None = None
    trouble: str = ""

    @property
    def native(self) -> bool:
        return self.view is not None and not self.view.old


def run(called: str, words: list[str]) -> int:
    """Exit codes: 0 done; 3 ``status``: it does not run; 1 wrong use, or ``takegroup`` and ``givegroup`` were refused;
    ``verifyallidle``: how many keys run.
    """
    command = words[0] if words else ""
    name = words[1] if len(words) > 1 else ""
    if command not in COMMANDS:
        print(f"usage: {called} listkeys machine | takegroup key | givegroup key|status resource\n", file=sys.stderr)
        return 1
    return COMMANDS[command](find(), name)


def find() -> Here:
    client = compat.client()
    folder = os.environ.get("HA_DIR") or HEARTBEAT
    try:
        status = client.get("/v1/status")
    except UnderstudyError as error:
        return Here(haresources(folder), folder, trouble=error.text)
    seen = view(status)
    if not seen.old:
        lines = tuple(Line(group["preferred"] or "", (group["name"],)) for group in seen.groups)
        return Here(lines, folder, client, seen)
    folder = source(compat.runtime_dir(), old=True).folder or folder
    return Here(haresources(folder), folder, client, seen)


def matching(pattern: str, text: str) -> bool:
    """An extended regular expression without regard to case, as grep searched it; what is none is taken as it is."""
    try:
        return re.search(pattern, text, re.IGNORECASE) is not None
    except re.error:
        return re.search(re.escape(pattern), text, re.IGNORECASE) is not None


def listkeys(here: Here, node: str) -> int:
    for line in here.lines:
        if matching(f"^{node} ", line.text):
            print(line.key)
    return 0


def allkeys(here: Here, _name: str) -> int:
    return listkeys(here, ".*")


def _whole(here: Here, ours: bool) -> int:
    host = os.environ.get("HA_CURHOST", "")
    for line in here.lines:
        if matching(f"^{host} ", line.text) == ours:
            print(f"{' '.join(line.words)} ")
    return 0


def ourkeys(here: Here, _name: str) -> int:
    return _whole(here, True)


def otherkeys(here: Here, _name: str) -> int:
    return _whole(here, False)


def _runs(here: Here, word: str) -> Found:
    """Groups and resources of a native cluster by the daemon's word, everything else by looking."""
    if here.view is not None and here.native:
        for group in here.view.groups:
            mine = group["holder"] == here.view.me
            if group["name"] == word:
                return Found.RUNS if mine and group["state"] == "started" else Found.STOPPED
            for resource in group["resources"]:
                if resource["id"] == word:
                    return Found.RUNS if resource["state"] == "running" else Found.STOPPED
    found, text = look(word, here.folder)
    if text:
        compat.say_as_script(f"ERROR: {text}")
    return found


def status(here: Here, name: str) -> int:
    return RUNS if _runs(here, name) is Found.RUNS else STOPPED


def verifyallidle(here: Here, _name: str) -> int:
    """What cannot be found out because a script hangs, or is not there, does not count: the old program went on as well."""
    running = [line.key for line in here.lines if _runs(here, line.key) is Found.RUNS]
    for key in running:
        print(
            f"CRITICAL: Resource {key} is active, and should not be!\n"
            "CRITICAL: Non-idle resources can affect data integrity!",
            file=sys.stderr,
        )
    return len(running)


def statgroup(here: Here, _name: str) -> int:
    """The old program wrote the answer into its debug log, where nobody saw it."""
    return 0


def takegroup(here: Here, key: str) -> int:
    return _each(here, key, takes=True)


def givegroup(here: Here, key: str) -> int:
    return _each(here, key, takes=False)


def _each(here: Here, key: str, takes: bool) -> int:
    """Every group with the word ``key`` in its line. A key that nothing has is no error, as before."""
    wanted = [line for line in here.lines if key and matching(f" {key} ", line.text)]
    if wanted and (here.client is None or here.view is None):
        compat.say_as_script(f"ERROR: {here.trouble}")
        return 1
    failed = 0
    for line in wanted:
        if here.client is None or here.view is None:
            continue
        try:
            (_old if here.view.old else _native)(here.client, here.view, line.key, takes)
        except UnderstudyError as error:
            compat.say_as_script(f"ERROR: {line.key}: {error.text}")
            failed = 1
    return failed


def _old(client: Client, view: View, key: str, takes: bool) -> None:
    """The old protocol knows two sets of groups and no single one."""
    group = next((group for group in view.groups if view.key(group["name"]) == key), None)
    if group is None or (group["holder"] == view.me) == takes:
        return
    what = "local" if group["preferred"] == view.me else "foreign"
    others = [item["name"] for item in of_set(what, view.me, view.groups) if item is not group]
    if others:
        from ..errors import Refused

        tool = "hb_takeover" if takes else "hb_standby"
        raise Refused(f"the old protocol moves it only together with {', '.join(others)}: {tool} {what}")
    client.post(f"/v1/heartbeat/{'takeover' if takes else 'standby'}", {"set": what}, LIMIT)


def _native(client: Client, view: View, key: str, takes: bool) -> None:
    """Given up is stopped everywhere, until it is taken: nobody else took what the old ``givegroup`` stopped, either."""
    from .wait import find as group_of
    from .wait import wait_for

    def held(where: Callable[[str | None], bool]) -> Callable[[dict[str, Any]], tuple[bool, str]]:
        def seen(status: dict[str, Any]) -> tuple[bool, str]:
            found = group_of(status["groups"], key)
            text = f"it is {found.get('state', 'unknown')} on {found.get('holder') or 'no node'}"
            return where(found.get("holder")) and found.get("state") in ("started", "stopped"), text

        return seen

    group = next(group for group in view.groups if group["name"] == key)
    if not takes:
        if group["holder"] == view.me:
            client.post("/v1/stop", {"group": key, "reason": "ResourceManager givegroup"}, LIMIT)
            wait_for(client, held(lambda holder: holder is None), PATIENCE)
        return
    holder = group["holder"]
    if holder is None:
        client.post("/v1/start", {"group": key, "reason": "ResourceManager takegroup"}, LIMIT)
        wait_for(client, held(lambda holder: holder is not None), PATIENCE)
        holder = group_of(client.get("/v1/status")["groups"], key).get("holder")
    if holder != view.me:
        client.post("/v1/move", {"group": key, "node": view.me}, LIMIT)
        wait_for(client, held(lambda holder: holder == view.me), PATIENCE)


COMMANDS: dict[str, Callable[[Here, str], int]] = {
    "listkeys": listkeys,
    "allkeys": allkeys,
    "ourkeys": ourkeys,
    "otherkeys": otherkeys,
    "status": status,
    "statgroup": statgroup,
    "takegroup": takegroup,
    "givegroup": givegroup,
    "verifyallidle": verifyallidle,
}
