"""What the other side said, as it may stand in a sentence for people: printable, on one line, short."""

from __future__ import annotations

MOST_LETTERS = 300
"""Of a whole sentence. Longer ones end in "..."."""


def printable(said: bytes | str, most: int = MOST_LETTERS) -> str:
    """One line of at most ``most`` letters; what is no UTF-8 or cannot be printed (terminal sequences, too) becomes "?"."""
    # A letter has at most four bytes; one that is cut at the end is among those that are left out.
    text = said if isinstance(said, str) else said[: 4 * most + 4].decode("utf-8", "replace").replace("\ufffd", "?")
    text = " ".join("".join(map(_printable, text[: 2 * most])).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else " " if letter in "\t\r\n" else "?"


def quoted(said: bytes | str, most: int = 120) -> str:
    """The same between quotation marks; "nothing" for nothing."""
    text = printable(said, most).replace('"', "'")
    return f'"{text}"' if text else "nothing"
