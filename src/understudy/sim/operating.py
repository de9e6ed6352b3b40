"""Operators who ask for everything that can be asked, at the worst time. Troubles, as those of ``faults``."""

from __future__ import annotations

from ..model import Role
from ..units import Duration
from .draws import some, stretch
from .world import World


def operate(world: World, dead_time: Duration) -> None:
    random = world.random
    asked, target = some(world), some(world, nodes_only=True)
    group = random.choice(world.cluster.groups).name
    verb = random.choice(("move", "move", "standby", "drain", "online", "restart", "cleanup", "fence", "confirm-off"))
    if verb == "confirm-off" and target.power:
        off = [host for host in world.hosts.values() if not host.power and host.member.role is Role.NODE]
        if not off:
            return  # a human who says so of a machine that is on is outside what can be promised
        target = off[0]
    number = random.getrandbits(31)
    if verb in ("restart", "cleanup"):
        world.tell(asked, f"operator: {verb} {group}")
        asked.ask(number, verb, group, "")
        return
    world.tell(asked, f"operator: {verb} {group if verb == 'move' else ''} {target.name}")
    asked.ask(number, verb, group if verb == "move" else "", target.name)
    if verb in ("standby", "drain"):
        world.after(stretch(world, 1.0, 4.0, dead_time), lambda: target.ask(number + 1, "online", "", target.name))


def stop_and_start(world: World, dead_time: Duration) -> None:
    """Operators who stop groups and start them again, now and then two of them at one moment and of two minds."""
    random = world.random
    group = random.choice(world.cluster.groups).name
    for _ in range(random.choice((1, 1, 2))):
        asked, verb = some(world), random.choice(("stop", "stop", "start"))
        world.tell(asked, f"operator: {verb} {group}")
        asked.ask(random.getrandbits(31), verb, group, "")
    if random.random() < 0.8:
        again, number = some(world), random.getrandbits(31)
        world.after(stretch(world, 0.1, 6.0, dead_time), lambda: again.ask(number, "start", group, ""))


def maintain(world: World, dead_time: Duration) -> None:
    """A group, or all of them, in maintenance: for a time, or until its end is asked for, mostly of another machine."""
    random, asked = world.random, some(world)
    group = random.choice((*(item.name for item in world.cluster.groups), ""))
    span = random.choice((0, stretch(world, 0.5, 8.0, dead_time)))
    world.tell(asked, f"operator: maintenance on {group or 'all'}")
    asked.ask(random.getrandbits(31), "maintenance-on", group, "", "", span)
    if random.random() < 0.8:
        again, number = some(world), random.getrandbits(31)
        world.after(stretch(world, 0.5, 8.0, dead_time), lambda: again.ask(number, "maintenance-off", group, ""))
