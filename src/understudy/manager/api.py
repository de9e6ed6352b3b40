"""What can be asked over HTTP: one table, from which requests are judged and docs/api.md is written (tools/api_page.py).

A request is judged completely before anything is done: an unknown, missing, repeated or wrongly typed field refuses it, so that
a typing mistake never passes for consent. Plain functions of their arguments.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..errors import UsageError

LARGEST_BODY = 64 * 1024
"""Bytes."""

LONGEST_TEXT = 255
"""Characters of one text; names of this program have 63 at most."""

MOST_LINES = 2000

LONGEST_MAINTENANCE = 366 * 24 * 3600
"""Seconds."""

OF_ALL_GROUPS = ("/v1/maintenance/on", "/v1/maintenance/off")
"""Where an empty group means all of them."""


class Kind(Enum):
    """What a field holds. In the address (``?lines=50``) a number is written in digits; in JSON it is a number."""

    TEXT = "text"
    NUMBER = "whole number"


@dataclass(frozen=True, slots=True)
class Field:
    """``default`` None: the field must be given. ``lowest`` and ``highest`` are for numbers."""

    name: str
    text: str
    kind: Kind = Kind.TEXT
    default: str | int | None = None
    lowest: int = 0
    highest: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``changes``: somebody who may only read may not ask it. ``fields`` are parameters of the address for GET, else of the
    JSON object in the body. ``handler`` names the method of ``control.Control`` that answers.
    """

    method: str
    path: str
    handler: str
    text: str
    answer: str
    fields: tuple[Field, ...] = ()
    changes: bool = False


_NODE = Field("node", "the name of a node, not of a witness")
_GROUP = Field("group", "the name of a group")
_ANY_GROUP = Field("group", "the name of a group; empty for all groups", default="")
_SET = Field("set", "`all`, `local`, `foreign` or `failback`, as the node that is asked counts them", default="all")
_REASON = Field("reason", "why, for those who look at the status later; the first 120 bytes are kept", default="")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET",
        "/v1/status",
        "status",
        "This node's view. The manager asks the pulse and waits 100 ms at most; then it answers with what the pulse said last,"
        " sets `stale_ms` and puts a sentence in front of `warnings`.",
        "as described in [status-schema.json](status-schema.json)",
    ),
    Endpoint(
        "GET",
        "/v1/history",
        "history",
        "The newest entries, oldest of them first, in the order in which this node was told (`at` goes back where the clock was"
        " set back, which has an entry of its own). With `scope=cluster` those of all members that are there, no effect before"
        " its cause whatever their clocks say; each has an `origin` then, who is absent stands in `missing` with the reason, and"
        " `clock_ahead_ms` says how far each clock is ahead of this node's.",
        '`{"ok": true, "entries": [{"at": "2026-01-31T12:00:00.000Z", "level": "info|warning|error", "text": "...",'
        ' "group": "", "node": "..."}]}`',
        (
            Field("lines", "how many entries", Kind.NUMBER, 50, 1, MOST_LINES),
            Field("scope", "`node`, or `cluster` for all members", Kind.TEXT, "node"),
            Field("group", "only of that group", Kind.TEXT, ""),
            Field("node", "only what concerns that member, or was noted by it", Kind.TEXT, ""),
            Field("level", "at least `info`, `warning` or `error`", Kind.TEXT, "info"),
            Field("since", "a length of time (`90m`) or a time (`2026-01-31T12:00`, UTC)", Kind.TEXT, ""),
        ),
    ),
    Endpoint(
        "GET",
        "/v1/events",
        "events",
        "The history as a stream: first the newest entries, then each new one when it is added, until the client hangs up. One"
        " JSON object on each line, in chunks; an empty line every 15 s says that the connection lives. A client that does not"
        " read loses the connection after 30 s; one that reads too slowly is told how many entries it has missed. At most"
        " 16 at once, then 429.",
        'lines of `{"at": "...", "level": "info", "text": "...", "group": "", "node": "..."}`',
        (Field("lines", "how many of the newest entries come first", Kind.NUMBER, 0, 0, MOST_LINES),),
    ),
    Endpoint(
        "GET",
        "/v1/whatif",
        "whatif",
        "Where everything would run if those machines were down or in standby, as this node sees the cluster now. Machines that"
        " are not heard count as down, and what nodes say of their ping targets counts as if it had lasted. Nothing is changed.",
        '`{"ok": true, "live": true, "down": [], "unreachable": [], "votes": {"have": 2, "of": 3, "needed": 2, "quorate": true,'
        ' "text": "..."}, "groups": [{"name": "site", "before": "ha01", "node": "ha02", "why": "...",'
        ' "not_on": {"ha01": "..."}}]}`; `quorate` is null where a fence device, or a human, decides',
        (
            Field("down", "names of members, with commas between them", Kind.TEXT, ""),
            Field("standby", "names of nodes, with commas between them", Kind.TEXT, ""),
            Field(
                "unreachable",
                "ping targets of groups or of a pair, `TARGET@NODE` or `TARGET` for all nodes, with commas",
                Kind.TEXT,
                "",
            ),
        ),
    ),
    Endpoint(
        "GET",
        "/metrics",
        "metrics",
        "What Prometheus reads; the [metrics](#metrics) are listed below. OpenMetrics where the client asks for it.",
        "text, in Prometheus' exposition format",
    ),
    Endpoint(
        "POST",
        "/v1/move",
        "move",
        "Ask the holder to hand the group over. The answer comes when the holder has decided, not when the move is over; look at"
        " the status for that. At most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_GROUP, _NODE),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/standby",
        "standby",
        "Take all groups off the node and keep them off. Decided by that node; at most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/online",
        "standby",
        "End a standby. Decided by that node; at most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/heartbeat/standby",
        "heartbeat",
        "Only while a pair speaks the protocol of Heartbeat 3, else 409: what `hb_standby` does. This node hands groups over to"
        " the other one. The answer comes when that has begun or is refused; at most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_SET,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/heartbeat/takeover",
        "heartbeat",
        "The same for `hb_takeover`: the other node is asked to hand groups over to this one.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_SET,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/stop",
        "wish",
        "Stop the group in order wherever it runs, and keep it stopped until `/v1/start`, also over restarts of everything."
        " Told to all nodes; the answer comes when this node has noted it.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_GROUP, _REASON),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/start",
        "wish",
        "End what `/v1/stop` began: the group starts where it belongs.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_GROUP, _REASON),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/restart",
        "wish",
        "Stop the group and start it again on the node that holds it. Decided by that node, which forgets the failures of"
        " its parts; at most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_GROUP,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/cleanup",
        "wish",
        "Forget that the group has failed, on all nodes that can be asked: each may run it again at once.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_GROUP,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/maintenance/on",
        "maintenance",
        "Watch and touch nothing: no start, stop, move or failback, and nobody takes over when the holder fails.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (
            _ANY_GROUP,
            Field("seconds", "how long; 0: until it is ended", Kind.NUMBER, 0, 0, LONGEST_MAINTENANCE),
            _REASON,
        ),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/maintenance/off",
        "maintenance",
        "The end of a maintenance: what has failed meanwhile is dealt with.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_ANY_GROUP, _REASON),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/drain",
        "standby",
        "As standby, but what no other node can take goes on running there. Decided by that node; at most 10 s, then 504.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "GET",
        "/v1/fence",
        "fence_devices",
        "Every fence device with each of its nodes, and what it said when it was last asked.",
        '`{"ok": true, "devices": [...]}`, each with `device`, `node`, `level`, `program`, `ok` (null: not asked yet), `text`,'
        " `age_s`",
    ),
    Endpoint(
        "POST",
        "/v1/fence",
        "fence",
        "Switch the node off; the answer comes when a level of devices has confirmed it or all have failed (up to 10 minutes).",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/fence/test",
        "fence_test",
        "Ask the devices of that node for its status now; nothing is switched.",
        "as `GET /v1/fence`, for that node",
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/confirm-off",
        "fence",
        "A human has seen that the node is off; refused (409) while it is heard.",
        '`{"ok": true, "text": "...", "hint": ""}`',
        (_NODE,),
        changes=True,
    ),
    Endpoint(
        "GET",
        "/v1/difference",
        "difference",
        "What the file that this node was started with says now, compared with what it runs with. Nothing is changed.",
        '`{"ok": true, "source": "/etc/understudy/cluster.toml", "digest": "...", "problems": [], "as_before": [],'
        ' "remarks": [], "changes": [{"where": "groups.site", "text": "...", "how": "reload|restart|two steps"}],'
        ' "effects": ["..."]}`; `ok` is false'
        " when a reload would be refused; `as_before` are those of `problems` that warn of what runs already",
    ),
    Endpoint(
        "POST",
        "/v1/reload",
        "reload",
        "Take that file up on this node. Refused (409), and nothing is changed, when the file is refused, asks for what only a"
        " restart can do, or is not the one with this digest. At most 10 s, then 504.",
        "as `GET /v1/difference`, with `text`",
        (Field("digest", "of the file that was looked at, or empty for whatever it is now", Kind.TEXT, ""),),
        changes=True,
    ),
    Endpoint(
        "GET",
        "/v1/key",
        "keys",
        "Which keys every member runs with, by name (eight digits, no secret), and the next step of a rotation that is under"
        " way. Asks all members; one that does not answer costs some seconds.",
        '`{"ok": true, "members": [{"name": "ha01", "uses": "5f3a12bc", "knows": [], "trouble": ""}], "next":'
        ' "add|use|drop|", "key": "", "troubles": []}`; `ok` is false when something is in the way, `uses` null when unknown',
    ),
    Endpoint(
        "POST",
        "/v1/key/rotate",
        "rotate",
        "Take one step of a key rotation on all members: `add` a new key that all accept, `use` it, `drop` the old one; or"
        " `abandon` a new key that nobody uses. Refused (409) when it is not its turn, when a member does not say which keys it"
        " has, or when not everybody could take it; it may be asked again then. The keys themselves are never in an answer.",
        '`{"ok": true, "step": "add", "key": "5f3a12bc", "text": "...", "members": [...]}`',
        (
            Field("step", "`add`, `use`, `drop` or `abandon`"),
            Field("without", "members that are left out, with commas between them", Kind.TEXT, ""),
        ),
        changes=True,
    ),
    Endpoint(
        "GET",
        "/v1/upgrade",
        "upgrade",
        "Rehearse the upgrade of a Heartbeat pair to the native protocol: both nodes are asked, and speak for a second on the"
        " native links. Nothing is written, nobody goes over. Only while the pair speaks the protocol of Heartbeat 3, else 409.",
        '`{"ok": true, "config": "/etc/understudy/cluster.toml", "versions": {"ha01": "..."}, "obstacles": [{"node": "ha01",'
        ' "text": "...", "hint": "..."}], "notes": ["..."], "steps": ["..."]}`; `ok` is false when it would be refused',
    ),
    Endpoint(
        "POST",
        "/v1/upgrade",
        "upgrade",
        "Upgrade the pair. Answered when this node speaks the native protocol, or is back in the old one (409, with what is so"
        " now). After that another manager takes the place of this one, so the next request may have to be tried again.",
        "as `GET /v1/upgrade`, with `text`",
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/upgrade/abandon",
        "upgrade",
        "Give up an upgrade that was prepared and not done, on both nodes; files that it had written are removed. 504: on this"
        " one only, for the other was not reached.",
        '`{"ok": true, "text": "..."}`',
        changes=True,
    ),
    Endpoint(
        "POST",
        "/v1/dump",
        "dump",
        "Write the pulse's recorder to `dump.jsonl` in the runtime directory (mode 0600, replacing an earlier one). The first"
        " line is a heading (`recording`: the format, `version`, `python`, `node`), the next ones hold a copy of the core in"
        " base64 (`core`), all others `at` (nanoseconds of the boot clock), `event` and `effects`. `understudy replay FILE` asks"
        " the core again.",
        '`{"ok": true, "file": "/run/understudy/dump.jsonl"}`',
        changes=True,
    ),
)


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest known word, or all of them."""
    close = difflib.get_close_matches(word, known, 1, 0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "there are none"


def methods(path: str) -> dict[str, Endpoint]:
    """What can be asked at this path, by method; empty when there is nothing."""
    return {endpoint.method: endpoint for endpoint in ENDPOINTS if endpoint.path == path}


def read_query(query: Iterable[tuple[str, str]], fields: tuple[Field, ...]) -> dict[str, Any]:
    """The parameters of an address, defaults filled in. Raises UsageError saying what is wrong."""
    return _judged(list(query), fields, "parameter", in_json=False)


def read_body(data: bytes, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The JSON object of a body; an empty body will do where no field must be given. Raises UsageError saying what is wrong."""
    if not data and all(field.default is not None for field in fields):
        data = b"{}"
    hint = f"send an object with {', '.join(field.name for field in fields) or 'no fields'}"
    try:
        body = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise UsageError("the request is not JSON", hint) from None
    if not isinstance(body, _Pairs):
        raise UsageError("the request is not a JSON object", hint)
    return _judged(body, fields, "field", in_json=True)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, so that a field that stands twice is seen."""


def _judged(pairs: list[tuple[str, Any]], fields: tuple[Field, ...], word: str, in_json: bool) -> dict[str, Any]:
    known = {field.name: field for field in fields}
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in known:
            raise UsageError(f"unknown {word} {name[:80]!r}", nearest(name[:80], tuple(known)))
        if name in found:
            raise UsageError(f"{word} {name!r} is given twice", "keep one of them")
        found[name] = _value(known[name], value, word, in_json)
    for field in fields:
        if field.name not in found:
            if field.default is None:
                raise UsageError(f"{word} {field.name!r} is missing", f"it is {field.text}")
            found[field.name] = field.default
    return found


def _value(field: Field, value: Any, word: str, in_json: bool) -> Any:
    """The value, if it is of the field's kind. A JSON true is no number, although Python thinks so."""
    if field.kind is Kind.TEXT:
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise UsageError(f"{word} {field.name!r} must be a text of at most {LONGEST_TEXT} characters")
        return value
    number = value
    if not in_json and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool) or not field.lowest <= number <= field.highest:
        raise UsageError(f"{word} {field.name!r} must be a whole number from {field.lowest} to {field.highest}")
    return number
