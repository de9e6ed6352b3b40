"""Another configuration while everything runs: what is the same goes on, and nothing moves that need not.

A virtual router is known by its name here and by VRID, family and network around. What is only ours (priority, weights,
intervals, notifications, passwords, addresses) is changed in the state that it is in. Where the others would not know it again, a
master says goodbye under what it was, and listens under what it is.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from ...effects import AddAddresses, Level, RemoveAddresses
from ...model import AddressResource
from ...units import NEVER, Instant
from ...vrrp import RoutersChanged, RouterState
from ...vrrp_files import RouterFiles, VirtualRouter
from . import announcing, companies, holdings, moving, tracking
from .companies import Company
from .router import Router
from .states import Cause

if TYPE_CHECKING:
    from .node import RouterNode


def build(node: RouterNode, files: RouterFiles) -> None:
    """At the start: everything is new."""
    for spec in files.routers:
        _new(node, spec)
    node.known.said = tracking.first_values(files)
    index(node, files)


def _new(node: RouterNode, spec: VirtualRouter) -> Router:
    r = Router(spec, len(node.routers))
    node.routers.append(r)
    node.by_name[spec.name] = r
    return r


def index(node: RouterNode, files: RouterFiles) -> None:
    """Who belongs together, and who depends on what."""
    node.files = files
    before = {company.spec.name: company.state for company in node.companies}
    node.companies = []
    for r in node.routers:
        r.company = None
    for group in files.sync_groups:
        members = [node.by_name[name] for name in group.members if name in node.by_name]
        company = Company(group, members, before.get(group.name, RouterState.INIT))
        node.companies.append(company)
        for r in members:
            r.company = company
    for found in (node.by_address, node.by_device, node.by_track):
        found.clear()
    for r in node.by_name.values():
        r.tracks = tracking.tracks_of(r.spec, r.company.spec if r.company is not None else None)
        for item in r.resources:
            node.by_address.setdefault(item.address, []).append(r)
        for device in tracking.devices_of(r.spec, r.tracks):
            node.by_device.setdefault(device, []).append(r)
        for track in r.tracks:
            node.by_track.setdefault((track.kind, track.name), []).append(r)


def changed(node: RouterNode, event: RoutersChanged, now: Instant) -> None:
    """Take it up."""
    if node.leaving:
        return
    _forget_gone(node)
    wanted = {spec.name: spec for spec in event.files.routers}
    for name in [name for name in node.by_name if name not in wanted]:
        r = node.by_name.pop(name)
        r.gone = True
        moving.stop(node, r, "it is not in the configuration any more", now, told="DELETED")
    node.known.carriers.update(event.carriers)
    _follow_all(node, event, now)
    for key, said in tracking.first_values(event.files).items():
        node.known.said.setdefault(key, said)
    index(node, event.files)
    tracking.look(node, list(node.by_name.values()), now)
    for company in node.companies:
        if len({each.master_here for each in company.members}) == 2:
            last = next(each for each in company.members if not each.master_here)
            companies.left_master(node, last, now, f"{last.name} is not master")
    node.note(f"{node.me} runs with another configuration from now on")


def _forget_gone(node: RouterNode) -> None:
    """Those that an earlier reload deleted, once nothing of them is left to do; the others move up."""
    node.routers = [r for r in node.routers if not r.gone or r.holding.op or r.holding.again_at < NEVER]
    for n, r in enumerate(node.routers):
        r.index = n
    node.heap = [(r.deadline, r.index) for r in node.routers if r.deadline < NEVER]
    heapq.heapify(node.heap)


def _follow_all(node: RouterNode, event: RoutersChanged, now: Instant) -> None:
    """First what leaves its device, then what comes: an address may go from one virtual router to another."""
    before = {r.name: r.resources for r in node.by_name.values()}
    masters = [spec for spec in event.files.routers if _stays_master(node, spec)]
    wanted = {(item.address, item.device): spec.name for spec in masters for item in spec.addresses}
    for spec in event.files.routers:
        known = node.by_name.get(spec.name)
        if known is None:
            known = _new(node, spec)
            known.since = now
            holdings.leftovers(node, known, frozenset(event.addresses) - {address for address, _ in wanted})
        elif known.spec != spec:
            _follow(node, known, spec, now)
            if known.master_here:
                _take_away(node, known, before[known.name], wanted)
    for spec in masters:
        _put_there(node, node.by_name[spec.name], before[spec.name])


def _stays_master(node: RouterNode, spec: VirtualRouter) -> bool:
    r = node.by_name.get(spec.name)
    return r is not None and r.master_here and _identity(r.spec) == _identity(spec)


def _identity(spec: VirtualRouter) -> tuple[object, ...]:
    mac = spec.virtual_mac
    return (spec.vrid, spec.family, spec.version, spec.device, spec.source, bool(spec.peers), mac, spec.lease_group)


def _follow(node: RouterNode, r: Router, spec: VirtualRouter, now: Instant) -> None:
    former = r.spec
    if _identity(former) != _identity(spec):
        _anew(node, r, spec, now)
        return
    lowered = r.base != former.priority and spec.priority == former.priority
    r.follow(spec)
    r.base = r.base if lowered else spec.priority
    if r.master_here:
        if former.interval != spec.interval:
            r.advert_at = min(r.advert_at, now + spec.interval)
    elif spec.version == 2 or not r.master:
        r.master_interval = spec.interval
    node.touch(r)


def _anew(node: RouterNode, r: Router, spec: VirtualRouter, now: Instant) -> None:
    """The others do not know it again."""
    why = "the others know it by something else from now on"
    node.note(f"{r.name}: {why}", Level.WARNING, r.name)
    if r.master_here:
        moving.leave_master(node, r, Cause.CHANGED, why, now, goodbye=True)
    r.others.clear()
    r.sequences.clear()
    r.master, r.master_priority, r.master_until = "", 0, 0
    r.follow(spec)
    r.base = spec.priority
    r.master_interval = spec.interval
    if r.state is RouterState.BACKUP:
        moving.rearm(node, r, now)
    node.touch(r)


Places = dict[tuple[str, str], str]
"""(address, device), and which virtual router is to have it."""


def _take_away(node: RouterNode, r: Router, before: tuple[AddressResource, ...], wanted: Places) -> None:
    """Of a master what is gone, unless another master here has it from now on. What stays is not touched."""
    gone = tuple(item for item in before if item not in r.resources)
    gone = tuple(item for item in gone if wanted.get((item.address, item.device), r.name) == r.name)
    if gone:
        node.emit(RemoveAddresses(node.next_op(), r.name, gone, "not in the configuration any more"))


def _put_there(node: RouterNode, r: Router, before: tuple[AddressResource, ...]) -> None:
    new = tuple(item for item in r.resources if item not in before)
    if new:
        r.holding.op = op = node.next_op()
        node.ops[op] = r
        node.emit(AddAddresses(op, r.name, new, "new in the configuration", announcing.along(r)))
        r.bursts = []
        announcing.begin(r, contested=False)
