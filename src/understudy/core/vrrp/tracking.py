"""What a virtual router needs, and what moves its priority. Everything is reckoned anew from what is known now.

keepalived counts faults up and down, and a count that was lost once (an IPv6 router on a macvlan whose parent came up late)
leaves a router in FAULT for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...effects import Level
from ...units import Instant
from ...vrrp import OWNER, RouterState, Tell, TrackSaid
from ...vrrp_files import RouterFiles, SyncGroup, Track, VirtualRouter
from . import moving
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode

LEAST, MOST = 1, OWNER - 1
FILE_FAULT = -254
"""A file that says so little, or less, is a failure whatever its weight."""


@dataclass(slots=True)
class Known:
    """What scripts, files and processes have said, and which devices have a carrier. A device not named is taken to have one.

    ``missing``: devices that are not there at all.
    """

    said: dict[tuple[str, str], TrackSaid] = field(default_factory=dict)
    carriers: dict[str, bool] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    def lack(self, device: str) -> str:
        """What is wrong with a device that has no carrier."""
        return f"there is no interface {device}" if device in self.missing else f"{device} has no carrier"


def tracks_of(spec: VirtualRouter, group: SyncGroup | None) -> tuple[Track, ...]:
    """Its own and its sync group's. In a sync group its own have no weight (they are failures), unless the group says so."""
    if group is None:
        return spec.tracks
    own = spec.tracks if group.own_weights else tuple(replace(item, weight=0) for item in spec.tracks)
    return own + group.tracks


def devices_of(spec: VirtualRouter, tracks: tuple[Track, ...]) -> set[str]:
    """Every device that matters to it."""
    found = {item.name for item in tracks if item.kind == "interface"} | {spec.device}
    return found | {item.device for item in spec.addresses}


def first_values(files: RouterFiles) -> dict[tuple[str, str], TrackSaid]:
    """What begins as failed (``init_fail``)."""
    return {
        ("script", item.name): TrackSaid("script", item.name, False) for item in files.scripts if item.begins_failed
    }


@dataclass(slots=True)
class Verdict:
    """``faults``: what is missing. ``waits``: what has said nothing yet. ``change``: of the priority."""

    faults: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    change: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)


def judge(r: Router, known: Known) -> Verdict:
    """What is to be said of one virtual router by itself."""
    found = Verdict()
    spec = r.spec
    if spec.tracks_device and spec.device and not known.carriers.get(spec.device, True):
        found.faults.append(known.lack(spec.device))
    others = {item.device for item in spec.addresses if item.tracked} - {spec.device}
    if spec.virtual_mac is not None:
        others.discard(spec.virtual_mac.name)
    found.faults += [known.lack(name) for name in sorted(others) if not known.carriers.get(name, True)]
    if r.source is None:
        found.waits.append("the address that it speaks from is not known yet")
    elif not r.source and spec.device not in known.missing:
        found.faults.append(f"{spec.device} has no address to speak from")
    if spec.fault_without_peer and not spec.peers:
        found.faults.append("it has no unicast peer")
    for track in r.tracks:
        _judge_track(track, known, found)
    return found


def _judge_track(track: Track, known: Known, found: Verdict) -> None:
    what = f"{track.kind} {track.name}"
    if track.kind == "interface":
        good = known.carriers.get(track.name, True)
        _weigh(track, good, known.lack(track.name), f"{track.name} has a carrier", found)
        return
    said = known.said.get((track.kind, track.name))
    if said is not None and not said.counts:
        found.seen.append((what, f"not asked: {said.text}" if said.text else "not asked"))
        return
    if said is None:
        found.seen.append((what, "unknown"))
        if track.weight == 0:
            found.waits.append(f"{what} has said nothing yet")
        return
    if track.kind == "file":
        _judge_file(track, said.value, what, found)
        return
    text = f": {said.text}" if said.text else ""
    _weigh(track, said.good, f"{what} fails{text}", f"{what} is well", found, text)


def _weigh(track: Track, good: bool, bad_text: str, good_text: str, found: Verdict, text: str = "") -> None:
    """``text``: what it says of itself, behind a colon."""
    found.seen.append((f"{track.kind} {track.name}", "up" if good else f"down{text}"))
    counts = good != track.reverse
    if track.weight == 0:
        if not counts:
            found.faults.append(good_text if track.reverse else bad_text)
    elif (track.weight > 0) == counts:
        found.change += track.weight


def _judge_file(track: Track, value: int, what: str, found: Verdict) -> None:
    """Its number times the weight; ``reverse`` turns the sign. Without a weight any number but 0 is a failure."""
    found.seen.append((what, str(value)))
    if track.weight == 0:
        if (value != 0) != track.reverse:
            found.faults.append(f"{what} says {value}")
        return
    change = value * track.weight * (-1 if track.reverse else 1)
    if change <= FILE_FAULT:
        found.faults.append(f"{what} says {value}, which with weight {track.weight} is {FILE_FAULT} or less")
    else:
        found.change += change


def look(node: RouterNode, routers: list[Router], now: Instant) -> None:
    """After something that they depend on has changed: their priorities, and whether they are in FAULT."""
    wider = {each.index: each for r in routers for each in (r.company.members if r.company is not None else (r,))}
    verdicts = {index: judge(r, node.known) for index, r in wider.items()}
    for index, r in wider.items():
        verdict, company = verdicts[index], r.company
        fellows = [each for each in company.members if each is not r] if company is not None else []
        r.faults = tuple(
            verdict.faults
            + [
                f"{each.name} of its sync group: {fault}"
                for each in fellows
                for fault in verdicts[each.index].faults
                if fault not in verdict.faults
            ]
        )
        r.waits = tuple(verdict.waits)
        r.seen = tuple(verdict.seen)
        _priority(node, r, verdict.change, now)
    node.looked.update(r.name for r in wider.values())
    for r in wider.values():
        if not r.gone and not node.leaving:
            _state(node, r, now)


def _priority(node: RouterNode, r: Router, change: int, now: Instant) -> None:
    wanted = r.base if r.base == OWNER else max(LEAST, min(MOST, r.base + change))
    if wanted == r.priority:
        return
    before, skew = r.priority, r.skew
    r.priority = wanted
    if r.backup and not (r.wants or r.goodbye or r.listening):
        r.down_at += r.skew - skew
    why = f"its priority is {wanted} from now on, not {before}"
    if r.state in (RouterState.BACKUP, RouterState.MASTER):
        node.note(f"{r.name}: {why}", Level.INFO, r.name)
        if r.spec.notified.priority_changes:
            node.emit(Tell("INSTANCE", r.name, f"{r.state.value}_PRIORITY", wanted, why))
    node.touch(r)


def _state(node: RouterNode, r: Router, now: Instant) -> None:
    if r.state is RouterState.STOP:
        return
    if r.faults:
        if r.state is not RouterState.FAULT:
            moving.fault(node, r, "; ".join(r.faults), now)
        elif r.why != "; ".join(r.faults):
            r.why = "; ".join(r.faults)
        return
    if r.state is RouterState.INIT and r.left_here and r.source:
        if moving.resume(node, r, now):
            return
        if r.spec.lease_group and r.may_until is None and now < r.right_until:
            r.why = f"whether the group {r.spec.lease_group} is held here is not known yet"
            return
    if r.waits:
        if r.state is RouterState.INIT:
            r.why = "; ".join(r.waits)
        return
    if r.state is RouterState.INIT:
        moving.ready(node, r, now, "started")
    elif r.state is RouterState.FAULT:
        moving.ready(node, r, now, "nothing that it needs is missing any more")
