"""A full stop and start in the middle of a change of the voters: what was before is brought back, a third file is refused."""

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
    assert "Start with the file of that change" in capsys.readouterr().err
