"""What must never happen, and what must happen once trouble stops.

Safety is looked at whenever it could break, not sampled: a right begins or is renewed in one moment, and its end is
known then, so two rights overlap only if one of them begins or is renewed while the other runs.

1. Two machines whose kernels let one group be served (machine on, kernel lease running; with the address present the
   finding says so). Two machines without a third voice (``pair``) may, but only while they cannot reach each other on any
   path, the service network included, and for ``stops.settle_time`` after that.
2. Two cores that claim the lease, each by its own clock; the state that each shows of itself is read from its snapshot.
3. Exclusive programs on two machines, or started without proof that the last one has stopped (``stops``).
4. An address announced, or a program started, by a machine whose right is over: clients' caches would follow the
   frame, whatever the kernel drops afterwards. (What a pulse had decided before it froze and does when it thaws is
   not the core's doing.)
5. A group with another holder, and nobody has noted why (``causes``), or one that moved for its ping targets and found no more of
   them there (``pings``).
6. A core that raises, or that spins without moving its deadline, ends the run as a finding too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.charge import REFUSED_PAUSE
from ..core.company import Company
from ..core.placement import NodeView
from ..effects import Action, AddAddresses, Announce, Effect, Note, RemoveAddresses, RunAgent, Send
from ..messages import Phase, WishKind
from ..model import AddressResource, Group, Quorum, Resource
from ..snapshot import GroupStatus, Snapshot
from ..units import SECOND, Duration
from .host import Host
from .stops import Stops, apart_lately, settle_time
from .world import CLEAN_STOP, Observer, World, WorldTime


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not happen, or has not happened in time."""

    at: WorldTime
    kind: str
    text: str


def _rests(host: Host, group: str, addresses: list[str]) -> bool:
    """Under ``pair`` what is left of a dead daemon's right serves nobody where the addresses are gone, and the next daemon does
    not take it up alone (``core.asking.kept``).
    """
    if host.world.cluster.quorum is not Quorum.PAIR:
        return False
    left = host.core is None or not host.core.rights(host.reading).get(group, 0)
    return left and bool(addresses) and not any(address in host.kernel.addresses for address in addresses)


class Safety(Observer):
    """Collects findings; ``limit`` keeps a broken run short."""

    heeds = (Send, Announce, RunAgent, AddAddresses, RemoveAddresses, Note)

    def __init__(self, limit: int = 20) -> None:
        self.findings: list[Finding] = []
        self.limit = limit
        self.stop_failed = False
        self.lease_refused = False
        self._ends: dict[str, dict[str, WorldTime]] = {}
        self._stops = Stops(self.add)
        self._leaving: dict[str, object] = {}
        """The daemon on each machine that was asked for a clean stop."""

    def lease_changed(self, host: Host, group: str, until: WorldTime) -> None:
        now = host.world.now
        ends = self._ends.setdefault(group, {})
        if until > now >= ends.get(host.name, now):
            self._stops.lease_begins(host, group)
        ends[host.name] = until
        if until <= now or len(ends) < 2:
            return
        for name, end in ends.items():
            if name != host.name and end > now and not apart_lately(host.world, settle_time(host.world.cluster)):
                other = host.world.hosts[name]
                present = [item.address for item in host.world.known[group].addresses]
                if _rests(other, group, present):
                    continue
                both = any(a in host.kernel.addresses and a in other.kernel.addresses for a in present)
                what = "serve its address" if both else "have the right to serve it"
                self.add(host.world, "two-holders", f"{group}: {host.name} and {name} both {what}")

    def programs_changed(self, host: Host, group: str, resource: str, running: bool) -> None:
        self._stops.programs_changed(host, group, resource, running)

    def happened(self, host: Host | None, text: str) -> None:
        if host is not None:
            self._stops.happened(host, text)
            if text == CLEAN_STOP:
                self._leaving[host.name] = host.core
            failed = text.startswith("stop ") and not text.endswith(": ok")
            self.lease_refused |= text.startswith("kernel lease refused")
            self.stop_failed |= failed or text.startswith("addresses were not removed")

    def wished(self, host: Host, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._stops.wished(host, effect)
            return
        if host.catching_up:
            return
        if isinstance(effect, Announce):
            for group in host.world.known.values():
                ours = [item.address for item in effect.addresses if item in group.resources]
                if ours and not _entitled(host, group.name):
                    text = f"{host.name} announces {' '.join(ours)} without the right to serve it: {effect.why}"
                    self.add(host.world, "announced-without-right", text)
        elif isinstance(effect, RunAgent) and effect.action is Action.START and not _entitled(host, effect.group):
            text = f"{host.name} starts {effect.resource} without the right to run {effect.group}: {effect.why}"
            self.add(host.world, "started-without-right", text)
        if isinstance(effect, RunAgent | AddAddresses | RemoveAddresses):
            self._maintained(host, effect)
        elif isinstance(effect, Note) and "is alive although" in effect.why and not _may_be_deceived(host, effect.why):
            self.add(host.world, "false-accusation", f"{host.name} says, though no device lies here: {effect.why}")

    def _maintained(self, host: Host, effect: RunAgent | AddAddresses | RemoveAddresses) -> None:
        """In maintenance nothing is started, and nothing stopped to which this machine has the right."""
        if (
            host.core is None
            or not host.world.wished
            or (isinstance(effect, RunAgent) and effect.action is Action.MONITOR)
        ):
            return
        if all(group.name != effect.group for group in host.cluster.groups):
            return  # a reload has removed it, which is an order of its own
        if self._leaving.get(host.name) is host.core:
            return
        shown = host.core.snapshot(host.reading)
        leaving = any(node.leaving for node in shown.nodes if node.name == host.name)
        kinds = {wish.group: wish.kind for wish in shown.wishes}
        kind = kinds.get(effect.group) or kinds.get("")
        if leaving or kind != WishKind.MAINTENANCE.value:
            return
        starts = isinstance(effect, AddAddresses) or (isinstance(effect, RunAgent) and effect.action is Action.START)
        if starts or host.core.rights(host.reading).get(effect.group, 0) > 0:
            text = f"{host.name} touches {effect.group}, which is in maintenance: {type(effect).__name__}, {effect.why}"
            self.add(host.world, "touched-in-maintenance", text)

    def compare_claims(self, world: World) -> None:
        """Ask every core what it holds; at most one may say that it has a lease that has not ended."""
        claims: dict[str, str] = {}
        for host in world.hosts.values():
            if host.core is None:
                continue
            for group, left in host.core.rights(host.reading).items():
                other = claims.setdefault(group, host.name) if left > 0 else host.name
                if other != host.name and not apart_lately(world, settle_time(world.cluster)):
                    self.add(world, "two-claims", f"{group}: {other} and {host.name} both claim the lease")

    def add(self, world: World, kind: str, text: str) -> None:
        """A finding of this moment; also for other observers that look for what must not happen."""
        if len(self.findings) < self.limit:
            self.findings.append(Finding(world.now, kind, text))


def _may_be_deceived(host: Host, why: str) -> bool:
    """A datagram that was lost and is played later is the word of a machine that lived; and operators here confirm at random."""
    return "operator" in why or bool({"replay", "resurrect"}.intersection(host.world.kinds))


def _entitled(host: Host, group: str) -> bool:
    """The kernel lease may end up to a quarter of a heartbeat before the right itself, which the core renews in steps."""
    if host.serves(group):
        return True
    return host.core is not None and host.core.rights(host.reading).get(group, 0) > 0


class Movements(Observer):
    """Counts what clients would feel: addresses taken away, programs started or stopped."""

    heeds = (RemoveAddresses, RunAgent)

    def __init__(self) -> None:
        self.count = 0

    def wished(self, host: Host, effect: Effect) -> None:
        if isinstance(effect, RemoveAddresses):
            self.count += any(item.address in host.kernel.addresses for item in effect.addresses)
        elif isinstance(effect, RunAgent):
            self.count += effect.action is not Action.MONITOR


@dataclass(frozen=True, slots=True)
class Liveness:
    """Once trouble has stopped: every group started by exactly one fit node, and then nothing moves any more."""

    safety: Safety
    movements: Movements

    def complaints(self, world: World) -> list[tuple[str, str]]:
        """What is not yet as it must be: pairs of a kind and a sentence."""
        found: list[tuple[str, str]] = []
        shown: dict[str, Snapshot] = {}
        asked = Asked(world, shown)
        fit_for = fit_nodes(world, asked)
        for group in world.cluster.groups:
            if group.name in asked.open:
                continue  # a machine with an older program does not tell, or does not hear, what was asked
            if group.name in asked.maintained:
                found += self._left_over(
                    world, group, [host for host in world.hosts.values() if host.serves(group.name)]
                )
                continue  # it need not run, nor be complete: nobody touches it
            if group.name in asked.stopped:
                found += self._left_over(world, group, [])
                names = " and ".join(host.name for host in world.hosts.values() if host.serves(group.name))
                found += [("held-although-stopped", f"{group.name} is held by {names}")] if names else []
                continue
            fit = fit_for[group.name]
            holders = [host for host in world.hosts.values() if host.serves(group.name)]
            if len(holders) == 1:
                found += [] if _waits(world, group) else self._incomplete(group, holders[0], shown)
            elif fit:
                said = "; ".join(f"{name}: {_explain(world, name, group.name, shown)}" for name in fit)
                names = " and ".join(host.name for host in holders) or "nobody"
                found.append(("no-holder", f"{group.name} is held by {names}; {said}"))
            found += self._left_over(world, group, holders)
        # Who is taken out hands nothing over that is in maintenance, and is waited for until that ends.
        if world.voters is not None and not asked.maintained and not world.voters.home_again():
            found.append(
                ("voters-differ", "not every machine has come to count the voters of the last file, and only those")
            )
        return found + asked.complaints(world)

    def judge(self, world: World, calm: int) -> None:
        """The time allowed after the trouble is over, and the last ``calm`` dead times were not enough."""
        complaints = self.complaints(world)
        if not complaints:
            complaints = [("restless", f"after all the time allowed, things moved only {calm} dead times ago")]
        self.safety.findings += [Finding(world.now, kind, text) for kind, text in complaints]

    @staticmethod
    def _left_over(world: World, group: Group, holders: list[Host]) -> list[tuple[str, str]]:
        """Parts of a group on machines that do not hold it and could take them away."""
        return [
            ("left-over", f"{item.id} of {group.name} is on {host.name}, which does not hold it")
            for host in world.hosts.values()
            if host.power and host.awake and host not in holders
            for item in group.resources
            if _runs(host, group.name, item)
        ]

    def _incomplete(self, group: Group, host: Host, shown: dict[str, Snapshot]) -> list[tuple[str, str]]:
        missing = [item.id for item in group.resources if not _runs(host, group.name, item)]
        if missing:
            text = f"{group.name} is held by {host.name}, but these do not run: {', '.join(missing)}"
            return [("incomplete", text)]
        status = status_of(host, group.name, shown)
        if status is not None and status.state != Phase.STARTED.value:
            return [("incomplete", f"{group.name} runs on {host.name}, which says {status.state}: {status.why}")]
        if status is not None and not status.up:
            failing = ", ".join(f"{item.name} {item.state}" for item in status.probes if item.state != "up")
            return [("incomplete", f"{group.name} runs on {host.name}, which does not call it up: {failing}")]
        return []


class Asked:
    """What operators have asked for, by what each living core shows. ``open``: groups on which the cores do not agree, where a
    machine with an older program explains it (that one does not pass on what it was asked), or clocks do.
    """

    def __init__(self, world: World, shown: dict[str, Snapshot] | None = None) -> None:
        """``shown``: as in ``status_of``."""
        known = {} if shown is None else shown
        wishes = [_wishes(host, known) for host in world.hosts.values() if host.core is not None]
        everything = frozenset().union(*wishes)
        agreed = frozenset.intersection(*wishes) if wishes else frozenset()
        older = any(host.version == "older" for host in world.hosts.values())
        self.differ = everything - agreed
        names = frozenset(group.name for group in world.cluster.groups)
        # How much of a maintenance is left was read from wall clocks if all have restarted, and those may be wrong here.
        unclear = {group for group, kind in self.differ if older or kind == WishKind.MAINTENANCE.value}
        self.open = names if "" in unclear else frozenset(unclear)
        self.stopped = frozenset(group for group, kind in agreed if kind == WishKind.STOPPED.value)
        kept = {group for group, kind in agreed if kind == WishKind.MAINTENANCE.value}
        self.maintained = (names if "" in kept else frozenset(kept)) - self.stopped

    def complaints(self, world: World) -> list[tuple[str, str]]:
        """Groups on which the cores do not agree although nothing explains it."""
        return [
            ("wish-not-heard", f"not everybody knows, or not any more, that {group or 'everything'} is {kind}")
            for group, kind in sorted(self.differ)
            if group not in self.open and group
        ]


def _wishes(host: Host, shown: dict[str, Snapshot]) -> frozenset[tuple[str, str]]:
    snapshot = _snapshot(host, shown) if host.world.wished else None
    return frozenset() if snapshot is None else frozenset((wish.group, wish.kind) for wish in snapshot.wishes)


def _runs(host: Host, group: str, item: Resource) -> bool:
    if isinstance(item, AddressResource):
        return item.address in host.kernel.addresses
    return host.manager.running.get((group, item.id), False)


def _snapshot(host: Host, shown: dict[str, Snapshot]) -> Snapshot | None:
    if host.core is not None and host.name not in shown:
        shown[host.name] = host.core.snapshot(host.reading)
    return shown.get(host.name)


def status_of(host: Host, group: str, shown: dict[str, Snapshot] | None = None) -> GroupStatus | None:
    """What the machine's core says about a group, or None if there is no core. ``shown``: what each has said at this moment."""
    snapshot = _snapshot(host, {} if shown is None else shown)
    return None if snapshot is None else next((item for item in snapshot.groups if item.name == group), None)


def fit_nodes(world: World, asked: Asked) -> dict[str, list[str]]:
    """For each group the nodes on which it could run now: on, awake, not in standby, with the cables of its addresses, and by
    what other groups have to say.
    """
    views = {member.name: _view(world, member.name) for member in world.cluster.nodes}
    holders = {
        item.name: host.name for item in world.cluster.groups for host in world.hosts.values() if host.serves(item.name)
    }
    company = Company(world.cluster, views, holders, {}, asked.stopped)
    found = {}
    for group in world.cluster.groups:
        no = {*company.forbids(group), *company.full(group)}
        found[group.name] = [
            name for name, view in views.items() if not view.bar and group.name not in view.unfit and name not in no
        ]
    return found


def _view(world: World, name: str) -> NodeView:
    host = world.hosts[name]
    unfit = {
        group.name: "a cable is out"
        for group in world.cluster.groups
        if not all(host.kernel.carriers.get(item.device, False) for item in group.addresses)
    }
    able = host.power and host.awake and not host.saved_standby
    return NodeView(name, "" if able else "not there", 0, unfit)


def _waits(world: World, group: Group) -> bool:
    """Whether a group that it starts after is served by nobody or not complete, so that it may not have started."""
    for name in group.after:
        holders = [host for host in world.hosts.values() if host.serves(name)]
        other = world.cluster.group(name)
        if len(holders) != 1 or not all(_runs(holders[0], name, item) for item in other.resources):
            return True
    return False


def _explain(world: World, name: str, group: str, shown: dict[str, Snapshot]) -> str:
    status = status_of(world.hosts[name], group, shown)
    if status is None:
        return "says nothing"
    return f"{status.state}, {status.not_on.get(name) or status.why}"


def allowed_time(world: World, safety: Safety) -> Duration:
    """How long after the end of trouble everything must have settled; a stop that failed is tried again only after up to 30 s,
    and a node whose kernel refused a lease is not trusted with the group for a minute.
    """
    cluster = world.cluster
    slowest = 0
    for group in cluster.groups:
        programs = [item for item in group.resources if not isinstance(item, AddressResource)]
        slowest = max(slowest, group.stop_timeout + sum(item.limits.start + item.limits.stop for item in programs))
    longest = max([cluster.dead_time, *(host.cluster.dead_time for host in world.hosts.values())])
    files = 0 if world.voters is None else len(world.voters.files)
    return (
        (15 + 10 * files) * longest
        + slowest
        + 2 * cluster.watchdog_timeout
        + (35 * SECOND if safety.stop_failed else 0)
        + (REFUSED_PAUSE if safety.lease_refused else 0)
    )
