"""Lines of keepalived.conf as statements in blocks, taken apart by its keywords as keepalived does it.

Whether a brace opens a block depends on the keyword before it. Behind an unknown keyword it does not: its lines are then read as
lines of the block around it, and its closing brace ends that one. This was seen with 2.2.7, and is warned of. Where a real server
or a checker is lost by it, or by a keyword that stands behind another on its line, it is an error: nobody means that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .heartbeat_lines import Word
from .keepalived_keyword import ITEMS, Keyword
from .keepalived_service_words import BALANCED, COMMANDS, PARTS
from .keepalived_text import Text, command_words, pieces, plain_words
from .keepalived_words import CONTEXTS, hint_for
from .report import Report
from .tree import Place


@dataclass(slots=True)
class Statement:
    """A line: its words as plain keywords take them, the whole of it for commands, and its block if it has one.

    ``name``: the first word. ``within``: the context whose keyword it is; ``ITEMS`` for a line that is an item of a list.
    """

    name: str
    words: tuple[Word, ...]
    text: Text
    within: str
    block: list[Statement] | None = None
    keyword: Keyword | None = None

    @property
    def place(self) -> Place:
        return self.words[0].place

    def value(self, index: int = 1) -> Word | None:
        """The word behind the keyword, None when there is none."""
        return self.words[index] if len(self.words) > index else None

    def inner(self, name: str) -> Iterator[Statement]:
        return (item for item in self.block or () if item.name == name)


SECRETIVE = ("authentication", "SSL")
"""Contexts in which a password stands."""


def read_tree(report: Report, lines: Iterator[Text]) -> list[Statement]:
    """All statements at the top of the file, problems reported."""
    reader = _Reader(report, [piece for line in lines for piece in pieces(line)])
    statements: list[Statement] = []
    while not reader.at_end:
        reader.block("top", statements)
        if not reader.at_end:
            reader.extra()
    return statements


class _Reader:
    def __init__(self, report: Report, pieces: list[Text]) -> None:
        self._report = report
        self._pieces = pieces
        self._taken = 0
        self._swallowed: Word | None = None
        """The keyword in the last statement to which the "{" behind it was meant to belong."""

    @property
    def at_end(self) -> bool:
        return self._taken == len(self._pieces)

    @property
    def _at_brace(self) -> bool:
        return not self.at_end and self._pieces[self._taken].chars == "{"

    def _opens(self) -> bool:
        """Whether a brace is next, which is taken then."""
        found = self._at_brace
        self._taken += found
        return found

    def extra(self) -> None:
        """A closing brace that closes nothing."""
        hint = "It may be the end of a block whose keyword is unknown, or of one that ended too early above."
        self._report.warning(self._pieces[self._taken - 1].place(), 'a "}" that closes nothing', hint)

    def block(self, context: str, into: list[Statement]) -> bool:
        """Read to the closing brace, which is taken; False when the file ends first."""
        while not self.at_end:
            piece = self._pieces[self._taken]
            self._taken += 1
            if piece.chars == "}":
                return True
            if piece.chars == "{":
                self._stray(piece)
                continue
            statement = self._statement(piece, context)
            if statement is None:
                continue
            if statement.keyword is not None and statement.keyword.opens:
                self._open(statement)
            if statement.keyword is None or self._is_whole(statement, statement.keyword):
                into.append(statement)
        return False

    def _statement(self, piece: Text, context: str) -> Statement | None:
        words = plain_words(piece)
        if words is None:
            cut = piece.chars.rfind('"')
            self._report.warning(piece.place(cut), "a quotation mark that is not closed", "Close it on the same line.")
            words = plain_words(piece.cut(0, cut))
        if not words or not words[0].text:
            return None
        name = words[0].text
        if context.startswith(ITEMS):
            return Statement(name, tuple(words), piece, context)
        keyword = CONTEXTS[context].get(name)
        if keyword is None:
            self._unknown(words, context)
            return None
        statement = Statement(name, tuple(words), piece, context, keyword=keyword)
        self._behind(statement, keyword)
        return statement

    def _behind(self, statement: Statement, keyword: Keyword) -> None:
        """Keywords behind another on its line: keepalived takes them for more words of that one, which it does not look at."""
        words = statement.words
        named = keyword.opens == "virtual_server" and len(words) > 1 and words[1].text in ("group", "fwmark")
        behind = 1 + keyword.needs + named
        if len(words) > behind and statement.name in COMMANDS:
            words = tuple(command_words(statement.text))
        if len(words) <= behind:
            return
        known = [CONTEXTS[name] for name in (statement.within, keyword.opens) if name in BALANCED]
        follows = self._at_brace and not keyword.opens
        for word in words[behind:]:
            found = next((items[word.text] for items in known if word.text in items), None)
            if found is None:
                continue
            lost, hint = "this setting", "Begin a new line before it."
            if found.opens and follows:
                self._swallowed = word
                hint += f' What stands in its block is read as of {statement.within}, which ends with its "}}".'
            if found.opens:
                lost = PARTS.get(word.text, "its block")
            text = f'"{word.text}" stands behind "{statement.name}" on the same line'
            self._report.lost(word.place, f"{text}: keepalived takes it for a word of that, and {lost} is lost", hint)

    def _stray(self, brace: Text) -> None:
        """A "{" behind no keyword of a block."""
        if self._swallowed is None:
            self._report.warning(brace.place(), 'a "{" where no block begins; keepalived ignores it', "Take it away.")
        self._swallowed = None

    def _is_whole(self, statement: Statement, keyword: Keyword) -> bool:
        """Whether it has what keepalived wants behind the keyword, in letters that can be read."""
        name, chars = statement.name, statement.text.chars
        lacks = len(statement.words) <= keyword.needs
        if keyword.done and not lacks and chars.isascii() and chars.isprintable():
            return True
        if lacks:
            text = f'"{name}" lacks its value'
            if keyword.forgiven:
                self._report.warning(statement.place, f"{text}; keepalived ignores it", "")
                return False
            self._report.error(statement.place, text, "keepalived does not start with such a line.")
            return False
        letters = (item for word in statement.words for item in word.text) if not chars.isprintable() else ()
        strange = next((item for item in letters if (item < " " and item != "\t") or item == "\x7f"), "")
        if strange:
            text = f'the value of "{name}" has the control character U+{ord(strange):04X}'
            self._report.error(
                statement.place, text, "Take it away: nothing can be called so, and C programs end there."
            )
            return False
        if "\ufffd" in chars and any("\ufffd" in word.text for word in statement.words):
            hint = "Write it in plain letters or in UTF-8; comments may be in any encoding."
            self._report.error(statement.place, f'the value of "{name}" is not UTF-8 text', hint)
            return False
        if not keyword.done:
            self._report.warning(statement.place, f'"{name}" has no effect: {keyword.note}', "")
        return True

    def _unknown(self, words: list[Word], context: str) -> None:
        word = words[0]
        hint = hint_for(word.text, context)
        # Where passwords stand, what is no keyword may be one.
        secretive = context in SECRETIVE
        shown = "" if secretive and not hint else f' "{_shown(word.text)}"'
        text = f"unknown keyword{shown}{_where(context)}; keepalived ignores it"
        opened = self._opens()
        tell = self._report.warning
        if word.text in PARTS or (opened and context in BALANCED):
            tell = self._report.lost
            lost = PARTS.get(word.text, "its block")
            which = "" if secretive or len(words) < 2 else f" {_shown(' '.join(each.text for each in words[1:]))}"
            text += f", and {lost}{which} is lost"
        if opened:
            more = "Its lines are read as if they stood outside of it, and its closing brace ends the block around it."
            hint = f"{hint} {more}".strip()
        tell(word.place, text, hint)

    def _open(self, statement: Statement) -> None:
        statement.block = []
        opens = statement.keyword.opens if statement.keyword is not None else ""
        if not self._opens():
            hint = "keepalived says so, and reads on as if it were there."
            self._report.warning(statement.place, f'a "{{" is missing behind {statement.name}', hint)
        if not self.block(opens, statement.block):
            text = f'the block "{statement.name}" is not closed before the file ends'
            self._report.warning(statement.place, text, 'A "}" is missing somewhere below.')


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _where(context: str) -> str:
    return "" if context == "top" else f" in {context}"
