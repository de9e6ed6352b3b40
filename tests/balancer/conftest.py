"""Namespaces, as the tests of the adapters make them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "adapters"))

from netns import Lab, missing


@pytest.fixture
def lab() -> Iterator[Lab]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    made = Lab()
    try:
        yield made
    finally:
        made.close()
