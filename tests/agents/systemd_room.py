"""A D-Bus of the test's own, with a pretended systemd on it; nothing of the machine's is asked or touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

SYSTEMD = "org.freedesktop.systemd1"
TEMPLATE = Path(__file__).with_name("mock_systemd.py")
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


class Room:
    """``bus`` and ``systemd`` are processes; either can be ended and begun again."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "bus"
        self._configuration = directory / "bus.conf"
        self._configuration.write_text(CONFIGURATION.format(socket=self.socket))
        self.address = f"unix:path={self.socket}"
        self.bus: subprocess.Popen[bytes] | None = None
        self.systemd: subprocess.Popen[bytes] | None = None

    def start_bus(self) -> None:
        words = ["dbus-daemon", f"--config-file={self._configuration}", "--nofork", "--print-address"]
        self.bus = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.bus.stdout is not None
        assert self.bus.stdout.readline(), "dbus-daemon did not start"

    def start_systemd(self) -> None:
        words = ["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", str(TEMPLATE)]
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        environment.pop("PYTHONPATH", None)
        self.systemd = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        owner = ("/", "org.freedesktop.DBus.GetNameOwner", f"string:{SYSTEMD}")
        deadline = time.monotonic() + 20
        while self._send("org.freedesktop.DBus", *owner).returncode != 0:
            assert time.monotonic() < deadline, "the pretended systemd did not come"

    def say(self, member: str, *words: str) -> str:
        """A word to the pretended systemd; words that begin with a type (``uint32:7``) are no strings."""
        typed = [word if ":" in word else f"string:{word}" for word in words]
        done = self._send(SYSTEMD, "/org/freedesktop/systemd1", f"org.freedesktop.DBus.Mock.{member}", *typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self, unit: str) -> str:
        path = "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in unit)
        words = ("string:org.freedesktop.systemd1.Unit", "string:ActiveState")
        return self._send(SYSTEMD, path, "org.freedesktop.DBus.Properties.Get", *words).stdout

    def _send(self, to: str, path: str, member: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["dbus-send", f"--bus={self.address}", "--print-reply", f"--dest={to}", path, member, *words]
        return subprocess.run(command, capture_output=True, text=True)

    def end(self) -> None:
        for process in (self.systemd, self.bus):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
        self.systemd = self.bus = None


def needs_mock() -> None:
    if any(shutil.which(program) is None for program in ("dbus-daemon", "dbus-send")):
        pytest.skip("there is no D-Bus here: apt-get install dbus")
    probe = ["/usr/bin/python3", "-c", "import dbusmock"]
    if not os.path.exists(probe[0]) or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("python-dbusmock is missing: apt-get install python3-dbusmock")
