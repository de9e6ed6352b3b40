"""What a machine's daemon learns when it starts, and when its file is changed while it runs: the events, and the copies it keeps.

As the daemon does: what runs is remembered beside what is to run until the core has said ``Settled``; a pulse that dies in
between starts with the former configuration and is told of the new one at once. The copies lie in memory, so the power
takes them away. A file that comes while an earlier one is still being taken up waits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..changes import restarted, voters
from ..core import saved_wishes
from ..effects import RunAgent
from ..errors import check
from ..events import Reconfigured, Started
from ..model import Cluster
from ..units import MILLISECOND

if TYPE_CHECKING:
    from .host import Host


def started(host: Host, incarnation: int, entropy: int, quiet: int, watchdog_ran: bool) -> Started:
    """What the machine is like at the start of its pulse."""
    return Started(
        incarnation=incarnation,
        entropy=entropy,
        wall_clock=host.wall_clock,
        kernel_leases=host.kernel.running(host.reading),
        addresses=tuple(sorted(host.kernel.addresses)),
        carriers=_carriers(host),
        standby=host.saved_standby,
        draining=host.saved_draining,
        quiet=quiet,
        watchdog=host.watchdog.timeout,
        watchdog_ran=watchdog_ran,
        wishes=saved_wishes.read(host.saved_wishes, host.wall_clock) if host.saved_wishes else (),
        taking_up=host.former is not None,
    )


def _carriers(host: Host) -> tuple[tuple[str, bool], ...]:
    devices = {item.device for group in host.world.known.values() for item in group.addresses}
    return tuple(sorted((device, up) for device, up in host.kernel.carriers.items() if device in devices))


def take_up(host: Host, cluster: Cluster) -> None:
    """The administrator has changed the file and asks for it to be taken up (``understudy reload``)."""
    host.world.learn(cluster)
    running = host.cluster
    # A machine that runs with other times keeps them until it is started again.
    cluster = replace(cluster, heartbeat=running.heartbeat, dead_time=running.dead_time)
    if host.world.voters is not None:
        cluster = host.world.voters.fits(host, cluster)
    if not host.power or host.former is not None:
        host.wanted = cluster
        return
    if cluster == running:
        return
    host.wanted = None
    host.former, host.cluster = running, cluster
    host.world.tell(host, "another file is taken up")
    tell(host)


def tell(host: Host) -> None:
    """The pulse learns of the file, now or after its start."""
    if host.former is not None:
        addresses = tuple(sorted(host.kernel.addresses))
        host.fact(Reconfigured(host.cluster, restarted(host.former, host.cluster), addresses, _carriers(host)))


def settled(host: Host) -> None:
    """Nothing of the former configuration is left."""
    host.former = None
    if host.wanted is not None:
        wanted = host.wanted
        host.world.after(MILLISECOND, lambda: take_up(host, wanted))


def forget(host: Host) -> None:
    """The power is gone, and all copies with it, but for one: of who voted before a change that is not over."""
    if host.former is not None and voters(host.former) != voters(host.cluster):
        return
    host.former = None
    if host.wanted is not None:
        host.cluster, host.wanted = host.wanted, None


def not_older_now(host: Host) -> None:
    """An older program cannot start between two sets of voters; nobody is to install one then."""
    if host.version == "older" and host.former is not None and voters(host.former) != voters(host.cluster):
        host.version = "this"


def set_times(host: Host, dead_time: int, heartbeat: int) -> None:
    """The next start of the pulse counts by these."""

    def slower(cluster: Cluster) -> Cluster:
        return replace(cluster, dead_time=dead_time, heartbeat=heartbeat)

    host.cluster = slower(host.cluster)
    host.former = None if host.former is None else slower(host.former)
    host.wanted = None if host.wanted is None else slower(host.wanted)


def judge(host: Host, effect: RunAgent) -> None:
    """A manager knows the programs of its file, and the former ones until all of them have stopped; nothing else."""
    if host.catching_up or any(isinstance(fact, Reconfigured) for fact in host.waiting_facts):
        return  # decided by a core that was frozen or busy when the file changed
    file = host.former if effect.former else host.cluster
    there = file is not None and any(
        group.name == effect.group and any(item.id == effect.resource for item in group.resources)
        for group in file.groups
    )
    which = "former" if effect.former else "present"
    check(there, f"{host.name}: no {which} program {effect.resource} in group {effect.group}")
