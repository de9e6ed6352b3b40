"""What is different between two configurations, in words; and which of it can be taken up while everything runs.

Compared is what ``render`` writes, so the words are those of the file, and defaults that were written out are no difference.
Values that may be secrets (parameters, environments, arguments) are never shown, only that they differ.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

from ..changes import restarted, stages, untouched
from ..model import AddressResource, Cluster, Group, MountResource, Quorum, Resource, SystemdResource
from .render import is_alone, render

Tree: TypeAlias = dict[str, Any]


class How(Enum):
    """How a difference is taken up: by a reload; by a restart of the daemons; or by two reloads, one after the other."""

    RELOAD = "reload"
    RESTART = "restart"
    TWO_STEPS = "two steps"


@dataclass(frozen=True, slots=True)
class Change:
    """``where``: the part of the configuration, as in ``groups.site``. ``text``: one sentence for people."""

    where: str
    text: str
    how: How = How.RELOAD


@dataclass(frozen=True, slots=True)
class Difference:
    """``effects``: what a reload will stop, start and restart, as sentences. ``restart``: (group, resource) that run differently
    although they keep their names.
    """

    changes: tuple[Change, ...]
    effects: tuple[str, ...] = ()
    restart: tuple[tuple[str, str], ...] = ()

    @property
    def obstacles(self) -> tuple[Change, ...]:
        """What a reload cannot take up."""
        return tuple(change for change in self.changes if change.how is not How.RELOAD)


_SECTIONS = {"nodes": "node", "witness": "witness", "fence": "fence device"}
_SECRET = frozenset({"params", "parameters", "environment", "args", "command", "notify", "options", "probe", "probes"})
_ALL_AT_ONCE = (
    "so stop all daemons, then start them with the new file: on every machine systemctl stop understudy, then on every one "
    "systemctl start understudy"
)
_ONE_BY_ONE = (
    "restart the daemons with the new file, one machine after the other: understudy standby NODE && systemctl restart "
    "understudy, then understudy online NODE"
)
_RESTART = {
    "name": f"the cluster's name stands in every packet, {_ALL_AT_ONCE}",
    "quorum": f"machines that count by different policies exchange no votes, {_ALL_AT_ONCE}",
    "heartbeat": _ONE_BY_ONE,
    "dead_time": _ONE_BY_ONE,
}
_ONE_MEMBER = (
    "who votes changes by more than one member: add or remove them one at a time, and the next one when `understudy status` says "
    "nothing of the first any more"
)
_OTHER_POLICY = f"who votes changes, and the policy is or was not majority, {_ALL_AT_ONCE}; the runbook has the steps"
_ONLY_MEMBERS = (
    "with a member added or removed nothing that runs may be changed: take this up by a reload before or after that"
)
_ONE_AFTER_OTHER = "restart the daemon of that machine with the new file, then those of the others, one after the other"
_WATCHDOG = f"the device is opened at the start: {_ONE_BY_ONE}"


def difference(before: Cluster, after: Cluster) -> Difference:
    """From ``before``, with which something runs, to ``after``. Where the files lie is no difference."""
    if is_alone(before) or is_alone(after):
        return _of_routers(before, after)
    if (before.routers is None) != (after.routers is None):
        text = f"the {'first' if before.routers is None else 'last'} virtual router beside the cluster: {_ONE_BY_ONE}"
        return Difference((Change("virtual_routers", text, How.RESTART),))
    old, new = _tree(before), _tree(after)
    changes = [*_cluster(old["cluster"], new["cluster"])]
    for section in _SECTIONS:
        changes += _members(section, old.get(section, {}), new.get(section, {}), _obstacle(before, after))
    changes += _order(before, after)
    if old.get("watchdog") != new.get("watchdog"):
        changes.append(
            Change("watchdog", f"{_words(old.get('watchdog'), new.get('watchdog'))}: {_WATCHDOG}", How.RESTART)
        )
    if before.api != after.api:
        changes.append(Change("api", f"{_words(old.get('api'), new.get('api')) or 'other files'}: from now on"))
    changes += _groups(before, after, old.get("groups", {}), new.get("groups", {}))
    changes += _moved(before, after)
    changes += _services(before, after)
    effects = tuple(_effects(before, after))
    if after.routers is not None:
        from .router_difference import router_changes, router_effects

        changes += [Change(where, text) for where, text in router_changes(old, new)]
        effects = (*effects, *router_effects(before, after))
    if frozenset(before.names) != frozenset(after.names):
        changes += [Change("groups", f"{text}: {_ONLY_MEMBERS}", How.TWO_STEPS) for text in effects]
        effects = (*_voting(before, after), *effects)
    return Difference(tuple(changes), effects, restarted(before, after))


def _of_routers(before: Cluster, after: Cluster) -> Difference:
    """Where there are virtual routers and nothing else, in one of them at least."""
    from .router_difference import router_changes, router_effects

    if not (is_alone(before) and is_alone(after)):
        text = f"virtual routers alone, or a cluster: systemctl restart understudy, with the new file ({after.source})"
        return Difference((Change("cluster", text, How.RESTART),))
    keepalived = bool(after.source) and not after.source.endswith(".toml")
    found = [Change(where, text) for where, text in router_changes(_rendered(before), _rendered(after), keepalived)]
    found += _services(before, after)
    if before.names != after.names:
        text = f"this node is {after.names[0]} instead of {before.names[0]}: systemctl restart understudy"
        found.append(Change("routing", text, How.RESTART))
    return Difference(tuple(found), tuple(router_effects(before, after)))


def _rendered(cluster: Cluster) -> Tree:
    tree: Tree = tomllib.loads(render(replace(cluster, services=None)))
    tree.get("routing", {}).pop("node", None)
    return tree


def _services(before: Cluster, after: Cluster) -> list[Change]:
    if before.services == after.services:
        return []
    from .services_difference import service_changes  # only who has services loads it

    return [Change(where, text) for where, text in service_changes(before.services, after.services)]


def _obstacle(before: Cluster, after: Cluster) -> str:
    """Why a reload cannot bring members that are new or gone, or ""."""
    changed = frozenset(before.names) ^ frozenset(after.names)
    if before.quorum is not Quorum.MAJORITY or after.quorum is not Quorum.MAJORITY:
        return _OTHER_POLICY
    return _ONE_MEMBER if len(changed) > 1 else ""


def _voting(before: Cluster, after: Cluster) -> Iterable[str]:
    """What a reload does to the voting while a member is added or removed."""
    new = [name for name in after.names if name not in before.names]
    gone = [name for name in before.names if name not in after.names]
    yield (
        f"until every member runs with the new file, a majority of the old and of the new voters is needed: {before.majority} of "
        f"{len(before.names)} and {after.majority} of {len(after.names)}; reload the other machines soon"
    )
    if new:
        yield f"{_list(new)} votes from its start with this file on, and takes nothing before every member has taken it up"
    if gone:
        yield f"{_list(gone)} hands over what it holds; stop its daemon when the others count without it"


def _tree(cluster: Cluster) -> Tree:
    return tomllib.loads(render(replace(cluster, key_file="-", services=None)))


def _cluster(old: Tree, new: Tree) -> list[Change]:
    found = []
    for word in dict.fromkeys((*old, *new)):
        if old.get(word) == new.get(word):
            continue
        text = _word(word, old.get(word), new.get(word))
        if word in _RESTART:
            found.append(Change("cluster", f"{text}: {_RESTART[word]}", How.RESTART))
        else:
            found.append(Change("cluster", text))
    return found


def _members(section: str, old: Tree, new: Tree, obstacle: str) -> list[Change]:
    """Nodes, witnesses and fence devices: each a table of its own. ``obstacle``: to voters that come or go."""
    found, voter = [], section != "fence"
    for name in dict.fromkeys((*old, *new)):
        where, what = f"{section}.{name}", f"{_SECTIONS[section]} {name}"
        if name not in new or name not in old:
            text = f"{what} is {'new' if name not in old else 'gone'}"
            way = How.TWO_STEPS if obstacle == _ONE_MEMBER else How.RESTART
            found.append(Change(where, f"{text}: {obstacle}", way) if voter and obstacle else Change(where, text))
        elif old[name] != new[name]:
            hard = (
                {word for word in ("links", "watchdog") if old[name].get(word) != new[name].get(word)}
                if voter
                else set()
            )
            text = f"{what}: {_words(old[name], new[name])}"
            how = f"{text}: {_ONE_AFTER_OTHER}" if hard else text
            found.append(Change(where, how, How.RESTART if hard else How.RELOAD))
    return found


def _order(before: Cluster, after: Cluster) -> list[Change]:
    old, new = before.names, after.names
    if old == new or sorted(old) != sorted(new):
        return []
    return [Change("nodes", f"the order of members is {', '.join(new)} instead of {', '.join(old)}")]


def _groups(before: Cluster, after: Cluster, old: Tree, new: Tree) -> list[Change]:
    found = []
    for name in dict.fromkeys((*old, *new)):
        where = f"groups.{name}"
        if name not in old:
            found.append(
                Change(where, f"group {name} is new: {_list(item.id for item in _group(after, name).resources)}")
            )
        elif name not in new:
            found.append(
                Change(where, f"group {name} is gone: {_list(item.id for item in _group(before, name).resources)}")
            )
        elif old[name] != new[name]:
            without = (
                {word: value for word, value in tree[name].items() if word != "resources"} for tree in (old, new)
            )
            words = _words(*without)
            if words:
                found.append(Change(where, f"group {name}: {words}"))
            found += _resources(where, _group(before, name), _group(after, name), old[name], new[name])
    common = [name for name in old if name in new]
    if common != [name for name in new if name in old]:
        found.append(Change("groups", f"the order of groups is {', '.join(new)} instead of {', '.join(old)}"))
    return found


def _resources(where: str, before: Group, after: Group, old: Tree, new: Tree) -> list[Change]:
    words_of = {item.id: words for item, words in zip(before.resources, _flat(old["resources"]), strict=True)}
    words_now = {item.id: words for item, words in zip(after.resources, _flat(new["resources"]), strict=True)}
    found = []
    for name in dict.fromkeys((*words_of, *words_now)):
        if name not in words_now:
            found.append(Change(where, f"group {before.name} loses {name}"))
        elif name not in words_of:
            found.append(Change(where, f"group {before.name} gets {name}"))
        elif words_of[name] != words_now[name]:
            found.append(Change(where, f"{name} of group {before.name}: {_words(words_of[name], words_now[name])}"))
    if _ordered(before, words_now) != _ordered(after, words_of):
        order = ", then ".join if after.stages else ", ".join
        text = order(_at_once([item.id for item in stage]) for stage in stages(after))
        found.append(Change(where, f"the resources of group {before.name} start in another order: {text}"))
    return found


def _flat(resources: list[Any]) -> list[Tree]:
    """The tables of resources, without the lists that say which start together."""
    return [item for one in resources for item in (one if isinstance(one, list) else (one,))]


def _ordered(group: Group, names: Iterable[str]) -> list[list[str]]:
    """The stages of a group, of ``names`` only."""
    found = ([item.id for item in stage if item.id in names] for stage in stages(group))
    return [stage for stage in found if stage]


def _at_once(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} at once"


def _moved(before: Cluster, after: Cluster) -> list[Change]:
    """What belongs to another group now. Two groups have two leases, and while one machine has the old file and another the new
    one, each could hold one of them and run the same thing.
    """
    owners: dict[tuple[str, str], str] = {}
    for group in before.groups:
        for resource in group.resources:
            owners.update(dict.fromkeys(_identities(resource), group.name))
    found = []
    for group in after.groups:
        for resource in group.resources:
            for identity in _identities(resource):
                owner = owners.get(identity, group.name)
                if owner != group.name:
                    text = (
                        f"{resource.id} belongs to group {owner} and would belong to {group.name}: take it out first, reload "
                        "on every machine, and only then put it in"
                    )
                    found.append(Change(f"groups.{group.name}", text, How.TWO_STEPS))
                    break
    return found


def entering(before: Cluster, after: Cluster) -> tuple[str, ...]:
    """The ids of addresses and exclusive resources that get into a group of ``after`` and are not in that group in ``before``.

    Where they were before, or on which machine they still are, the two files do not say: a third one may be in force elsewhere.
    """
    had = {group.name: {item for one in group.resources for item in _identities(one)} for group in before.groups}
    found = []
    for group in after.groups:
        known = had.get(group.name, set())
        for resource in group.resources:
            if isinstance(resource, AddressResource) or resource.exclusive:
                things = {item for item in _identities(resource) if item[0] not in ("name", "same")}
                same = things <= known if things else bool(_identities(resource) & known)
                found += [] if same else [resource.id]
    return tuple(found)


def _identities(resource: Resource) -> set[tuple[str, str]]:
    """By what another group's resource is recognised as the same thing."""
    found = {("name", resource.id)}
    match resource:
        case AddressResource():
            found.add(("address", resource.address))
        case MountResource():
            found |= {("mount", resource.device), ("at", resource.directory)}
        case SystemdResource():
            found.add(("unit", resource.unit))
        case _:
            found.add(("same", repr(replace(resource, id=""))))
    return found


def _effects(before: Cluster, after: Cluster) -> Iterable[str]:
    """What a reload does to what runs."""
    old = {group.name: group for group in before.groups}
    names = {group.name for group in after.groups}
    for group in before.groups:
        if group.name not in names and not group.ranks:
            yield f"group {group.name} is stopped where it runs and released; a machine that still has the old file may take it"
    for group in after.groups:
        if group.ranks:
            continue  # told with the virtual routers
        if group.name not in old:
            yield f"group {group.name} is started where it belongs"
            continue
        former = old[group.name].resources
        changed = [name for owner, name in restarted(before, after) if owner == group.name]
        stays = untouched(old[group.name], group, changed)
        stopped = [item.id for item in former if item.id not in stays]
        started = [item.id for item in group.resources if item.id not in stays]
        again = [name for name in started if name in stopped]
        if again:
            yield f"group {group.name}, where it runs: {_list(again)} {_is(again)} stopped and started again"
        for names_of, word in ((stopped, "stopped"), (started, "started")):
            only = [name for name in names_of if name not in again]
            if only:
                yield f"group {group.name}, where it runs: {_list(only)} {_is(only)} {word}"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _group(cluster: Cluster, name: str) -> Group:
    return next(group for group in cluster.groups if group.name == name)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _words(old: Tree | None, new: Tree | None) -> str:
    """The words that differ, with their values."""
    old, new = old or {}, new or {}
    return ", ".join(
        _word(word, old.get(word), new.get(word))
        for word in dict.fromkeys((*old, *new))
        if old.get(word) != new.get(word)
    )


def _word(word: str, old: Any, new: Any) -> str:
    if word in _SECRET:
        if isinstance(old, dict) and isinstance(new, dict):
            names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
            return f"{word} differ in {', '.join(names)}"
        return f"other {word}"
    return f"{word} {_value(new)} instead of {_value(old)}"


def _value(value: Any) -> str:
    if value is None:
        return "its default"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word} = {_value(item)}" for word, item in value.items()) + "}"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value) or "nothing"
    return str(value)
