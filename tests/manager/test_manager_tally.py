"""Rise and fall: how many answers in a row make a probe up or down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.manager.tally import Tally


def marks(answers: str, rise: int, fall: int) -> str:
    """``answers`` of "+", "-" and "." (passed over); what it is after each: U up, D down, ? neither. A change is marked by !"""
    tally = Tally(rise, fall)
    said = ""
    for answer in answers:
        changed = False
        if answer == ".":
            tally.pass_over()
        else:
            changed = tally.add(answer == "+")
        said += {True: "U", False: "D", None: "?"}[tally.up] + ("!" if changed else "")
    return said


@pytest.mark.parametrize(
    ("answers", "rise", "fall", "expected"),
    [
        ("+", 1, 3, "U!"),
        ("---", 1, 3, "??D!"),
        ("+--+---", 1, 3, "U!UUUUUD!"),
        ("---+-", 1, 3, "??D!U!U"),
        ("++-+++", 3, 1, "??D!DDU!"),
        ("-", 1, 1, "D!"),
        ("--.--", 1, 3, "?????"),
        ("++.+", 3, 1, "????"),
    ],
)
def test_rise_and_fall(answers: str, rise: int, fall: int, expected: str) -> None:
    assert marks(answers, rise, fall) == expected


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_it_is_what_the_last_long_enough_row_says(answers: list[bool], rise: int, fall: int) -> None:
    tally = Tally(rise, fall)
    for count, answer in enumerate(answers, 1):
        before = tally.up
        changed = tally.add(answer)
        need = rise if answer else fall
        row = answers[max(0, count - need) : count]
        long_enough = len(row) == need and all(item is answer for item in row)
        assert tally.up is (answer if long_enough else before)
        assert changed == (tally.up is not before)
