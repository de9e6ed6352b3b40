"""``understudy run``: judge the configuration, say how safe it is, then become the supervisor."""

from __future__ import annotations

import click

SPARE_BELOW = 600_000_000
"""Nanoseconds of dead time. A pulse from scratch sends its first heartbeat after some 200 ms on a busy machine (measured)."""

_HELP = """\
Run this machine's part of the cluster, until it is told to stop.

\b
The configuration is checked first: with errors nothing is started. Then
these processes run:
  supervisor   this one; starts the others again when they end
  pulse        heartbeats, leases, addresses; at real-time priority if permitted
  manager      programs and agents, history, the control socket
and on a node with a dead time of at most 600 ms a spare pulse waits, so that a
dead one is replaced at once (25 MB; with longer ones a fresh start is in time).

SIGTERM or Ctrl-C hands the groups over to other machines and ends; a second one
ends at once, without handing over. Killing the supervisor alone stops nothing:
start the same command again and it takes charge of what runs.

A witness is the same command with the witness's name.

\b
Exit codes:
  0  clean stop
  1  stopped at once, or the configuration has errors
  2  wrong use, or the pulse refused the configuration
  75 another supervisor runs with this runtime directory

\b
Examples:
  understudy run --config /etc/understudy/cluster.toml
  understudy run --config site.toml --node arbiter
"""


@click.command(name="run", help=_HELP, short_help="Run this machine's part of the cluster.")
@click.option("--config", required=True, metavar="FILE", help="The cluster's configuration, the same on every machine.")
@click.option("--node", metavar="NAME", help="Which member of the cluster this is. Default: the host name.")
@click.option(
    "--runtime-dir",
    default="/run/understudy",
    show_default=True,
    envvar="UNDERSTUDY_RUNTIME_DIR",
    metavar="DIR",
    help="Sockets and locks; on a file system in memory.",
)
@click.option(
    "--state-dir",
    default="/var/lib/understudy",
    show_default=True,
    envvar="UNDERSTUDY_STATE_DIR",
    metavar="DIR",
    help="History, and whether this node is in standby.",
)
@click.option(
    "--stop-limit",
    default="300s",
    show_default=True,
    metavar="TIME",
    help="How long handing over may take when asked to stop; then it ends at once.",
)
def command(config: str, node: str | None, runtime_dir: str, state_dir: str, stop_limit: str) -> None:
    import os
    import socket
    import sys

    from ..config.advice import advice
    from ..config.load import examine
    from ..model import Role
    from ..units import SECOND, parse_duration

    try:
        seconds = parse_duration(stop_limit) / SECOND
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--stop-limit") from None
    cluster, problems = examine(config)
    for problem in problems:
        click.echo(str(problem), err=True)
    if cluster is None:
        raise SystemExit(1)
    name = node or _own_name(socket.gethostname(), cluster.names)
    if name not in cluster.names:
        known = ", ".join(cluster.names)
        raise click.UsageError(
            f"{config}: there is no node or witness {name!r}; known are {known}. Choose one with --node."
        )
    for sentence in advice(cluster):
        click.echo(f"understudy: {sentence}", err=True)
    sys.stderr.flush()
    arguments = ["--config", config, "--node", name, "--runtime-dir", runtime_dir, "--state-dir", state_dir]
    if cluster.member(name).role is Role.WITNESS or cluster.dead_time > SPARE_BELOW:
        arguments.append("--no-spare")  # it runs nothing, or a restart from scratch is fast enough
    python = sys.executable
    os.execv(
        python,
        [python, "-P", "-s", "-m", "understudy.supervisor", *arguments, "--stop-limit", f"{seconds:.3f}"],
    )


def _own_name(host: str, names: tuple[str, ...]) -> str:
    """The host name as it is, or without its domain when only that is a member."""
    short = host.partition(".")[0]
    return short if host not in names and short in names else host
