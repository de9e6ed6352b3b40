"""What the steward keeps for one group of this node."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Group
from ..units import Instant
from .announce import Announcements
from .execution import Execution
from .probing import Question


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
        self.adopting_until: Instant = 0
        self.vacant_since: Instant | None = None
        self.reserved: Reservation | None = None
        self.moving_to: str | None = None
        self.pinned = False
        self.was_named = False
        self.unfit_until: Instant = 0
        self.unfit_why = ""
        self.since: Instant | None = None
        self.question = Question(group.name, group.addresses)
        self.kernel_until: Instant = 0
        self.waiting_for: tuple[str, ...] = ()
        self.why_here = ""
