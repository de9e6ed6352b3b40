"""Network namespaces for tests: machines on small Ethernet segments, all gone afterwards, the host's own network untouched.

``Lab`` makes namespaces with unguessable names; ``segment`` puts a bridge into a namespace of its own and one veth end into each
machine. ``inside`` moves the calling thread into a namespace: sockets opened there stay there after it has moved back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_PATIENCE = 10.0


def missing(*programs: str) -> str | None:
    """Why namespaces cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", *programs):
        if shutil.which(program) is None:
            return f"the program {program} is not installed"
    return None


def eventually(condition: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Wait until ``condition`` holds, looking every millisecond; a test that waits in vain fails with ``what``."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"in {patience} s it did not happen that {what}")
        time.sleep(0.001)


@contextlib.contextmanager
def inside(machine: Machine) -> Iterator[None]:
    """Run the block with the calling thread in the namespace of ``machine``."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(machine.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def send(machine: Machine, target: str, source: str | None = None, port: int = 9) -> None:
    """Send one UDP datagram from ``machine``; OSError as the kernel gives it. Nobody need listen: it makes neighbours talk."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with inside(machine), socket.socket(family, socket.SOCK_DGRAM) as sender:
        if source is not None:
            sender.bind((source, 0))
        sender.sendto(b"?", (target, port))


@dataclass(frozen=True)
class Machine:
    """One namespace. ``name`` is for test texts, ``namespace`` for ``ip netns``."""

    name: str
    namespace: str

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.namespace

    def run(self, command: str, *, check: bool = True, text: str | None = None) -> str:
        """Run ``command`` (split at blanks) inside, with ``text`` on its standard input; returns what it prints."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command.split()],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout + done.stderr

    def mac(self, device: str = "eth0") -> str:
        """The MAC address of a device, lower case with colons."""
        with inside(self):
            return self.run(f"cat /sys/class/net/{device}/address").strip()

    def setting(self, path: str, value: str | None = None) -> str:
        """Read, or write, one sysctl below ``/proc/sys/net``."""
        with inside(self):
            place = Path("/proc/sys/net") / path
            if value is not None:
                place.write_text(value)
            return place.read_text().strip()


class Lab:
    """Makes machines and segments; ``close`` removes them, whatever happened before."""

    def __init__(self) -> None:
        self._prefix = f"ustest-{os.getpid()}-{secrets.token_hex(3)}"
        self._machines: list[Machine] = []
        self._cables = 0

    def close(self) -> None:
        for machine in self._machines:
            subprocess.run(["ip", "netns", "del", machine.namespace], capture_output=True, check=False)

    def machine(self, name: str) -> Machine:
        """A machine with its loopback up and no other device."""
        made = Machine(name, f"{self._prefix}-{name}")
        subprocess.run(["ip", "netns", "add", made.namespace], capture_output=True, check=True)
        self._machines.append(made)
        made.run("ip link set lo up")
        return made

    def segment(self, ends: Mapping[Machine, str], device: str = "eth0") -> Machine:
        """Connect machines by a switch. ``ends``: machine to its addresses with prefix, separated by blanks.

        Returns the switch; its ports are called like the machines. Every end has its carrier when this returns.
        """
        switch = self.machine(f"switch{self._cables}")
        self._cables += 1
        switch.run("ip link add bridge type bridge forward_delay 0 mcast_snooping 0")
        switch.run("ip link set bridge up")
        for machine, addresses in ends.items():
            switch.run(f"ip link add name {machine.name} type veth peer name {device} netns {machine.namespace}")
            switch.run(f"ip link set dev {machine.name} master bridge up")
            # A duplicate address check would keep each IPv6 address of the test tentative for a second.
            machine.setting(f"ipv6/conf/{device}/accept_dad", "0")
            machine.run(f"ip link set {device} up")
            for address in addresses.split():
                machine.run(f"ip addr add {address} dev {device}" + (" nodad" if ":" in address else ""))
        for machine in ends:
            eventually(lambda m=machine: "LOWER_UP" in m.run(f"ip -o link show {device}"), "the cable is in")
            eventually(
                lambda m=machine: "state forwarding" in switch.run(f"bridge link show dev {m.name}"),
                "the port forwards",
            )
        return switch
