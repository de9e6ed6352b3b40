"""Sync groups: virtual routers that are master together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...units import Instant
from ...vrrp import RouterState, Tell
from ...vrrp_files import SyncGroup
from . import moving
from .router import Router
from .states import Cause

if TYPE_CHECKING:
    from .node import RouterNode


@dataclass(slots=True)
class Company:
    """A sync group at work. ``state``: what was told of it last. ``moving``: it goes from one state to another as a whole."""

    spec: SyncGroup
    members: list[Router] = field(default_factory=list)
    state: RouterState = RouterState.INIT
    moving: bool = False

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


def left_master(node: RouterNode, r: Router, now: Instant, why: str) -> None:
    """``r`` is not master any more, so no other member is: those that nobody has beaten say goodbye."""
    company = r.company
    if company is None or company.moving:
        return
    company.moving = True
    for each in company.members:
        if each is not r and each.master_here:
            text = f"{why}, and {company.spec.name} is master as a whole or not at all"
            moving.leave_master(node, each, Cause.PARTED, text, now, goodbye=True)
        each.wants = False
    company.moving = False
    tell(node, r, why)
