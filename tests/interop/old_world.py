"""A pair of which one machine runs Debian's heartbeat and the other ours, in a private world; and words to say what must happen.

``@beside_heartbeat(...)`` makes a test of a function that gets a ``Pair`` whose machines have their files, and run nothing yet.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable
from typing import Any

import pytest

from understudy.lab import heartbeat, kernel
from understudy.lab.cluster import Daemon
from understudy.lab.netns import Machine
from understudy.lab.scene import Interface, Player, Scene, Watcher
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS
from understudy.lab.watch import Seen
from understudy.units import MILLISECOND, SECOND, Instant

LONGEST = 240.0
NEEDED = ("ip", "nft", "nsenter", heartbeat.PROGRAM)
NODES = {"ha01": 101, "ha02": 102}

CONFIGURATION = """\
keepalive 200ms
warntime 500ms
deadtime {deadtime}
initdead 3
{media}
{more}
auto_failback {failback}
use_logd no
logfile /run/ha.log
debugfile /run/ha.debug
node ha01
node ha02
"""
UNICAST = "ucast eth1 192.168.107.101\nucast eth1 192.168.107.102"
RESOURCES = f"ha01 {ADDRESS}\n"
GROUP = ADDRESS
"""How ours calls the group of that line."""

Case = Callable[["Pair"], None]


def scene() -> Scene:
    """Two machines on a service network and a cable of their own."""
    players = tuple(
        Player(
            name,
            "node",
            (
                Interface("eth0", "service", (f"192.168.58.{last}/24",)),
                Interface("eth1", "heartbeat", (f"192.168.107.{last}/24",)),
            ),
        )
        for name, last in NODES.items()
    )
    return Scene(
        title="interop",
        networks=("service", "heartbeat"),
        players=players,
        cluster={"name": "interop", "heartbeat": "200ms", "dead_time": "1s", "quorum": "pair"},
        groups={"site": {"prefer": ["ha01", "ha02"], "resources": [{"address": f"{ADDRESS}/24", "device": "eth0"}]}},
        client=Watcher("service", "192.168.58.200/24", asks=ADDRESS),
        observer=Watcher("service", "192.168.58.201/24"),
    )


def joined_terminals() -> tuple[str, str]:
    """The names of two pseudo terminals; what is written to one is read from the other, until the world ends."""
    masters, names = [], []
    for _ in range(2):
        master, slave = os.openpty()
        tty.setraw(slave)  # stays open here, so that a daemon's end hangs nothing up
        masters.append(master)
        names.append(os.ttyname(slave))

    def carry(source: int, target: int) -> None:
        while True:
            os.write(target, os.read(source, 4096))

    for source, target in (masters, masters[::-1]):
        threading.Thread(target=carry, args=(source, target), daemon=True).start()
    return names[0], names[1]


class Ours(Daemon):
    """Our daemon, with the files in the machine's /etc/ha.d."""

    def start(self) -> None:
        os.makedirs(self.runtime, exist_ok=True)
        call = "import sys; from understudy.cli.main import main; sys.exit(main())"
        flags = ["--config", "/etc/ha.d", "--node", self.machine.name]
        places = ["--runtime-dir", self.runtime, "--state-dir", self.state]
        self.machine.spawn([sys.executable, "-c", call, "run", *flags, *places], self.log_path)


class Pair:
    """Two machines with Heartbeat's files on them.

    ``failback``: auto_failback; ``deadtime`` in seconds; ``more`` lines of ha.cf. ``{tty}`` in ``media`` stands for the machine's
    end of a line between the two.
    """

    def __init__(
        self,
        failback: str = "off",
        media: str = UNICAST,
        resources: str = RESOURCES,
        deadtime: str = "1",
        more: str = "",
    ) -> None:
        self.stage = Stage(scene(), with_daemons=False)
        ttys = dict(zip(NODES, joined_terminals(), strict=True)) if "{tty}" in media else {}
        self.texts = {
            name: CONFIGURATION.format(
                failback=failback, media=media.format(tty=ttys.get(name, "")), deadtime=deadtime, more=more
            )
            for name in NODES
        }
        self.resources = resources
        self.ours = {name: Ours(self.machine(name)) for name in NODES}
        self.stage.set_up()
        for name in NODES:
            self.furnish(name)

    def machine(self, name: str) -> Machine:
        return self.stage.room.machine(name)

    def start_old(self, name: str) -> None:
        heartbeat.start(self.machine(name))

    def start_new(self, name: str) -> None:
        self.ours[name].start()

    def serves(self) -> str:
        """Who answers the client."""
        return self.stage.watchers.who()

    def power_off(self, name: str) -> Instant:
        """All at once, no goodbye. Returns when."""
        self.stage.do(f"power {name} off")
        return self.stage.moment

    def power_on(self, name: str) -> None:
        """With its files; nothing is started."""
        self.stage.do(f"power {name} on")
        self.furnish(name)

    def furnish(self, name: str) -> None:
        """Its files, and a broadcast address: where none was set the old program sends to nobody."""
        address = f"192.168.107.{NODES[name]}/24"
        lines = f"address del {address} dev eth1\naddress add {address} brd + dev eth1"
        self.machine(name).run(["ip", "-batch", "-"], lines)
        heartbeat.furnish(self.machine(name), self.texts[name], self.resources)

    def stop_old(self, name: str) -> None:
        """Gracefully; returns when it has ended."""
        self.machine(name).run([heartbeat.PROGRAM, "-k"])

    def old_log(self, name: str) -> str:
        return self.machine(name).run(["sh", "-c", "cat /run/ha.log 2>/dev/null || true"])

    def status(self, name: str) -> dict[str, Any]:
        return self.ours[name].status() or {}

    def texts_told(self, name: str) -> list[str]:
        """The sentences of our daemon's history since the last call."""
        return [told.text for told in self.ours[name].history()]

    def settled(self, name: str) -> bool:
        """Whether our daemon knows what the other one holds, and nothing is under way."""
        status = self.status(name)
        return bool(status) and not any("not known yet" in text or "not active" in text for text in status["warnings"])

    def holder(self, name: str) -> str:
        """Who holds the group, as our daemon on that machine sees it."""
        groups = self.status(name).get("groups", [])
        return next((group["holder"] or "" for group in groups), "")

    def tell(self) -> None:
        """Print what was said, for a test that fails."""
        for name, daemon in self.ours.items():
            print("\n".join(f"{name}: {line}" for line in daemon.log_tail(60)))
            if self.machine(name).powered:
                print(self.machine(name).run(["sh", "-c", "tail -n 60 /run/ha.log 2>/dev/null || true"]))


def beside_heartbeat(**options: str) -> Callable[[Case], Callable[[], None]]:
    """Make a test that runs ``case(pair)`` in a process and a world of its own."""

    def decorate(case: Case) -> Callable[[], None]:
        file, name = os.path.abspath(inspect.getfile(case)), case.__name__

        @pytest.mark.kernel
        def test() -> None:
            absent = [program for program in NEEDED if shutil.which(program) is None]
            if absent:
                pytest.skip(f"not installed: {', '.join(absent)}")
            command = [sys.executable, "-m", "understudy.lab.inside", file, name]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False
            )
            if done.returncode == 77:
                pytest.skip(done.stderr.strip())
            if done.returncode != 0:
                pytest.fail(f"{name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)

        def body() -> None:
            pair = Pair(**options)
            try:
                case(pair)
            except BaseException:
                pair.tell()
                raise
            finally:
                pair.stage.close()

        functools.update_wrapper(test, case, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
        test.case = body  # type: ignore[attr-defined]
        del test.__wrapped__  # type: ignore[attr-defined]  # pytest would take the argument of the case for a fixture
        return test

    return decorate


def until(what: str, happened: Callable[[], bool], limit: float = 20.0) -> None:
    """Wait for a condition; fails the test with ``what`` when it does not come."""
    end = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < end, f"not within {limit:.0f} s: {what}"
        time.sleep(0.02)


def rest(seconds: float) -> None:
    """Let that much time pass."""
    end = kernel.now() + seconds * SECOND
    until("time passes", lambda: kernel.now() > end, seconds + 5)


def seen_since(pair: Pair, start: Instant) -> Seen:
    return pair.stage.watchers.seen(start, kernel.now() - 50 * MILLISECOND)


def never_two(pair: Pair, start: Instant) -> Seen:
    """Since ``start`` never two machines served the address."""
    seen = seen_since(pair, start)
    assert seen.asked > 500, f"the client asked only {seen.asked} times: nothing can be said"
    assert seen.two == 0, f"two machines answered in {seen.two} sampled milliseconds, first at {seen.first_two}"
    return seen
