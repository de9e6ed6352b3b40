"""Waiting for proof of stop: exclusive parts of a group that we hold start when no other machine can still run them.

Each machine that may still run the group is waited for in its own way, the first of these that comes:

1. its own word that everything has stopped;
2. a fence device (or a human) that confirms it is off, asked after the lease became ours;
3. its watchdog: it was fed only while the former right stood, so it has reset the machine one time-out after our right began;
4. only for a machine with neither device nor watchdog: the group's stop timeout. Not if its last word was that a stop had failed:
   then nothing has ended the program when that machine goes away, and a human has to see that it is off.

A machine that lives and has another file, or does not name the group, cannot say what we ask: it is waited for, and not fenced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..effects import Level
from ..model import Quorum
from ..units import MILLISECOND, NEVER, Instant, format_duration
from .charge import Charge
from .fencing import Confirmed
from .leases import Claim
from .quorum import needed

if TYPE_CHECKING:
    from .steward import Steward


def begin(steward: Steward, charge: Charge, claim: Claim, now: Instant) -> None:
    """The lease of the group has just become ours: whom must its exclusive parts wait for?"""
    name = charge.group.name
    if not charge.adopting_until:
        _doubt(steward, name, claim)
    known = steward.proof.machines(name)
    machines = tuple(machine for machine in known if not _off_since(steward, name, machine, claim))
    steward.proof.proved(name, set(known).difference(machines))
    charge.waiting_for, charge.acquired_at = machines, now
    charge.proof_due = {machine: _due(steward, charge, machine, now) for machine in machines}
    if machines:
        steward.proof.floors[name] = steward.proof.said
        charge.execution.hold_programs_until = NEVER  # until we say so
        words = "; ".join(_word(steward, charge, machine, now) for machine in machines)
        steward.note(f"exclusive parts wait: no proof that they stopped on {words}", name, Level.WARNING)
    look(steward, charge, now)


def _doubt(steward: Steward, group: str, claim: Claim) -> None:
    """Whose old word "stopped" does not count any more, because nobody vouches that it took nothing since.

    What a machine took after its last word to us, a voter of ours has granted, and names with its answer; but a voter that has
    started since then has forgotten it, and one of an earlier version names only the newest of several.
    """
    known = set(steward.fencing.targets) | {machine for name, machine in steward.proof.gone if name == group}
    for machine in known - steward.proof.may_run.get(group, known):
        said_at = steward.proof.stopped_at.get((group, machine), -1)
        hidden = machine not in steward.alive and _may_be_hidden(steward, claim, machine)
        if hidden or not _remember(steward, claim, said_at):
            steward.proof.unfinished(group, machine)


def _may_be_hidden(steward: Steward, claim: Claim, machine: str) -> bool:
    """Whether ``machine`` may be one of the holders that a voter of ours knows of, although it is not named."""
    holders = {steward.lost_holder(item) for item in claim.unfinished}
    return None in holders or (claim.newest_only and holders != {machine})


def _remember(steward: Steward, claim: Claim, since: Instant) -> bool:
    """Whether all who voted for our claim remember what they granted after ``since``."""
    return all(steward.known_since.get(voter, NEVER) <= since for voter in claim.echoes if voter != steward.me)


def can_spare(steward: Steward, machine: str) -> bool:
    """Whether enough votes for a group are left once ``machine``, which lives, is switched off."""
    without = replace(steward.around, peer_silent=True, peer_off=True)
    left = 1 + len(steward.alive - {machine}) + steward.fencing.comes_back(machine)
    back = {machine} if steward.fencing.comes_back(machine) else set[str]()
    voters = frozenset((steward.alive - {machine}) | {steward.me} | back)
    return left >= needed(steward.cluster, without) and steward.reaches(voters)


def _off_since(steward: Steward, group: str, machine: str, claim: Claim) -> bool:
    """Whether ``machine`` was confirmed off and has not held the group since.

    Under ``fence`` it cannot have: it needs our vote. Else the voters would remember a newer ballot of it, and any majority
    that could have given it one shares a voter with the majority that granted ours.
    """
    if not steward.fencing.off(machine):
        return False
    before = steward.fencing.targets[machine].ballots.get(group, 0)
    named = [item.ballot for item in claim.unfinished if steward.lost_holder(item) == machine]
    newer = max(named, default=0) > before or _may_be_hidden(steward, claim, machine)
    confirmed_at = steward.fencing.targets[machine].confirmed_at or 0
    return steward.cluster.quorum is Quorum.FENCE or (not newer and _remember(steward, claim, confirmed_at))


def _due(steward: Steward, charge: Charge, machine: str, now: Instant) -> Instant:
    known = steward.proof.watchdog(machine)
    # It may have started again unheard, with the device that it had not, or with the longer time-out that the file names.
    armed = any(member.name == machine and member.watchdog for member in steward.cluster.members)
    written = steward.proof.slack(steward.cluster.watchdog_timeout) if armed else 0
    if known:
        return now + max(known, written)
    if steward.fencing.able(machine) or steward.proof.tried_and_failed(charge.group.name, machine):
        return NEVER
    return now + max(charge.group.stop_timeout, written)


def _word(steward: Steward, charge: Charge, machine: str, now: Instant) -> str:
    """One machine, and what will prove that it has stopped."""
    due = charge.proof_due.get(machine, NEVER)
    name = charge.group.name
    if _has_another_file(steward, name, machine) and machine not in steward.stuck.get(name, ()):
        return f"{machine} (until it has taken up the new file: understudy reload there)"
    ways = []
    if steward.fencing.able(machine):
        ways.append(steward.fencing.sentence(machine, now) or "until it is fenced")
    if due != NEVER:
        left = format_duration(max(0, due - now) // MILLISECOND * MILLISECOND)
        what = "its watchdog has reset it" if steward.proof.watchdog(machine) else "its stop timeout has passed"
        ways.append(f"{left} until {what}")
    elif steward.proof.tried_and_failed(name, machine):
        ways.append(
            f"until it says that it has stopped, or is confirmed off: its last word was that {name} did not stop"
        )
    return f"{machine} ({', or '.join(ways) or 'until it says so'})"


def _has_another_file(steward: Steward, group: str, machine: str) -> bool:
    """Whether ``machine`` lives and cannot say what became of the group, because it does not know the group as we do."""
    return machine in steward.alive and machine in steward.met and steward.proof.names(group, machine) is None


def sentence(steward: Steward, charge: Charge, now: Instant) -> str:
    """What a group that we hold waits for, for people; "" when it waits for nothing."""
    if not charge.waiting_for:
        return ""
    named = not any(_has_another_file(steward, charge.group.name, machine) for machine in charge.waiting_for)
    if charge.overdue and named:
        return f"waits until {', '.join(charge.waiting_for)} says that it has stopped"
    return "waits for proof of stop: " + "; ".join(_word(steward, charge, each, now) for each in charge.waiting_for)


def brief(steward: Steward, charge: Charge) -> str:
    """The same for other nodes, without times: a report that always changes would always be news."""
    words = [
        f"{machine} (until it has taken up the new file: understudy reload there)"
        if _has_another_file(steward, charge.group.name, machine)
        else machine
        for machine in charge.waiting_for
    ]
    return f"waits for proof of stop: {' and '.join(words)}"


def look(steward: Steward, charge: Charge, now: Instant) -> None:
    """Is the wait over, and is anybody to be fenced for it?"""
    name = charge.group.name
    if not charge.waiting_for:
        return
    said = [machine for machine in charge.waiting_for if not steward.proof.missing(name, machine)]
    if said:
        steward.note(f"{', '.join(said)} said itself that it has stopped", name)
        _over(steward, charge, said)
    for machine in charge.waiting_for:
        if machine not in steward.fencing.targets and charge.proof_due.get(machine) == NEVER:
            # It was taken out of the cluster, and its device with it: nobody can fence it any more, nor be asked to confirm it.
            charge.proof_due[machine] = _due(steward, charge, machine, now)
            why = f"{machine} is no member any more, and no device proves anything of it: {_word(steward, charge, machine, now)}"
            steward.note(why, name, Level.WARNING)
        if not steward.fencing.able(machine) or (machine in steward.alive and not can_spare(steward, machine)):
            continue
        if machine in steward.stuck.get(name, ()):
            steward.fencing.want(machine, name, f"{name} does not stop on it", now)
        elif machine not in steward.alive and machine in steward.met:
            steward.fencing.want(machine, name, f"{name} may still run on it, and nothing is heard of it", now)
        elif not _has_another_file(steward, name, machine):
            # A machine that took the file up later than we did has its time from then.
            since = max(charge.acquired_at, steward.proof.names(name, machine) or 0)
            if now >= since + charge.group.stop_timeout:
                why = f"it did not say within the stop timeout that {name} has stopped"
                steward.fencing.want(machine, name, why, now)
            else:
                steward.wake(since + charge.group.stop_timeout)


def _over(steward: Steward, charge: Charge, machines: list[str]) -> None:
    """``machines`` need not be waited for any longer."""
    for machine in machines:
        charge.proof_due.pop(machine, None)
        steward.fencing.unwant(machine, charge.group.name)
    charge.waiting_for = tuple(machine for machine in charge.waiting_for if machine not in machines)
    if not charge.waiting_for:
        steward.proof.floors.pop(charge.group.name, None)
        charge.let_start()


def expire(steward: Steward, charge: Charge, now: Instant) -> None:
    """For ``TimerDue``. Time proves nothing about a machine that lives and has not said that it stopped."""
    due = [machine for machine, at in charge.proof_due.items() if now >= at]
    if not due:
        return
    name = charge.group.name
    running = [machine for machine in due if machine in steward.alive and steward.proof.missing(name, machine)]
    never = [
        machine
        for machine in due
        if machine not in running
        and steward.proof.tried_and_failed(name, machine)
        and not steward.proof.watchdog(machine)
    ]
    for machine in never:
        charge.proof_due[machine] = NEVER
        text = (
            f"{machine}: the stop timeout has passed, but its last word was that {name} did not stop: that is no proof"
        )
        steward.note(text, name, Level.ERROR)
    passed = [machine for machine in due if machine not in running and machine not in never]
    for machine in passed:
        what = "its watchdog has reset it" if steward.proof.watchdog(machine) else "the stop timeout has passed"
        steward.note(f"{machine}: {what}: that is the proof of stop", name)
    if passed:
        steward.proof.proved(name, passed)
        _over(steward, charge, passed)
    if not running:
        return
    if not charge.overdue:
        text = f"{', '.join(running)} lives and has not said that it stopped: exclusive parts wait until it does"
        steward.note(text, name, Level.ERROR)
    charge.overdue = True
    for machine in running:
        charge.proof_due[machine] = now + steward.cluster.heartbeat


def confirmed(steward: Steward, news: Confirmed) -> None:
    """A node was confirmed to be off: proof for every group that was ours before that was asked for.

    And for one that became ours while the device was at it, when nobody knows of a newer right of that node: the bids for the
    groups of one lost machine are answered some microseconds apart, and one fencing is to do for all of them.
    """
    if news.node not in steward.fencing.targets:
        return  # no member any more
    for name, charge in steward.charges.items():
        promised = steward.voter.unfinished.get(name, {}).get(news.node)
        if promised is not None:
            steward.fencing.targets[news.node].ballots[name] = promised.ballot
        claim = steward.claims.held(name)
        if claim is None or news.node not in charge.waiting_for:
            continue
        if news.began < charge.acquired_at and not _off_since(steward, name, news.node, claim):
            continue
        steward.note(f"{news.node} is off, by {news.by}: that is the proof of stop", name)
        steward.proof.proved(name, (news.node,))
        _over(steward, charge, [news.node])
