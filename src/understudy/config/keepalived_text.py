"""Lines, words, quotes and comments of keepalived.conf, as 2.2.7 was seen to read them; every character keeps its place.

Two ways to split a line exist there. Most keywords know double quotes only, without escapes, and a quote begins a new word.
Commands know both kinds of quotes, join adjacent pieces, and take the escapes of C. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .heartbeat_lines import Word
from .tree import Place

BLANKS = " \t\r\v\f"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "E": "\x1b"}
_OCTAL = "01234567"
_HEXADECIMAL = "0123456789abcdefABCDEF"
_WORD = re.compile(f"[^{BLANKS}]+")
_BRACE = re.compile('["{}]')


class Text(NamedTuple):
    """Part of a line. ``columns``: where each character stood; what a definition put in stands where its ``$`` was."""

    chars: str
    columns: Sequence[int]
    line: int
    file: str

    def __repr__(self) -> str:
        return f"Text(line={self.line!r}, file={self.file!r})"  # what stands there may be a password

    def cut(self, start: int, end: int | None = None) -> Text:
        return Text(self.chars[start:end], self.columns[start:end], self.line, self.file)

    def stripped(self) -> Text:
        """Without blanks around it."""
        if len(self.chars.strip(BLANKS)) == len(self.chars):
            return self
        start = len(self.chars) - len(self.chars.lstrip(BLANKS))
        return self.cut(start, max(start, len(self.chars.rstrip(BLANKS))))

    def place(self, index: int = 0) -> Place:
        if index < len(self.columns):
            return Place(self.line, self.columns[index], self.file)
        return Place(self.line, self.columns[-1] + 1 if self.columns else 1, self.file)

    def put(self, start: int, end: int, chars: str) -> Text:
        """With other characters in the place of those from ``start`` to ``end``."""
        column = self.columns[start] if start < len(self.columns) else 1
        columns = [*self.columns[:start], *[column] * len(chars), *self.columns[end:]]
        return Text(self.chars[:start] + chars + self.chars[end:], columns, self.line, self.file)


def line_of(line: str, number: int, file: str) -> Text:
    """A line of a file without blanks around it."""
    chars = line.lstrip(BLANKS)
    start = len(line) - len(chars) + 1
    chars = chars.rstrip(BLANKS)
    return Text(chars, range(start, start + len(chars)), number, file)


def without_comment(text: Text) -> Text:
    """``#`` and ``!`` begin a comment anywhere but between double quotes."""
    if "#" not in text.chars and "!" not in text.chars:
        return text
    quoted = False
    for index, character in enumerate(text.chars):
        if character == '"' and not (quoted and text.chars[index - 1] == "\\"):
            quoted = not quoted
        elif character in "#!" and not quoted:
            return text.cut(0, index)
    return text


def pieces(text: Text) -> list[Text]:
    """The line cut at its braces, each brace a piece of its own; those between quotes and of ``${NAME}`` do not count.

    ``text``: without blanks around it.
    """
    if len(text.chars) == 1 or ("{" not in text.chars and "}" not in text.chars):
        return [text]
    made: list[Text] = []
    start, quoted, named = 0, False, False
    for found in _BRACE.finditer(text.chars):
        index, character = found.start(), found[0]
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character == "{" and text.chars[index - 1 : index] == "$":
            named = True
        elif character == "}" and named:
            named = False
        else:
            made += _filled(text, start, index)
            made.append(text.cut(index, index + 1))
            start = index + 1
    return made + _filled(text, start, len(text.chars))


def _filled(text: Text, start: int, end: int) -> list[Text]:
    """The part without blanks around it, if anything is left."""
    inner = text.chars[start:end].rstrip(BLANKS)
    bare = inner.lstrip(BLANKS)
    end = start + len(inner)
    return [text.cut(end - len(bare), end)] if bare else []


class Pieces:
    """All pieces of a file, in order. ``chars``: what stands in each.

    ``places``: the piece itself, or the line, the column and the file of one that is just what was written there.
    """

    def __init__(self) -> None:
        self.chars: list[str] = []
        self.places: list[Text | tuple[int, int, str]] = []

    def add(self, line: Text) -> None:
        """The pieces of a line without blanks around it."""
        found = pieces(line)
        self.chars += [piece.chars for piece in found]
        self.places += found

    def text(self, index: int) -> Text:
        found, chars = self.places[index], self.chars[index]
        if isinstance(found, Text):
            return found
        line, column, file = found
        return Text(chars, range(column, column + len(chars)), line, file)


def plain_words(text: Text) -> list[Word] | None:
    """The words as most keywords take them; None when a quote is not closed."""
    index, chars = 0, text.chars
    if '"' not in chars:
        columns, line, file = text.columns, text.line, text.file
        return [Word(found[0], Place(line, columns[found.start()], file)) for found in _WORD.finditer(chars)]
    words: list[Word] = []
    while index < len(chars):
        if chars[index] in BLANKS:
            index += 1
        elif chars[index] == '"':
            end = chars.find('"', index + 1)
            if end < 0:
                return None
            words.append(Word(chars[index + 1 : end], text.place(index)))
            index = end + 1
        else:
            end = index
            while end < len(chars) and chars[end] not in f'{BLANKS}"':
                end += 1
            words.append(Word(chars[index:end], text.place(index)))
            index = end
    return words


def command_words(text: Text) -> list[Word]:
    """The words as commands take them. A quote that is not closed ends with the line."""
    words: list[Word] = []
    index, chars = 0, text.chars
    while index < len(chars):
        if chars[index] in BLANKS:
            index += 1
            continue
        first, made, quote = index, "", ""
        while index < len(chars) and (quote or chars[index] not in BLANKS):
            character = chars[index]
            if character == "\\" and index + 1 < len(chars):
                character, index = _escape(chars, index + 1)
                made += character
                continue
            index += 1
            if quote and character == quote:
                quote = ""
            elif not quote and character in "\"'":
                quote = character
            else:
                made += character
        words.append(Word(made, text.place(first)))
    return words


def arguments_of(word: Word) -> list[Word]:
    """A command in one word, split again in the same way."""
    start = word.place.column
    return command_words(Text(word.text, range(start, start + len(word.text)), word.place.line, word.place.file))


def _escape(chars: str, index: int) -> tuple[str, int]:
    """What stands behind a backslash, and where it ends."""
    character = chars[index]
    if character in _ESCAPES:
        return _ESCAPES[character], index + 1
    if character == "x" and index + 1 < len(chars) and chars[index + 1] in _HEXADECIMAL:
        end = index + 2 + (chars[index + 2 : index + 3] in _HEXADECIMAL and index + 2 < len(chars))
        return chr(int(chars[index + 1 : end], 16)), end
    if character in _OCTAL:
        end = index + 1
        while end < min(index + 3, len(chars)) and chars[end] in _OCTAL:
            end += 1
        return chr(int(chars[index:end], 8) & 0xFF), end
    if character == "c" and index + 1 < len(chars) and "@" <= chars[index + 1].upper() <= "_":
        return chr(ord(chars[index + 1].upper()) ^ 0x40), index + 2
    return character, index + 1
