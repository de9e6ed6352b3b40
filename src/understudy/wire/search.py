"""Regular expressions of checks: what is sought in an answer, and how long that could take.

Python's regular expressions go back and forth over a text, in the worst case for ever, and hold the interpreter meanwhile.
Those that are simple enough to have an upper bound can be sought on the way; the others want a process that can be killed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..service_checks import Pattern

QUICK = 100_000
"""Steps that may be done on the way: about a millisecond."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|\(\?:|.", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


@dataclass(frozen=True, slots=True)
class Search:
    """``pattern`` in ``data``, read as UTF-8. ``lines``: in one of its lines."""

    pattern: Pattern
    data: bytes
    lines: bool = False

    @property
    def quick(self) -> bool:
        """Whether it can be done at once, whatever the data are."""
        form = _form(self.pattern.text, self.pattern.flags)
        if form is None:
            return False
        ways, repeats = form
        return (ways == 1 and not repeats) or ways * (len(self.data) + 1) ** (repeats + 1) <= QUICK


@lru_cache(4096)
def _form(text: str, flags: str) -> tuple[int, int] | None:
    """(ways through what has alternatives, repetitions), or None where one bound for all texts cannot be given.

    A repetition in a repetition, and whatever refers to something else in the pattern, has none.
    """
    if "x" in flags or len(text) > 500:
        return None
    ways = repeats = 0
    before = ""
    for token in _TOKEN.findall(text):
        if token in ("*", "+", "?") or (token[0] == "{" and len(token) > 1):
            if before in ("", ")"):
                return None
            if token == "?":
                ways += before not in ("*", "+", "?", "}")  # behind a repetition it only says: as few as possible
            else:
                repeats += 1
            before = "}" if token[0] == "{" else token
            continue
        if (token == "?" and before == "(") or (token[0] == "\\" and (token[1:].isdigit() or token[1:] in "gk")):
            return None
        ways += token == "|"
        before = token
    try:
        compiled(text, flags)
    except ValueError:
        return None
    return (2**ways, repeats) if "(?" not in text.replace("(?:", "") else None


@lru_cache(4096)
def compiled(text: str, flags: str) -> re.Pattern[str]:
    """Raises ValueError where it is none."""
    value = 0
    for letter in flags:
        value |= _FLAGS.get(letter, 0)
    try:
        return re.compile(text, value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def found(search: Search) -> bool:
    """Whether the answer is as the pattern wants it. It may take for ever unless ``quick``. Raises ValueError for no pattern."""
    pattern = search.pattern
    expression = compiled(pattern.text, pattern.flags)
    text = search.data.decode("utf-8", "replace")
    hit = False
    for part in text.splitlines() if search.lines else (text,):
        match = expression.search(part, pattern.least)
        if match is not None and (pattern.most < 0 or match.start() <= pattern.most):
            hit = True
            break
    return hit is not pattern.absent
