"""Groups: what runs together on one machine, where it likes to be, and what must not be in two of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..changes import blocks
from ..hours import Hours
from ..model import (
    AddressResource,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    LsbResource,
    MountResource,
    OcfResource,
    Resource,
    ResourceDResource,
    Role,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
    stages_of,
)
from ..units import HOUR, MILLISECOND, SECOND, Duration, format_duration
from .addresses import NAME_RULE, is_name
from .hours import read_hours
from .members import MemberDraft
from .mounts import check_mounts
from .probes import read_probes
from .reach import read_reach
from .relations import Relations, check_relations, read_relations
from .report import Report, Scope, nearest, suggestion
from .resources import ResourceDraft, read_resource
from .routes import check_sources
from .tree import Array, Place, Table, Value

MOST_GROUPS = 128
"""What one heartbeat can name, with the longest names, in one datagram."""

DEFAULT_STOP_TIMEOUT: Duration = 60 * SECOND

HARMLESS = frozenset({"MailTo", "WinPopup", "AudibleAlarm", "Delay", "SendArp"})
"""Agents that only tell or wait: the same one may be in any number of groups."""

_LATER = {
    "fence": "Fence devices are of nodes, not of groups: write [fence.NAME] with nodes.",
}


@dataclass(slots=True)
class GroupDraft:
    """A group with the places of its parts."""

    place: Place
    group: Group
    drafts: list[ResourceDraft] = field(default_factory=list)
    relations: Relations = field(default_factory=Relations)
    targets: tuple[tuple[str, Place], ...] = ()


def read_groups(report: Report, top: Scope, members: list[MemberDraft]) -> list[GroupDraft]:
    """All of [groups.*] in the order of the file."""
    groups = [
        _group(report, name, table, (place, value_place), members)
        for name, table, place, value_place in top.tables("groups")
    ]
    if len(groups) > MOST_GROUPS:
        text = f"{len(groups)} groups are more than the {MOST_GROUPS} that a heartbeat can name"
        report.error(groups[MOST_GROUPS].place, text, "A group may have any number of addresses and programs.")
    _check_names(report, groups)
    _check_contents(report, groups)
    _check_addresses(report, groups, members)
    mounts = [
        (group.group.name, draft.resource, draft.place, stage)
        for group in groups
        for draft, stage in zip(group.drafts, group.group.stage_numbers, strict=True)
        if isinstance(draft.resource, MountResource)
    ]
    check_mounts(report, mounts)
    for group in groups:
        order = group.group.stage_numbers
        check_sources(
            report,
            group.group.name,
            [(draft.resource, draft.place, stage) for draft, stage in zip(group.drafts, order, strict=True)],
        )
    for draft in groups:
        _check_stop_timeout(report, draft)
    check_relations(report, {item.group.name: (item.place, item.group, item.relations) for item in groups}, members)
    return groups


def _group(
    report: Report, name: str, table: Table, places: tuple[Place, Place], members: list[MemberDraft]
) -> GroupDraft:
    if not is_name(name):
        report.error(places[0], f'"{name}" cannot name a group', NAME_RULE)
    scope = Scope(report, table, f"[groups.{name}]", places[1])
    prefer = _prefer(report, scope, members)
    failback = _failback(report, scope)
    stop_timeout = scope.duration("stop_timeout", SECOND, 24 * HOUR)
    read: list[ResourceDraft | None] = []
    value = scope.value("resources")
    items, stages = _items(report, value, name)
    if value is not None and not isinstance(value.data, Array):
        scope.wrong("resources", "a list of tables", value, "Write resources = [ { ... }, { ... } ].")
    elif value is None or (isinstance(value.data, Array) and not value.data.items):
        place = scope.place if value is None else value.place
        report.warning(place, f"the group {name} has no resources: it only elects a machine", "List what it shall run.")
    elif isinstance(value.data, Array):
        read = [read_resource(report, item, name) for item in items]
    drafts = [draft for draft in read if draft is not None]
    probes = read_probes(report, scope, name, list(zip(items, read, strict=True)))
    relations = read_relations(scope)
    reach, targets = read_reach(report, scope, name)
    elsewhere = {"probe": "It belongs to a resource; for one of the group write [groups.NAME.probes.NAME]."}
    scope.finish(later=_LATER, elsewhere=elsewhere)
    group = Group(
        name,
        tuple(draft.resource for draft in drafts),
        prefer,
        failback,
        DEFAULT_STOP_TIMEOUT if stop_timeout is None else stop_timeout,
        None if relations.together is None else relations.together[0],
        tuple(item for item, _ in relations.apart),
        tuple(item for item, _ in relations.after),
        relations.weight,
        probes,
        reach,
        stages_of([stage for stage, draft in zip(stages, read, strict=False) if draft is not None]),
    )
    if reach is not None and group.together is not None:
        text = f'"stays_where" of {name} decides nothing: it goes with {group.together}, wherever that is'
        report.warning(targets[0][1], text, f"Write [groups.{group.together}.stays_where].")
    return GroupDraft(places[0], group, drafts, relations, targets)


def _items(report: Report, value: Value | None, name: str) -> tuple[list[Value], list[int]]:
    """What ``resources`` lists, with the number of the stage of each: a list in the list is a stage."""
    items: list[Value] = []
    numbers: list[int] = []
    listed = value.data.items if value is not None and isinstance(value.data, Array) else []
    for number, item in enumerate(listed):
        inner = item.data.items if isinstance(item.data, Array) else [item]
        if not inner:
            text = f'"resources" of {name} has an empty list in it'
            report.error(item.place, text, "List in it what may start at the same time, or take it away.")
        for one in inner:
            if one is not item and isinstance(one.data, Array):
                text = f'"resources" of {name} has a list in a list in a list'
                report.error(
                    one.place, text, "What stands in an inner list has no order: write its tables there one by one."
                )
                continue
            items.append(one)
            numbers.append(number)
    return items, numbers


def _prefer(report: Report, scope: Scope, members: list[MemberDraft]) -> tuple[str, ...]:
    nodes = [member.name for member in members if member.role is Role.NODE]
    witnesses = [member.name for member in members if member.role is Role.WITNESS]
    names: list[str] = []
    for name, place in scope.texts("prefer", "names of nodes") or []:
        if name in witnesses:
            report.error(place, f'"prefer" names {name}, a witness, which runs nothing', "Take it away.")
        elif name not in nodes:
            report.error(place, f'unknown node "{name}" in "prefer"', suggestion(name, nodes, "The nodes are"))
        elif name in names:
            report.error(place, f'"prefer" names {name} twice', "Name each node once, the best first.")
        else:
            names.append(name)
    return tuple(names)


def _failback(report: Report, scope: Scope) -> Failback:
    text = scope.text("failback")
    if text is None:
        return Failback()
    for kind in (FailbackKind.WHEN_HEALTHY, FailbackKind.NEVER):
        if text == kind.value:
            return Failback(kind)
    place = scope.at("failback")
    if ":" in text:
        hours = read_hours(text)
        if isinstance(hours, Hours):
            return Failback(FailbackKind.WITHIN, hours=hours)
        report.error(place, f'"failback" is "{text}": {hours.text}', hours.hint)
    elif text[:1].isdigit():
        span = scope.span("failback", text, place, 100 * MILLISECOND, 30 * 24 * HOUR)
        if span is not None:
            return Failback(FailbackKind.AFTER, span)
    else:
        close = nearest(text, ("when-healthy", "never"))
        hint = (
            f'Did you mean "{close}"?'
            if close
            else 'Write "when-healthy", "never", how long the better node must have been up ("5m"), or hours ("02:00-04:00").'
        )
        report.error(place, f'unknown "failback" "{text}"', hint)
    return Failback()


# -- what must not be twice -------------------------------------------------------------------------------------------


def _check_names(report: Report, groups: list[GroupDraft]) -> None:
    owners: dict[str, tuple[GroupDraft, ResourceDraft]] = {}
    for group in groups:
        for draft in group.drafts:
            name = draft.resource.id
            owner = owners.setdefault(name, (group, draft))
            if owner[1] is draft or (isinstance(draft.resource, AddressResource | MountResource) and not draft.named):
                continue  # the same address or directory twice has its own message
            if _meaning(owner[1].resource) == _meaning(draft.resource) is not None:
                continue  # so has the same thing
            first, second = owner[0].group.name, group.group.name
            if first == second:
                text = f'two resources of {first} are called "{name}"'
            elif draft.named and owner[1].named:
                text = f'the resource "{name}" is in two groups, {first} and {second}'
            else:
                text = f'a resource of {first} and one of {second} are both called "{name}"'
            report.error(draft.place, text, 'Give each a name of its own: name = "...".')


def _meaning(resource: Resource) -> tuple[object, ...] | None:
    """What makes two programs the same thing, whatever they are called. None for what is checked apart, or may be anywhere."""
    if isinstance(resource, OcfResource) and resource.type in HARMLESS:
        return None
    if isinstance(resource, ResourceDResource) and resource.resource_script in HARMLESS:
        return None
    if isinstance(resource, CommandResource):
        return ("command", resource.argv, resource.directory, resource.user, resource.environment)
    if isinstance(resource, ScriptResource):
        return ("script", resource.path, resource.arguments)
    if isinstance(resource, OcfResource):
        return ("agent", resource.provider, resource.type, resource.parameters)
    if isinstance(resource, LsbResource):
        return ("init script", resource.init_script)
    if isinstance(resource, ResourceDResource):
        return ("resource script", resource.resource_script, resource.arguments)
    if isinstance(resource, SystemdResource):
        return ("unit", resource.unit)
    if isinstance(resource, RouteResource):
        return ("route", resource.destination, resource.table, resource.metric)
    if isinstance(resource, SourceAddressResource):
        return ("source address of a route", resource.of_route, resource.route_device)
    return None


def _check_contents(report: Report, groups: list[GroupDraft]) -> None:
    owners: dict[tuple[object, ...], tuple[str, ResourceDraft]] = {}
    for group in groups:
        for draft in group.drafts:
            meaning = _meaning(draft.resource)
            if meaning is None:
                continue
            name = group.group.name
            first, owner = owners.setdefault(meaning, (name, draft))
            if owner is draft:
                continue
            line = f"line {owner.place.line}"
            if first == name:
                text = f"{name} lists the same {meaning[0]} twice ({draft.resource.id}, first on {line})"
                report.error(draft.place, text, "Keep one of them.")
            else:
                text = f"the same {meaning[0]} ({draft.resource.id}) is in two groups, {first} ({line}) and {name}"
                hint = "They could be on two machines at once: put it into one group, or make one group of both."
                if isinstance(draft.resource, RouteResource | SourceAddressResource):
                    hint = "Both groups may be on one machine, and the first to leave would take it away: keep one of them."
                report.error(draft.place, text, hint)


def _check_addresses(report: Report, groups: list[GroupDraft], members: list[MemberDraft]) -> None:
    links = {str(link.address): member.name for member in members for link in member.links}
    owners: dict[str, str] = {}
    for group in groups:
        for draft in group.drafts:
            resource = draft.resource
            if not isinstance(resource, AddressResource):
                continue
            name = group.group.name
            if resource.address in links:
                text = f"{resource.address} is {links[resource.address]}'s own address and cannot be a virtual one"
                report.error(draft.place, text, "A virtual address must belong to no machine.")
            first = owners.get(resource.address)
            if first is None:
                owners[resource.address] = name
            elif first == name:
                report.error(draft.place, f"{name} lists the address {resource.address} twice", "Keep one of them.")
            else:
                text = f"the address {resource.address} is in two groups, {first} and {name}"
                report.error(draft.place, text, "Two machines could have it at once: put it into one group.")


def stop_time(group: Group) -> Duration:
    """How long its programs may take to stop: the longest of each stage, one stage after another. Addresses take no time."""
    programs = (
        [item.limits.stop for item in block if not isinstance(item, AddressResource)] for block in blocks(group)
    )
    return sum(max(spans, default=0) for spans in programs)


def _check_stop_timeout(report: Report, draft: GroupDraft) -> None:
    group = draft.group
    needed = stop_time(group)
    if group.exclusive and group.stop_timeout < needed:
        text = (
            f"stop_timeout of {group.name} is {format_duration(group.stop_timeout)}, but its resources may take "
            f"{format_duration(needed)} to stop: another machine could start it while they still run here"
        )
        report.warning(draft.place, text, f'Write stop_timeout = "{format_duration(needed)}" or more.')
