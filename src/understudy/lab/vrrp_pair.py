"""Machines with a keepalived.conf on them, and either program to run with it: ours, or Debian's keepalived 2.2.7.

A ``RouterRoom`` is machines on one or two bridges; each has a file and a program. What is done to them: power off, a clean stop,
a pulled cable (``stage``), a silent loss of protocol 112 (``mute``: everything else passes), freeze, ``kill -9``. The client asks
the address all the time, the observer asks each machine by its MAC, the wire is heard (``vrrp_wire``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ..units import MILLISECOND, Duration, Instant
from . import kernel
from .cluster import Daemon
from .inside import BASE
from .netns import LabError, Machine, Process, run
from .scene import Interface, Player, Scene, Watcher
from .stage import Stage
from .trial import ADDRESS, player, two_networks
from .vrrp_wire import Wire

KEEPALIVED = "/usr/sbin/keepalived"
FILE = "/run/keepalived/keepalived.conf"
NODES = {"ha01": 101, "ha02": 102}
UNDERSTUDY, OLD = "understudy", "keepalived"
PROGRAMS = (UNDERSTUDY, OLD)

NO_REAL_TIME = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "prlimit", "--rtprio=0:0")
"""Words of programs under which nothing gets real-time priority, not even of root."""

_MUTE = """
table bridge mute
delete table bridge mute
table bridge mute {{
  chain forward {{
    type filter hook forward priority 10; policy accept;
    {rules}
  }}
}}
"""
_SYS = "/run/sys"
"""The network namespace of the switch, as files."""

_NFT = ("sh", "-c", "chrt --rr --pid 5 $$ 2> /dev/null; exec nft -f -")
"""Without waiting for its turn where the machine is busy: how long something lasts is what is measured."""

_LINES = 12


class Program(Protocol):
    """What runs on a machine."""

    def start(self, *by: str) -> None:
        """``by``: words of a program that becomes it."""

    def stop(self) -> None:
        """As systemd would: SIGTERM to its main process; returns at once."""

    def reload(self) -> None:
        """SIGHUP."""

    def everything(self) -> Sequence[Process]:
        """All its living processes; whoever would start another one again comes first."""

    def serving(self) -> Sequence[Process]:
        """Those whose CPU time and memory are the virtual routers' cost."""

    def listening(self) -> bool:
        """Whether its virtual routers have begun: none is what it was before the first advert could be heard."""

    def log_tail(self, lines: int = 15) -> Sequence[str]:
        """What it said."""


class Keepalived:
    """Debian's, on one machine. Its process-id files lie in the machine's own ``/run``, so none is ever stale."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        os.makedirs(f"{BASE}/{machine.name}", exist_ok=True)
        self.log_path = f"{BASE}/{machine.name}/keepalived.log"

    def start(self, *by: str) -> None:
        if not os.access(KEEPALIVED, os.X_OK):
            raise LabError(
                "keepalived is not installed", "as root: apt-get install keepalived (its service need not run)"
            )
        # Only VRRP (-P): the other half needs IPVS in the kernel. No --log-detail: a line for each frame would slow it down.
        flags = ["--dont-fork", "--log-console", "-P", "-f", FILE]
        places = ["-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"]
        self.machine.spawn([*by, KEEPALIVED, *flags, *places], self.log_path)

    def stop(self) -> None:
        self._main(signal.SIGTERM)

    def reload(self) -> None:
        self._main(signal.SIGHUP)

    def _main(self, number: signal.Signals) -> None:
        self.machine.signal(self.everything()[:1], number)

    def everything(self) -> Sequence[Process]:
        found = [process for process in self.machine.processes() if process.argv[0].endswith("keepalived")]
        return sorted(found, key=lambda process: process.pid)

    def serving(self) -> Sequence[Process]:
        return self.everything()

    def listening(self) -> bool:
        began = [line.rpartition(": ")[2] for line in self.log_tail(500)]
        # Not "Starting VRRP child process": a child with real-time priority speaks before its parent says that.
        newest = began[
            max((index for index, text in enumerate(began) if text.startswith("Starting Keepalived")), default=0) :
        ]
        return any(text.startswith("(") and "Entering " in text for text in newest)

    def log_tail(self, lines: int = 15) -> Sequence[str]:
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()[-lines:]
        except OSError:
            return ()


class Ours(Daemon):
    """Our daemon, with the same file and nothing else."""

    def start(self, *by: str) -> None:
        # Not the lab's: an upgraded node would take its native file from there.
        super().start("env", f"UNDERSTUDY_NATIVE_CONFIG={self.directory}/etc/cluster.toml", *by)

    def flags(self) -> list[str]:
        return ["--config", FILE]

    def stop(self) -> None:
        self.signal("supervisor", signal.SIGTERM)

    def reload(self) -> None:
        self.signal("supervisor", signal.SIGHUP)

    def everything(self) -> Sequence[Process]:
        return self.processes()

    def serving(self) -> Sequence[Process]:
        return self.processes("pulse")

    def listening(self) -> bool:
        routers = (self.status() or {}).get("virtual_routers", [])
        return bool(routers) and all(router["state"] != "INIT" for router in routers)


class RouterRoom:
    """Machines with their files, set up; nothing runs yet. Use in the director.

    ``files``: a keepalived.conf for each machine. ``programs``: which of ``PROGRAMS`` each one runs. ``scene``: the machines and
    who watches them, two machines on two networks by default. ``interval``: of the client's questions.
    """

    def __init__(
        self,
        files: Mapping[str, str],
        programs: Mapping[str, str],
        scene: Scene | None = None,
        interval: Duration = MILLISECOND,
        furnish: Callable[[Machine], None] | None = None,
    ) -> None:
        self.files = dict(files)
        self._furnish = furnish
        self.stage = Stage(scene or pair_scene(), with_daemons=False, native_file=False, interval=interval)
        self.stage.set_up()
        makers: dict[str, Callable[[Machine], Program]] = {UNDERSTUDY: Ours, OLD: Keepalived}
        self.programs = {name: makers[programs[name]](self.machine(name)) for name in files}
        self.wire = Wire(self.stage.room, tuple(files))
        self.wire.listen()
        for name in files:
            self.furnish(name)
        os.makedirs(_SYS, exist_ok=True)
        kernel.mount("sysfs", _SYS, "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    def machine(self, name: str) -> Machine:
        return self.stage.room.machine(name)

    def furnish(self, name: str) -> None:
        """The machine's file, as it is now; and what the scenario wants on it."""
        machine = self.machine(name)
        machine.run(["sh", "-c", f"mkdir -p /run/keepalived && umask 077 && cat > {FILE}"], self.files[name])
        if self._furnish is not None:
            self._furnish(machine)

    def start(self, *names: str, by: Sequence[str] = ()) -> Instant:
        """On all machines unless said otherwise. Returns when."""
        moment = kernel.now()
        for name in names or self.names:
            self.programs[name].start(*by)
        return moment

    def power_off(self, name: str) -> Instant:
        """All at once, no goodbye. Returns when."""
        self.stage.do(f"power {name} off")
        return self.stage.moment

    def power_on(self, name: str) -> None:
        """With its file; nothing is started."""
        self.stage.do(f"power {name} on")
        self.wire.listen()
        self.furnish(name)

    def power_off_after_an_advert(self, name: str, vrid: int = 0) -> tuple[Instant, Instant]:
        """The worst moment: whoever waits for the next advert has to wait longest. Returns when that advert left, and when."""
        with at_once():
            advert = self.wire.next(name, kernel.now(), vrid=vrid)
            return advert.at, self.power_off(name)

    def stop(self, name: str) -> Instant:
        """Cleanly. Returns when it was asked."""
        moment = kernel.now()
        self.programs[name].stop()
        return moment

    def signal(self, name: str, number: signal.Signals) -> Instant:
        """To all processes of the program there. Raises LabError when there are none."""
        found = self.programs[name].everything()
        moment = kernel.now()
        if not self.machine(name).signal(found, number):
            raise LabError(f"nothing runs on {name}")
        return moment

    def mute(self, muted: bool = True, sender: str = "", receiver: str = "") -> Instant:
        """The switch drops (or passes again) protocol 112 and nothing else; from and to everybody unless said otherwise."""
        ports = {
            name: [cable.port for cable in self.machine(name).cables.values()] for name in (sender, receiver) if name
        }
        where = [f"iifname {{ {_quoted(ports[sender])} }}"] if sender else []
        where += [f"oifname {{ {_quoted(ports[receiver])} }}"] if receiver else []
        place = " ".join(where)
        rules = [f"{place} ip protocol {{ 51, 112 }} drop", f"{place} ip6 nexthdr {{ 51, 112 }} drop"] if muted else []
        run(_NFT, _MUTE.format(rules="\n    ".join(rules)))
        return kernel.now()

    def multicast(self, passes: bool) -> Instant:
        """Whether the switch passes multicast, as adverts are and ARP is not. Returns when; unlike ``mute`` in microseconds."""
        for name in self.names:
            for cable in self.machine(name).cables.values():
                with open(f"{_SYS}/class/net/{cable.port}/brport/multicast_flood", "w", encoding="ascii") as file:
                    file.write(f"{passes:d}")
        return kernel.now()

    def serves(self) -> str:
        """Who answers the client."""
        return self.stage.watchers.who()

    def addresses(self, name: str) -> set[str]:
        """What the machine's kernel has, without prefix lengths."""
        listed = json.loads(self.machine(name).run(["ip", "-j", "address", "show"]))
        return {item["local"] for link in listed for item in link["addr_info"] if "local" in item}

    def shell(self, name: str, line: str) -> str:
        """What the shell there says to it."""
        return self.machine(name).run(["sh", "-c", line])

    def wait(self, what: str, happened: Callable[[], bool], limit: float = 30.0) -> None:
        """Raises LabError, with the ends of the logs, when it does not happen within ``limit`` seconds."""
        end = time.monotonic() + limit
        while not happened():
            if time.monotonic() > end:
                raise LabError("\n".join([f"not within {limit:.0f} s: {what}", *self.said()]))
            time.sleep(0.01)

    def said(self, lines: int = _LINES) -> list[str]:
        """The ends of the logs."""
        return [f"{name}: {line}" for name, program in self.programs.items() for line in program.log_tail(lines)]

    def two(self, start: Instant, end: Instant | None = None) -> list[Instant]:
        """The sampled instants at which two machines answered for the client's address."""
        return self.stage.watchers.two(start, kernel.now() - 20 * MILLISECOND if end is None else end)

    def close(self) -> None:
        """The end of the world."""
        self.wire.close()
        self.stage.close()


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """What is done in it waits for nobody who computes; what is started in it does."""
    kernel.real_time(1)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def pair_scene(address: str = ADDRESS) -> Scene:
    """Two machines on a network for the service and another one; nothing of ours is configured."""
    scene = two_networks("virtual routers", (player(name, last) for name, last in NODES.items()), {}, {})
    return scene if address == ADDRESS else plain_scene(dict.fromkeys(NODES, ("eth0",)), address)


def plain_scene(machines: Mapping[str, Sequence[str]], address: str, client_at: int = 200) -> Scene:
    """Machines on one network, with the devices named, and the addresses of the network of ``address`` (IPv4, /24)."""
    prefix = address.rpartition(".")[0]
    players = tuple(
        Player(name, "node", tuple(Interface(device, "service", (f"{prefix}.{101 + index}/24",)) for device in devices))
        for index, (name, devices) in enumerate(machines.items())
    )
    client = Watcher("service", f"{prefix}.{client_at}/24", asks=address)
    return Scene(
        "virtual routers", ("service",), players, {}, {}, client, Watcher("service", f"{prefix}.{client_at + 1}/24")
    )


def instance(name: str, vrid: int, priority: int, addresses: Sequence[str], *more: str, device: str = "eth0") -> str:
    """A ``vrrp_instance``. ``more``: further lines of it; ``addresses`` as keepalived takes them."""
    lines = [
        f"vrrp_instance {name} {{",
        "    state BACKUP",
        f"    interface {device}",
        f"    virtual_router_id {vrid}",
        f"    priority {priority}",
        *(f"    {line}" for line in more),
        "    virtual_ipaddress {",
        *(f"        {address}" for address in addresses),
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def definitions(*more: str, version: int = 3) -> str:
    """``global_defs``."""
    return "\n".join(["global_defs {", f"    vrrp_version {version}", *(f"    {line}" for line in more), "}"]) + "\n"
