"""What the readers of all kinds of resources share: the words that every kind takes, program names, argument lists."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..model import Limits, Restarts
from ..units import MINUTE, SECOND
from .report import Report, Scope
from .tree import Array, Place

_SHELL_SIGNS = re.compile(r"[|&;<>$`*?]")

DEFAULT_LIMITS: dict[str, Limits] = {
    "command": Limits(interval=0),
    "notify": Limits(interval=0),
    "mount": Limits(start=MINUTE, stop=30 * SECOND),
}
"""Of kinds whose time limits are others than those of ``Limits()``."""


@dataclass(frozen=True, slots=True)
class Common:
    """The words that every kind takes, with the defaults of the kind filled in by the caller."""

    name: str | None
    exclusive: bool | None
    limits: Limits
    restarts: Restarts


def read_arguments(report: Report, scope: Scope, word: str) -> tuple[str, ...] | None:
    """A list of strings, or one string that is split as a shell splits words, without any other shell rule."""
    value = scope.value(word)
    if value is None:
        return None
    if isinstance(value.data, Array):
        items = scope.texts(word, "strings") or []
        if len(items) < len(value.data.items):
            return None
        words = tuple(text for text, _ in items)
    elif isinstance(value.data, str):
        if scope.clean(word, value.data, value.place) is None:
            return None
        import shlex  # only for commands in one string, to spare the start of the real-time process

        try:
            words = tuple(shlex.split(value.data))
        except ValueError:
            report.error(
                value.place, f'"{word}" opens a quotation mark and never closes it', "Close it, or write a list."
            )
            return None
        _warn_of_shell(report, value.place, word, value.data)
    else:
        example = "/usr/sbin/program" if word in ("command", "notify") else "--verbose"
        hint = f'Write {word} = ["{example}", "--option"].'
        scope.wrong(word, "a list of strings, or one string", value, hint)
        return None
    if word in ("command", "notify") and (not words or not words[0]):
        report.error(value.place, f'"{word}" is empty', "Write the program and its arguments.")
        return None
    return words


def _warn_of_shell(report: Report, place: Place, word: str, text: str) -> None:
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|\\.", "", text)
    found = _SHELL_SIGNS.search(bare)
    if found is not None:
        hint = (
            f'For a shell write {word} = ["/bin/sh", "-c", "exec ..."]; otherwise write a list and this warning ends.'
        )
        report.warning(place, f'no shell reads "{word}": {found.group()} reaches the program as it stands', hint)


def program_name(path: str) -> str:
    base = path.rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_.-]", "-", base).lstrip("_.-")[:63] or "program"


def read_path(report: Report, scope: Scope, word: str, what: str) -> str | None:
    """A whole path without a slash at its end, or None when absent or bad."""
    path = scope.text(word)
    if path is not None and (not path.startswith("/") or path.endswith("/") or "\n" in path):
        report.error(scope.at(word), f'"{word}" must be the full path of {what}, not "{path}"', "Begin it with /.")
        return None
    return path
