"""``understudy run`` of a folder with Heartbeat's files: what is taken from it, and what is refused before anything starts."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.adapters import running
from understudy.cli.check_heartbeat import examine_folder, look_here
from understudy.cli.run_heartbeat import HOME_VARIABLE, is_folder, take
from understudy.config.load import load, load_heartbeat
from understudy.errors import Problem
from understudy.manager.old_files import read

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


def test_the_native_unit_on_a_machine_of_heartbeat_is_told_so(tmp_path: Path) -> None:
    """ "systemctl start understudy" where no native file was ever written."""
    runtime, missing = tmp_path / "run", tmp_path / "cluster.toml"
    runtime.mkdir()
    (runtime / "running.source").write_text(str(tmp_path))  # a folder, as /etc/ha.d is one
    words = ["run", "--config", str(missing), "--runtime-dir", str(runtime), "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(
        [sys.executable, "-m", "understudy", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "this machine runs from /etc/ha.d: systemctl start understudy-heartbeat\n" in done.stderr


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


NOBODY = "x" * 64
"""A label that is too long for any name server to be asked (RFC 1035, section 2.3.4)."""


def test_names_of_ping_nodes_are_looked_up(folder: Path) -> None:
    write(folder, CF + f"ping localhost {NOBODY}\nrespawn hacluster /usr/lib/heartbeat/ipfail\n")
    found = read(str(folder), "ha01", "/nowhere")
    assert found.cluster is not None, errors(found.problems)
    assert found.cluster.ping == ("127.0.0.1", NOBODY)
    (warning,) = [problem for problem in found.problems if "nobody knows" in problem.text]
    assert (warning.severity, NOBODY in warning.text) == ("warning", True)
    again = read(str(folder), "ha01", "/nowhere", found.copy)
    assert again.copy is not None
    assert again.copy.hosts == {"localhost": "127.0.0.1"}


def test_check_here_refuses_names_that_nobody_knows(folder: Path) -> None:
    write(folder, CF.replace("ucast lo 127.0.0.1", f"ucast lo {NOBODY}") + f"ping {NOBODY}\n")
    reading = examine_folder(str(folder), here=True)
    said = [
        problem.text for problem in reading.problems if problem.severity == "error" and "nobody knows" in problem.text
    ]
    assert (len(said), reading.files) == (0, None), "its host name is no node, which comes first"
    write(
        folder,
        CF.replace("ha01", socket.gethostname()) + f"ping {NOBODY}\n",
        RESOURCES.replace("ha01", socket.gethostname()),
    )
    reading = examine_folder(str(folder), here=True)
    said = [problem.text for problem in reading.problems if problem.severity == "error"]
    assert said == [f"nobody knows an address of the ping node {NOBODY}, so it does not answer"]


def test_what_the_services_lack_is_said_on_their_machines_only(folder: Path) -> None:
    (folder / "web.cf").write_text(
        "virtual=192.0.2.1:80\n\treal=192.0.2.11:80 gate\n\tchecktype=external\n\tcheckcommand=/no/such/check\n"
    )
    write(folder, resources=f"ha01 192.0.2.1/24/lo ldirectord::{folder}/web.cf\n")
    elsewhere = examine_folder(str(folder), here=False)
    assert errors(elsewhere.problems) == []
    assert look_here(str(folder), elsewhere, here=False) == ()
    (folder / "nodeinfo").write_text("HA02\n")
    reading = examine_folder(str(folder), here=False)
    assert look_here(str(folder), reading, here=False) == ("checkcommand: /no/such/check is no program",)
    assert [problem for problem in reading.problems if "/no/such/check" in problem.text] == []


def run_folder(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "understudy", "run", "--config", str(folder), *words]
    (folder / "state").touch()  # no folder: nothing could be started from here even if the files were taken
    command += ["--runtime-dir", str(folder / "run"), "--state-dir", str(folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("cf", "resources"),
    [
        (CF, "ha01 233.252.0.1\n"),  # its network is not there yet; no machine has one of this address (RFC 5771)
        (CF.replace("ucast lo", "ucast late0"), RESOURCES),
        (CF.replace("ucast lo 127.0.0.1", "serial /dev/late0"), RESOURCES),
        (CF + "respawn root /late/mount/program\n", RESOURCES),
    ],
)
def test_what_a_machine_lacks_at_boot_is_looked_at_again(folder: Path, cf: str, resources: str) -> None:
    """systemd starts again after 1, and never after 2."""
    write(folder, cf, resources)
    done = run_folder(folder, "--node", "ha01")
    assert (done.returncode, "the next start looks again" in done.stderr) == (1, True), done.stderr
    write(folder, cf + "deadtime never\n", resources)
    assert run_folder(folder, "--node", "ha01").returncode == 2, "the files are wrong as well"


def test_a_host_name_may_be_set_later(folder: Path) -> None:
    assert run_folder(folder).returncode == 1


def test_a_stonith_device_is_a_fence_device_that_resets(folder: Path, tmp_path: Path) -> None:
    write(folder, CF + "stonith_host ha01 apcmaster 192.0.2.9 apc secret\nstonith_host * null ha01 ha02\n")
    cluster, text, _, problems = take(str(folder), "ha01")
    assert cluster is not None, errors(problems)
    (tmp_path / "copy").write_text(text)
    again = load(str(tmp_path / "copy"))
    assert again.fences == cluster.fences
    (device,) = again.fences
    assert (device.program, device.arguments, device.resets) == ("apcmaster", ("192.0.2.9", "apc", "secret"), True)
    assert device.targets == (("ha02", ""),), "it is the device of ha01, against the other"
    assert again.fence_levels("ha01") == ()


def test_a_machine_that_ha_cf_does_not_name_is_refused(folder: Path, tmp_path: Path) -> None:
    call = "import sys; from understudy.cli.main import main; sys.exit(main())"
    words = ["run", "--config", str(folder), "--node", "ha07", "--runtime-dir", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-c", call, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "ha07" in done.stderr
    assert not (tmp_path / "r").exists()
