"""What the steward keeps for one group of this node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Group
from ..units import MINUTE, Duration, Instant
from .announce import Announcements
from .execution import Execution
from .health import Health
from .probing import Question
from .splits import Split

MOST_DOUBLINGS = 8
"""With the usual ten minutes the longest pause is a day."""

REFUSED_PAUSE: Duration = MINUTE


@dataclass(slots=True)
class Reservation:
    """The last holder named ``successor``; others let it try first, until ``until``."""

    successor: str
    ballot: int
    until: Instant


class Charge:
    """What the steward keeps for one group."""

    def __init__(self, group: Group, execution: Execution) -> None:
        self.group = group
        self.execution = execution
        self.addresses = group.addresses
        self.has_programs = len(group.addresses) < len(group.resources)
        self.announcements = Announcements()
        self.health = Health(group)
        self.adopting_until: Instant = 0
        self.vacant_since: Instant | None = None
        self.reserved: Reservation | None = None
        self.moving_to: str | None = None
        self.pinned = False
        self.retired = False
        """No group of the configuration any more: stopped here, released to whoever still has it, then forgotten."""
        self.was_named = False
        self.unfit_until: Instant = 0
        self.unfit_why = ""
        self.gave_up = 0
        self.overdue = False
        self.acquired_at: Instant = 0
        self.proof_due: dict[str, Instant] = {}
        self.unmet = False
        self.was_started = False
        self.able_since: dict[str, Instant] = {}
        self.behind_since: dict[str, Instant] = {}
        self.since: Instant | None = None
        self.question = Question(group.name, group.addresses)
        self.kernel_until: Instant = 0
        self.waiting_for: tuple[str, ...] = ()
        self.why_here = ""
        self.split: Split | None = None
        self.rank = 0
        """The priority of the virtual routers that follow its lease, 0 where there are none."""
        self.trouble = ""
        """Why they cannot serve here now."""

    def unfit(self, carriers: Mapping[str, bool], can_run: bool) -> str:
        """Why the group cannot run on this machine now, or "". ``can_run``: there is somebody to run programs."""
        if self.unfit_until:
            return self.unfit_why
        for address in self.addresses:
            carrier = carriers.get(address.device)
            if carrier is None:
                return f"there is no device {address.device}"
            if not carrier:
                return f"{address.device} has no carrier"
        if self.trouble:
            return self.trouble
        if self.has_programs and not can_run:
            return "its manager is not there to run programs"
        return ""

    def let_start(self) -> None:
        """Nothing stands in the way of exclusive parts any more."""
        self.waiting_for, self.overdue = (), False
        self.proof_due.clear()
        self.execution.hold_programs_until = 0

    def give_up(self, span: Duration, why: str, now: Instant) -> None:
        """It failed here too often. Twice as long each time, so that a machine that cannot run it does not take it from a
        good one again and again; until an operator says ``online``.
        """
        if not self.unfit_until:
            self.gave_up = min(self.gave_up + 1, MOST_DOUBLINGS)
            self.unfit_until = now + (span << (self.gave_up - 1))
            self.unfit_why = f"failed there: {why}"

    def refused(self, text: str, now: Instant) -> None:
        """The kernel does not do what our lease asks: another machine can serve, this one cannot for a while."""
        self.unfit_until, self.unfit_why = now + REFUSED_PAUSE, f"the kernel there refuses its lease: {text}"

    def forget_failures(self) -> None:
        """An operator says that this node is well again."""
        self.unfit_until, self.gave_up = 0, 0
        self.execution.forget_failures()
