"""One virtual machine under qemu, without hardware help: its console as lines, and how it ended, by qemu's own word."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from guest_image import Image

MEMORY_MIB = 384
GUEST = Path(__file__).with_name("guest_main.py")
RESET, ENDED = "guest-reset", "guest-shutdown"
"""How a machine can end: reset by its watchdog (or panic), or by the end of the guest's part."""


class Machine:
    """A running machine. ``plan`` and the other words go to the guest's part of the test, guest_main.py.

    Machines of one ``folder`` that name each other as ``peer`` are joined by a cable, eth1.
    """

    def __init__(
        self,
        folder: Path,
        image: Image,
        name: str,
        driver: str = "",
        parameter: str = "",
        peer: str = "",
        script: Path = GUEST,
        memory: int = MEMORY_MIB,
        **words: str,
    ) -> None:
        self.name = name
        self.ended = ""
        self.events: list[str] = []
        self._console = folder / f"{name}.console"
        self._log = folder / f"{name}.qemu"
        settings = {"name": name, "driver": driver, "parameter": parameter, "script": str(script), **words}
        settings["python"] = sys.executable
        settings["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
        line = "console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0 mitigations=off audit=0 no_timer_check "
        line += "random.trust_cpu=on " + " ".join(f"guest.{word}={value}" for word, value in settings.items() if value)
        command = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]
        command += [
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-M",
            "q35",
            "-cpu",
            "max,la57=off",
        ]
        # Not kvm, even where there is a /dev/kvm: nested ones are often broken, and a guest that hangs would fail the test.
        command += ["-accel", "tcg,tb-size=128", "-m", str(memory), "-name", name]
        command += ["-kernel", str(image.kernel), "-initrd", str(image.initial), "-append", line]
        command += ["-serial", f"file:{self._console}", "-qmp", f"unix:{folder}/{name}.qmp,server=on,wait=off"]
        command += ["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"]
        command += ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host", "-device", "virtio-rng-pci"]
        if peer:
            ends = f"local.path={folder}/{name}.cable,remote.path={folder}/{peer}.cable"
            command += ["-netdev", f"dgram,id=cable,local.type=unix,remote.type=unix,{ends}"]
            mac = "52:54:00:00:00:" + name[-2:]
            command += ["-device", f"virtio-net-pci,netdev=cable,mac={mac},romfile="]
        if driver == "i6300esb":
            command += ["-device", "i6300esb", "-action", "watchdog=reset"]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self._listener = threading.Thread(target=self._listen, args=(f"{folder}/{name}.qmp",), daemon=True)
        self._listener.start()

    def _listen(self, path: str) -> None:
        """Read qemu's events until it ends."""
        with socket.socket(socket.AF_UNIX) as found:
            while self.running:
                try:
                    found.connect(path)
                    break
                except OSError:
                    time.sleep(0.05)
            try:
                found.sendall(b'{"execute": "qmp_capabilities"}\n')
                for line in found.makefile():
                    self._heard(json.loads(line))
            except OSError:
                pass  # qemu has ended; what it said is known

    def _heard(self, message: dict[str, object]) -> None:
        if "event" not in message:
            return
        self.events.append(str(message["event"]))
        data = message.get("data")
        if message["event"] == "SHUTDOWN" and isinstance(data, dict):
            self.ended = str(data.get("reason"))

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def lines(self) -> list[str]:
        """What the guest has said so far."""
        try:
            text = self._console.read_text(errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[: text.count("\n")]

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines())

    def wait(self, what: str, found: Callable[[], bool], seconds: float) -> None:
        """Wait until ``found()``; fails, with the end of the console, after ``seconds`` or when the machine has ended."""
        end = time.monotonic() + seconds
        while True:
            running = self.running
            if found():
                return
            if not running or time.monotonic() > end:
                raise AssertionError(f"{self.name}: not seen within {seconds:.0f}s: {what}\n{self.story()}")
            time.sleep(0.1)

    def wait_said(self, words: str, seconds: float = 180.0) -> None:
        self.wait(words, lambda: self.said(words), seconds)

    def wait_ended(self, seconds: float = 180.0) -> str:
        """How it ended: RESET or ENDED."""
        self.wait("the end", lambda: not self.running, seconds)
        self._listener.join(10.0)
        return self.ended

    def story(self) -> str:
        return "\n".join([*self.lines()[-60:], self._log.read_text(errors="replace")[-500:]])

    def power_off(self) -> None:
        """Pull the plug, if it still runs."""
        if self.running:
            self._process.kill()
        self._process.wait()


def allowed() -> bool:
    """Reading this machine's whole root over 9p, as the guest's root does, needs root."""
    return os.geteuid() == 0
