"""The work of ``understudy exhaust``."""

from __future__ import annotations

import json
import sys
import time

import click

from ..sim.exhaust import Bounds, Search
from ..sim.exhaust_run import Found, explore

SCOPES = {
    "crashes": Bounds(crashes=1),
    "clocks": Bounds(crashes=0, skews=1),
    "releases": Bounds(crashes=0, releases=1),
}


def run(states: int, depth: int, scope: str, as_json: bool) -> int:
    """Search the scopes one after the other and print what was found; returns the exit code."""
    results: dict[str, tuple[Found, float]] = {}
    for name in SCOPES if scope == "all" else (scope,):
        began = time.monotonic()

        def progress(done: int, count: int, name: str = name) -> None:
            if sys.stderr.isatty():
                click.echo(f"\r{name}: {count} states within {done} steps \033[K", nl=False, err=True)

        results[name] = explore(Search(SCOPES[name]), states, depth, progress), time.monotonic() - began
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        if not as_json:
            _print(name, *results[name])
    if as_json:
        click.echo(json.dumps({name: _as_json(*result) for name, result in results.items()}, indent=2))
    return 1 if any(found.bad for found, _ in results.values()) else 0


def _print(name: str, found: Found, seconds: float) -> None:
    whole = "all there are" if found.complete else f"all within {found.depth} steps, and some beyond"
    click.echo(f"{name}: {found.states} distinct states ({whole}), {found.steps} steps, {seconds:.0f} s")
    if not found.bad:
        click.echo(f"{name}: none bad")
        return
    click.echo(f"{name}: {found.bad}:")
    for number, step in enumerate(found.path, 1):
        click.echo(f"  {number:>3}  {step}")


def _as_json(found: Found, seconds: float) -> dict[str, object]:
    return {
        "states": found.states,
        "steps": found.steps,
        "depth": found.depth,
        "complete": found.complete,
        "bad": found.bad,
        "path": list(found.path),
        "seconds": round(seconds, 3),
    }
