"""The ``understudy`` command. Each subcommand lives in a module of its own that is imported only when it is used."""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import InternalError, UnderstudyError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run this machine's daemon (a node or a witness)."),
    "check": ("check", "Check configuration files, and say how safe they are."),
    "convert": ("convert", "Print the native form of Heartbeat's configuration."),
    "install-compat": ("install_compat", "Install Heartbeat's tools under their old names."),
    "init": ("init", "Write the first configuration of a cluster and its key."),
    "invite": ("invite", "Hand configuration and key to the other machines, for one-time codes."),
    "join": ("join", "Fetch configuration and key from a machine that invites."),
    "upgrade": ("upgrade", "Change a Heartbeat pair to the native protocol, while it runs."),
    "agents": ("agents", "List the agents on this machine, or show what one takes."),
    "keygen": ("keygen", "Make the cluster's key, or rotate it."),
    "key": ("key", "Replace the cluster's key while everything runs."),
    "status": ("status", "Show the cluster as this node sees it."),
    "top": ("top", "Show the cluster on the whole screen, with keys."),
    "why": ("why", "Say why a group runs where it does, and why not elsewhere."),
    "pool": ("pool", "Show services and real servers, or take one out."),
    "whatif": ("whatif", "Say where everything would run if machines failed."),
    "diff": ("diff", "Show what the configuration file changes, before it is taken up."),
    "reload": ("reload", "Take up the changed configuration file on this node."),
    "move": ("move", "Move a group to another node."),
    "stop": ("stop", "Stop a group on all nodes, until it is started again."),
    "start": ("start", "Let a stopped group run again."),
    "restart": ("restart", "Stop a group and start it again where it is."),
    "cleanup": ("cleanup", "Forget that a group has failed, on all nodes."),
    "maintenance": ("maintenance", "Watch a group, or all of them, and touch nothing."),
    "standby": ("standby", "Take all groups off a node and keep them off."),
    "drain": ("drain", "Take off a node what other nodes can run."),
    "online": ("online", "Let a node run groups again."),
    "fence": ("fence", "Switch a node off, or test the devices that would."),
    "confirm-off": ("confirm_off", "Say that you have seen a node to be off."),
    "clear": ("clear", "Take away what a dead daemon left in the kernel."),
    "history": ("history", "Show what happened lately."),
    "lab": ("lab", "Run a whole cluster on this machine, with switches to pull."),
    "sim": ("sim", "Search the core for mistakes under simulated trouble."),
    "exhaust": ("exhaust", "Try every order of events with three voters and one group."),
    "dump": ("dump", "Write the recorder of this node's pulse to a file."),
    "replay": ("replay", "Ask the core again what it was asked in a dump."),
    "decode": ("decode", "Show recorded packets, Heartbeat's or our own, in words."),
}
"""Command name to module (under ``understudy.cli``, its attribute ``command``) and its line in ``--help``."""

EPILOG = """\b
Exit codes of all commands:
  0  done
  1  a problem was found or something went wrong; the text says what
  2  the command line is wrong
  3  no daemon answers here
  4  the cluster understood and refused
  5  no answer in time: whether it happened is unknown
 70  a mistake in understudy itself

Completion of commands, groups and nodes, for bash (zsh and fish alike):
eval "$(_UNDERSTUDY_COMPLETE=bash_source understudy)"
"""


class LazyCommands(click.Group):
    """A group that knows its commands' names and help lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(f"understudy.cli.{entry[0]}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Without importing a single command: completion happens between two strokes of a key."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, 1, 0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnderstudyError as error:
            click.echo(f"understudy: {error}", err=True)
            ctx.exit(error.exit_code)
        except InternalError as error:
            click.echo(f"understudy: a mistake in understudy itself: {error}", err=True)
            ctx.exit(70)


@click.command(cls=LazyCommands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="understudy", message="%(prog)s %(version)s")
def commands() -> None:
    """Keep a service running on a small group of machines.

    The daemon runs on every machine ("understudy run", usually as a systemd unit). The other commands ask the daemon of
    this machine, over a Unix socket in its runtime directory, which root and the cluster's admin_group may use.
    """


def main() -> None:
    """Entry point of the installed ``understudy`` program."""
    try:
        commands(prog_name="understudy")
    except BrokenPipeError:
        # "understudy status | head" is no error; what is left to flush has no reader.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
