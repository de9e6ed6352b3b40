"""Lines and blocks of ldirectord.cf, as ldirectord 1.186-ha sees them.

A global directive begins in column 1; a virtual server has the lines below it that are indented by four blanks or more, a tab
counting as four, up to the first line that is not: also an empty one. ``#`` begins a comment on indented lines, also between
quotation marks, and is part of the value on global ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .heartbeat_lines import Word
from .report import Report
from .tree import Place

_TAB = " " * 4
_LONGEST = 4096
"""Characters of a line; a request and an answer fit in, and no pattern of ours takes long over them."""
_DIRECTIVE = re.compile(r"([^\s=]+)\s*=\s*(.*)", re.ASCII | re.DOTALL)
_BARE = re.compile(r"\S+", re.ASCII)
_COMMENT = re.compile(r"\s*#", re.ASCII)
_VIRTUAL = re.compile(r"virtual6?\s*=", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """A directive. ``value`` None: there is no ``=``. ``cut``: a ``#`` ended the line."""

    name: Word
    value: Word | None
    cut: bool = False


@dataclass(slots=True)
class Block:
    """A virtual server: its own line and those below it."""

    head: Line
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Parts:
    """The lines of a file that mean something."""

    directives: list[Line] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def read_lines(report: Report, text: str, file: str) -> Parts:
    """The directives and blocks of a text; lines that stand where they mean nothing are errors."""
    if text.startswith("\ufeff"):
        hint = "Save the file as UTF-8 without a byte order mark: ldirectord takes it for a part of the first word."
        report.error(Place(1, 1, file), "the file begins with a byte order mark", hint)
        text = text[1:]
    parts = Parts()
    block: Block | None = None
    ended = ""
    lines = text.split("\n")
    if lines[-1] == "":
        del lines[-1]
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST:
            report.error(
                Place(number, 1, file), f"the line has more than {_LONGEST} characters", "Is it the right file?"
            )
            continue
        if block is not None:
            if _COMMENT.match(line):
                continue
            if _is_indented(line.partition("#")[0]):
                _add(report, block, line, number, file)
                continue
            ended = _ending(line, number)
            block = None
        if not line.strip() or _COMMENT.match(line):
            continue
        found = _line(line, number, file)
        if _VIRTUAL.match(line):
            block = Block(found)
            parts.blocks.append(block)
        elif line[0] in " \t":
            _stray(report, found, line, ended)
        else:
            parts.directives.append(found)
    if block is not None and not block.lines and lines and _VIRTUAL.match(lines[-1]):
        text = "the last line of the file is a virtual server without anything below it; ldirectord reads it twice and stops"
        report.error(block.head.name.place, text, "Indent its real servers below it, or take the line away.")
    return parts


def _is_indented(line: str) -> bool:
    """Four blanks, and something behind them, if only another blank."""
    wide = line.replace("\t", _TAB)
    return wide.startswith(_TAB) and len(wide) > len(_TAB)


def _add(report: Report, block: Block, line: str, number: int, file: str) -> None:
    body, sign, _ = line.partition("#")
    if not body.strip(" \t\r\f\v"):
        text = "a line of nothing but blanks within a virtual server; ldirectord takes it for a directive that it does not know"
        report.error(Place(number, 1, file), text, "Take the line away: an empty line would end the virtual server.")
        return
    found = _line(body, number, file)
    value = None if found.value is None else Word(found.value.text.replace("\t", _TAB), found.value.place)
    block.lines.append(Line(found.name, value, bool(sign)))


def _line(line: str, number: int, file: str) -> Line:
    """The name and the value; the end of the value is as written, with its blanks."""
    start = len(line) - len(line.lstrip(" \t"))
    found = _DIRECTIVE.match(line, start)
    if found is None:
        bare = _BARE.search(line)
        at = 0 if bare is None else bare.start()
        return Line(Word("" if bare is None else bare.group(), Place(number, at + 1, file)), None)
    name = Word(found[1], Place(number, start + 1, file))
    return Line(name, Word(found[2], Place(number, found.start(2) + 1, file)))


def _ending(line: str, number: int) -> str:
    if not line.strip():
        return f"The empty line {number} ended the virtual server above: take it away, or put a # into it."
    return f"Line {number} begins in column 1 and ended the virtual server above: move it above that server."


def _stray(report: Report, found: Line, line: str, ended: str) -> None:
    name = found.name.text
    if not line.replace("\t", _TAB).startswith(_TAB):
        text = f'"{name}" is indented by less than four blanks; ldirectord does not know it there'
        hint = "Indent the lines of a virtual server by a tab or four blanks, and begin all others in column 1."
    else:
        text = f'"{name}" is indented, and belongs to no virtual server; ldirectord does not know it there'
        hint = ended or "Begin it in column 1, or put it below a line virtual=ADDRESS:PORT."
    report.error(found.name.place, text, hint)
