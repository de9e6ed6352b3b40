"""Where things stand in a file, for those who find mistakes that a file alone does not show: what an agent makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .tree import WHOLE_FILE, Array, Entry, Place, Table, Value, flat


@dataclass(frozen=True, slots=True)
class TablePlaces:
    """One resource or fence device: where it begins, where the values of its words do, and each of its parameters."""

    place: Place = WHOLE_FILE
    words: dict[str, Place] = field(default_factory=dict)
    parameters: dict[str, Place] = field(default_factory=dict)

    def at(self, word: str) -> Place:
        """A parameter, else a word, else the whole."""
        return self.parameters.get(word) or self.words.get(word) or self.place


@dataclass(frozen=True, slots=True)
class FilePlaces:
    """Resources by group and their number in it, fence devices by name."""

    resources: dict[tuple[str, int], TablePlaces] = field(default_factory=dict)
    fences: dict[str, TablePlaces] = field(default_factory=dict)

    def resource(self, group: str, number: int) -> TablePlaces:
        return self.resources.get((group, number), TablePlaces())

    def fence(self, name: str) -> TablePlaces:
        return self.fences.get(name, TablePlaces())


def find_places(tree: Table) -> FilePlaces:
    """For a tree that ``validate`` found good; of any other it finds what it can."""
    found = FilePlaces()
    for name, entry in _tables(tree, "groups"):
        resources = entry.value.data.entries.get("resources") if isinstance(entry.value.data, Table) else None
        items = flat(resources.value.data) if resources is not None and isinstance(resources.value.data, Array) else []
        for number, item in enumerate(items):
            found.resources[name, number] = _places(item, "params")
    for name, entry in _tables(tree, "fence"):
        found.fences[name] = _places(entry.value, "parameters")
    return found


def _tables(tree: Table, word: str) -> list[tuple[str, Entry]]:
    entry = tree.entries.get(word)
    return list(entry.value.data.entries.items()) if entry is not None and isinstance(entry.value.data, Table) else []


def _places(value: Value, word: str) -> TablePlaces:
    found = TablePlaces(value.place)
    if not isinstance(value.data, Table):
        return found
    found.words.update((name, entry.value.place) for name, entry in value.data.entries.items())
    parameters = value.data.entries.get(word)
    if parameters is not None and isinstance(parameters.value.data, Table):
        found.parameters.update((name, entry.place) for name, entry in parameters.value.data.entries.items())
    return found
