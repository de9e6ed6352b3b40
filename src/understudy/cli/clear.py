"""``understudy clear``: what a daemon that is dead left in the kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from .options import runtime_dir_option

if TYPE_CHECKING:
    from ..model import Cluster
    from ..vrrp_files import RouterFiles


@click.command()
@runtime_dir_option
def command(runtime_dir: str) -> None:
    """Take away what a dead daemon left in this machine's kernel.

    A daemon that was killed leaves its virtual addresses on their devices, and the nftables tables of its leases, which drop
    whatever is sent to these addresses. Its next start takes both up again; whoever is to serve the addresses in its place, such
    as keepalived, or a person with "ip addr add", meets those tables. This removes the addresses, the routes, rules and devices
    with virtual MACs that came with them, and then the tables. Programs of groups are left alone. After a clean stop there is
    nothing to do, and that is no error.

    Nothing is done while a daemon lives here: it would put them back. Stop it first.

    \b
    Exit codes: 0 nothing is left, 1 something could not be removed, 4 a daemon lives here.

    \b
    Example:
      systemctl disable --now understudy-keepalived; understudy clear; systemctl enable --now keepalived
    """
    from ..adapters import running
    from ..adapters.own_unit import own_unit
    from ..config.load import examine
    from ..errors import Refused

    if running.is_in_use(runtime_dir):
        raise Refused("a daemon lives here", f"stop it first: systemctl stop {own_unit(runtime_dir)}")
    wrong: list[str] = []
    for path in (running.former(runtime_dir), running.configuration(runtime_dir)):
        if not os.path.exists(path):
            continue
        cluster, problems = examine(path, with_api_files=False)
        if cluster is None:
            wrong += [str(problem) for problem in problems if problem.severity == "error"]
        else:
            wrong += take_away(cluster)
    for text in dict.fromkeys(wrong):
        click.echo(f"understudy: {text}", err=True)
    if wrong:
        raise SystemExit(1)


def take_away(cluster: Cluster) -> list[str]:
    """Addresses first: without their tables they would be served again. Returns what went wrong, in sentences."""
    from dataclasses import replace

    from ..adapters import kernel_lease_setup, router_filter
    from ..adapters.addresses import AddressBook
    from ..pulse import vrrp_places

    if cluster.routers is not None:
        files = vrrp_places.placed(cluster.routers)
        others = tuple(group for group in cluster.groups if group.name not in {each.name for each in files.routers})
        cluster = replace(cluster, routers=files, groups=others + vrrp_places.groups(files))
        _take_routes(files)
    addresses = [item for group in cluster.groups for item in group.addresses]
    book = AddressBook(addresses)
    wrong = [text for _, text in book.remove(addresses) if text]
    book.close()
    if wrong:
        return wrong
    if cluster.routers is not None:
        _take_devices(cluster.routers)
    refusals = kernel_lease_setup.teardown(cluster), router_filter.teardown(cluster)
    return [refusal for refusal in refusals if refusal is not None]


def _take_routes(files: RouterFiles) -> None:
    """What is not there is no trouble, and what is not understood was never put there."""
    from ..adapters.router_routes import Extra, RouterRoutes, understood

    words = [(item, router.family, False) for router in files.routers for item in router.routes]
    words += [(item, router.family, True) for router in files.routers for item in router.rules]
    routes = RouterRoutes()
    routes.take([found for item in words if isinstance(found := understood(*item), Extra)])
    routes.close()


def _take_devices(files: RouterFiles) -> None:
    from ..adapters.virtual_mac import VirtualDevices
    from ..pulse import vrrp_places

    devices = VirtualDevices()
    devices.take_away(vrrp_places.virtual_devices(files))
    devices.close()
