"""A manager with a pulse that does as the test says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "manager"))

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
