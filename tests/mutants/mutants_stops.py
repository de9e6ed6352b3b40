"""The deliberate faults, one at a time: what is made of a stop that failed, and what starts and stops together."""

from __future__ import annotations

from mutants_core import Mutant

STOPS = (
    Mutant(
        "next-stage-too-early",
        "walk.py",
        "if stage is not None and stage == last:",
        "if stage is not None and stages and execution.group.stages:",
        "of a group with stages everything starts at the same time",
    ),
    Mutant(
        "sibling-taken-down",
        "walk.py",
        "return [*failed, *above], ",
        "return [*row, *above], ",
        "a part that failed takes the others of its stage down",
    ),
    Mutant(
        "started-beneath-others",
        "walk.py",
        "elif not _all(over, State.STOPPED):",
        "elif False:",
        "a program is started beneath others that run on it",
    ),
    Mutant(
        "frozen-while-a-former-part-stops",
        "walk.py",
        "if execution.fence_until or (busy and effects and not execution.group.stages):",
        "if execution.ending:",
        "what stays gets no address back and is not started while something that a reload ended does not stop",
    ),
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
        "must_stop(part.resource) and not (part.spared and may_look(part, self.at)) for part in stuck)",
        "must_stop(part.resource) for part in stuck)",
        "a machine is switched off while a monitor is asked whether the program is gone",
    ),
    Mutant(
        "reload-ends-from-below",
        "reload.py",
        "execution.parts, execution.ending = parts, former",
        "execution.parts, execution.ending = parts, former[::-1]",
        "what a reload changes is stopped in the order of starts",
    ),
    Mutant(
        "stops-do-not-wait",
        "walk.py",
        "if addresses or not all(execution.given_up_on(part, now) for part in programs):",
        "if addresses or not all(part.failed_stops for part in programs):",
        "of a group that leaves, what failed to stop once is passed over",
    ),
    Mutant(
        "hangs-hold-up-the-rest",
        "execution.py",
        "return (part.look and operation.action is Action.MONITOR) or self.given_up_on(part, now)",
        "return False",
        "the rest of a group waits for the looks and stops of what was given up on, which may hang in every pause",
    ),
    Mutant(
        "first-stop-not-waited-for",
        "execution.py",
        "return part.failed_stops > 0 or self.operation_of(part) is None",
        "return True",
        "once the stop timeout is over, what has never been asked to stop is stopped together with what it stands on",
    ),
    Mutant(
        "not-put-back-beside",
        "execution.py",
        "return effects + walk.put_back(self, now)",
        "return effects",
        "an address that somebody removed waits for whatever goes on in its group",
    ),
    Mutant(
        "failed-in-maintenance-for-ever",
        "walk.py",
        "if part.state is State.FAILED and part.monitor_at == NEVER:",
        "if False:",
        "what failed is not asked again in maintenance, so the end of the maintenance stops what runs well",
    ),
)
