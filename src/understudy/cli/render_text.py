"""Status as a person reads it in a terminal. Pure functions from the status JSON to text; colour is the caller's decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

_GOOD = frozenset({"started", "running", "up"})
_BAD = frozenset({"failed", "lost", "stuck", "down"})
_EM_DASH = "–"
_LONG = 60
"""A reason of more characters is said once in an answer."""


class Paint:
    """Colours words, or leaves them as they are."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, colour: str, bold: bool = False) -> str:
        return click.style(text, fg=colour, bold=bold) if self._colour else text

    def state(self, text: str, width: int = 0) -> str:
        colour = "green" if text in _GOOD else "red" if text in _BAD else "yellow"
        return self(text.ljust(width), colour)


def span(milliseconds: float | None) -> str:
    """A span as people say it, two units at most: ``12 ms``, ``4.2 s``, ``3 min 5 s``, ``2 h 10 min``, ``5 d 3 h``."""
    if milliseconds is None:
        return _EM_DASH
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    for unit, length, lesser, short in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= length:
            rest = int(seconds % length // short)
            return f"{int(seconds // length)} {unit}" + (f" {rest} {lesser}" if rest else "")
    return f"{seconds:.1f} s"


def status_text(status: Mapping[str, Any], paint: Paint) -> str:
    """The whole of ``understudy status``."""
    from .render_pool import services_lines  # they are made of what stands here
    from .render_routers import only_routers, router_lines

    parts = [
        headline(status, paint),
        "" if only_routers(status) else node_lines(status, paint),
        group_lines(status, paint),
        router_lines(status, paint),
        services_lines(status.get("services") or (), paint),
        warning_lines(status, paint),
    ]
    return "\n\n".join(part for part in parts if part)


def headline(status: Mapping[str, Any], paint: Paint) -> str:
    """Which cluster, seen by whom, and whether with quorum; of a node with virtual routers and nothing else, how they are."""
    from .render_routers import headline_of, only_routers

    if only_routers(status):
        return headline_of(status, paint)
    quorum = status["quorum"]
    default = "partition with quorum" if quorum["quorate"] else "partition WITHOUT quorum"
    word = paint(quorum["text"] or default, "green" if quorum["quorate"] else "red", bold=True)
    votes = f"{quorum['policy']}: hears {quorum['have']} of {quorum['of']} votes, needs {quorum.get('needs') or quorum['votes']}"
    members = quorum.get("members") or []
    inside = f": {' '.join(members)}" if members else ""
    return f"Cluster {status['cluster']}, seen from {status['node']} at {status['at']}\n{word}{inside} ({votes})"


def node_lines(status: Mapping[str, Any], paint: Paint) -> str:
    nodes = status["nodes"]
    width = max((len(node["name"]) for node in nodes), default=0)
    lines = [paint("Nodes", "white", bold=True)]
    for node in nodes:
        words = []
        if node["role"] == "witness":
            words.append("witness")
        if node["standby"]:
            words.append(paint("draining" if node.get("draining") else "standby", "yellow"))
        state = node["state"]
        if node.get("leaving"):  # nobody has put it into standby, and nothing has happened to it
            gone = state == "lost"
            state = "stopped" if gone else state
            words.append(paint(f"cleanly {span(node['age_ms'])} ago" if gone else "being stopped", "yellow"))
        if node["config_differs"]:
            words.append(paint("other configuration", "red"))
        if state != "stopped":
            words.append(_how_heard(node, status["node"], paint))
        if node.get("hears_us") is False:
            words.append(paint(f"does not hear {status['node']}", "red"))
        if node.get("fencing"):
            words.append(paint(node["fencing"], "yellow"))
        lines.append(
            f"  {node['name'].ljust(width)}  {paint.state(state, 7)}  {', '.join(word for word in words if word)}"
        )
    return "\n".join(lines)


def _how_heard(node: Mapping[str, Any], me: str, paint: Paint) -> str:
    if node["name"] == me:
        return "this one"
    links = []
    for link in node["links"]:
        age = span(link["age_ms"]) if link["up"] else paint(f"down {span(link['age_ms'])}", "red")
        loss = link.get("loss") or 0.0
        lost = paint(f", loses {loss * 100:.0f} %", "red") if link["up"] and loss >= 0.01 else ""
        links.append(f"{link['network']} {age}{lost}")
    via = node["via"]
    if via == "direct":
        start = "heard directly"
    elif via is None:
        start = "not heard"
    else:
        start = f"heard through {via}"
    return ": ".join(part for part in (start, " · ".join(links)) if part)


def group_lines(status: Mapping[str, Any], paint: Paint) -> str:
    if not status["groups"]:
        return ""
    lines = [paint("Groups", "white", bold=True)]
    for group in status["groups"]:
        where = f"on {group['holder']}" if group["holder"] else "nowhere"
        line = f"  {paint(group['name'], 'white', bold=True)}  {paint.state(group['state'])} {where}"
        if group.get("up") is not None and (group.get("probes") or (group["state"] == "started" and not group["up"])):
            line += f", {paint('up', 'green') if group['up'] else paint('not up', 'red')}"
        if group.get("since"):
            line += f" since {group['since']} ({span(group['for_ms'])})"
        if group["lease_left_ms"] is not None:
            line += f", lease runs {span(group['lease_left_ms'])} more"
        lines.append(line)
        if group["why"]:
            lines.append(f"    why: {group['why']}")
        lines += [f"    asked: {paint(text, 'yellow')}" for text in asked_of(status, group)]
        lines += resource_lines(status, group, paint)
        lines += probe_lines(group.get("probes") or (), paint)
    return "\n".join(lines)


def resource_lines(status: Mapping[str, Any], group: Mapping[str, Any], paint: Paint) -> list[str]:
    """The parts of a group on the node that was asked: nobody else's are known. Of a group that another node holds only what
    should not be there; a witness has none.
    """
    me, holder = status.get("node"), group["holder"]
    shown = list(group["resources"]) if status.get("role") != "witness" else []
    if holder not in (None, me):
        shown = [item for item in shown if item["state"] != "stopped"]
    where = "" if holder == me else f" (on {me})"
    width = max((len(item["id"]) for item in shown), default=0)
    lines = []
    for item in shown:
        tail = f"  {item['text']}" if item["text"] else ""
        lines.append(f"    {item['id'].ljust(width)}  {paint.state(item['state'])}{where}{tail}")
    return lines


def probe_lines(probes: Sequence[Mapping[str, Any]], paint: Paint) -> list[str]:
    """What each probe says, and why it failed last."""
    width = max((len(item["name"]) for item in probes), default=0)
    lines = []
    for item in probes:
        since = "" if item["for_ms"] is None else f" for {span(item['for_ms'])}"
        failed = f"; failed {span(item['failed_ms'])} ago: {item['failure']}" if item["failure"] else ""
        state = "not asked now" if item["state"] == "unknown" else item["state"]
        lines.append(f"    probe {item['name'].ljust(width)}  {paint.state(state)}{since}{failed}  ({item['check']})")
    return lines


def not_up(group: Mapping[str, Any]) -> list[str]:
    """Why a group that has started is not up: a text for each probe that is down or has not answered often enough yet."""
    found = []
    for item in group.get("probes") or ():
        if item["state"] in ("down", "waiting"):
            failed = item["failure"] and item["failed_ms"] <= item["for_ms"]  # not one from before it was started anew
            found.append(f"probe {item['name']}{': ' + item['failure'] if failed else ' has not answered yet'}")
    return found


def asked_of(status: Mapping[str, Any], group: Mapping[str, Any]) -> list[str]:
    """What operators have asked for that group, or for all: who, since when, until when, why, and who does not know yet."""
    found = []
    for wish in status.get("wishes") or ():
        if wish["group"] not in ("", group["name"]):
            continue
        text = f"stopped by {wish['by']}" if wish["kind"] == "stopped" else f"in maintenance for {wish['by']}"
        left = wish["left_ms"]
        until = "until it is ended" if left is None else f"for another {span(left)}"
        text += f" since {_minute(wish['said_ms'])}, {until}"
        text += f": {wish['reason']}" if wish["reason"] else ""
        unknown = wish["unknown_to"]
        found.append(text + (f" ({', '.join(unknown)} did not hear of it yet)" if unknown else ""))
    if group.get("pinned"):
        found.append(f"moved here by an operator, until {group['holder']} cannot keep it or it is moved again")
    return found


def _minute(milliseconds: int) -> str:
    """A wall clock's reading (since 1970); readings that no calendar has become "?"."""
    from datetime import UTC, datetime  # most answers need no date, and status is to be quick

    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "?"


def warning_lines(status: Mapping[str, Any], paint: Paint) -> str:
    if not status["warnings"]:
        return ""
    return "\n".join([paint("Warnings", "yellow", bold=True), *(f"  {text}" for text in status["warnings"])])


def why_text(group: Mapping[str, Any], paint: Paint) -> str:
    """Why here and since when, why not on each of the other nodes, and what would move it or end the wait."""
    name = paint(group["name"], "white", bold=True)
    start = (
        f"{name} is {group['state']} on {group['holder']}"
        if group["holder"]
        else f"{name} runs nowhere ({group['state']})"
    )
    if group["holder"] and group.get("since"):
        start += f" since {group['since']} ({span(group['for_ms'])})"
    lines = [f"{start}: {group['why']}" if group["why"] else start]
    lines += [f"  not up: {text}" for text in not_up(group)]
    lines += [f"  not on {node}: {reason}" for node, reason in group["not_on"].items()]
    if group.get("prospects"):
        lines.append("  what would move it:" if group["holder"] else "  what would end the wait:")
        lines += [f"    {text}" for text in group["prospects"]]
    reasons = {*group["not_on"].values(), *group.get("unfit", {}).values()}
    return "\n".join(_once(lines, [reason for reason in reasons if len(reason) > _LONG]))


def _once(lines: list[str], reasons: list[str]) -> list[str]:
    """Each reason in full where it is said first, and "as above" after that: a failure's words are long."""
    said: set[str] = set()
    found = []
    for line in lines:
        for reason in sorted(reasons, key=len, reverse=True):
            if reason in said:
                line = line.replace(reason, "as above")
            elif reason in line:
                said.add(reason)
        found.append(line)
    return found


def history_line(entry: Mapping[str, Any], paint: Paint) -> str:
    colours = {"warning": "yellow", "error": "red"}
    where = f" [{entry['group']}]" if entry.get("group") else ""
    origin = f" {entry['origin']}" if entry.get("origin") else ""
    text = f"{entry['at']}{origin}{where} {entry['text']}"
    level = entry.get("level", "info")
    return paint(text, colours[level]) if level in colours else text
