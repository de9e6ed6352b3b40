"""How many files the manager may have open at once, and whether that is enough for what the configuration may ask of it.

Measured with 128 groups: the manager has 11 descriptors open when nothing happens; each program in the foreground holds one (its
pidfd) for as long as it runs, and so does each agent or script while it is being run, with a few more for the moment of its
start. A probe has a connection, or a process and its output. The pulse has a few for each link, whatever the groups are.
"""

from __future__ import annotations

import resource

from ..model import AddressResource, Cluster
from .listener import MOST_CONNECTIONS
from .remote import MOST_CONNECTIONS as MOST_REMOTE

OWN = 24
"""What the manager itself has open, and what it needs for a moment to start something or to write a file."""
EACH_PROBE = 3
EACH_DEVICE = 3


def most_needed(cluster: Cluster, me: str) -> int:
    """With every client that is let in, every program, probe and fence device at one moment."""
    clients = MOST_CONNECTIONS + (MOST_REMOTE if cluster.api is not None and cluster.api.endpoint(me) else 0)
    programs = sum(not isinstance(item, AddressResource) for group in cluster.groups for item in group.resources)
    probes = sum(len(group.probes) for group in cluster.groups)
    return OWN + clients + programs + EACH_PROBE * probes + EACH_DEVICE * len(cluster.fences)


def warnings(cluster: Cluster, me: str) -> tuple[str, ...]:
    """One sentence where the limit of this process (getrlimit(2)) is lower than that."""
    may, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[0], most_needed(cluster, me)
    if may == resource.RLIM_INFINITY or may >= needed:
        return ()
    return (
        f"the manager may have {may} files open and may need {needed} when everything happens at once; then programs are not"
        " started and probes not asked for want of descriptors: give LimitNOFILE=1024 or more (ulimit -n)",
    )
