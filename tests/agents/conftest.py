"""Nothing that a test has started outlives it, not even when the test fails half-way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_survivors(tmp_path: Path) -> Iterator[None]:
    """Everything that the agents start writes into a log below the test's own directory; that is how it is found."""
    yield
    kill_writers_below(tmp_path)


def kill_writers_below(directory: Path) -> None:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                output = os.readlink(f"/proc/{name}/fd/1")
                if output.startswith(f"{directory}/"):
                    os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue
