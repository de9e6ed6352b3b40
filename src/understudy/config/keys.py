"""The key file: one or two lines of 64 hexadecimal digits, newest first. Messages never show any of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import Problem

KEY_BYTES = 32
MOST_KEYS = 2
"""The key in use and, during a rotation, the one before."""

_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_MAKE = "Make a new one with `understudy keygen`, and copy it to every machine."


def parse_keys(data: bytes, file: str) -> tuple[bytes, ...] | Problem:
    """The keys, newest first, or what is wrong with the file. Blank lines and ``#`` comments do not count."""
    keys: list[bytes] = []
    # Latin-1 takes any byte, so a binary file is reported like every other line that is no key.
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not _KEY.fullmatch(text):
            return Problem(file, number, 1, "this line is not a key: a key has 64 hexadecimal digits", _MAKE)
        key = bytes.fromhex(text)
        if len(set(key)) == 1:
            return Problem(file, number, 1, "this key is one digit over and over: anybody can guess it", _MAKE)
        if key in keys:
            return Problem(file, number, 1, "this key is in the file twice", "Take one of the two lines away.")
        if len(keys) == MOST_KEYS:
            hint = "Keep the newest on the first line and the one before it on the second."
            return Problem(file, number, 1, f"more than {MOST_KEYS} keys", hint)
        keys.append(key)
    if not keys:
        return Problem(file, 0, 0, "there is no key in the file", _MAKE)
    return tuple(keys)


def format_keys(keys: Iterable[bytes]) -> str:
    """The text of a key file, newest key first."""
    head = "# Understudy cluster key. Keep it secret (mode 0600), the same on every machine, newest first.\n"
    return head + "".join(f"{key.hex()}\n" for key in keys)
