"""``understudy run`` of a folder with Heartbeat's files: what is taken from it, and what is refused before anything starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from understudy.adapters import running
from understudy.cli.run_heartbeat import HOME_VARIABLE, is_folder, take
from understudy.config.load import load, load_heartbeat
from understudy.errors import Problem

CF = "node ha01 ha02\nucast lo 127.0.0.1\nauto_failback on\ndeadtime 5\nkeepalive 1\ninitdead 10\n"
RESOURCES = "ha01 192.0.2.1/24/lo\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "ha.d"
    place.mkdir()
    write(place)
    return place


def write(place: Path, cf: str = CF, resources: str = RESOURCES) -> None:
    (place / "ha.cf").write_text(cf)
    (place / "haresources").write_text(resources)
    (place / "authkeys").write_text("auth 1\n1 sha1 secret\n")
    (place / "authkeys").chmod(0o600)


def errors(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.text for problem in problems if problem.severity == "error"]


def test_the_copy_means_what_the_folder_says(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    assert is_folder(str(folder))
    cluster, text, node, problems = take(str(folder), "HA02")
    assert errors(problems) == []
    assert node == "ha02"
    assert cluster is not None
    running.keep(str(tmp_path), text, "", str(folder))
    path = running.configuration(str(tmp_path))
    assert load(path).digest == cluster.digest
    assert load_heartbeat(path).home == str(tmp_path / "home")
    assert Path(path).stat().st_mode & 0o777 == 0o600, "the keys are in it"


def test_the_name_of_the_other_machine_is_looked_up_once(folder: Path, tmp_path: Path) -> None:
    write(folder, CF.replace("ucast lo 127.0.0.1", "ucast lo localhost"))
    cluster, text, _, problems = take(str(folder), "ha01")
    assert cluster is not None, errors(problems)
    (tmp_path / "copy").write_text(text)
    assert load_heartbeat(str(tmp_path / "copy")).hosts == {"localhost": "127.0.0.1"}


@pytest.mark.parametrize(
    ("cf", "resources", "said"),
    [
        (CF.replace("ha02", "ha02 ha03"), RESOURCES, "3 nodes: haresources works with one or two"),
        (CF + "stonith_host * external/ssh ha02\n", RESOURCES, "a STONITH device is configured"),
        (CF, "ha01 203.0.113.77\n", "203.0.113.77"),
        (CF.replace("deadtime 5", "deadtime 1"), RESOURCES, "deadtime"),
        (CF, "ha09 192.0.2.1/24/lo\n", "ha09"),
    ],
)
def test_what_cannot_be_done_starts_nothing(cf: str, resources: str, said: str, folder: Path) -> None:
    write(folder, cf, resources)
    cluster, text, _, problems = take(str(folder), "ha01")
    assert (cluster, text) == (None, "")
    assert any(said in error for error in errors(problems)), errors(problems)


def test_what_has_no_effect_is_said(folder: Path) -> None:
    write(folder, CF + "respawn root /bin/sleep 9\n")
    cluster, _, _, problems = take(str(folder), "ha01")
    assert cluster is not None
    assert any("respawn /bin/sleep is not run" in problem.text for problem in problems)


def test_a_machine_that_ha_cf_does_not_name_is_refused(folder: Path, tmp_path: Path) -> None:
    call = "import sys; from understudy.cli.main import main; sys.exit(main())"
    words = ["run", "--config", str(folder), "--node", "ha07", "--runtime-dir", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-c", call, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "ha07" in done.stderr
    assert not (tmp_path / "r").exists()
