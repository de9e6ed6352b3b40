"""The key file: one or two lines of 64 hexadecimal digits. Messages never show any of it.

The first key seals what is sent; every key of the file opens what is received. So a new key is first put second
everywhere, then first everywhere, and only then the old one goes: at no moment does a machine receive what it cannot open.
"""

from __future__ import annotations

import re

from ..errors import Problem

KEY_BYTES = 32
MOST_KEYS = 2
"""The key in use and, during a rotation, the one before."""

_NEXT = "next: accepted, not yet used"
_KEY = re.compile(r"[0-9A-Fa-f]{64}")


def remedy(path: str) -> str:
    """What to do about a key file at ``path`` that is missing or useless. A new key would make this machine a stranger."""
    return (
        f"If the cluster has a key already, copy it: scp -p root@OTHER:{path} {path} (a running daemon also has it in "
        f"/run/understudy/running.key). Only for a new cluster: understudy keygen {path}"
    )


def parse_keys(data: bytes, file: str) -> tuple[bytes, ...] | Problem:
    """The keys, the one to seal with first, or what is wrong with the file. Blank lines and ``#`` comments do not count."""
    keys: list[bytes] = []
    # Latin-1 takes any byte, so a binary file is reported like every other line that is no key.
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not _KEY.fullmatch(text):
            return Problem(file, number, 1, "this line is not a key: a key has 64 hexadecimal digits", remedy(file))
        key = bytes.fromhex(text)
        if len(set(key)) == 1:
            return Problem(file, number, 1, "this key is one digit over and over: anybody can guess it", remedy(file))
        if key in keys:
            return Problem(file, number, 1, "this key is in the file twice", "Take one of the two lines away.")
        if len(keys) == MOST_KEYS:
            hint = "Keep the one in use on the first line and one other on the second."
            return Problem(file, number, 1, f"more than {MOST_KEYS} keys", hint)
        keys.append(key)
    if not keys:
        return Problem(file, 0, 0, "there is no key in the file", remedy(file))
    return tuple(keys)


def rotated(keys: tuple[bytes, ...], waiting: bool, fresh: bytes) -> tuple[tuple[bytes, ...], bool]:
    """The next step of a rotation: (keys, whether the second is waiting to be used).

    One key: ``fresh`` is added behind it. A waiting second key: it comes to the front. An old second key: it goes.
    """
    if len(keys) == 1:
        return (keys[0], fresh), True
    return ((keys[1], keys[0]), False) if waiting else ((keys[0],), False)


def is_waiting(data: bytes) -> bool:
    """Whether the file's second key was put there by a rotation that has not come to use it yet."""
    return f"# {_NEXT}".encode("ascii") in data


def format_keys(keys: tuple[bytes, ...], waiting: bool = False) -> str:
    """The text of a key file."""
    lines = ["# Understudy cluster key. Keep it secret (mode 0600) and the same on every machine."]
    lines += [key.hex() for key in keys]
    if waiting:
        lines[-1] += f"  # {_NEXT}"
    return "\n".join(lines) + "\n"
