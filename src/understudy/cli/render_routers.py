"""Virtual routers as a person reads them in a terminal. Pure functions from the status JSON to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .render_text import Paint, span

_COLOURS = {"MASTER": "green", "BACKUP": "cyan", "FAULT": "red"}
_FEW = 4
"""Addresses that are shown; of more their number."""


def routers_of(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """None of a daemon that does not know of them yet."""
    return status.get("virtual_routers") or ()


def only_routers(status: Mapping[str, Any]) -> bool:
    """Whether there is nothing else: no cluster around them."""
    return bool(routers_of(status)) and not status["nodes"] and not status["groups"]


def headline_of(status: Mapping[str, Any], paint: Paint) -> str:
    """The first lines where there is no cluster: how many are what."""
    routers = routers_of(status)
    counts = {state: sum(router["state"] == state for router in routers) for state in (*_COLOURS, "INIT", "STOP")}
    words = [f"{count} {state_word(state, paint)}" for state, count in counts.items() if count]
    return f"Virtual routers of {status['node']} at {status['at']}\n{', '.join(words)}"


def state_word(state: str, paint: Paint, width: int = 0) -> str:
    return paint(state.ljust(width), _COLOURS.get(state, "yellow"))


def router_lines(status: Mapping[str, Any], paint: Paint) -> str:
    """All of them, for ``understudy status``; "" when there is none."""
    routers = routers_of(status)
    if not routers:
        return ""
    width = max(len(router["name"]) for router in routers)
    lines = [paint("Virtual routers", "white", bold=True)]
    for router in routers:
        name = paint(router["name"].ljust(width), "white", bold=True)
        line = f"  {name}  {state_word(router['state'], paint, 6)} {_since(router)}, {priority_text(router)}"
        if text := master_text(router):
            line += f"; {text}"
        lines.append(line)
        if text := reason_text(router):
            lines.append(f"    {text}")
        lines.append(f"    {place_text(router)}")
        bad = [f"{what} {word}" for what, word in router["tracks"].items() if word not in ("up", "0")]
        if bad:
            lines.append(f"    tracks: {paint(', '.join(bad), 'yellow')}")
    lines += [f"  {text}" for text in groups_of(routers).values()]
    return "\n".join(lines)


def groups_of(routers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A line for each sync group, by its name."""
    names = dict.fromkeys(router.get("group", "") for router in routers)
    members = {name: [each["name"] for each in routers if each.get("group", "") == name] for name in names if name}
    return {name: f"sync group {name}: {', '.join(found)}" for name, found in members.items()}


def router_why(router: Mapping[str, Any], paint: Paint) -> str:
    """For ``understudy why ROUTER``: the state and its reason, the priority and what makes it, who is master, and what would
    change the state.
    """
    name = paint(router["name"], "white", bold=True)
    start = f"{name} is {state_word(router['state'], paint)} {_since(router)}"
    lines = [f"{start}: {router.get('outlook') or router['why']}".removesuffix(": ")]
    if router["state"] in ("MASTER", "BACKUP") and router["why"]:
        lines = [f"{start}: {router['outlook']}" if router.get("outlook") else start]
        lines.append(f"  it became {router['state']}: {router['why']}")
    lines.append(f"  {place_text(router)}")
    lines.append(f"  {priority_text(router)}")
    if text := master_text(router):
        lines.append(f"  {text}")
    if router.get("refused"):
        lines.append(f"  {paint(router['refused'], 'yellow')}")
    if router["faults"]:
        lines.append("  what is missing:")
        lines += [f"    {paint(fault, 'red')}" for fault in router["faults"]]
    if router["tracks"]:
        lines.append("  what it tracks:")
        lines += [f"    {what}: {word}" for what, word in router["tracks"].items()]
    lines += [f"  what would change it: {text}" for text in prospects(router)]
    return "\n".join(lines)


def priority_text(router: Mapping[str, Any]) -> str:
    """With what tracking has made of it."""
    now, base = router["priority"], router["base_priority"]
    if now == 255:
        return "priority 255 (it owns the addresses)"
    if now == base:
        return f"priority {now}"
    change = f"tracking takes {base - now} away" if now < base else f"tracking adds {now - base}"
    return f"priority {now} ({base}, and {change})"


def reason_text(router: Mapping[str, Any]) -> str:
    """Why it is in its state: for a backup as it is now, for the others what made it so."""
    if router.get("outlook"):
        return f"why: {router['outlook']}"
    if not router["why"]:
        return ""
    return f"it became MASTER: {router['why']}" if router["state"] == "MASTER" else f"why: {router['why']}"


def master_text(router: Mapping[str, Any]) -> str:
    """Who is master; "" where it is this one, or where nobody can be heard (FAULT)."""
    if router["state"] == "MASTER":
        return ""
    if not router["master"]:
        return "no master is heard" if router["state"] == "BACKUP" else ""
    return f"master is {router['master']} with priority {router['master_priority']}"


def place_text(router: Mapping[str, Any]) -> str:
    """Which addresses, where, and how it speaks."""
    addresses = router["addresses"]
    more = f" and {len(addresses) - _FEW} more" if len(addresses) > _FEW else ""
    shown = ", ".join(addresses[:_FEW]) or "no address"
    return f"{shown}{more} on {router['device']} (VRID {router['vrid']}, VRRP version {router['version']})"


def prospects(router: Mapping[str, Any]) -> list[str]:
    """What would change its state, as far as this machine can know."""
    state, master = router["state"], router["master"]
    if state == "MASTER":
        if router["priority"] == 255:
            return ["a stop, or a fault here: nobody has a higher priority"]
        return [f"an advertisement with a higher priority than {router['priority']}, a fault here, or a stop"]
    if state == "FAULT":
        return ["as soon as nothing of that is missing any more it is BACKUP, and waits as after a start"]
    if state != "BACKUP":
        return []
    if not master:
        return ["it becomes master when it has heard nobody for long enough"] if not router.get("outlook") else []
    found = [f"it takes over when {master} says goodbye or falls silent"]
    if router["priority"] < router["master_priority"]:
        found.append(f"or when its own priority is higher than {router['master_priority']}, where it preempts")
    return found


def _since(router: Mapping[str, Any]) -> str:
    spent = span(router["for_ms"])
    return f"since {router['since']} ({spent})" if router.get("since") else f"for {spent}"
