"""A native form of another file as it is given: read back, and with what was left out in comments at its top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import Problem
from ..model import Cluster
from .validate import read


@dataclass(frozen=True, slots=True)
class Conversion:
    """``text`` is None when it cannot be: then a problem says why."""

    text: str | None
    problems: tuple[Problem, ...]


def given(
    body: str,
    path: str,
    same: Callable[[Cluster], bool],
    problems: tuple[Problem, ...],
    left_out: Callable[[Problem], bool],
) -> Conversion:
    """The text, if it means exactly the ``same`` as what it was made from. Problems of the reading are given on."""
    text = _header(path, [problem for problem in problems if left_out(problem)]) + body
    again = read(text, "the native form")
    if again.cluster is None or not same(again.cluster):
        errors = (problem.text for problem in again.problems if problem.severity == "error")
        why = next(errors, "it does not mean the same")
        hint = "The file itself can be run: understudy run --config " + path
        refused = Problem(path, 0, 0, f"the native form would not be taken: {why}", hint)
        return Conversion(None, (*problems, refused))
    return Conversion(text, problems)


def _header(path: str, without: Sequence[Problem]) -> str:
    lines = [f"The native form of {path}; docs/configuration.md explains every word."]
    if without:
        lines += ["", "What was left out:"]
        lines += [f"- line {problem.line}: {problem.text}" for problem in without]
    clean = ("".join(character if character.isprintable() else "?" for character in line) for line in lines)
    return "\n".join(f"# {line}".rstrip() for line in clean) + "\n\n"
