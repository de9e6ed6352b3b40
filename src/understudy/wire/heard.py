"""What another machine said, made fit for a sentence that people read."""

from __future__ import annotations

MOST_WORDS = 300


def plain(text: str) -> str:
    """Short, and without anything that a terminal would obey: it goes into status, and came from the other side."""
    return text if text.isprintable() and len(text) <= MOST_WORDS else _plain(text)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_WORDS])


def quoted(data: bytes) -> str:
    """The beginning of what the other side said, on one line."""
    text = " ".join(data[:120].decode("utf-8", "replace").split())
    return repr(text[:60]) if text else "nothing"
