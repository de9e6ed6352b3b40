"""The native form of a keepalived.conf, with what has no equivalent in comments at its top."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Problem
from .keepalived import KeepalivedReading
from .routers_render import render_routers
from .validate import read


@dataclass(frozen=True, slots=True)
class KeepalivedConversion:
    """``text`` is None when it cannot be: then a problem says why."""

    text: str | None
    problems: tuple[Problem, ...]


def convert(reading: KeepalivedReading, path: str) -> KeepalivedConversion:
    """The text, read back before it is given: it means exactly the same. Problems of the reading are given on."""
    if reading.files is None:
        return KeepalivedConversion(None, reading.problems)
    text = _header(reading, path) + render_routers(reading.files)
    again = read(text, "the native form")
    found = None if again.cluster is None else again.cluster.routers
    if again.cluster is None or found is None or replace(found, services=again.cluster.services) != reading.files:
        why = next(
            (problem.text for problem in again.problems if problem.severity == "error"), "it does not mean the same"
        )
        hint = "The file itself can be run: understudy run --config " + path
        refused = Problem(path, 0, 0, f"the native form would not be taken: {why}", hint)
        return KeepalivedConversion(None, (*reading.problems, refused))
    return KeepalivedConversion(text, reading.problems)


def _header(reading: KeepalivedReading, path: str) -> str:
    lines = [f"The native form of {path}; docs/configuration.md explains every word."]
    without = [
        problem for problem in reading.problems if "has no effect" in problem.text or "unknown keyword" in problem.text
    ]
    if without:
        lines += ["", "What was left out:"]
        lines += [f"- line {problem.line}: {problem.text}" for problem in without]
    clean = ("".join(character if character.isprintable() else "?" for character in line) for line in lines)
    return "\n".join(f"# {line}".rstrip() for line in clean) + "\n\n"
