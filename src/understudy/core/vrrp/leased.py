"""Virtual routers of a cluster: the lease of a group says on which node a router may be master, VRRP says it to all around.

Two cores as one: the cluster's ``Node`` and the ``RouterNode`` of the same machine, which know nothing of each other. Each
virtual router follows one group (``lease_group``). What happens here goes to whom it concerns, and between the two go

* the right: where the node holds the group, each of its routers may be master for as long as the lease lasts, and when it lets go
  they have let go before anybody hears of it: the kernel's lease and the goodbye come before the ``Release``;
* the wish: the lowest priority of the group's routers, and why they cannot serve here. The plan follows both.

So a node that hears no advertisement takes nothing over while another one holds the lease: silence of the network of the
advertisements is not death. Where a better router that is not of the cluster is master, the holder stays a backup.
"""

from __future__ import annotations

from dataclasses import replace

from ...effects import KernelLease, Quit
from ...events import (
    AdminRequest,
    Event,
    Finished,
    HoursSeen,
    LeaseRefused,
    LinkChanged,
    ManagerChanged,
    PingsSeen,
    ProbeAnswered,
    Received,
    Reconfigured,
    ResourceFailed,
    RoutersJudged,
    Started,
    TimerDue,
)
from ...model import Cluster
from ...snapshot import GroupStatus, Snapshot
from ...units import Duration, Instant
from ...vrrp import (
    AdvertHeard,
    AdvertRefused,
    AdvertUnsent,
    DevicesMissing,
    MayServe,
    PeerLives,
    RouterEffect,
    RouterEvent,
    RoutersChanged,
    RouterState,
    SourceKnown,
    TrackSaid,
)
from ...vrrp_files import RouterFiles
from ..node import Node
from .node import RouterNode
from .router import Router

FIRST_OP = 1 << 48
"""Operations of the virtual routers are numbered from here, those of the node from 1."""

_OF_ROUTERS = (AdvertHeard, AdvertRefused, AdvertUnsent, SourceKnown, DevicesMissing, TrackSaid, PeerLives)
_OF_THE_NODE = (Received, ManagerChanged, PingsSeen, HoursSeen, AdminRequest, ResourceFailed, ProbeAnswered)


class LeasedRouters:
    """The node ``me`` of ``cluster``, which has virtual routers. The first event must be ``Started``.

    The same three questions as ``Node``; ``Reconfigured`` changes the virtual routers, too.
    """

    def __init__(self, cluster: Cluster, me: str) -> None:
        self.me = me
        self.node = Node(cluster, me)
        self.routers = RouterNode(cluster.routers or RouterFiles(), me, FIRST_OP)
        self.followers: dict[str, list[Router]] = {}
        self.judged: dict[str, RoutersJudged] = {}
        self.out: list[RouterEffect] = []
        self.over: dict[bool, Quit] = {}
        """Of the node (True) and of its routers (False): who has nothing left to stop."""

    # The three questions

    def handle(self, event: Event | RouterEvent, now: Instant) -> list[RouterEffect]:
        """Take one event in. ``now`` never runs backwards. Returns effects, to be done in order."""
        self.out = []
        match event:
            case Started():
                self._started(event, now)
            case TimerDue():
                if self.node.next_deadline() <= now:
                    self._node(event, now)
                if self.routers.next_deadline() <= now:
                    self._routers(event, now)
            case Finished(op):
                if op > FIRST_OP:
                    self._routers(event, now)
                else:
                    self._node(event, now)
            case LinkChanged(device):
                if device in self.routers.by_device:
                    self._routers(event, now)
                if any(item.device == device for group in self.node.cluster.groups for item in group.addresses):
                    self._node(event, now)
            case LeaseRefused(group, text) if group in self.routers.by_name:
                self._routers(event, now)
                self._node(LeaseRefused(self.routers.by_name[group].spec.lease_group, text), now)
            case Reconfigured():
                self._reconfigured(event, now)
            case _:
                if not isinstance(event, _OF_ROUTERS):
                    self._node(event, now)  # type: ignore[arg-type]
                if not isinstance(event, _OF_THE_NODE):
                    self._routers(event, now)
        self._judge(now)
        return self.out

    def next_deadline(self) -> Instant:
        """When ``TimerDue`` is wanted, by this machine's clock."""
        return min(self.node.next_deadline(), self.routers.next_deadline())

    def rights(self, now: Instant) -> dict[str, Duration]:
        """Of each virtual router that is master here, how long its right still lasts; changes nothing."""
        return self.routers.rights(now)

    def snapshot(self, now: Instant) -> Snapshot:
        """What both know; changes nothing."""
        whole = self.node.snapshot(now)
        whose = {item.name: self._whose(item) for item in whole.groups}
        found = self.routers.snapshot(now, whose)
        return replace(
            whole,
            warnings=(*whole.warnings, *found.warnings),
            counters={**whole.counters, **found.counters},
            virtual_routers=found.virtual_routers,
        )

    def objection(self, cluster: Cluster) -> str:
        """As ``Node.objection``."""
        return self.node.objection(cluster)

    # What goes from one to the other

    def _started(self, event: Started, now: Instant) -> None:
        self._follow()
        left = dict(event.kernel_leases)
        for name, routers in self.followers.items():
            # A router's right ends with the lease of its group: while it runs, this machine held that lease.
            spans = [left.pop(each.name) for each in routers if each.name in left]
            if spans:
                left[name] = max(spans)
        self._node(replace(event, kernel_leases=tuple(left.items())), now)
        self._routers(event, now)

    def _reconfigured(self, event: Reconfigured, now: Instant) -> None:
        files = event.cluster.routers or RouterFiles()
        self._node(event, now)
        self._routers(RoutersChanged(files, event.addresses, event.carriers), now)
        self._follow()
        self.judged = {name: said for name, said in self.judged.items() if name in self.followers}
        self.routers.looked |= set(self.routers.by_name)
        for name in self.followers:
            self._grant(name, "another configuration", now)

    def _follow(self) -> None:
        self.followers = {}
        for each in self.routers.by_name.values():
            self.followers.setdefault(each.spec.lease_group, []).append(each)

    def _node(self, event: Event, now: Instant) -> None:
        for effect in self.node.handle(event, now):
            if isinstance(effect, Quit):
                self._done(True, effect)
                continue
            group = effect.group if isinstance(effect, KernelLease) else ""
            followers = self.followers.get(group, ()) if group else ()
            if isinstance(effect, KernelLease) and followers:
                self._grant(group, effect.why, now)
                if not self._has_addresses(group):
                    continue
            self.out.append(effect)

    def _has_addresses(self, group: str) -> bool:
        charge = self.node.steward.charges.get(group)
        return charge is not None and bool(charge.addresses)

    def _grant(self, group: str, why: str, now: Instant) -> None:
        """The right to be master goes as far as the lease of the group."""
        claim = self.node.steward.claims.held(group)
        until = None if claim is None else claim.until
        for each in self.followers.get(group, ()):
            self._routers(MayServe(each.name, until, why, 0 if claim is None else claim.ballot), now)

    def _routers(self, event: RouterEvent, now: Instant) -> None:
        for effect in self.routers.handle(event, now):
            if isinstance(effect, Quit):
                self._done(False, effect)
            else:
                self.out.append(effect)

    def _done(self, node: bool, effect: Quit) -> None:
        """A clean stop is complete when both have nothing left."""
        self.over[node] = effect
        if len(self.over) == 2:
            self.out.append(self.over[True])

    def _judge(self, now: Instant) -> None:
        """Tell the plan what has changed of the wish to have a group."""
        looked, self.routers.looked = self.routers.looked, set()
        names = {self.routers.by_name[name].spec.lease_group for name in looked if name in self.routers.by_name}
        for name in sorted(names):
            routers = self.followers.get(name, [])
            if not routers:
                continue
            said = RoutersJudged(
                name, min(each.priority for each in routers), "; ".join(filter(None, map(_trouble, routers)))
            )
            if self.judged.get(name) != said:
                self.judged[name] = said
                self._node(said, now)

    def _whose(self, group: GroupStatus) -> str:
        """Why the virtual routers of a group that is not held here are not master, a clause."""
        if group.holder == self.me:
            return ""
        if group.holder is None:
            return f"the cluster gives nobody the right to {group.name}: {group.why}"
        return f"the cluster gives the right to {group.holder}: {group.why}"


def _trouble(r: Router) -> str:
    """Why it cannot serve here now."""
    if r.faults:
        return f"{r.name} is in FAULT: {'; '.join(r.faults)}"
    if r.state is RouterState.INIT and r.waits and not r.left_here:
        return f"{r.name} waits: {'; '.join(r.waits)}"
    return ""
