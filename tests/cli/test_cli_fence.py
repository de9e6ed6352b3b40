"""``understudy fence`` and ``understudy confirm-off``: the wrong machine must not be hit by a tired finger."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy.cli.confirm_off import command as confirm_off
from understudy.cli.fence import command as fence


@pytest.mark.parametrize("command", [fence, confirm_off])
def test_without_a_terminal_it_asks_for_yes(command: object, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["ha02", "--runtime-dir", str(tmp_path)], input="ha02\n")  # type: ignore[arg-type]
    assert result.exit_code == 2
    assert "add --yes" in result.output


@pytest.mark.parametrize("word", ["fence", "confirm-off"])
def test_another_name_stops_it_and_the_right_one_goes_on(word: str, tmp_path: Path) -> None:
    for typed, code, says in (("ha01", 4, "that is another name"), ("ha02", 3, "no daemon answers")):
        master, terminal = os.openpty()
        call = "import sys; from understudy.cli.main import main; sys.exit(main())"
        words = [sys.executable, "-c", call, word, "ha02", "--runtime-dir", str(tmp_path)]
        process = subprocess.Popen(words, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        os.write(master, f"{typed}\n".encode())
        output = process.communicate(timeout=30)[0]
        os.close(terminal)
        os.close(master)
        assert process.returncode == code, output
        assert says in output


def test_without_devices_it_says_so_and_pretends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Daemon:
        def __init__(self, _runtime_dir: str) -> None: ...

        def get(self, _path: str) -> dict[str, object]:
            return {"ok": True, "devices": []}

        def post(self, path: str, _body: object, _limit: float) -> dict[str, object]:
            return {"ok": True, "devices": [], "text": f"{path} refused"}

    monkeypatch.setattr("understudy.cli.client.Client", Daemon)
    said = [
        CliRunner().invoke(fence, [*words, "--runtime-dir", str(tmp_path)]).output
        for words in (["--list"], ["ha02", "--test"], ["ha02", "--yes"])
    ]
    assert said == [
        "no fence device is configured, for no node\n",
        "no fence device is configured for ha02\n",
        "/v1/fence refused\n",
    ]


def test_a_node_must_be_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(fence, ["--runtime-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "name a NODE" in result.output
