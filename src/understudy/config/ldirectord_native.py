"""The native form of an ldirectord.cf, with what was left out in comments at its top."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Problem
from .ldirectord import LdirectordReading
from .services_render import render
from .validate import read


@dataclass(frozen=True, slots=True)
class LdirectordConversion:
    """``text`` is None when it cannot be: then a problem says why."""

    text: str | None
    problems: tuple[Problem, ...]


def convert(reading: LdirectordReading, path: str) -> LdirectordConversion:
    """The text, read back before it is given: it means exactly the same. Problems of the reading are given on."""
    if reading.files is None:
        return LdirectordConversion(None, reading.problems)
    text = _header(reading, path) + render(reading.files)
    again = read(text, "the native form")
    if again.cluster is None or again.cluster.services != reading.files:
        errors = (problem.text for problem in again.problems if problem.severity == "error")
        why = next(errors, "it does not mean the same")
        hint = "The file itself can be run: understudy run --config " + path
        refused = Problem(path, 0, 0, f"the native form would not be taken: {why}", hint)
        return LdirectordConversion(None, (*reading.problems, refused))
    return LdirectordConversion(text, reading.problems)


def _header(reading: LdirectordReading, path: str) -> str:
    lines = [f"The native form of {path}; docs/configuration.md explains every word."]
    without = [problem for problem in reading.problems if "no effect" in problem.text]
    if without:
        lines += ["", "What was left out:"]
        lines += [f"- line {problem.line}: {problem.text}" for problem in without]
    clean = ("".join(character if character.isprintable() else "?" for character in line) for line in lines)
    return "\n".join(f"# {line}".rstrip() for line in clean) + "\n\n"
