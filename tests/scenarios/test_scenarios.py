"""Runs every ``*.txt`` here against the real core and compares what acted, to the millisecond."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import pytest

from understudy.core.node import Node
from understudy.sim.script import render

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.txt")))
def test_scenario(name: str, request: pytest.FixtureRequest) -> None:
    path = HERE / f"{name}.txt"
    written = path.read_text()
    rendered = render(written, Node)
    assert not rendered.failures, "\n".join(
        ("expectations that do not hold (--rewrite will not help):", *rendered.failures)
    )
    if request.config.getoption("--rewrite"):
        path.write_text(rendered.text)
        return
    if rendered.text != written:
        difference = unified_diff(written.splitlines(), rendered.text.splitlines(), "as written", "now", lineterm="")
        pytest.fail(
            "\n".join((*difference, "", "if this is what you meant: pytest tests/scenarios --rewrite")), pytrace=False
        )
