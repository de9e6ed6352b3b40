"""Sync groups: virtual routers that are master together or not at all.

Two machines of equal rank, or with crossed ones, could beat each other for ever: each loses one member, leaves the others with a
goodbye, and answers the other's goodbye. So a tie is decided by the first member alone, and a machine whose group was parted
begins again after a wait of its own.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...units import Duration, Instant
from ...vrrp import AdvertHeard, RouterState, Tell
from ...vrrp_files import SyncGroup
from . import moving
from .router import Router
from .states import Cause

if TYPE_CHECKING:
    from .node import RouterNode

SLOTS = 64
"""Into so many moments of an interval the waits of machines whose groups were parted fall."""

LEAD = 2
"""For so many intervals a tie is left to the first member: it may be deaf, then each decides for itself."""


@dataclass(slots=True)
class Company:
    """A sync group at work. ``state``: what was told of it last. ``moving``: it goes from one state to another as a whole.
    ``partings``: how often a member's end has ended others.
    """

    spec: SyncGroup
    members: list[Router] = field(default_factory=list)
    state: RouterState = RouterState.INIT
    moving: bool = False
    partings: int = 0

    @property
    def joint(self) -> RouterState:
        """The state of the whole: that of the member that is worst off, as far as they have begun."""
        states = {each.state for each in self.members}
        order = (RouterState.STOP, RouterState.FAULT, RouterState.BACKUP, RouterState.MASTER)
        return next((state for state in order if state in states), RouterState.INIT)


def tell(node: RouterNode, r: Router, why: str) -> None:
    """The state of its group is told when it is another one."""
    company = r.company
    if company is None or company.moving:
        return
    joint = company.joint
    if joint is not company.state and joint is not RouterState.INIT:
        company.state = joint
        node.emit(Tell("GROUP", company.spec.name, joint.value, 0, why))


def want(node: RouterNode, r: Router, why: str, now: Instant) -> None:
    """``r`` wants to be master. All or none: whoever waits begins Master_Down anew, and goes on wanting."""
    company = r.company
    if company is None:
        return
    if not all(each.backup and each.wants and moving.may_serve(each, now) for each in company.members):
        r.down_at = now + r.down_interval
        node.touch(r)
        return
    company.moving = True
    for each in company.members:
        moving.become_master(
            node, each, Cause.TOGETHER, f"{why}, and its whole sync group {company.spec.name} is ready", now
        )
    company.moving = False
    tell(node, r, why)


def first_decides(r: Router, event: AdvertHeard, now: Instant) -> bool:
    """Whether a master with our priority and a higher address is left to the first member of our sync group.

    Member by member one machine may have the higher address here and the other one there, and then neither would stay.
    """
    company = r.company
    if company is None or r is company.members[0] or event.advert.priority != r.priority:
        return False
    span = LEAD * max(r.spec.interval, event.advert.interval)
    first, newest = r.tied
    r.tied = (first if now <= newest + span else now, now)
    return now < r.tied[0] + span


def left_master(node: RouterNode, r: Router, now: Instant, why: str) -> None:
    """``r`` is not master any more, so no other member is: those that nobody has beaten say goodbye."""
    company = r.company
    if company is None or company.moving:
        return
    company.moving = True
    others = [each for each in company.members if each is not r and each.master_here]
    for each in others:
        text = f"{why}, and {company.spec.name} is master as a whole or not at all"
        moving.leave_master(node, each, Cause.PARTED, text, now, goodbye=True)
    for each in company.members:
        each.wants = False
    if others:
        _begin_apart(node, company, now)
    company.moving = False
    tell(node, r, why)


def _begin_apart(node: RouterNode, company: Company, now: Instant) -> None:
    """The other machine's group may have been parted in the same moment: the two must not begin again in the same one."""
    company.partings += 1
    wait = _own_wait(company)
    for each in company.members:
        each.hold_until = max(each.hold_until, now + wait + each.skew)
        if each.backup:
            each.down_at += wait
            node.touch(each)


def _own_wait(company: Company) -> Duration:
    """Up to an interval; another one on another machine, and the next time."""
    said = f"{company.members[0].source} {company.partings}"
    return max(each.spec.interval for each in company.members) * (zlib.crc32(said.encode()) % SLOTS) // SLOTS
