"""What groups say of each other: ``with``, ``apart``, ``after``; and how much a node takes (``capacity``, ``weight``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ..model import Group, Role
from .members import MemberDraft
from .report import Report, Scope, suggestion
from .tree import Place

MOST_WEIGHT = 1_000_000


@dataclass(slots=True)
class Relations:
    """The words of one group, with their places; the other groups are known only when all have been read."""

    together: tuple[str, Place] | None = None
    apart: list[tuple[str, Place]] = field(default_factory=list)
    after: list[tuple[str, Place]] = field(default_factory=list)
    weight: int = 0
    weight_place: Place | None = None


def read_relations(scope: Scope) -> Relations:
    """The words of one [groups.NAME]."""
    together = scope.text("with")
    return Relations(
        None if together is None else (together, scope.at("with")),
        scope.texts("apart", "names of groups") or [],
        scope.texts("after", "names of groups") or [],
        scope.integer("weight", 0, MOST_WEIGHT, 0),
        scope.at("weight"),
    )


def check_relations(
    report: Report, groups: Mapping[str, tuple[Place, Group, Relations]], members: list[MemberDraft]
) -> None:
    """Refuse names that are no other group's, circles, and wishes that contradict each other."""
    for name, (place, group, words) in groups.items():
        lists = [("apart", words.apart), ("after", words.after)]
        if words.together is not None:
            lists.append(("with", [words.together]))
        for word, items in lists:
            _check_names(report, name, word, items, groups)
        if words.together is not None:
            _check_together(report, group, words, place)
        _check_weight(report, group, words, members)
    _check_circles(report, "with", {name: _names(words.together) for name, (_, _, words) in groups.items()}, groups)
    _check_circles(
        report, "after", {name: [item for item, _ in words.after] for name, (_, _, words) in groups.items()}, groups
    )


def _names(item: tuple[str, Place] | None) -> list[str]:
    return [] if item is None else [item[0]]


def _check_names(report: Report, name: str, word: str, items: list[tuple[str, Place]], groups: Collection[str]) -> None:
    seen: set[str] = set()
    for other, place in items:
        if other == name:
            report.error(place, f'{name} names itself in "{word}"', "Name another group, or take it away.")
        elif other not in groups:
            known = [item for item in groups if item != name]
            report.error(place, f'unknown group "{other}" in "{word}"', suggestion(other, known, "The groups are"))
        elif other in seen:
            report.error(place, f'"{word}" names {other} twice', "Name each group once.")
        seen.add(other)


def _check_together(report: Report, group: Group, words: Relations, place: Place) -> None:
    if group.together is None or words.together is None:
        return
    for other, at in words.apart:
        if other == group.together:
            text = f"{group.name} is to run with {other} and apart from it"
            report.error(at, text, "Take one of the two away, or it runs nowhere.")
    if group.prefer:
        text = f'"prefer" of {group.name} decides nothing: it goes with {group.together}, wherever that is'
        report.warning(words.together[1], text, f"Say in [groups.{group.together}] where both like to be.")


def _check_weight(report: Report, group: Group, words: Relations, members: list[MemberDraft]) -> None:
    nodes = [member for member in members if member.role is Role.NODE]
    room = [member.capacity for member in nodes if member.capacity is not None]
    if group.weight and words.weight_place is not None:
        if not room:
            text = f'"weight" of {group.name} decides nothing: no node has a "capacity"'
            report.warning(words.weight_place, text, "Write capacity = 100 in [nodes.NAME].")
        elif len(room) == len(nodes) and group.weight > max(room):
            text = f"{group.name} weighs {group.weight}, more than any node takes ({max(room)})"
            report.error(words.weight_place, text, "It could run nowhere.")


def _check_circles(
    report: Report,
    word: str,
    edges: Mapping[str, Iterable[str]],
    groups: Mapping[str, tuple[Place, Group, Relations]],
) -> None:
    """Each circle is reported once, where its first group of the file stands."""
    done: set[str] = set()
    for start in edges:
        path = _circle(start, edges)
        if path and not done.intersection(path):
            done.update(path)
            text = f'the groups go round in a circle by "{word}": {" -> ".join((*path, path[0]))}'
            report.error(groups[start][0], text, "Take one of these away: none of them could begin.")


def _circle(start: str, edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest way from ``start`` over known groups back to itself, or []. A group that names itself has its own message."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    for way in ways:
        for other in edges.get(way[-1], ()):
            if other == start and len(way) > 1:
                return way
            if other in edges and other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []
