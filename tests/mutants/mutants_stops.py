"""The deliberate faults, one at a time: what is made of a stop that failed."""

from __future__ import annotations

from mutants_core import Mutant

STOPS = (
    Mutant(
        "any-look-is-a-stop",
        "execution.py",
        "if look and outcome is Outcome.NOT_RUNNING:",
        "if look:",
        "after a stop that failed any answer of the monitor counts as stopped",
    ),
    Mutant(
        "no-look",
        "stopping.py",
        "return part.look and now < part.stop_again_at",
        "return False",
        "what its monitor knows to be gone does not count as stopped when its stop fails",
    ),
    Mutant(
        "shot-while-looked-at",
        "execution.py",
        "return part.look and operation.resources[0] is part.resource",
        "return False",
        "a machine is switched off while a monitor is asked whether the program is gone",
    ),
)
