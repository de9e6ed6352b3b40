"""Tests whose body directs a private world: it runs in a process of its own, for a test's process must not leave its namespaces.

The worlds beside the tests (``lab_world``, ``cluster_world``, ``old_world`` ...) say what is in theirs.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

World = TypeVar("World")

NEEDED = ("ip", "nft", "nsenter")
NO_WORLD = 77
"""The exit code that says: no such world can be made on this machine."""

RUNNING: set[subprocess.Popen[str]] = set()
"""Worlds that have not ended yet; with their process they end at once."""

HERE = os.path.dirname(os.path.abspath(__file__))


def absent(needed: tuple[str, ...] = NEEDED) -> str:
    """Which programs this machine lacks, as a sentence, or an empty text."""
    names = [name for name in needed if shutil.which(name) is None]
    return f"not installed: {', '.join(names)}" if names else ""


def environment() -> dict[str, str]:
    """This process's, in which Python finds this module as well."""
    paths = filter(None, (HERE, os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start_inside(file: str, name: str, *arguments: str, longest: float) -> subprocess.CompletedProcess[str]:
    """Run a function of a file (or its attribute ``case``) in a world; modules beside the file and beside this one are found."""
    command = [sys.executable, "-m", "understudy.lab.inside", file, name, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment()
    ) as process:
        RUNNING.add(process)
        try:
            output, complaints = process.communicate(timeout=longest)
        except BaseException:
            process.kill()
            raise
        finally:
            RUNNING.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, output, complaints)


def run_inside(file: str, name: str, *arguments: str, longest: float) -> str:
    """As ``start_inside``; what it printed. Skips the test where no world can be made, and fails it when the function raised."""
    done = start_inside(file, name, *arguments, longest=longest)
    if done.returncode == NO_WORLD:
        pytest.skip(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def directed(
    case: Callable[[World], object],
    make: Callable[[], World],
    tell: Callable[[World], object],
    close: Callable[[World], object],
) -> Callable[[], None]:
    """The body of a test: ``case`` with what ``make`` made. ``tell``: prints what was said there, when the case fails."""

    def body() -> None:
        world = make()
        try:
            case(world)
        except BaseException:
            tell(world)
            raise
        finally:
            close(world)

    return body


def made_test(
    case: Callable[..., Any],
    body: Callable[[], object],
    longest: float,
    needed: tuple[str, ...] = NEEDED,
    run: Callable[..., str] = run_inside,
) -> Callable[[], None]:
    """A kernel test named like ``case``, which runs ``body`` in a world; ``longest`` in seconds. ``run``: see ``run_inside``."""
    file, name = os.path.abspath(inspect.getfile(case)), case.__name__

    @pytest.mark.kernel
    def test() -> None:
        lacking = absent(needed)
        if lacking:
            pytest.skip(lacking)
        run(file, name, longest=longest)

    functools.update_wrapper(test, case, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    test.case = body  # type: ignore[attr-defined]
    test.key = (file, name)  # type: ignore[attr-defined]
    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would take the argument of the case for a fixture
    return test
