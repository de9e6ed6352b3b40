"""What the core, and so every recording of it, must not hold of a configuration."""

from __future__ import annotations

from dataclasses import replace

from ..model import (
    Cluster,
    CommandResource,
    MountResource,
    NotifyResource,
    OcfResource,
    Resource,
    ResourceDResource,
    ScriptResource,
)
from ..probes import CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck


def without_secrets(cluster: Cluster) -> Cluster:
    """What the core needs to know of it: which programs and devices there are, not what they are told, and nothing of services.

    So no password can get from the configuration into a recording, a crash file or a core dump of the pulse.
    """

    def bare(resource: Resource) -> Resource:
        match resource:
            case CommandResource():
                return replace(resource, argv=resource.argv[:1], environment=())
            case ScriptResource():
                return replace(resource, arguments=())
            case OcfResource():
                return replace(resource, parameters=())
            case MountResource():
                return replace(resource, options=())
            case NotifyResource():
                return replace(resource, notify=resource.notify[:1])
            case ResourceDResource():
                return replace(resource, arguments=())
            case _:
                return resource

    def asked(probe: Probe) -> Probe:
        match probe.check:
            case HttpCheck(url, host):
                return replace(probe, check=HttpCheck(url.partition("?")[0], host))
            case TcpCheck(address, port):
                return replace(probe, check=TcpCheck(address, port))
            case CommandCheck(argv):
                return replace(probe, check=CommandCheck(argv[:1]))
            case PingCheck():
                return probe

    groups = tuple(
        replace(group, resources=tuple(map(bare, group.resources)), probes=tuple(map(asked, group.probes)))
        for group in cluster.groups
    )
    fences = tuple(replace(device, arguments=(), parameters=()) for device in cluster.fences)
    return replace(cluster, groups=groups, fences=fences, services=None)
