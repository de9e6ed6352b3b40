"""Collecting problems, and the readers of single settings that report them.

A reader of a setting returns None for a bad value after reporting it, so that the caller goes on and all problems come at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from ..errors import Problem
from ..units import Duration, format_duration, parse_duration
from .tree import Array, Entry, Place, Table, Value

_Kind = TypeVar("_Kind", bound=Enum)
_Default = TypeVar("_Default", int, None)


class Report:
    """All problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def error(self, place: Place, text: str, hint: str = "") -> None:
        self.problems.append(Problem(place.file or self.file, place.line, place.column, text, hint))

    def warning(self, place: Place, text: str, hint: str = "") -> None:
        self.problems.append(Problem(place.file or self.file, place.line, place.column, text, hint, "warning"))

    def lacking(self, place: Place, text: str, hint: str = "", here: bool = True, passing: bool = True) -> None:
        """What this machine does not have now: an error where it is meant to run the file (``here``), else a warning."""
        severity = "error" if here else "warning"
        found = Problem(place.file or self.file, place.line, place.column, text, hint, severity, passing)
        self.problems.append(found)

    def lost(self, place: Place, text: str, hint: str = "") -> None:
        """What keepalived loses of a file, and runs all the same: an error that a start survives."""
        file = place.file or self.file
        self.problems.append(Problem(file, place.line, place.column, text, hint, survived=True))

    @property
    def refused(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def in_order(self) -> tuple[Problem, ...]:
        """By line and column; what concerns the whole file comes last, as a summary."""
        return tuple(sorted(self.problems, key=lambda item: (item.line == 0, item.line, item.column)))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be."""
    from difflib import get_close_matches  # only when there is an error: the real-time process starts without it

    words = list(known)
    folded = {item.lower(): item for item in reversed(words)}
    close = get_close_matches(
        word.lower().replace("-", "_"), [item.replace("-", "_") for item in folded], n=1, cutoff=0.7
    )
    if not close:
        return None
    return next(folded[item] for item in folded if item.replace("-", "_") == close[0])


def one_of(words: Collection[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``, as they are put in a sentence."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def suggestion(word: str, known: Collection[str], what: str) -> str:
    """The hint for an unknown word: the nearest known one, or all of them."""
    close = nearest(word, known)
    if close is not None:
        return f'Did you mean "{close}"?'
    return f"{what}: {', '.join(known)}." if known else ""


class Scope:
    """One table of the file while it is read. ``name`` is how messages call it, such as ``[nodes.ha01]``.

    Every read marks its word as known; ``finish`` reports the others.
    """

    def __init__(self, report: Report, table: Table, name: str, place: Place) -> None:
        self.report = report
        self.table = table
        self.name = name
        self.place = place
        self._known: list[str] = []

    def __contains__(self, word: str) -> bool:
        return word in self.table.entries

    def at(self, word: str) -> Place:
        """Where the value of ``word`` stands, or the table itself when the word is not there."""
        entry = self.table.entries.get(word)
        return self.place if entry is None else entry.value.place

    def value(self, word: str) -> Value | None:
        """The value as written, or None when the word is not there."""
        self._known.append(word)
        entry = self.table.entries.get(word)
        return None if entry is None else entry.value

    def finish(self, later: Mapping[str, str] | None = None, elsewhere: Mapping[str, str] | None = None) -> None:
        """Report words that nobody asked for.

        ``later``: words of the design that this version lacks, and what to do instead. ``elsewhere``: words that are
        right somewhere else, and where.
        """
        for word, entry in self.table.entries.items():
            if word in self._known:
                continue
            if later and word in later:
                self.report.error(entry.place, f'"{word}" is not in this version', later[word])
            elif elsewhere and word in elsewhere:
                self.report.error(entry.place, f'"{word}" does not belong in {self.name}', elsewhere[word])
            else:
                self._unknown(word, entry)

    def _unknown(self, word: str, entry: Entry) -> None:
        hint = suggestion(word, self._known, f"The words of {self.name} are")
        self.report.error(entry.place, f'unknown word "{word}" in {self.name}', hint)

    # -- single settings ----------------------------------------------------------------------------------------------

    def wrong(self, word: str, wanted: str, value: Value, hint: str = "") -> None:
        self.report.error(value.place, f'"{word}" must be {wanted}, not {value.kind}', hint)

    def text(self, word: str) -> str | None:
        """A string without control characters, or None when absent or bad."""
        value = self.value(word)
        if value is None:
            return None
        if not isinstance(value.data, str):
            self.wrong(word, "a string", value, "Put it in quotation marks.")
            return None
        if value.data == "":
            self.report.error(value.place, f'"{word}" is empty', f"Take {word} away, or say what it should be.")
            return None
        return self.clean(word, value.data, value.place)

    def clean(self, word: str, text: str, place: Place) -> str | None:
        """``text``, unless it holds a character that no program argument or name can carry."""
        for character in text:
            if character < " " and character not in "\t\n":
                code = f"U+{ord(character):04X}"
                self.report.error(place, f'"{word}" contains the control character {code}', "Take it away.")
                return None
        return text

    def missing(self, word: str, hint: str) -> None:
        self.report.error(self.place, f'{self.name} needs "{word}"', hint)

    def boolean(self, word: str) -> bool | None:
        value = self.value(word)
        if value is None:
            return None
        if not isinstance(value.data, bool):
            self.wrong(word, "true or false", value, "Write it without quotation marks.")
            return None
        return value.data

    def integer(self, word: str, low: int, high: int, default: _Default) -> int | _Default:
        """A whole number from ``low`` to ``high``; the default also stands in for a bad one."""
        value = self.value(word)
        if value is None:
            return default
        if isinstance(value.data, bool) or not isinstance(value.data, int):
            self.wrong(word, "a whole number", value, f"Write a number from {low} to {high} without quotation marks.")
            return default
        if not low <= value.data <= high:
            text = f'"{word}" is {value.data}, but must be from {low} to {high}'
            self.report.error(value.place, text, "" if default is None else f"The default is {default}.")
            return default
        return value.data

    def choice(self, word: str, kinds: type[_Kind]) -> _Kind | None:
        """One of the values of an Enum of strings, or None when absent or bad."""
        text = self.text(word)
        if text is None:
            return None
        for kind in kinds:
            if kind.value == text:
                return kind
        known = [str(kind.value) for kind in kinds]
        close = nearest(text, known)
        quoted = one_of([f'"{item}"' for item in known])
        hint = f'Did you mean "{close}"?' if close else f"Write {quoted}."
        self.report.error(self.at(word), f'unknown "{word}" "{text}"', hint)
        return None

    def duration(self, word: str, low: Duration, high: Duration) -> Duration | None:
        """A span of time from ``low`` to ``high``, or None when absent or bad."""
        value = self.value(word)
        if value is None:
            return None
        if not isinstance(value.data, str):
            number = value.data if isinstance(value.data, int) and not isinstance(value.data, bool) else 5
            self.wrong(word, "a duration", value, f'Write a number and a unit in quotation marks, as in "{number}s".')
            return None
        return self.span(word, value.data, value.place, low, high)

    def span(self, word: str, text: str, place: Place, low: Duration, high: Duration) -> Duration | None:
        """``text`` as a span of time within limits, or None after reporting."""
        try:
            span = parse_duration(text)
        except ValueError as error:
            self.report.error(place, f'"{word}": {error}')
            return None
        if span < low:
            text = f'"{word}" is {format_duration(span)}, but must be at least {format_duration(low)}'
            self.report.error(place, text)
            return None
        if span > high:
            text = f'"{word}" is {format_duration(span)}, but may be at most {format_duration(high)}'
            self.report.error(place, text)
            return None
        return span

    def texts(self, word: str, what: str) -> list[tuple[str, Place]] | None:
        """A list of strings, with their places. None when absent or not a list; bad items are reported and left out."""
        value = self.value(word)
        if value is None:
            return None
        if not isinstance(value.data, Array):
            self.wrong(word, f"a list of {what}", value, f'Write it in brackets, as in {word} = ["...", "..."].')
            return None
        found = []
        for item in value.data.items:
            if not isinstance(item.data, str):
                self.report.error(item.place, f'"{word}" lists {what}, not {item.kind}', "Put it in quotation marks.")
            elif self.clean(word, item.data, item.place) is not None:
                found.append((item.data, item.place))
        return found

    def tables(self, word: str) -> list[tuple[str, Table, Place, Place]]:
        """The tables of a table, as (name, table, place of the name, place of the value); [] when absent or bad."""
        value = self.value(word)
        if value is None:
            return []
        if not isinstance(value.data, Table):
            self.wrong(word, "a section", value, f"Write [{word}.NAME], with its settings below.")
            return []
        found = []
        for name, entry in value.data.entries.items():
            if isinstance(entry.value.data, Table):
                found.append((name, entry.value.data, entry.place, entry.value.place))
            else:
                text = f'"{name}" in [{word}] must be a section, not {entry.value.kind}'
                self.report.error(entry.place, text, f"Write [{word}.{name}], with its settings below.")
        return found
