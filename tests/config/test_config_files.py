"""Files on disk: the configuration, the key file, and the commands that write and judge them."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_helpers import GOOD

from understudy.cli.check import command as check
from understudy.cli.keygen import command as keygen
from understudy.config.keys import format_keys, is_waiting, parse_keys, rotated
from understudy.config.load import examine, load, load_keys, read_key_file
from understudy.errors import ConfigError, Problem

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))


@pytest.fixture
def site(tmp_path) -> Path:
    """A good configuration with its key; gives the path of the configuration."""
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD)
    path.chmod(0o644)
    _key(tmp_path / "cluster.key", f"{KEY.hex()}\n")
    return path


def _key(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def _only(problems: tuple[Problem, ...]) -> str:
    assert len(problems) == 1
    return str(problems[0])


# -- configuration ----------------------------------------------------------------------------------------------------


def test_load_gives_the_cluster_and_where_it_is(site, monkeypatch) -> None:
    monkeypatch.chdir(site.parent)
    cluster = load("cluster.toml")
    assert cluster.source == str(site)
    monkeypatch.chdir("/")
    assert load_keys(cluster) == (KEY,)


def test_load_raises_with_every_error_and_no_warning(site) -> None:
    site.write_text(
        GOOD.replace("eth0", "eth0:1")
        .replace('"site"', '"a b"', 1)
        .replace('["192.168.58.9"]', '["192.168.58.9", "10.0.0.1"]')
    )
    with pytest.raises(ConfigError) as caught:
        load(str(site))
    assert [problem.line for problem in caught.value.problems] == [3, 14]
    assert all(problem.severity == "error" for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["missing.toml", "directory", "pipe", "nul\0byte", ""])
def test_files_that_cannot_be_read(tmp_path, name) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    cluster, problems = examine(str(tmp_path / name) if name else "")
    assert cluster is None
    assert "cannot read the file: " in _only(problems)


def test_a_huge_file_is_not_read_to_its_end(tmp_path) -> None:
    path = tmp_path / "disk.img"
    path.touch()
    os.truncate(path, 1 << 40)
    assert "larger than 8000000 bytes" in _only(examine(str(path))[1])


def test_a_mark_of_byte_order_is_forgiven(site) -> None:
    site.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert examine(str(site))[1] == ()


def test_a_file_that_others_may_change_is_a_warning(site) -> None:
    site.chmod(0o666)
    cluster, problems = examine(str(site))
    assert cluster is not None
    assert _only(problems) == (
        f"{site}: warning: the file may be changed by others (mode 0666)\n"
        f"    Whoever changes it decides what runs as root. Mend it with: chmod go-w {site}"
    )


# -- key file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o777])
def test_a_key_file_open_to_others_is_refused(site, mode) -> None:
    (site.parent / "cluster.key").chmod(mode)
    cluster, problems = examine(str(site))
    assert cluster is None
    key = site.parent / "cluster.key"
    what = "read" if mode & 0o044 else "changed or run"
    assert _only(problems) == (
        f"{site}:4:12: error: key_file {key}: the key file may be {what} by others (mode {mode:04o})\n"
        f"    Mend it with: chmod 600 {key}"
    )


def test_a_missing_key_file_says_how_to_make_one(site) -> None:
    key = site.parent / "cluster.key"
    key.unlink()
    assert _only(examine(str(site))[1]) == (
        f"{site}:4:12: error: key_file {key}: cannot read the file: No such file or directory\n"
        f"    If the cluster has a key already, copy it: scp -p root@OTHER:{key} {key} (a running daemon also has it in "
        f"/run/understudy/running.key). Only for a new cluster: understudy keygen {key}"
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, "there is no key in the file"),
        ("# only a comment\n\n", 0, "there is no key in the file"),
        ("0123\n", 1, "this line is not a key: a key has 64 hexadecimal digits"),
        (f"\n# x\n{KEY.hex()}0\n", 3, "this line is not a key: a key has 64 hexadecimal digits"),
        (f"{KEY.hex()}\n{KEY.hex().upper()}\n", 2, "this key is in the file twice"),
        (f"{KEY.hex()}\n{OTHER.hex()}\n{bytes(range(64, 96)).hex()}\n", 3, "more than 2 keys"),
        ("00" * 32, 1, "this key is one digit over and over: anybody can guess it"),
        ("\x00\xff\n", 1, "this line is not a key: a key has 64 hexadecimal digits"),
    ],
)
def test_malformed_key_files(tmp_path, text, line, words) -> None:
    _key(tmp_path / "k", text)
    problem = read_key_file(str(tmp_path / "k"))
    assert isinstance(problem, Problem)
    assert (problem.line, problem.text) == (line, words)
    assert KEY.hex() not in str(problem), "a message must not show a key"


def test_load_keys_gives_the_first_key_first_and_raises_when_there_is_none(site) -> None:
    cluster = load(str(site))
    _key(site.parent / "cluster.key", f"# two during rotation\n\n{OTHER.hex().upper()}  # in use\n{KEY.hex()}")
    assert load_keys(cluster) == (OTHER, KEY)
    (site.parent / "cluster.key").chmod(0o644)
    with pytest.raises(ConfigError, match="may be read by others"):
        load_keys(cluster)


# -- keygen -----------------------------------------------------------------------------------------------------------


def _keys(path: Path) -> tuple[bytes, ...]:
    keys = read_key_file(str(path))
    assert not isinstance(keys, Problem), keys
    return keys


def test_keygen_writes_a_key_for_its_owner_only(tmp_path) -> None:
    old = os.umask(0)
    try:
        result = CliRunner().invoke(keygen, [str(tmp_path / "k")])
    finally:
        os.umask(old)
    assert result.exit_code == 0
    assert "copy it to the same place on every other machine" in result.output
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert len(_keys(tmp_path / "k")) == 1
    assert os.listdir(tmp_path) == ["k"]
    assert _keys(tmp_path / "k")[0].hex() not in result.output


def test_keygen_replaces_a_file_only_when_told(tmp_path) -> None:
    _key(tmp_path / "k", KEY.hex())
    result = CliRunner().invoke(keygen, [str(tmp_path / "k")])
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert _keys(tmp_path / "k") == (KEY,)
    assert CliRunner().invoke(keygen, ["--force", str(tmp_path / "k")]).exit_code == 0
    assert _keys(tmp_path / "k") != (KEY,)
    assert CliRunner().invoke(keygen, ["--force", "--rotate", str(tmp_path / "k")]).exit_code == 2


def test_rotation_in_three_steps_never_leaves_a_machine_out(tmp_path) -> None:
    """Whatever the step a machine is at, the neighbours one step before or behind can open what it seals."""
    path = tmp_path / "k"
    _key(path, KEY.hex())
    states = [_keys(path)]
    for step in ("Step 1 of 3", "Step 2 of 3", "Step 3 of 3"):
        result = CliRunner().invoke(keygen, ["--rotate", str(path)])
        assert result.exit_code == 0
        assert result.output.startswith(step)
        assert "on each: understudy reload" in result.output
        states.append(_keys(path))
    for before, after in itertools.pairwise(states):
        assert before[0] in after
        assert after[0] in before
    assert states[-1][0] not in states[0]
    assert len(states[-1]) == 1


def test_rotation_starts_over_after_the_third_step() -> None:
    keys, waiting = rotated((KEY,), False, OTHER)
    assert (keys, waiting) == ((KEY, OTHER), True)
    text = format_keys(keys, waiting).encode()
    assert parse_keys(text, "k") == keys
    assert is_waiting(text)
    assert not is_waiting(format_keys(keys).encode())


def test_rotation_of_a_bad_file_changes_nothing(tmp_path) -> None:
    _key(tmp_path / "k", "nonsense")
    result = CliRunner().invoke(keygen, ["--rotate", str(tmp_path / "k")])
    assert result.exit_code == 1
    assert "not a key" in result.output
    assert (tmp_path / "k").read_text() == "nonsense"


def test_keygen_makes_no_stranger_of_a_machine_whose_cluster_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "running.key").touch()
    key = tmp_path / "cluster.key"
    result = CliRunner().invoke(keygen, [str(key)])
    assert result.exit_code == 1
    assert f"install -m 600 {tmp_path}/running.key {key}" in result.output
    assert not key.exists()
    assert CliRunner().invoke(keygen, [str(key), "--force"]).exit_code == 0
    (tmp_path / "running.key").unlink()
    key.unlink()
    (tmp_path / "cluster.toml").write_text('key_file = "cluster.key"')
    result = CliRunner().invoke(keygen, [str(key)])
    assert result.exit_code == 0
    assert f"scp -p root@OTHER:{key} {key}" in result.output


def test_keygen_where_it_cannot_write(tmp_path) -> None:
    result = CliRunner().invoke(keygen, [str(tmp_path / "missing" / "k")])
    assert result.exit_code == 1
    assert "cannot write" in result.output


def test_check_and_keygen_work_together(site) -> None:
    (site.parent / "cluster.key").unlink()
    assert CliRunner().invoke(check, [str(site)]).exit_code == 1
    assert CliRunner().invoke(keygen, [str(site.parent / "cluster.key")]).exit_code == 0
    assert CliRunner().invoke(check, [str(site)]).exit_code == 0
