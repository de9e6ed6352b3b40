"""Nodes of a cluster with virtual routers in virtual time: the segment of ``vrrp_parts``, and links beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vrrp_parts import WALL, Host, Segment, files

from understudy.config.validate import read
from understudy.core.node import Node
from understudy.core.vrrp.leased import LeasedRouters
from understudy.effects import Send
from understudy.events import Received, Started
from understudy.messages import Message
from understudy.model import Cluster, Role
from understudy.snapshot import GroupStatus
from understudy.units import SECOND
from understudy.vrrp import RouterEffect, SourceKnown

FILE = """
[cluster]
name = "site"
key_file = "cluster.key"
dead_time = "1s"
{more}
[nodes.ha01]
links = ["192.168.107.101"]
[nodes.ha02]
links = ["192.168.107.102"]
{members}
{routers}
"""
WITNESS = '[witness.arbiter]\nlinks = ["192.168.107.9"]'
ROUTER = """
[virtual_routers.VI_1]
device = "eth0"
id = 51
priority = { ha01 = 150, ha02 = 100 }
addresses = ["192.0.2.100/24"]
"""
SOURCES = {"ha01": "192.0.2.11", "ha02": "192.0.2.12", "arbiter": ""}


def cluster(routers: str = ROUTER, more: str = "", members: str = WITNESS) -> Cluster:
    """What an administrator's file means."""
    reading = read(FILE.format(routers=routers, more=more, members=members), "understudy.toml")
    assert reading.cluster is not None, reading.problems
    return reading.cluster


@dataclass(repr=False)
class Machine(Host):
    """A host that runs a member of a cluster."""

    member: str = ""
    incarnation: int = 0
    counter: int = 0


class Machines(Segment):
    """The members of ``cluster``. ``unlinked``: (from, to) of which no heartbeat arrives; ``cut`` is of the advertisements."""

    def __init__(self, cluster: Cluster, seed: int = 1) -> None:
        super().__init__(seed)
        self.cluster = cluster
        self.unlinked: set[tuple[str, str]] = set()
        for member in cluster.members:
            known = (
                files() if member.role is Role.WITNESS or cluster.routers is None else cluster.routers.on(member.name)
            )
            self.hosts[member.name] = Machine(member.name, SOURCES[member.name], known, member=member.name)

    def __repr__(self) -> str:
        return f"{self.masters() or 'nobody'} at {self.now}"

    def start(self, *names: str, **started: object) -> None:
        for name in names or tuple(self.hosts):
            host = self.hosts[name]
            assert isinstance(host, Machine)
            host.frozen_until, host.quit_at = 0, None
            host.waiting.clear()
            host.incarnation += 1
            host.counter = 0
            own = replace(self.cluster, routers=host.files)
            witness = self.cluster.member(name).role is Role.WITNESS
            host.node = Node(own, name) if witness else LeasedRouters(own, name)  # type: ignore[assignment]
            index = self.cluster.names.index(name)
            facts = Started(
                host.incarnation * 10 + index,
                self.rng.randrange(1 << 30),
                WALL,
                addresses=tuple(sorted(host.addresses)),
                carriers=(("eth0", True),),
            )
            self.tell(name, replace(facts, **started))  # type: ignore[arg-type]
            for spec in host.files.routers:
                self.tell(name, SourceKnown(spec.name, host.source))

    def unlink(self, *names: str) -> None:
        """These hear no heartbeat of anybody, and nobody hears theirs."""
        for one in names:
            for other in self.hosts:
                self.unlinked |= {(one, other), (other, one)}

    def join(self) -> None:
        super().join()
        self.unlinked.clear()

    def perform(self, host: Host, effect: RouterEffect) -> None:
        if isinstance(effect, Send) and isinstance(host, Machine):
            host.counter += 1
            for name in self.hosts if effect.to is None else (effect.to,):
                if name != host.name and (host.name, name) not in self.unlinked:
                    self._carry(host, name, effect.message, host.counter)
        super().perform(host, effect)

    def _carry(self, host: Machine, to: str, message: Message, counter: int) -> None:
        then = max(self.now + self.rng.randrange(*self.delay), self.last.get((host.name, to), 0) + 1)
        self.last[(host.name, to)] = then
        sender, incarnation = host.name, (host.incarnation * 10 + self.cluster.names.index(host.name))
        link = self.cluster.members[0].links[0].network

        def arrive() -> None:
            self.tell(to, Received(link, sender, incarnation, counter, message, self.now))

        self.at(then, arrive)

    def group(self, name: str, which: str = "VI_1") -> GroupStatus:
        """How the machine ``name`` sees a group."""
        return next(item for item in self.snapshot(name).groups if item.name == which)


def running(found: Cluster | None = None, seed: int = 1) -> Machines:
    """All have been started, and ha01 serves."""
    machines = Machines(cluster() if found is None else found, seed)
    machines.start()
    machines.strict = True
    machines.run(8 * SECOND)
    return machines
