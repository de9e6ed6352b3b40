"""``ldirectord`` under its old name: what each command answers while nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.cli.compat_ldirectord import run

GOOD = "checkinterval=5\n\nvirtual=10.9.9.9:80\n\treal=10.0.0.2:80 masq\n\tservice=http\n\tscheduler=rr\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [("status", 3), ("stop", 0), ("try-restart", 0), ("reload", 1), ("force-reload", 1), ("explode", 1)],
)
def test_exit_codes_while_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setenv("UNDERSTUDY_RUNTIME_DIR", str(tmp_path))
    file = tmp_path / "ldirectord.cf"
    file.write_text(GOOD)
    assert run("ldirectord", [str(file), command]) == code


def test_a_file_is_judged_before_any_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ldirectord.cf"
    file.write_text("nonsense=3\n")
    assert run("ldirectord", [str(file), "stop"]) == 2
    assert "nonsense" in capsys.readouterr().err
    assert run("ldirectord", [str(tmp_path / "none.cf"), "status"]) == 1
