"""Whose votes are counted: one set of voters, or two of them while a voter is added or removed (joint majorities).

A member that takes up a file with one voter more or fewer counts a majority of the old set *and* of the new one, until every
member of the new set has said, for a while and lately, that it runs the new set too. Then the old set is dropped. What makes
that safe, with members that restart, are away, or follow another administrator, is argued in docs/safety.md:

* A voter helps only those who count the set that it has counted longest, its *base*: the old one while it counts two.
* Two sets that differ by one member have no two majorities without a common voter. So whoever is one step behind is harmless.
* Nobody can be two steps behind and still find a majority, because a set is dropped, and the next change begun, only when all
  members of the set between have left the first behind.

What is new joins everything that is kept about members at once; what is gone leaves it when the old set is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..changes import frame, together
from ..effects import Level
from ..errors import check
from ..messages import NodeState
from ..model import Cluster, Quorum, Role
from ..units import Duration, Instant
from . import outlook
from .fencing import Target
from .links import Peer
from .membership import Standing
from .quorum import reach

if TYPE_CHECKING:
    from .node import Node

COMES = "it is new, and takes nothing before every member has taken up the file with it"

AGREED = 3
"""Dead times for which all members must be found to run the new set. One is how long a promise of before lasts, another how old
a member's word may be."""


class Electorate:
    """The sets that ``me`` counts, the base first. ``halves``: the first eight digits of their digests (``config.digest``).

    ``left``: the set that was dropped last, while this process lives: who says so has heard all members of the present one.
    ``waits``: for each member that keeps the old set from being dropped, why.
    """

    def __init__(self, me: str, cluster: Cluster) -> None:
        self.me = me
        self.sets: tuple[frozenset[str], ...] = (frozenset(cluster.names),)
        self.halves: tuple[str, ...] = (cluster.digest[:8],)
        self.left = self.last = ""
        self.goal: Cluster | None = None
        self.agreed_since: Instant | None = None
        self.waits: dict[str, str] = {}

    @property
    def joint(self) -> tuple[frozenset[str], ...]:
        """Both sets while two are counted, else none."""
        return self.sets if self.goal is not None else ()

    @property
    def member(self) -> str:
        """Who comes or goes, or came or went last; "" when nobody did."""
        return next(iter(self.sets[0] ^ self.sets[1])) if self.goal is not None else self.last

    @property
    def out(self) -> bool:
        """The file that runs here does not name this member any more."""
        return self.me not in self.sets[-1]

    def agrees(self, state: NodeState | None) -> bool:
        """Whether there is a set that both count: then its votes are worth something here."""
        if state is None:
            return False
        return state.digest[:8] in self.halves or (state.joint != "" and state.joint in self.halves)

    def helps(self, state: NodeState | None) -> bool:
        """Whether we may vote for that member: it counts the set that we have counted longest."""
        return state is not None and self.halves[0] in _halves(state)

    def helped_by(self, state: NodeState | None) -> bool:
        """Whether that member may vote for us."""
        return state is not None and state.digest[:8] in self.halves

    def drops(self, state: NodeState) -> bool:
        """Whether a member says that we leave the set that we count, or have left it: one who drops or has dropped just that."""
        dropped = state.digest[:8] if state.joint else state.left
        return state.member == self.me and dropped == self.halves[0]

    def bar(self, name: str) -> str:
        """Why ``name`` may take nothing while the voters change, or ""."""
        if self.goal is None:
            return ""
        return outlook.LEAVES if name not in self.sets[1] else "" if name in self.sets[0] else COMES

    def sentence(self) -> str:
        """What is under way, for people; "" when nothing is."""
        if self.goal is None:
            return ""
        if self.out:
            return f"{self.me} is no longer in the cluster, by its own file: stop its daemon"
        what = f"{self.member} is {'added' if self.member in self.sets[1] else 'removed'}"
        sizes = " and ".join(f"{len(each) // 2 + 1} of {len(each)}" for each in self.sets)
        waits = "; ".join(f"{name} {why}" for name, why in self.waits.items())
        return (
            f"{what}: until every member runs with the new voters, a majority of the old and of the new ones is needed "
            f"({sizes} votes)" + (f"; waits: {waits}" if waits else "")
        )


def _halves(state: NodeState) -> frozenset[str]:
    return frozenset((state.digest[:8], state.joint)) if state.joint else frozenset((state.digest[:8],))


def objection(node: Node, found: Cluster) -> str:
    """Why ``found`` cannot be taken up now by a reload, or ""; for the operator."""
    electorate, whole = node.electorate, node.cluster
    if frame(whole, found) != frame(found, whole):
        return "this change needs a restart of the daemons"
    names = frozenset(found.names)
    if electorate.goal is not None:
        if found.digest[:8] == electorate.halves[0] and names == electorate.sets[0]:
            return ""
        return (
            f"a change of the voters is under way ({electorate.sentence()}). "
            "Reload this file when it is over, or take the change back by a reload of the former file"
        )
    if found.digest[:8] == electorate.halves[0]:
        return ""
    if found.quorum is not Quorum.MAJORITY or len(names ^ electorate.sets[0]) != 1:
        return "one member more or fewer at a time; any other change of the voters needs all daemons stopped (docs/runbook.md)"
    if node.me not in names:
        return ""  # it only hands over what it has
    for name in (name for name in node.others if node.membership.alive(name)):
        state = node.states.get(name)
        if state is None or state.digest[:8] not in (electorate.halves[0], found.digest[:8]):
            return f"{name} counts other voters than this node: bring it to the same file first, or stop it"
        if state.joint not in ("", found.digest[:8]):
            return f"{name} is taking up another change of the voters ({state.member} comes or goes): one at a time"
    heard = {name for name in node.others if node.membership.alive(name) and electorate.agrees(node.states.get(name))}
    if not reach((names,), frozenset((*heard, node.me))):
        votes = len(names) // 2 + 1
        have = sorted(names & {*heard, node.me})
        return (
            f"of the {len(names)} voters then, {votes} are needed, and of those that have a vote already only "
            f"{', '.join(have) or 'none'} can be heard: bring the others back first"
        )
    return ""


def take_up(node: Node, after: Cluster, now: Instant) -> Cluster:
    """A reload brings ``after``. Returns what counts for the core: with all members of both sets while two are counted."""
    electorate, before = node.electorate, node.cluster
    names = frozenset(after.names)
    check(frame(before, after) == frame(after, before), "a reload must not change how it is voted")
    if electorate.goal is not None:
        check(after.digest[:8] == electorate.halves[0], "one change of who votes at a time")
        return _take_back(node, after)
    if after.digest[:8] == electorate.halves[0]:
        check(names == electorate.sets[0], "who votes has changed, and its digest has not")
        return after
    changed = names ^ electorate.sets[0]
    check(
        len(changed) == 1 and after.quorum is Quorum.MAJORITY,
        "a reload must not change who votes by more than one member",
    )
    electorate.sets = (electorate.sets[0], names)
    electorate.halves = (electorate.halves[0], after.digest[:8])
    electorate.goal, electorate.left, electorate.last, electorate.agreed_since = after, "", "", None
    node.steward.joint = electorate.joint
    whole = together(before, after)
    for name in names - electorate.sets[0]:
        _join(node, whole, name)
    electorate.waits = missing(node, now)
    node.note(electorate.sentence(), Level.WARNING if electorate.out else Level.INFO)
    return whole


def _take_back(node: Node, after: Cluster) -> Cluster:
    electorate = node.electorate
    member = electorate.member
    node.note(
        f"the change of the voters is taken back here: {member} is {'out' if member not in after.names else 'in'} as before"
    )
    new = electorate.sets[1] - electorate.sets[0]
    electorate.sets, electorate.halves = electorate.sets[:1], electorate.halves[:1]
    _end(node)
    for name in new:
        _part(node, name)
    return after


def _end(node: Node) -> None:
    node.electorate.goal, node.electorate.agreed_since, node.electorate.waits = None, None, {}
    node.steward.joint = ()


def missing(node: Node, now: Instant) -> dict[str, str]:
    """Who keeps the old set from being dropped, and why."""
    electorate = node.electorate
    found = {}
    for name in sorted(electorate.sets[1] - {node.me}):
        state = node.states.get(name)
        if state is None or not node.membership.alive(name):
            found[name] = "is not heard"
        elif electorate.halves[1] not in _halves(state):
            found[name] = "has not taken up the new file"
        elif not outlook.heard_us_lately(node, name, now):
            found[name] = f"does not hear {node.me}"
    for name in electorate.sets[0] - electorate.sets[1]:
        state = node.states.get(name)
        held = sorted(hold.group for hold in state.holds) if state is not None and node.membership.alive(name) else []
        if held and name != node.me:
            found[name] = f"still holds {', '.join(held)}"
    return found


def look(node: Node, now: Instant) -> None:
    """Drop the old set when everybody runs the new one."""
    electorate = node.electorate
    if electorate.goal is None or electorate.out:
        return
    before, electorate.waits = electorate.waits, missing(node, now)
    if electorate.waits:
        electorate.agreed_since = None
        if before and before != electorate.waits:
            node.note(f"the change of the voters waits: {'; '.join(map(' '.join, electorate.waits.items()))}")
        return
    if electorate.agreed_since is None:
        electorate.agreed_since = now
    due = electorate.agreed_since + AGREED * _longest(node)
    if now >= due:
        complete(node, "every member runs with the new voters")
    else:
        node.steward.wake(due)


def _longest(node: Node) -> Duration:
    """The longest time for which any member of either set promises."""
    return max(node.cluster.dead_time, *(state.dead_time for state in node.states.values()))


def hear(node: Node, state: NodeState) -> None:
    """A member that has dropped the old set had heard all members of the new one: we need not hear them ourselves."""
    electorate, before = node.electorate, node.states.get(state.node)
    if electorate.drops(state) and not (before is not None and electorate.drops(before)):
        node.note(_dropped(node, [state.node]), Level.WARNING)
    if electorate.goal is None or electorate.out or state.joint or state.node not in electorate.sets[1]:
        return
    if (state.digest[:8], state.left) == (electorate.halves[1], electorate.halves[0]):
        complete(node, f"{state.node} has found that every member runs with the new voters")


def sentence(node: Node) -> str:
    """What is under way with the voters, as this node knows it; "" when nothing is."""
    electorate = node.electorate
    dropping = sorted(name for name, state in node.states.items() if electorate.drops(state))
    return electorate.sentence() or (_dropped(node, dropping) if dropping else "")


def _dropped(node: Node, by: list[str]) -> str:
    return (
        f"{node.me} is being taken out of the cluster, by the file of {', '.join(by)}: it hands over what it holds; when it has "
        "nothing any more, stop its daemon"
    )


def complete(node: Node, why: str) -> None:
    """Only the new set counts from now on."""
    electorate, after = node.electorate, node.electorate.goal
    if after is None:
        return
    gone = electorate.sets[0] - electorate.sets[1]
    electorate.left, electorate.last = electorate.halves[0], electorate.member
    electorate.sets, electorate.halves = electorate.sets[1:], electorate.halves[1:]
    _end(node)
    node.cluster = node.steward.cluster = after
    for name in gone:
        _part(node, name)
    node.steward.ordered = sorted(after.names)
    node.steward.claims.index = node.wishes.index = node.steward.ordered.index(node.me)
    node.dirty = True
    node.note(f"{why}: {', '.join(after.names)} vote from now on, and nobody else")


def _join(node: Node, whole: Cluster, name: str) -> None:
    steward = node.steward
    node.others = (*node.others, name)
    node.links.peers[name] = Peer(name)
    node.membership.members[name] = Standing()
    steward.ordered = [*steward.ordered, name]  # the others' ballots go on to mean what they meant
    if whole.member(name).role is Role.NODE:
        steward.proof.join(name)
        steward.fencing.targets[name] = Target(name, whole.fence_levels(name))


def _part(node: Node, name: str) -> None:
    steward = node.steward
    node.others = tuple(other for other in node.others if other != name)
    alive = node.membership.alive(name)
    del node.links.peers[name], node.membership.members[name]
    node.states.pop(name, None)
    steward.ordered = [other for other in steward.ordered if other != name]
    steward.alive, steward.met = steward.alive - {name}, steward.met - {name}
    steward.proof.part(name, alive)
    if not steward.proof.failed_on(name):  # else only a human can still say that it is off
        steward.fencing.part(name)
    steward.known_since.pop(name, None)
    steward.last_held.pop(name, None)
    for claim in steward.claims.claims.values():
        for kept in (claim.echoes, claim.ask_again, claim.refusals):
            kept.pop(name, None)
    for charge in steward.charges.values():
        charge.able_since.pop(name, None)
        charge.behind_since.pop(name, None)
