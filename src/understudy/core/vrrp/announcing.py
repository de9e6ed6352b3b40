"""Gratuitous frames: when each virtual router is announced, and in which portions.

keepalived sends all repetitions in one go, from the thread that must send advertisements: with a thousand addresses its own
backup takes it for dead. Here the first pass goes along with the addresses, so that each one serves as soon as it is there
(``AddAddresses.announce``). A later pass is cut into slices with a pause in which an advertisement may leave, and the passes are
spread over the first second, because what is lost once is often lost again a moment later.

The winner of a contest announces again, several times: two machines have just announced the same address, and whose frame
came last is chance. A contest that we never heard of (the other one heard us first, and left) is healed by the slow refresh.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...effects import Announce
from ...model import AddressResource
from ...units import MILLISECOND, NEVER, SECOND, Duration, Instant
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode

SPREAD: tuple[Duration, ...] = tuple(ms * MILLISECOND for ms in (0, 10, 50, 200, 500, 1000, 2000))
"""The passes after becoming master; more than so many follow every second."""

CONTEST: tuple[Duration, ...] = tuple(ms * MILLISECOND for ms in (0, 20, 100, 300, 700, 1000))
CALM: Duration = 20 * MILLISECOND
"""At least so long between two answers to a rival: two machines that answer each other must not flood the network."""

MOST_CALM: Duration = 10 * SECOND
"""The longest time between two answers to a rival that goes on announcing (RFC 5227 section 2.4, DEFEND_INTERVAL). One that has
been silent for twice as long is a new one.
"""

BLOCK: Duration = 10 * MILLISECOND
"""Between two passes of the second block."""

REFRESH: Duration = 10 * SECOND
"""As master, everything is announced so often at least, unless ``garp_master_refresh`` says how often."""

SLICE = 64
"""Addresses in one portion: some 0.4 ms."""

PAUSE: Duration = MILLISECOND


@dataclass(slots=True)
class Pass:
    """One pass over the addresses of a virtual router, as far as it is still to be sent."""

    router: Router
    left: tuple[AddressResource, ...]
    why: str


@dataclass(slots=True)
class Lanes:
    """What is to be announced, by device, in order. ``next_at``: when each device may send again."""

    queues: dict[str, deque[Pass]] = field(default_factory=dict)
    next_at: dict[str, Instant] = field(default_factory=dict)

    def next_deadline(self) -> Instant:
        return min((self.next_at.get(device, 0) for device, queue in self.queues.items() if queue), default=NEVER)


def begin(r: Router, contested: bool) -> None:
    """It becomes master: what follows when its addresses are there."""
    r.bursts = []
    r.contested = contested


def along(r: Router) -> bool:
    """Whether the first pass goes along with the addresses, each frame as soon as its address is there."""
    return r.spec.announcing.repeat > 0 and not _gap(r)


def _gap(r: Router) -> Duration:
    """Between two frames, as configured."""
    how = r.spec.announcing
    return how.na_interval if r.spec.family == 6 else how.arp_interval


def addresses_there(r: Router, now: Instant) -> None:
    """Its addresses were put on their devices."""
    if r.bursts:
        return
    how = r.spec.announcing
    passes = [now + (SPREAD[n] if n < len(SPREAD) else (n - 4) * SECOND) for n in range(along(r), how.repeat)]
    if how.delay:
        passes += [now + how.delay + n * BLOCK for n in range(how.repeat)]
    if r.contested:
        passes += [now + after for after in CONTEST[along(r) :]]
    r.bursts = sorted(passes)
    r.contest_at = None
    _refresh(r, now)


def contest(node: RouterNode, r: Router, now: Instant) -> None:
    """Another machine may have drawn our clients. ``garp_lower_prio_repeat 0`` says that this is not to be answered."""
    if r.spec.announcing.lower_repeat:
        draw_back(node, r, now)


def draw_back(node: RouterNode, r: Router, now: Instant) -> None:
    """Announce everything now, and several times within the first second."""
    if not r.master_here:
        return
    if r.contest_at is not None and now < r.contest_at + CALM:
        return
    r.contest_at = now
    how = r.spec.announcing
    later = [at for at in r.bursts if at > now + CONTEST[-1]]
    passes = [now + after for after in CONTEST]
    if how.lower_delay and how.lower_repeat:
        later = [at for at in later if at < now + how.lower_delay]
        passes += [now + how.lower_delay + n * BLOCK for n in range(how.lower_repeat)]
    r.bursts = sorted(passes + later)
    node.touch(r)


def defend(node: RouterNode, r: Router, now: Instant) -> None:
    """A frame of somebody else claims our addresses. The first one is answered as a contest is.

    Whoever goes on gets one answer, after an interval of ours, then after twice as long, and so on: two masters who hear nothing
    of each other but these frames must not answer each other as fast as the network carries them.
    """
    if not r.spec.announcing.lower_repeat:
        return
    if r.answered_at is None or now >= r.answered_at + 2 * MOST_CALM:
        r.answered_at, r.calm = now, min(r.spec.interval, MOST_CALM)
        draw_back(node, r, now)
        return
    at = max(now, r.answered_at + r.calm)
    if any(now <= due <= at for due in r.bursts):
        return  # that one is the answer
    r.answered_at, r.calm = at, min(2 * r.calm, MOST_CALM)
    r.bursts = sorted([*r.bursts, at])
    node.touch(r)


def stop(node: RouterNode, r: Router) -> None:
    """Not master any more: nothing more is said, not even what waits."""
    r.bursts = []
    r.answered_at = None
    r.contested = False
    r.contest_at = None
    r.passes.clear()
    for queue in node.lanes.queues.values():
        if any(item.router is r for item in queue):
            kept = [item for item in queue if item.router is not r]
            queue.clear()
            queue.extend(kept)


def due(node: RouterNode, r: Router, now: Instant) -> None:
    """For ``TimerDue``, or at once: begin the pass that is due. One that still waits stands for this one as well."""
    if not r.bursts or r.bursts[0] > now or not r.holding.on:
        return
    while r.bursts and r.bursts[0] <= now:
        r.bursts.pop(0)
    if not r.bursts:
        _refresh(r, now)
    for device in dict.fromkeys(item.device for item in r.resources):
        queue = node.lanes.queues.setdefault(device, deque())
        items = tuple(item for item in r.resources if item.device == device)
        waiting = r.passes.get(device)
        if waiting is None or waiting.left != items:
            r.passes[device] = Pass(r, items, f"{r.name} is master")
            queue.append(r.passes[device])
    node.touch(r)


def _refresh(r: Router, now: Instant) -> None:
    how = r.spec.announcing
    first = max([*r.bursts[-1:], now]) + (how.refresh or REFRESH)
    r.bursts += [first + n * BLOCK for n in range(how.refresh_repeat if how.refresh else 1)]


def pump(node: RouterNode, now: Instant) -> None:
    """Send a slice of what waits."""
    lanes, budget = node.lanes, SLICE
    for device, queue in lanes.queues.items():
        while queue and budget > 0 and lanes.next_at.get(device, 0) <= now:
            item = queue[0]
            gap = _gap(item.router)
            size = min(budget, max(1, PAUSE // gap) if gap else SLICE)
            portion, item.left = item.left[:size], item.left[size:]
            node.emit(Announce(portion, item.why))
            budget -= len(portion)
            if not item.left:
                queue.popleft()
            if gap:
                lanes.next_at[device] = now + max(PAUSE, gap * len(portion))
    if budget <= 0:
        for device, queue in lanes.queues.items():
            if queue:
                lanes.next_at[device] = max(lanes.next_at.get(device, 0), now + PAUSE)
