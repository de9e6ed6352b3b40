"""Tells ``side_by_side`` which tests follow each other."""

from __future__ import annotations

import itertools

import pytest
from side_by_side import WORLDS


def pytest_collection_finish(session: pytest.Session) -> None:
    keys = [getattr(getattr(item, "function", None), "side_by_side", None) for item in session.items]
    for together, row in itertools.groupby(keys, key=lambda key: key is not None):
        if together:
            WORLDS.plan([key for key in row if key is not None])


def pytest_sessionfinish() -> None:
    WORLDS.close()
