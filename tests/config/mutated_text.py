"""Texts with a few changes, for readers that must bear anything."""

from __future__ import annotations

import random
from collections.abc import Sequence


def mutated(draw: random.Random, texts: Sequence[str], words: Sequence[str], bits: Sequence[str], most: int = 8) -> str:
    """One of ``texts`` with 1 to ``most`` changes: characters, ``bits``, ``words``, lines, pieces of other texts."""
    text = draw.choice(texts)
    for _ in range(draw.randint(1, most)):
        text = _changed(draw, text, texts, words, bits)
    return text


def _changed(draw: random.Random, text: str, texts: Sequence[str], words: Sequence[str], bits: Sequence[str]) -> str:
    at, to = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
    kind = draw.randrange(7)
    if kind == 0:
        return text[:at] + draw.choice(bits) + text[at:]
    if kind == 1:
        return text[:at] + text[at + draw.randint(1, 4) :]
    if kind == 2:
        return text[:at] + draw.choice(words) + draw.choice((" ", "\n", " {", " 1 ")) + text[at:]
    if kind == 3:
        other = draw.choice(texts)
        begin = draw.randrange(len(other) + 1)
        return text[:at] + other[begin : begin + draw.randint(0, 200)] + text[at:]
    if kind == 4:
        return text[:at] + text[to:]
    if kind == 5:
        lines = text.split("\n")
        line = draw.randrange(len(lines))
        lines[line] = " ".join(draw.sample(found, len(found))) if (found := lines[line].split()) else "}"
        return "\n".join(lines)
    return text[:at] + chr(draw.choice((draw.randrange(32, 127), draw.randrange(0xD7FF)))) + text[at + 1 :]
