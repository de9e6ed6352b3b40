"""Runs the body of a test as the director of a private world: ``@in_lab`` makes the test."""

from __future__ import annotations

from collections.abc import Callable

from private_world import NO_WORLD, absent, made_test, start_inside

LONGEST = 120.0


def missing() -> str:
    """What this machine lacks for the lab, or an empty text."""
    if reason := absent():
        return reason
    probe = start_inside(__file__, "nothing", longest=LONGEST)
    return probe.stderr.strip() if probe.returncode == NO_WORLD else ""


def nothing() -> int:
    """Can a world be made at all?"""
    return 0


def in_lab(case: Callable[[], None]) -> Callable[[], None]:
    """Make a test of a function that must run in a private world."""
    return made_test(case, case, LONGEST)
