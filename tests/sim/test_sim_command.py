"""``understudy sim``: what it prints, for people and for programs, and how it ends."""

from __future__ import annotations

import json

from click.testing import CliRunner

from understudy.cli.sim import command


def test_json_has_one_trace_for_each_seed_and_says_how_to_repeat() -> None:
    result = CliRunner().invoke(command, ["--seeds", "2", "--from", "1000", "--jobs", "1", "--json"])
    found = json.loads(result.stdout)
    assert found["seeds"] == 2
    assert set(found["traces"]) == {"1000", "1001"}
    assert found["coverage"]["datagrams: sent"] > 0
    assert result.exit_code == (1 if found["failed"] else 0)


def test_two_processes_find_the_same_as_one() -> None:
    traces = []
    for jobs in ("1", "2"):
        arguments = ["--seeds", "2", "--from", "1000", "--jobs", jobs, "--json"]
        traces.append(json.loads(CliRunner().invoke(command, arguments).stdout)["traces"])
    assert traces[0] == traces[1]


def test_a_story_is_in_the_order_of_time_and_ends_with_the_verdict() -> None:
    result = CliRunner().invoke(command, ["--seed", "1000", "--story"])
    told, _, verdict = result.stdout.partition("\n\n")
    moments = [float(line.split()[0]) for line in told.splitlines()]
    assert len(moments) > 50
    assert moments == sorted(moments)
    assert verdict.startswith("seed 1000:")


def test_text_names_what_happened() -> None:
    result = CliRunner().invoke(command, ["--seed", "1000"])
    assert "datagrams: sent" in result.stdout
    assert "1 seeds" in result.stdout
