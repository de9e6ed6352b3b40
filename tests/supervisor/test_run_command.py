"""``understudy run``: what it refuses, and a witness that really runs (it needs no right that an ordinary user lacks)."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert done.returncode == 1
    assert "dead_time" in done.stderr
    assert not (tmp_path / "r").exists()


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


def test_a_witness_runs_and_ends_cleanly(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.bind(("127.0.0.3", 0))
        port = int(handle.getsockname()[1])
    config = write_cluster(tmp_path, port)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        flags = [
            "--config",
            config,
            "--node",
            "w",
            "--runtime-dir",
            str(tmp_path / "r"),
            "--state-dir",
            str(tmp_path / "s"),
        ]
        with (tmp_path / "log").open("w") as log:
            made = subprocess.Popen(
                [*RUN, *flags], stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
            )
        try:
            said = ""
            while not said.startswith("READY=1"):
                said = systemd.recv(1000).decode()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node_a:
                node_a.bind(("127.0.0.1", port))
                node_a.settimeout(30)
                assert node_a.recv(2000).startswith(b"USDY"), "it sends heartbeats"
            made.terminate()
            assert made.wait(timeout=30) == 0
        finally:
            made.terminate()
            made.wait(timeout=30)
    text = (tmp_path / "log").read_text()
    assert "Safe: no two machines have the right to serve one group" in text
    assert "Traceback" not in text
