"""Services and their real servers as a person reads them in a terminal. Pure functions from the balancer's JSON to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .render_text import Paint, span

_COLOURS = {"up": "green", "down": "red", "fallback": "yellow"}
_HEAD = ("server", "state", "weight", "active", "total", "conn/s", "since")


def pool_text(answer: Mapping[str, Any], paint: Paint) -> str:
    """The whole of ``understudy pool``."""
    parts = [service_text(each, paint) for each in answer["services"]]
    parts += [_sync_line(answer["sync"])] if answer.get("sync") else []
    parts += [paint(f"! {text}", "yellow") for text in answer.get("warnings", ())]
    return "\n\n".join(parts) if parts else "nothing is balanced here"


def _sync_line(sync: Mapping[str, Any]) -> str:
    does = " and ".join(state for state in ("master", "backup") if sync[state])
    said = f"connections are synchronised by {sync['device']} (id {sync['identifier']})"
    return f"{said}: {does}, because {sync['why']}"


def service_line(service: Mapping[str, Any]) -> str:
    """One line for ``status`` and ``why``."""
    servers = [each for each in service["servers"] if each["state"] != "fallback"]
    up = sum(each["state"] == "up" for each in servers)
    where = "" if service["serving"] else ", ready: its address is not here"
    rest = f"; the kernel refuses a change: {service['trouble']}" if service["trouble"] else ""
    return f"{service['name']}: {up} of {len(servers)} servers up{where}; {service['why']}{rest}"


def services_lines(services: Sequence[Mapping[str, Any]], paint: Paint) -> str:
    """All of them, for ``understudy status``; "" for none."""
    if not services:
        return ""
    lines = [paint("Services", "white", bold=True)]
    for each in services:
        bad = not each["quorum"] or each["trouble"]
        lines.append(f"  {paint(service_line(each), 'red') if bad else service_line(each)}")
    return "\n".join(lines)


def service_text(service: Mapping[str, Any], paint: Paint) -> str:
    """One service and a line for each server; what its last failure said below it."""
    words = [", ".join(service["keys"]), service["scheduler"], service["plane"]]
    head = f"{paint(service['name'], 'white', bold=True)}  {'  '.join(word for word in words if word)}"
    state = "serving" if service["serving"] else f"ready, not serving: the address of {service['group']} is not here"
    if service["fallback"]:
        state += ", by the fallback"
    lines = [head, f"  {paint(state, 'green' if service['quorum'] else 'red')}: {service['why']}"]
    if service["trouble"]:
        lines.append(f"  {paint('the kernel refuses a change', 'red')}: {service['trouble']}")
    rows = [_row(each) for each in service["servers"]]
    widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
    if rows:
        lines.append("  " + _aligned(_HEAD, widths).rstrip())
    for each, row in zip(service["servers"], rows, strict=True):
        colour = _COLOURS.get(each["state"], "yellow")
        text = _aligned(row, widths)
        at = widths[0] + 2
        lines.append(f"  {text[:at]}{paint(text[at : at + widths[1]], colour)}{text[at + widths[1] :]}".rstrip())
        wished = each.get("wished")
        by_hand = [] if wished is None else [f"its weight of {wished} is set by an operator"]
        if each["state"] != "up" or each["weight"] != each["wanted"]:
            said = [f"{probe['asks']}: {probe['failure']}" for probe in each["probes"]]  # as the pool puts it
            lines += [f"    {each['why']}"] if each["why"] not in (*said, *by_hand) else []
        lines += [f"    {text}" for text in by_hand]
        lines += [f"    {text}" for text in probe_texts(each)]
    return "\n".join(lines)


def probe_texts(server: Mapping[str, Any]) -> list[str]:
    """What is asked and what came of it, where it is not simply good."""
    found = []
    for probe in server["probes"]:
        if probe["up"] is None:
            found.append(f"{probe['asks']}: not answered yet")
        elif probe["failure"]:
            word = "the last failure" if probe["up"] else "fails"
            found.append(f"{probe['asks']} {word}: {probe['failure']}")
    return found


def _row(server: Mapping[str, Any]) -> tuple[str, ...]:
    rate = server["connections_per_second"]
    weight = str(server["weight"]) if server["in_table"] else f"- ({server['wanted']})"
    if server["in_table"] and server["weight"] != server["wanted"]:
        weight = f"{server['weight']} ({server['wanted']})"
    return (
        server["name"],
        server["state"],
        weight,
        "-" if server["active"] is None else str(server["active"]),
        str(server["connections"]),
        "-" if rate is None else f"{rate:.1f}",
        span(server["for_ms"]),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    return "  ".join(
        text.ljust(width) if i < 2 or i == len(widths) - 1 else text.rjust(width)
        for i, (text, width) in enumerate(zip(row, widths, strict=True))
    )
