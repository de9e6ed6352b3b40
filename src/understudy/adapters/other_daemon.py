"""Another daemon on this machine that does what ours does, and neither hears the other.

Another VRRP daemon would serve the same addresses; another balancer, ldirectord or keepalived's checkers, would write the table
of the same services. What this does not see: one in another process namespace (a container with the machine's network).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator

KEEPALIVED = "keepalived"
LDIRECTORD = "ldirectord"

_CHECKERS_ALONE = {b"-C", b"--check"}
_PID_FILES = ("checkers.pid", "keepalived/checkers*.pid")
_PID_OPTIONS = (b"-c", b"--checkers_pid")
_CHECKERS_NAME = "keepalived_ipvs"
"""With ``process_names``."""

_PASSING = {b"status", b"stop", b"reload", b"force-reload"}
"""An ldirectord with such a command only asks another one, and ends."""


def advice(name: str) -> str:
    """How to stop that daemon."""
    return f"stop it: systemctl disable --now {name}"


def keepalived_here(proc: str = "/proc") -> int:
    """The number of a living keepalived process that speaks VRRP in our network namespace; 0 when there is none.

    One that was started with ``-C`` (``--check``) only looks after real servers, and disturbs nobody's addresses.
    """
    found = (number for number, _, words in _here((KEEPALIVED,), proc) if not _CHECKERS_ALONE.intersection(words))
    return next(found, 0)


def balancer_here(proc: str = "/proc", run: str = "/run") -> tuple[str, int]:
    """("ldirectord" or "keepalived", number) of a living process that looks after real servers in our network namespace.

    ("", 0) when there is none. Of keepalived it is one with checkers alone, or one whose number stands in a file for the
    checkers' (in ``run``, or where its command line says): there is no such process where no virtual server is configured.
    """
    for number, _, words in _here(("perl", LDIRECTORD), proc):
        is_it = LDIRECTORD.encode() in [os.path.basename(word) for word in words[1:]]
        if is_it and os.path.basename(words[0]).startswith(b"perl") and not _PASSING.intersection(words):
            return LDIRECTORD, number
    for number, name, words in _here((KEEPALIVED,), proc):
        if _CHECKERS_ALONE.intersection(words) or name == _CHECKERS_NAME or number in _numbers(words, run):
            return KEEPALIVED, number
    return "", 0


def _numbers(words: list[bytes], run: str) -> set[int]:
    """The processes that the files name."""
    paths = [os.fsencode(path) for name in _PID_FILES for path in glob.glob(os.path.join(glob.escape(run), name))]
    for word, following in zip(words, [*words[1:], b""], strict=True):
        option, _, path = word.partition(b"=")
        if option in _PID_OPTIONS:
            paths.append(path or following)
    found = set()
    for path in paths:
        try:
            with open(path, "rb") as file:
                found.add(int(file.read(20)))
        except (OSError, ValueError):
            continue
    return found


def _here(names: tuple[str, ...], proc: str) -> list[tuple[int, str, list[bytes]]]:
    """Number, name and words of the living processes of our network namespace whose name begins with one of ``names``."""
    try:
        ours = os.readlink(os.path.join(proc, "self/ns/net"))
        numbers = sorted(int(entry) for entry in os.listdir(proc) if entry.isdecimal())
    except OSError:
        return []
    return list(_named(names, proc, ours, numbers))


def _named(
    names: tuple[str, ...], proc: str, network: str, numbers: list[int]
) -> Iterator[tuple[int, str, list[bytes]]]:
    """Without those that are gone, or that we may not look at."""
    for number in numbers:
        folder = os.path.join(proc, str(number))
        try:
            with open(os.path.join(folder, "comm"), encoding="utf-8", errors="replace") as file:
                found = file.read().strip()
            if not found.startswith(names) or os.readlink(os.path.join(folder, "ns/net")) != network:
                continue
            with open(os.path.join(folder, "cmdline"), "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0]:
            yield number, found, words
