"""Which links reach each other: the networks of a cluster.

Links that name a network belong to it. The others are put together by likeness: of all pairs of links of different members
that could talk to each other, the pair with the longest common prefix is joined first, and no network gets two links of one
member. The result depends only on the file, so every machine finds the same networks under the same names.
"""

from __future__ import annotations

from itertools import combinations

from ..model import Role
from .addresses import common_prefix
from .members import LinkDraft, MemberDraft
from .report import Report


class _Network:
    """Links that belong together, at most one of each member."""

    def __init__(self, order: int, member: MemberDraft, link: LinkDraft) -> None:
        self.order = order
        self.name = link.network
        self.links = [(member, link)]

    def may_join(self, other: _Network) -> bool:
        if self.name is not None and other.name is not None:
            return False
        members = {member.name for member, _ in self.links}
        return not any(member.name in members for member, _ in other.links)

    def join(self, other: _Network) -> None:
        self.name = self.name or other.name
        self.order = min(self.order, other.order)
        self.links += other.links


def find_networks(report: Report, drafts: list[MemberDraft]) -> None:
    """Give every link the name of its network, and report links and members that reach nobody."""
    networks = _named(report, drafts)
    networks = _joined(networks)
    _name(networks)
    for network in networks:
        _check_alike(report, network)
    if all(draft.whole for draft in drafts) and len(drafts) > 1:
        _check_reach(report, drafts, networks)


def _named(report: Report, drafts: list[MemberDraft]) -> list[_Network]:
    """One network for each name in the file, and one for each link without."""
    networks: list[_Network] = []
    by_name: dict[str, _Network] = {}
    order = 0
    for draft in drafts:
        for link in draft.links:
            order += 1
            network = by_name.get(link.network) if link.network is not None else None
            if network is None:
                network = _Network(order, draft, link)
                networks.append(network)
                if link.network is not None:
                    by_name[link.network] = network
                continue
            if any(member is draft for member, _ in network.links):
                text = f"{draft.name} has two links on the network {link.network}"
                report.error(
                    link.place, text, "Name each network once for each machine; separate cables need separate names."
                )
                continue
            network.links.append((draft, link))
    return networks


def _fits(one: LinkDraft, other: LinkDraft) -> bool:
    same_way = one.kind is other.kind and one.group == other.group and one.port == other.port
    return same_way and one.address.version == other.address.version


def _joined(networks: list[_Network]) -> list[_Network]:
    home = {id(link): network for network in networks for _, link in network.links}
    links = [link for network in networks for _, link in network.links]
    likeness = [
        (-common_prefix(one.address, other.address), place, one, other)
        for place, (one, other) in enumerate(combinations(links, 2))
        if _fits(one, other) and not (one.named and other.named)
    ]
    for _, _, one, other in sorted(likeness, key=lambda item: item[:2]):
        first, second = home[id(one)], home[id(other)]
        if first is second or not first.may_join(second):
            continue
        first.join(second)
        for _, link in second.links:
            home[id(link)] = first
    remaining = {id(network): network for network in home.values()}
    return sorted(remaining.values(), key=lambda network: network.order)


def _name(networks: list[_Network]) -> None:
    taken = {network.name for network in networks if network.name is not None}
    number = 0
    for network in networks:
        if network.name is None:
            number += 1
            while f"net{number}" in taken:
                number += 1
            network.name = f"net{number}"
        for _, link in network.links:
            link.network = network.name


def _check_alike(report: Report, network: _Network) -> None:
    """All links of a network that the file names must be able to talk to each other."""
    first_member, first = network.links[0]
    for member, link in network.links[1:]:
        who = f"on the network {network.name}, {first_member.name}"
        if link.address.version != first.address.version:
            text = f"{who} has IPv{first.address.version} and {member.name} IPv{link.address.version}"
            report.error(link.place, text, "Use one address family on one network.")
        elif link.kind is not first.kind or link.group != first.group:
            text = f"{who} sends {_way(first)} and {member.name} {_way(link)}"
            report.error(link.place, text, "All links of a network send the same way.")
        elif link.port != first.port:
            text = f"{who} uses port {first.port} and {member.name} port {link.port}"
            report.error(link.place, text, "Both ends of a path use the same port.")


def _way(link: LinkDraft) -> str:
    return link.kind.value if link.group is None else f"{link.kind.value} to {link.group}"


def _check_reach(report: Report, drafts: list[MemberDraft], networks: list[_Network]) -> None:
    shared: dict[frozenset[str], int] = {}
    for network in networks:
        for (one, _), (other, _) in combinations(network.links, 2):
            pair = frozenset((one.name, other.name))
            shared[pair] = shared.get(pair, 0) + 1
    alone = [draft.name for draft in drafts if not any(draft.name in pair for pair in shared)]
    for draft in drafts:
        if draft.name in alone:
            text = f"no link of {draft.name} reaches another member: their families, ports or ways of sending differ"
            report.error(draft.place, text, "Give it a link on a network of the others.")
    for network in networks:
        member, link = network.links[0]
        if len(network.links) == 1 and member.name not in alone:
            text = f"nothing answers on the link {link.address} of {member.name}: no other member has a link for it"
            report.warning(link.place, text, "Add the others' addresses on that network, or take this link away.")
    for one, other in combinations(drafts, 2):
        if one.name in alone or other.name in alone:
            continue
        paths = shared.get(frozenset((one.name, other.name)), 0)
        if paths == 0:
            text = f"{one.name} and {other.name} share no network and hear of each other only through others"
            report.warning(other.place, text, "Give them a network in common.")
        elif paths == 1 and one.role is Role.NODE and other.role is Role.NODE:
            text = f"a single heartbeat path between {one.name} and {other.name}"
            report.warning(other.place, text, "One broken cable silences it; add a second link on another network.")
