"""Deliberate faults in what groups have to say of each other, in order, and in bids that cannot win."""

from __future__ import annotations

from mutants_core import Mutant

GROUPS: tuple[Mutant, ...] = (
    Mutant(
        "goes-anywhere",
        "company.py",
        "                elif name != there:\n",
        "                elif False:\n",
        "a group that goes with another runs where that one is not",
    ),
    Mutant(
        "together-after-all",
        "company.py",
        "            if other.name in group.apart or group.name in other.apart:\n",
        "            if False:\n",
        "groups that stay apart share a machine",
    ),
    Mutant(
        "own-weight-forgotten",
        "company.py",
        "used + group.weight > node.capacity",
        "used > node.capacity",
        "a node takes one group more than it can carry",
    ),
    Mutant(
        "starts-before-others",
        "ordering.py",
        "    if charge.was_started or not missing:\n",
        "    if True:\n",
        "a group starts before those that it comes after",
    ),
    Mutant(
        "counts-what-is-leaving",
        "ordering.py",
        "        if holder is None or name not in decisions or decisions[name].node != holder:\n",
        "        if holder is None:\n",
        "a group starts after one that is just about to stop",
    ),
    Mutant(
        "does-not-stop-first",
        "ordering.py",
        "        if decisions[name].node == steward.me or other.execution.stopped():\n",
        "        if True:\n",
        "a group stops while one that came after it still runs on it",
    ),
    Mutant(
        "deaf-ones-vote",
        "steward.py",
        "able = self.alive - self.deaf",
        "able = self.alive",
        "a peer that does not hear us is asked for its vote for ever",
    ),
    Mutant(
        "hopeless-bid-repeated",
        "steward.py",
        "        if not answer.granted and answer.highest > claim.ballot and not claim.raised:\n",
        "        if False:\n",
        "a bid below what a voter has seen is repeated until it gives up",
    ),
)
