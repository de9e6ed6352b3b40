"""Moves of groups, counted by their causes, for those who watch many clusters. Only shown: nothing is decided by it.

Each move is counted once in the cluster: one that is handed over by the node that lets go, because it knows why; one that
follows a loss by the node that takes, because the other cannot say anything.
"""

from __future__ import annotations

from collections import Counter

from .charge import Charge
from .placement import Cause, Decision


class Tally:
    """``moves``: for each group and cause how often, since the pulse started."""

    def __init__(self) -> None:
        self.moves: Counter[tuple[str, Cause]] = Counter()

    def leaves(self, charge: Charge, decision: Decision) -> None:
        """The group is handed over to another node, by this decision."""
        cause = Cause.OPERATOR if charge.moving_to is not None else decision.cause or Cause.UNFIT
        self.moves[charge.group.name, cause] += 1

    def taken(self, charge: Charge, me: str, unfinished: bool) -> None:
        """The group was taken by ``me``. ``unfinished``: another held it and never said that everything of it has stopped."""
        handed_over = charge.reserved is not None and charge.reserved.successor == me
        if unfinished and not handed_over and not charge.adopting_until:
            self.moves[charge.group.name, Cause.LOST] += 1

    def counters(self) -> dict[str, int]:
        """For ``Snapshot.counters``: ``moves.CAUSE.GROUP``."""
        return {
            f"moves.{cause.value}.{group}": count for (group, cause), count in sorted(self.moves.items(), key=_name)
        }


def _name(item: tuple[tuple[str, Cause], int]) -> tuple[str, str]:
    return item[0][0], item[0][1].value
