"""``hb_standby`` and ``hb_takeover``: hand groups over to the other node, or ask it for them.

A pair under the old protocol does it as that protocol does. In a native cluster each group of the set is moved, once: the node
stays as fit as before, which is what the old tools meant. Unlike the old scripts they say on standard error when nothing happens.
"""

from __future__ import annotations

import sys
from typing import Any

from ..errors import Refused, UnderstudyError
from . import compat
from .client import Client
from .compat_view import SETS, of_set

LIMIT = 15.0
"""Seconds for each question; the daemon answers within 10."""


def standby(called: str, words: list[str]) -> int:
    """Exit codes: 0 asked for, 1 wrong use, or it was refused, or no daemon answers."""
    return _run(called, words, takes=False)


def takeover(called: str, words: list[str]) -> int:
    """As ``standby``."""
    return _run(called, words, takes=True)


def _run(called: str, words: list[str], takes: bool) -> int:
    if len(words) > 1:
        return _usage(called, f"{called}: too many arguments")
    what = words[0] if words else "all"
    if what == "--help":
        return _usage(called)
    if what not in SETS:
        return _usage(called, f"{called}: wrong resources({what}).")
    if not takes:
        compat.say_as_script(f"Going standby [{'foreign' if what == 'failback' else what}].")
    try:
        refused = ask(compat.client(), what, takes)
    except UnderstudyError as error:
        refused = error.text
    if refused:
        compat.say_as_script(f"ERROR: {refused}")
    return 1 if refused else 0


def _usage(called: str, trouble: str = "") -> int:
    """On both streams, as the old scripts do."""
    print(f"{trouble}\nusage:" if trouble else "usage:")
    sys.stdout.flush()
    print(f"{called} [{'|'.join(SETS)}]", file=sys.stderr)
    return 1


def ask(client: Client, what: str, takes: bool) -> str:
    """What was refused, "" when nothing was. Raises UnderstudyError when the daemon cannot be asked."""
    status = client.get("/v1/status")
    if status.get("heartbeat") is not None:
        client.post(f"/v1/heartbeat/{'takeover' if takes else 'standby'}", {"set": what}, LIMIT)
        return ""
    if what == "failback":  # what the other side would have if everything were at home
        what = "local" if takes else "foreign"
    me = status["node"]
    groups = [group for group in of_set(what, me, status["groups"]) if (group["holder"] == me) != takes]
    refused = []
    for group in groups:
        if takes and group["holder"] is None:
            refused.append(f"{group['name']} runs nowhere: {group['why']}")
            continue
        target = me if takes else _other(status, group)
        if target is None:
            refused.append(f"no other node can run {group['name']}")
            continue
        try:
            client.post("/v1/move", {"group": group["name"], "node": target}, LIMIT)
        except Refused as error:
            refused.append(f"{group['name']} stays where it is: {error.text}")
    return "; ".join(refused)


def _other(status: dict[str, Any], group: dict[str, Any]) -> str | None:
    """The node for a group of ours: the one that it names first, else the first that lives and can run it."""
    nodes = [node for node in status["nodes"] if node["name"] != status["node"] and node["role"] == "node"]
    alive = [node["name"] for node in nodes if node["state"] in ("up", "late") and not node["standby"]]
    able = [name for name in alive if name not in group["unfit"]]
    return group["preferred"] if group["preferred"] in able else next(iter(able), None)
