"""What this manager has counted since it started, for /metrics. Only sums: when and why stands in the history."""

from __future__ import annotations

from collections import Counter

from ..effects import Action, FenceAction
from ..events import Outcome
from ..units import Duration


class Tallies:
    """Each counter has its labels as keys; the names are those of ``metrics.METRICS`` that use it."""

    def __init__(self) -> None:
        self.agent_runs: Counter[tuple[str, str, str, str]] = Counter()
        """group, resource, action, outcome."""
        self.agent_time: Counter[tuple[str, str, str]] = Counter()
        """group, resource, action: nanoseconds."""
        self.resource_failures: Counter[tuple[str, str]] = Counter()
        self.fence_actions: Counter[tuple[str, str, str]] = Counter()
        """node, action, outcome."""
        self.entries: Counter[str] = Counter()
        """History entries by level."""
        self.requests: Counter[str] = Counter()
        """Answers of the API by HTTP status."""
        self.router_changes: Counter[tuple[str, str, str]] = Counter()
        """INSTANCE or GROUP, name, state: what was told of virtual routers."""
        self.router_mails: Counter[str] = Counter()
        """sent or lost."""
        self.pulse_losses = 0

    def agent_ran(self, group: str, resource: str, action: Action, outcome: Outcome, spent: Duration) -> None:
        self.agent_runs[group, resource, action.value, outcome.value] += 1
        self.agent_time[group, resource, action.value] += spent

    def fenced(self, node: str, action: FenceAction, outcome: Outcome) -> None:
        self.fence_actions[node, action.value, outcome.value] += 1
