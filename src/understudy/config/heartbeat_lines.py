"""Lines and words of Heartbeat's files, with the place of every word.

Read as the old program does: a line ends at a newline (CR before it does not count, the last one may be missing), ``#`` begins a
comment anywhere. Nothing here raises: bytes that are no UTF-8 become a replacement character, which no value can contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .report import Report
from .tree import Place

BLANKS = " \t\r\v\f"


class Word(NamedTuple):
    """A word of a file, and where it begins."""

    text: str
    place: Place


def text_of(data: bytes) -> str:
    """The text of a file of Heartbeat. A mark of UTF-8 at its beginning, which editors leave, does not count."""
    return data.decode("utf-8", "replace").removeprefix("\ufeff")


def split(word: Word, separators: str = BLANKS) -> list[Word]:
    """The parts of a word that contains blanks, each with its own place."""
    parts = re.finditer(f"[^{re.escape(separators)}]+", word.text)
    return [Word(part.group(), _right(word.place, part.start())) for part in parts]


def directives(text: str, file: str) -> Iterator[tuple[Word, Word]]:
    """The name and the rest of every line of ha.cf that is neither blank nor a comment."""
    for number, line in enumerate(text.split("\n"), 1):
        body = line.partition("#")[0].rstrip(BLANKS)
        whole = Word(body, Place(number, 1, file))
        words = split(whole)
        if not words:
            continue
        name = words[0]
        start = words[1].place.column - 1 if len(words) > 1 else len(body)
        yield name, Word(body[start:], Place(number, start + 1, file))


def joined_lines(text: str, file: str, report: Report) -> Iterator[list[Word]]:
    """The words of every line of haresources; lines that end with a backslash are joined with the next.

    Heartbeat takes away no comment from joined lines, so that its words become resources: that is reported, not imitated.
    """
    words: list[Word] = []
    comment: Place | None = None
    joined = False
    for number, line in enumerate(text.split("\n"), 1):
        body = line.rstrip("\r")
        continues = body.endswith("\\")
        body = body.removesuffix("\\")
        head, sign, _ = body.partition("#")
        if sign and comment is None:
            comment = Place(number, len(head) + 1, file)
        words += split(Word(head, Place(number, 1, file)))
        joined = joined or continues
        if continues:
            continue
        if joined and comment is not None:
            hint = "Put the comment on a line of its own, before or after the lines that are joined by a backslash."
            report.error(comment, "a comment in lines that are joined: Heartbeat takes its words for resources", hint)
        if words:
            yield words
        words, comment, joined = [], None, False
    if words:
        yield words


def _right(place: Place, count: int) -> Place:
    return Place(place.line, place.column + count, place.file)
