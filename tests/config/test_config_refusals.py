"""Every refusal and warning with its full message: refusals/*.txt are the cases, written to be read."""

from __future__ import annotations

import pytest
from config_helpers import GOOD, HERE, REWRITE, read_cases, write_cases

from understudy.config.validate import read

AREAS = ("cluster", "members", "groups", "kinds", "syntax", "fences", "probes", "api")


def _problems(text: str) -> str:
    return "\n".join(str(problem) for problem in read(text, "cluster.toml").problems)


def _cases() -> list[object]:
    return [
        pytest.param(area, case, id=f"{area}: {case.title}")
        for area in AREAS
        for case in read_cases(HERE / "refusals" / f"{area}.txt")[1]
    ]


@pytest.mark.parametrize(("area", "case"), _cases())
def test_refusal(area, case) -> None:
    if REWRITE:
        _rewrite(area)
        return
    assert case.expected, "a case without expected problems tests nothing"
    assert _problems(case.file(area)) == case.expected


def _rewrite(area) -> None:
    """Put what the program says now behind every case."""
    path = HERE / "refusals" / f"{area}.txt"
    head, cases = read_cases(path)
    for case in cases:
        case.expected = _problems(case.file(area))
    write_cases(path, head, cases)


def test_the_standard_file_is_good() -> None:
    """Otherwise the cases above would show problems of the part that they only append."""
    reading = read(GOOD, "cluster.toml")
    assert reading.problems == ()
    assert reading.cluster is not None


def test_more_groups_than_a_heartbeat_can_name() -> None:
    many = "".join(f"[groups.g{number}]\n" for number in range(129))
    text = GOOD[: GOOD.index("[groups.")] + many
    found = [str(problem) for problem in read(text, "cluster.toml").problems if "heartbeat can name" in problem.text]
    line = text[: text.index("[groups.g128]")].count("\n") + 1
    assert found == [
        f"cluster.toml:{line}:9: error: 129 groups are more than the 128 that a heartbeat can name\n"
        "    A group may have any number of addresses and programs."
    ]
