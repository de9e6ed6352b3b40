"""Regular expressions as Perl has them (perlre), said so that Python's ``re`` finds the same.

Most of both languages is one. What Python writes otherwise is translated; what it cannot do is named, never guessed. Answers are
bytes to ldirectord, so classes such as ``\\w`` mean ASCII.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

MOST_GROUPS = 50
"""Groups within groups: nobody writes more, and Python's compiler stops somewhere above."""

POSIX = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "ascii": r"\x00-\x7f",
}
_NOT_POSIX = {"digit": r"\D", "space": r"\S", "word": r"\W"}
_SAME = frozenset("dDwWsSbBAtnrfa")
"""Escapes that mean the same to both, outside and, but for b, B and A, within brackets."""
_OUTSIDE = {
    "Z": r"(?=\n?\Z)",
    "z": r"\Z",
    "G": r"\A",
    "h": r"[ \t]",
    "H": r"[^ \t]",
    "v": r"[\n\x0b\f\r]",
    "V": r"[^\n\x0b\f\r]",
    "R": r"(?>\r\n|[\n\x0b\f\r])",
    "e": r"\x1b",
    "K": "",
}
_INSIDE = {"h": r" \t", "v": r"\n\x0b\f\r", "e": r"\x1b", "b": r"\x08"}
_CANNOT = {
    "p": "Unicode properties (\\p)",
    "P": "Unicode properties (\\P)",
    "X": "\\X",
    "C": "\\C",
    "N": "\\N{...}",
    "o": "\\o{...}",
}
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_GROUP_NAME = re.compile(rf"\(\?(?:P?<({_NAME})>|'({_NAME})')")
_REFERENCE = re.compile(rf"\\(?:k(?:<({_NAME})>|'({_NAME})'|\{{({_NAME})\}})|g(?:\{{({_NAME})\}}|\{{?(-?[0-9]+)\}}?))")
_CONDITION = re.compile(rf"\(\?\((?:([0-9]+)|<({_NAME})>|'({_NAME})')\)")
_FLAGS = re.compile(r"\(\?([a-z]*)(?:-([a-z]+))?([:)])")
_COUNT = re.compile(r"\{ *([0-9]*) *(,?) *([0-9]*) *\}")
_HEX = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{0,2}))")
_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a pattern cannot be taken: the end of a sentence that begins with the pattern."""

    text: str


class _Trouble(Exception):
    """What Python cannot do; only within this module."""


def python_pattern(text: str) -> str | Unread:
    """``text`` for Python's ``re``, with no flags; or why not. Never raises."""
    try:
        found = _Translator(text).whole()
    except _Trouble as trouble:
        return Unread(str(trouble))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(found.encode("utf-8", "replace"))
        except (re.error, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return Unread(f"is no regular expression that can be read: {error}")
    return found


class _Translator:
    """One pass from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0
        self.out: list[str] = []
        self.open: list[int] = []
        """For each open group, how many scopes of flags were opened in its branch."""
        self.flags: list[list[str]] = [[]]
        """The scopes of flags open in each group, as they begin: those of a branch begin again in the next."""

    def whole(self) -> str:
        while self.at < len(self.text):
            self._next()
        if len(self.flags) > 1:
            raise _Trouble("has a ( without its )")
        self.out.append(")" * len(self.flags[-1]))
        return "".join(self.out)

    def _next(self) -> None:
        character = self.text[self.at]
        if character == "\\":
            self._escape()
        elif character == "[":
            self._brackets()
        elif character == "(":
            self._group()
        elif character == ")":
            if len(self.flags) == 1:
                raise _Trouble("has a ) without its (")
            self._put(")" * len(self.flags.pop()) + ")", 1)
        elif character == "|":
            scopes = self.flags[-1]
            self._put(")" * len(scopes) + "|" + "".join(scopes), 1)
        elif character == "{":
            self._count()
        else:
            self._put(character, 1)

    def _put(self, text: str, length: int) -> None:
        self.out.append(text)
        self.at += length

    # -- escapes ------------------------------------------------------------------------------------------------------

    def _escape(self) -> None:
        if reference := _REFERENCE.match(self.text, self.at):
            self._refer(reference)
            return
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "":
            raise _Trouble("ends with a backslash")
        if letter == "N" and self.text[self.at + 2 : self.at + 3] != "{":
            self._put(r"[^\n]", 2)
        elif letter in "bB" and self.text[self.at + 2 : self.at + 3] == "{":
            raise _Trouble(f"has \\{letter}{{...}}, which Python does not know")
        elif letter in _SAME or letter.isdigit():
            self._put(self.text[self.at : self.at + 2], 2)
        elif letter in _OUTSIDE:
            self._put(_OUTSIDE[letter], 2)
        else:
            self._character(letter)

    def _character(self, letter: str) -> None:
        """An escape that is one character, within brackets or not."""
        if letter in _CANNOT:
            raise _Trouble(f"has {_CANNOT[letter]}, which Python does not know")
        if letter == "x":
            found = _HEX.match(self.text, self.at)
            code = 0 if found is None else int(found[1] or found[2] or "0", 16)
            if code > 0xFF:
                raise _Trouble(f"has the character {code:#x}, and answers are bytes")
            self._put(f"\\x{code:02x}", 2 if found is None else found.end() - self.at)
        elif letter == "c":
            control = self.text[self.at + 2 : self.at + 3]
            if not control or not control.isascii():
                raise _Trouble("has a \\c without its character")
            self._put(f"\\x{ord(control.upper()) ^ 64:02x}", 3)
        elif letter.isascii() and letter.isalpha():
            self._put(letter, 2)  # Perl warns and takes the letter
        else:
            self._put("\\" + letter if letter.isascii() else letter, 2)

    def _refer(self, found: re.Match[str]) -> None:
        name = found[1] or found[2] or found[3] or found[4]
        if name:
            self._put(f"(?P={name})", found.end() - self.at)
            return
        number = int(found[5][:9])
        if number < 0:
            number = self.groups + 1 + number
        if number < 1:
            raise _Trouble("refers back to a group that is not there")
        self._put(f"(?:\\{number})", found.end() - self.at)

    # -- classes ------------------------------------------------------------------------------------------------------

    def _brackets(self) -> None:
        self._put("[", 1)
        if self.text[self.at : self.at + 1] == "^":
            self._put("^", 1)
        first = True
        while True:
            character = self.text[self.at : self.at + 1]
            if character == "":
                raise _Trouble("has a [ without its ]")
            if character == "]" and not first:
                self._put("]", 1)
                return
            first = False
            if character == "\\":
                self._escape_inside()
            elif character == "[" and (posix := _POSIX.match(self.text, self.at)):
                self._posix(posix)
            elif character == "-":
                self._put("-", 1)
            elif character in "[]&|~":
                self._put("\\" + character, 1)  # Python keeps them, doubled, for sets of its own
            else:
                self._put(character, 1)

    def _escape_inside(self) -> None:
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "":
            raise _Trouble("has a [ without its ]")
        if letter in _INSIDE:
            self._put(_INSIDE[letter], 2)
        elif letter in "HVNR":
            raise _Trouble(f"has \\{letter} within [ ], which Python does not know")
        elif (letter in _SAME and letter not in "BA") or letter.isdigit():
            self._put(self.text[self.at : self.at + 2], 2)
        else:
            self._character(letter)

    def _posix(self, found: re.Match[str]) -> None:
        word = found[2]
        if word not in POSIX:
            raise _Trouble(f"has the class [:{word}:], which there is not")
        if found[1] and word not in _NOT_POSIX:
            raise _Trouble(f"has the class [:^{word}:], which Python does not know")
        self._put(_NOT_POSIX[word] if found[1] else POSIX[word], found.end() - self.at)

    # -- groups -------------------------------------------------------------------------------------------------------

    def _group(self) -> None:
        rest = self.text[self.at :]
        if rest.startswith("(*"):
            raise _Trouble("has a verb of Perl's ((*...)), which Python does not know")
        if not rest.startswith("(?"):
            self.groups += 1
            self._open("(", 1)
        elif name := _GROUP_NAME.match(self.text, self.at):
            self.groups += 1
            self._open(f"(?P<{name[1] or name[2]}>", name.end() - self.at)
        elif condition := _CONDITION.match(self.text, self.at):
            self._open(f"(?({condition[1] or condition[2] or condition[3]})", condition.end() - self.at)
        elif rest.startswith("(?#"):
            end = self.text.find(")", self.at)
            if end < 0:
                raise _Trouble("has a ( without its )")
            self.at = end + 1
        elif rest.startswith(("(?:", "(?=", "(?!", "(?>")):
            self._open(rest[:3], 3)
        elif rest.startswith(("(?<=", "(?<!")):
            self._open(rest[:4], 4)
        elif rest.startswith("(?P="):
            self._put("(?P=", 4)
            self.flags.append([])
        else:
            self._flags(rest)

    def _open(self, text: str, length: int) -> None:
        if len(self.flags) > MOST_GROUPS:
            raise _Trouble(f"has more than {MOST_GROUPS} groups within each other")
        self.flags.append([])
        self._put(text, length)

    def _flags(self, rest: str) -> None:
        """``(?i)`` holds to the end of the group, in every branch behind it; Python wants it at the beginning, or as a group."""
        found = _FLAGS.match(self.text, self.at)
        if found is None:
            raise _Trouble(_why(rest))
        on, off, end = found[1], found[2] or "", found[3]
        for letter in on + off:
            if letter not in "imsxp":
                raise _Trouble(f"has the flag {letter}, which Python does not know")
        on, off = ("".join(dict.fromkeys(each.replace("p", ""))) for each in (on, off))
        on = "".join(letter for letter in on if letter not in off)
        if "x" in on:
            raise _Trouble("has the flag x, which is not translated: write it without blanks and comments")
        opening = f"(?{on}{'-' * bool(off)}{off}:"
        if end == ":":
            self._open(opening, found.end() - self.at)
        else:
            self.at = found.end()
            if on or off:
                if len(self.flags) + len(self.flags[-1]) > MOST_GROUPS:
                    raise _Trouble(f"has more than {MOST_GROUPS} groups within each other")
                self.flags[-1].append(opening)
                self.out.append(opening)

    def _count(self) -> None:
        found = _COUNT.match(self.text, self.at)
        if found is None or not (found[1] or (found[2] and found[3])):
            self._put("\\{", 1)
            return
        if len(found[1]) > 5 or len(found[3]) > 5:
            raise _Trouble("repeats more often than Perl allows")
        self._put(f"{{{found[1]}{found[2]}{found[3]}}}", found.end() - self.at)


def _why(rest: str) -> str:
    if rest.startswith(("(?{", "(??{")):
        return "runs Perl code (?{...}), which nothing here runs"
    if re.match(r"\(\?(?:R|[+-]?[0-9]+|&|P>)", rest):
        return "is recursive (such as (?R) or (?1)), which Python does not know"
    if rest.startswith("(?|"):
        return "has (?|...), which Python does not know"
    if rest.startswith("(?("):
        return "has a condition (?(...)...) that Python does not know"
    if rest.startswith("(?^"):
        return "has (?^...), which Python does not know"
    return f'has "{rest[:4]}", which Python does not know'
