"""``understudy invite`` and ``understudy join`` over the loopback: real processes, real TLS."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.cli.handover import make_certificate
from understudy.cli.invitation import Code, format_code, read_code

UNDERSTUDY = [sys.executable, "-m", "understudy.cli.main"]
CONFIG = """
[cluster]
name = "site"
key_file = "cluster.key"
[nodes.ha01]
links = ["10.1.0.1"]
[nodes.ha02]
links = ["10.1.0.2"]
[witness.arbiter]
links = ["10.1.0.3"]
[groups.web]
resources = [{ address = "10.1.0.100/24", device = "eth0" }]
"""


class Inviting:
    """An inviting machine: its files, its process, the codes that it has shown."""

    def __init__(self, directory: Path, *words: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        directory.mkdir()
        self.config = directory / "cluster.toml"
        self.key = directory / "cluster.key"
        self.config.write_text(CONFIG)
        self.key.write_text(secrets.token_hex(32) + "\n")
        self.key.chmod(0o600)
        place = ["--config", str(self.config), "--listen", "127.0.0.1", "--port", self.port]
        self.process = subprocess.Popen(
            [*UNDERSTUDY, "invite", *words, *place], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.shown = ""
        while "Waiting" not in self.shown:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.shown += line
        self.codes = dict(re.findall(r"Type on (\w+): .*--code (\S+)", self.shown))

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; exit code and what it printed since the codes."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=60)


@pytest.fixture
def inviting(tmp_path: Path) -> Iterator[Inviting]:
    made = Inviting(tmp_path / "ha01", "ha02", "arbiter")
    yield made
    made.stop()


def join(directory: Path, port: str, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [
        *UNDERSTUDY,
        "join",
        "127.0.0.1",
        "--port",
        port,
        "--code",
        code,
        "--config",
        f"{directory}/cluster.toml",
    ]
    return subprocess.run([*command, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def one_off(code: str) -> str:
    """A code of the same invitation with another secret: what somebody would type who guesses."""
    known = read_code(code)
    return format_code(Code(known.fingerprint, known.secret ^ 1))


def test_both_machines_get_what_the_first_one_has(inviting: Inviting, tmp_path: Path) -> None:
    for name in ("ha02", "arbiter"):
        done = join(tmp_path / name, inviting.port, inviting.codes[name], "--node", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert "good, " in done.stdout
        assert "Next: systemctl enable --now understudy" in done.stdout
        config, key = tmp_path / name / "cluster.toml", tmp_path / name / "cluster.key"
        assert config.read_text() == CONFIG
        assert key.read_bytes() == inviting.key.read_bytes()
        assert (config.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o644, 0o600)
    code, out, err = inviting.end()
    assert (code, err) == (0, "")
    assert "ha02 has joined, from 127.0.0.1." in out
    assert "arbiter has joined, from 127.0.0.1." in out
    assert "All have joined." in out


def test_a_second_use_and_a_wrong_code_are_refused(inviting: Inviting, tmp_path: Path) -> None:
    code = inviting.codes["ha02"]
    assert join(tmp_path / "ha02", inviting.port, code, "--node", "ha02").returncode == 0
    again = join(tmp_path / "x", inviting.port, code, "--node", "ha02")
    assert (again.returncode, again.stderr.splitlines()[0]) == (
        4,
        "understudy: this code was used already, from 127.0.0.1",
    )
    for left in (2, 1, 0):
        wrong = join(tmp_path / "x", inviting.port, one_off(code), "--node", "arbiter")
        assert wrong.returncode == 4
        assert "this code is wrong" in wrong.stderr
        assert (f"{left} more wrong one" in wrong.stderr) == (left > 0)
    assert not (tmp_path / "x").exists()
    ended, _, words = inviting.end()
    assert ended == 1
    assert "codes were wrong too often. Not joined: arbiter" in words
    late = join(tmp_path / "arbiter", inviting.port, inviting.codes["arbiter"], "--node", "arbiter")
    assert late.returncode == 3
    assert "nobody invites at 127.0.0.1" in late.stderr
    assert "understudy invite" in late.stderr


def test_a_code_that_has_expired(tmp_path: Path) -> None:
    inviting = Inviting(tmp_path / "ha01", "ha02", "--for", "1s")
    code, _, words = inviting.end()
    assert code == 5
    assert "the time has passed. Not joined: ha02" in words
    late = join(tmp_path / "ha02", inviting.port, inviting.codes["ha02"], "--node", "ha02")
    assert late.returncode == 3
    assert "It may be over" in late.stderr


def test_a_code_for_another_machine_is_refused_and_stays_good(inviting: Inviting, tmp_path: Path) -> None:
    code = inviting.codes["ha02"]
    done = join(tmp_path / "x", inviting.port, code, "--node", "arbiter")
    assert done.returncode == 4
    assert "this code is for ha02" in done.stderr
    assert join(tmp_path / "ha02", inviting.port, code, "--node", "ha02").returncode == 0


def test_a_mistyped_code_asks_nobody(inviting: Inviting, tmp_path: Path) -> None:
    code = inviting.codes["ha02"]
    wrong = ("1" if code[0] != "1" else "2") + code[1:]
    done = join(tmp_path / "x", inviting.port, wrong)
    assert done.returncode == 2
    assert "a letter or digit of the code is wrong" in done.stderr
    assert join(tmp_path / "x", inviting.port, "abc").returncode == 2


def test_files_that_exist_are_kept_and_the_code_is_not_used(inviting: Inviting, tmp_path: Path) -> None:
    place = tmp_path / "ha02"
    place.mkdir()
    (place / "cluster.key").write_text("mine\n")
    done = join(place, inviting.port, inviting.codes["ha02"], "--node", "ha02")
    assert done.returncode == 1
    assert "cluster.key exists already" in done.stderr
    assert os.listdir(place) == ["cluster.key"]
    assert join(place, inviting.port, inviting.codes["ha02"], "--node", "ha02", "--force").returncode == 0
    assert (place / "cluster.key").read_bytes() == inviting.key.read_bytes()


def test_another_machine_at_the_address_is_told_nothing(inviting: Inviting, tmp_path: Path) -> None:
    """Somebody in between has a certificate of its own; whatever it shows, the secret is never said to it."""
    context, _ = make_certificate()
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as safe:
                    heard.append(safe.recv(4096))
            except OSError:
                heard.append(b"")

        thread = threading.Thread(target=listen)
        thread.start()
        done = join(tmp_path / "x", str(server.getsockname()[1]), inviting.codes["ha02"], "--node", "ha02")
        thread.join(60)
    assert done.returncode == 4
    assert "the code is not from the invitation at" in done.stderr
    assert heard == [b""]


def test_what_is_said_in_the_open_is_no_secret(inviting: Inviting, tmp_path: Path) -> None:
    """All bytes of a join, as somebody on the network sees them: neither the key nor the code nor the configuration."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=relay, args=(server, int(inviting.port), seen))
        thread.start()
        code = inviting.codes["ha02"]
        done = join(tmp_path / "ha02", str(server.getsockname()[1]), code, "--node", "ha02")
        thread.join(60)
    assert done.returncode == 0, done.stderr
    everything = b"".join(seen)
    assert len(everything) > 1000
    for secret in (inviting.key.read_bytes().strip(), b"ha02", b"[cluster]", f"{read_code(code).secret:x}".encode()):
        assert secret not in everything


def relay(server: socket.socket, port: int, seen: list[bytes]) -> None:
    """Pass everything on, both ways, and note it."""
    near, _ = server.accept()
    far = socket.create_connection(("127.0.0.1", port))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either end may have hung up already
            while data := source.recv(65536):
                seen.append(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=pump, args=(far, near))
    back.start()
    pump(near, far)
    back.join(60)
    near.close()
    far.close()


def test_strangers_disturb_nobody(inviting: Inviting, tmp_path: Path) -> None:
    """Plain text, old TLS and nonsense inside good TLS: no exception, no try counted."""
    with socket.create_connection(("127.0.0.1", int(inviting.port))) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for words in (b"nonsense\n", b'{"version": 1, "secret": "zz", "host": "a"}\n', b"[]\n", b"x" * 9000, b""):
        with (
            socket.create_connection(("127.0.0.1", int(inviting.port))) as raw,
            context.wrap_socket(raw) as connection,
        ):
            try:
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
    assert join(tmp_path / "ha02", inviting.port, inviting.codes["ha02"], "--node", "ha02").returncode == 0


def test_nobody_there(tmp_path: Path) -> None:
    code = format_code(Code(1, 2))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = join(tmp_path, port, code)
    assert done.returncode == 3
    assert "nobody invites at 127.0.0.1 port" in done.stderr


def test_an_invitation_needs_good_files(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(CONFIG)
    command = [*UNDERSTUDY, "invite", "--config", str(tmp_path / "cluster.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "key_file" in done.stderr
    done = subprocess.run([*command, "--for", "2d"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
