"""A manager with a pulse that does as the test says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[FakePulse]:
    (tmp_path / "run").mkdir()
    fake = FakePulse(tmp_path / "run")
    yield fake
    fake.die()


@pytest.fixture
def manager(pulse: FakePulse, tmp_path: Path) -> Iterator[RunningManager]:
    with a_manager(a_cluster(), tmp_path) as running:
        yield running
