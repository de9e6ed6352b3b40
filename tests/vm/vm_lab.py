"""Virtual machines with Debian's stock kernel under qemu's own emulation, joined by a bridge in a network namespace.

The guest's / is this machine's, read-only, under a tmpfs: the project and its virtual environment are there at the same
paths. Without ``-accel kvm`` a machine boots in 6 to 15 s, and Python is some ten times slower than outside, so times in
these tests are long.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NEEDED = ("qemu-system-x86_64", "cpio", "apt-get", "dpkg", "ip", "setpriv")


def absent() -> str:
    """Why there can be no virtual machines here, or ""."""
    if os.geteuid() != 0:
        return "virtual machines need root, for their network namespace"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)} (apt-get install qemu-system-x86 cpio)" if missing else ""


def cache() -> Path:
    """Where kernel and modules lie; UNDERSTUDY_VM_CACHE names another place. Half a gigabyte."""
    given = os.environ.get("UNDERSTUDY_VM_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "understudy-vm"


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Room:
    """The network namespace with its bridge ``lan``; this machine joins it with 10.99.0.9."""

    def __init__(self) -> None:
        subprocess.run([str(HERE / "prepare.sh"), str(cache())], check=True, stdout=subprocess.DEVNULL)
        self.namespace = f"understudy-vm-{os.getpid()}"
        self.folder = tempfile.mkdtemp(prefix="understudy-vm.")
        self.machines: list[Machine] = []
        ip("netns", "add", self.namespace)
        self.inside("link", "set", "lo", "up")
        self.inside("link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
        self.inside("link", "set", "lan", "up")
        self.inside("address", "add", "10.99.0.9/24", "dev", "lan")

    def inside(self, *words: str, check: bool = True) -> None:
        ip("-n", self.namespace, *words, check=check)

    def run(self, words: Sequence[str], limit: float = 30.0) -> subprocess.CompletedProcess[str]:
        """A program of this machine in the namespace."""
        command = ["ip", "netns", "exec", self.namespace, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)

    def spawn(self, words: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        command = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.namespace, *words]
        with open(log, "ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def machine(self, name: str, extra: Sequence[str] = ()) -> Machine:
        found = Machine(self, name, len(self.machines) + 1, extra)
        self.machines.append(found)
        return found

    def close(self) -> None:
        for machine in self.machines:
            machine.power_off()
        ip("netns", "del", self.namespace, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Machine:
    """One virtual machine. A reset ends qemu: ``gone`` says whether that has happened."""

    def __init__(self, room: Room, name: str, number: int, extra: Sequence[str]) -> None:
        self.room, self.name, self.number = room, name, number
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._hello: queue.Queue[dict[str, Any]] = queue.Queue()
        self.folder = os.path.join(room.folder, name)
        os.makedirs(self.folder)
        tap = f"tap{number}"
        room.inside("tuntap", "add", "dev", tap, "mode", "tap")
        room.inside("link", "set", tap, "master", "lan", "up")
        self.process = subprocess.Popen(
            self._command(tap, extra),
            stdin=subprocess.DEVNULL,
            stdout=open(f"{self.folder}/qemu.log", "w"),  # noqa: SIM115
            stderr=subprocess.STDOUT,
        )
        self.socket = self._connect()
        threading.Thread(target=self._read, daemon=True).start()

    def _command(self, tap: str, extra: Sequence[str]) -> list[str]:
        words = f"console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0 mitigations=off nokaslr audit=0 apparmor=0 vm.here={HERE}"
        words += f" random.trust_cpu=on no_timer_check vm.name={self.name} vm.python={os.path.realpath(sys.executable)}"
        share = "security_model=none,readonly=on"
        return [
            *("setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.room.namespace, "qemu-system-x86_64"),
            *("-name", self.name, "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35,hpet=off"),
            *("-smp", "1", "-m", "384", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max,la57=off", "-no-reboot"),
            *("-kernel", f"{cache()}/vmlinuz", "-initrd", f"{cache()}/initrd.gz", "-append", words),
            *("-serial", f"file:{self.folder}/console.log"),
            *("-chardev", f"socket,id=agent,path={self.folder}/agent,server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"),
            *(
                "-fsdev",
                f"local,id=layer,path={cache()}/layer,{share}",
                "-device",
                "virtio-9p-pci,fsdev=layer,mount_tag=layer",
            ),
            *(
                "-fsdev",
                f"local,id=host,path=/,{share},multidevs=remap",
                "-device",
                "virtio-9p-pci,fsdev=host,mount_tag=host",
            ),
            *("-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=n0,mac=52:54:00:99:00:{self.number:02x},romfile="),
            *("-device", "virtio-rng-pci"),
            *extra,
        ]

    def _connect(self) -> socket.socket:
        end = time.monotonic() + 15
        while True:
            found = socket.socket(socket.AF_UNIX)
            try:
                found.connect(f"{self.folder}/agent")
                return found
            except OSError:
                found.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(Path(f"{self.folder}/qemu.log").read_text()) from None
                time.sleep(0.05)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.socket.makefile("r", errors="replace"):
                answer = json.loads(line)
                self._answers.get(answer["id"], self._hello).put(answer)

    def wait_boot(self, limit: float = 180.0) -> None:
        """Until the agent says hello."""
        try:
            self._hello.get(timeout=limit)
        except queue.Empty:
            console = Path(f"{self.folder}/console.log").read_text(errors="replace")[-2000:]
            raise TimeoutError(f"{self.name} did not boot: {console}") from None

    def start(self, command: str, limit: float = 3600.0) -> None:
        """Run a shell command and do not wait for it."""
        number = next(self._numbers)
        self._answers[number] = queue.Queue()
        self.socket.sendall(json.dumps({"id": number, "command": command, "limit": limit}).encode() + b"\n")

    def run(self, command: str, limit: float = 120.0) -> str:
        """Run a shell command; raises RuntimeError with what it said when it fails."""
        number = next(self._numbers)
        answers = self._answers[number] = queue.Queue()
        self.socket.sendall(json.dumps({"id": number, "command": command, "limit": limit}).encode() + b"\n")
        answer = answers.get(timeout=limit + 30)
        if answer["status"] != 0:
            raise RuntimeError(f"{self.name}: {command!r} ended with {answer['status']}: {answer['output'][-1500:]}")
        return str(answer["output"])

    @property
    def gone(self) -> bool:
        return self.process.poll() is not None

    def power_off(self) -> None:
        if not self.gone:
            self.process.kill()
        self.process.wait()
        self.socket.close()


def until(what: str, happened: Callable[[], bool], limit: float) -> float:
    """Wait for a condition; returns the seconds that it took. Raises AssertionError with ``what``."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < limit, f"not within {limit:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began
