"""Host names in a configuration that somebody has to look up when it matters: a mount's server, a fence device's address.

Understudy itself looks up nothing: links, probes, ping targets and the API are addresses. But ``mount`` and fence agents take
names, and a name server that is away then keeps a group from starting or a machine from being fenced.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ..fence_devices import FenceDevice
from ..model import Cluster, MountResource, OcfResource, Resource
from .mounts import NETWORK_TYPES

_FENCE_WORDS = frozenset({"ip", "ipaddr", "pduip", "vi_server"})
"""Parameters in which fence agents and the old plugins take the address of the device (their metadata)."""

_SHARE = re.compile(r"//(?P<host>[^/]+)/")
_EXPORT = re.compile(r"(?:[^@/:]*@)?(?P<hosts>\[[^\]]+\]|[^/:\[\]]+):")


def looked_up(cluster: Cluster) -> tuple[str, ...]:
    """``nas (data of db)``: each name with where it stands, in the order of the file."""
    found = [
        f"{name} ({item.id} of {group.name})"
        for group in cluster.groups
        for item in group.resources
        for name in _of(item)
    ]
    return tuple(dict.fromkeys([*found, *(text for device in cluster.fences for text in _of_device(device))]))


def _of(resource: Resource) -> Iterator[str]:
    match resource:
        case MountResource():
            yield from _servers(resource.device, resource.type)
        case OcfResource(type="Filesystem", parameters=parameters):
            words = dict(parameters)
            yield from _servers(words.get("device", ""), words.get("fstype", ""))


def _servers(device: str, kind: str) -> Iterator[str]:
    """``nas:/export`` (nfs(5)), ``//nas/share`` (mount.cifs(8)), ``mon1,mon2:/`` (mount.ceph(8)), ``who@host:/`` (sshfs(1))."""
    if kind not in NETWORK_TYPES and kind not in ("fuse.sshfs", "fuse.glusterfs", "fuse.ceph"):
        return
    share, export = _SHARE.match(device), _EXPORT.match(device)
    hosts = share["host"] if share else export["hosts"] if export else ""
    for host in hosts.split(","):
        if _is_name(host):
            yield host


def _of_device(device: FenceDevice) -> Iterator[str]:
    for word, value in device.parameters:
        if word.lower() in _FENCE_WORDS and _is_name(value):
            yield f"{value} ({word} of the fence device {device.name})"


def _is_name(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return text not in ("", "localhost")
    return False
