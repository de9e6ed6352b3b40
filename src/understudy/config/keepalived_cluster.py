"""The ``Cluster`` of a machine that has virtual routers and nothing else: one node, no links, no key, a group for each."""

from __future__ import annotations

import re
from dataclasses import replace

from ..model import AddressResource, Cluster, Group, Member, Quorum, Role
from ..units import MILLISECOND, SECOND
from ..vrrp_files import RouterFiles, VirtualRouter
from .digest import digest

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)


NAME = "vrrp"
"""The same whatever the files say: the kernel's tables have it, and must be found again by whoever comes next."""


def name_of(text: str, otherwise: str) -> str:
    """What may name a member or a cluster, as near to ``text`` as it can be."""
    return _STRANGE.sub("-", text)[:63].lstrip("_.-") or otherwise


def cluster_of(files: RouterFiles, source: str, node: str) -> Cluster:
    """What the kernel's side and the manager must know. ``node``: this machine. The times of the cluster mean nothing here."""
    cluster = Cluster(
        name=NAME,
        key_file="",
        heartbeat=200 * MILLISECOND,
        dead_time=SECOND,
        quorum=Quorum.MAJORITY,
        members=(Member(name_of(node, "localhost"), Role.NODE, ()),),
        groups=router_groups(files),
        source=source,
        routers=replace(files, services=None),
        services=files.services,
    )
    return replace(cluster, digest=digest(cluster))


def named(cluster: Cluster | None, node: str) -> Cluster | None:
    """A machine with virtual routers alone has the name that it is given ("": keeps it); no other machine has to know it."""
    if cluster is None or not node or cluster.routers is None or cluster.key_file or cluster.names == (node,):
        return cluster
    found = replace(cluster, members=(replace(cluster.members[0], name=node),))
    return replace(found, digest=digest(found))


def router_groups(files: RouterFiles) -> tuple[Group, ...]:
    """A group for each virtual router, with all of its addresses. The id is the address, with the device where two have it."""
    everything = [(item.address, item.device) for router in files.routers for item in router.addresses]
    twice = {address for address, _ in everything if sum(1 for other, _ in everything if other == address) > 1}
    return tuple(Group(router.name, _resources(router, twice)) for router in files.routers)


def _resources(router: VirtualRouter, twice: set[str]) -> tuple[AddressResource, ...]:
    return tuple(
        AddressResource.of_router(item, f"{item.address}%{item.device}" if item.address in twice else "")
        for item in router.addresses
    )
