"""The scenarios that administrators wrote up for Heartbeat, on machines like theirs, with a real Apache and real agents.

The files are those of ``tests/config/heartbeat``, as published: names of devices and machines and addresses are the authors', and
the machines here are made to fit them. What a namespace cannot have is replaced word by word; each scenario says what and why.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import tty
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from old_world import LONGEST, NEEDED, Pair

from private_world import directed, made_test
from understudy.lab import kernel
from understudy.lab.old_pair import APACHE, FolderDaemon, furnish
from understudy.lab.scene import Interface, Player, Scene, Watcher
from understudy.lab.stage import Stage
from understudy.units import Instant

FILES = Path(__file__).resolve().parent.parent / "config" / "heartbeat"


@dataclass(frozen=True, slots=True)
class Play:
    """A scenario. ``machines``: name to device to address with prefix length; the first device is on the service network.

    ``asks``: the address that the client asks, and of which the observer says who serves it. ``replaced``: words of the files
    for others. ``scripts``: name in ``resource.d`` to text. ``prepare``: what a shell does on each machine then.
    ``serial_line``: ``/dev/ttyS0`` of both are joined, at 19200 baud. ``router``: a machine that answers pings.
    """

    folder: str
    machines: Mapping[str, Mapping[str, str]]
    client: str
    observer: str
    asks: str
    page: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    prepare: str = "true"
    serial_line: bool = False
    router: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.machines)

    def files(self) -> dict[str, str]:
        """By name; fails when a word to be replaced is not there."""
        found = {name: (FILES / self.folder / name).read_text("utf-8") for name in ("ha.cf", "haresources", "authkeys")}
        for old, new in self.replaced.items():
            assert any(old in text for text in found.values()), old
            found = {name: text.replace(old, new) for name, text in found.items()}
        return found

    def scene(self) -> Scene:
        networks = ("service", "heartbeat")
        players = tuple(
            Player(
                name,
                "node",
                tuple(
                    Interface(device, network, (address,))
                    for network, (device, address) in zip(networks, devices.items(), strict=False)
                ),
            )
            for name, devices in self.machines.items()
        )
        return Scene(
            title=self.folder,
            networks=networks,
            players=players,
            cluster={},  # the daemons here read /etc/ha.d
            groups={},
            client=Watcher("service", self.client, asks=self.asks, page=self.page),
            observer=Watcher("service", self.observer),
        )


def null_modem(baud: int) -> tuple[str, str]:
    """The names of two joined pseudo terminals, which carry a tenth of ``baud`` bytes a second each way until the world ends."""
    masters, names = [], []
    for _ in range(2):
        master, slave = os.openpty()
        tty.setraw(slave)  # stays open here, so that a daemon's end hangs nothing up
        masters.append(master)
        names.append(os.ttyname(slave))

    def carry(source: int, target: int) -> None:
        while True:
            data = os.read(source, 64)
            time.sleep(len(data) * 10 / baud)
            os.write(target, data)

    for source, target in (masters, masters[::-1]):
        threading.Thread(target=carry, args=(source, target), daemon=True).start()
    return names[0], names[1]


class Scenario(Pair):
    """The two machines of a scenario with their files; nothing runs yet."""

    def __init__(self, play: Play) -> None:
        self.play, self.cable = play, None
        self.stage = Stage(play.scene(), with_daemons=False, native_file=False)
        ends = null_modem(19200) if play.serial_line else ("", "")
        self.ttys = dict(zip(play.names, ends, strict=True))
        self.ours = {name: FolderDaemon(self.machine(name)) for name in play.names}
        self.stage.set_up()
        if play.router:
            self.stage.room.add("router", [("eth0", "service", (play.router,))])
            self.stage.room.power_on("router")
        for name in play.names:
            self.furnish(name)

    def furnish(self, name: str) -> None:
        furnish(self.machine(name), self.play.files(), self.play.scripts, self.ttys[name])
        self.machine(name).run(["sh", "-c", self.play.prepare])

    def pages(self) -> str:
        """Who gives the client its pages."""
        return self.stage.watchers.who_gives_pages()

    def both_serve_as_one(self, name: str) -> bool:
        """Whether that machine answers at the address, gives the page, and both daemons agree that it is the one."""
        watchers = self.stage.watchers
        pages = not self.play.page or watchers.who_gives_pages() == name
        return self.serves() == name and pages and self.agreed(name)

    def agreed(self, name: str) -> bool:
        """Whether both daemons say that this machine has the group, and that nothing is under way."""
        return all(self.holder(at) == name.lower() and self.settled(at) for at in self.ours)

    def stop_new(self, name: str) -> Instant:
        """Asks our daemon to stop, as systemd would. Returns when."""
        self.ours[name].signal("supervisor", signal.SIGTERM)
        return kernel.now()

    def read(self, path: str) -> str:
        """What the client reads from the service."""
        url = f"http://{self.play.asks}{path}"
        return self.stage.room.machine("client").run(["curl", "--silent", "--show-error", "--max-time", "5", url])

    def calls(self, name: str, file: str) -> list[str]:
        """The words with which a script of the scenario was called there, without "status"."""
        lines = self.machine(name).run(["sh", "-c", f"cat {file} 2>/dev/null || true"]).splitlines()
        words = [line.split()[-1] for line in lines]
        return [word for word in words if word != "status"]


def scenario(play: Play) -> Callable[[Callable[[Scenario], None]], Callable[[], None]]:
    """Make a test that runs ``case(scenario)`` in a process and a world of its own."""

    def decorate(case: Callable[[Scenario], None]) -> Callable[[], None]:
        body = directed(case, lambda: Scenario(play), Scenario.tell, Scenario.close)
        return made_test(case, body, LONGEST, (*NEEDED, APACHE, "curl"))

    return decorate
