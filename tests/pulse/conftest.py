"""A loop with a pretend core, on a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pulse_parts import HandClock, Rig, free_port, rig


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[Rig]:
    made = rig(str(tmp_path), free_port(), clock)
    yield made
    made.close()
