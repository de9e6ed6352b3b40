"""The paths that one member's heartbeats take: its own links, and who listens at their other ends."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Cluster, LinkKind


@dataclass(frozen=True, slots=True)
class Path:
    """From ``local`` to ``peer`` over ``network``.

    ``remote`` is the peer's address, or the group of a multicast or broadcast link; then the paths to all peers of that
    network share ``local``, ``remote`` and ``port``, and one datagram serves them all. ``device`` is the sender's own.
    """

    peer: str
    network: str
    kind: LinkKind
    local: str
    remote: str
    port: int
    device: str | None


def paths(cluster: Cluster, me: str) -> tuple[Path, ...]:
    """All paths of member ``me``, by its links in the order of the file, then by peer. Raises KeyError for no member."""
    found: list[Path] = []
    for own in cluster.member(me).links:
        for peer in cluster.members:
            if peer.name == me:
                continue
            for link in peer.links:
                if link.network != own.network:
                    continue
                remote, port = (link.address, link.port) if own.group is None else (own.group, own.port)
                found.append(Path(peer.name, own.network, own.kind, own.address, remote, port, own.device))
    return tuple(found)
