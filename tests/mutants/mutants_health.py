"""The deliberate faults, one at a time: what probes say, and what follows from it."""

from __future__ import annotations

from mutants_core import Mutant

HEALTH = (
    Mutant(
        "answers-of-an-earlier-life-count",
        "health.py",
        "if seen is None or not seen.number or seen.number != event.number:",
        "if seen is None or not seen.number:",
        "an answer to a question from before the restart restarts it again",
        "it costs a restart, which is allowed; tests/core/test_core_health.py sees it",
    ),
    Mutant(
        "down-does-not-count",
        "health.py",
        "return self._probes[event.probe] if event.up is False else None",
        "return None",
        "a probe that is down is only shown",
    ),
    Mutant(
        "up-without-its-probes",
        "health.py",
        "return all(seen.up for seen in self._seen.values())",
        "return True",
        "a group counts as up before its probes say so",
    ),
    Mutant(
        "asked-while-it-stops",
        "health.py",
        "if execution.wanted is not Wanted.RUN or not execution.manager:",
        "if not execution.manager:",
        "what is being stopped is still asked",
        "what is asked to stop runs no longer from that moment on; tests/core/test_core_health.py sees it",
    ),
    Mutant(
        "blamed-on-nobody",
        "steward.py",
        "charge.execution.failed(charge.health.blamed(down),",
        "charge.execution.failed(down.resource,",
        "a probe of the group changes nothing",
    ),
    Mutant(
        "new-manager-asks-nothing",
        "node.py",
        "            charge.health.forget(now)\n",
        "",
        "after the loss of the manager no probe is asked any more",
    ),
)
