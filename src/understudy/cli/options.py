"""Options and arguments that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..errors import UnderstudyError
from .where import CONFIGURATION, RUNTIME_DIR

Function = TypeVar("Function", bound=Callable[..., Any])


def runtime_dir_option(function: Function) -> Function:
    return click.option(
        "--runtime-dir",
        default=RUNTIME_DIR,
        envvar="UNDERSTUDY_RUNTIME_DIR",
        show_default=True,
        show_envvar=True,
        type=click.Path(file_okay=False),
        help="The daemon's runtime directory.",
    )(function)


def config_id_option(function: Function) -> Function:
    return click.option(
        "--config-id",
        default="",
        envvar="UNDERSTUDY_CONFIG_ID",
        metavar="ID",
        help="For @ID lines of a keepalived.conf (its -i). Default: the host name up to its first dot.",
    )(function)


def json_option(function: Function) -> Function:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def wait_options(function: Function) -> Function:
    function = click.option(
        "--timeout",
        "limit",
        default="30s",
        metavar="TIME",
        show_default=True,
        callback=duration,
        help="How long to wait; exit code 5 after that. The cluster goes on with it.",
    )(function)
    return click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")(function)


def reason_option(function: Function) -> Function:
    return click.option(
        "--reason", default="", metavar="TEXT", help="Why, for those who look at the status later (120 bytes are kept)."
    )(function)


def duration(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    from ..units import parse_duration

    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _names(context: click.Context, kind: str) -> list[str]:
    """Names for the shell's completion: from the daemon, or from the configuration when it does not answer at once."""
    from .client import Client

    directory = context.params.get("runtime_dir") or os.environ.get("UNDERSTUDY_RUNTIME_DIR") or RUNTIME_DIR
    try:
        status = Client(directory).get("/v1/status", limit=0.5)
        return [item["name"] for item in status[kind] if item.get("role") != "witness"]
    except (UnderstudyError, KeyError, TypeError):
        return _written_names(os.environ.get("UNDERSTUDY_CONFIG") or CONFIGURATION, kind)


def _written_names(path: str, *kinds: str) -> list[str]:
    """The names of the sections [kind.NAME]; none when the file cannot be read: a shell must not print a reason."""
    import tomllib

    try:
        with open(path, "rb") as file:
            tree = tomllib.load(file)
        return [name for kind in kinds for name in tree.get(kind, {})]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def complete_group(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    return [name for name in _names(context, "groups") if name.startswith(start)]


def complete_group_or_router(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    names = dict.fromkeys((*_names(context, "groups"), *_names(context, "virtual_routers")))
    return [name for name in names if name.startswith(start)]


def complete_node(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    return [name for name in _names(context, "nodes") if name.startswith(start)]


def complete_member(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Nodes and witnesses of the file that the command line names (``--config`` or the first path), or of the usual one."""
    paths = context.params.get("config") or next(iter(context.params.get("paths") or ()), None)
    path = paths or os.environ.get("UNDERSTUDY_CONFIG") or CONFIGURATION
    return [name for name in _written_names(str(path), "nodes", "witness") if name.startswith(start)]
