"""``understudy agents``: which agents this machine has, and what each of them takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..adapters.agent_catalogue import Agent, Line

SCHEMA = 1
"""Version of the ``--json`` form."""


def _complete(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """For the shell: full names, and short ones where nothing else is called so."""
    from collections import Counter

    from ..adapters.agent_catalogue import find_agents

    agents = find_agents()
    bare = Counter(agent.bare for agent in agents)
    names = [agent.name for agent in agents] + [name for name, count in bare.items() if count == 1]
    return [name for name in dict.fromkeys(names) if name.startswith(start)]


@click.command()
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_complete)
@click.option("--fresh", is_flag=True, help="Ask every agent again instead of believing what was remembered.")
@json_option
@click.pass_context
def command(context: click.Context, name: str | None, fresh: bool, as_json: bool) -> None:
    """List the agents on this machine; with NAME, show what that one takes.

    Four kinds are found: OCF resource agents of all providers, init scripts, fence agents, and STONITH plugins of the old
    kind. NAME is written as in the list ("heartbeat:IPaddr2"), or shorter where that is clear ("IPaddr2", "ipmi"). Shown are
    the parameters with type, default and meaning, the actions with the times that the agent advises, and how it stands in the
    configuration file. All of it is the agent's own word, asked for with its action meta-data; nothing is started.

    Short descriptions are remembered under /var/cache/understudy (for other users than root, in their own cache directory).

    \b
    Exit codes: 0 shown, 1 the agent does not say what it is, 2 there is no such agent.

    \b
    Examples:
      understudy agents
      understudy agents IPaddr2
      understudy agents fence_ipmilan --json | jq '.parameters[].name'
    """
    from ..adapters.agent_catalogue import find_agents

    found = find_agents()
    if name is None:
        _list(found, fresh, as_json)
    else:
        context.exit(_show(_choose(name, found), as_json))


def _choose(name: str, agents: Sequence[Agent]) -> tuple[Agent, tuple[Agent, ...]]:
    """The agent of that name, and others that share its short name. Raises UsageError with the nearest name."""
    import difflib

    from ..errors import UsageError

    wanted = name.removeprefix("ocf:").removeprefix("lsb:")
    exact = [agent for agent in agents if wanted in (agent.name, agent.path)]
    bare = [agent for agent in agents if wanted == agent.bare]
    folded = [agent for agent in agents if wanted.lower() == agent.bare.lower()]
    # As in the configuration, a bare type means the provider heartbeat.
    standard = [agent for agent in bare if agent.name == f"heartbeat:{wanted}"]
    for some in (standard, exact, bare, folded):
        if some:
            rest = (*exact, *bare, *folded)
            return some[0], tuple(agent for agent in dict.fromkeys(rest) if agent != some[0])
    names = {key.lower(): agent.name for agent in agents for key in (agent.bare, agent.name)}
    close = difflib.get_close_matches(wanted.lower(), names, 3, 0.6)
    close += [key for key in names if wanted.lower() in key and key not in close]
    hint = " or ".join(repr(item) for item in list(dict.fromkeys(names[key] for key in close))[:3])
    if not agents:
        raise UsageError(
            f"there is no agent {name!r}: none at all was found here", "Debian: resource-agents, fence-agents"
        )
    raise UsageError(f"there is no agent {name!r} here", f"did you mean {hint}?" if hint else "list: understudy agents")


def _list(agents: Sequence[Agent], fresh: bool, as_json: bool) -> None:
    import asyncio

    from ..adapters.agent_catalogue import cache_path, list_lines
    from .render_agents import listing_text
    from .render_text import Paint
    from .terminal import Progress, print_json, say, wants_colour

    progress = Progress()

    def show(done: int, name: str) -> None:
        progress.show(f"asking agents what they are: {done} of {len(agents)} ({name})")

    try:
        lines = asyncio.run(list_lines(agents, cache_path(), fresh, show))
    except KeyboardInterrupt:
        raise click.Abort from None
    finally:
        progress.clear()
    if as_json:
        print_json({"schema": SCHEMA, "agents": [_line_json(line) for line in lines]})
    else:
        say(listing_text(lines, Paint(wants_colour())))


def _line_json(line: Line) -> dict[str, str]:
    agent = line.agent
    return {
        "kind": agent.kind.value,
        "name": agent.name,
        "path": agent.path,
        "short": line.short,
        "trouble": line.trouble,
    }


def _show(chosen: tuple[Agent, tuple[Agent, ...]], as_json: bool) -> int:
    import asyncio

    from ..adapters.agent_catalogue import describe
    from ..adapters.agent_metadata import NotMetadata
    from .render_agents import agent_json, agent_text
    from .render_text import Paint
    from .terminal import Progress, print_json, say, wants_colour

    agent, others = chosen
    progress = Progress()
    progress.show(f"asking {agent.name} what it is")
    try:
        description = asyncio.run(describe(agent))
    except NotMetadata as reason:
        progress.clear()
        click.echo(f"understudy: {agent.name} ({agent.path}) does not say what it is: {reason}", err=True)
        return 1
    finally:
        progress.clear()
    if as_json:
        print_json({"schema": SCHEMA, **agent_json(agent, description)})
        return 0
    say(agent_text(agent, description, Paint(wants_colour())))
    if others:
        click.echo(f"\nThe name also fits: {', '.join(other.name for other in others)}", err=True)
    return 0
