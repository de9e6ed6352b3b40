"""The runner of each kind of resource that has one of its own; loaded only when the configuration has such a resource."""

from __future__ import annotations

from collections.abc import Callable

from ..model import (
    LsbResource,
    MountResource,
    NotifyResource,
    Program,
    RealServerResource,
    ResourceDResource,
    RouteResource,
    SourceAddressResource,
    SystemdResource,
)
from .agent_workbench import Runner, Workbench


def make_runner(resource: Program, bench: Workbench, died: Callable[[str], None]) -> Runner | None:
    """None for the kinds that ``Agents`` runs itself. ``died``: called with a sentence when it ends outside any action."""
    match resource:
        case MountResource():
            from .agent_mount import MountRunner

            return MountRunner(resource, bench)
        case LsbResource():
            from .agent_script import LsbRunner

            return LsbRunner(resource, bench)
        case ResourceDResource():
            from .agent_script import ResourceDRunner

            return ResourceDRunner(resource, bench)
        case SystemdResource():
            from .agent_systemd import SystemdRunner

            return SystemdRunner(resource, died)
        case RouteResource():
            from .agent_route import RouteRunner

            return RouteRunner(resource)
        case SourceAddressResource():
            from .agent_route import SourceAddressRunner

            return SourceAddressRunner(resource, bench.note)
        case NotifyResource():
            from .agent_notify import NotifyRunner

            return NotifyRunner(resource, bench)
        case RealServerResource():
            from .agent_real_server import RealServerRunner

            return RealServerRunner(resource, bench.note)
        case _:
            return None
