"""What other routers say: the checks of an advertisement, and what follows from it (RFC 9568 sections 6.4.2, 6.4.3 and 7.1).

Unlike keepalived's, our own advertisements keep their pace whatever is heard: there, anything that arrives for the VRID, even
with a wrong password, puts off the next advertisement, so that of two masters who refuse each other one falls silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import Level
from ...units import HOUR, MILLISECOND, MINUTE, Duration, Instant, format_duration
from ...vrrp import GOODBYE, OWNER, AdvertHeard, AdvertRefused, AuthType, PeerLives, RouterState, SendAdvert, Tell
from . import announcing, companies, moving
from .router import Other, Refusal, Router
from .states import Cause

if TYPE_CHECKING:
    from .node import RouterNode

SHOWN: Duration = MINUTE
"""What was not taken, or who claims an address of ours, is a warning of the status for so long."""

SHOWN_AS_MASTER: Duration = 24 * HOUR
"""While we are master what was not taken is one for longer: another master that refuses us falls silent (a keepalived puts its
own advertisements off with each that it hears), and goes on serving."""

MENDED_BY = {
    "version": "vrrp_version",
    "auth-other": "authentication",
    "auth-unknown": "authentication",
    "password": "auth_pass",
    "interval": "advert_int",
    "count": "virtual_ipaddress",
    "addresses": "virtual_ipaddress",
}
"""By the reason of a refusal: what has to be the same on both routers."""

STAGGER: Duration = 5 * MILLISECOND
"""Where there may be routers that we have never heard, a goodbye is answered within so long, the best one first."""

MOST_OTHERS = 16
"""Routers of one VRID that are remembered."""


def heard(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """An advertisement whose form, checksum and password are right."""
    authenticated = event.sequence and event.advert.auth is AuthType.AH
    if authenticated and event.sequence == r.sequences.get(event.source):
        r.count("copies")  # by a second path, or played back: nothing follows from it
        return
    refusal = _refusal(r, event)
    if refusal:
        refused(node, r, AdvertRefused(r.name, refusal, event.source, event.arrival, event.mac), now)
        return
    r.count("heard")
    if event.differs:
        _differs(node, r, event, now)
    elif r.refusal is not None and r.refusal.source == event.source:
        r.refusal = None
    moving.lapsed(node, r, now)  # then it hears this as a backup
    before = r.others.get(event.source)
    if event.advert.priority == GOODBYE:
        r.others.pop(event.source, None)
        r.count("goodbyes_heard")
    else:
        _remember(r, event, before)
    if r.state is RouterState.BACKUP:
        _as_backup(node, r, event, now)
    elif r.state is RouterState.MASTER:
        _as_master(node, r, event, now)


def refused(node: RouterNode, r: Router, event: AdvertRefused, now: Instant) -> None:
    """Something for our VRID was not taken: who sent it is named, seldom."""
    r.count(f"refused_{event.reason.replace(' ', '_')}" if event.reason else "refused")
    text = f"an advertisement for VRID {r.spec.vrid} from {_who(event.source, event.mac)} was not taken: {event.why}"
    wrong = MENDED_BY.get(event.reason)
    if wrong is not None:
        text += f"; so both may be master: make {wrong} the same on both"
    _keep(r, event.source, text, now)
    node.seldom(r, f"{event.source} {event.why}", text, Level.WARNING, now)


def _keep(r: Router, source: str, text: str, now: Instant) -> None:
    count = r.refusal.count + 1 if r.refusal is not None and r.refusal.source == source else 1
    r.refusal = Refusal(source, text, now, count)


def _who(source: str, mac: str) -> str:
    return f"{source} ({mac})" if mac else source


def _refusal(r: Router, event: AdvertHeard) -> str:
    """Why this advertisement is none for us, or "". What can be seen in the packet alone was judged before (``wire.vrrp``)."""
    if event.source == r.source:
        return "it has our own address: another VRRP daemon runs on this machine, or another machine has its address"
    if event.sequence and event.advert.auth is AuthType.AH:
        if event.sequence <= r.sequences.get(event.source, 0):
            return "its sequence number is not newer than the last one: somebody plays it back"
        r.sequences[event.source] = event.sequence
    return ""


def _differs(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """Its sender serves one of our addresses, so it counts, as a living or better master, too; somebody has to hear of it."""
    r.count("differing")
    who = f"{_who(event.source, event.mac)} is configured otherwise for VRID {r.spec.vrid}"
    text = f"{who}: {event.differs}. It counts here as heard; a keepalived would refuse it, and both would be master"
    _keep(r, event.source, text, now)
    node.seldom(r, f"{event.source} {event.differs}", text, Level.WARNING, now)


def _remember(r: Router, event: AdvertHeard, before: Other | None) -> None:
    if before is None and len(r.others) >= MOST_OTHERS:
        del r.others[min(r.others, key=lambda source: r.others[source].at)]
    r.others[event.source] = Other(event.advert.priority, event.arrival, event.mac)


def rival(node: RouterNode, r: Router, address: str, device: str, mac: str, now: Instant) -> None:
    """A frame claims one of our addresses for another MAC: as master we draw our clients back."""
    if not r.master_here:
        return
    r.count("rivals")
    announcing.defend(node, r, now)
    text = f"{mac} on {device} claims {address}, which is served here: it is announced again"
    r.rival = (text, now)
    node.seldom(r, f"rival {mac} {address}", text, Level.ERROR, now)


# As a backup (RFC 9568 section 6.4.2)


def _as_backup(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    advert = event.advert
    if advert.priority == GOODBYE:
        _goodbye(node, r, event, now)
    elif advert.priority >= r.priority:
        r.lower_since = None
        _honour(node, r, event)
    elif not r.spec.preempt:
        _honour(node, r, event)
    else:
        _lower(node, r, event, now)


def _honour(node: RouterNode, r: Router, event: AdvertHeard) -> None:
    """It is the master: Master_Down begins anew, with its interval in version 3."""
    advert = event.advert
    if r.master != event.source:
        r.count("masters_seen")
    r.master, r.master_priority = event.source, advert.priority
    if r.spec.version == 3 and advert.interval > 0:
        r.master_interval = advert.interval
    elif r.spec.version == 2:
        # Configured otherwise: no shorter than its own right to serve lasts.
        r.master_interval = max(r.spec.interval, advert.interval)
    moving.rearm(node, r, max(event.arrival, r.hold_until))
    r.master_until = r.down_at
    r.excused = 0
    r.lives.noted = False


def _lower(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """A master that is worse than we are: Master_Down goes on, unless ``preempt_delay`` honours it for a while."""
    advert = event.advert
    if r.lower_since is None:
        r.lower_since = event.arrival
    r.lower_at = event.arrival
    if event.arrival < r.lower_since + r.spec.preempt_delay:
        _honour(node, r, event)
        return
    if r.listening:
        # We slept, and it became master meanwhile: it is healthy, and dethroned no sooner than by a router that starts now.
        moving.rearm(node, r, now)
    r.master, r.master_priority, r.master_until = event.source, advert.priority, event.arrival + 3 * r.spec.interval
    text = f"{_who(event.source, event.mac)} is master with priority {advert.priority}, and ours is {r.priority}"
    then = f"{text}: it is taken over from in {format_duration(max(0, r.down_at - now))}"
    if not moving.may_serve(r, now):
        then = f"{text}: it is left so, as the group {r.spec.lease_group} is not held here"
    node.seldom(r, f"lower {event.source}", then, Level.INFO, now)


def _goodbye(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """RFC 9568: wait for Skew_Time. Ours: at once, when nobody better is known who may go first.

    "At once" is the next ``TimerDue``: by then every advertisement that came after this one was heard. Backups never speak, so by
    multicast there may be others that we have never heard: then after a part of ``STAGGER``, which on any network is longer than
    an advertisement of a better one takes. Unless it is the master that we know, not before a whole interval was listened to:
    another one may live that has not spoken yet.
    """
    if r.master and r.master != event.source and now < r.master_until:
        return  # one of two masters has left, and the one that we follow is the other
    heard_all = event.arrival if r.master == event.source else r.since + r.spec.interval + r.skew
    r.master, r.master_priority, r.master_until = "", 0, 0
    r.lives.until, r.lives.deaf_until = 0, now + r.spec.interval
    better = [source for source, other in r.others.items() if r.below(other.priority, source)]
    wait = r.skew if better or r.spec.strict else _stagger(r)
    r.down_at = min(r.down_at, max(now, event.arrival + wait, heard_all, r.hold_until))
    r.goodbye = True
    r.listening = False
    node.touch(r)
    if better:
        text = f"the master {event.source} says goodbye; {better[0]} is better than we are and may go first"
        node.seldom(r, f"goodbye {better[0]}", text, Level.INFO, now)


def _stagger(r: Router) -> Duration:
    """Nothing with a single unicast peer, which has just left, nor where the lease of a group says who follows."""
    if len(r.spec.peers) == 1 or r.spec.lease_group:
        return 0
    return min(r.skew, (OWNER + 1 - r.priority) * STAGGER // (OWNER + 1))


# As the master (RFC 9568 section 6.4.3)


def _as_master(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    advert = event.advert
    if advert.priority == GOODBYE:
        moving.advertise(node, r, now)
        announcing.contest(node, r, now)
    elif not r.below(advert.priority, event.source):
        _contested(node, r, event, now)
    elif companies.first_decides(r, event, now):
        r.count("ties_left")
    else:
        _beaten(node, r, event, now)


def lives(node: RouterNode, r: Router, event: PeerLives, now: Instant) -> None:
    """By another path somebody says that it is master. What was under way when it said goodbye is out of date."""
    if now < r.lives.deaf_until:
        return
    if event.priority == GOODBYE:
        if r.lives.noted:
            r.lives.until = 0
            r.down_at = min(r.down_at, now)
            node.touch(r)
        return
    r.lives.until = max(r.lives.until, event.until)
    if r.master_here and event.priority > r.priority and now < event.until:
        why = f"by another path a master with priority {event.priority} is heard, and {r.spec.device} is silent"
        moving.leave_master(node, r, Cause.BEATEN, why, now, goodbye=False)
        companies.left_master(node, r, now, f"{r.name} has another master")


def _beaten(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """Leave, and announce nothing. One last advertisement tells the winner that there were two, so that it announces again."""
    if r.base == OWNER and event.advert.priority == OWNER:
        _second_owner(node, r, event, now)
    if r.spec.higher_send_advert or not r.spec.strict:
        node.emit(SendAdvert(r.name, r.advert(r.priority)))
        r.count("sent")
    higher = event.advert.priority > r.priority
    than = f"priority {event.advert.priority}" if higher else f"the same priority {r.priority} and the higher address"
    why = f"{_who(event.source, event.mac)} was master with {than}"
    moving.leave_master(node, r, Cause.BEATEN, why, now, goodbye=False)
    _honour(node, r, event)
    companies.left_master(node, r, now, f"{r.name} is master at {event.source}")


def _contested(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """A worse one is master as well: tell it, and draw our clients back."""
    advert = event.advert
    if r.base == OWNER and advert.priority == OWNER:
        _second_owner(node, r, event, now)
    if advert.auth is AuthType.AH and event.sequence:
        r.sequence = event.sequence + 1
    if not r.spec.lower_no_advert:
        moving.advertise(node, r, now)
    announcing.contest(node, r, now)
    r.count("lower_heard")
    text = (
        f"{_who(event.source, event.mac)} is master as well, with priority {advert.priority}, and ours is {r.priority}"
    )
    node.seldom(
        r,
        f"contest {event.source}",
        f"{text}: it is told, and the addresses are announced again",
        Level.WARNING,
        now,
    )
    node.emit(Tell("INSTANCE", r.name, "MASTER_RX_LOWER_PRI", r.priority, text, r.ballot))


def _second_owner(node: RouterNode, r: Router, event: AdvertHeard, now: Instant) -> None:
    """Two routers say that the addresses are their own: we are content with 254, as keepalived is."""
    r.base = r.priority = OWNER - 1
    text = f"{_who(event.source, event.mac)} says that it owns the addresses, too; our priority is {r.base} from now on"
    node.note(f"{r.name}: {text}", Level.ERROR, r.name)
