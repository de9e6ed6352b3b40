"""Another cluster key while real daemons serve: no heartbeat and no request is lost, and no key is found where none belongs."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_world import in_world, undisturbed, until, watch
from key_world import FILE, MEMBERS, KeyTrial, key_file
from other_worlds import really_well

from understudy.config.load import read_key_file
from understudy.lab import kernel
from understudy.lab.trial import Trial
from understudy.units import MILLISECOND


def understudy(trial: Trial, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run on the machine, with its own files."""
    daemon = trial.stage.daemons[name]
    command = daemon.machine.command([sys.executable, "-m", "understudy.cli.main", *words])
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def asked(trial: Trial, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return understudy(trial, name, *words, "--runtime-dir", trial.stage.daemons[name].runtime)


def keys(name: str) -> tuple[bytes, ...]:
    found = read_key_file(str(key_file(name)))
    assert isinstance(found, tuple), found
    return found


def report(trial: Trial, name: str) -> dict[str, Any]:
    found = trial.stage.daemons[name].ask("/v1/key", None, 10.0)
    assert found is not None
    return found


def losses(trial: Trial) -> dict[str, Any]:
    """What every member missed or refused of the others."""
    found: dict[str, Any] = {}
    for name in MEMBERS:
        status = trial.stage.daemons[name].status()
        assert status is not None
        found[name] = {
            "rejected": {key: count for key, count in status["rejected"].items() if key in ("unknown-key", "bad-seal")},
            "loss": [link["loss"] for node in status["nodes"] for link in node["links"] if link["loss"]],
            "lost": [node["name"] for node in status["nodes"] if node["state"] != "up"],
            "stalls": status["counters"]["stalls"],
        }
    return found


def written(trial: Trial) -> Iterator[tuple[str, bytes]]:
    """Everything that people are shown or keep: dumps (the copy of the core unpacked), histories, logs, statuses."""
    for name in MEMBERS:
        daemon = trial.stage.daemons[name]
        assert daemon.ask("/v1/dump", {}, 10.0)
        lines = Path(daemon.runtime, "dump.jsonl").read_bytes()
        core = "".join(json.loads(line).get("core", "") for line in lines.splitlines())
        assert core
        yield f"dump of {name}", lines + base64.b64decode(core)
        yield f"history of {name}", Path(daemon.state, "history.jsonl").read_bytes()
        yield f"log of {name}", Path(daemon.log_path).read_bytes()
        for path in ("/v1/status", "/v1/key", "/v1/history?lines=500"):
            yield f"{path} of {name}", json.dumps(daemon.ask(path, None, 10.0)).encode()


def not_found_in(trial: Trial, secrets: set[bytes]) -> None:
    for where, data in written(trial):
        for key in secrets:
            forms = (key, key.hex().encode(), base64.b64encode(key)[:40], repr(key)[2:-1].encode())
            assert not any(form in data or form in data.lower() for form in forms), f"a key is in the {where}"


@in_world(KeyTrial)
def test_a_rotation_loses_nothing(trial: Trial) -> None:
    (old,) = keys("ha01")
    until("what was missed at the start is forgotten", lambda: not any(at["loss"] for at in losses(trial).values()))
    before, start = losses(trial), kernel.now()
    done = asked(trial, "ha02", "key", "rotate")
    assert done.returncode == 0, done.stdout + done.stderr
    for step, name in zip(("1/3", "2/3", "3/3"), MEMBERS, strict=True):
        assert step in done.stdout
        assert name in done.stdout
    (new,) = keys("ha01")
    assert new != old
    assert {keys(name) for name in MEMBERS} == {(new,)}
    after = losses(trial)
    undisturbed(watch(trial, start, 1.0))
    if {at["stalls"] for at in after.values()} == {at["stalls"] for at in before.values()}:
        assert after == before, f"a heartbeat was lost or refused: {before}, then {after}"
    questions = trial.stage.watchers.questions(start, kernel.now() - 50 * MILLISECOND)
    assert all(sample.answered for sample in questions if sample.sequence % 10 == 0), "a request was lost"
    uses = {row["uses"] for row in report(trial, "arbiter")["members"]}
    assert len(uses) == 1
    assert f"only the key {uses.pop()} is left" in asked(trial, "arbiter", "history").stdout
    not_found_in(trial, {old, new})
    # Who starts again starts with the new one; and a member that is away keeps the others from leaving it behind.
    trial.stage.do("kill ha01 pulse")
    until("all is well", lambda: really_well(trial))
    trial.stage.do("stop arbiter")
    done = asked(trial, "ha01", "key", "rotate")
    assert done.returncode == 4, done.stdout
    assert "arbiter does not answer" in done.stderr
    assert keys("ha01") == (new,)


@pytest.mark.long
@in_world(KeyTrial)
def test_by_hand_and_one_step_at_a_time(trial: Trial) -> None:
    """A file that was changed by hand is taken up by a reload, unless somebody would be cut off."""
    (old,), start = keys("ha01"), kernel.now()
    assert understudy(trial, "ha01", "keygen", "--rotate", FILE).returncode == 0
    done = asked(trial, "ha01", "reload", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "and knows" in done.stdout
    assert "go on with: understudy key rotate" in str(trial.stage.daemons["ha01"].status())
    # Step 2 too early: the others have not seen the new key.
    assert understudy(trial, "ha01", "keygen", "--rotate", FILE).returncode == 0
    done = asked(trial, "ha01", "reload", "--yes")
    assert done.returncode == 4, done.stdout
    assert "ha02 does not know the key" in done.stderr
    _, fresh = keys("ha01")[::-1]
    assert fresh != old
    key_file("ha01").write_text(f"{old.hex()}\n{fresh.hex()}  # next: accepted, not yet used\n")
    # The rest by the command, one step at a time, also from another machine.
    for step in ("add", "use", "drop"):
        assert report(trial, "ha02")["next"] == step
        done = asked(trial, "ha02", "key", "rotate", "--step")
        assert done.returncode == 0, done.stdout + done.stderr
    assert {keys(name) for name in MEMBERS} == {(fresh,)}
    # A new key that nobody uses is given up again; one that is read-only for the daemon is refused with the reason.
    assert asked(trial, "ha01", "key", "rotate", "--step").returncode == 0
    assert all(len(keys(name)) == 2 for name in MEMBERS)
    assert asked(trial, "arbiter", "key", "abandon").returncode == 0
    assert {keys(name) for name in MEMBERS} == {(fresh,)}
    undisturbed(watch(trial, start, 1.0))
