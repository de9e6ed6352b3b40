"""``pytest tests/placement --rewrite-plans`` writes every plan anew; review the difference before committing it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-plans", action="store_true", help="write the plans of tests/placement anew")
