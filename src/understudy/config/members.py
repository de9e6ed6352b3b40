"""Nodes, witnesses and their links, from the tree to drafts that still know where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address

from ..model import Link, LinkKind, Member, Role
from .addresses import NAME_RULE, Address, Wrong, is_name, read_device, read_group, read_host
from .report import Report, Scope
from .tree import Array, Place, Table, Value

MOST_MEMBERS = 15
MOST_CAPACITY = 1_000_000
"""More voters make a cluster slower and no safer; it also bounds the size of a heartbeat."""

_LATER = {
    "fence": 'Fence devices have sections of their own: write [fence.NAME] with nodes = ["ha01"].',
    "weight": "Every member has one vote. What a node may carry is its capacity; groups have weights.",
}


@dataclass(slots=True)
class LinkDraft:
    """A link before its network has a name."""

    place: Place
    address: Address
    kind: LinkKind
    group: Address | None
    device: str | None
    port: int
    network: str | None
    named: bool
    """Whether the file names the network, or pairing has to find it."""

    def finished(self) -> Link:
        group = None if self.group is None else str(self.group)
        return Link(self.network or "", str(self.address), self.kind, group, self.device, self.port)


@dataclass(slots=True)
class MemberDraft:
    """``whole`` is False when some link was bad, so that nothing is concluded from the links that are missing."""

    name: str
    role: Role
    place: Place
    links: list[LinkDraft] = field(default_factory=list)
    whole: bool = True
    watchdog: str | None = None
    """The path of its own watchdog device, "" for none, None for that of [watchdog]."""

    capacity: int | None = None

    def finished(self, watchdog: str = "") -> Member:
        """``watchdog``: the device of [watchdog], "" without that section."""
        device = watchdog if self.watchdog is None else self.watchdog
        on = device if watchdog and self.role is Role.NODE else ""
        return Member(self.name, self.role, tuple(link.finished() for link in self.links), on, self.capacity)


def read_members(report: Report, top: Scope, port: int) -> list[MemberDraft]:
    """All of [nodes.*] and [witness.*], nodes first, each in the order of the file."""
    drafts: list[MemberDraft] = []
    for word, role in (("nodes", Role.NODE), ("witness", Role.WITNESS)):
        for name, table, place, value_place in top.tables(word):
            draft = _member(report, table, (word, name), role, (place, value_place), port)
            if any(other.name == name for other in drafts):
                text = f'"{name}" is both a node and a witness'
                report.error(place, text, "A node votes as well; a witness is another machine, which runs nothing.")
                continue
            drafts.append(draft)
    if len(drafts) > MOST_MEMBERS:
        text = f"{len(drafts)} nodes and witnesses are more than the {MOST_MEMBERS} of this version"
        report.error(drafts[MOST_MEMBERS].place, text, "Three or five votes are plenty.")
    _check_addresses(report, drafts)
    return drafts


def _member(
    report: Report, table: Table, path: tuple[str, str], role: Role, places: tuple[Place, Place], port: int
) -> MemberDraft:
    word, name = path
    draft = MemberDraft(name, role, places[0])
    if not is_name(name):
        report.error(places[0], f'"{name}" cannot name a machine', NAME_RULE)
    scope = Scope(report, table, f"[{word}.{name}]", places[1])
    value = scope.value("links")
    if value is None:
        scope.missing("links", f'Write links = ["ADDRESS"], the addresses of {name} that heartbeats use.')
        draft.whole = False
    elif not isinstance(value.data, Array):
        scope.wrong("links", "a list of addresses", value, 'Write it in brackets, as in links = ["192.168.107.101"].')
        draft.whole = False
    elif not value.data.items:
        text = f"{name} has no links, so no heartbeat can reach it"
        report.error(value.place, text, "List at least one address of the machine; two on separate cables are better.")
        draft.whole = False
    else:
        for item in value.data.items:
            link = _link(report, item, scope.name, port)
            if link is None:
                draft.whole = False
            else:
                draft.links.append(link)
    if role is Role.NODE:
        draft.watchdog = _watchdog(report, scope)
        draft.capacity = scope.integer("capacity", 0, MOST_CAPACITY, None)
    scope.finish(later=_LATER)
    return draft


def _watchdog(report: Report, scope: Scope) -> str | None:
    value = scope.value("watchdog")
    if value is None:
        return None
    if value.data is False:
        return ""
    if not isinstance(value.data, str) or not value.data.startswith("/"):
        hint = 'Write watchdog = "/dev/watchdog1", or watchdog = false for a machine without one.'
        report.error(value.place, '"watchdog" must be the path of a device, or false', hint)
        return None
    return value.data


def _link(report: Report, item: Value, owner: str, port: int) -> LinkDraft | None:
    if isinstance(item.data, str):
        found = read_host(item.data)
        if isinstance(found, Wrong):
            report.error(item.place, found.text, found.hint)
            return None
        return _usable(report, LinkDraft(item.place, found[0], LinkKind.UNICAST, None, found[1], port, None, False))
    if not isinstance(item.data, Table):
        text = f'"links" of {owner} lists addresses or tables, not {item.kind}'
        report.error(item.place, text, 'Write "192.168.107.101" or { address = "192.168.107.101", network = "heart" }.')
        return None
    scope = Scope(report, item.data, f"a link of {owner}", item.place)
    before = len(report.problems)
    draft = _link_table(report, scope, port)
    scope.finish()
    if draft is None or len(report.problems) > before:
        return None
    return _usable(report, draft)


def _link_table(report: Report, scope: Scope, port: int) -> LinkDraft | None:
    text = scope.text("address")
    if text is None and "address" not in scope:
        scope.missing("address", 'Write address = "...", the machine\'s own address on this network.')
    host = None if text is None else read_host(text)
    if isinstance(host, Wrong):
        report.error(scope.at("address"), host.text, host.hint)
        host = None
    network = scope.text("network")
    if network is not None and not is_name(network):
        report.error(scope.at("network"), f'"{network}" cannot name a network', NAME_RULE)
    port = scope.integer("port", 1, 65535, port)
    group, kind, group_device = _group(report, scope)
    device = _device(report, scope, (host[1] if host else None, group_device))
    if host is None:
        return None
    address = host[0]
    if group is not None and group.version != address.version:
        word = kind.value
        text = f"the {word} address is IPv{group.version}, but the link's own address is IPv{address.version}"
        report.error(scope.at(word), text, "Use the same family for both.")
        return None
    return LinkDraft(scope.place, address, kind, group, device, port, network, network is not None)


def _group(report: Report, scope: Scope) -> tuple[Address | None, LinkKind, str | None]:
    multicast, broadcast = scope.text("multicast"), scope.text("broadcast")
    if "multicast" in scope and "broadcast" in scope:
        report.error(
            scope.at("broadcast"), "a link is either multicast or broadcast, not both", "Take one of them away."
        )
        return None, LinkKind.MULTICAST, None
    if multicast is not None:
        group = read_group(multicast)
        if isinstance(group, Wrong):
            report.error(scope.at("multicast"), group.text, group.hint)
            return None, LinkKind.MULTICAST, None
        return group[0], LinkKind.MULTICAST, group[1]
    if broadcast is not None:
        try:
            address = ip_address(broadcast)
        except ValueError:
            address = None
        if not isinstance(address, IPv4Address) or address.is_multicast or address.is_unspecified:
            hint = "Write the last address of the network, as in 192.168.107.255; IPv6 has multicast instead."
            report.error(scope.at("broadcast"), f'"{broadcast}" is not an IPv4 broadcast address', hint)
            return None, LinkKind.BROADCAST, None
        return address, LinkKind.BROADCAST, None
    return None, LinkKind.UNICAST, None


def _device(report: Report, scope: Scope, given: tuple[str | None, str | None]) -> str | None:
    """The device, from the word ``device`` or from behind a ``%``; they must agree."""
    text = scope.text("device")
    names = [name for name in given if name is not None]
    if text is not None:
        device = read_device(text)
        if isinstance(device, Wrong):
            report.error(scope.at("device"), device.text, device.hint)
            return None
        names.append(device)
    if len(set(names)) > 1:
        report.error(scope.place, f"this link names two devices: {' and '.join(sorted(set(names)))}", "Keep one.")
    return names[0] if names else None


def _usable(report: Report, draft: LinkDraft) -> LinkDraft | None:
    """A link whose parts are each fine may still lack the device that its kind needs."""
    if draft.device is None and draft.address.version == 6:
        if draft.address.is_link_local:
            text = f"{draft.address} exists on every interface, so the link must name its device"
            report.error(draft.place, text, f'Write "{draft.address}%eth1", with the right interface.')
            return None
        if draft.group is not None:
            text = f"an IPv6 multicast link must name its device ({draft.group})"
            report.error(draft.place, text, 'Add device = "eth1", with the right interface.')
            return None
    return draft


def _check_addresses(report: Report, drafts: list[MemberDraft]) -> None:
    """No address twice, in one member or in two."""
    owners: dict[tuple[Address, str | None], MemberDraft] = {}
    for draft in drafts:
        for link in draft.links:
            scope = link.device if link.address.version == 6 and link.address.is_link_local else None
            owner = owners.setdefault((link.address, scope), draft)
            if owner is draft:
                continue
            draft.whole = False
            text = f"{link.address} is a link of both {owner.name} and {draft.name}"
            report.error(link.place, text, "Give each machine an address of its own.")
        seen: set[tuple[Address, str | None]] = set()
        for link in draft.links:
            scope = link.device if link.address.version == 6 and link.address.is_link_local else None
            if (link.address, scope) in seen:
                draft.whole = False
                text = f"{draft.name} lists {link.address} twice"
                report.error(link.place, text, "One link for each address; two links need two addresses.")
            seen.add((link.address, scope))
