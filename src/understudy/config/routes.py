"""Routes, preferred source addresses and the addresses of real servers in the configuration."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ..model import AddressResource, RealServerResource, RouteResource, SourceAddressResource
from .addresses import Address, Wrong, read_device, read_host
from .parts import Common
from .report import Report, Scope
from .tree import Place

MAIN_TABLE = 254
_TABLE_MOST = 0xFFFFFFFF


def read_route(report: Report, scope: Scope, common: Common) -> RouteResource | None:
    """A resource of the kind ``route``; None after reporting."""
    network = _network(report, scope, "route")
    via, source = _address(report, scope, "via"), _address(report, scope, "source")
    device = _device(report, scope)
    table = scope.integer("table", 1, _TABLE_MOST, MAIN_TABLE)
    metric = scope.integer("metric", 0, _TABLE_MOST, 0) or None
    if "via" not in scope and "device" not in scope:
        scope.missing("via", 'Write via = "192.168.58.1", the next router, or device = "eth0", or both.')
    if network == "default":
        six = (via or source) is not None and (via or source).version == 6  # type: ignore[union-attr]
        network = ip_network("::/0" if six else "0.0.0.0/0")
    for word, address in (("via", via), ("source", source)):
        if (
            isinstance(network, IPv4Network | IPv6Network)
            and address is not None
            and address.version != network.version
        ):
            text = f'"{word}" is {address}, an IPv{address.version} address, but the route leads to {network}'
            report.error(scope.at(word), text, "Both must be of one family.")
    if via is not None and via.is_link_local and device is None:
        report.error(scope.at("via"), f"{via} is on every link", 'Say which one: device = "eth0".')
    if not isinstance(network, IPv4Network | IPv6Network):
        return None
    return RouteResource(
        common.name or f"route {network}",
        str(network),
        None if via is None else str(via),
        device,
        table,
        metric,
        None if source is None else str(source),
        bool(common.exclusive),
        common.limits,
        common.restarts,
    )


def read_source_address(report: Report, scope: Scope, common: Common) -> SourceAddressResource | None:
    """A resource of the kind ``source_address``; None after reporting."""
    address = _address(report, scope, "source_address")
    network = _network(report, scope, "of_route") if "of_route" in scope else "default"
    scope.value("of_route")
    device = _device(report, scope)
    if address is None or network is None:
        return None
    if network == "default":
        network = ip_network("::/0" if address.version == 6 else "0.0.0.0/0")
    if isinstance(network, IPv4Network | IPv6Network) and network.version != address.version:
        text = f"{address} is an IPv{address.version} address, but the route leads to {network}"
        report.error(scope.at("of_route"), text, "Both must be of one family.")
        return None
    return SourceAddressResource(
        common.name or f"source {address}",
        str(address),
        str(network),
        device,
        bool(common.exclusive),
        common.limits,
        common.restarts,
    )


def read_real_server(report: Report, scope: Scope, common: Common) -> RealServerResource | None:
    """A resource of the kind ``realserver``; None after reporting."""
    address = _address(report, scope, "realserver")
    device = _device(report, scope) if "device" in scope else "lo"
    if address is None or device is None:
        return None
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        text = f"{address} is no address that clients of a service could use"
        report.error(scope.at("realserver"), text, "Write the virtual address, which the balancer has.")
        return None
    name = common.name or f"real server {address}"
    return RealServerResource(name, str(address), device, bool(common.exclusive), common.limits, common.restarts)


def _network(report: Report, scope: Scope, word: str) -> IPv4Network | IPv6Network | str | None:
    text = scope.text(word)
    if text is None or text == "default":
        return text
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        hint = 'Write a network such as "10.1.0.0/16", or "default".'
        report.error(scope.at(word), f'"{text}" is not a network', hint)
    else:
        report.error(scope.at(word), f'"{text}" is an address in a network', f'Write "{loose}", the network itself.')
    return None


def _address(report: Report, scope: Scope, word: str) -> Address | None:
    text = scope.text(word)
    if text is None:
        return None
    found = read_host(text)
    if isinstance(found, Wrong):
        report.error(scope.at(word), found.text, found.hint)
        return None
    if found[1] is not None:
        report.error(scope.at(word), f'"{text}" names a device', f'Write device = "{found[1]}" as a word of its own.')
        return None
    return found[0]


def _device(report: Report, scope: Scope) -> str | None:
    text = scope.text("device")
    found = None if text is None else read_device(text)
    if isinstance(found, Wrong):
        report.error(scope.at("device"), found.text, found.hint)
        return None
    return found


def check_sources(report: Report, group: str, resources: list[tuple[object, Place, int]]) -> None:
    """A preferred source must be there before it is preferred: within a group, in a stage after that of its address."""
    virtual = {item.address: stage for item, _, stage in resources if isinstance(item, AddressResource)}
    for resource, place, stage in resources:
        wanted = None
        if isinstance(resource, SourceAddressResource):
            wanted = resource.source_address
            if str(ip_address(wanted)) not in virtual:
                text = f"{wanted} is no address of {group}, so it must be on every machine that runs it"
                report.warning(place, text, f'Put {{ address = "{wanted}/24", device = ... }} before it, if it moves.')
        elif isinstance(resource, RouteResource):
            wanted = resource.source
        if wanted in virtual and virtual[wanted] >= stage:
            text = f"{wanted} is preferred as a source before it is on the machine"
            report.error(place, text, "Put this behind the address: resources start in the order of the list.")
