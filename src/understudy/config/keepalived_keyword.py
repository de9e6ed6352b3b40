"""How the tables of keywords are written: what a keyword opens and needs, and what becomes of it here."""

from __future__ import annotations

from dataclasses import dataclass

ITEMS = "items of "
"""How the names of contexts begin whose lines are no keywords but items of a list."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """``done``: it does what it says. Else ``note`` says why not (a warning). ``opens``: its block.

    ``needs``: how many words must follow. When they are missing keepalived ends, or ignores the line where it is ``forgiven``.
    """

    done: bool = True
    note: str = ""
    opens: str = ""
    needs: int = 0
    forgiven: bool = False


Words = dict[str, Keyword]


def done(words: str, note: str = "", needs: int = 0) -> Words:
    return {word: Keyword(True, note, needs=needs) for word in words.split()}


def flags(words: str, note: str = "") -> Words:
    return done(words, note)


def values(words: str, note: str = "") -> Words:
    return done(words, note, needs=1)


def forgiving(words: str, note: str = "") -> Words:
    return {word: Keyword(True, note, needs=1, forgiven=True) for word in words.split()}


def without(words: str, why: str, needs: int = 0) -> Words:
    return {word: Keyword(False, why, needs=needs) for word in words.split()}


def lists(words: str, note: str = "") -> Words:
    return {word: Keyword(True, note, opens=f"{ITEMS}{word}") for word in words.split()}
