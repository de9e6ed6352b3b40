"""What tcpdump records of real packets, fragments too, ``understudy decode`` reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy.cli.decode import command
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.wire.heartbeat3 import Auth, Method, encode

pytestmark = pytest.mark.kernel

AUTH = Auth(2, Method.SHA1, b"secret-key")

SEND = """
import pathlib, socket, subprocess, sys, time
capture, *more = sys.argv[1:]
small, large = sys.stdin.buffer.read().split(b"||")
line = ["timeout", "60", "tcpdump", "-n", "--immediate-mode", "-U", "-Z", "root", "-w", capture, *more, "udp"]

def send_until_recorded(data):
    # tcpdump says that it listens some packets before it does.
    end = time.monotonic() + 50
    while not pathlib.Path(capture).exists() or data[-20:] not in pathlib.Path(capture).read_bytes():
        if time.monotonic() > end or tcpdump.poll() is not None:
            sys.exit("tcpdump does not record")
        receiver.sendto(data, ("127.0.0.1", 694))
        time.sleep(0.005)

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, subprocess.Popen(line) as tcpdump:
    receiver.bind(("127.0.0.1", 694))
    try:
        send_until_recorded(small)
        send_until_recorded(large)
    finally:
        tcpdump.terminate()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
@pytest.mark.parametrize(
    "options",
    [
        ("-i", "lo"),
        ("-i", "lo", "--time-stamp-precision=nano"),
        ("-i", "any", "-Q", "in"),
        ("-i", "any", "-Q", "in", "-y", "LINUX_SLL"),
    ],
    ids=["ethernet", "nanoseconds", "cooked2", "cooked"],
)
def test_what_tcpdump_records_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    small = encode(OldMessage(text_fields(t="status", st="active", src="node-a", seq="1", ts="1")), AUTH)
    large = encode(OldMessage(text_fields(t="news", src="node-a", seq="2", ts="1", info="x" * 3000)), AUTH)
    (tmp_path / "authkeys").write_text("auth 2\n2 sha1 secret-key\n")
    capture = str(tmp_path / "capture")
    inside = 'ip link set lo mtu 1500 up && exec "$@"'  # small, so that the long one goes in fragments
    line = ["unshare", "-n", "sh", "-c", inside, "sh", sys.executable, "-c", SEND, capture, *options]
    subprocess.run(line, input=small + b"||" + large, check=True, timeout=90)
    done = CliRunner().invoke(command, ["--keys", str(tmp_path / "authkeys"), "--roundtrip", capture])
    lines = done.stdout.splitlines()
    number = len(lines) - 1
    assert lines[-1].startswith(f"{number} packets: {number} hold, {number} come back with the same bytes")
    assert done.exit_code == 0
    assert "node-a → all: #1 heartbeat: active" in done.stdout
    assert "node-a → all: #2 news: info=xxx" in done.stdout
