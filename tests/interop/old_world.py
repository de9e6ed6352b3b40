"""A pair of which one machine runs Debian's heartbeat and the other ours, in a private world; and words to say what must happen.

``@beside_heartbeat(...)`` makes a test of a function that gets a ``Pair`` whose machines have their files, and run nothing yet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Callable
from typing import Any

import serial_cable
import side_by_side

from private_world import NEEDED as PROGRAMS
from private_world import directed, made_test
from understudy.lab import heartbeat, kernel
from understudy.lab.cluster import Daemon
from understudy.lab.netns import Machine
from understudy.lab.old_trial import NODES, scene
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS
from understudy.lab.watch import Seen
from understudy.units import MILLISECOND, SECOND, Instant

ENOUGH = 500
"""Questions of the client, about one per millisecond, below which an answer about a stretch of time says nothing."""

LONGEST = 200.0
NEEDED = (*PROGRAMS, heartbeat.PROGRAM)

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
AS_TEXT = "tr -cd '[:print:]\\n'"
"""The old program logs raw bytes of messages that it cannot read."""

GROUP = ADDRESS
"""How ours calls the group of that line."""

Case = Callable[["Pair"], None]


class Cable:
    """Two pseudo terminals (``names``) and a process that joins them, until the world ends."""

    def __init__(self) -> None:
        pairs = [os.openpty() for _ in range(2)]
        for _, slave in pairs:
            tty.setraw(slave)  # stays open here, so that a daemon's end hangs nothing up
        self.names = [os.ttyname(slave) for _, slave in pairs]
        masters = [master for master, _ in pairs]
        words = [sys.executable, serial_cable.__file__, *map(str, masters)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=masters)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def join(self, whole: bool) -> None:
        """Cut it, or join it again."""
        self.process.send_signal(signal.SIGUSR2 if whole else signal.SIGUSR1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Ours(Daemon):
    """Our daemon, with the files in the machine's /etc/ha.d."""

    def start(self, *by: str) -> None:
        super().start("env", f"UNDERSTUDY_NATIVE_CONFIG={self.directory}/etc/cluster.toml", *by)

    def flags(self) -> list[str]:
        return ["--config", "/etc/ha.d", "--node", self.machine.name]


class Pair:
    """Two machines with Heartbeat's files on them.

    ``failback``: auto_failback; ``deadtime`` in seconds; ``more`` lines of ha.cf. ``{tty}`` in ``media`` stands for the machine's
    end of a serial line between the two, the ``cable``.
    """

    def __init__(
        self,
        failback: str = "off",
        media: str = UNICAST,
        resources: str = RESOURCES,
        deadtime: str = "1",
        more: str = "",
    ) -> None:
        self.stage = Stage(scene(), with_daemons=False, native_file=False)
        self.cable = Cable() if "{tty}" in media else None
        ttys = dict(zip(NODES, self.cable.names, strict=True)) if self.cable is not None else {}
        self.texts = {
            name: CONFIGURATION.format(
                failback=failback, media=media.format(tty=ttys.get(name, "")), deadtime=deadtime, more=more
            )
            for name in NODES
        }
        self.resources, self.keys = resources, heartbeat.KEYS
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
        heartbeat.furnish(self.machine(name), self.texts[name], self.resources, self.keys)

    def furnish_keys(self, name: str) -> None:
        """Another authkeys; nobody is told of it."""
        heartbeat.write(self.machine(name), "/etc/ha.d/authkeys", self.keys, "600")

    def stop_old(self, name: str) -> None:
        """Gracefully; returns when it has ended."""
        self.machine(name).run([heartbeat.PROGRAM, "-k"])

    def old_log(self, name: str) -> str:
        return self.machine(name).run(["sh", "-c", f"cat /run/ha.log 2>/dev/null | {AS_TEXT}"])

    def status(self, name: str) -> dict[str, Any]:
        return self.ours[name].status() or {}

    def texts_told(self, name: str) -> list[str]:
        """The sentences of our daemon's history since the last call."""
        return [told.text for told in self.ours[name].history()]

    def knows_ours(self, name: str) -> bool:
        """Whether our daemon there knows that the other machine runs ours as well."""
        return any("both nodes run Understudy" in text for text in self.status(name).get("warnings", []))

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
                print(self.machine(name).run(["sh", "-c", f"tail -n 60 /run/ha.log 2>/dev/null | {AS_TEXT}"]))

    def close(self) -> None:
        """The end of the world."""
        self.stage.close()
        if self.cable is not None:
            self.cable.close()


def beside_heartbeat(**options: str) -> Callable[[Case], Callable[[], None]]:
    """Make a test that runs ``case(pair)`` in a process and a world of its own."""

    def decorate(case: Case) -> Callable[[], None]:
        body = directed(case, lambda: Pair(**options), Pair.tell, Pair.close)
        test = made_test(case, body, LONGEST, NEEDED, side_by_side.run)
        test.side_by_side = test.key  # type: ignore[attr-defined]
        return test

    return decorate


def until(what: str, happened: Callable[[], bool], limit: float = 90.0) -> None:
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
    until("the client has asked often enough", lambda: seen_since(pair, start).asked > ENOUGH)
    seen = seen_since(pair, start)
    assert seen.two == 0, f"two machines answered in {seen.two} sampled milliseconds, first at {seen.first_two}"
    return seen
