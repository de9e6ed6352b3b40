"""How fast, beside Debian's heartbeat in the same run: the trials of the benchmark, once each and side by side.

What must hold on any machine is the order of magnitude against the dead time and against the other program; the promised figures
are judged by ``./dev bench``. Never do two machines serve.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest
from old_world import NEEDED

from private_world import NO_WORLD, absent
from understudy.lab.old_pair import APACHE
from understudy.lab.old_trial import OldSpec

pytestmark = [pytest.mark.kernel, pytest.mark.long]

FEWER = 8
"""Addresses for the old program: it takes a quarter of a second for each, and far longer where others compute."""


def trial(spec: OldSpec) -> dict[str, Any]:
    command = [sys.executable, "-m", "understudy.lab.old_trial", json.dumps(asdict(spec))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == NO_WORLD:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["results"][0]
    return result


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    """Four worlds at once, for most of their time passes waiting."""
    lacking = absent((*NEEDED, APACHE))
    if lacking:
        pytest.skip(lacking)
    specs = {
        "apache, ours": OldSpec("apache"),
        "apache, old": OldSpec("apache", "heartbeat"),
        "many, ours": OldSpec("many"),
        "many, old": OldSpec("many", "heartbeat", FEWER),
    }
    with ThreadPoolExecutor(len(specs)) as pool:
        return dict(zip(specs, pool.map(trial, specs.values()), strict=True))


def test_a_loss_of_power_costs_the_dead_time_and_apaches_own_start(results: dict[str, dict[str, Any]]) -> None:
    ours, old = results["apache, ours"], results["apache, old"]
    print(f"{ours}\n{old}\nratio of the work {old['address_ms'] / ours['address_ms']:.1f}")
    assert ours["two"] == 0
    assert ours["address_ms"] < ours["dead_time_ms"] / 10
    assert ours["page_outage_ms"] < 1.5 * ours["dead_time_ms"] + ours["apache_ms"]
    assert ours["address_ms"] < old["address_ms"]


def test_fifty_addresses_are_there_before_the_old_program_has_a_few(results: dict[str, dict[str, Any]]) -> None:
    ours, old = results["many, ours"], results["many, old"]
    print(f"{ours}\n{old}\nratio {old['last_ms'] / ours['last_ms']:.1f}")
    assert (ours["addresses"], old["addresses"]) == (50, FEWER)
    assert ours["two"] == 0
    assert ours["last_ms"] * 10 < old["last_ms"]
