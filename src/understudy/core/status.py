"""A node's knowledge as a ``Snapshot``. Reads everything, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..messages import Phase
from ..model import (
    AddressResource,
    CommandResource,
    LsbResource,
    MountResource,
    NotifyResource,
    OcfResource,
    Quorum,
    RealServerResource,
    Resource,
    ResourceDResource,
    Role,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
)
from ..snapshot import GroupStatus, LinkStatus, NodeStatus, QuorumStatus, ResourceStatus, Snapshot
from ..units import MILLISECOND, MINUTE, SECOND, Duration, Instant, format_duration
from . import awaiting, electorate, hearing, outlook, reach, remedies, splits, wishes, wishing
from .membership import State
from .parts import Part
from .parts import State as PartState
from .placement import Decision, NodeView
from .prospects import prospects, span, without
from .quorum import needed

if TYPE_CHECKING:
    from .node import Node


RECENT: Duration = 10 * MINUTE
"""How long a trouble that is over stays among the warnings."""


def _ago(span: Duration) -> str:
    return format_duration(span // SECOND * SECOND)


def _ms(span: Duration) -> float:
    return round(span / MILLISECOND, 3)


def snapshot(node: Node, now: Instant) -> Snapshot:
    """Ages are counted to ``now``."""
    return Snapshot(
        node=node.me,
        role=node.role.value,
        cluster=node.cluster.name,
        digest=node.cluster.digest,
        quorum=_quorum(node, now),
        nodes=tuple(_node(node, name, now) for name in node.cluster.names),
        groups=_groups(node, now),
        warnings=tuple(_warnings(node, now)),
        rejected={
            drop.value: count for drop, count in sorted(node.links.dropped.items(), key=lambda item: item[0].value)
        },
        counters={
            "failed_bids": node.steward.claims.failed_bids,
            "stalls": node.stalls,
            "fencings_confirmed": node.steward.fencing.done,
            "fencings_failed": node.steward.fencing.failed,
            **node.steward.tally.counters(),
        },
        standby=node.standby,
        wishes=wishing.statuses(node, now),
        draining=node.draining,
    )


def both_ways(node: Node, now: Instant) -> list[str]:
    """Members that are up here and that say they hear us, directly or through another: something that we said lately."""
    alive = (name for name in node.others if node.membership.alive(name))
    return [name for name in alive if outlook.heard_us_lately(node, name, now)]


def _quorum(node: Node, now: Instant) -> QuorumStatus:
    partners = both_ways(node, now)
    strangers = [name for name in partners if not node.agrees(name)]
    have = 1 + len(partners) - len(strangers)
    votes = min(needed(node.cluster, node.steward.around), len(node.cluster.members))
    voters = frozenset((node.me, *partners)).difference(strangers)
    quorate = have >= needed(node.cluster, node.steward.around) and node.steward.reaches(voters)
    text = "partition with quorum" if quorate else "partition WITHOUT quorum"
    if strangers:
        text += f": {' and '.join(strangers)} counts other voters, so its vote does not count"
    if node.cluster.quorum is Quorum.PAIR and have == 1:
        text += ", alone: not safe if the other node lives and only the paths to it are cut"
    if node.cluster.quorum is Quorum.FENCE and have == 1 and not quorate:
        text += f": keeps what it holds, and takes nothing until {node.others[0]} is heard or confirmed off"
    members = tuple(name for name in node.cluster.names if name == node.me or name in partners)
    policy, all_of_them = node.cluster.quorum.value, len(node.cluster.members)
    needs = " and ".join(f"{len(each) // 2 + 1} of {len(each)}" for each in node.electorate.joint)
    return QuorumStatus(policy, votes, all_of_them, have, quorate, text, members, needs)


def _node(node: Node, name: str, now: Instant) -> NodeStatus:
    role = node.cluster.member(name).role.value
    if name == node.me:
        own = f"{node.links.incarnation:016x}"
        watchdog = _ms(node.watchdog)
        words = (node.draining, node.cluster.digest, reach.own(node, now))
        shown = NodeStatus(name, role, "up", "direct", own, 0.0, node.standby, False, (), True, "", watchdog, *words)
        return replace(shown, leaving=node.leaving)
    member = node.membership.members[name]
    peer = node.links.peers[name]
    state = node.states.get(name)
    links = []
    for link in sorted({item.network for item in node.cluster.member(name).links} | set(peer.link_arrival)):
        arrival = peer.link_arrival.get(link)
        if arrival is None and link not in {item.network for item in node.cluster.member(node.me).links}:
            continue
        age = None if arrival is None else now - arrival
        up = age is not None and age <= node.cluster.dead_time
        links.append(LinkStatus(link, up, None if age is None else _ms(age), node.links.losses.ratio(name, link)))
    heard = None if member.heard_at is None else _ms(now - member.heard_at)
    unheard = member.state in (State.LOST, State.UNKNOWN)
    return NodeStatus(
        name,
        role,
        member.state.value,
        None if unheard else member.via,
        None if peer.current is None else f"{peer.current:016x}",
        heard,
        state.standby if state is not None else False,
        state is not None and hearing.differs(node, state),
        tuple(links),
        None if unheard else name in both_ways(node, now),
        node.steward.fencing.sentence(name, now),
        0.0 if state is None else _ms(state.watchdog),
        state is not None and state.draining,
        "" if state is None else state.digest,
        None if state is None or unheard or not node.cluster.reach_targets else state.reaches,
        leaving=outlook.leaves(node, name),
    )


def _kind(resource: Resource) -> str:
    """The word of the configuration that begins such a resource."""
    match resource:
        case AddressResource():
            return "address"
        case CommandResource():
            return "command"
        case ScriptResource():
            return "script"
        case OcfResource():
            return "ocf"
        case MountResource():
            return "mount"
        case LsbResource():
            return "lsb"
        case ResourceDResource():
            return "resource_d"
        case SystemdResource():
            return "systemd"
        case RouteResource():
            return "route"
        case SourceAddressResource():
            return "source_address"
        case RealServerResource():
            return "realserver"
        case NotifyResource():
            return "notify"


def _groups(node: Node, now: Instant) -> tuple[GroupStatus, ...]:
    if node.role is not Role.NODE:
        return tuple(_group(node, group.name, {}, now) for group in node.cluster.groups)
    views: list[NodeView] = [outlook.node_view(node, member.name, now) for member in node.cluster.nodes]
    places = {group.name: _holder(node, group.name, now) for group in node.cluster.groups}
    holders = {name: holder for name, holder in places.items() if holder is not None}
    known = remedies.known(node, holders, both_ways(node, now), now)
    # The plan without each machine once, not once for each group.
    lost: dict[str, dict[str, Decision]] = {}
    found = []
    for group in node.cluster.groups:
        unfit = {view.name: view.unfit[group.name] for view in views if group.name in view.unfit}
        holder = holders.get(group.name)
        after = None
        if holder is not None and holder in known.view.nodes:
            after = lost[holder] = lost.get(holder) or without(known, holder)
        shown = _group(node, group.name, unfit, now)
        coming = (*remedies.waits_for_proof(node, group.name), *prospects(known, group.name, after))
        if holder is not None and shown.state == Phase.STUCK.value:
            coming = remedies.stuck(node, group.name, holder)
        found.append(replace(shown, prospects=coming))
    return tuple(found)


def _group(node: Node, name: str, unfit: dict[str, str], now: Instant) -> GroupStatus:
    charge = node.steward.charges[name]
    claim = node.steward.claims.held(name)
    up: bool | None = False
    decision = node.decisions.get(name)
    holder = _holder(node, name, now)
    why = decision.why if decision is not None else "this node only votes"
    not_on = dict(decision.not_on) if decision is not None else {}
    phase = charge.execution.phase().value
    ballot, since = None, charge.since
    if claim is not None:
        ballot = claim.ballot
        why = awaiting.sentence(node.steward, charge, now) or charge.execution.waits or why
        up = phase == "started" and charge.health.up
    elif holder is not None and holder in node.states:
        phase, ballot, word = _reported(node, holder, name)
        up = None if phase == "started" and charge.group.probes else phase == "started"
        seen = node.seen_holds.get(name)
        since = seen[1] if seen is not None and seen[0] == ballot else None
        if word:
            why = word
            if decision is not None and decision.node != holder:
                not_on = {key: word for key in not_on if key != holder}
    elif holder is None and charge.execution.stopped():
        phase = "stopped"
    stopped = node.wishes.stopped(name)
    if holder is None and stopped is not None:
        why = wishes.sentence(stopped)
    elif holder is None:
        refusals = node.steward.claims.claims.get(name)
        if refusals is not None:
            why = f"bidding: {'; '.join(refusals.refusals.values()) or 'asking for votes'}"
        elif decision is not None:
            why = _missing(node, now) or why
    return GroupStatus(
        name=name,
        holder=holder,
        state=phase,
        for_ms=None if since is None else _ms(now - since),
        ballot=ballot,
        lease_left_ms=None if claim is None else _ms(max(0, claim.until - now)),
        why=why,
        not_on=not_on,
        resources=tuple(_resource(part, claim is not None, now) for part in charge.execution.everything()),
        unfit=unfit,
        pinned=charge.pinned,
        up=up,
        probes=charge.health.statuses(now) if claim is not None else (),
        preferred=next(iter(charge.group.prefer), None),
    )


def _resource(part: Part, held: bool, now: Instant) -> ResourceStatus:
    """Where its group is to run one that has failed and is stopped until it is tried again has failed, for people."""
    state, text = part.state, part.text
    if held and state is PartState.STOPPED and part.failure:
        again = f"; tried again in {span(part.start_again_at - now)}" if part.start_again_at > now else ""
        state, text = PartState.FAILED, f"{part.failure}{again}"
    return ResourceStatus(part.resource.id, _kind(part.resource), state.value, text)


def _missing(node: Node, now: Instant) -> str:
    """Why a group that nobody holds cannot be taken from here, or ""."""
    if node.cluster.quorum is Quorum.PAIR or (quorum := _quorum(node, now)).quorate:
        return ""
    if node.cluster.quorum is Quorum.FENCE:
        peer = node.others[0]
        fencing = node.steward.fencing.sentence(peer, now)
        said = f"; {peer}: {fencing}" if fencing else ""
        return (
            f"waits for {peer}, or for proof that it is off{said}; if you see that it is: understudy confirm-off {peer}"
        )
    return f"waits for {quorum.needs or quorum.votes} votes, {quorum.have} can be had: {quorum.text}"


def _holder(node: Node, name: str, now: Instant) -> str | None:
    if node.steward.claims.held(name) is not None:
        return node.me
    for other, state in node.states.items():
        if node.membership.alive(other):
            for hold in state.holds:
                if hold.group == name and not hold.bidding and not node.is_over(name, other, hold.ballot):
                    return other
    return None


def _reported(node: Node, holder: str, name: str) -> tuple[str, int | None, str]:
    """The holder's own word: phase, ballot, why it is there."""
    state = node.states[holder]
    report = next((item for item in state.groups if item.group == name), None)
    ballot = next((item.ballot for item in state.holds if item.group == name), None)
    return (report.phase.value, ballot, report.why) if report is not None else ("unknown", ballot, "")


def _former(node: Node) -> list[str]:
    """What a reload has removed and has not stopped yet: it is part of no group any more, and a further reload waits for it."""
    found = []
    for name, charge in node.steward.charges.items():
        execution = charge.execution
        parts = execution.everything() if charge.retired else execution.ending
        left = [part for part in parts if part.state is not PartState.STOPPED]
        if left:
            whose = "which is not in the configuration any more" if charge.retired else "which a reload has changed"
            words = ", ".join(f"{part.resource.id}{f' ({part.text})' if part.text else ''}" for part in left)
            found.append(f"of {name}, {whose}, this has not stopped here yet: {words}; a further reload waits for it")
    for name, state in node.states.items():
        known = node.steward.charges
        groups = {item.group for item in state.groups if item.group not in known and item.phase is not Phase.STOPPED}
        if groups and not hearing.differs(node, state) and node.membership.alive(name):
            names = " and ".join(sorted(groups))
            found.append(
                f"{names}, not in the configuration any more, has not stopped on {name} yet: understudy status there"
            )
    return found


def _warnings(node: Node, now: Instant) -> list[str]:
    found = []
    rival_at = node.links.rival_name_at
    if rival_at is not None and now - rival_at < RECENT:
        found.append(
            f"another machine uses the name {node.me} and the key of this cluster, or repeats what this one said in an "
            f"earlier life; last {_ago(now - rival_at)} ago"
        )
    for address, (count, at) in node.removed.items():
        if now - at < RECENT:
            times = "once" if count == 1 else f"{count} times"
            found.append(
                f"{address} was removed here by somebody else and put back, {times}; last {_ago(now - at)} ago"
            )
    for address, (mac, at) in node.rivals.items():
        if now - at < RECENT:
            found.append(f"{mac} claims {address}, last {_ago(now - at)} ago")
    found += splits.warnings(node, now)
    found += wishing.warnings(node, now)
    found += _former(node)
    for name, charge in node.steward.charges.items():
        if charge.execution.phase() is Phase.STUCK and (parts := charge.execution.stuck()):
            found.append(
                f"{name} is stuck here: {', '.join(parts)} did not stop; nobody takes it over before that has stopped"
            )
        elif charge.unfit_until and node.steward.claims.held(name) and charge.execution.phase() is not Phase.STARTED:
            failed = charge.unfit_why.removeprefix("failed there: ")
            found.append(
                f"{name} does not run, and no other node can take it: {failed}; it is tried here again and again"
            )
    if voting := electorate.sentence(node):
        found.append(voting)
    for name, state in node.states.items():
        if hearing.differs(node, state) and node.membership.alive(name):
            found.append(f"{name} runs with a different configuration file")
    if node.cluster.quorum is Quorum.PAIR:
        found.append(
            "quorum pair is not safe if both nodes live and every heartbeat path and the service network between them fail; "
            "a witness mends that"
        )
    if not node.manager and node.role is Role.NODE:
        found.append("the manager is not connected: programs are not watched, and none can be started")
    if node.voter.quiet(now):
        left = format_duration(node.voter.quiet_until - now)
        found.append(f"{node.me} has just started and grants nothing for another {left}")
    return found
