"""``understudy check``: is this configuration good, how safe is it, and which outage is to be expected."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .check_heartbeat import as_json as heartbeat_json
from .check_heartbeat import examine_folder, summary
from .check_heartbeat import look_here as look_for_nodes
from .check_ldirectord import examine as examine_services
from .check_ldirectord import look_here as look_for_services
from .options import complete_member, config_id_option

if TYPE_CHECKING:
    from ..config.heartbeat import HeartbeatReading
    from ..config.ldirectord import LdirectordReading
    from ..errors import Problem
    from ..model import Cluster

SCHEMA = 1
"""Version of the ``--json`` form."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--node",
    metavar="NAME",
    shell_complete=complete_member,
    help="Look at this machine as member NAME. Default: the host name, if it is one.",
)
@click.option(
    "--here", is_flag=True, help="This machine is meant to be a node of Heartbeat's files: what it lacks is an error."
)
@config_id_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def command(
    context: click.Context, paths: tuple[str, ...], node: str | None, here: bool, config_id: str, as_json: bool
) -> None:
    """Judge configuration files and say in words what they promise.

    Prints every problem with file, line and column, what is wrong and how to mend it; then how safe the quorum policy is,
    which outage to expect, and which paths the heartbeats take. Nothing is changed and no daemon is needed, so it can be run
    anywhere the key file lies beside the configuration. On a member of the cluster it also says what that machine lacks:
    interfaces, programs, agents, the kernel's nftables.

    Where the OCF and fence agents that a file names are installed, they are asked for their metadata: parameters that they do
    not know, that are missing or of the wrong type are errors; time-outs shorter than they advise are warnings. The daemon
    itself does not ask them.

    A folder, such as /etc/ha.d, is read as the files of Heartbeat: ha.cf, haresources and authkeys. What Heartbeat refused is an
    error; what it let through, though it bites, is a warning. A keepalived.conf, or a folder that has one, is read as keepalived
    2.2.7 reads it: what makes keepalived exit, or lose a real server or a checker, is an error; what else it forgives a warning
    (docs/keepalived.md). An ldirectord.cf is read as ldirectord 1.186 reads it (docs/ldirectord.md); names in it are looked up,
    as it does.

    Of what is balanced it says which part of the kernel serves each service and why, nftables or IPVS. A service that neither can
    serve is an error; what is done otherwise than may be expected is a warning. The kernel of this machine is not asked.

    \b
    Exit codes:
      0  every file is good (there may be warnings)
      1  a file has errors, by itself or by what the agents of this machine say; or a service can be served by nothing
      2  the command line is wrong

    \b
    Examples:
      understudy check /etc/understudy/cluster.toml
      understudy check --json cluster.toml | jq .files[0].problems
      understudy check /etc/ha.d
      understudy check /etc/keepalived
      understudy check /etc/ha.d/ldirectord.cf
    """
    judged = [_judge(path, here, config_id) for path in paths]
    refused = any(_has_errors(each.problems) for each in judged)
    if as_json:
        files = [_file_json(each, node) for each in judged]
        click.echo(json.dumps({"schema": SCHEMA, "ok": not refused, "files": files}, indent=2))
    else:
        for number, each in enumerate(judged):
            if number:
                click.echo("")
            _show_file(each, node)
    if refused:
        context.exit(1)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One path. At most one of ``cluster``, ``old`` (a folder of Heartbeat's) and ``balanced`` (an ldirectord.cf) is there.

    ``lacks``: what this machine lacks for one of the latter two.
    """

    path: str
    problems: tuple[Problem, ...]
    cluster: Cluster | None = None
    old: HeartbeatReading | None = None
    balanced: LdirectordReading | None = None
    lacks: tuple[str, ...] = ()


def _judge(path: str, here: bool, config_id: str) -> _Judged:
    from ..config.load import is_keepalived
    from ..config.load_ldirectord import is_ldirectord

    if os.path.isdir(path) and not is_keepalived(path):
        old = examine_folder(path, here)
        return _Judged(path, old.problems, old=old, lacks=look_for_nodes(path, old, here))
    if is_ldirectord(path):
        from .check_services import judge

        balanced = examine_services(path)
        problems = (*balanced.problems, *judge(path, balanced.partly))
        return _Judged(path, problems, balanced=balanced, lacks=look_for_services(balanced.partly))
    cluster, problems = _examine(path, config_id)
    return _Judged(path, problems, cluster)


def _file_json(judged: _Judged, node: str | None) -> dict[str, Any]:
    file = _as_json(judged.path, judged.cluster, judged.problems, node)
    if judged.old is not None:
        file["heartbeat"] = heartbeat_json(judged.old.files)
    if judged.balanced is not None:
        from .check_services import as_json as services_json

        found = judged.balanced.files
        file["services"] = None if found is None else services_json(found)
    if judged.lacks:
        file["here"] = {"member": None, "warnings": list(judged.lacks)}
    return file


def _show_file(judged: _Judged, node: str | None) -> None:
    if judged.old is not None:
        _show_other(judged, None if judged.old.files is None else summary(judged.old.files))
    elif judged.balanced is not None:
        from .check_services import LDIRECTORD
        from .check_services import summary as services_summary

        found = judged.balanced.files
        _show_other(judged, None if found is None else services_summary(found, LDIRECTORD))
    else:
        _show(judged.path, judged.cluster, judged.problems, node)


def _examine(path: str, config_id: str) -> tuple[Cluster | None, tuple[Problem, ...]]:
    """The file by itself, then by what the agents of this machine say; problems in the order of the file."""
    from ..config.load import examine

    cluster, problems = examine(path, config_id=config_id)
    if cluster is None:
        return None, problems
    from .check_agents import judge_agents

    told = list(judge_agents(path, cluster))
    if cluster.services is not None:
        from .check_services import judge

        told += judge(path, cluster.services)
    found = sorted((*problems, *told), key=lambda item: (item.line == 0, item.line, item.column))
    return cluster, tuple(found)


def _has_errors(problems: tuple[Problem, ...]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _as_json(path: str, cluster: Cluster | None, problems: tuple[Problem, ...], node: str | None) -> dict[str, Any]:
    from ..config.advice import advice

    found = [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "text": problem.text,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    answer: dict[str, Any] = {
        "file": path,
        "ok": not _has_errors(problems),
        "problems": found,
        "cluster": None,
        "advice": [],
        "here": None,
    }
    if cluster is not None:
        answer["cluster"] = {
            "name": cluster.name,
            "digest": cluster.digest,
            "quorum": cluster.quorum.value,
            "votes": cluster.majority,
            "of": len(cluster.members),
            "heartbeat_ms": cluster.heartbeat / 1e6,
            "dead_time_ms": cluster.dead_time / 1e6,
            "nodes": [node.name for node in cluster.nodes],
            "witnesses": [name for name in cluster.names if name not in {node.name for node in cluster.nodes}],
            "groups": [group.name for group in cluster.groups],
            "networks": {
                network: [{"member": member, "address": address} for member, address in ends]
                for network, ends in _networks(cluster).items()
            },
        }
        if cluster.routers is not None:
            from .check_routers import as_json as routers_json

            answer["routers"] = routers_json(cluster.routers)
        if cluster.services is not None:
            from .check_services import as_json as services_json

            answer["services"] = services_json(cluster.services)
        answer["advice"] = list(advice(cluster))
        me, missing = _here(cluster, node)
        answer["here"] = None if me is None else {"member": me, "warnings": list(missing)}
    return answer


def _show(path: str, cluster: Cluster | None, problems: tuple[Problem, ...], node: str | None) -> None:
    from ..config.advice import advice

    errors, warnings = _show_problems(path, problems, cluster is None)
    if cluster is None:
        for sentence in _here_partly(path):
            click.echo(f"{_paint('warning', 'yellow')}: on this machine: {sentence}")
        return
    if errors:
        whose = " by the word of this machine's agents" if cluster.services is None else ""
        text = f"{path}: {_count(errors, 'error')}{whose}, {_count(warnings, 'warning')}"
        click.echo(_paint(text, "red"))
    else:
        click.echo(_paint(f"{path}: good, {_count(warnings, 'warning')}", "yellow" if warnings else "green"))
    for line in _summary(cluster):
        click.echo(f"  {line}")
    click.echo("")
    width = _width()
    for sentence in advice(cluster):
        click.echo(click.wrap_text(sentence, width, initial_indent="- ", subsequent_indent="  "))
    me, missing = _here(cluster, node)
    if me is not None:
        click.echo("")
        click.echo(f"On this machine, as {me}:" if missing else f"This machine has what {me} needs.")
        for sentence in missing:
            click.echo(f"{_paint('warning', 'yellow')}: {sentence}")


def _show_other(judged: _Judged, lines: list[str] | None) -> None:
    """A file that is no cluster: what is wrong, then what was read; ``lines`` None: nothing that is good."""
    errors, warnings = _show_problems(judged.path, judged.problems, lines is None)
    if lines is None:
        for sentence in judged.lacks:
            click.echo(f"{_paint('warning', 'yellow')}: on this machine: {sentence}")
        return
    said = "good" if not errors else _count(errors, "error")
    colour = "red" if errors else "yellow" if warnings else "green"
    click.echo(_paint(f"{judged.path}: {said}, {_count(warnings, 'warning')}", colour))
    for line in lines:
        click.echo(f"  {line}")
    if judged.lacks:
        click.echo("")
        click.echo("On this machine:")
        for sentence in judged.lacks:
            click.echo(f"{_paint('warning', 'yellow')}: {sentence}")


def _show_problems(path: str, problems: tuple[Problem, ...], refused: bool) -> tuple[int, int]:
    """The number of errors and of warnings. Of a file that is refused the errors stand last, where they are seen."""
    for problem in sorted(problems, key=lambda item: refused and item.severity == "error"):
        _show_problem(problem)
    errors = sum(1 for problem in problems if problem.severity == "error")
    warnings = len(problems) - errors
    if refused:
        click.echo(_paint(f"{path}: refused: {_count(errors, 'error')}, {_count(warnings, 'warning')}", "red"))
    elif problems:
        click.echo("")
    return errors, warnings


def _here_partly(path: str) -> tuple[str, ...]:
    """What this machine lacks for a keepalived.conf that is refused, as far as it can be read: mended in one go, not in two."""
    from ..config.load import examine_keepalived, is_keepalived
    from .check_routers import look_here

    files = examine_keepalived(path).partly if is_keepalived(path) else None
    return () if files is None else tuple(dict.fromkeys(look_here(files)))


def _here(cluster: Cluster, node: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Which member this machine is, if any, and what it lacks."""
    from .check_here import look_here, own_name

    me = own_name(cluster) if node is None else node
    if me is None:
        return None, ()
    if me not in cluster.names:
        raise click.UsageError(f"there is no node or witness {me!r}; known are {', '.join(cluster.names)}.")
    return me, look_here(cluster, me)


def _show_problem(problem: Problem) -> None:
    where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    severity = _paint(problem.severity, "red" if problem.severity == "error" else "yellow")
    click.echo(f"{_paint(where, None)}: {severity}: {problem.text}")
    if problem.hint:
        click.echo(f"    {problem.hint}")


def _summary(cluster: Cluster) -> list[str]:
    from ..units import format_duration
    from .check_routers import summary as routers_summary

    routers = [] if cluster.routers is None else routers_summary(cluster.routers)
    if cluster.services is not None:
        from .check_services import summary as services_summary

        routers += services_summary(cluster.services)
    if cluster.routers is not None and not cluster.key_file:
        return [f"virtual routers of {cluster.names[0]}, digest {cluster.digest}", *routers]
    lines = [
        f"cluster {cluster.name}, digest {cluster.digest}",
        f"heartbeat every {format_duration(cluster.heartbeat)}, dead time {format_duration(cluster.dead_time)}",
        f"quorum {cluster.quorum.value}: {cluster.majority} of {len(cluster.members)} votes"
        if cluster.quorum.value == "majority"
        else f"quorum {cluster.quorum.value}",
    ]
    for network, ends in _networks(cluster).items():
        lines.append(f"network {network}: " + ", ".join(f"{member} {address}" for member, address in ends))
    if cluster.api is not None:
        where = (f"{member or 'every member'} {address} port {port}" for member, address, port in cluster.api.listen)
        lines.append(f"API over TCP, with TLS and tokens: {', '.join(where)}")
    for group in (each for each in cluster.groups if not each.ranks):
        order = [*group.prefer, *(node.name for node in cluster.nodes if node.name not in group.prefer)]
        runs = ", ".join(resource.id for resource in group.resources) or "nothing"
        probes = f"; probes: {', '.join(probe.name for probe in group.probes)}" if group.probes else ""
        lines.append(f"group {group.name} on {' then '.join(order)}: {runs}{probes}")
    return lines + routers


def _networks(cluster: Cluster) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for member in cluster.members:
        for link in member.links:
            found.setdefault(link.network, []).append((member.name, link.address))
    return found


def _count(number: int, what: str) -> str:
    return f"no {what}s" if number == 0 else f"{number} {what}{'' if number == 1 else 's'}"


def _paint(text: str, colour: str | None) -> str:
    """Colour only for a person at a terminal who did not refuse it (no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=True)


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((100, 24)).columns, 120) if sys.stdout.isatty() else 100
