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
        "        if decision.node != holder and (holder == steward.me or holder not in decision.order):\n",
        "        if False:\n",
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
    Mutant(
        "failback-at-any-hour",
        "placement.py",
        "group.failback.hours is not None and group.name not in view.within",
        "False",
        "a group fails back at any hour",
    ),
    Mutant(
        "hours-without-end",
        "clock.py",
        "(False, 0))\n        return end if within and now < end else None",
        "(False, 0))\n        return end if within else None",
        "hours without an end, when the manager is gone",
    ),
    Mutant(
        "ping-targets-undamped",
        "placement.py",
        "node.behind.get(group.name, -1) >= group.stays_where.damping",
        "group.name in node.behind",
        "a group moves whenever a ping target answers on one node a moment before the other",
    ),
    Mutant(
        "as-good-is-behind",
        "reach.py",
        "if found.get(name, most) >= most:",
        "if found.get(name, most) > most:",
        "a node on which as many ping targets answer as elsewhere counts as behind",
    ),
    Mutant(
        "behind-for-ever",
        "reach.py",
        "            charge.behind_since.pop(name, None)\n            continue",
        "            continue",
        "a node that has lost a ping target once counts as behind for ever",
    ),
    Mutant(
        "fails-back-undamped",
        "placement.py",
        "        needed = max(needed, group.stays_where.damping)\n",
        "",
        "a group goes back to a node whose cable flaps",
    ),
    Mutant(
        "after-does-not-ask-probes",
        "ordering.py",
        "if phase is Phase.STARTED and up:",
        "if phase is Phase.STARTED:",
        "a group starts after one that is started and down",
    ),
)
