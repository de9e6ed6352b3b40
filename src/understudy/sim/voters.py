"""Members that are added and removed while everything runs: a trouble, and the administrators who bring it about.

The files follow each other, each with one member more or fewer than the one before. Machines take them up by reloads one after
the other, in any order and at any time, and some never do; a machine that a file does not name any more may be told so, or be
left running as it is. Now and then a second administrator gives some machines another file than the first: those that took it
up are stuck with it until they take it back. When trouble ends, files lead back to the cluster of the beginning.

As on disk, what was before a change that is not over outlives the power.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

from ..changes import frame, rest, voters
from ..model import Cluster, Group, Member
from ..units import Duration
from .draws import stretch
from .files import tell

if TYPE_CHECKING:
    from .host import Host
    from .world import World

FEWEST, MOST = 3, 8


class Voters:
    """The files so far, the first is the cluster of the beginning. ``at``: which one each machine has taken up last."""

    def __init__(self, world: World, spares: tuple[Member, ...]) -> None:
        self.world = world
        self.spares = spares
        self.files: list[Cluster] = [world.cluster]
        self.at: dict[str, int] = dict.fromkeys(world.cluster.names, 0)
        self.rivals: set[str] = set()
        self.left: set[str] = set()

    def with_members(self, cluster: Cluster, members: tuple[Member, ...]) -> Cluster:
        """``cluster`` for other members: nobody else is named in it any more."""
        names = {member.name for member in members}

        def bare(group: Group) -> Group:
            return replace(group, prefer=tuple(name for name in group.prefer if name in names))

        first = self.files[0]
        same = names == set(first.names)
        half = voters(first) if same else f"{crc32(' '.join(sorted(names)).encode()):08x}"
        other = rest(cluster.digest).partition("+")[0] + ("" if same else f"+{half}")
        return replace(cluster, members=members, groups=tuple(map(bare, cluster.groups)), digest=half + other)

    def fits(self, host: Host, cluster: Cluster) -> Cluster:
        """``cluster`` as it would be written on ``host``: with the members that it counts now, and its own times."""
        running = host.cluster
        found = replace(cluster, heartbeat=running.heartbeat, dead_time=running.dead_time)
        return found if cluster.members == running.members else self.with_members(found, running.members)

    # -- what administrators do

    def next_file(self) -> None:
        """One member more or fewer than in the newest file."""
        random, newest = self.world.random, self.files[-1]
        there = [member for member in self.files[0].members if member.name in newest.names]
        gone = [member for member in (*self.files[0].members, *self.spares) if member.name not in newest.names]
        nodes = len(newest.nodes)
        removable = [item for item in newest.members if nodes > 2 or item not in newest.nodes]
        if gone and (len(there) <= FEWEST or len(newest.members) <= FEWEST or random.random() < 0.5):
            self._write((*newest.members, random.choice(gone)))
        elif len(newest.members) > FEWEST and removable:
            out = random.choice(removable)
            self._write(tuple(item for item in newest.members if item is not out))

    def _write(self, members: tuple[Member, ...]) -> None:
        self.files.append(self.with_members(self.files[0], members))
        names = " ".join(self.files[-1].names)
        self.world.tell(None, f"the newest file names {names}")

    def home(self) -> None:
        """Files that lead back to the cluster of the beginning."""
        first = {member.name: member for member in self.files[0].members}
        while set(self.files[-1].names) != set(first):
            newest = self.files[-1]
            lacking = [item for name, item in first.items() if name not in newest.names]
            out = next((item for item in newest.members if item.name not in first), None)
            members = (*newest.members, lacking[0]) if lacking else tuple(i for i in newest.members if i is not out)
            self._write(members)

    def rival(self, host: Host) -> None:
        """A second administrator: another member comes or goes than in the first one's next file."""
        random = self.world.random
        if host.name not in self.at or host.core is None or host.former is not None:
            return
        running = host.cluster
        choices = [(*running.members, item) for item in self.spares if item.name not in running.names]
        if len(running.members) > FEWEST:
            choices += [
                tuple(item for item in running.members if item is not out)
                for out in running.members
                if len(running.nodes) > 2 or out not in running.nodes
            ]
        if choices and self._reload(host, self.with_members(running, random.choice(choices))):
            self.rivals.add(host.name)

    def nudge(self, host: Host) -> None:
        """The administrator of this machine brings it one step nearer to the newest file."""
        if not host.power or not host.awake or host.core is None:
            return
        if host.version == "older":
            if self.world.now >= self.world.trouble_until:
                self._upgrade(host)
            return
        if host.name not in self.at:
            self._begin(host)
            return
        at = self.at[host.name]
        if host.name in self.rivals:
            there = [voters(file) for file in self.files[at + 1 : at + 2]]
            if host.former is None and voters(host.cluster) in there:
                self.at[host.name] = at + 1  # both administrators wanted the same, and it is done
                self.rivals.discard(host.name)
                return
            if voters(host.cluster) != voters(self.files[at]):
                back = host.former if host.former is not None else self.files[at]
                self._reload(host, self.with_members(host.cluster, back.members))
            if voters(host.cluster) == voters(self.files[at]):
                self.rivals.discard(host.name)
            return
        if host.name not in self.files[at].names:
            self._begin(host)
        elif at + 1 < len(self.files) and host.former is None:
            following = self.files[at + 1]
            if host.name not in following.names and host.name not in self.left and self.world.random.random() < 0.3:
                self.left.add(host.name)
            if host.name in self.left:
                self._begin(host)
            elif self._reload(host, self.with_members(host.cluster, following.members)):
                self.at[host.name] = at + 1

    def _begin(self, host: Host) -> None:
        """A machine that is new, or was out: it starts with the newest file that others run already, if that names it."""
        new = {spare.name for spare in self.spares}  # they may have a file that nobody has taken up yet
        others = [self.at[name] for name in self.at if name not in (host.name, *self.rivals, *new)]
        newest = max(others, default=0)
        if host.name not in self.files[newest].names or self.world.random.random() < 0.5:
            return
        self.world.tell(host, "kill, started again with the newest file: it was out")
        host.kill_pulse()
        self.left.discard(host.name)
        host.former = host.wanted = None
        own = replace(self.files[0], heartbeat=host.cluster.heartbeat, dead_time=host.cluster.dead_time)
        host.cluster = self.with_members(own, self.files[newest].members)
        self.at[host.name] = newest
        host.start_pulse()

    def _upgrade(self, host: Host) -> None:
        """A program that has no words for all this never takes up such a file."""
        self.world.tell(host, "kill, this version started")
        host.kill_pulse()
        host.version = "this"
        host.start_pulse()

    def _reload(self, host: Host, cluster: Cluster) -> bool:
        """``understudy reload``: refused, or taken up."""
        return not self.refused(host, cluster)

    def refused(self, host: Host, cluster: Cluster) -> str:
        """Why it was refused, or ""."""
        before = host.former if host.former is not None else host.cluster
        if host.core is None or frame(before, cluster) != frame(cluster, before):
            return "this needs a restart"
        if host.former is not None and voters(host.former) == voters(host.cluster):
            return "the last reload is not over"
        objection = host.core.objection(cluster)
        if objection:
            return objection
        self.world.learn(cluster)
        if host.former is None:
            host.former = host.cluster
        host.cluster = cluster
        self.world.tell(host, f"takes up the file with {' '.join(cluster.names)}")
        tell(host)
        return ""

    # -- from time to time

    def go_on(self) -> None:
        """Each machine in its turn, until all have the last file; after the trouble, too."""
        world, dead_time = self.world, self.world.cluster.dead_time
        if world.now >= world.trouble_until and self.home_again():
            for spare in self.spares:
                world.hosts[spare.name].power_off()
            return
        for spare in self.spares if world.now >= world.trouble_until else ():
            self.switch_on(spare)
        for name in world.random.sample(sorted(world.hosts), len(world.hosts)):
            if world.random.random() < 0.6:
                world.after(stretch(world, 0.0, 0.8, dead_time), partial(self.nudge, world.hosts[name]))
        world.after(dead_time, self.go_on)

    def ended(self) -> None:
        """Trouble is over: machines that a file names are switched on at last."""
        self.home()

    def switch_on(self, spare: Member) -> None:
        """A new machine, with the file that the others have, or else with the next one that names it."""
        host = self.world.hosts[spare.name]
        newest = max(self.at[member.name] for member in self.files[0].members)
        for number in range(newest, min(newest + 2, len(self.files))):
            if spare.name in self.files[number].names and spare.name not in self.at:
                host.cluster, self.at[spare.name] = self.files[number], number
                host.power_on()

    def home_again(self) -> bool:
        """Whether all machines run the last file, and count one set of voters."""
        last = len(self.files) - 1
        for member in self.files[0].members:
            host = self.world.hosts[member.name]
            if self.at.get(host.name, 0) != last or host.former is not None or host.name in self.rivals:
                return False
        return True


def change_voters(world: World, dead_time: Duration) -> None:
    """A trouble: a further file, or a second administrator; new machines are switched on before or after that, or never."""
    crew, random = world.voters, world.random
    if crew is None:
        return
    if len(crew.files) == 1 and not crew.rivals:
        world.after(dead_time, crew.go_on)
    if random.random() < 0.25:
        for name in random.sample(sorted(crew.at), random.choice((1, 2, len(crew.at) // 2))):
            world.after(stretch(world, 0.0, 0.5, dead_time), partial(crew.rival, world.hosts[name]))
        return
    if max(crew.at.values()) < len(crew.files) - 1:
        return  # nobody has taken up the newest one yet
    crew.next_file()
    for spare in crew.spares:
        new = spare.name in crew.files[-1].names and spare.name not in crew.at
        if new and random.random() < 0.8:
            world.after(stretch(world, 0.0, 3.0, dead_time), partial(_switch_on, crew, spare))


def members(world: World, words: list[str]) -> list[str]:
    """For scripts: what stands after ``members``. Returns why it was refused, for each machine that refused it."""
    verb, name, at = words[0], words[1], words.index("on")
    crew, refusals = world.voters, []
    everybody = {member.name: member for member in world.everybody.members}
    for host in (world.hosts[item] for item in words[at + 1 :]):
        found = host.cluster.members
        if verb == "as":
            host.change_file(world.hosts[name].cluster)
            continue
        if verb == "back":
            found = host.former.members if host.former is not None else found
        elif verb == "add":
            found = (*found, everybody[name])
        else:
            found = tuple(item for item in found if item.name != name)
        if crew is not None:
            refusals.append(crew.refused(host, crew.with_members(host.cluster, found)))
    return [text for text in refusals if text]


def _switch_on(crew: Voters, spare: Member) -> None:
    if crew.world.now < crew.world.trouble_until:
        crew.switch_on(spare)
