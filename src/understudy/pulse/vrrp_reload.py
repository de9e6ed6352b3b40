"""Takes up other virtual routers while the loop turns: as ``reload`` does a native configuration, and sockets with them.

Until what is gone has been taken off its devices, the kernel's side knows the former addresses and leases, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..adapters.advert_macs import AdvertMacs
from ..adapters.vrrp_socket import RouterSockets
from ..changes import either
from ..config.load import load_for_pulse as load
from ..model import Cluster, Group
from ..vrrp import RoutersChanged
from ..vrrp_files import RouterFiles
from . import vrrp_places
from .manager_link import ManagerLink
from .perform import Performer
from .reload import AnyReloader
from .vrrp_ear import RouterEar
from .vrrp_kernel import RouterKernel
from .vrrp_mouth import RouterMouth

Speech = tuple[RouterSockets, RouterMouth, RouterEar, AdvertMacs]


def joined(before: RouterFiles, after: RouterFiles) -> RouterFiles:
    """``after``, and behind it the virtual routers of ``before`` that are gone: they have a goodbye to say."""
    names = {router.name for router in after.routers}
    gone = tuple(router for router in before.routers if router.name not in names)
    return replace(after, routers=after.routers + gone)


def each_once(groups: tuple[Group, ...], after: Cluster) -> tuple[Group, ...]:
    """An address that goes from one virtual router to another is the new one's: the kernel's lease has one owner for it."""
    owners = {item.address: group.name for group in after.groups for item in group.addresses}

    def own(group: Group) -> Group:
        kept = tuple(item for item in group.addresses if owners.get(item.address, group.name) == group.name)
        return replace(group, resources=kept)

    return tuple(map(own, groups))


def read_copy(path: str) -> Cluster:
    """What the copy says, with the addresses where they stand. Raises ConfigError."""
    cluster = load(path)
    files = vrrp_places.placed(cluster.routers or RouterFiles())
    return vrrp_places.cluster_with(cluster, files)


class RouterReloader(AnyReloader[Cluster]):
    """As ``AnyReloader``, of virtual routers. ``speech``: what hears and speaks. ``paced``: told of what runs from now on.
    ``taken_up``: called when the core is told of it.
    """

    def __init__(
        self, cluster: Cluster, former: Cluster | None, runtime_dir: str, kernel: RouterKernel, speech: Speech
    ) -> None:
        super().__init__(cluster, former, runtime_dir, kernel, lambda found: found, read_copy)
        self.paced: Callable[[RouterFiles], None] = lambda _: None
        self.taken_up: Callable[[], None] = lambda: None
        self._speech = speech
        self._met: tuple[Cluster, tuple[Group, ...], RouterFiles] | None = None

    @property
    def files(self) -> RouterFiles:
        return self.cluster.routers or RouterFiles()

    def take(self, performer: Performer, manager: ManagerLink) -> RoutersChanged | None:
        """The event for the core, once the copy is read and no change of addresses is under way."""
        found, before = self._taken(performer, manager), self.cluster
        if found is None:
            return None
        if replace(found, source=before.source) == before:
            self._same(manager)
            return None
        if self.former is not None:
            manager.reloaded(self._asked, False, "something of the configuration before the last reload is still here")
            return None
        if found.names != before.names:
            manager.reloaded(self._asked, False, "another name of this node needs a restart of the daemon")
            return None
        try:
            known = each_once(either(before, found), found)
            self._meet(found, known, joined(self.files, found.routers or RouterFiles()), performer)
        except OSError as error:
            manager.reloaded(self._asked, False, f"the kernel does not take it: {error.strerror}")
            return None
        self.former, self.cluster = before, found
        self.paced(self.files)
        manager.reloaded(self._asked, True, "taken up")
        return self.event()

    def event(self) -> RoutersChanged:
        """From the former virtual routers to those that run."""
        self.taken_up()
        return RoutersChanged(vrrp_places.without_secrets(self.files), self._kernel.present(), self._kernel.carriers())

    def _forget(self, performer: Performer) -> None:
        self._meet(self.cluster, self.cluster.groups, self.files, performer)

    def _meet(self, cluster: Cluster, groups: tuple[Group, ...], files: RouterFiles, performer: Performer) -> None:
        """These are heard, spoken for and held from now on. Raises OSError.

        In the kernel that takes tens of milliseconds on a busy machine (measured), and what settles is often what was taken up.
        """
        if self._met == (cluster, groups, files):
            return
        self._met = None
        sockets, mouth, ear, macs = self._speech
        for part in (mouth, ear):
            part.follow(vrrp_places.speakers(files))
        # A router that speaks by another way from now on has a goodbye to say by the former one.
        sockets.follow(dict.fromkeys((*vrrp_places.ways(files), *vrrp_places.ways(self.files))))
        macs.follow(vrrp_places.parents(files))
        self._follow(groups, replace(cluster, routers=files), performer)
        self._met = (cluster, groups, files)
