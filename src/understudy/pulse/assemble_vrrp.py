"""Puts a pulse together that is one or more VRRP routers; what it does to this machine is as ever."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace

from ..adapters.advert_macs import AdvertMacs
from ..adapters.channel import Listener
from ..adapters.udp import boot_clock
from ..adapters.vrrp_socket import RouterSockets
from ..changes import either
from ..config.load import load_for_pulse as load
from ..core.vrrp.node import RouterNode
from ..events import Started
from ..model import Cluster
from ..vrrp_files import RouterFiles
from . import vrrp_places
from .arguments import EXIT_CONFIG, Arguments
from .guard import Guards
from .life import Life, live
from .loop import Loop
from .manager_link import ManagerLink
from .perform import Performer
from .recorder import Recorder
from .reload import former_copy
from .speak import say
from .start import draw_entropy, draw_incarnation
from .timer import Timer
from .vrrp_ear import RouterEar
from .vrrp_kernel import RouterKernel
from .vrrp_mouth import RouterMouth
from .vrrp_reload import RouterReloader, each_once, joined

MOST_COPIED = 32
"""A copy of so many virtual routers takes some 3 ms."""


def run(arguments: Arguments, cluster: Cluster, guards: Guards) -> int:
    """Until a clean stop; returns the exit code. Raises ConfigError for a copy that cannot be read, and OSError."""
    if arguments.node not in cluster.names:
        say(arguments.unknown_node(cluster.names))
        return EXIT_CONFIG
    cluster = on_this_machine(cluster)
    former = former_copy(arguments.runtime_dir, lambda path: on_this_machine(load(path)))
    files = cluster.routers or RouterFiles()
    begun = files if former is None or former.routers is None else former.routers
    known = cluster.groups if former is None else each_once(either(former, cluster), cluster)
    whole = replace(cluster, groups=known, routers=joined(begun, files))
    kernel = RouterKernel(whole)
    sockets = RouterSockets(vrrp_places.ways(whole.routers or files))
    manager = ManagerLink(Listener(arguments.in_runtime_dir("pulse.sock")))
    mouth = RouterMouth(sockets, kernel.announce)
    macs = AdvertMacs()
    macs.follow(vrrp_places.parents(whole.routers or files))
    ear = RouterEar(macs.mac_of, files.settings.log_unknown)
    ear.again = macs.refresh
    mouth.source_of = kernel.source_of
    kernel.found, kernel.moved = mouth.source, sockets.mend
    for part in (mouth, ear):
        part.follow(vrrp_places.speakers(whole.routers or files))
    guard = guards.take(cluster, arguments.node, arguments.runtime_dir)
    core = RouterNode(vrrp_places.without_secrets(begun), arguments.node)
    groups = {item.address: group.name for group in known for item in group.addresses}
    reloader = RouterReloader(cluster, former, arguments.runtime_dir, kernel, (sockets, mouth, ear, macs))
    loop = Loop(
        core=core,
        links=sockets,
        ear=ear,
        performer=Performer(mouth, kernel, manager, boot_clock, groups, guard, mouth),
        news=kernel,
        manager=manager,
        timer=Timer(),
        clock=boot_clock,
        dead_time=vrrp_places.patience(files),
        reloader=reloader,
        recorder=Recorder(arguments.node, lambda: _copy(core)),
    )

    def paced(now: RouterFiles) -> None:
        loop.dead_time = vrrp_places.patience(now)

    def taken_up() -> None:
        """What it speaks from is told behind the news; and once the changes of addresses are over, nothing former is left."""
        loop.performer.results += kernel.tidings(again=True)
        loop.performer.settled = True

    reloader.paced, reloader.taken_up = paced, taken_up

    def begin() -> Started:
        loop.performer.results += kernel.tidings()
        return _started(kernel)

    code = live(Life(arguments, loop, kernel, guard, manager, False, lambda: reloader.cluster), begin)
    if code == 0:
        kernel.leave()
    return code


def _copy(core: RouterNode) -> bytes:
    """For replays. With hundreds of virtual routers it would take as long as a short interval, so there is none."""
    return pickle.dumps(core, 5) if len(core.routers) <= MOST_COPIED else b""


def on_this_machine(cluster: Cluster) -> Cluster:
    """With the addresses where they stand, and a group for each virtual router."""
    files = vrrp_places.placed(cluster.routers or RouterFiles())
    return vrrp_places.cluster_with(cluster, files)


def _started(kernel: RouterKernel) -> Started:
    """What this machine is like at the start. No promises of earlier runs matter here: nobody votes."""
    return Started(
        incarnation=draw_incarnation(),
        entropy=draw_entropy(),
        wall_clock=time.time_ns() // 1_000_000,
        kernel_leases=kernel.running_leases(),
        addresses=kernel.present(),
        carriers=kernel.carriers(),
    )
