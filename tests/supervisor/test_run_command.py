"""``understudy run``: what it refuses, and a witness that really runs (it needs no right that an ordinary user lacks)."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.adapters import lockfile, running
from understudy.cli.run import _accepted
from understudy.config.load import load
from understudy.units import SECOND

pytestmark = pytest.mark.slow

RUN = [sys.executable, "-c", "from understudy.cli.run import command; command()"]


def write_cluster(directory: Path, port: int = 5694, dead_time: str = "1s") -> str:
    (directory / "cluster.key").write_text(secrets.token_hex(32) + "\n")
    (directory / "cluster.key").chmod(0o600)
    link = '{{ address = "127.0.0.{}", port = ' + str(port) + " }}"
    text = f"""
        [cluster]
        name = "t"
        key_file = "cluster.key"
        heartbeat = "100ms"
        dead_time = "{dead_time}"
        quorum = "majority"
        [nodes.a]
        links = [{link.format(1)}]
        [nodes.b]
        links = [{link.format(2)}]
        [witness.w]
        links = [{link.format(3)}]
        [groups.g]
        resources = [{{ command = ["sleep", "1000"] }}]
    """
    path = directory / "cluster.toml"
    path.write_text(text)
    return str(path)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *words], capture_output=True, text=True, timeout=30)


def test_a_bad_configuration_starts_nothing(tmp_path: Path) -> None:
    done = run(
        "--config", write_cluster(tmp_path, dead_time="150ms"), "--node", "w", "--runtime-dir", str(tmp_path / "r")
    )
    assert done.returncode == 2, "the unit starts it again after any other code"
    assert "dead_time" in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_host_name_that_is_no_member_may_be_set_later(tmp_path: Path) -> None:
    done = run("--config", write_cluster(tmp_path), "--runtime-dir", str(tmp_path / "r"))
    assert done.returncode == 1, "1 is tried again, 2 is not"
    assert f"there is no node or witness {socket.gethostname()!r}; known are a, b, w" in done.stderr
    assert "choose a member with --node" in done.stderr


def test_a_real_server_whose_name_has_no_answer_may_have_one_later(tmp_path: Path) -> None:
    """At boot a name server may be late. No name server is asked for one that is as long as this."""
    file = tmp_path / "ldirectord.cf"
    file.write_text(f"virtual=192.0.2.1:80\n\treal={'a' * 64}:80 gate\n")
    done = run("--config", str(file), "--runtime-dir", str(tmp_path / "r"), "--state-dir", str(tmp_path / "s"))
    assert (done.returncode, "the next start looks again" in done.stderr) == (1, True), done.stderr


def test_what_keepalived_loses_is_said_and_keeps_nothing_from_starting(tmp_path: Path, capsys) -> None:
    file = tmp_path / "keepalived.conf"
    router = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n"
    server = "virtual_server 192.0.2.1 80 {\nprotocol TCP\nreal_server 192.0.2.11 80 {\nweight 1 retry 3\n}\n}\n"
    file.write_text(router + server)
    accepted = _accepted(str(file), str(tmp_path / "r"), "left")
    assert (accepted.fresh, accepted.text, accepted.cluster.names) == (True, "", ("left",)), "it is rendered natively"
    said = capsys.readouterr().err
    assert 'error: "retry" stands behind "weight"' in said
    assert f"understudy: {file} runs as keepalived runs it" in said


def test_an_unknown_node_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    done = run("--config", write_cluster(tmp_path), "--node", "c", "--runtime-dir", str(tmp_path / "r"))
    assert done.returncode == 2
    assert "there is no node or witness 'c'; known are a, b, w" in " ".join(done.stderr.split())


def test_a_directory_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = write_cluster(tmp_path)
    done = run(
        "--config", config, "--node", "w", "--runtime-dir", str(tmp_path / "file" / "r"), "--state-dir", str(tmp_path)
    )
    assert done.returncode == 2
    assert "cannot use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["5", "soon"])
def test_a_stop_limit_without_a_unit_is_refused(tmp_path: Path, value: str) -> None:
    done = run("--config", write_cluster(tmp_path), "--node", "w", "--stop-limit", value)
    assert done.returncode == 2
    assert "is not a duration" in done.stderr


class Witness:
    """A real witness over one directory; its log, and what it tells systemd."""

    def __init__(self, directory: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            handle.bind(("127.0.0.3", 0))
            self.port = int(handle.getsockname()[1])
        self.directory = directory
        self.runtime = directory / "r"
        self.config = write_cluster(directory, self.port)
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(directory / "notify"))
        self.systemd.settimeout(30)
        self.made: list[subprocess.Popen[bytes]] = []
        self.words: list[str] = []

    def start(self) -> None:
        """Start it and wait until it works."""
        flags = ["--config", self.config, "--node", "w", "--runtime-dir", str(self.runtime)]
        with (self.directory / "log").open("a") as log:
            made = subprocess.Popen(
                [*RUN, *flags, "--state-dir", str(self.directory / "s"), *self.words],
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify")},
            )
        self.made.append(made)
        self.wait_ready()
        manager = str(self.runtime / "manager.lock")
        until = time.monotonic() + 30
        while not lockfile.holder(manager):
            assert time.monotonic() < until, "no manager"
            time.sleep(0.01)

    def wait_ready(self) -> None:
        said = ""
        while not said.startswith("READY=1"):
            said = self.systemd.recv(1000).decode()

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def stop(self) -> int:
        self.made[-1].terminate()
        return self.made[-1].wait(timeout=30)

    def pulse(self) -> int:
        return lockfile.holder(str(self.runtime / "pulse.lock"))

    def clear_away(self) -> None:
        self.systemd.close()
        for made in self.made:
            made.kill()
            made.wait()
        for name in ("pulse", "manager"):
            if pid := lockfile.holder(str(self.runtime / f"{name}.lock")):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = Witness(tmp_path)
    yield made
    made.clear_away()


def test_a_witness_runs_and_ends_cleanly(witness: Witness) -> None:
    witness.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node_a:
        node_a.bind(("127.0.0.1", witness.port))
        node_a.settimeout(30)
        assert node_a.recv(2000).startswith(b"USDY"), "it sends heartbeats"
    lock = witness.runtime / "manager.lock"
    seen, until = lock.stat().st_mtime_ns, time.monotonic() + 30
    while lock.stat().st_mtime_ns == seen:  # by which the supervisor knows that the manager does not hang
        assert time.monotonic() < until, "the manager does not move"
        time.sleep(0.01)
    assert not (witness.runtime / "at_rest").exists()
    assert witness.stop() == 0
    assert (witness.runtime / "at_rest").exists()
    assert "Safe: no two machines have the right to serve one group" in witness.log()
    assert "Traceback" not in witness.log()


def test_what_runs_keeps_its_configuration_while_the_file_is_edited(witness: Witness) -> None:
    witness.start()
    original = Path(witness.config).read_text()
    for name in ("running.toml", "running.key"):
        assert (witness.runtime / name).stat().st_mode & 0o777 == 0o600
    assert (witness.runtime / "running.source").read_text() == witness.config
    begun = load(str(witness.runtime / "running.toml"))
    assert begun.digest == load(witness.config).digest
    # A pulse that dies over a half-written file comes back as what it was.
    pulse = witness.pulse()
    Path(witness.config).write_text("[cluster\n")
    os.kill(pulse, signal.SIGKILL)
    witness.wait_ready()
    assert witness.pulse() not in (0, pulse)
    # So does the whole node after its supervisor's death, and the log says what it runs with.
    pulse = witness.pulse()
    witness.made[-1].kill()
    witness.made[-1].wait()
    witness.start()
    assert witness.pulse() == pulse
    assert f"keep the configuration they began with; {witness.config} is refused now (see above)" in witness.log()
    witness.made[-1].kill()
    witness.made[-1].wait()
    Path(witness.config).write_text(original.replace('dead_time = "1s"', 'dead_time = "3s"'))
    witness.start()
    assert f"{witness.config} differs from it, and counts from the next full stop and start" in witness.log()
    assert load(str(witness.runtime / "running.toml")) == begun
    # And a stop and start takes the new file up.
    witness.stop()
    witness.start()
    assert load(str(witness.runtime / "running.toml")).dead_time == 3 * SECOND
    assert witness.stop() == 0


def test_a_second_run_leaves_the_copies_of_the_first_alone(witness: Witness) -> None:
    witness.start()
    before = (witness.runtime / "running.toml").read_text()
    other = witness.directory / "other"
    other.mkdir()
    # Between the death of a pulse and the start of the next one nobody but the supervisor says that the node lives.
    for name in ("pulse", "manager"):
        (witness.runtime / f"{name}.lock").rename(witness.runtime / f"{name}.away")
    places = ["--runtime-dir", str(witness.runtime), "--state-dir", str(witness.directory / "s")]
    done = run("--config", write_cluster(other, dead_time="5s"), "--node", "w", *places)
    for name in ("pulse", "manager"):
        (witness.runtime / f"{name}.away").rename(witness.runtime / f"{name}.lock")
    assert done.returncode == 75
    assert (witness.runtime / "running.toml").read_text() == before


def test_a_full_runtime_directory_prevents_only_what_must_be_written(tmp_path: Path) -> None:
    running.keep(str(tmp_path), "a", "b", "c")
    for name in ("running.toml", "running.key", "running.source"):
        (tmp_path / f"{name}.new").mkdir()
    running.keep(str(tmp_path), "a", "b", "c")
    with pytest.raises(OSError, match=r"running\.key"):
        running.keep(str(tmp_path), "a", "changed", "c")
    assert running.source(str(tmp_path)) == "c"
