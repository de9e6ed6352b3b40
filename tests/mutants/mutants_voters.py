"""Mutants of the change of voters: two sets are counted for a while, by rules of which each is needed."""

# ruff: noqa: E501

from __future__ import annotations

from mutants_core import Mutant

VOTERS = (
    Mutant(
        "joint-counts-only-the-new",
        "leases.py",
        "claim.until = max(claim.until, min(found))",
        "claim.until = max(claim.until, found[-1])",
        "while the voters change a majority of the new ones is enough",
    ),
    Mutant(
        "joint-counts-only-the-old",
        "leases.py",
        "claim.until = max(claim.until, min(found))",
        "claim.until = max(claim.until, found[0])",
        "while the voters change a majority of the old ones is enough",
        "two sets that differ by one member have no two majorities without a common voter; tests/core/test_core_electorate.py sees it",
    ),
    Mutant(
        "votes-for-any-set",
        "electorate.py",
        "return state is not None and self.halves[0] in _halves(state)",
        "return self.agrees(state)",
        "a voter between two sets helps those who count only the new one",
        "a second guard: who counts only the new set does not bid while a living member has the old one for its base; "
        "tests/core/test_core_electorate.py sees it",
    ),
    Mutant(
        "old-set-dropped-at-once",
        "electorate.py",
        "    electorate.waits = missing(node, now)\n    node.note",
        "    electorate.waits = missing(node, now)\n    complete(node, 'at once')\n    return after\n    node.note",
        "the old set is dropped although others still count it",
    ),
    Mutant(
        "joint-never-ends",
        "electorate.py",
        "    if now >= due:\n        complete",
        "    if False:\n        complete",
        "two sets are counted for ever",
    ),
    Mutant(
        "leaver-keeps-what-it-holds",
        "electorate.py",
        "return state.member == self.me and dropped == self.halves[0]",
        "return False",
        "a member that is taken out is not told so",
    ),
)
