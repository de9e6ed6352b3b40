"""Another daemon on this machine that does what ours does, and neither hears the other.

Another VRRP daemon would serve the same addresses; another balancer, ldirectord or keepalived's checkers, would write the table
of the same services. What this does not see: one in another process namespace (a container with the machine's network).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from itertools import pairwise

KEEPALIVED = "keepalived"
LDIRECTORD = "ldirectord"

_VALUED = b"fSgurpcbsAi"
"""Short options of keepalived with a value, which is the rest of the word or else the next word."""

_REST = b"Mt"
"""Those whose value can only be the rest of the word."""

_CHECKERS_ALONE = {b"-C", b"--check"}
_PID_FILES = ("checkers.pid", "keepalived/checkers*.pid")
_PID_OPTIONS = (b"-c", b"--checkers_pid")
_CHECKERS_NAME = "keepalived_ipvs"
"""With ``process_names``."""

_PASSING = {b"status", b"stop", b"reload", b"force-reload", b"--help", b"-h", b"-?", b"-v", b"--version"}
"""An ldirectord with such a word only asks another one, or tells of itself, and ends."""

_PERL_REST = b"CDFiMmVx:"
"""Options of perl behind which the rest of the word is no other option."""


def advice(name: str) -> str:
    """How to stop that daemon."""
    return f"stop it: systemctl disable --now {name}"


def keepalived_here(proc: str = "/proc") -> int:
    """The number of a living keepalived process that speaks VRRP in our network namespace; 0 when there is none.

    One that was started with ``-C`` (``--check``) only looks after real servers, and disturbs nobody's addresses.
    """
    found = _here((KEEPALIVED,), proc)
    return next((number for number, _, words in found if not _CHECKERS_ALONE.intersection(_apart(words))), 0)


def balancer_here(proc: str = "/proc", run: str = "/run") -> tuple[str, int, str]:
    """("ldirectord" or "keepalived", number, command line) of a process that looks after real servers in our network namespace.

    ("", 0, "") when there is none. Of keepalived it is one with checkers alone, or one whose number stands in a file for the
    checkers' (in ``run``, or where its command line says): there is no such process where no virtual server is configured.
    """
    for number, _, words in _here(("perl", LDIRECTORD), proc):
        script = _script(words)
        if script and os.path.basename(script[0]) == LDIRECTORD.encode() and not _PASSING.intersection(script):
            return LDIRECTORD, number, _shown(words)
    for number, name, words in _here((KEEPALIVED,), proc):
        options = _apart(words)
        if _CHECKERS_ALONE.intersection(options) or name == _CHECKERS_NAME or number in _numbers(options, run):
            return KEEPALIVED, number, _shown(words)
    return "", 0, ""


def beside_balancer() -> str:
    """What is to be said of another balancer that runs here, too; "" when there is none."""
    name, process, command = balancer_here()
    if not process:
        return ""
    text = f"{name} balances on this machine (process {process}: {command})"
    return f"{text}: each of the two would undo what the other does; {advice(name)}"


def _shown(words: list[bytes]) -> str:
    """A command line as it may stand in a sentence."""
    text = b" ".join(words).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


def _script(words: list[bytes]) -> list[bytes]:
    """The script that a perl runs and the script's words; [] for another program, or for a perl without a script's file."""
    rest = words[1:] if os.path.basename(words[0]).startswith(b"perl") else []
    while rest and rest[0].startswith(b"-"):
        word, rest = rest[0], rest[1:]
        if word == b"--":
            break
        for at in range(1, len(word)):
            option = word[at : at + 1]
            if option in (b"e", b"E"):  # the program stands in the command line
                return []
            if option == b"I":
                rest = rest if word[at + 1 :] else rest[1:]
            if option in (b"I", *(bytes((each,)) for each in _PERL_REST)):
                break
    return rest


def _apart(words: list[bytes]) -> list[bytes]:
    """The options of a keepalived, each by itself; a value follows its option."""
    found, rest = [], words[1:]
    while rest:
        word, rest = rest[0], rest[1:]
        if not word.startswith(b"-") or word.startswith(b"--"):
            found.append(word)
            continue
        for at in range(1, len(word)):
            found.append(b"-" + word[at : at + 1])
            if word[at] in _VALUED:
                value, rest = (word[at + 1 :], rest) if word[at + 1 :] else (b"".join(rest[:1]), rest[1:])
                found.append(b"=" + value)
                break
            if word[at] in _REST:
                break
    return found


def _numbers(options: list[bytes], run: str) -> set[int]:
    """The processes that the files name."""
    paths = [os.fsencode(path) for name in _PID_FILES for path in glob.glob(os.path.join(glob.escape(run), name))]
    for word, following in pairwise([*options, b""]):
        option, _, path = word.partition(b"=")
        if option in _PID_OPTIONS:
            paths.append(path or following.removeprefix(b"="))
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
                words = file.read().removesuffix(b"\0").split(b"\0")
        except OSError:
            continue
        if words[0]:
            yield number, found, words
