"""Lines of keepalived.conf as statements in blocks, taken apart by its keywords as keepalived does it.

Whether a brace opens a block depends on the keyword before it. Behind an unknown keyword it does not: its lines are then read as
lines of the block around it, and its closing brace ends that one. This was seen with 2.2.7, and is warned of. Where a real server
or a checker is lost by it, or by a keyword that stands behind another on its line, it is an error: nobody means that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .heartbeat_lines import Word
from .keepalived_keyword import ITEMS, Keyword
from .keepalived_service_words import BALANCED, CHECKERS, COMMANDS, PARTS
from .keepalived_text import Pieces, Text, command_words, plain_words
from .keepalived_words import CONTEXTS, hint_for
from .report import Report
from .tree import Place

_ODD = re.compile('["\x1c-\x1f\x80-\U0010ffff]')
"""Without any of these the words of a line are what stands between blanks."""


class Statement:
    """A line: its words as plain keywords take them, the whole of it for commands, and its block if it has one.

    ``name``: the first word. ``within``: the context whose keyword it is; ``ITEMS`` for a line that is an item of a list.
    ``texts``: the words without their places, which nobody asks for in most of ten thousand lines.
    ``body``: what stands in its block, of one that is like others: the same means the same. None: it may not.
    """

    __slots__ = ("_block", "_index", "_pieces", "_unread", "_words", "body", "keyword", "name", "texts", "within")

    def __init__(self, pieces: Pieces, index: int, texts: list[str], words: tuple[Word, ...] | None) -> None:
        self._pieces, self._index, self.texts, self._words = pieces, index, texts, words
        self.name = texts[0]
        self.within = ""
        self.keyword: Keyword | None = None
        self.body: tuple[str, ...] | None = None
        self._block: list[Statement] | None = None
        self._unread: Callable[[], list[Statement]] | None = None

    @property
    def text(self) -> Text:
        return self._pieces.text(self._index)

    @property
    def chars(self) -> str:
        return self._pieces.chars[self._index]

    @property
    def words(self) -> tuple[Word, ...]:
        if self._words is None:
            self._words = tuple(plain_words(self.text) or ())
        return self._words

    @property
    def place(self) -> Place:
        return self.words[0].place

    @property
    def block(self) -> list[Statement] | None:
        if self._unread is not None:
            self._block, self._unread = self._unread(), None
        return self._block

    def has(self, block: list[Statement]) -> None:
        self._block = block

    def is_like(self, body: tuple[str, ...], read: Callable[[], list[Statement]]) -> None:
        """Its block is like one that was read, and good. ``read``: reads it all the same, when somebody looks into it."""
        self.body, self._unread = body, read

    def value(self, index: int = 1) -> Word | None:
        """The word behind the keyword, None when there is none."""
        return self.words[index] if len(self.texts) > index else None

    def inner(self, name: str) -> Iterator[Statement]:
        return (item for item in self.block or () if item.name == name)


SECRETIVE = ("authentication", "SSL")
"""Contexts in which a password stands."""

_REPEATED = ("real_server", *CHECKERS)
"""Blocks of which a file may have ten thousand that are alike but for the line that opens them."""

_MOST_LENGTHS, _LONGEST = 20, 100
"""Lengths of such blocks with which the next one is compared, and the greatest of them: to compare with longer ones may take more
than it spares, in a file of which few are alike.
"""


def read_tree(report: Report, pieces: Pieces) -> list[Statement]:
    """All statements at the top of the file, problems reported."""
    reader = _Reader(report, pieces)
    statements: list[Statement] = []
    while not reader.at_end:
        reader.block("top", statements)
        if not reader.at_end:
            reader.extra()
    return statements


class _Reader:
    def __init__(self, report: Report, pieces: Pieces) -> None:
        self._report = report
        self._pieces = pieces
        self._chars = pieces.chars
        self._taken = 0
        self._known: dict[str, dict[int, set[tuple[str, ...]]]] = {name: {} for name in _REPEATED}
        """Blocks that were read without any problem, by what opens them and their length, closing braces included."""
        self._swallowed: Word | None = None
        """The keyword in the last statement to which the "{" behind it was meant to belong."""

    @property
    def at_end(self) -> bool:
        return self._taken == len(self._chars)

    @property
    def _at_brace(self) -> bool:
        return self._taken < len(self._chars) and self._chars[self._taken] == "{"

    def _opens(self) -> bool:
        """Whether a brace is next, which is taken then."""
        found = self._at_brace
        self._taken += found
        return found

    def extra(self) -> None:
        """A closing brace that closes nothing."""
        hint = "It may be the end of a block whose keyword is unknown, or of one that ended too early above."
        self._report.warning(self._pieces.text(self._taken - 1).place(), 'a "}" that closes nothing', hint)

    def block(self, context: str, into: list[Statement]) -> bool:
        """Read to the closing brace, which is taken; False when the file ends first."""
        while not self.at_end:
            index = self._taken
            chars = self._chars[index]
            self._taken = index + 1
            if chars == "}":
                return True
            if chars == "{":
                self._stray(self._pieces.text(index))
                continue
            statement = self._statement(index, chars, context)
            if statement is None:
                continue
            if statement.keyword is not None and statement.keyword.opens:
                self._open(statement)
            if statement.keyword is None or self._is_whole(statement, statement.keyword):
                into.append(statement)
        return False

    def _statement(self, index: int, chars: str, context: str) -> Statement | None:
        words: list[Word] | None = None
        if _ODD.search(chars) is None:
            texts = chars.split()
        else:
            piece = self._pieces.text(index)
            words = plain_words(piece)
            if words is None:
                cut = chars.rfind('"')
                self._report.warning(
                    piece.place(cut), "a quotation mark that is not closed", "Close it on the same line."
                )
                words = plain_words(piece.cut(0, cut))
            texts = [word.text for word in words or ()]
        if not texts or not texts[0]:
            return None
        statement = Statement(self._pieces, index, texts, None if words is None else tuple(words))
        statement.within = context
        if context.startswith(ITEMS):
            return statement
        keyword = statement.keyword = CONTEXTS[context].get(statement.name)
        if keyword is None:
            self._unknown(statement.words, context)
            return None
        if len(texts) > 1 + keyword.needs:
            self._behind(statement, keyword)
        return statement

    def _behind(self, statement: Statement, keyword: Keyword) -> None:
        """Keywords behind another on its line: keepalived takes them for more words of that one, which it does not look at."""
        texts = statement.texts
        named = keyword.opens == "virtual_server" and texts[1] in ("group", "fwmark")
        behind = 1 + keyword.needs + named
        commands = command_words(statement.text) if statement.name in COMMANDS else None
        known = [CONTEXTS[name] for name in (statement.within, keyword.opens) if name in BALANCED]
        beyond = texts[behind:] if commands is None else [word.text for word in commands[behind:]]
        for number, each in enumerate(beyond, behind):
            found = next((items[each] for items in known if each in items), None)
            if found is None:
                continue
            word = (statement.words if commands is None else commands)[number]
            lost, hint = "this setting", "Begin a new line before it."
            if found.opens and not keyword.opens and self._at_brace:
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
        name, chars = statement.name, statement.chars
        lacks = len(statement.texts) <= keyword.needs
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

    def _unknown(self, words: tuple[Word, ...], context: str) -> None:
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
        opens = statement.keyword.opens if statement.keyword is not None else ""
        if not self._opens():
            hint = "keepalived says so, and reads on as if it were there."
            self._report.warning(statement.place, f'a "{{" is missing behind {statement.name}', hint)
        first, problems, block = self._taken, len(self._report.problems), list[Statement]()
        body = self._like(opens)
        if body is not None:
            self._taken += len(body)
            statement.is_like(body, lambda: self._again(first, opens))
            return
        statement.has(block)
        if not self.block(opens, block):
            text = f'the block "{statement.name}" is not closed before the file ends'
            self._report.warning(statement.place, text, 'A "}" is missing somewhere below.')
        elif opens in self._known and len(self._report.problems) == problems:
            length, lengths = self._taken - first, self._known[opens]
            if length in lengths or (length <= _LONGEST and len(lengths) < _MOST_LENGTHS):
                statement.body = tuple(self._chars[first : self._taken])
                lengths.setdefault(length, set()).add(statement.body)

    def _like(self, opens: str) -> tuple[str, ...] | None:
        """What comes now, if such a block was just that and good. Only what stands in it decides how it is read."""
        for length, bodies in self._known.get(opens, {}).items():
            body = tuple(self._chars[self._taken : self._taken + length])
            if body in bodies:
                return body
        return None

    def _again(self, first: int, context: str) -> list[Statement]:
        block, taken = list[Statement](), self._taken
        self._taken = first
        self.block(context, block)
        self._taken = taken
        return block


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _where(context: str) -> str:
    return "" if context == "top" else f" in {context}"
