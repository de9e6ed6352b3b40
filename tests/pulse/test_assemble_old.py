"""What a pulse of the old protocol is before its first turn."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_old_ear import FILES

from understudy.adapters.old_identity import GENERATION_FILE, read_identity
from understudy.config.heartbeat_copy import HeartbeatCopy
from understudy.errors import UnderstudyError
from understudy.heartbeat_files import OldGroup, PingNode
from understudy.model import Group
from understudy.pulse.assemble_old import identify, pair_of
from understudy.units import SECOND


@pytest.fixture
def copy(tmp_path: Path) -> HeartbeatCopy:
    home = tmp_path / "home"
    assert read_identity(str(home), lambda: 40).generation == 41
    return HeartbeatCopy(FILES, (b"", b"", b""), 694, str(home), {"router": "192.0.2.9"})


def test_every_start_is_the_next_generation(copy: HeartbeatCopy, tmp_path: Path) -> None:
    first, second = (identify(copy, str(tmp_path), 0) for _ in range(2))
    assert (first.generation, second.generation) == (42, 43)
    assert first.uuid == second.uuid


def test_a_generation_that_was_reached_while_it_ran_is_not_used_again(copy: HeartbeatCopy, tmp_path: Path) -> None:
    assert identify(copy, str(tmp_path), 60).generation == 61
    assert identify(copy, str(tmp_path), 60).generation == 62


def test_two_starts_within_a_second_are_two_generations_by_time(
    copy: HeartbeatCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other node takes messages of the same generation with low numbers for old ones."""
    by_time = replace(copy, files=replace(FILES, generation_by_time=True))
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.5)
    found = [identify(by_time, str(tmp_path), 0).generation for _ in range(3)]
    assert found == [1_800_000_000, 1_800_000_001, 1_800_000_002]
    monkeypatch.setattr(time, "time", lambda: 1_800_000_100.5)
    assert identify(by_time, str(tmp_path), 0).generation == 1_800_000_100


def test_a_full_disk_does_not_keep_a_pulse_from_coming_back(copy: HeartbeatCopy, tmp_path: Path) -> None:
    before = identify(copy, str(tmp_path), 0)
    (Path(copy.home) / GENERATION_FILE).unlink()
    (Path(copy.home) / GENERATION_FILE).mkdir()
    found = [identify(copy, str(tmp_path), 0) for _ in range(2)]
    assert [item.generation for item in found] == [before.generation + 1, before.generation + 2]
    assert {item.uuid for item in found} == {before.uuid}
    assert all("going on with what the last run had" in note for item in found for note in item.notes)
    assert identify(copy, str(tmp_path), 90).generation == 91


def test_who_never_ran_here_needs_its_files(copy: HeartbeatCopy, tmp_path: Path) -> None:
    (Path(copy.home) / GENERATION_FILE).write_text("nonsense\n")
    with pytest.raises(UnderstudyError, match="which is no generation"):
        identify(copy, str(tmp_path), 0)


def test_ha_cf_is_what_the_core_gets(copy: HeartbeatCopy, tmp_path: Path) -> None:
    files = replace(
        FILES,
        ping_nodes=(PingNode("router", ("router",)), PingNode("both", ("192.0.2.7", "router"), True)),
        groups=(OldGroup("IPaddr::192.0.2.1", "ha01", ("IPaddr::192.0.2.1",), Group("192.0.2.1", ())),),
        ipfail=True,
    )
    pair = pair_of(replace(copy, files=files), identify(copy, str(tmp_path), 0), {"ha02": 7})
    assert [node.hosts for node in pair.pings] == [("192.0.2.9",), ("192.0.2.7", "192.0.2.9")]
    assert (pair.key("192.0.2.1"), pair.known, pair.ipfail) == ("IPaddr::192.0.2.1", (("ha02", 7),), True)
    assert (pair.deadtime, pair.auto_failback.value, pair.nodes) == (10 * SECOND, "on", ("ha01", "ha02"))


def test_a_pulse_of_the_old_protocol_has_one_copy_of_openssl_in_its_locked_memory() -> None:
    """hashlib brings the system's beside the one of the library that seals and signs here: six megabytes (measured)."""
    said = "import sys, understudy.pulse.assemble, understudy.pulse.assemble_old; print('_hashlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
