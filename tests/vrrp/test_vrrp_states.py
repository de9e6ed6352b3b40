"""The table of states: the page is drawn from it, and no state is a dead end or out of reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from understudy.core.vrrp.states import TRANSITIONS, Cause, after
from understudy.vrrp import RouterState

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "draw_states.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_page_has_every_transition() -> None:
    page = (ROOT / "docs" / "states" / "vrrp.md").read_text("utf-8")
    for before, cause, then in TRANSITIONS:
        assert f"| {before.value} | {cause.value} | {then.value} |" in page
        assert any(
            f"{before.value} --> {then.value}: " in line and cause.name.lower() in line for line in page.splitlines()
        )


def test_every_state_is_reached_and_left_and_every_cause_is_used() -> None:
    assert {then for _, _, then in TRANSITIONS} | {RouterState.INIT} == set(RouterState)
    assert {before for before, _, _ in TRANSITIONS} == set(RouterState) - {RouterState.STOP}
    assert {cause for _, cause, _ in TRANSITIONS} == set(Cause)
    assert len({(before, cause) for before, cause, _ in TRANSITIONS}) == len(TRANSITIONS)


def test_what_is_not_in_the_table_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        after(RouterState.STOP, Cause.READY)
