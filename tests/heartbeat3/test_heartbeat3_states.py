"""The table of states: the page shows the one that the code follows, and no state is a dead end or out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.core.heartbeat3.states import TRANSITIONS, Holding, Presence, Stage, Standby, Succession, after

PAGE = Path(__file__).resolve().parents[2] / "docs" / "heartbeat.md"
MACHINES = {
    "What a node says of itself": Presence,
    "What it knows of who holds what": Stage,
    "A hand-over (`hb_standby`, `hb_takeover`, failback, ipfail)": Standby,
    "A dead peer": Succession,
}


def shown() -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    rows: list[tuple[str, str, str]] = []
    states = PAGE.read_text("utf-8").split("### States")[1].split("\n### ")[0]
    for line in states.splitlines():
        if line.startswith("#### "):
            rows = found.setdefault(line.removeprefix("#### "), [])
        elif line.startswith("|") and not line.startswith(("| from", "|---")):
            before, cause, then = (cell.strip() for cell in line.strip("|").split("|"))
            rows.append((before, cause, then))
    return found


@pytest.mark.parametrize("title", MACHINES)
def test_the_page_shows_what_the_code_follows(title: str) -> None:
    real = [(a.value, cause, b.value) for a, cause, b in TRANSITIONS if isinstance(a, MACHINES[title])]
    assert shown()[title] == real


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.__name__)
def test_every_state_is_reached_and_left(
    machine: type[Presence] | type[Stage] | type[Standby] | type[Succession],
) -> None:
    first, *others = machine
    rows = [(a, b) for a, _, b in TRANSITIONS if isinstance(a, machine)]
    reached = {b for _, b in rows}
    assert reached | {first} == set(machine)
    assert {a for a, _ in rows} >= set(machine) - {Presence.ACTIVE, Stage.GONE}
    assert others


def test_what_is_not_in_the_table_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        after(Stage.GONE, "everything has stopped")


@pytest.mark.parametrize("held", [Holding.NONE, Holding.LOCAL, Holding.FOREIGN, Holding.ALL])
def test_my_foreign_is_your_local(held: Holding) -> None:
    assert held.swapped().swapped() is held
    assert (held & Holding.LOCAL == Holding.LOCAL) == (held.swapped() & Holding.FOREIGN == Holding.FOREIGN)
