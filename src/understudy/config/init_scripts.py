"""Init scripts, Heartbeat's resource scripts and programs that are told, in the configuration."""

from __future__ import annotations

import re

from ..model import LsbResource, NotifyResource, ResourceDResource
from .parts import Common, program_name, read_arguments, read_path
from .report import Report, Scope

EXCLUSIVE_SCRIPTS = frozenset(
    {"drbddisk", "postgresql", "postgres", "pgsql", "mysql", "mysqld", "mariadb", "redis-server"}
)
"""Scripts that damage data when they run on two machines: ``exclusive`` unless the file says otherwise."""

_SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,62}", re.ASCII)
_PROCESS = re.compile(r"[^/\s\x00-\x1f]{1,255}")


def read_lsb(report: Report, scope: Scope, common: Common, exclusive: frozenset[str]) -> LsbResource | None:
    """A resource of the kind ``lsb``; None after reporting. ``exclusive``: names of scripts that are so by default."""
    path = _script(report, scope, "lsb")
    pid_file = read_path(report, scope, "pid_file", "a file")
    process = scope.text("process")
    if process is not None and not _PROCESS.fullmatch(process):
        hint = 'Write the name of the program alone, such as "sited", as `ps -o comm` shows it.'
        report.error(scope.at("process"), f'"{process}" cannot be the name of a process', hint)
    if path is None:
        return None
    if "/" not in path:
        path = f"/etc/init.d/{path}"
    default = program_name(path) in exclusive
    return LsbResource(
        common.name or program_name(path),
        path,
        pid_file,
        process,
        default if common.exclusive is None else common.exclusive,
        common.limits,
        common.restarts,
    )


def read_resource_d(
    report: Report, scope: Scope, common: Common, exclusive: frozenset[str]
) -> ResourceDResource | None:
    """A resource of the kind ``resource_d``; None after reporting."""
    path = _script(report, scope, "resource_d")
    arguments = read_arguments(report, scope, "args") if "args" in scope else ()
    scope.value("args")
    if path is None or arguments is None:
        return None
    default = program_name(path) in exclusive
    return ResourceDResource(
        common.name or program_name(path),
        path,
        arguments,
        default if common.exclusive is None else common.exclusive,
        common.limits,
        common.restarts,
    )


def read_notify(report: Report, scope: Scope, common: Common) -> NotifyResource | None:
    """A resource of the kind ``notify``; None after reporting."""
    argv = read_arguments(report, scope, "notify")
    must_succeed = scope.boolean("must_succeed")
    if argv is None:
        return None
    if not argv[0].startswith("/") or argv[0].endswith("/"):
        hint = "Begin it with /; arguments are words of their own."
        report.error(scope.at("notify"), f'"notify" must be the full path of a program, not "{argv[0]}"', hint)
        return None
    name = common.name or program_name(argv[0])
    return NotifyResource(name, argv, bool(must_succeed), bool(common.exclusive), common.limits, common.restarts)


def _script(report: Report, scope: Scope, word: str) -> str | None:
    """The whole path of a script, or its name alone."""
    path = scope.text(word)
    if path is None:
        return None
    if "::" in path:
        name, *rest = path.split("::")
        words = ", ".join(f'"{item}"' for item in rest)
        report.error(
            scope.at(word), f'"{path}" is in the form of haresources', f'Write {word} = "{name}", args = [{words}].'
        )
        return None
    whole = path.startswith("/") and not path.endswith("/") and "\n" not in path
    if not whole and not _SCRIPT.fullmatch(path):
        hint = "Write its name or its full path alone; arguments are words of their own."
        report.error(scope.at(word), f'"{path}" does not name a script', hint)
        return None
    return path
