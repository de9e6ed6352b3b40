"""``understudy init`` as it is typed: the files it writes, and when it writes none."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from understudy.config.load import examine

INIT = [sys.executable, "-m", "understudy.cli.main", "init"]
MEMBERS = [
    "--node",
    "ha01=10.1.0.1,10.2.0.1",
    "--node",
    "ha02=10.1.0.2,10.2.0.2",
    "--witness",
    "arbiter=10.1.0.3,10.2.0.3",
]
ALL = ["--yes", *MEMBERS, "--address", "10.1.0.100/24", "--device", "eth0"]


def init(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*INIT, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_what_it_writes_is_good_without_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "cluster.toml"
    done = init(*ALL, "--config", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    assert "good, no warnings" in done.stdout
    assert "Next: understudy invite --config" in done.stdout
    cluster, problems = examine(str(config))
    assert problems == ()
    assert cluster is not None
    assert cluster.names == ("ha01", "ha02", "arbiter")
    key = tmp_path / "etc" / "cluster.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in config.parent.iterdir()) == ["cluster.key", "cluster.toml"]


def test_nothing_that_exists_is_replaced_without_force(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    assert init(*ALL, "--config", str(config)).returncode == 0
    key = (tmp_path / "cluster.key").read_bytes()
    before = config.read_bytes()
    done = init(*ALL, "--config", str(config), "--cluster", "other")
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert config.read_bytes() == before
    done = init(*ALL, "--config", str(config), "--cluster", "other", "--force")
    assert done.returncode == 0
    assert 'name = "other"' in config.read_text()
    assert (tmp_path / "cluster.key").read_bytes() == key
    assert "Kept the key" in done.stdout


def test_a_dangling_link_is_something_that_exists(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    config.symlink_to(tmp_path / "nowhere")
    assert init(*ALL, "--config", str(config)).returncode == 1
    assert sorted(os.listdir(tmp_path)) == ["cluster.toml"]


def test_answers_that_do_not_fit_together_write_nothing(tmp_path: Path) -> None:
    words = [*ALL, "--config", str(tmp_path / "cluster.toml"), "--address", "10.1.0.2/24"]
    done = init(*words)
    assert done.returncode == 1
    assert "10.1.0.2" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_bad_key_that_is_there_is_neither_used_nor_replaced(tmp_path: Path) -> None:
    (tmp_path / "cluster.key").write_text("no key\n")
    (tmp_path / "cluster.key").chmod(0o600)
    done = init(*ALL, "--config", str(tmp_path / "cluster.toml"))
    assert done.returncode == 1
    assert "this line is not a key" in done.stderr
    assert os.listdir(tmp_path) == ["cluster.key"]


def test_a_configuration_that_cannot_be_written_leaves_no_key(tmp_path: Path) -> None:
    done = init(*ALL, "--config", "/proc/cluster.toml")
    assert done.returncode == 1
    assert "cannot write /proc/" in done.stderr
    shutil.copy(__file__, tmp_path / "taken")
    done = init(*ALL, "--config", str(tmp_path / "taken" / "cluster.toml"))
    assert done.returncode == 1
    assert os.listdir(tmp_path) == ["taken"]


def test_without_a_terminal_it_names_the_options(tmp_path: Path) -> None:
    done = init("--config", str(tmp_path / "cluster.toml"))
    assert done.returncode == 2
    assert "there is no terminal to ask at" in done.stderr
    for option in ("--yes", "--cluster", "--node", "--witness", "--pair", "--address", "--device", "--dead-time"):
        assert option in done.stderr
    assert os.listdir(tmp_path) == []


# -- on a machine of its own, so that name, interfaces and router are known ---------------------------------------------

MACHINE = """
set -e
mount -t sysfs sysfs /sys 2>/dev/null || true
hostname ha01.example.org
ip link set lo up
ip link add eth0 type veth peer name far0; ip link set far0 up; ip link set eth0 up
ip link add eth1 type veth peer name far1; ip link set far1 up; ip link set eth1 up
ip link add docker0 type bridge; ip link set docker0 up
ip link add down0 type veth peer name far2
ip addr add 192.168.58.77/32 dev eth0; ip addr add 192.168.58.101/24 dev eth0
ip addr add fd00::7/64 dev eth0 nodad; ip addr add 192.168.107.101/16 dev eth1
ip addr add 172.17.0.1/16 dev docker0; ip addr add 10.99.0.1/24 dev down0
ip route add default via 192.168.58.1
exec "$@"
"""


def on_a_machine(*words: str) -> list[str]:
    return ["unshare", "--net", "--uts", "--mount", "sh", "-c", MACHINE, "sh", *words]


needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, unshare and network namespaces"
)


@pytest.mark.kernel
@needs_namespaces
def test_what_this_machine_proposes() -> None:
    code = (
        "from understudy.cli.this_machine import look; m = look(); print(m.name, m.routers, *m.interfaces, sep='\\n')"
    )
    done = subprocess.run(on_a_machine(sys.executable, "-c", code), capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:2] == ["ha01", "('192.168.58.1',)"]
    assert sorted(re.findall(r"device='(\w+)', address='([\d.]+)', prefix=(\d+)", done.stdout)) == [
        ("eth0", "192.168.58.101", "24"),
        ("eth1", "192.168.107.101", "16"),
    ]


def conversation(command: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Type each answer once its question stands on the terminal; the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text, seen, end = "", 0, time.monotonic() + 60
    waiting = list(answers)
    try:
        while time.monotonic() < end and select.select([ours], [], [], end - time.monotonic())[0]:
            try:
                text += os.read(ours, 65536).decode()
            except OSError:  # EIO: the last writer has closed the terminal
                break
            while waiting and (at := text.find(waiting[0][0], seen)) >= 0 and text.rstrip(" ").endswith(":"):
                seen = at + len(waiting[0][0])
                os.write(ours, waiting.pop(0)[1].encode() + b"\n")
    finally:
        process.kill() if time.monotonic() >= end else process.wait()
        process.wait()
        os.close(ours)
    assert not waiting, f"never asked {waiting[0][0]!r}; the terminal shows:\n{text}"
    return process.returncode, text


@pytest.mark.kernel
@needs_namespaces
def test_a_person_at_a_terminal(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    answers = [
        ("Name of the cluster [site]", "office"),
        ("Name of this machine [ha01]", ""),
        ("[192.168.58.101,192.168.107.101]", ""),
        ("its host name", "ha02"),
        ("Addresses of ha02", "192.168.58.102, 192.168.107.102"),
        ("witness, node or none", "witness"),
        ("its host name", "arbiter"),
        ("Addresses of arbiter", "not an address"),
        ("is not an IP address", ""),
        ("Addresses of arbiter", "192.168.58.9"),
        ("Name of the service", "site"),
        ("virtual address", "192.168.58.100"),
        ("[eth0]", ""),
        ("A program to run", ""),
        ("dead time", ""),
    ]
    answers = [pair for pair in answers if pair[0] != "is not an IP address"]
    code, text = conversation(on_a_machine(*INIT, "--config", str(config)), answers)
    assert code == 0, text
    assert "is not an IP address" in text
    assert "good, no warnings" in text
    assert "This machine has what ha01 needs." in text
    cluster, problems = examine(str(config))
    assert cluster is not None
    assert (cluster.name, cluster.names, problems) == ("office", ("ha01", "ha02", "arbiter"), ())


SERVE = """
cd {directory}
{init} --serve --config a/cluster.toml --yes --node ha02=192.168.58.102 --witness arbiter=192.168.58.9 \\
    --address 192.168.58.100 > said &
until grep -q Waiting said; do sleep 0.05; done
for name in ha02 arbiter; do
    line=$(sed -n "s/^Type on $name: *understudy //p" said)
    {program} $line --node $name --config $name/cluster.toml || exit 9
done
wait $!
"""


@pytest.mark.kernel
@needs_namespaces
def test_init_may_invite_at_once(tmp_path: Path) -> None:
    program = " ".join(INIT[:-1])
    script = SERVE.format(directory=tmp_path, init=" ".join(INIT), program=program)
    done = subprocess.run(on_a_machine("sh", "-c", script), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    said = (tmp_path / "said").read_text()
    assert "Type on ha02:     understudy join 192.168.58.101 --code " in said
    assert "All have joined." in said
    for name in ("ha02", "arbiter"):
        for file in ("cluster.toml", "cluster.key"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "a" / file).read_bytes()
