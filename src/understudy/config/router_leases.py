"""Virtual routers in the file of a cluster: the group whose lease each of them follows, and the priority of each node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..model import Failback, FailbackKind, Group
from ..vrrp import OWNER
from ..vrrp_files import RouterFiles, VirtualRouter
from .addresses import NAME_RULE, is_name
from .report import Report, suggestion
from .routers import Routers
from .tree import Place


def leased(
    report: Report, routers: Routers, nodes: tuple[str, ...], taken: Iterable[str]
) -> tuple[RouterFiles, tuple[Group, ...]]:
    """The virtual routers, each with the group that it follows, and the groups that are there for them alone.

    A virtual router that names no ``lease_group`` has a group by its own name, or its sync group's, since that moves as one.
    ``nodes``: in the order of the file. ``taken``: the names of the file's own groups.
    """
    judge = _Judge(report, routers.place, nodes, list(taken))
    files = routers.files
    owners = {member: group.name for group in files.sync_groups for member in group.members}
    found = []
    for name in [*(router.name for router in files.routers), *(group.name for group in files.sync_groups)]:
        judge.twice(name)
    for router in files.routers:
        judge.router(router)
        found.append(replace(router, lease_group=router.lease_group or owners.get(router.name, router.name)))
    for sync in files.sync_groups:
        judge.sync([router for router in found if router.name in sync.members], sync.name)
    own = dict.fromkeys(router.lease_group for router in found if router.lease_group not in judge.taken)
    for name in own:
        judge.name(name)
    if report.refused:
        return files, ()
    groups = tuple(_group(name, [router for router in found if router.lease_group == name], nodes) for name in own)
    return replace(files, routers=tuple(found)), groups


def implied(files: RouterFiles, router: VirtualRouter) -> str:
    """The group that it follows unless it names another one."""
    return next((group.name for group in files.sync_groups if router.name in group.members), router.name)


def _group(name: str, routers: list[VirtualRouter], nodes: tuple[str, ...]) -> Group:
    """What ``core.ranks`` orders by priority. Goes back as the routers do: at once, after ``preempt_delay``, or never."""
    ranks = {node: min(router.on(node).priority for router in routers) for node in nodes}
    delay = max(router.preempt_delay for router in routers)
    failback = Failback(FailbackKind.AFTER, delay) if delay else Failback()
    if not all(router.preempt for router in routers):
        failback = Failback(FailbackKind.NEVER)
    prefer = tuple(sorted(nodes, key=lambda node: -ranks[node]))
    return Group(name, (), prefer, failback, ranks=tuple(ranks.items()))


class _Judge:
    def __init__(self, report: Report, place: Place, nodes: tuple[str, ...], taken: list[str]) -> None:
        self._report, self._place, self._nodes, self.taken = report, place, nodes, taken

    def _error(self, text: str, hint: str) -> None:
        self._report.error(self._place, text, hint)

    def router(self, router: VirtualRouter) -> None:
        if router.lease_group and router.lease_group not in self.taken:
            text = f'{router.name} has the lease_group "{router.lease_group}", which is no group of this file'
            self._error(text, suggestion(router.lease_group, self.taken, "The groups are") or "Take it away.")
        for node, _ in router.priorities:
            if node not in self._nodes:
                hint = suggestion(node, self._nodes, "The nodes are")
                self._error(f'{router.name} has a priority for "{node}", which is no node of this file', hint)
        missing = [node for node in self._nodes if node not in dict(router.priorities)]
        if router.priorities and missing:
            self._error(
                f"{router.name} has no priority for {missing[0]}", "Name every node, or write one number for all."
            )
        if OWNER in (router.priority, *dict(router.priorities).values()):
            text = (
                f"{router.name} has the priority {OWNER}: an owner is master in any case, and so nobody's lease counts"
            )
            self._error(text, "Write 254 or less.")

    def sync(self, members: list[VirtualRouter], name: str) -> None:
        if len({router.lease_group for router in members}) > 1:
            text = f"the members of {name} follow different groups, and would never be master together"
            self._error(text, "Give all of them the same lease_group, or none of them any.")

    def twice(self, name: str) -> None:
        if name in self.taken:
            text = f"{name} is a group and a virtual router: each has a lease of its own"
            self._error(text, f'Rename one of them; lease_group = "{name}" has a virtual router follow that group.')

    def name(self, name: str) -> None:
        if not is_name(name):
            self._error(f'"{name}" cannot name a virtual router of a cluster', NAME_RULE)
