"""A start in the middle of a change of the voters, or with another file than the last one: what was before counts as well, and a
file with voters that may have another majority is refused."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from understudy.adapters import running
from understudy.cli.run import EXIT_REFUSED, _under_way
from understudy.config.load import examine
from understudy.model import Cluster

KEY = secrets.token_hex(32)
TEXT = """\
[cluster]
name = "site"
heartbeat = "200ms"
dead_time = "1s"
key_file = "cluster.key"
quorum = "majority"
[nodes.ha01]
links = ["192.168.58.101"]
[nodes.ha02]
links = ["192.168.58.102"]
[witness.arbiter]
links = ["192.168.58.9"]
[groups.site]
resources = [{ address = "192.168.58.100/24", device = "eth0" }]
"""
HA03 = '[nodes.ha03]\nlinks = ["192.168.58.103"]\n'
HA04 = '[nodes.ha04]\nlinks = ["192.168.58.104"]\n'
MORE = TEXT.replace("[witness", HA03 + "[witness")
MOST = MORE.replace("[witness", HA04 + "[witness")


def read(directory: Path, text: str) -> Cluster:
    for name in ("cluster.key", running.KEYS):
        (directory / name).write_text(KEY + "\n")
        (directory / name).chmod(0o600)
    file = directory / "cluster.toml"
    file.write_text(text)
    found, problems = examine(str(file), with_api_files=False)
    assert found is not None, problems
    return found


def kept(tmp_path: Path) -> tuple[str, str]:
    """The runtime and the state directory of a node that stopped in the middle of a change."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / running.CONFIGURATION).write_text(TEXT.replace("cluster.key", running.KEYS))
    running.keep_former(str(tmp_path), str(state))
    return str(tmp_path), str(state)


def test_a_change_that_is_not_over_outlives_the_runtime_directory(tmp_path: Path) -> None:
    runtime, state = kept(tmp_path)
    assert _under_way(read(tmp_path, MORE), runtime, state)
    assert "ha02" in Path(running.former(runtime)).read_text()
    assert not _under_way(read(tmp_path, TEXT), runtime, state), "it was taken back"
    running.forget_former(state)
    assert not _under_way(read(tmp_path, MOST), runtime, state)


def test_a_third_file_is_refused_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime, state = kept(tmp_path)
    with pytest.raises(SystemExit) as ended:
        _under_way(read(tmp_path, MOST), runtime, state)
    assert ended.value.code == EXIT_REFUSED
    assert "Start with the former file" in capsys.readouterr().err


def last_ran_with(tmp_path: Path, text: str) -> tuple[str, str]:
    """The directories of a node that ran with ``text`` and was stopped cleanly."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / running.CONFIGURATION).write_text(text.replace("cluster.key", running.KEYS))
    running.keep_last(str(tmp_path), str(state))
    return str(tmp_path), str(state)


def test_a_member_replaced_in_the_file_of_one_node_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 1, 2, 3 and 1, 2, 4 both halves could have a majority: 1 and 3, 2 and 4."""
    runtime, state = last_ran_with(tmp_path, MORE)
    with pytest.raises(SystemExit) as ended:
        _under_way(read(tmp_path, MORE.replace("ha03", "ha04").replace(".103", ".104")), runtime, state)
    assert ended.value.code == EXIT_REFUSED
    said = capsys.readouterr().err
    assert "counted the votes of ha01, ha02, ha03, arbiter when it ran last" in said
    assert f"rm -f {state}/former.toml {state}/last.toml" in said
    assert not Path(running.former(runtime)).exists()
    for name in (running.FORMER, running.LAST):
        (tmp_path / "state" / name).unlink(missing_ok=True)
    assert not _under_way(read(tmp_path, TEXT), runtime, state), "as the message says"


def test_one_member_more_at_a_start_counts_both_sets(tmp_path: Path) -> None:
    runtime, state = last_ran_with(tmp_path, TEXT)
    assert _under_way(read(tmp_path, MORE), runtime, state)
    assert "ha03" not in Path(running.former(runtime)).read_text()


def test_other_groups_and_times_are_the_matter_of_a_start(tmp_path: Path) -> None:
    runtime, state = last_ran_with(tmp_path, TEXT)
    other = TEXT.replace('"1s"', '"2s"').replace("groups.site", "groups.mail")
    assert not _under_way(read(tmp_path, other), runtime, state)


def test_another_policy_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = TEXT.replace("majority", "pair").replace('[witness.arbiter]\nlinks = ["192.168.58.9"]\n', "")
    runtime, state = last_ran_with(tmp_path, pair)
    with pytest.raises(SystemExit):
        _under_way(read(tmp_path, TEXT), runtime, state)
    assert "names ha01, ha02, arbiter" in capsys.readouterr().err
