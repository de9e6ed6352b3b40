"""The deliberate faults, one at a time: proof of stop, and who is waited for."""

# ruff: noqa: E501

from __future__ import annotations

from mutants_core import Mutant

PROOF = (
    Mutant(
        "stopped-while-it-holds",
        "proof.py",
        "if report.phase is Phase.STOPPED and report.group not in held:",
        "if report.phase is Phase.STOPPED:",
        "a holder that has not started yet counts as stopped",
        "A second guard: a group that is held and not started yet says starting, not stopped.",
    ),
    Mutant(
        "release-always-proves",
        "proof.py",
        "if stopped and group in self.may_run and group not in self.floors:",
        "if group in self.may_run and group not in self.floors:",
        "a release with parts still running counts as proof",
        "A group with exclusive parts is released only when they have stopped; what may be left may run twice.",
    ),
    Mutant(
        "running-is-not-noted",
        "proof.py",
        "                machines.add(state.node)\n",
        "                pass\n",
        "a node that says it runs the group is not waited for",
        "A second guard: the voters remember the same holder by its ballot (unfinished), which is seen to matter.",
    ),
    Mutant(
        "unfinished-not-waited-for",
        "proof.py",
        "if node is not None and group in self.may_run:",
        "if False:",
        "a holder that only the voters remember is not waited for",
    ),
    Mutant(
        "no-wait-for-proof",
        "awaiting.py",
        "        charge.execution.hold_programs_until = NEVER  # until we say so\n",
        "",
        "exclusive programs start at once",
    ),
    Mutant(
        "time-proves-a-living-node",
        "awaiting.py",
        "running = [machine for machine in due if machine in steward.alive and steward.proof.missing(name, machine)]",
        "running: list[str] = []",
        "a living node that has not stopped is taken for stopped",
    ),
    Mutant(
        "time-proves-despite-devices",
        "awaiting.py",
        "    if steward.fencing.able(machine) or steward.proof.tried_and_failed(charge.group.name, machine):\n        return NEVER\n",
        "",
        "a machine that could be fenced is waited out instead",
    ),
    Mutant(
        "voters-forget-nothing",
        "awaiting.py",
        "return all(steward.known_since.get(voter, NEVER) <= since for voter in claim.echoes if voter != steward.me)",
        "return True",
        "a voter that was restarted is believed that nobody took the group before",
    ),
    Mutant(
        "earlier-versions-name-all",
        "awaiting.py",
        "(claim.newest_only and holders != {machine})",
        "False",
        "an answer of an earlier version, which names only the newest lost holder, is taken for the whole list",
        "two holders have to be lost one after the other while all the others are of an earlier version; tests/core/test_core_fencing_groups.py sees it",
    ),
    Mutant(
        "any-lost-holder-hides-all",
        "awaiting.py",
        "(claim.newest_only and holders != {machine})",
        "bool(holders - {machine})",
        "a spare that stopped cleanly and is away is waited for, and fenced, when another holder is lost",
    ),
    Mutant(
        "old-word-while-waiting",
        "proof.py",
        "if named > self.floors.get(report.group, -1):",
        "if True:",
        "a word that was said before we had begun to wait counts as proof of stop",
        "it takes a path that is slow by itself, which the simulator has not; tests/core/test_core_steward.py sees it",
    ),
    Mutant(
        "fences-a-voter-that-is-needed",
        "awaiting.py",
        "if not steward.fencing.able(machine) or (machine in steward.alive and not can_spare(steward, machine)):",
        "if not steward.fencing.able(machine):",
        "a machine that lives is fenced though its vote is needed",
    ),
    Mutant(
        "unheard-has-no-watchdog",
        "awaiting.py",
        "armed = any(member.name == machine and member.watchdog for member in steward.cluster.members)",
        "armed = False",
        "a machine that was never heard is waited for by its stop timeout, though its watchdog may still count",
        "nobody in the simulator is unheard and runs for longer than a stop timeout; tests/core/test_core_fencing_groups.py sees it",
    ),
    Mutant(
        "watchdog-proves-at-once",
        "awaiting.py",
        "        return now + max(known, written)\n",
        "        return now\n",
        "the watchdog's time is not waited for",
    ),
    Mutant(
        "old-confirmation-proves",
        "awaiting.py",
        "return steward.cluster.quorum is Quorum.FENCE or (not newer and _remember(steward, claim, confirmed_at))",
        "return True",
        "a machine that was switched on again and held the group since counts as off",
        "no seed lets a machine that we do not hear again take the group from a majority without us; tests/core/test_core_fencing.py "
        "sees it",
    ),
    Mutant(
        "confirmation-of-before-the-lease",
        "awaiting.py",
        "        if news.began < charge.acquired_at and not _off_since(steward, name, news.node, claim):\n            continue\n",
        "",
        "an answer to an earlier question counts, though the machine may have taken the group in between",
        "the simulator's devices switch off at the end of their time; tests/core/test_core_fencing.py sees it",
    ),
    Mutant(
        "nobody-is-fenced-for-proof",
        "awaiting.py",
        "elif machine not in steward.alive and machine in steward.met:",
        "elif False:",
        "a lost machine is fenced only when its stop timeout is over",
    ),
    Mutant(
        "stuck-fenced-without-majority",
        "awaiting.py",
        "left = 1 + len(steward.alive - {machine}) + steward.fencing.comes_back(machine)",
        "left = 99",
        "a stop that hangs is ended by fencing although nobody could take the group then",
    ),
    Mutant(
        "stuck-holder-counts-as-vote",
        "awaiting.py",
        "without = replace(steward.around, peer_silent=True, peer_off=True)",
        "without = steward.around",
        "of two machines one that does not stop is never fenced, because its vote would be missing",
    ),
)
