"""Whole files under samples, and all that ``understudy check`` says about each.

UNDERSTUDY_REWRITE=1 writes the .out files anew; review the difference.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_helpers import HERE, REWRITE

from understudy.cli.check import command
from understudy.config.load import examine
from understudy.config.render import render
from understudy.config.validate import read

SAMPLES = sorted((HERE / "samples").glob("*/*.toml"))
KEY = "0123456789abcdef" * 4 + "\n"


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch) -> Path:
    """A directory with key files, good and bad, as the samples name them; messages then show relative paths."""
    (tmp_path / "keys").mkdir()
    for name, text, mode in (
        ("cluster.key", KEY, 0o600),
        ("keys/cluster.key", "# two during rotation\n" + KEY + "f" + KEY[1:], 0o400),
        ("open.key", KEY, 0o644),
        ("short.key", "# a comment\n\n0123\n", 0o600),
        ("empty.key", "# nothing\n", 0o600),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OCF_ROOT", str(tmp_path))  # what the agents of this machine advise is not the samples' matter
    return tmp_path


def _put(sample: Path, directory: Path) -> str:
    shutil.copyfile(sample, directory / sample.name)
    (directory / sample.name).chmod(0o600)  # some have passwords in them
    return sample.name


def test_there_are_enough() -> None:
    assert len(SAMPLES) >= 20


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_check_says_what_it_always_said(sample, directory) -> None:
    result = CliRunner().invoke(command, [_put(sample, directory)])
    golden = sample.with_suffix(".out")
    if REWRITE:
        golden.write_text(result.output)
    assert result.output == golden.read_text()
    assert result.exit_code == (0 if sample.parent.name == "good" else 1)


@pytest.mark.parametrize("sample", [path for path in SAMPLES if path.parent.name == "good"], ids=lambda path: path.stem)
def test_good_samples_survive_rendering(sample, directory) -> None:
    cluster, _ = examine(_put(sample, directory))
    assert cluster is not None
    again = read(render(cluster), "again.toml", cluster.source)
    assert again.cluster == cluster


def test_json_form(directory) -> None:
    good = _put(HERE / "samples/good/website.toml", directory)
    bad = _put(HERE / "samples/bad/two-owners.toml", directory)
    result = CliRunner().invoke(command, ["--json", good, bad])
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["schema"], answer["ok"]) == (1, False)
    first, second = answer["files"]
    assert first["ok"] is True
    assert first["cluster"]["votes"] == 2
    assert first["cluster"]["networks"]["net2"][2] == {"member": "arbiter", "address": "192.168.58.9"}
    assert first["advice"]
    assert second["ok"] is False
    assert second["cluster"] is None
    assert {"file": bad, "line": 13, "column": 14, "severity": "error"}.items() <= second["problems"][0].items()


def test_no_colour_and_no_wrapping_to_a_terminal_when_piped(directory) -> None:
    result = CliRunner().invoke(command, [_put(HERE / "samples/bad/everything.toml", directory)], color=True)
    assert "\x1b" not in result.output


def test_a_password_in_a_file_that_others_may_read_is_said(directory) -> None:
    sample = _put(HERE / "samples/good/fence-pair.toml", directory)
    (directory / sample).chmod(0o644)
    result = CliRunner().invoke(command, [sample])
    assert "the file may be read by others (mode 0644), and [fence.ipmi-left] has a password in it" in result.output
    assert f"chmod 600 {sample}" in result.output


def test_a_secret_that_a_probe_sends_is_one_too(directory) -> None:
    sample = _put(HERE / "samples/good/every-word.toml", directory)
    text = (directory / sample).read_text().replace("X-Asked-By", "Authorization")
    (directory / sample).write_text(text)
    (directory / sample).chmod(0o644)
    result = CliRunner().invoke(command, [sample])
    assert "the file may be read by others (mode 0644), and the probe web of all sends a secret" in result.output
