"""Breadth first through all states, each once; the shortest way to a bad one is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .exhaust import START, Search, State, wrong


@dataclass(frozen=True, slots=True)
class Found:
    """``depth``: all states within so many steps were looked at; ``complete``: there are no others. ``path`` leads to ``bad``."""

    states: int
    steps: int
    depth: int
    complete: bool
    bad: str
    path: tuple[str, ...]


def explore(
    search: Search,
    most_states: int,
    most_depth: int,
    progress: Callable[[int, int], None] | None = None,
    begin: State = START,
) -> Found:
    """Look at every state that can be reached, until there are ``most_states``, or ``most_depth`` steps were made."""
    seen: dict[State, tuple[State | None, str]] = {begin: (None, "")}
    layer = [begin]
    steps = 0
    for depth in range(most_depth):
        following: list[State] = []
        for state in layer:
            for name, after in search.steps(state):
                steps += 1
                if after in seen:
                    continue
                seen[after] = (state, name)
                bad = wrong(after)
                if bad:
                    return Found(len(seen), steps, depth, False, bad, _path(seen, after))
                following.append(after)
            if len(seen) >= most_states:
                return Found(len(seen), steps, depth, False, "", ())
        if progress is not None:
            progress(depth + 1, len(seen))
        if not following:
            return Found(len(seen), steps, depth + 1, True, "", ())
        layer = following
    return Found(len(seen), steps, most_depth, False, "", ())


def _path(seen: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    names: list[str] = []
    at: State | None = state
    while at is not None:
        before, name = seen[at]
        if name:
            names.append(name)
        at = before
    return tuple(reversed(names))
