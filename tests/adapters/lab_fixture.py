"""A lab for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
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
