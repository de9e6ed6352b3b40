"""Tells ``live_worlds`` which worlds the chosen tests ask for, and gives a test what its world told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live_worlds import LONG, WORLDS, World


def _worlds(item: pytest.Item) -> Iterator[World]:
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, World):
            yield value


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Not skipped, but left out: where a skipped kernel test is a failure these are none."""
    left_out = [] if LONG else [item for item in items if any(world.long for world in _worlds(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish(session: pytest.Session) -> None:
    WORLDS.plan([world for item in session.items for world in _worlds(item)])


def pytest_sessionfinish() -> None:
    WORLDS.close()


@pytest.fixture
def told(world: World) -> dict[str, Any]:
    """What the test's world told, as a JSON object."""
    return WORLDS.told(world)


@pytest.fixture(autouse=True)
def anew(request: pytest.FixtureRequest) -> None:
    """A test that is repeated is told by worlds of its own: what the first ones told does not change any more."""
    if getattr(request.node, "execution_count", 1) > 1:
        for world in _worlds(request.node):
            WORLDS.forget(world)
