"""``understudy run``: judge the configuration, say how safe it is, then become the supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .options import complete_member, config_id_option

if TYPE_CHECKING:
    from ..errors import Problem
    from ..model import Cluster

EXIT_REFUSED = 2
"""Starting again is useless before somebody has mended the file; the systemd unit knows this code."""

SPARE_BELOW = 600_000_000
"""Nanoseconds of dead time. A pulse from scratch sends its first heartbeat after some 200 ms on a busy machine (measured)."""

_HELP = """\
Run this machine's part of the cluster, until it is told to stop.

\b
The configuration is checked first: with errors nothing is started. What was
accepted is copied to the runtime directory (running.toml, running.key), and
only the copy counts: an edited file changes nothing before "understudy reload"
or SIGHUP takes it up, and "understudy status" says that it differs. Then these
processes run:
  supervisor   this one; starts the others again when they end
  pulse        heartbeats, leases, addresses; at real-time priority if permitted
  manager      programs and agents, history, the control socket
  balancer     checks of real servers and the kernel's table of them; only where
               the configuration has services (docs/balancing.md)
and on a node with a dead time of at most 600 ms a spare pulse waits, so that a
dead one is replaced at once (25 MB; with longer ones a fresh start is in time).

FILE may be a keepalived.conf, or a folder that has one: then this machine is
the VRRP routers that it names, beside keepalived or other routers, and
balances what its virtual_server blocks say. FILE may be an ldirectord.cf: then
this machine balances what it says, wherever its addresses come from.

FILE may be a folder with Heartbeat's files, such as /etc/ha.d: then this node
speaks the protocol of Heartbeat 3 with the other one (docs/heartbeat.md). What
they say is copied as well; edited files count from the next start. When the
pair has gone over to the native protocol (understudy upgrade), the native file
is taken in the place of the folder.

SIGHUP takes up the edited file, as "understudy reload --yes" does; what came of
it stands in the log and in "understudy history".
SIGTERM or Ctrl-C hands the groups over to other machines and ends; a second one
ends at once, without handing over. Killing the supervisor alone stops nothing:
start the same command again and it takes charge of what runs, with the
configuration that it runs with.

A witness is the same command with the witness's name.

\b
Exit codes:
  0  clean stop: nothing of this node's groups runs here any more
  1  any other stop (the log names what may still run), or a start that may
     succeed later: no member has this machine's host name, no room for files,
     an interface or address that Heartbeat's files need is not there yet,
     a name in ldirectord.cf has no address yet,
     keepalived runs on this machine beside virtual routers,
     ldirectord or keepalived balances on it beside services
  2  wrong use, or the configuration is refused: starting again is useless
  75 another supervisor runs with this runtime directory

\b
Examples:
  understudy run --config /etc/understudy/cluster.toml
  understudy run --config site.toml --node arbiter
  understudy run --config /etc/ha.d
  understudy run --config /etc/keepalived/keepalived.conf --config-id left
"""


@click.command(name="run", help=_HELP, short_help="Run this machine's part of the cluster.")
@click.option(
    "--config",
    required=True,
    metavar="FILE",
    type=click.Path(),
    help="The cluster's configuration, the same on every machine; or a keepalived.conf, or a folder with Heartbeat's files.",
)
@click.option(
    "--node",
    metavar="NAME",
    shell_complete=complete_member,
    help="Which member of the cluster this is. Default: the host name.",
)
@config_id_option
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
    help="What lasts: history, standby, what operators stopped or put into maintenance.",
)
@click.option(
    "--stop-limit",
    default="300s",
    show_default=True,
    metavar="TIME",
    help="How long handing over may take when asked to stop; then it ends at once.",
)
@click.option(
    "--log",
    "log_form",
    type=click.Choice(["auto", "json"]),
    default="auto",
    show_default=True,
    help="How the processes write on standard error: lines for people (fields where it leads to systemd's journal), or JSON.",
)
def command(
    config: str, node: str | None, config_id: str, runtime_dir: str, state_dir: str, stop_limit: str, log_form: str
) -> None:
    import os
    import socket
    import sys

    from ..adapters import running
    from ..config.advice import advice
    from ..config.groups import stop_time
    from ..config.load import CONFIG_ID
    from ..config.render import is_alone
    from ..config.validate import CLEAN_STOP
    from ..logline import VARIABLE
    from ..model import Role
    from ..supervisor.place import occupy
    from ..units import SECOND, format_duration, parse_duration
    from .edge_scripts import run_startup, shutdown_arguments
    from .run_upgraded import what_counts

    os.environ[VARIABLE] = log_form
    os.environ[CONFIG_ID] = config_id  # who takes up the edited file later must read it in the same way
    try:
        limit = parse_duration(stop_limit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--stop-limit") from None
    config = what_counts(config, runtime_dir, state_dir, node or socket.gethostname(), _tell)
    accepted = _accepted(config, runtime_dir, node, config_id)
    cluster = accepted.cluster
    name = _who(config, cluster, accepted.node or node)
    _alone_here(accepted, name)
    lock = occupy(runtime_dir, state_dir)
    if accepted.fresh:
        if running.is_in_use(runtime_dir):  # started since we looked, by a supervisor that is gone already
            raise SystemExit(1)
        # Only now: nobody else can be about to write or to start anything here.
        _keep(accepted, name, runtime_dir, state_dir)
        run_startup(cluster, _tell)
    for group in cluster.groups:
        if limit < stop_time(group) <= CLEAN_STOP:  # beyond that the configuration itself was warned of
            text = f"the programs of {group.name} may take {format_duration(stop_time(group))} to stop: --stop-limit is shorter"
            _tell(f"understudy: {text}")
    alone = is_alone(cluster)
    for sentence in () if cluster.heartbeat3 or alone else advice(cluster):
        _tell(f"understudy: {sentence}")
    sys.stderr.flush()
    os.set_inheritable(lock, True)  # a lock survives exec as long as its descriptor does
    arguments = ["--config", running.configuration(runtime_dir), "--node", name, "--lock-fd", str(lock)]
    arguments += ["--runtime-dir", runtime_dir, "--state-dir", state_dir, *shutdown_arguments(cluster, _tell)]
    if cluster.member(name).role is Role.WITNESS or _patience(cluster) > SPARE_BELOW:
        arguments.append("--no-spare")  # it runs nothing, or a restart from scratch is fast enough
    python = sys.executable
    os.execv(
        python,
        [python, "-P", "-s", "-m", "understudy.supervisor", *arguments, "--stop-limit", f"{limit / SECOND:.3f}"],
    )


def _alone_here(accepted: _Accepted, node: str) -> None:
    """Ends the process with 1 while another daemon here would serve the same addresses, or balance the same services."""
    from ..adapters.other_daemon import beside_balancer
    from ..config.service_copy import balances
    from .check_routers import beside_keepalived

    cluster = accepted.cluster
    if not accepted.fresh:
        return
    others = [beside_keepalived() if cluster.routers is not None and cluster.routers.routers else ""]
    others.append(beside_balancer() if balances(cluster, node) else "")
    for other in filter(None, others):
        _tell(f"understudy: {other}")
    if any(others):
        raise SystemExit(1)


def _patience(cluster: Cluster) -> int:
    """How long others wait for this machine at least before they take over: nanoseconds."""
    from ..config.render import is_alone

    if cluster.routers is None or not is_alone(cluster):
        return cluster.dead_time
    return min((each.down_adverts * each.interval for each in cluster.routers.routers), default=cluster.dead_time)


def _tell(text: str) -> None:
    """For a person as it is; as one line for programs that want JSON."""
    import os

    from ..logline import Form, form
    from ..supervisor.notify import log

    if form(os.environ) is Form.JSON:
        log(text, "warning")
    else:
        click.echo(text, err=True)


@dataclass(frozen=True)
class _Accepted:
    """What to run with. ``fresh``: it is the file's content, else what living processes of this node run with already.

    ``text``: of the copy for the runtime directory, where the file is not native; "" where it is to be rendered. ``node``: which
    member this machine is, where Heartbeat's files say so.
    """

    cluster: Cluster
    fresh: bool
    text: str = ""
    node: str = ""


def _accepted(config: str, runtime_dir: str, node: str | None, config_id: str = "") -> _Accepted:
    """Ends the process with 2 when the file is refused and nothing runs."""
    from ..adapters import running
    from ..config.keepalived_cluster import named
    from ..config.load import examine, survived
    from ..supervisor.notify import log
    from .run_heartbeat import is_folder, take

    text = name = ""
    if is_folder(config):
        cluster, text, name, problems = take(config, node)
    else:
        cluster, problems = examine(config, config_id=config_id)
        cluster = named(cluster, node or "")
    for problem in problems:
        _tell(str(problem))
    kept = None
    if running.is_in_use(runtime_dir):
        kept, _ = examine(running.configuration(runtime_dir), with_api_files=False)
    if kept is None:
        if cluster is None and (cluster := named(survived(config, config_id), node or "")) is not None:
            how = "runs as keepalived runs it, without what the errors name; a reload refuses it until they are mended"
            _tell(f"understudy: {config} {how}")
        if cluster is None:
            _tell_the_other_unit(config, runtime_dir)
            raise SystemExit(_refusal(problems))
        return _Accepted(cluster, True, text, name)
    said = "processes of this node run already: they and what is started again keep the configuration they began with"
    if cluster is None:
        log(f"{said}; {config} is refused now (see above)", "error")
    elif cluster.digest != kept.digest:
        log(f"{said}; {config} differs from it, and counts from the next full stop and start", "warning")
    else:
        log(said)
    return _Accepted(kept, False, node=name)


def _refusal(problems: tuple[Problem, ...]) -> int:
    """The exit code for a file that is refused: 1 where what this machine lacks may come a little later, as at boot."""
    if not all(problem.passing for problem in problems if problem.severity == "error"):
        return EXIT_REFUSED
    _tell("understudy: the files may be good, and what this machine lacks may come: the next start looks again")
    return 1


def _tell_the_other_unit(config: str, runtime_dir: str) -> None:
    """Where the native file was never written, "systemctl start understudy" was typed out of habit."""
    import os

    from ..adapters import own_unit

    if not os.path.exists(config) and own_unit.own_unit(runtime_dir) == own_unit.OLD:
        _tell(f"understudy: this machine runs from /etc/ha.d: systemctl start {own_unit.OLD}")


def _who(config: str, cluster: Cluster, node: str | None) -> str:
    """The member that this machine is. A name that was given is a matter of the command line; the host name may be set later."""
    import socket

    name = node or _own_name(socket.gethostname(), cluster.names)
    if name in cluster.names:
        return name
    text = f"{config}: there is no node or witness {name!r}; known are {', '.join(cluster.names)}."
    if node is not None:
        raise click.UsageError(f"{text} Choose one with --node.")
    click.echo(f"understudy: {text} That is this machine's host name: choose a member with --node.", err=True)
    raise SystemExit(1)


def _keep(accepted: _Accepted, node: str, runtime_dir: str, state_dir: str) -> None:
    """Write the copies that everything started from here reads. Ends the process with 1 when there is no room for them, with 2
    when who votes is not what the change that was under way makes it.
    """
    from dataclasses import replace

    from ..adapters import running, upgrading
    from ..config.load import load_for_pulse, load_key_text
    from ..config.render import is_alone, render
    from ..errors import ConfigError, check
    from ..supervisor.notify import log

    cluster = accepted.cluster
    try:
        alone = is_alone(cluster)
        keys = "" if cluster.heartbeat3 or alone else load_key_text(cluster)
        text = accepted.text or render(cluster if alone else replace(cluster, key_file=running.KEYS))
        upgrading.begin_afresh(runtime_dir)
        running.keep(runtime_dir, text, keys, cluster.source)
        _keep_services(cluster, runtime_dir, node)
        if cluster.heartbeat3 or alone:  # nobody votes there, so no change of the voters can be under way
            running.end_change(runtime_dir)
        elif not _under_way(cluster, runtime_dir, state_dir):
            running.end_change(runtime_dir)
            _remember(runtime_dir, state_dir)
            running.forget_former(state_dir)
        # What is balanced has a copy of its own, and is no part of the digest.
        copied = load_for_pulse(running.configuration(runtime_dir))
        check(copied.digest == cluster.digest, "the copy of the configuration does not mean the same")
    except ConfigError as error:
        _tell(str(error))
        raise SystemExit(EXIT_REFUSED) from None
    except OSError as error:
        log(f"cannot write {error.filename}: {error.strerror}; make room there", "error")
        raise SystemExit(1) from None


def _keep_services(cluster: Cluster, runtime_dir: str, node: str) -> None:
    """What the balancer reads, where there is something to balance, or was: then it takes that out. Raises OSError."""
    from ..adapters import running
    from ..config.service_copy import balances, copy_of, write_copy

    if balances(cluster, node) or running.has_services(runtime_dir):
        running.keep_services(runtime_dir, write_copy(copy_of(cluster, node)))


def _remember(runtime_dir: str, state_dir: str) -> None:
    """What the next start is compared with. A node must start on a full disk, too."""
    from ..adapters import running

    try:
        running.keep_last(runtime_dir, state_dir)
    except OSError as error:
        text = f"cannot write {error.filename} ({error.strerror}): the next start cannot be compared with this one"
        _tell(f"understudy: {text}")


def _under_way(cluster: Cluster, runtime_dir: str, state_dir: str) -> bool:
    """Whether this node starts in the middle of a change of the voters: one was under way when it stopped, or the file has one
    member more or fewer than the one that it ran with last. Ends the process with 2 when who votes has changed in another way.
    """
    from ..adapters import running
    from ..changes import one_step, voters
    from ..config.load import examine

    path = running.before_this_start(state_dir)
    if path is None:
        return False
    running.bring_back(runtime_dir, path)  # beside the copy of the keys, without which it would be refused
    former, _ = examine(running.former(runtime_dir), with_api_files=False)
    if former is None or voters(former) == voters(cluster):
        return False
    if one_step(former, cluster):
        return True
    running.end_change(runtime_dir)
    _tell(f"understudy: {_other_voters(former, cluster, state_dir)}")
    raise SystemExit(EXIT_REFUSED)


def _other_voters(former: Cluster, cluster: Cluster, state_dir: str) -> str:
    """Machines that count different voters could both have their majority: so a start does not change who votes."""
    from ..adapters import running

    before, after = (", ".join(item.names) for item in (former, cluster))
    what = f"names {after}" if before != after else "changes how they vote (the cluster's name, a role, or quorum)"
    files = " ".join(f"{state_dir.rstrip('/')}/{name}" for name in (running.FORMER, running.LAST))
    return (
        f"this node counted the votes of {before} when it ran last, and {cluster.source} {what}. Members with different "
        "voters could both have a majority, so a start takes no other change than one member more or fewer, with the same "
        'times and links. Start with the former file and change one member at a time with "understudy reload"; or stop the '
        f"daemons of all members, on each of them: rm -f {files}, and start them all with the new file"
    )


def _own_name(host: str, names: tuple[str, ...]) -> str:
    """The host name as it is, or without its domain when only that is a member."""
    short = host.partition(".")[0]
    return short if host not in names and short in names else host
