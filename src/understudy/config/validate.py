"""From the tree to a ``Cluster``, or all problems at once. The only judge of a configuration, whatever it was written in.

Pure: it opens no files, so the key file is judged in ``load``. Warnings never refuse a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import Problem
from ..model import AddressResource, Cluster, Group, Quorum, Role
from ..units import MILLISECOND, MINUTE, SECOND, Duration, format_duration
from .addresses import NAME_RULE, is_name
from .api import ApiDraft, read_api
from .digest import digest
from .fences import DEFAULT_DELAY, check_fences, check_watchdog, check_wishes, read_fences, read_watchdog
from .groups import GroupDraft, read_groups, stop_time
from .members import MemberDraft, read_members
from .pairing import find_networks
from .reach import read_addresses
from .report import Report, Scope, suggestion
from .router_tables import SERVICE_TABLES, TABLES
from .toml import parse
from .tree import WHOLE_FILE, Place, Table

if TYPE_CHECKING:
    from ..services import ServiceFiles
    from ..vrrp_files import RouterFiles
    from .routers import Routers

DEFAULT_DEAD_TIME: Duration = SECOND
CLEAN_STOP: Duration = 300 * SECOND
"""How long ``understudy run`` takes for a clean stop unless it is told otherwise (``--stop-limit``)."""

DEFAULT_PORT = 5694
SHORTEST_DEAD_TIME: Duration = 20 * MILLISECOND
"""Below this the machine's own scheduling delays (16 to 23 ms were seen at real-time priority) look like dead machines."""
SHORTEST_HEARTBEAT: Duration = 2 * MILLISECOND
LONGEST_DEAD_TIME: Duration = 10 * MINUTE
REAL_TIME_BELOW: Duration = 100 * MILLISECOND
"""Ordinary processes on a busy machine were seen to run 65 to 113 ms late."""

_LATER = {
    "fencing": "Write [fence.NAME] for each fence device.",
    "vrrp": "Write [virtual_routers.NAME] for each virtual router.",
    "virtual_router": "Write [virtual_routers.NAME] for each virtual router.",
    "virtual_servers": "Write [services.NAME] for each service.",
}
_OF_CLUSTERS = ("cluster", "nodes", "witness", "groups", "fence", "watchdog", "api")
"""Sections without which a file with virtual routers or services stands for itself."""

_LATER_QUORUM = {
    "etcd": 'Until then use three machines or a witness (quorum = "majority").',
}
_GROUP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a text. ``cluster`` is None when any problem is an error.

    ``key_file`` and where it stands are known even then, so that a bad key file is told along with everything else.
    """

    cluster: Cluster | None
    problems: tuple[Problem, ...]
    key_file: str = ""
    key_place: Place = WHOLE_FILE
    api: ApiDraft = field(default_factory=ApiDraft)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The section [cluster]; unusable values are replaced by defaults after they were reported."""

    name: str = ""
    key_file: str = ""
    heartbeat: Duration = DEFAULT_DEAD_TIME // 5
    dead_time: Duration = DEFAULT_DEAD_TIME
    quorum: Quorum | None = Quorum.MAJORITY
    port: int = DEFAULT_PORT
    ping: tuple[tuple[str, Place], ...] = ()
    admin_group: str | None = None
    fence_delay: Duration = DEFAULT_DELAY
    init_dead_time: Duration = 0
    place: Place = WHOLE_FILE
    dead_time_place: Place = WHOLE_FILE
    quorum_place: Place = WHOLE_FILE
    key_place: Place = WHOLE_FILE


def read(text: str, file: str, source: str = "", host: str = "localhost") -> Reading:
    """Read native text. Never raises for any text. ``source`` is put into the Cluster as the file's own path.

    ``host``: this machine, where a file has virtual routers only and does not name it.
    """
    tree = parse(text, file)
    if isinstance(tree, Problem):
        return Reading(None, (tree,))
    return validate(tree, file, source, host)


def validate(tree: Table, file: str, source: str = "", host: str = "localhost") -> Reading:
    """Judge a tree. Problems are in the order of the file, those of the whole file last."""
    report = Report(file)
    top = Scope(report, tree, "the file", WHOLE_FILE)
    routers = _routers(report, top)
    if routers is not None and not any(word in top for word in _OF_CLUSTERS):
        return _alone(report, top, routers, source, host)
    settings = _cluster(report, top)
    watchdog = read_watchdog(report, top)
    members = read_members(report, top, settings.port)
    find_networks(report, members)
    groups = read_groups(report, top, members)
    fences = read_fences(report, top, members)
    api = read_api(report, top, members)
    services = _services(report, top, [draft.group for draft in groups], None if routers is None else routers.files)
    top.finish(later=_LATER)
    files, router_groups = _leased(report, routers, members, [draft.group.name for draft in groups])
    check_watchdog(report, watchdog, settings.dead_time, members, [draft.group for draft in groups])
    check_fences(report, fences, members, settings.quorum_place if settings.quorum is Quorum.FENCE else None)
    check_wishes(report, fences, bool(watchdog.timeout), [(draft.place, draft.group) for draft in groups])
    _check_quorum(report, settings, members, groups)
    _check_ping(report, settings, members, groups)
    _check_groups(report, members, groups, bool(router_groups))
    if report.refused or settings.quorum is None:
        return Reading(None, report.in_order(), settings.key_file, settings.key_place, api)
    cluster = Cluster(
        name=settings.name,
        key_file=settings.key_file,
        heartbeat=settings.heartbeat,
        dead_time=settings.dead_time,
        quorum=settings.quorum,
        members=tuple(member.finished(watchdog.device) for member in members),
        groups=(*(draft.group for draft in groups), *router_groups),
        ping=tuple(address for address, _ in settings.ping),
        source=source,
        admin_group=settings.admin_group,
        fences=tuple(draft.device for draft in fences),
        fence_delay=settings.fence_delay,
        watchdog_timeout=watchdog.timeout,
        api=api.api,
        init_dead_time=settings.init_dead_time,
        routers=files,
        services=services,
    )
    whole = replace(cluster, digest=digest(cluster))
    return Reading(whole, report.in_order(), settings.key_file, settings.key_place, api)


def _routers(report: Report, top: Scope) -> Routers | None:
    """None when the file has none. A pulse that has to be back at once loads nothing that its file does not need.

    A file with services alone is one of a machine that has virtual routers alone, none of them.
    """
    alone = any(word in top for word in SERVICE_TABLES) and not any(word in top for word in _OF_CLUSTERS)
    if not alone and not any(word in top for word in TABLES):
        for word in TABLES:
            top.value(word)
        return None
    from .routers import read_routers

    return read_routers(report, top)


def _alone(report: Report, top: Scope, routers: Routers, source: str, host: str) -> Reading:
    """A file with virtual routers and nothing else: this one node, no key."""
    from .keepalived_cluster import cluster_of

    services = _services(report, top, [], routers.files)
    top.finish(later=_LATER)
    for router in routers.files.routers:
        if router.lease_group or router.priorities:
            word = "lease_group" if router.lease_group else "priority"
            text = f"the {word} of {router.name} is for the nodes of a cluster, and this file has none"
            report.error(routers.place, text, "Write [cluster] and [nodes.NAME], or take it away.")
    files = replace(routers.files, services=services)
    cluster = None if report.refused else cluster_of(files, source, routers.node or host)
    return Reading(cluster, report.in_order())


def _services(report: Report, top: Scope, groups: list[Group], routers: RouterFiles | None) -> ServiceFiles | None:
    """None when the file has none, and then nothing of it is loaded."""
    if not any(word in top for word in SERVICE_TABLES):
        for word in SERVICE_TABLES:
            top.value(word)
        return None
    from .services import read_services

    found = () if routers is None else routers.routers
    owners = {item.address: group.name for group in groups for item in group.addresses}
    owners |= {item.address: router.name for router in found for item in router.addresses}
    names = [*(group.name for group in groups), *(router.name for router in found)]
    return read_services(report, top, owners, names)


def _leased(
    report: Report, routers: Routers | None, members: list[MemberDraft], taken: list[str]
) -> tuple[RouterFiles | None, tuple[Group, ...]]:
    """The virtual routers of a cluster, and the groups that are there for them alone."""
    if routers is None:
        return None, ()
    from .router_leases import leased

    return leased(report, routers, tuple(member.name for member in members if member.role is Role.NODE), taken)


# -- [cluster] --------------------------------------------------------------------------------------------------------


def _cluster(report: Report, top: Scope) -> _Settings:
    value = top.value("cluster")
    if value is None:
        report.error(
            WHOLE_FILE,
            "there is no [cluster] section",
            'Begin the file with [cluster], name = "..." and key_file = "...".',
        )
        return _Settings()
    if not isinstance(value.data, Table):
        top.wrong("cluster", "a section", value, "Write [cluster], with its settings below.")
        return _Settings()
    scope = Scope(report, value.data, "[cluster]", value.place)
    name = scope.text("name")
    if name is None and "name" not in scope:
        scope.missing("name", 'Write name = "site": clusters on one network are told apart by it.')
    elif name is not None and not is_name(name):
        report.error(scope.at("name"), f'"{name}" cannot name a cluster', NAME_RULE)
    key_file = scope.text("key_file")
    if key_file is None and "key_file" not in scope:
        scope.missing(
            "key_file", 'Write key_file = "cluster.key", and make the file with `understudy keygen cluster.key`.'
        )
    heartbeat, dead_time = _times(report, scope)
    admin_group = scope.text("admin_group")
    if admin_group is not None and not _GROUP_NAME.fullmatch(admin_group):
        report.error(
            scope.at("admin_group"), f'"{admin_group}" cannot name a Unix group', "Write a name as in /etc/group."
        )
    fence_delay = scope.duration("fence_delay", 0, MINUTE)
    settings = _Settings(
        name=name or "",
        key_file=key_file or "",
        heartbeat=heartbeat,
        dead_time=dead_time,
        quorum=_quorum(report, scope),
        port=scope.integer("port", 1, 65535, DEFAULT_PORT),
        ping=read_addresses(report, scope),
        admin_group=admin_group,
        fence_delay=DEFAULT_DELAY if fence_delay is None else fence_delay,
        init_dead_time=scope.duration("init_dead_time", 0, LONGEST_DEAD_TIME) or 0,
        place=scope.place,
        dead_time_place=scope.at("dead_time"),
        quorum_place=scope.at("quorum"),
        key_place=scope.at("key_file"),
    )
    scope.finish(later=_LATER)
    return settings


def _times(report: Report, scope: Scope) -> tuple[Duration, Duration]:
    """heartbeat and dead time. Without a heartbeat it is a fifth of the dead time."""
    problems = len(report.problems)
    dead_time = scope.duration("dead_time", 0, LONGEST_DEAD_TIME)
    if dead_time is not None and dead_time < SHORTEST_DEAD_TIME:
        text = (
            f'"dead_time" is {format_duration(dead_time)}, below the shortest of {format_duration(SHORTEST_DEAD_TIME)}'
        )
        report.error(
            scope.at("dead_time"), text, "A healthy machine is that late now and then, and would be taken for dead."
        )
    heartbeat = scope.duration("heartbeat", 0, LONGEST_DEAD_TIME)
    if heartbeat is not None and heartbeat < SHORTEST_HEARTBEAT:
        text = (
            f'"heartbeat" is {format_duration(heartbeat)}, below the shortest of {format_duration(SHORTEST_HEARTBEAT)}'
        )
        report.error(scope.at("heartbeat"), text, "More packets would not help: the dead time cannot be below 20ms.")
    sure_dead_time = DEFAULT_DEAD_TIME if dead_time is None else dead_time
    sure_heartbeat = sure_dead_time // 5 if heartbeat is None else heartbeat
    if len(report.problems) > problems:
        return DEFAULT_DEAD_TIME // 5, DEFAULT_DEAD_TIME
    if sure_dead_time < 3 * sure_heartbeat:
        default = "" if "dead_time" in scope else " (the default)"
        text = (
            f"dead_time is {format_duration(sure_dead_time)}{default}, "
            f"less than 3 heartbeats of {format_duration(sure_heartbeat)}"
        )
        hint = (
            "One lost or late packet would already make a healthy machine look dead: "
            f'write dead_time = "{format_duration(3 * sure_heartbeat)}" or more, or shorten heartbeat.'
        )
        report.error(scope.at("dead_time" if "dead_time" in scope else "heartbeat"), text, hint)
    elif sure_dead_time < REAL_TIME_BELOW:
        text = f"a dead time of {format_duration(sure_dead_time)} needs real-time priority on every machine"
        hint = "Without it a busy machine is sometimes that late; see LimitRTPRIO in the unit, and `understudy status`."
        report.warning(scope.at("dead_time"), text, hint)
    return sure_heartbeat, sure_dead_time


def _quorum(report: Report, scope: Scope) -> Quorum | None:
    text = scope.text("quorum")
    if text is None:
        return Quorum.MAJORITY
    for policy in Quorum:
        if text == policy.value:
            return policy
    if text in _LATER_QUORUM:
        report.error(scope.at("quorum"), f'quorum "{text}" is not in this version', _LATER_QUORUM[text])
    else:
        known = [policy.value for policy in Quorum]
        report.error(scope.at("quorum"), f'unknown quorum policy "{text}"', suggestion(text, known, "The policies are"))
    return None


# -- the whole --------------------------------------------------------------------------------------------------------


def _check_quorum(report: Report, settings: _Settings, members: list[MemberDraft], groups: list[GroupDraft]) -> None:
    nodes = [member for member in members if member.role is Role.NODE]
    count = len(members)
    where = settings.quorum_place
    if not nodes:
        report.error(WHOLE_FILE, "there are no nodes", 'Write [nodes.NAME] with links = ["ADDRESS"] for each machine.')
    elif count == 1:
        report.error(
            nodes[0].place,
            f"{nodes[0].name} is alone: there is nobody to take over",
            "Add a second node and a witness.",
        )
    elif settings.quorum is Quorum.PAIR:
        if count != 2 or len(nodes) != 2:
            text = f'quorum "pair" is for exactly two nodes and no witness, but the file has {_census(members)}'
            hint = 'With three or more votes write quorum = "majority": it is safe where "pair" is not.'
            report.error(where, text, hint)
        _warn_of_pair(report, settings, groups)
    elif settings.quorum is Quorum.FENCE:
        if count != 2 or len(nodes) != 2:
            text = f'quorum "fence" is for exactly two nodes and no witness, but the file has {_census(members)}'
            hint = 'With three or more votes write quorum = "majority"; fence devices serve there as well.'
            report.error(where, text, hint)
    elif settings.quorum is Quorum.MAJORITY and count == 2:
        text = 'quorum "majority" needs at least three votes: of two, the loss of either stops everything'
        hint = (
            'Add a witness (one small process anywhere): [witness.NAME], links = ["ADDRESS"]; or write quorum = "pair".'
        )
        report.error(where, text, hint)
    elif settings.quorum is Quorum.MAJORITY and count % 2 == 0:
        text = (
            f"{count} votes survive the loss of {(count - 1) // 2}, no more than {count - 1} would: "
            f"{count // 2} of {count} are no majority, so a cut into halves stops both"
        )
        report.warning(where, text, "Add a witness, or make one node fewer.")
    if len(nodes) == 1 and count > 1:
        report.warning(
            nodes[0].place, f"only {nodes[0].name} can run groups: nobody can take over", "Add a second node."
        )


def _census(members: list[MemberDraft]) -> str:
    nodes = sum(1 for member in members if member.role is Role.NODE)
    witnesses = len(members) - nodes
    text = f"{nodes} node{'' if nodes == 1 else 's'}"
    return f"{text} and {witnesses} witness{'' if witnesses == 1 else 'es'}" if witnesses else text


def _warn_of_pair(report: Report, settings: _Settings, groups: list[GroupDraft]) -> None:
    if not settings.ping:
        text = 'quorum "pair" without ping targets: a machine that is cut off from everything goes on serving'
        report.warning(
            settings.quorum_place, text, 'Add ping = ["ADDRESS"], such as the router of the service network.'
        )
    for group in groups:
        if group.drafts and not group.group.addresses:
            text = f'{group.group.name} has no address: under quorum "pair" nothing can be asked before it is started'
            hint = "When the heartbeat paths alone fail it then runs on both machines. Give it an address, or add a witness."
            report.warning(group.place, text, hint)
        for draft in group.drafts:
            if draft.resource.exclusive:
                text = (
                    f'"{draft.resource.id}" must never run on two machines, and quorum "pair" cannot promise that '
                    "when all heartbeat paths fail together"
                )
                report.warning(draft.place, text, 'Add a witness and write quorum = "majority".')


def _check_ping(report: Report, settings: _Settings, members: list[MemberDraft], groups: list[GroupDraft]) -> None:
    if settings.ping and settings.quorum in (Quorum.MAJORITY, Quorum.FENCE):
        text = f'"ping" has no effect with quorum "{settings.quorum.value}"'
        report.warning(settings.ping[0][1], text, "Take it away; the votes decide who may run groups.")
    own = {str(link.address): f"{member.name}'s own address" for member in members for link in member.links}
    for group in groups:
        for draft in group.drafts:
            if isinstance(draft.resource, AddressResource):
                own[draft.resource.address] = f"a virtual address of {group.group.name}"
    targets = [item for group in groups for item in group.targets]
    for address, place in (*settings.ping, *targets):
        if address in own:
            text = f'"ping" lists {address}, {own[address]}'
            hint = "Its answer says nothing about the network: name a machine outside the cluster, such as a router."
            report.error(place, text, hint)


def _check_groups(report: Report, members: list[MemberDraft], groups: list[GroupDraft], routers: bool) -> None:
    if not groups and not routers:
        report.warning(
            WHOLE_FILE, "there are no groups: the machines only watch each other", "Write [groups.NAME] with resources."
        )
    names = [member.name for member in members]
    for draft in groups:
        needed = stop_time(draft.group)
        if needed > CLEAN_STOP:
            text = (
                f"the programs of {draft.group.name} may together take {format_duration(needed)} to stop, but stopping the "
                f"daemon is forced after {format_duration(CLEAN_STOP)}"
            )
            report.warning(
                draft.place, text, "Lower stop_timeout of the resources, or raise --stop-limit (and the unit's)."
            )
        if draft.group.name in names:
            text = f'"{draft.group.name}" names both a machine and a group, which makes commands hard to read'
            report.warning(draft.place, text, "Rename one of them.")
