"""A whole daemon, started as a person starts it: its API over TLS, its log as JSON lines, its answers to the commands."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_run_command import Witness

sys.path.insert(0, str(Path(__file__).parent.parent / "config"))

from api_files import READER, SECRET, make_api_files

pytestmark = pytest.mark.slow


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """A witness whose configuration has [api], with paths relative to it."""
    made = Witness(tmp_path)
    make_api_files(tmp_path)
    files = 'certificate = "api.crt"\nkey = "api.key"\ntoken_file = "api.tokens"\n'
    text = Path(made.config).read_text()
    Path(made.config).write_text(f'{text}\n[api]\nlisten = "127.0.0.1:{free_port()}"\n{files}')
    made.words = ["--log", "json"]
    yield made
    made.clear_away()


def free_port() -> int:
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        return int(handle.getsockname()[1])


def ask(witness: Witness, path: str, token: str) -> tuple[int, str]:
    """One request over TLS; tried again for as long as nobody listens yet."""
    port = int(Path(witness.config).read_text().split('listen = "127.0.0.1:')[1].split('"')[0])
    context = ssl.create_default_context(cafile=str(witness.directory / "api.crt"))
    until = time.monotonic() + 30
    while True:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
            assert time.monotonic() < until, witness.log()
            time.sleep(0.02)
        finally:
            connection.close()


def test_a_daemon_with_an_api_over_tls_and_a_log_for_programs(witness: Witness) -> None:
    witness.start()
    status, text = ask(witness, "/v1/status", READER)
    assert (status, json.loads(text)["node"]) == (200, "w")
    assert ask(witness, "/v1/status", SECRET[::-1])[0] == 401
    status, text = ask(witness, "/metrics", READER)
    assert status == 200
    assert "understudy_pulse_up 1.0" in text
    assert 'understudy_info{cluster="t"' in text
    command = [sys.executable, "-m", "understudy.cli.main", "history", "--runtime-dir", str(witness.runtime)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "with TLS and tokens" in done.stdout
    # A dead manager's place is taken by one that reads the copy of the configuration, with the same paths.
    copy = (witness.runtime / "running.toml").read_text()
    assert f'token_file = "{witness.directory / "api.tokens"}"' in copy
    assert witness.stop() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in witness.log().splitlines()]
    assert {line["process"] for line in lines} >= {"supervisor", "manager"}
    assert all(set(line) == {"at", "level", "process", "text", "group", "node"} for line in lines)
    assert SECRET not in witness.log() + copy


def test_a_bad_token_file_is_refused_at_the_start_and_harmless_later(witness: Witness) -> None:
    tokens = witness.directory / "api.tokens"
    tokens.chmod(0o644)
    command = [sys.executable, "-m", "understudy.cli.main", "run", "--config", witness.config, "--node", "w"]
    command += ["--runtime-dir", str(witness.runtime), "--state-dir", str(witness.directory / "s")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "api.tokens: the token file may be read by others (mode 0644)" in done.stderr
    tokens.chmod(0o600)
    witness.start()
    assert ask(witness, "/v1/status", READER)[0] == 200
    tokens.unlink()
    # The pulse is killed: what comes back must not care for the API's files.
    pulse = witness.pulse()
    os.kill(pulse, 9)
    witness.wait_ready()
    assert witness.pulse() not in (0, pulse)
    assert witness.stop() == 0
