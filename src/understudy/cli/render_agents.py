"""Agents as a person reads them, and as blocks of a configuration file. Pure functions of what the agents say."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from ..adapters.agent_catalogue import Agent, AgentKind, Line
from ..adapters.agent_metadata import Description, Parameter, span_text
from ..adapters.fence_metadata import SET_BY_US
from ..config.resources import PARAMETER_NAME
from ..model import Limits
from .render_text import Paint

WIDTH = 100
HEADINGS = {
    AgentKind.OCF: 'OCF resource agents: ocf = "PROVIDER:TYPE" in a resource',
    AgentKind.LSB: 'Init scripts: lsb = "NAME" in a resource',
    AgentKind.FENCE: 'Fence agents: agent = "NAME" in [fence.*]',
    AgentKind.EXTERNAL: 'STONITH plugins of the old kind: external = "NAME" in [fence.*]',
}


def listing_text(lines: Sequence[Line], paint: Paint) -> str:
    """All agents with one line each, by kind."""
    if not lines:
        return "no agents were found; Debian's packages resource-agents and fence-agents have them"
    parts = []
    for kind, heading in HEADINGS.items():
        some = [line for line in lines if line.agent.kind is kind]
        if not some:
            continue
        width = max(len(line.agent.name) for line in some)
        rows = [paint(f"{heading} ({len(some)})", "white", bold=True)]
        for line in some:
            text = paint(f"does not say what it is: {line.trouble}", "red") if line.trouble else line.short
            rows.append(f"  {line.agent.name.ljust(width)}  {text}".rstrip())
        parts.append("\n".join(rows))
    return "\n\n".join([*parts, "What one of them takes: understudy agents NAME"])


def agent_text(agent: Agent, description: Description, paint: Paint) -> str:
    """Everything about one agent."""
    head = [paint(agent.name, "white", bold=True) + f"  {agent.path}"]
    if description.short:
        head.append(description.short)
    parts = ["\n".join(head)]
    if description.long and description.long != description.short:
        parts.append("\n".join(_wrapped(part, "") for part in description.long.splitlines()))
    if description.parameters:
        shown = [_parameter_text(item, agent, paint) for item in _ordered(description.parameters)]
        parts.append("\n".join([paint("Parameters", "white", bold=True), *shown]))
    if any(action.timeout is not None for action in description.actions):
        rows = [paint("Actions, with the times that the agent advises", "white", bold=True)]
        rows += [f"  {row}" for row in _action_rows(description)]
        parts.append("\n".join(rows))
    elif description.actions:
        names = ", ".join(dict.fromkeys(action.name for action in description.actions))
        parts.append(paint("Actions", "white", bold=True) + f"\n  {names}")
    parts.append(
        paint("In the configuration", "white", bold=True) + "\n" + textwrap.indent(example(agent, description), "  ")
    )
    return "\n\n".join(parts)


def _ordered(parameters: Sequence[Parameter]) -> list[Parameter]:
    """What must be given first."""
    return sorted(parameters, key=lambda item: not item.required)


def _parameter_text(item: Parameter, agent: Agent, paint: Paint) -> str:
    words = []
    if agent.kind is AgentKind.FENCE and item.name in SET_BY_US:
        words.append("set by Understudy")
    elif item.required:
        words.append(paint("required", "yellow"))
    words += ["unique"] if item.unique else []
    words.append(item.type)
    words += [f"default {item.default}"] if item.default else []
    words += [f"one of {', '.join(item.options)}"] if item.options else []
    words += ["deprecated"] if item.deprecated else []
    words += [f"also called {item.also}"] if item.also else []
    rows = [f"  {paint(item.name, 'cyan')}  ({', '.join(words)})"]
    if item.short and item.short.rstrip(".").lower() not in item.long.lower():
        rows.append(_wrapped(item.short, "      "))
    rows += [_wrapped(part, "      ") for part in item.long.splitlines()]
    return "\n".join(rows)


def _action_rows(description: Description) -> list[str]:
    rows = []
    width = max(len(action.name) for action in description.actions)
    for action in description.actions:
        words = [f"time-out {span_text(action.timeout)}"] if action.timeout is not None else []
        words += [f"every {span_text(action.interval)}"] if action.interval else []
        words += [f"depth {action.depth.strip()}"] if action.depth.strip() not in ("", "0") else []
        words += [f"as {action.role}"] if action.role else []
        rows.append(f"{action.name.ljust(width)}  {', '.join(words)}".rstrip())
    return rows


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


# -- the block for the configuration ------------------------------------------------------------------------------------


def example(agent: Agent, description: Description) -> str:
    """A block that ``understudy check`` accepts once the dots are filled in."""
    if agent.kind is AgentKind.LSB:
        return f"[[groups.NAME.resources]]\nlsb = {_text(agent.name)}"
    required = [item for item in description.parameters if item.required and PARAMETER_NAME.fullmatch(item.name)]
    if agent.kind is AgentKind.OCF:
        lines = ["[[groups.NAME.resources]]", f"ocf = {_text(agent.name)}"]
        lines += [f"params.{item.name} = {_value(item)}" for item in required]
        return "\n".join(lines + _times(description))
    word = "agent" if agent.kind is AgentKind.FENCE else "external"
    lines = ["[fence.NAME]", f"{word} = {_text(agent.name)}"]
    plug = agent.kind is AgentKind.FENCE and any(item.name in ("port", "plug") for item in description.parameters)
    lines.append('nodes = { NODE = "PLUG" }' if plug else 'nodes = ["NODE"]')
    asked = [item for item in required if not (agent.kind is AgentKind.FENCE and item.name in SET_BY_US)]
    return "\n".join([*lines, *(f"parameters.{item.name} = {_value(item)}" for item in asked)])


def _times(description: Description) -> list[str]:
    """Only what differs from our own defaults: a time-out that is longer, and an interval that is another one."""
    lines = []
    for action, ours in (("start", Limits().start), ("stop", Limits().stop), ("monitor", Limits().monitor)):
        advised = description.advised(action)
        if advised is not None and advised.timeout is not None and advised.timeout > ours:
            lines.append(f"{action}_timeout = {_text(span_text(advised.timeout))}")
    monitor = description.advised("monitor")
    if monitor is not None and monitor.interval and monitor.interval != Limits().interval:
        lines.append(f"interval = {_text(span_text(monitor.interval))}")
    return lines


def _value(item: Parameter) -> str:
    if item.type == "boolean":
        return "true"
    if item.type == "integer":
        return item.default if item.default and item.default.isdigit() else "0"
    return _text(item.default or (item.options[0] if item.options else "..."))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# -- for programs -------------------------------------------------------------------------------------------------------


def agent_json(agent: Agent, description: Description) -> dict[str, Any]:
    """One agent. Time-outs and intervals are milliseconds, null where the agent advises none."""
    return {
        "kind": agent.kind.value,
        "name": agent.name,
        "path": agent.path,
        "version": description.version,
        "short": description.short,
        "long": description.long,
        "parameters": [
            {
                "name": item.name,
                "required": item.required,
                "unique": item.unique,
                "type": item.type,
                "default": item.default,
                "options": list(item.options),
                "deprecated": item.deprecated,
                "also": item.also,
                "short": item.short,
                "long": item.long,
            }
            for item in description.parameters
        ],
        "actions": [
            {
                "name": item.name,
                "timeout_ms": None if item.timeout is None else item.timeout / 1e6,
                "interval_ms": None if item.interval is None else item.interval / 1e6,
                "depth": item.depth,
                "role": item.role,
            }
            for item in description.actions
        ],
        "example": example(agent, description),
    }
