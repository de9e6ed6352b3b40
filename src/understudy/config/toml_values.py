"""TOML values and keys, character by character: strings, numbers, dates, lists (TOML 1.0, sections String to Array)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from .tree import Array, Data, Moment, Place, Table, Value

MAX_DEPTH = 32
"""Lists and tables inside each other, and parts of a key. More is an error, so that no file can exhaust the stack."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INTEGER = re.compile(
    r"0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*|[+-]?(?:0|[1-9](?:_?[0-9])*)"
)
_FLOAT = re.compile(
    r"[+-]?(?:inf|nan)|"
    r"[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[eE][+-]?[0-9](?:_?[0-9])*)"
)
_DATE = r"(\d{4})-(\d{2})-(\d{2})"
_TIME = r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?"
_DATE_TIME = re.compile(_DATE + r"(?:[Tt ]" + _TIME + r"(?:([Zz])|([+-])(\d{2}):(\d{2}))?)?", re.ASCII)
_LOCAL_TIME = re.compile(_TIME, re.ASCII)
# The end of anything that is neither quoted nor bracketed; blanks are allowed inside for the sake of dates.
_WORD = re.compile(r"[^\s,\[\]{}#=\"']+")
_PLAIN_RUN = re.compile(r"[^\"\\\x00-\x08\x0a-\x1f\x7f]*")
_LITERAL_RUN = re.compile(r"[^'\x00-\x08\x0a-\x1f\x7f]*")
_COMMENT = re.compile(r"#[^\x00-\x08\x0a-\x1f\x7f]*")
_SPACE = re.compile(r"[ \t]*")
_LINES = re.compile(rf"(?:[ \t]*(?:{_COMMENT.pattern})?\n)*[ \t]*(?:{_COMMENT.pattern})?")
_PLAIN_TEXT = re.compile(rf'"({_PLAIN_RUN.pattern})"(?!")')
"""A text without escapes, as nearly all are."""
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_DIGITS_MOST = 4000  # Python refuses to convert longer ones


class Fault(Exception):
    """An error of syntax at an offset of the text. Never leaves the reader: ``toml.parse`` turns it into a Problem."""

    def __init__(self, offset: int, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text
        self.hint = hint


class Scanner:
    """The text, how far it has been read, and what can be read at that point."""

    def __init__(self, text: str, inline_table: Callable[[int], Table]) -> None:
        self.text = text
        self.offset = 0
        self._inline_table = inline_table
        # The outermost list being read: when a bracket is lost, the trouble shows lines later.
        self._list_start: int | None = None
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    # -- places -------------------------------------------------------------------------------------------------------

    def place(self, offset: int) -> Place:
        line = bisect_right(self._line_starts, offset)
        return Place(line, offset - self._line_starts[line - 1] + 1)

    def offset_of(self, place: Place) -> int:
        return self._line_starts[place.line - 1] + place.column - 1

    # -- small steps --------------------------------------------------------------------------------------------------

    def at_end(self) -> bool:
        return self.offset >= len(self.text)

    def peek(self, wanted: str) -> bool:
        return self.text.startswith(wanted, self.offset)

    def take(self, wanted: str) -> bool:
        if not self.peek(wanted):
            return False
        self.offset += len(wanted)
        return True

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.offset)
        self.offset = self.offset if found is None else found.end()

    def skip_lines(self) -> None:
        """Blanks, comments and line ends, as they may stand between the items of a list."""
        found = _LINES.match(self.text, self.offset)
        self.offset = self.offset if found is None else found.end()

    def end_of_line(self) -> None:
        self._comment()
        if self.at_end() or self.take("\n"):
            return
        found = self.text[self.offset]
        if found.isprintable():
            hint = "One setting for each line; text values need quotes, and comments begin with #."
            raise Fault(self.offset, f"unexpected {found!r} after the end of the setting", hint)
        raise Fault(
            self.offset, f"character U+{ord(found):04X} may not stand here", "Take it away; it may be invisible."
        )

    def _comment(self) -> None:
        match = _COMMENT.match(self.text, self.offset)
        if match is not None:
            self.offset = match.end()

    # -- keys ---------------------------------------------------------------------------------------------------------

    def key_part(self) -> tuple[str, Place]:
        place = self.place(self.offset)
        start = self.offset
        if self.peek('"""') or self.peek("'''"):
            raise Fault(start, "a name cannot be a text of several lines", "Use single quotation marks, or none.")
        if self.take('"'):
            return self._basic(start), place
        if self.take("'"):
            return self._literal(start), place
        match = _BARE_KEY.match(self.text, start)
        if match is None:
            if self.at_end() or self.peek("\n"):
                raise Fault(start, "expected a name, found the end of the line", "Write NAME = VALUE.")
            found = self.text[start]
            hint = "Names are made of letters, digits, - and _; put any other name in quotation marks."
            raise Fault(start, f"expected a name, found {found!r}", hint)
        self.offset = match.end()
        return match.group(), place

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, depth: int) -> Value:
        """One value; ``depth`` counts the lists and tables around it."""
        start = self.offset
        place = self.place(start)
        if depth > MAX_DEPTH:
            raise Fault(start, f"lists and tables nested more than {MAX_DEPTH} deep", "No setting needs that.")
        plain = _PLAIN_TEXT.match(self.text, start)
        if plain is not None:
            self.offset = plain.end()
            return Value(place, plain[1])
        if self.take('"""'):
            return Value(place, self._basic_lines(start))
        if self.take("'''"):
            return Value(place, self._literal_lines(start))
        if self.take('"'):
            return Value(place, self._basic(start))
        if self.take("'"):
            return Value(place, self._literal(start))
        if self.take("["):
            return Value(place, self._array(start, depth + 1))
        if self.take("{"):
            return Value(place, self._inline_table(depth + 1))
        return Value(place, self._bare(start))

    def _array(self, start: int, depth: int) -> Array:
        around, self._list_start = self._list_start, start if self._list_start is None else self._list_start
        items = self._items(start, depth)
        self._list_start = around
        return Array(items)

    def _items(self, start: int, depth: int) -> list[Value]:
        items: list[Value] = []
        while True:
            self.skip_lines()
            if self.take("]"):
                return items
            self._still_open(start)
            items.append(self.value(depth))
            self.skip_lines()
            if self.take("]"):
                return items
            self._still_open(start)
            if not self.take(","):
                raise Fault(self.offset, 'expected "," or "]" in this list', "Separate the items by commas.")

    def _still_open(self, start: int) -> None:
        if self.at_end():
            raise Fault(start, 'this list is never closed by "]"', "Add the closing bracket.")

    def _bare(self, start: int) -> Data:
        """true, false, numbers, dates and times: everything without quotes or brackets."""
        moment = self._moment(start)
        if moment is not None:
            return moment
        match = _WORD.match(self.text, start)
        if match is None:
            found = "the end of the line" if self.at_end() or self.peek("\n") else repr(self.text[start])
            raise Fault(
                start, f"expected a value, found {found}", 'Write a value, as in "200ms", 3, true or ["a", "b"].'
            )
        word = match.group()
        self.offset = match.end()
        if word in ("true", "false"):
            return word == "true"
        if _INTEGER.fullmatch(word):
            if len(word) > _DIGITS_MOST:
                raise Fault(start, "this number is far too long", "")
            return int(word, 0)
        if _FLOAT.fullmatch(word):
            return float(word)
        hint = f'Write true or false in small letters; put text in quotation marks: "{word}".'
        if re.fullmatch(r"[+-]?0[0-9_]+", word):
            hint = "Write the number without leading zeros."
        if self._list_start is not None and self.place(self._list_start).line < self.place(start).line:
            hint = f"Is the list that begins on line {self.place(self._list_start).line} closed by a bracket?"
        raise Fault(start, f"{word} is neither a number nor true or false", hint)

    def _moment(self, start: int) -> Moment | None:
        match = _DATE_TIME.match(self.text, start) or _LOCAL_TIME.match(self.text, start)
        if match is None:
            return None
        import datetime  # only for the rare file that holds a date: the real-time process reads configurations too

        self.offset = match.end()
        parts = match.groups()
        try:
            if match.re is _LOCAL_TIME:
                return Moment(datetime.time(*_clock(parts)))
            date = datetime.date(int(parts[0]), int(parts[1]), int(parts[2]))
            if parts[3] is None:
                return Moment(date)
            zone = None
            if parts[7]:
                zone = datetime.UTC
            elif parts[8]:
                if int(parts[9]) > 23 or int(parts[10]) > 59:
                    raise ValueError
                offset = datetime.timedelta(hours=int(parts[9]), minutes=int(parts[10]))
                zone = datetime.timezone(-offset if parts[8] == "-" else offset)
            return Moment(datetime.datetime.combine(date, datetime.time(*_clock(parts[3:7])), zone))
        except ValueError:
            raise Fault(start, f"{match.group()} is not a date or time", "") from None

    # -- strings ------------------------------------------------------------------------------------------------------

    def _basic(self, start: int) -> str:
        parts: list[str] = []
        while True:
            self._run(_PLAIN_RUN, parts)
            if self.take('"'):
                return "".join(parts)
            if self.peek("\\"):
                parts.append(self._escape())
            else:
                raise self._broken_string(start, '"')

    def _literal(self, start: int) -> str:
        parts: list[str] = []
        self._run(_LITERAL_RUN, parts)
        if self.take("'"):
            return parts[0]
        raise self._broken_string(start, "'")

    def _basic_lines(self, start: int) -> str:
        self.take("\n")
        parts: list[str] = []
        while True:
            self._run(_PLAIN_RUN, parts)
            if self.take('"""'):
                # Up to two quotation marks may stand directly before the closing three.
                for _ in range(2):
                    if self.take('"'):
                        parts.append('"')
                return "".join(parts)
            if self.take('"'):
                parts.append('"')
            elif self.take("\n"):
                parts.append("\n")
            elif self.peek("\\"):
                parts.append(self._escape_in_lines())
            else:
                raise self._broken_string(start, '"""')

    def _literal_lines(self, start: int) -> str:
        self.take("\n")
        parts: list[str] = []
        while True:
            self._run(_LITERAL_RUN, parts)
            if self.take("'''"):
                for _ in range(2):
                    if self.take("'"):
                        parts.append("'")
                return "".join(parts)
            if self.take("'"):
                parts.append("'")
            elif self.take("\n"):
                parts.append("\n")
            else:
                raise self._broken_string(start, "'''")

    def _run(self, pattern: re.Pattern[str], parts: list[str]) -> None:
        match = pattern.match(self.text, self.offset)
        if match is not None:
            parts.append(match.group())
            self.offset = match.end()

    def _escape(self) -> str:
        start = self.offset
        sign = self.text[start + 1 : start + 2]
        if sign in ("u", "U"):
            length = 4 if sign == "u" else 8
            digits = self.text[start + 2 : start + 2 + length]
            if re.fullmatch(rf"[0-9A-Fa-f]{{{length}}}", digits):
                code = int(digits, 16)
                if code <= 0xD7FF or 0xE000 <= code <= 0x10FFFF:
                    self.offset = start + 2 + length
                    return chr(code)
            hint = "Write \\\\ for one backslash, or put the text in 'single' quotation marks."
            raise Fault(start, f"\\{sign} needs {length} hexadecimal digits of a Unicode character", hint)
        if sign not in _ESCAPES or not sign:
            hint = "Write \\\\ for one backslash, or put the text in 'single' quotation marks."
            raise Fault(start, f"unknown escape \\{sign.strip()}", hint)
        self.offset = start + 2
        return _ESCAPES[sign]

    def _escape_in_lines(self) -> str:
        """As ``_escape``; besides, a backslash at the end of a line swallows the line end and the blanks that follow."""
        match = re.compile(r"\\[ \t]*\n[ \t\n]*").match(self.text, self.offset)
        if match is None:
            return self._escape()
        self.offset = match.end()
        return ""

    def _broken_string(self, start: int, closing: str) -> Fault:
        if self.at_end() or self.peek("\n"):
            return Fault(start, f"this text is never closed by {closing}", "Add the closing quotation mark.")
        found = ord(self.text[self.offset])
        hint = f"Write it as \\u{found:04X} in a text in double quotation marks."
        return Fault(self.offset, f"character U+{found:04X} may not stand in a text", hint)


def _clock(parts: tuple[str | None, ...]) -> tuple[int, int, int, int]:
    hour, minute, second, fraction = parts
    return int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0"))
