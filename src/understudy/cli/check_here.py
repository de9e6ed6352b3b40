"""What this very machine lacks for the part that a configuration gives it: devices, programs, agents, kernel.

Looks and changes nothing. Everything here is a warning: a device may come later, a mount may bring the program.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
from collections.abc import Iterator

from ..adapters import fence_program
from ..adapters.address_lifetime import too_coarse
from ..adapters.agent_catalogue import package_of
from ..adapters.agent_ocf import SEARCH_PATH, agent_path
from ..adapters.agent_script import SCRIPT_DIRECTORIES, script_path
from ..adapters.forwarding import not_forwarded
from ..adapters.installed import UNIT_DIRECTORIES, is_program
from ..adapters.kernel_lease_setup import available
from ..adapters.mount_table import device_path
from ..fence_devices import FenceDevice
from ..model import (
    AddressResource,
    Cluster,
    CommandResource,
    Link,
    LsbResource,
    MountResource,
    NotifyResource,
    OcfResource,
    RealServerResource,
    Resource,
    ResourceDResource,
    Role,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
)
from ..probes import CommandCheck, HttpCheck, Probe


def look_here(cluster: Cluster, me: str) -> tuple[str, ...]:
    """Sentences about what member ``me`` would miss on this machine; () when nothing is. Raises KeyError for no member."""
    member = cluster.member(me)
    if cluster.routers is not None and not cluster.key_file:
        from .check_routers import look_here as look_for_routers

        return tuple(dict.fromkeys((*look_for_routers(cluster.routers), *_balanced(cluster), *_kernel(cluster))))
    found = [sentence for link in member.links for sentence in _link(link)]
    if member.role is Role.NODE:
        for group in cluster.groups:
            found += [f"{group.name}: {text}" for resource in group.resources for text in _resource(resource)]
            found += [f"{group.name}: {text}" for probe in group.probes for text in _probe(probe)]
        if cluster.routers is not None:
            from .check_routers import look_here as look_for_routers

            found += look_for_routers(cluster.routers)
        found += _balanced(cluster)
        found += _kernel(cluster)
        for device in cluster.fences:
            found += _fence(device)
        found += _watchdog(member.watchdog)
    return tuple(dict.fromkeys(found))


def _balanced(cluster: Cluster) -> list[str]:
    from ..adapters.other_daemon import beside_balancer
    from .check_ldirectord import NOT_BESIDE

    if cluster.services is None:
        return []
    other = beside_balancer()
    return [*([f"{other}. {NOT_BESIDE}"] if other else []), *not_forwarded(cluster.services)]


def own_name(cluster: Cluster) -> str | None:
    """The member that this machine is by its host name, with or without the domain; None when it is none."""
    host = socket.gethostname()
    return next((name for name in (host, host.partition(".")[0]) if name in cluster.names), None)


def _link(link: Link) -> Iterator[str]:
    if link.device is not None and not _has_device(link.device):
        yield f"there is no network interface {link.device} for the link {link.address}"
        return
    family = socket.AF_INET6 if ":" in link.address else socket.AF_INET
    scope = socket.if_nametoindex(link.device) if link.device is not None else 0
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((link.address, 0, 0, scope) if family == socket.AF_INET6 else (link.address, 0))
    except OSError as error:
        yield f"this machine cannot use its link address {link.address} now: {error.strerror}"


def _has_device(device: str) -> bool:
    return device in {name for _, name in socket.if_nameindex()}


def _resource(resource: Resource) -> Iterator[str]:
    match resource:
        case AddressResource():
            if not _has_device(resource.device):
                yield f"there is no network interface {resource.device} for {resource.address}"
        case ScriptResource():
            yield from _executable(resource.path, resource.id)
        case NotifyResource():
            yield from _executable(resource.notify[0], resource.id)
        case LsbResource():
            yield from _executable(resource.init_script, resource.id)
        case ResourceDResource():
            if script_path(resource.resource_script) is None:
                where = "" if "/" in resource.resource_script else f" in {' or '.join(SCRIPT_DIRECTORIES)}"
                yield f"there is no executable {resource.resource_script}{where} ({resource.id})"
        case OcfResource():
            if not is_program(agent_path(resource)):
                package = package_of(resource.provider, resource.type)
                where = f"; Debian's package {package} has it" if package else ""
                yield f"the agent {agent_path(resource)} is not installed ({resource.id}){where}"
        case MountResource():
            yield from _mount(resource)
        case RouteResource():
            if resource.device is not None and not _has_device(resource.device):
                yield f"there is no network interface {resource.device} ({resource.id})"
        case SourceAddressResource():
            if resource.route_device is not None and not _has_device(resource.route_device):
                yield f"there is no network interface {resource.route_device} ({resource.id})"
        case RealServerResource():
            if not _has_device(resource.device):
                yield f"there is no network interface {resource.device} ({resource.id})"
        case SystemdResource():
            yield from lacking_unit(resource)
        case CommandResource():
            yield from _command(resource)


def _executable(path: str, name: str) -> Iterator[str]:
    if not os.access(path, os.X_OK):
        yield f"{path} is not there or not executable ({name})"


def _mount(resource: MountResource) -> Iterator[str]:
    helper = shutil.which(f"mount.{resource.type}", path=SEARCH_PATH)
    if shutil.which("mount", path=SEARCH_PATH) is None:
        yield f"the program mount is missing ({resource.id})"
    elif helper is None and resource.type in ("nfs", "nfs4", "cifs", "glusterfs", "ceph"):
        yield f"the program mount.{resource.type} is missing ({resource.id})"
    if not os.path.isdir(resource.directory):
        yield f"there is no directory {resource.directory} ({resource.id})"
    device = device_path(resource.device)
    if device.startswith("/") and not device.startswith("//") and not os.path.exists(device):
        yield f"there is no {device} now ({resource.id})"
    if any(mounts_at_boot(line, resource.directory) for line in _lines("/etc/fstab")):
        yield (
            f"/etc/fstab mounts {resource.directory} at boot, on every machine at once: "
            f"write noauto there, or take the line away ({resource.id})"
        )


def lacking_unit(resource: SystemdResource, root: str = "/") -> Iterator[str]:
    """From the files alone: systemd is not asked, which may be another machine's affair."""
    name, _, suffix = resource.unit.rpartition(".")
    template = f"{name.partition('@')[0]}@.{suffix}" if "@" in name else resource.unit
    names = (resource.unit, template)
    places = [os.path.join(root, place) for place in UNIT_DIRECTORIES]
    if not any(os.path.lexists(os.path.join(place, item)) for place in places for item in names):
        yield f"there is no file of the unit {resource.unit} ({resource.id})"
    if any(glob.glob(os.path.join(glob.escape(place), "*.wants", glob.escape(resource.unit))) for place in places):
        yield (
            f"{resource.unit} is enabled, so systemd starts it at boot, on every machine at once: "
            f"systemctl disable {resource.unit} ({resource.id})"
        )


def mounts_at_boot(line: str, directory: str) -> bool:
    """Whether a line of fstab(5) does."""
    fields = line.split()
    return (
        len(fields) >= 4
        and not fields[0].startswith("#")
        and fields[1].rstrip("/") == directory
        and "noauto" not in fields[3].split(",")
    )


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _command(resource: CommandResource) -> Iterator[str]:
    program = resource.argv[0]
    if "/" in program:
        path = os.path.join(resource.directory, program)
        missing = not os.access(path, os.X_OK)
    else:
        missing = shutil.which(program, path=SEARCH_PATH) is None
    if missing:
        yield f"{program} is not there or not executable ({resource.id})"
    if not os.path.isdir(resource.directory):
        yield f"there is no directory {resource.directory} ({resource.id})"
    if resource.user is not None:
        try:
            pwd.getpwnam(resource.user)
        except KeyError:
            yield f"there is no user {resource.user} ({resource.id})"


def _probe(probe: Probe) -> Iterator[str]:
    if isinstance(probe.check, CommandCheck) and not is_program(probe.check.argv[0]):
        yield f"{probe.check.argv[0]} is not there or not executable (probe {probe.name})"
    if isinstance(probe.check, HttpCheck) and probe.check.ca and not os.access(probe.check.ca, os.R_OK):
        yield f"{probe.check.ca} is not there or cannot be read (probe {probe.name})"


def _fence(device: FenceDevice) -> Iterator[str]:
    """Whether a device's program is here; what it says of the parameters in the file is for ``check_agents``."""
    if fence_program.program_path(device) is None:
        yield f"{fence_program.missing(device)} ({device.name})"


def _watchdog(device: str) -> Iterator[str]:
    if device and not os.path.exists(device):
        yield f"there is no watchdog device {device}: modprobe softdog makes one, where the hardware has none"


def _kernel(cluster: Cluster) -> Iterator[str]:
    """Only root may ask the kernel for nftables, even to look."""
    if os.geteuid() != 0 or not any(group.addresses for group in cluster.groups):
        return
    reason = available(cluster)
    if reason is None:
        return
    yield f"the kernel cannot hold the leases of addresses by nftables: {reason}"
    coarse = too_coarse(cluster)
    if coarse is not None:
        yield coarse
