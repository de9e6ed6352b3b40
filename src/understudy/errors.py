"""Errors that an administrator may see, and the exit codes they end a command with.

    UnderstudyError            exit 1; text says what is wrong, hint how to mend it
    ├── ConfigError            exit 1; carries every Problem at once
    ├── UsageError             exit 2; the command line or request itself is wrong
    ├── NotRunning             exit 3; no daemon answers at the socket
    ├── Refused                exit 4; the cluster understood and said no
    └── TimedOut               exit 5; asked, and no answer in time: the outcome is unknown
    InternalError              our bug; never caught except to dump the recorder and exit 70

Exceptions are for commands. Inside the daemon bad input is a value (``Reject``, ``Problem``, ``Finished``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration. ``line`` and ``column`` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    text: str
    hint: str = ""
    severity: str = "error"
    """``"error"`` (the file is refused) or ``"warning"`` (it works, and the reader should know)."""
    passing: bool = False
    """This machine lacks something now that may come a little later, such as an interface at boot: another try may do."""
    survived: bool = False
    """An error with which keepalived runs, without what it loses: a start does the same, and a reload refuses it."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        tail = f"\n    {self.hint}" if self.hint else ""
        return f"{where}: {self.severity}: {self.text}{tail}"


class UnderstudyError(Exception):
    """Base of all errors shown to a person. ``hint`` says how to mend it; ``exit_code`` ends the command."""

    exit_code = 1

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.text}\n    {self.hint}" if self.hint else self.text


class ConfigError(UnderstudyError):
    """A configuration that is refused, with all its problems in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(UnderstudyError):
    """The command line or the request is wrong in itself."""

    exit_code = 2


class NotRunning(UnderstudyError):
    """Nothing answers at the daemon's socket."""

    exit_code = 3


class Refused(UnderstudyError):
    """The cluster understood the request and refused it, with the reason."""

    exit_code = 4


class TimedOut(UnderstudyError):
    """No answer within the time allowed. Unknown is not success."""

    exit_code = 5


class InternalError(Exception):
    """A state that our own code should have made impossible."""


def check(condition: bool, text: str) -> None:
    """Raise InternalError when an invariant of ours does not hold. Unlike ``assert`` it survives ``python -O``."""
    if not condition:
        raise InternalError(text)
