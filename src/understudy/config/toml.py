"""Native text to tree: the whole of TOML 1.0, keeping the place of every word and value.

The standard library reads TOML too but forgets where things stood, and an administrator who is told "unknown word" wants
the line. What is accepted and what it means is compared with ``tomllib`` by a property test. This file holds keys, tables and
the rules about who may define what; values are in ``toml_values``.

Only the first error of syntax is reported: what follows a lost quote or bracket is guesswork, and a list of follow-up
errors hides the one that matters. Errors of meaning are collected by ``validate``, all at once.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from ..errors import Problem
from .toml_values import MAX_DEPTH, Fault, Scanner
from .tree import Array, Entry, Origin, Place, Table, Value

Key: TypeAlias = list[tuple[str, Place]]

_PAIR = re.compile(
    r"([A-Za-z0-9_-]+)[ \t]*=[ \t]*"
    r"(?:(true|false)|(0|[1-9][0-9]{0,17})|\"([^\"\\\x00-\x08\x0a-\x1f\x7f]*)\")[ \t]*(?=[,}])"
)
"""A setting in braces whose key and value need no closer look, as nearly all of them: there may be ten thousand such tables."""


def parse(text: str, file: str = "") -> Table | Problem:
    """Read a whole document. Never raises: an error of syntax is a Problem with line, column and a hint."""
    reader = _Reader(text.replace("\r\n", "\n"))
    try:
        reader.document()
    except Fault as fault:
        place = reader.scan.place(fault.offset)
        return Problem(file, place.line, place.column, fault.text, fault.hint)
    return reader.root


def decode(data: bytes, file: str = "") -> str | Problem:
    """UTF-8 bytes of a file to text; a Problem names the line of the first bad byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        text = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        return Problem(file, line, column, text, "Save the file as UTF-8, without special characters if in doubt.")


def quote_key(key: Key) -> str:
    return ".".join(word for word, _ in key)


class _Reader:
    """Statement by statement: ``[header]``, ``[[header]]`` or ``key = value``."""

    def __init__(self, text: str) -> None:
        self.scan = Scanner(text, inline_table=self._inline_table)
        self.root = Table(Origin.HEADER)
        self.section = self.root

    def document(self) -> None:
        scan = self.scan
        while True:
            scan.skip_space()
            if scan.at_end():
                return
            if scan.peek("[["):
                self._array_header()
            elif scan.peek("["):
                self._table_header()
            elif not scan.peek("#") and not scan.peek("\n"):
                self._pair(self.section)
            scan.skip_space()
            scan.end_of_line()

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _key(self) -> Key:
        scan = self.scan
        key = [scan.key_part()]
        while True:
            scan.skip_space()
            if not scan.take("."):
                return key
            scan.skip_space()
            key.append(scan.key_part())
            if len(key) > MAX_DEPTH:
                raise Fault(scan.offset, f"a key of more than {MAX_DEPTH} parts", "")

    # -- headers ------------------------------------------------------------------------------------------------------

    def _header_key(self, closing: str) -> tuple[Key, int]:
        scan = self.scan
        start = scan.offset
        scan.offset += len(closing)
        scan.skip_space()
        key = self._key()
        if not scan.take(closing):
            raise Fault(scan.offset, f"expected {closing!r} at the end of this header", f"Write [{quote_key(key)}].")
        return key, start

    def _table_header(self) -> None:
        key, start = self._header_key("]")
        parent = self._walk(key[:-1])
        word, place = key[-1]
        entry = parent.entries.get(word)
        if entry is None:
            self.section = Table(Origin.HEADER)
            parent.entries[word] = Entry(place, Value(self.scan.place(start), self.section))
            return
        table = entry.value.data
        if not isinstance(table, Table) or table.origin is not Origin.IMPLIED:
            raise Fault(start, *_twice(quote_key(key), entry))
        table.origin = Origin.HEADER
        self.section = table

    def _array_header(self) -> None:
        key, start = self._header_key("]]")
        parent = self._walk(key[:-1])
        word, place = key[-1]
        self.section = Table(Origin.HEADER)
        item = Value(self.scan.place(start), self.section)
        entry = parent.entries.get(word)
        if entry is None:
            parent.entries[word] = Entry(place, Value(item.place, Array([item], of_tables=True)))
            return
        array = entry.value.data
        if not isinstance(array, Array) or not array.of_tables:
            raise Fault(start, *_twice(quote_key(key), entry))
        array.items.append(item)

    def _walk(self, key: Key) -> Table:
        """The table that the leading parts of a header name, made where it is missing."""
        table = self.root
        for word, place in key:
            entry = table.entries.get(word)
            if entry is None:
                inner = Table(Origin.IMPLIED)
                table.entries[word] = Entry(place, Value(place, inner))
                table = inner
                continue
            data = entry.value.data
            if isinstance(data, Array) and data.of_tables:
                data = data.items[-1].data
            if not isinstance(data, Table) or data.origin is Origin.INLINE:
                text = f'"{word}" has a value already (line {entry.place.line}), so nothing can be put under it'
                raise Fault(self.scan.offset_of(place), text, "Write everything of a table in one place.")
            table = data
        return table

    # -- key = value --------------------------------------------------------------------------------------------------

    def _pair(self, table: Table) -> None:
        scan = self.scan
        key = self._key()
        if not scan.take("="):
            raise Fault(scan.offset, f'expected "=" after "{quote_key(key)}"', f"Write {quote_key(key)} = VALUE.")
        scan.skip_space()
        value = scan.value(0)
        self._store(table, key, value)

    def _store(self, table: Table, key: Key, value: Value) -> None:
        for word, place in key[:-1]:
            entry = table.entries.get(word)
            if entry is None:
                inner = Table(Origin.DOTTED)
                table.entries[word] = Entry(place, Value(place, inner))
                table = inner
                continue
            data = entry.value.data
            if not isinstance(data, Table) or data.origin not in (Origin.DOTTED, Origin.IMPLIED):
                raise Fault(self.scan.offset_of(place), *_twice(word, entry))
            if data.origin is Origin.IMPLIED:
                # ``[a.b.c]`` first and ``b.d = 1`` in ``[a]`` later: allowed once, closed to headers from then on.
                data.origin = Origin.DOTTED
            table = data
        word, place = key[-1]
        if word in table.entries:
            raise Fault(self.scan.offset_of(place), *_twice(quote_key(key), table.entries[word]))
        table.entries[word] = Entry(place, value)

    def _inline_table(self, depth: int) -> Table:
        """``{ a = 1, b.c = 2 }`` on one line; the scanner stands behind the opening brace."""
        scan = self.scan
        table = Table(Origin.INLINE)
        scan.skip_space()
        if scan.take("}"):
            return table
        while True:
            scan.skip_space()
            if scan.peek("\n") or scan.peek("#"):
                text = "a table in braces must stay on one line"
                raise Fault(
                    scan.offset, text, "Join the lines, or write each item of a list as a [[section]] of its own."
                )
            simple = _PAIR.match(scan.text, scan.offset) if depth <= MAX_DEPTH else None
            if simple is not None:
                self._simple(table, simple)
            else:
                key = self._key()
                if not scan.take("="):
                    name = quote_key(key)
                    raise Fault(scan.offset, f'expected "=" after "{name}"', f"Write {name} = VALUE.")
                scan.skip_space()
                self._store(table, key, scan.value(depth))
            scan.skip_space()
            if scan.take("}"):
                return table
            if not scan.take(","):
                text = 'expected "," or "}" in this table'
                raise Fault(scan.offset, text, "Separate the settings by commas and close the table on the same line.")
            scan.skip_space()
            if scan.peek("}"):
                raise Fault(scan.offset, 'a table in braces must not end with ","', "Take the last comma away.")

    def _simple(self, table: Table, found: re.Match[str]) -> None:
        """Take what ``_PAIR`` found into the table."""
        scan, kind = self.scan, found.lastindex or 0
        data = (found[2] == "true") if kind == 2 else int(found[3]) if kind == 3 else found[4]
        # A text begins at its quotation mark.
        at = Value(scan.place(found.start(kind) - (kind == 4)), data)
        self._store(table, [(found[1], scan.place(found.start()))], at)
        scan.offset = found.end()


def _twice(name: str, first: Entry) -> tuple[str, str]:
    text = f'"{name}" is given twice, first on line {first.place.line}'
    return text, "Keep one of them and take the other away."
