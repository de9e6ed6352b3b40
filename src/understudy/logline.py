"""One event, one line: how our processes write on standard error.

``TEXT`` is for people, and for a journal that takes the priorities of sd-daemon(3) from the start of a line. ``JSON`` is for
programs: an object on each line, with the fields of the history and the name of the process. Pure: the clock comes in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum

VARIABLE = "UNDERSTUDY_LOG"
"""The environment variable by which ``understudy run`` tells its processes the form; they inherit it."""


class Level(Enum):
    """How much a note matters to somebody woken at night."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Form(Enum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6}
"""syslog(3)."""


def form(environment: Mapping[str, str]) -> Form:
    """The form that this process was told; TEXT when it was told nothing that is known."""
    return Form.JSON if environment.get(VARIABLE) == Form.JSON.value else Form.TEXT


def one_line(text: str) -> str:
    """``text`` without line breaks and other control characters: what a program says must not look like another event."""
    lines = [line.strip() for line in text.splitlines()]
    joined = " | ".join(line for line in lines if line)
    return "".join(character if character.isprintable() else "?" for character in joined.replace("\t", " "))


def wall_text(nanoseconds: int) -> str:
    """ISO 8601 in UTC, to the millisecond. ``nanoseconds`` since 1970."""
    from datetime import UTC, datetime  # not at the start of every process: most lines need no date

    moment = datetime.fromtimestamp(nanoseconds // 1_000_000 / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_line(level: str, text: str, before: str = "", with_priority: bool = True) -> str:
    """A line for people: the priority where somebody takes it, ``before``, and the sentence."""
    return f"{f'<{PRIORITY[level]}>' if with_priority else ''}{before}{one_line(text)}\n"


def json_line(at: int, level: str, process: str, text: str, group: str = "", node: str = "") -> str:
    """A line for programs. ``at`` is wall-clock time in nanoseconds since 1970; nothing is left out of ``text``."""
    fields = {"at": wall_text(at), "level": level, "process": process, "text": text, "group": group, "node": node}
    return json.dumps(fields, ensure_ascii=True) + "\n"
