"""From one state to the next, and what is done with it: advertisements, the right to serve, addresses, who is told.

Becoming master: the advertisement first, then the addresses (as keepalived does). Ceasing: the kernel's lease first, then the
goodbye, so that whoever takes over at once meets nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import KernelLease, Level
from ...units import MILLISECOND, NEVER, Duration, Instant, format_duration
from ...vrrp import GOODBYE, OWNER, AdvertUnsent, RouterState, SendAdvert, Tell
from . import announcing, companies, holdings, timing
from .router import Router
from .states import Cause, after

if TYPE_CHECKING:
    from .node import RouterNode

EXCUSES = 3
"""So often in a row a router that was late listens for one more interval."""

ASSERT_AGAIN: Duration = 20 * MILLISECOND
"""A master that is taken over from is told again after so long."""

PHASES = 32
"""So many moments over which the advertisements of many virtual routers are spread."""

GOODBYES = 2
"""A goodbye that is lost costs three intervals, and a second one costs nothing."""

RIGHTS = 64
"""So many advertisements are remembered that may turn out not to have left."""

MANY, SLOTS = 16, 64
"""With more virtual routers than ``MANY`` each interval has ``SLOTS`` moments for advertisements: some leave together, and the
machine wakes up so often at most. The first interval of a master is shorter by one of them at most.
"""


def may_serve(r: Router, now: Instant) -> bool:
    """Whether the group of the cluster that it follows, if any, lets it be master."""
    return not r.spec.lease_group or (r.may_until is not None and now < r.may_until)


def advertise(node: RouterNode, r: Router, now: Instant) -> None:
    """Say that we are master, and let the kernel serve for as long as that keeps everybody else from taking over."""
    if 0 < r.served_until <= now:
        late = format_duration(now - r.served_until)
        text = f"this machine was late: for {late} it answered for no address, since its last advertisement may have been lost"
        node.seldom(r, "paused", text, Level.WARNING, now)
    r.number += 1
    node.emit(SendAdvert(r.name, r.advert(r.priority), r.sequence, r.number))
    r.sequence = 0
    r.count("sent")
    r.advert_right = now + r.right
    r.rights = [*(kept for kept in r.rights[-RIGHTS:] if kept[1] > now), (r.number, r.advert_right)]
    hold(node, r, "an advertisement was sent")
    due = r.advert_at + r.spec.interval
    if len(node.routers) > MANY:
        due -= due % max(1, r.spec.interval // SLOTS)
    r.advert_at = due if now < due <= now + r.spec.interval else now + r.spec.interval
    node.touch(r)


def hold(node: RouterNode, r: Router, why: str) -> None:
    """Let the kernel serve for as long as our newest advertisement, and the lease of its group, allow.

    The kernel stops before it ceases to be master: if the daemon wakes in between, it advertises, and whoever has become master
    meanwhile, because an advertisement was lost, is heard, as in any contest.
    """
    r.right_until = r.advert_right
    if r.spec.lease_group:
        r.right_until = min(r.right_until, r.may_until or 0)
    r.served_until = min(r.right_until, r.advert_right - timing.spare(r.spec))
    node.emit(KernelLease(r.name, r.served_until, why))
    node.touch(r)


def say_goodbye(node: RouterNode, r: Router) -> None:
    for _ in range(GOODBYES):
        node.emit(SendAdvert(r.name, r.advert(GOODBYE)))
        r.count("goodbyes_sent")


def ready(node: RouterNode, r: Router, now: Instant, why: str) -> None:
    """Out of INIT or FAULT: the owner is master at once (RFC 9568 section 6.4.1), everybody else listens first."""
    owner = r.base == OWNER and r.spec.begins_as_master and r.company is None
    if owner and may_serve(r, now) and now >= r.hold_until:
        become_master(node, r, Cause.OWNER, f"{why}, and it owns the addresses", now)
        return
    rearm(node, r, max(now, r.hold_until))
    _move(node, r, Cause.READY, why, now)
    companies.left_master(node, r, now, f"{r.name} is not master")


def resume(node: RouterNode, r: Router, now: Instant) -> bool:
    """After a restart of the daemon while the kernel's lease still runs: nobody else can have taken over yet."""
    fellows = r.company.members if r.company is not None else [r]
    if not may_serve(r, now) or not all(now < each.right_until for each in fellows):
        return False
    become_master(node, r, Cause.RESUMED, "the daemon was started again, and its right to serve still runs", now)
    return True


def clear_left(node: RouterNode, r: Router, why: str, now: Instant) -> None:
    """What an earlier run left is not taken up any more."""
    if r.left_here:
        r.left_here, r.right_until = False, 0
        node.emit(KernelLease(r.name, None, why))
        holdings.want(node, r, False, why, now)
        node.touch(r)


def rearm(node: RouterNode, r: Router, since: Instant) -> None:
    """Master_Down begins anew."""
    r.down_at = since + r.down_interval
    r.wants = r.goodbye = r.listening = False
    node.touch(r)


def become_master(node: RouterNode, r: Router, cause: Cause, why: str, now: Instant) -> None:
    contested = r.lower_at is not None and now < r.lower_at + r.down_interval
    # A better router that has not gone first is not there any more.
    for source in [source for source, other in r.others.items() if r.below(other.priority, source)]:
        del r.others[source]
    r.sequence = max(r.sequences.values(), default=-1) + 1
    r.down_at, r.lower_since, r.lower_at = NEVER, None, None
    r.wants = r.goodbye = r.listening = False
    r.excused = 0
    r.master, r.master_priority, r.master_until = "", 0, 0
    r.advert_at = now
    advertise(node, r, now)
    if contested and r.spec.interval > 2 * ASSERT_AGAIN:
        # If this one is lost, two are master until the next.
        r.advert_at = now + ASSERT_AGAIN
    elif len(node.by_name) > PHASES:
        # Many that began at the same moment: their advertisements are not to leave, and arrive, in one burst for ever.
        r.advert_at -= r.spec.interval * (r.index % PHASES) // (4 * PHASES)
    holdings.want(node, r, True, why, now)
    announcing.begin(r, contested)
    _move(node, r, cause, why, now)


def leave_master(node: RouterNode, r: Router, cause: Cause, why: str, now: Instant, goodbye: bool) -> None:
    """Not master any more. ``goodbye``: the others are told; not when another one is master already, or may be by now."""
    goodbye = goodbye and now < r.advert_right
    r.advert_at, r.right_until, r.advert_right, r.served_until = NEVER, 0, 0, 0
    r.rights.clear()
    announcing.stop(node, r)
    node.emit(KernelLease(r.name, None, why))
    if goodbye:
        say_goodbye(node, r)
    holdings.want(node, r, False, why, now)
    if after(r.state, cause) is RouterState.BACKUP:
        r.master_interval = r.spec.interval
        rearm(node, r, now)
    _move(node, r, cause, why, now)


def late(node: RouterNode, r: Router, now: Instant) -> None:
    """Our right is over: somebody may have become master. Listen for as long as that one cannot be silent.

    In version 2 all have one interval; in version 3 the new master's is not known, so we wait as long as at a start.
    """
    why = "no advertisement has left this machine for so long that another one may be master: it listens first"
    leave_master(node, r, Cause.LATE, why, now, goodbye=False)
    r.down_at = now + (r.spec.interval + r.skew if r.spec.version == 2 else r.down_interval)
    r.listening = True
    node.touch(r)
    companies.left_master(node, r, now, f"{r.name} was late")


def unsent(node: RouterNode, r: Router, event: AdvertUnsent, now: Instant) -> None:
    """An advertisement has not left: nobody has heard it, so it gives no right."""
    why = event.why
    r.count("unsent")
    node.seldom(r, "unsent", f"an advertisement has not left this machine: {why}", Level.ERROR, now)
    if not r.master_here or not event.number:
        return
    r.rights = [kept for kept in r.rights if kept[0] != event.number]
    r.advert_right = r.rights[-1][1] if r.rights else 0
    hold(node, r, why)
    if now >= r.right_until:
        text = f"its advertisements do not leave this machine: {why}"
        leave_master(node, r, Cause.LATE, text, now, goodbye=False)
        companies.left_master(node, r, now, f"{r.name} cannot be heard")


def excuse(node: RouterNode, r: Router, now: Instant) -> bool:
    """We were late: listen for one more interval of the master and its skew, in which a living one cannot be silent.

    Not for ever: every advertisement that the kernel kept for us was heard since.
    """
    if r.excused >= EXCUSES:
        return False
    r.excused += 1
    r.down_at = max(r.down_at, now + r.master_interval + r.skew)
    node.touch(r)
    return True


def down(node: RouterNode, r: Router, now: Instant) -> None:
    """Master_Down is over (RFC 9568 section 6.4.2)."""
    waited = r.wants or r.goodbye
    if not waited and now - r.down_at > r.master_interval and excuse(node, r, now):
        text = "this machine is late itself and listens for one more interval"
        node.note(f"{r.name}: {text}", Level.WARNING, r.name)
        return
    if now < r.lives.until and (r.lower_at is None or now >= r.lower_at + r.down_interval):
        r.down_at = r.lives.until + r.skew
        if not r.lives.noted:
            r.lives.noted = True
            text = f"no advertisement is heard on {r.spec.device}, but by another path the master says that it lives"
            node.note(f"{r.name}: {text}: nothing is taken over", Level.WARNING, r.name)
        return
    cause = Cause.GOODBYE if r.goodbye else Cause.GRANTED if r.wants and r.spec.lease_group else Cause.SILENCE
    why = "the master said goodbye" if r.goodbye else _silence(r, now)
    r.wants = True
    if not may_serve(r, now):
        r.down_at = now + r.down_interval
    elif r.company is not None:
        companies.want(node, r, why, now)
    else:
        become_master(node, r, cause, why, now)


def _silence(r: Router, now: Instant) -> str:
    if r.lower_at is not None and now < r.lower_at + r.down_interval:
        return f"{r.master} was master with priority {r.master_priority}, and ours was {r.priority}"
    if r.master:
        return f"{r.master} was not heard for {format_duration(r.down_interval)}"
    return f"no master was heard for {format_duration(r.down_interval)}"


def lapsed(node: RouterNode, r: Router, now: Instant) -> bool:
    """Whether it is master without a right to it; then it is no more."""
    if not r.master_here or now < r.right_until:
        return False
    if r.spec.lease_group and not may_serve(r, now):
        revoke(node, r, f"the group {r.spec.lease_group} is not held here any more", now)
    else:
        late(node, r, now)
    return True


def revoke(node: RouterNode, r: Router, why: str, now: Instant) -> None:
    leave_master(node, r, Cause.REVOKED, why, now, goodbye=True)
    companies.left_master(node, r, now, f"{r.name} must not serve")


def fault(node: RouterNode, r: Router, why: str, now: Instant) -> None:
    if r.master_here:
        leave_master(node, r, Cause.FAULTY, why, now, goodbye=True)
    else:
        _move(node, r, Cause.FAULTY, why, now)
    r.down_at = NEVER
    r.wants = r.goodbye = r.listening = False
    r.master, r.master_priority, r.master_until, r.lower_since = "", 0, 0, None


def stop(node: RouterNode, r: Router, why: str, now: Instant, told: str = "STOP") -> None:
    """For good. ``told``: STOP, or DELETED."""
    if r.master_here:
        leave_master(node, r, Cause.STOPPED, why, now, goodbye=True)
    elif r.state is not RouterState.STOP:
        _move(node, r, Cause.STOPPED, why, now)
    r.down_at = NEVER
    r.wants = False
    if told != RouterState.STOP.value:
        node.emit(Tell("INSTANCE", r.name, told, r.priority, why, r.ballot))


def _move(node: RouterNode, r: Router, cause: Cause, why: str, now: Instant) -> None:
    before, r.state = r.state, after(r.state, cause)
    r.since, r.why = now, why
    node.looked.add(r.name)
    r.count(f"became_{r.state.value.lower()}")
    node.touch(r)
    if r.left_here and r.master_here:
        r.left_here = False
    clear_left(node, r, why, now)
    bad = r.state is RouterState.FAULT or cause in (Cause.LATE, Cause.REVOKED)
    node.note(f"{r.name}: {before.value} to {r.state.value}: {why}", Level.WARNING if bad else Level.INFO, r.name)
    first = before is RouterState.INIT
    if first:
        companies.tell(node, r, why)
    node.emit(Tell("INSTANCE", r.name, r.state.value, r.priority, why, r.ballot))
    if not first:
        companies.tell(node, r, why)
