"""What keepalived does with lines before it looks at keywords: includes, definitions, conditions, ``~SEQ`` and ``~LST``.

Facts from keepalived.conf(5) of 2.2.7 and what that version was seen to do. Files come through a function: nothing is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from .keepalived_text import BLANKS, Pieces, Text, line_of, pieces, without_comment
from .report import Report
from .tree import Place

MOST_DEPTH = 16
"""Files that include each other, and definitions in definitions."""
MOST_LINES = 300_000
"""Lines of all files together, after every repetition: some 5000 virtual routers."""
LONGEST_LINE = 20_000

INCLUDES = {
    "include": "",
    "includer": "read",
    "includem": "match",
    "includew": "wildcard",
    "includeb": "brace",
    "includea": "all",
}
"""The keywords, and what each insists on."""

CHECKS = ("match", "wildcard_match", "brace_match")
"""What ``include_check`` can insist on (2.2.7 as Debian builds it does not know ``readable``)."""

_DEFINITION = re.compile(r"\$([A-Za-z0-9_]+)=(.*)", re.DOTALL)
_USE = re.compile(r"\$(?:\{([^{}]*)\}|([A-Za-z0-9_]+)(?=[ \t]|$))")
_REPEAT = re.compile(r"~(SEQx?|LST)\(")
_SIGN = re.compile(r"[#!@$~]|include|global_defs")
"""Without any of these a line is what it looks like: no comment, condition, definition, repetition or include; and ``_watch`` has
nothing to find in it.
"""

_OPENING = re.compile(rf'([^"{{}}]*[^"{{}}{BLANKS}])[{BLANKS}]*{{')
"""What stands before the brace that opens its block, and nothing else."""


class Missing(Enum):
    """What an include did not find, weakest first."""

    NOTHING = "nothing"
    UNREADABLE = "read"
    NO_MATCH = "match"


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path and text. ``problem``: why it cannot be read."""

    path: str
    text: str = ""
    problem: str = ""


Sources = Callable[[str, str], tuple[Source, ...]]
"""(what stands behind ``include``, the including file) → the files; () when nothing is there."""


def braces(pattern: str) -> list[str]:
    """``{a,b}`` in a file name as the shell takes it apart: every combination, at most 1000."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    parts = found.group(1).split(",")
    made = [each for part in parts for each in braces(pattern[: found.start()] + part + pattern[found.end() :])[:1000]]
    return made[:1000]


def no_files(pattern: str, base: str) -> tuple[Source, ...]:
    """For a text that stands alone."""
    return ()


class _Plain(dict[str, "tuple[tuple[str, int], ...] | None"]):
    """The pieces of each line that is what it looks like, None for any other. Long files have few different lines."""

    def __missing__(self, line: str) -> tuple[tuple[str, int], ...] | None:
        found: tuple[tuple[str, int], ...] | None = None
        if len(line) <= LONGEST_LINE and _SIGN.search(line) is None:
            chars = line.strip(BLANKS)
            column = len(line) - len(line.lstrip(BLANKS)) + 1
            opening = _OPENING.fullmatch(chars)
            if opening is not None:
                found = ((opening[1], column), ("{", column + len(chars) - 1))
            elif chars:
                found = tuple((piece.chars, piece.columns[0]) for piece in pieces(line_of(line, 0, "")))
            else:
                found = ()
        self[line] = found
        return found


class Expander:
    """The logical lines of a file and all that it includes, cut at braces. ``config_id``: what ``@id`` is compared with."""

    def __init__(self, report: Report, sources: Sources = no_files, config_id: str = "", folder: str = "") -> None:
        self.report = report
        self.files: list[str] = []
        self.pieces = Pieces()
        self._plain = _Plain()
        self._sources = sources
        self._id = config_id
        self._folder = folder
        self._definitions: dict[str, list[Text]] = {}
        self._checks: frozenset[str] = frozenset()
        """What ``include_check`` insists on."""
        self._inside: int | None = None
        """How many braces are open since ``global_defs``; None outside of it."""
        self._lines = 0
        self._full = False

    def read(self, source: Source, depth: int = 0) -> Pieces:
        """Every line that is neither blank nor a comment, in the order in which it is read; all that was read so far."""
        self.files.append(source.path)
        plain, file = self._plain, source.path
        add_chars, add_place = self.pieces.chars.append, self.pieces.places.append
        collecting: tuple[str, list[Text]] | None = None
        bare = self._inside is None
        for number, raw in enumerate(source.text.split("\n"), 1):
            if self._full:
                break
            found = plain[raw]
            if bare and found is not None:  # nearly every line of a long file: no call is made for it
                for chars, column in found:
                    add_chars(chars)
                    add_place((number, column, file))
                if found:
                    self._lines += 1
                    if self._lines > MOST_LINES:
                        self._full_at(number, file)
            else:
                line = self._bare(line_of(raw, number, file))
                if collecting is not None:
                    collecting = self._collect(collecting, line)
                elif line.chars:
                    collecting = self._line(line, depth)
                bare = collecting is None and self._inside is None
        return self.pieces

    def _line(self, line: Text, depth: int) -> tuple[str, list[Text]] | None:
        """A line that is not blank. Returns the definition that it begins, if that goes on."""
        kept = self._condition(line)
        if kept is None:
            return None
        word = re.split(f"[{BLANKS}]", kept.chars, maxsplit=1)[0]
        if word in INCLUDES:
            self._include(word, kept, depth)
            return None
        found = _DEFINITION.match(kept.chars)
        if found is not None:
            return self._define(found, kept)
        for each in self._repeated(kept, depth=0):
            self.pieces.add(each)
        return None

    def _bare(self, line: Text) -> Text:
        """Without blanks and comment. A password that a comment cuts is told: its owner believes in the rest."""
        bare = without_comment(line)
        glued = len(bare.chars) < len(line.chars) and bare.chars[-1:] not in ("", *BLANKS)
        if glued and bare.chars.split()[:1] == ["auth_pass"]:
            hint = "Put the password between double quotes."
            self.report.warning(line.place(len(bare.chars)), "the password ends here: this sign begins a comment", hint)
        return bare.stripped()

    # -- conditions and definitions -----------------------------------------------------------------------------------

    def _condition(self, line: Text) -> Text | None:
        """The line behind its condition, or None when it does not hold. Only one condition counts, as there."""
        if line.chars.startswith("@"):
            word = re.split(f"[{BLANKS}]", line.chars, maxsplit=1)[0]
            differs = word.startswith("@^")
            name = word[2:] if differs else word[1:]
            if not name:
                self.report.warning(line.place(), f'"{word}" names no configuration id', "Write @NAME or @^NAME.")
                return None
            if (name == self._id) is differs:
                return None
            line = line.cut(len(word)).stripped()
        return line if line.chars else None

    def _define(self, found: re.Match[str], line: Text) -> tuple[str, list[Text]] | None:
        """Begin or take a definition. One whose first line ends in a backslash goes on."""
        name = found.group(1)
        value = line.cut(found.start(2)).stripped()
        if value.chars == "\\":
            self._definitions[name] = []
            return name, self._definitions[name]
        self._definitions[name] = [value]
        return None

    @staticmethod
    def _collect(collecting: tuple[str, list[Text]], line: Text) -> tuple[str, list[Text]] | None:
        goes_on = line.chars.endswith("\\")
        body = line.cut(0, -1).stripped() if goes_on else line
        if body.chars:
            collecting[1].append(body)
        return collecting if goes_on else None

    def _include(self, word: str, line: Text, depth: int) -> None:
        pattern = line.cut(len(word)).stripped()
        strict = INCLUDES[word]
        if not pattern.chars:
            self.report.warning(line.place(), f'"{word}" names no file', "Write the file behind it.")
            return
        if depth >= MOST_DEPTH:
            self.report.error(line.place(), f"files include each other more than {MOST_DEPTH} deep", "Is it a circle?")
            return
        found = self._sources(self._used(pattern.chars), line.file)
        if not found:
            self._not_found(word, strict, pattern)
        for source in found:
            if source.problem:
                tell = self.report.error if strict in ("read", "all") else self.report.warning
                tell(pattern.place(), f"cannot read {source.path}: {source.problem}", "keepalived goes on without it.")
                continue
            checks = self._checks  # those of an included file end with it
            self.read(source, depth + 1)
            self._checks = checks

    def _not_found(self, word: str, strict: str, pattern: Text) -> None:
        text = f'"{word} {pattern.chars}" finds no file'
        kind = (
            "wildcard_match"
            if re.search(r"[*?\[]", pattern.chars)
            else "brace_match"
            if "{" in pattern.chars
            else "match"
        )
        if not strict and kind in self._checks:
            self.report.error(pattern.place(), text, "With this include_check keepalived does not start.")
        elif strict in ("match", "all", "wildcard", "brace"):
            self.report.error(pattern.place(), text, f'With "{word}" keepalived takes that for an error, too.')
        else:
            self.report.warning(pattern.place(), text, "keepalived goes on without a word; what is missing is missing.")

    def _watch(self, line: Text) -> None:
        """Find ``include_check`` in ``global_defs``: it counts for what is read behind it."""
        if self._inside is None and "global_defs" not in line.chars:
            return
        word, *rest = line.chars.replace("{", " ").split() or [""]
        if word == "global_defs" and self._inside is None:
            self._inside = 0
        if self._inside is None:
            return
        closed = line.chars.count("}")
        self._inside += line.chars.count("{") - closed
        if closed and self._inside <= 0:
            self._inside = None
        elif word == "include_check":
            self._checked(line, rest)

    def _checked(self, line: Text, words: list[str]) -> None:
        """The checks from now on: those that are named, or with a sign in front one more or fewer; all where none is named."""
        named = {word.lstrip("+-") for word in words}
        for word in sorted(named - set(CHECKS)):
            text = f'unknown include_check "{word}"; it does not count'
            self.report.warning(line.place(), text, f"It may be {', '.join(CHECKS)}.")
        if not words:
            self._checks = frozenset(CHECKS)
        elif not any(word[0] in "+-" for word in words):
            self._checks = frozenset()
        for word in words:
            one = frozenset((word.lstrip("+-"),)) & frozenset(CHECKS)
            self._checks = self._checks - one if word[0] == "-" else self._checks | one

    # -- parameters and repetitions -----------------------------------------------------------------------------------

    def _repeated(self, line: Text, depth: int) -> Iterator[Text]:
        """The line once for each round of its first ``~SEQ`` or ``~LST``, and so on for the next."""
        found = _REPEAT.search(line.chars)
        end = -1 if found is None else _closing(line.chars, found.end())
        if found is None or end < 0 or depth > MOST_DEPTH:
            yield from self._expanded(line, 0)
            return
        rounds = self._rounds(found.group(1), line, found.end(), end)
        if rounds is None:
            yield from self._expanded(line, 0)
            return
        start = found.start()
        rest = line.put(start, end + 1, "")
        rest = rest.stripped() if start == 0 else rest
        for values in rounds:
            if self._full:
                return
            filled = rest
            for name, value in values:
                filled = _substituted(filled, name, value)
            yield from self._repeated(filled, depth + 1)

    def _rounds(self, kind: str, line: Text, start: int, end: int) -> Iterator[list[tuple[str, str]]] | None:
        """What each round puts in the place of which names; None when it is not well formed (keepalived leaves it then)."""
        words = _arguments(line.chars[start:end])
        made = _listed(words) if kind == "LST" else _sequence(words, kind == "SEQx")
        if made is None:
            text = f'"~{kind}({line.chars[start:end]})" is not well formed, and stays as it is'
            self.report.warning(line.place(start), text, "Write ~SEQ(name, first, step, last) or ~LST(name, a, b).")
        return made

    def _expanded(self, line: Text, depth: int) -> Iterator[Text]:
        """With every definition put in; a definition of several lines makes several."""
        if self._full:
            return
        position = 0
        while len(line.chars) <= LONGEST_LINE and (found := _USE.search(line.chars, position)) is not None:
            value = self._value(found)
            if value is None:
                position = found.end()
                continue
            if (found.group(1) or "").split()[:1] == ["_RANDOM"]:
                text = f"{found.group()} is {value[0]}, its least value, each time"
                hint = "A file that means something else whenever it is read could not be compared with what runs."
                self.report.warning(line.place(found.start()), text, hint)
            depth += 1
            if depth > 1000 or len(line.chars) > LONGEST_LINE:
                break
            if len(value) > 1:
                yield from self._several(line, found, value, depth)
                return
            line = line.put(found.start(), found.end(), value[0])
            position = found.start()
        if depth > 1000 or len(line.chars) > LONGEST_LINE:
            self.report.error(line.place(), "the definitions in this line never end", "One of them names itself.")
            return
        self._lines += 1
        if self._lines > MOST_LINES:
            self._full_at(line.line, line.file)
        line = self._bare(line)  # what a definition put in may be the sign of a comment, and it counts
        if line.chars:
            self._watch(line)
            yield line

    def _several(self, line: Text, found: re.Match[str], value: list[str], depth: int) -> Iterator[Text]:
        """What stands before goes with the first line of the definition, what stands behind with the last."""
        last = len(value) - 1
        for number, chars in enumerate(value):
            part = line.put(found.start(), found.end(), chars)
            if number < last:
                part = part.cut(0, found.start() + len(chars))
            if number:
                part = part.cut(found.start())
            yield from self._expanded(part, depth * 2)

    def _value(self, found: re.Match[str]) -> list[str] | None:
        name = found.group(1) if found.group(1) is not None else found.group(2)
        if name in self._definitions:
            return [text.chars for text in self._definitions[name]] or [""]
        word, *_ = name.split() or [""]
        if found.group(1) is None:
            return None
        known = {"_HASH": "#", "_BANG": "!", "_PWD": self._folder, "_INSTANCE": self._id}
        if word == "_RANDOM":
            return [next((item for item in name.split()[1:] if item.isdecimal()), "0")]
        return [known[word]] if word in known else None

    def _used(self, chars: str) -> str:
        """A file name with its definitions put in."""
        for _ in range(100):
            found = next((item for item in _USE.finditer(chars) if self._value(item) is not None), None)
            if found is None:
                break
            chars = (chars[: found.start()] + (self._value(found) or [""])[0] + chars[found.end() :])[:LONGEST_LINE]
        return chars

    def _full_at(self, line: int, file: str) -> None:
        if not self._full:
            self._full = True
            text = f"the configuration has more than {MOST_LINES} lines"
            self.report.error(Place(line, 1, file), text, "Is a repetition longer than it was meant to be?")


def _substituted(line: Text, name: str, value: str) -> Text:
    """``$name`` and ``${name}`` of a repetition; the rest is left for the definitions."""
    use = re.compile(rf"\$(?:\{{{re.escape(name)}\}}|{re.escape(name)}(?![A-Za-z0-9_]))")
    position = 0
    while (found := use.search(line.chars, position)) is not None and len(line.chars) <= LONGEST_LINE:
        line = line.put(found.start(), found.end(), value)
        position = found.start() + len(value)
    return line


def _closing(chars: str, start: int) -> int:
    """Where the bracket closes that was opened before ``start``; -1: nowhere."""
    depth = 1
    for index in range(start, len(chars)):
        depth += {"(": 1, ")": -1}.get(chars[index], 0)
        if depth == 0:
            return index
    return -1


def _arguments(chars: str) -> list[str]:
    """Split at commas that stand in no braces."""
    found, depth, start = [], 0, 0
    for index, character in enumerate(chars):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append(chars[start:index].strip(BLANKS))
            start = index + 1
    return [*found, chars[start:].strip(BLANKS)]


def _sequence(words: list[str], hexadecimal: bool) -> Iterator[list[tuple[str, str]]] | None:
    name, *given = words
    base = 16 if hexadecimal else 10
    pattern = r"-?[0-9a-fA-F]{1,12}" if hexadecimal else r"-?[0-9]{1,12}"
    if not name or not 1 <= len(given) <= 3 or not all(re.fullmatch(pattern, item, re.ASCII) for item in given):
        return None
    numbers = [int(item, base) for item in given]
    if len(numbers) == 3:
        first, step, last = numbers
    else:
        first, last = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
        step = 1 if first <= last else -1
    if step == 0:
        return None
    values = range(first, last + (1 if step > 0 else -1), step)
    return ([(name, f"{value:x}" if hexadecimal else str(value))] for value in values)


def _listed(words: list[str]) -> Iterator[list[tuple[str, str]]] | None:
    names = _tuple(words[0])
    rounds = [_tuple(word) for word in words[1:]]
    if not all(names) or not rounds or any(len(values) > len(names) for values in rounds):
        return None
    return (list(zip(names, [*values, *[""] * len(names)], strict=False)) for values in rounds)


def _tuple(word: str) -> list[str]:
    inner = word[1:-1] if word.startswith("{") and word.endswith("}") else word
    return [part.strip(BLANKS) for part in inner.split(",")]
