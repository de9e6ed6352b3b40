"""What a changed group asks of the machine that runs it: which resources go on running, and which have to be stopped.

One judge for both who tells a person before a reload and who does it (``config.difference``, ``core.reload``). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .model import AddressResource, Resource

LATER_WORDS = ("limits", "restarts", "exclusive")
"""Words of a resource that count from its next operation on: changing them stops nothing."""


def same_run(before: Resource, after: Resource) -> bool:
    """Whether what runs as ``before`` is what would run as ``after``."""
    if type(before) is not type(after):
        return False
    return replace(before, **{word: getattr(after, word) for word in LATER_WORDS}) == after


def blocks(resources: Iterable[Resource]) -> list[tuple[Resource, ...]]:
    """Consecutive addresses together, because no order is kept among them; every program by itself."""
    found: list[tuple[Resource, ...]] = []
    for resource in resources:
        if isinstance(resource, AddressResource) and found and isinstance(found[-1][0], AddressResource):
            found[-1] = (*found[-1], resource)
        else:
            found.append((resource,))
    return found


def untouched(before: Sequence[Resource], after: Sequence[Resource], restart: Iterable[str] = ()) -> frozenset[str]:
    """The ids of the resources that go on running: all that are the same, up to the first change.

    What comes after a change was started on top of it, so it stops before and starts after. ``restart``: ids of resources that
    are not the same although ``before`` and ``after`` do not show it (their secrets were left out).
    """
    found: set[str] = set()
    changed = frozenset(restart)
    for old, new in zip(blocks(before), blocks(after), strict=False):
        kept = {item.id for item in old for other in new if item.id == other.id and same_run(item, other)} - changed
        found |= kept
        if not len(kept) == len(old) == len(new):
            break
    return frozenset(found)
