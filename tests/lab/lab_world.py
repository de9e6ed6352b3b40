"""Runs the body of a test as the director of a private world, in a process of its own.

The test's own process must not leave its namespaces, so ``@in_lab`` makes a test that starts
``python -m understudy.lab.inside THIS_FILE NAME`` and passes when that ends with 0; what it printed is shown otherwise.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

LONGEST = 120.0
NEEDED = ("ip", "nft", "nsenter")


def missing() -> str:
    """What this machine lacks for the lab, or an empty text."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    probe = [sys.executable, "-m", "understudy.lab.inside", __file__, "nothing"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=LONGEST, check=False)
    return done.stderr.strip() if done.returncode == 77 else ""


def nothing() -> int:
    """Can a world be made at all?"""
    return 0


def run_inside(file: str, name: str, *arguments: str) -> str:
    """Run a function of a file in a private world; what it printed. Fails the test when it raised."""
    command = [sys.executable, "-m", "understudy.lab.inside", file, name, *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"{name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def in_lab(case: Callable[[], None]) -> Callable[[], None]:
    """Make a test of a function that must run in a private world."""
    file, name = inspect.getfile(case), case.__name__

    @pytest.mark.kernel
    @functools.wraps(case)
    def test() -> None:
        reason = missing()
        if reason:
            pytest.skip(reason)
        run_inside(os.path.abspath(file), name)

    test.case = case  # type: ignore[attr-defined]
    return test
