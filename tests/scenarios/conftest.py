"""``pytest tests/scenarios --rewrite`` writes the output of every scenario anew; review the difference before committing it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the output of the scenarios anew")
