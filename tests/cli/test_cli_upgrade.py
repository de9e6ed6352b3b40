"""``understudy upgrade``: what is shown, what is refused, exit codes; and which protocol a start takes afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from manager_helpers import FakePulse, RunningManager
from test_cli_commands import understudy

from understudy.adapters import lockfile, running, upgrading
from understudy.adapters.upgrading import NATIVE, PREPARED, Record
from understudy.cli.run import _Accepted, _keep
from understudy.cli.run_upgraded import what_counts
from understudy.cli.upgrade import _show, command
from understudy.config.keys import format_keys
from understudy.config.load import examine, load
from understudy.pulse.trial import begin, change

FOUND = {
    "obstacles": [
        {"node": "ha02", "text": "it stops", "hint": "wait"},
        {"node": "", "text": "no key", "hint": "make one"},
    ],
    "notes": ["ha.cf:3: serial /dev/ttyS0: native heartbeats take networks only"],
    "steps": ["first", "then"],
    "ok": True,
}


def test_what_is_in_the_way_and_what_will_happen(capsys: pytest.CaptureFixture[str]) -> None:
    _show(FOUND)
    assert capsys.readouterr().out.splitlines() == [
        "! ha02: it stops",
        "    wait",
        "! no key",
        "    make one",
        "What changes with the native form, or has no equivalent there:",
        "- ha.cf:3: serial /dev/ttyS0: native heartbeats take networks only",
        "What will happen:",
        "1. first",
        "2. then",
    ]


def test_a_native_node_has_nothing_to_upgrade(pulse: FakePulse, manager: RunningManager) -> None:
    for arguments in (("--dry-run",), ("--yes",), ("--abandon",)):
        done = understudy(manager, "upgrade", *arguments)
        assert done.returncode == 4, done.stderr
        assert "speaks the native protocol already" in done.stderr


@pytest.mark.parametrize("arguments", [["--dry-run", "--back"], ["--abandon", "--dry-run"]])
def test_one_thing_at_a_time(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == 2


def test_no_daemon(tmp_path: Path) -> None:
    from understudy.errors import NotRunning

    done = CliRunner().invoke(command, ["--dry-run", "--runtime-dir", str(tmp_path)])
    assert isinstance(done.exception, NotRunning)


def test_the_way_back_is_for_stopped_nodes(tmp_path: Path) -> None:
    run, state = tmp_path / "run", tmp_path / "state"
    run.mkdir()
    state.mkdir()
    places = ["--back", "--runtime-dir", str(run), "--state-dir", str(state)]
    assert "no upgrade is on record" in CliRunner().invoke(command, places).output
    upgrading.write_record(str(state), Record(NATIVE, "/etc/ha.d", "/etc/understudy/cluster.toml", "x", 1))
    child = os.fork()
    if not child:
        descriptor = lockfile.take(str(run / "pulse.lock"))
        os.kill(os.getpid(), 19)  # SIGSTOP: until the test has looked
        os._exit(0 if descriptor is not None else 1)
    os.waitpid(child, os.WUNTRACED)
    done = CliRunner().invoke(command, places)
    assert (done.exit_code, "the daemon runs: stop it first" in done.output) == (1, True)
    os.kill(child, 18)
    assert os.waitpid(child, 0)[1] == 0
    done = CliRunner().invoke(command, places)
    assert done.exit_code == 0, done.output
    assert "Say the same on the other node" in done.output
    assert upgrading.read_record(str(state)) is None


# Which counts at the next start


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str, str]:
    """Heartbeat's folder, the runtime directory and the state directory."""
    for name in ("ha.d", "run", "state"):
        (tmp_path / name).mkdir()
    return str(tmp_path / "ha.d"), str(tmp_path / "run"), str(tmp_path / "state")


def native(folder: Path) -> Path:
    """A native file, with a key beside it."""
    config, key = folder / "cluster.toml", folder / "cluster.key"
    config.write_text(
        '[cluster]\nname = "c"\nkey_file = "cluster.key"\nquorum = "pair"\nheartbeat = "100ms"\ndead_time = "1s"\n'
        '[nodes.ha01]\nlinks = ["127.0.0.1"]\n[nodes.ha02]\nlinks = ["127.0.0.2"]\n'
    )
    key.write_text(format_keys((os.urandom(32),)))
    key.chmod(0o600)
    return config


def counts(places: tuple[str, str, str], config: str = "") -> tuple[str, str]:
    """(what is started, what was said)."""
    said: list[str] = []
    found = what_counts(config or places[0], places[1], places[2], "ha01", said.append)
    return found, " ".join(said)


def test_without_a_record_the_folder_counts(places: tuple[str, str, str]) -> None:
    assert counts(places) == (places[0], "")


def test_after_the_upgrade_the_native_file_counts(places: tuple[str, str, str]) -> None:
    upgrading.write_record(places[2], Record(NATIVE, places[0], "/etc/understudy/cluster.toml", "x", 1))
    found, said = counts(places)
    assert found == "/etc/understudy/cluster.toml"
    assert "has gone over to the native protocol" in said
    assert "understudy upgrade --back" in said
    assert counts(places, "/etc/other.toml") == ("/etc/other.toml", ""), "that is none of its business"


def test_in_the_middle_the_folder_counts_while_nobody_speaks_natively(
    places: tuple[str, str, str], tmp_path: Path
) -> None:
    config = native(tmp_path)
    upgrading.write_record(places[2], Record(PREPARED, places[0], str(config), "x", 1))
    found, said = counts(places)
    assert found == places[0]
    assert "is not heard under the native protocol" in said
    record = upgrading.read_record(places[2])
    assert record is not None
    assert record.state == PREPARED


def test_a_start_after_a_stop_in_the_middle_of_a_trial_keeps_what_it_chose(
    places: tuple[str, str, str], tmp_path: Path
) -> None:
    native(tmp_path)
    config = str(tmp_path / "cluster.toml")
    cluster, problems = examine(config)
    assert cluster is not None, problems
    running.keep(places[1], "the old copy", "", places[0])
    upgrading.prepare(places[1], "what was tried", "its key", config)
    assert change(places[1])
    _keep(_Accepted(cluster, True), cluster.members[0].name, places[1], places[2])
    begin(places[1])
    assert load(running.configuration(places[1])).digest == cluster.digest
    assert not upgrading.is_prepared(places[1]), "that is looked at anew"


def test_a_supervisor_that_is_started_again_names_the_file_that_counts(places: tuple[str, str, str]) -> None:
    """The processes run on with the native file: they are not said to differ from it."""
    upgrading.write_record(places[2], Record(NATIVE, places[0], "/etc/understudy/cluster.toml", "x", 1))
    Path(running.configuration(places[1])).write_text("")
    child = os.fork()
    if not child:
        descriptor = lockfile.take(os.path.join(places[1], "pulse.lock"))
        os.kill(os.getpid(), 19)
        os._exit(0 if descriptor is not None else 1)
    os.waitpid(child, os.WUNTRACED)
    try:
        assert running.is_in_use(places[1])
        assert counts(places)[0] == "/etc/understudy/cluster.toml"
    finally:
        os.kill(child, 18)
        os.waitpid(child, 0)
