"""The list of mutants fits the code: each replaces what is there, once."""

from __future__ import annotations

from pathlib import Path

from mutants_run import MUTANTS, RESULTS, known_rows, problems, table
from mutants_run import Result as MutantResult


def test_every_mutant_can_be_applied() -> None:
    assert problems() == []


def test_there_are_enough_and_they_are_everywhere() -> None:
    assert len(MUTANTS) >= 40
    files = {mutant.file for mutant in MUTANTS}
    assert {
        "votes.py",
        "leases.py",
        "membership.py",
        "quorum.py",
        "fencing.py",
        "execution.py",
        "placement.py",
    } <= files


def test_a_text_that_moved_is_a_problem(tmp_path: Path) -> None:
    core = tmp_path / "src" / "understudy" / "core"
    core.mkdir(parents=True)
    for mutant in MUTANTS:
        (core / mutant.file).write_text("nothing of it\n")
    assert len(problems(tmp_path)) == len(MUTANTS)


def test_survivors_are_shown_with_their_reason_or_without() -> None:
    text = table([MutantResult(MUTANTS[0], "seed 7", 8, 1.0), MutantResult(MUTANTS[1], None, 2000, 9.0)], {})
    assert "| seed 7 |" in text
    assert "**survived** 2000 seeds: no reason known" in text
    assert "2 mutants, 1 caught, 1 survived." in text
    again = table([MutantResult(MUTANTS[1], "scenario some", 0, 1.0)], known_rows(text))
    assert "2 mutants, 2 caught, 0 survived." in again
    assert "| seed 7 |" in again


def test_every_mutant_was_tried_and_no_survivor_is_without_a_reason() -> None:
    rows = known_rows(RESULTS.read_text())
    assert set(rows) == {mutant.name for mutant in MUTANTS}
    for mutant in MUTANTS:
        row = rows[mutant.name]
        assert "no reason known" not in row, mutant.name
        assert "**survived**" not in row or mutant.reason in row, mutant.name
