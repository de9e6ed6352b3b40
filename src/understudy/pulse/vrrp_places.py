"""What virtual routers mean for this machine's devices: where adverts go, where addresses stand, what is watched.

A virtual router with a virtual MAC has its addresses on a device of its own (a macvlan), and speaks by it unless ``xmit_base``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..adapters.source_address import Place
from ..adapters.virtual_mac import VirtualDevice, usual_mac
from ..adapters.vrrp_socket import Way
from ..model import AddressResource, Cluster, Group
from ..units import SECOND, Duration
from ..vrrp_files import RouterAddress, RouterFiles, TrackedProcess, TrackedScript, VirtualRouter
from ..wire.vrrp_packet import GROUPS


def placed(files: RouterFiles) -> RouterFiles:
    """Addresses of routers with a virtual MAC stand on its device, unless the configuration names another one for them."""
    return replace(files, routers=tuple(map(_placed, files.routers)))


def _placed(router: VirtualRouter) -> VirtualRouter:
    mac = router.virtual_mac
    if mac is None:
        return router
    addresses = tuple(
        replace(item, device=mac.name) if item.device in ("", router.device) else item for item in router.addresses
    )
    return replace(router, addresses=addresses)


def without_secrets(files: RouterFiles) -> RouterFiles:
    """What the core must not hold, as ``secrets.without_secrets``: passwords, and what programs are told."""

    def bare(router: VirtualRouter) -> VirtualRouter:
        return replace(router, password="")

    def script(item: TrackedScript) -> TrackedScript:
        return replace(item, command=item.command[:1])

    def process(item: TrackedProcess) -> TrackedProcess:
        return replace(item, process=item.process[:1])

    return replace(
        files,
        routers=tuple(map(bare, files.routers)),
        scripts=tuple(map(script, files.scripts)),
        processes=tuple(map(process, files.processes)),
        services=None,
    )


def speakers(files: RouterFiles) -> list[tuple[VirtualRouter, str]]:
    """Each virtual router, and by which device it speaks."""
    return [(router, router.advert_device) for router in files.routers]


def way(router: VirtualRouter) -> Way:
    group = "" if router.peers else router.group or GROUPS[router.family]
    return Way(router.advert_device, router.family, group, router.auth == "AH")


def ways(files: RouterFiles) -> tuple[Way, ...]:
    second = (
        Way(router.second_path.device, router.family, "", router.auth == "AH")
        for router in files.routers
        if router.second_path is not None
    )
    return tuple(dict.fromkeys((*map(way, files.routers), *second)))


def source_places(files: RouterFiles) -> tuple[Place, ...]:
    """Of which devices the own address matters; with a virtual MAC, too, it is the one of the device beneath."""
    second = [(each.second_path.device, each.family) for each in files.routers if each.second_path is not None]
    return tuple(dict.fromkeys((*((router.device, router.family) for router in files.routers), *second)))


def parents(files: RouterFiles) -> tuple[str, ...]:
    """Where strangers are heard: never a device of our own making."""
    return tuple(dict.fromkeys(router.device for router in files.routers))


def virtual_addresses(files: RouterFiles) -> frozenset[str]:
    return frozenset(item.address for router in files.routers for item in router.addresses)


def virtual_devices(files: RouterFiles) -> tuple[VirtualDevice, ...]:
    """The devices with virtual MACs, each once: a router of either family may share one with the other."""
    found: dict[str, VirtualDevice] = {}
    for router in files.routers:
        mac = router.virtual_mac
        if mac is not None:
            address = mac.mac or usual_mac(router.vrid, router.family)
            found.setdefault(mac.name, VirtualDevice(mac.name, router.device, address, mac.ipvlan))
    return tuple(found.values())


def watched(files: RouterFiles) -> tuple[str, ...]:
    """The devices whose carriers matter."""
    tracks = [track for router in files.routers for track in router.tracks]
    tracks += [track for group in files.sync_groups for track in group.tracks]
    found = [router.device for router in files.routers]
    found += [track.name for track in tracks if track.kind == "interface"]
    found += [item.device for router in files.routers for item in router.addresses]
    return tuple(dict.fromkeys(found))


def groups(files: RouterFiles) -> tuple[Group, ...]:
    """One for each virtual router: so that the kernel's lease and the batches of addresses are as for any group."""
    return tuple(Group(router.name, _resources(router.addresses)) for router in files.routers)


def _resources(addresses: Iterable[RouterAddress]) -> tuple[AddressResource, ...]:
    return tuple(map(AddressResource.of_router, addresses))


def patience(files: RouterFiles) -> Duration:
    """The shortest time after which any of them is taken for dead: what a late turn is measured by."""
    return min((router.down_adverts * router.interval for router in files.routers), default=3 * SECOND)


def cluster_with(cluster: Cluster, files: RouterFiles) -> Cluster:
    return replace(cluster, groups=groups(files), routers=files)
