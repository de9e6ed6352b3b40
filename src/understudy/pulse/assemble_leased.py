"""Puts a pulse together that is a node of a cluster with virtual routers: as ``assemble`` and ``assemble_vrrp``, in one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..adapters.advert_macs import AdvertMacs
from ..adapters.channel import Listener
from ..adapters.udp import UdpLinks, boot_clock
from ..adapters.vrrp_socket import RouterSockets
from ..changes import either, together
from ..config.load import key_path
from ..config.load import load_for_pulse as load
from ..config.paths import paths
from ..core.vrrp.leased import LeasedRouters
from ..events import Reconfigured, Started
from ..model import Cluster, Group
from ..units import Duration
from ..vrrp_files import RouterFiles
from ..wire.native import Opener, Sealer
from . import vrrp_places
from .arguments import Arguments
from .assemble import meet
from .assemble_vrrp import MOST_COPIED
from .both import BothEars, BothLinks
from .ear import NativeEar
from .guard import Guards
from .keys import Rekeyer
from .life import Life, live, started_as
from .loop import Loop
from .manager_link import ManagerLink
from .mouth import NativeMouth
from .perform import Performer
from .recorder import Recorder
from .reload import Reloader
from .secrets import without_secrets
from .senders import Senders
from .start import draw_incarnation
from .timer import Timer
from .vrrp_ear import RouterEar
from .vrrp_kernel import RouterKernel
from .vrrp_mouth import RouterMouth
from .vrrp_reload import Speech, joined


def run(arguments: Arguments, cluster: Cluster, former: Cluster | None, keys: tuple[bytes, ...], guards: Guards) -> int:
    """Until a clean stop; returns the exit code. Raises ConfigError for a copy that cannot be read, and OSError."""
    me = arguments.node
    cluster = on_this_machine(cluster, me)
    former = None if former is None else on_this_machine(former, me)
    begun, whole = former or cluster, cluster if former is None else together(former, cluster)
    known = cluster.groups if former is None else either(former, cluster)
    files = joined(_files(begun), _files(cluster))
    kernel = RouterKernel(here(cluster, known, files))
    speech = _speech(files, kernel)
    sockets, adverts, around, _ = speech
    own_ports = {link.address: link.port for link in whole.member(me).links}
    links = UdpLinks(paths(whole, me), ports=own_ports)
    manager = ManagerLink(Listener(arguments.in_runtime_dir("pulse.sock")))
    incarnation = draw_incarnation()
    native = NativeEar(Opener(cluster.name, keys, whole.names), cluster.dead_time, Senders(me, incarnation))
    mouth = NativeMouth(Sealer(cluster.name, keys, me, incarnation), links)
    guard = guards.take(whole, me, arguments.runtime_dir)
    core = LeasedRouters(bare(begun), me)
    reloader = LeasedReloader(cluster, former, me, arguments.runtime_dir, kernel, speech)
    performer = Performer(mouth, kernel, manager, boot_clock, performed(known, files), guard, adverts)
    loop = Loop(
        core=core,
        links=BothLinks(links, sockets),
        ear=BothEars(native, around),
        performer=performer,
        news=kernel,
        manager=manager,
        timer=Timer(),
        clock=boot_clock,
        dead_time=patience(cluster, files),
        reloader=reloader,
        rekeyer=Rekeyer(key_path(cluster), keys, native, mouth),
        recorder=Recorder(me, lambda: pickle.dumps(core, 5) if len(core.routers.routers) <= MOST_COPIED else b""),
    )
    reloader.objection, reloader.meet = core.objection, partial(meet, links, native, me)

    def paced(now: Cluster) -> None:
        loop.dead_time = patience(now, _files(now))

    def taken_up() -> None:
        performer.results += kernel.tidings(again=True)

    reloader.paced, reloader.taken_up = paced, taken_up

    def first() -> Started:
        performer.results += kernel.tidings()
        return replace(started_as(arguments, whole, incarnation, kernel, guard), taking_up=former is not None)

    code = live(Life(arguments, loop, kernel, guard, manager, False, lambda: reloader.here), first)
    if code == 0:
        kernel.leave()
    return code


def _speech(files: RouterFiles, kernel: RouterKernel) -> Speech:
    """What hears and speaks for the virtual routers. Raises OSError."""
    sockets, macs = RouterSockets(vrrp_places.ways(files)), AdvertMacs()
    macs.follow(vrrp_places.parents(files))
    mouth, ear = RouterMouth(sockets, kernel.announce), RouterEar(macs.mac_of, files.settings.log_unknown)
    ear.again, mouth.source_of = macs.refresh, kernel.source_of
    kernel.found, kernel.moved = mouth.source, sockets.mend
    for part in (mouth, ear):
        part.follow(vrrp_places.speakers(files))
    return sockets, mouth, ear, macs


def patience(cluster: Cluster, files: RouterFiles) -> Duration:
    """The shortest time after which anybody takes this machine for dead."""
    return min(cluster.dead_time, vrrp_places.patience(files))


def _files(cluster: Cluster) -> RouterFiles:
    return cluster.routers or RouterFiles()


def on_this_machine(cluster: Cluster, me: str) -> Cluster:
    """With the virtual routers as they are on the node ``me``, and their addresses where they stand."""
    return replace(cluster, routers=vrrp_places.placed(_files(cluster).on(me)))


def bare(cluster: Cluster) -> Cluster:
    """As ``without_secrets``, for the core."""
    return replace(without_secrets(cluster), routers=vrrp_places.without_secrets(_files(cluster)))


def here(cluster: Cluster, groups: tuple[Group, ...], files: RouterFiles) -> Cluster:
    """For the kernel's side: a group for each virtual router instead of those whose leases they follow."""
    own = tuple(group for group in groups if not group.ranks)
    return replace(cluster, groups=(*own, *vrrp_places.groups(files)), routers=files)


def performed(groups: tuple[Group, ...], files: RouterFiles) -> dict[str, str]:
    """Whose lease each address needs."""
    every = (*groups, *vrrp_places.groups(files))
    return {item.address: group.name for group in every for item in group.addresses}


class LeasedReloader(Reloader):
    """As ``Reloader``, and the virtual routers with it. ``speech``: what hears and speaks for them."""

    def __init__(
        self,
        cluster: Cluster,
        former: Cluster | None,
        node: str,
        runtime_dir: str,
        kernel: RouterKernel,
        speech: Speech,
    ) -> None:
        super().__init__(cluster, former, node, runtime_dir, kernel, bare)
        self._read_copy = lambda path: on_this_machine(load(path), node)
        self.paced: Callable[[Cluster], None] = lambda _: None
        self.taken_up: Callable[[], None] = lambda: None
        self._speech = speech

    @property
    def here(self) -> Cluster:
        """What runs, as the kernel's side knows it."""
        return here(self.cluster, self.cluster.groups, _files(self.cluster))

    def event(self) -> Reconfigured:
        self.paced(self.cluster)
        self.taken_up()
        return super().event()

    def _prepare(self, groups: tuple[Group, ...], cluster: Cluster, performer: Performer) -> None:
        sockets, mouth, ear, macs = self._speech
        files = joined(_files(self.cluster), _files(cluster))
        for part in (mouth, ear):
            part.follow(vrrp_places.speakers(files))
        sockets.follow(vrrp_places.ways(files))
        macs.follow(vrrp_places.parents(files))
        self._kernel.follow(here(cluster, groups, files))
        performer.groups = performed(groups, files)
        performer.renew_leases()
