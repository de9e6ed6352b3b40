"""One fault of the matrix, as data.

``do``: commands of ``stage``, a number to wait for so many dead times, or "!name" for a deed of ``fault_row``. ``after``: who
must serve at the end: "stays" (ha01), "moves" (another), "any", "nobody", or "either" where nobody can say (the cut is between
the clients and the machines, and not between machines). ``not_promised``: policies that cannot promise that never two serve,
with this fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

POLICIES = ("majority", "witness", "pair", "fence")
"""Three nodes; two nodes and a witness; two nodes that ping a router; two nodes with a power strip."""

Step = str | float


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    says: str
    do: tuple[Step, ...]
    after: str
    watch: float = 6.0
    """Dead times to watch at least, after the last step."""
    otherwise: Mapping[str, str] = field(default_factory=dict)
    """What ``after`` is for other policies."""
    not_promised: frozenset[str] = frozenset()
    only: tuple[str, ...] = POLICIES
    proof: bool = False
    """A counter-proof: two must be seen, or the observer is blind."""
    slow: bool = False
    """Frames are late by far, as much there as back; see ``watch.Watchers.two``."""

    def expected(self, policy: str) -> str:
        return self.otherwise.get(policy, self.after)
