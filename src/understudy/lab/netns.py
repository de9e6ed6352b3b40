"""Machines, networks, and the switches to pull.

Runs in the director (see ``inside``), whose network namespace holds one bridge for each network and the switch-side end of
every cable. A machine is a process tree in its own PID, network, mount, host-name and IPC namespaces. What can be pulled:

- power: the machine's frames stop, then its process 1 is killed and everything on it with it, then its cables lose carrier.
- a cable: carrier is lost at the machine. The switch-side end is taken down.
- silence: the switch drops the frames of one cable, both ways or one way, and carrier stays. Loss: it drops some at random.
- a cut between two machines on one network; each still reaches the others.

Frames are dropped by nftables in the switch (family bridge), one table replaced in one transaction, so several cables of a
machine go silent at the same instant. Taking an interface down waits for an RCU grace period (some 15 ms here), which is
why power-off silences first.

Does not imitate: delay (this needs netem), a corpse that keeps its cables up, half-broken switches.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..errors import UnderstudyError
from . import kernel

_LONGEST_COMMAND = 20.0


class LabError(UnderstudyError):
    """Something in the lab itself went wrong, or a switch that is not there was asked for."""


def run(argv: Sequence[str], text: str = "") -> str:
    """Run a short command and return what it printed. Raises LabError with its complaint; 20 s at most."""
    try:
        result = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=_LONGEST_COMMAND, check=False)
    except FileNotFoundError as error:
        raise LabError(f"the program {argv[0]!r} is missing", "install iproute2, nftables and util-linux") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)} did not end within {_LONGEST_COMMAND:.0f} s") from error
    if result.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


@dataclass(slots=True)
class Cable:
    """One interface of a machine and what is wrong with the way to it. ``loss`` is a probability, 0 to 1."""

    machine: str
    device: str
    network: str
    addresses: tuple[str, ...]
    mac: str
    port: str = ""
    plugged: bool = True
    silent_to: bool = False
    silent_from: bool = False
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a machine; ``pid`` as the director sees it."""

    pid: int
    argv: tuple[str, ...]

    def is_module(self, module: str) -> bool:
        """Whether it is ``python -m module`` (or ``module.__main__`` run by path)."""
        return ("-m", module) in pairwise(self.argv)


@dataclass(slots=True)
class Machine:
    """A machine: its cables, and while it has power its process 1 (``init``) and its network namespace."""

    name: str
    cables: dict[str, Cable]
    init: int = 0
    starter: subprocess.Popen[str] | None = None
    network_namespace: int = -1
    process_namespace: int = 0
    spawned: list[subprocess.Popen[bytes]] = field(default_factory=list)
    sessions: bool = True
    """Whether each program gets a session, so also a share of CPU time, of its own (autogroups, sched(7)); else all share one."""

    @property
    def powered(self) -> bool:
        return self.init != 0

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` on this machine. Raises LabError when it has no power."""
        if not self.powered:
            raise LabError(f"{self.name} has no power", f"give it power first: power {self.name} on")
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-u", "-i", "-p", "-w", "--", *argv]

    def run(self, argv: Sequence[str], text: str = "") -> str:
        """Run a short command on the machine; see ``run``."""
        return run(self.command(argv), text)

    def spawn(self, argv: Sequence[str], log: str = os.devnull) -> subprocess.Popen[bytes]:
        """Start a program on the machine (see ``sessions``), its output appended to the file ``log``."""
        with open(log, "ab") as output:
            program = subprocess.Popen(
                self.command(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=self.sessions,
            )
        self.spawned.append(program)
        return program

    def processes(self) -> list[Process]:
        """Every living process of the machine but its process 1."""
        if not self.powered:
            return []
        return [process for process in _all_processes(self.process_namespace) if process.pid != self.init]

    def signal(self, processes: Sequence[Process], number: int) -> int:
        """Send a signal to each, in this order; how many were there to get it."""
        reached = 0
        if number == signal.SIGCONT:
            # nsenter stops together with its child and would not bury it (waitpid with WUNTRACED).
            for program in self.spawned:
                program.send_signal(number)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
                reached += 1
        return reached


def _all_processes(namespace: int) -> Iterator[Process]:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{entry}/ns/pid").st_ino != namespace:
                continue
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                argv = tuple(part.decode(errors="replace") for part in file.read().split(b"\0")[:-1])
            if argv:
                yield Process(int(entry), argv)


class Room:
    """The machine room: networks, machines, and the hands on the switches. Call only in the director."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Make one bridge for each network. Raises LabError."""
        self.machines: dict[str, Machine] = {}
        self._bridges = {network: f"net{number}" for number, network in enumerate(networks)}
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._cuts: set[tuple[str, str, str]] = set()
        self._one_way: set[tuple[str, str, str]] = set()
        self._generation = 0
        self._slow: list[subprocess.Popen[str]] = []
        with contextlib.suppress(OSError), open("/proc/sys/net/bridge/bridge-nf-call-iptables", "w") as file:
            file.write("0")
        lines = ["link set lo up"]
        for bridge in self._bridges.values():
            lines += [f"link add {bridge} type bridge mcast_snooping 0 forward_delay 0", f"link set {bridge} up"]
        run(["ip", "-batch", "-"], "\n".join(lines))

    def add(self, name: str, interfaces: Sequence[tuple[str, str, Sequence[str]]]) -> Machine:
        """A machine without power yet. ``interfaces``: (device, network, addresses with prefix length)."""
        number = len(self.machines) + 1
        cables = {}
        for index, (device, network, addresses) in enumerate(interfaces):
            if network not in self._bridges:
                raise LabError(f"{name}: there is no network {network!r}")
            mac = f"02:6c:61:62:{number:02x}:{index:02x}"
            cables[device] = Cable(name, device, network, tuple(addresses), mac)
        machine = self.machines[name] = Machine(name, cables)
        return machine

    def machine(self, name: str) -> Machine:
        """Raises LabError for a machine that is not in the scene."""
        if name not in self.machines:
            raise LabError(f"there is no machine {name!r}", f"there are: {', '.join(self.machines)}")
        return self.machines[name]

    def cable(self, name: str, device: str) -> Cable:
        """Raises LabError for a cable that is not in the scene."""
        cables = self.machine(name).cables
        if device not in cables:
            raise LabError(f"{name} has no interface {device!r}", f"it has: {', '.join(cables)}")
        return cables[device]

    def power_on(self, name: str) -> Machine:
        """Start the machine's process 1, connect its cables, give it its addresses. Nothing else runs on it yet."""
        machine = self.machine(name)
        if machine.powered:
            return machine
        starter = subprocess.Popen(
            [sys.executable, "-m", "understudy.lab.machine_init", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = starter.stdout.readline() if starter.stdout is not None else ""
        if not line:
            raise LabError(f"{name} did not start: its process 1 ended with status {starter.wait()}")
        machine.starter, machine.init = starter, int(line)
        machine.process_namespace = os.stat(f"/proc/{machine.init}/ns/pid").st_ino
        machine.network_namespace = os.open(f"/proc/{machine.init}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._connect(machine)
        return machine

    def _connect(self, machine: Machine) -> None:
        here, there = [], ["link set lo up"]
        for number, cable in enumerate(machine.cables.values()):
            self._generation += 1
            cable.port = f"p{self._generation}.{number}"
            here.append(
                f"link add {cable.port} type veth peer name {cable.device} address {cable.mac} netns {machine.init}"
            )
            here.append(f"link set {cable.port} master {self._bridges[cable.network]}")
            if cable.plugged:
                here.append(f"link set {cable.port} up")
            for address in cable.addresses:
                there.append(f"address add {address} dev {cable.device}" + (" nodad" if ":" in address else ""))
            there.append(f"link set {cable.device} up")
        self._apply_filters()
        run(["ip", "-batch", "-"], "\n".join(here))
        machine.run(["ip", "-batch", "-"], "\n".join(there))

    def power_off(self, name: str) -> int:
        """Cut the power, without any goodbye. Returns when it was cut: after the frames stopped, before the processes died."""
        machine = self.machine(name)
        if not machine.powered:
            return kernel.now()
        ports = [cable.port for cable in machine.cables.values()]
        self._apply_filters(dead=ports)
        moment = kernel.now()
        os.kill(machine.init, signal.SIGKILL)
        machine.init = 0
        # The end of a PID namespace waits for every nsenter to bury its child, and one with a frozen child is itself stopped.
        for program in machine.spawned:
            program.send_signal(signal.SIGCONT)
        if machine.starter is not None:
            machine.starter.wait()
        for program in machine.spawned:
            program.wait()
        machine.spawned.clear()
        # Only now: a daemon without power cannot see its carrier go and act on it.
        for port in ports:
            kernel.set_interface(self._control, port, False)
        return moment

    def clear_away(self, name: str) -> None:
        """Throw a powered-off machine's network namespace and cables away. Apart from power_off, because it holds the
        kernel's one lock on interfaces for milliseconds, which would be counted against whoever takes over."""
        machine = self.machine(name)
        if machine.powered or machine.network_namespace < 0:
            return
        lines = []
        for cable in machine.cables.values():
            lines.append(f"link del {cable.port}")
            cable.port = ""
        run(["ip", "-batch", "-"], "\n".join(lines))
        os.close(machine.network_namespace)
        machine.network_namespace = -1
        self._apply_filters()

    def plug(self, name: str, device: str, plugged: bool) -> int:
        """Put a cable in or pull it: the machine sees its carrier. Returns the moment."""
        cable = self.cable(name, device)
        cable.plugged = plugged
        moment = kernel.now()
        if cable.port and self.machine(name).powered:
            kernel.set_interface(self._control, cable.port, plugged)
        return moment

    def silence(self, name: str, device: str, to: bool, from_: bool) -> int:
        """Drop the frames ``to`` and/or ``from_`` the machine at the switch, carrier kept. Returns the moment."""
        cable = self.cable(name, device)
        cable.silent_to, cable.silent_from = to, from_
        self._apply_filters()
        return kernel.now()

    def lose(self, name: str, device: str, loss: float) -> int:
        """Drop each frame to and from the machine with probability ``loss`` (0 to 1). Returns the moment."""
        if not 0 <= loss <= 1:
            raise LabError(f"a loss of {loss:.0%} is not possible", "give a percentage from 0 to 100")
        self.cable(name, device).loss = loss
        self._apply_filters()
        return kernel.now()

    def slow(self, name: str, device: str, milliseconds: int) -> int:
        """Each frame to and from the machine takes so long from now on, until the end of the world. Returns the moment."""
        cable = self.cable(name, device)
        others = [
            f"{other.port}={other.mac}"
            for machine in self.machines.values()
            for other in machine.cables.values()
            if other.network == cable.network and other is not cable and other.port
        ]
        words = [sys.executable, "-m", "understudy.lab.slow_cable", str(milliseconds), cable.port, cable.mac, *others]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._slow.append(process)
        # Until it listens, the switch has to go on by itself, or frames would be lost.
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise LabError(f"the slow cable of {name} {device} did not start")
        return self.silence(name, device, to=True, from_=True)

    def cut(self, one: str, other: str, network: str, cut: bool) -> int:
        """Drop (or let pass again) what two machines send each other on one network. Returns the moment."""
        if network not in self._bridges:
            raise LabError(f"there is no network {network!r}", f"there are: {', '.join(self._bridges)}")
        low, high = sorted((self.machine(one).name, self.machine(other).name))
        if cut:
            self._cuts.add((low, high, network))
        else:
            self._cuts.discard((low, high, network))
        self._apply_filters()
        return kernel.now()

    def cut_one_way(self, sender: str, receiver: str, network: str, cut: bool) -> int:
        """Drop (or let pass again) what ``sender`` sends to ``receiver`` on one network. Returns the moment."""
        if network not in self._bridges:
            raise LabError(f"there is no network {network!r}", f"there are: {', '.join(self._bridges)}")
        way = (self.machine(sender).name, self.machine(receiver).name, network)
        if cut:
            self._one_way.add(way)
        else:
            self._one_way.discard(way)
        self._apply_filters()
        return kernel.now()

    def _apply_filters(self, dead: Sequence[str] = ()) -> None:
        run(["nft", "-f", "-"], self._filters(dead))

    def _filters(self, dead: Sequence[str]) -> str:
        rules = []
        cables = [cable for machine in self.machines.values() for cable in machine.cables.values() if cable.port]
        for port in dead:
            rules += [f'iifname "{port}" drop', f'oifname "{port}" drop']
        for cable in cables:
            if cable.silent_from:
                rules.append(f'iifname "{cable.port}" drop')
            if cable.silent_to:
                rules.append(f'oifname "{cable.port}" drop')
            if cable.loss:
                chance = f"numgen random mod 10000 < {round(cable.loss * 10000)} drop"
                rules += [f'iifname "{cable.port}" {chance}', f'oifname "{cable.port}" {chance}']
        for one, other, network in sorted(self._one_way):
            senders = [cable.port for cable in cables if cable.machine == one and cable.network == network]
            receivers = [cable.port for cable in cables if cable.machine == other and cable.network == network]
            rules += [f'iifname "{a}" oifname "{b}" drop' for a in senders for b in receivers]
        for one, other, network in sorted(self._cuts):
            left = [cable.port for cable in cables if cable.machine == one and cable.network == network]
            right = [cable.port for cable in cables if cable.machine == other and cable.network == network]
            for a in left:
                for b in right:
                    rules += [f'iifname "{a}" oifname "{b}" drop', f'iifname "{b}" oifname "{a}" drop']
        chain = "type filter hook forward priority 0; policy accept;\n" + "\n".join(rules)
        return f"table bridge lab\ndelete table bridge lab\ntable bridge lab {{\nchain forward {{\n{chain}\n}}\n}}\n"

    def close(self) -> None:
        """Cut the power of everything; the rest ends with the director."""
        for name in self.machines:
            self.power_off(name)
        for process in self._slow:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._control.close()
