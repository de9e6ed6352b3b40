"""One measured take-over of a pair with Heartbeat's files, ours or Debian's heartbeat 3.0.6, in a world of its own.

``python -m understudy.lab.old_trial '{"kind": ..., "contender": ...}'`` prints its result as JSON. Kinds:

- ``apache``: an address and httpd, with the timing of a real set-up (``keepalive 2``, ``deadtime 5``); the outage at the client,
  of the address and of the page, and how long Apache itself takes to start on that machine.
- ``many``: fifty addresses (``addresses``) in one line of haresources; when the last of them answers.

The machine that serves loses its power just after a heartbeat has left it. So its dead time begins there, for both programs, and
whatever is longer than the dead time is work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..units import MILLISECOND, SECOND, Instant
from . import heartbeat, inside, kernel
from .inside import BASE
from .netns import LabError
from .old_pair import HTTPD, HTTPD_SCRIPT, FolderDaemon, called, furnish, just_after_a_heartbeat
from .samples import Samples, longest_gap
from .scene import Scene
from .stage import Stage
from .trial import ADDRESS, player, two_networks

NODES = {"ha01": 101, "ha02": 102}
MANY = (ADDRESS, *(f"192.168.58.{last}" for last in range(110, 159)))
_SWEEP = 10 * MILLISECOND
_STARTS = 3
_SETTLE = 0.3
_UP_WITHIN = 400.0
_TAKEN_WITHIN = 400.0

CONFIGURATION = """\
keepalive 2
deadtime 5
warntime 3
initdead 10
udpport 694
bcast eth1
auto_failback on
logfile /var/log/ha-log
node ha01
node ha02
"""
DEAD_TIME = 5 * SECOND
KEYS = "auth 1\n1 sha1 understudy\n"


@dataclass(frozen=True, slots=True)
class OldSpec:
    """``kind``: "apache" or "many"; ``contender``: "understudy" or "heartbeat"; ``addresses``: 1 to 50, for "many"."""

    kind: str
    contender: str = "understudy"
    addresses: int = len(MANY)


class OldTrial:
    """Two machines with one set of files, and one program on both that serves."""

    def __init__(self, spec: OldSpec) -> None:
        self.spec = spec
        apache = spec.kind == "apache"
        self.dead_at: Instant = 0
        page = f"http://{ADDRESS}/node.html" if apache else ""
        self.stage = Stage(scene(page), with_daemons=False, native_file=False, page_interval=5 * MILLISECOND)
        self.stage.set_up()
        self.addresses = MANY[: spec.addresses]
        resources = f"ha01 {ADDRESS} httpd\n" if apache else f"ha01 {' '.join(self.addresses)}\n"
        files = {"ha.cf": CONFIGURATION, "haresources": resources, "authkeys": KEYS}
        self.daemons = {name: FolderDaemon(self.stage.room.machine(name)) for name in NODES}
        for name in NODES:
            furnish(self.stage.room.machine(name), files, {"httpd": HTTPD} if apache else {})

    def start(self) -> None:
        """Both at once; until ha01 serves, and the other knows it."""
        ours = self.spec.contender == "understudy"
        for name, daemon in self.daemons.items():
            if ours:
                daemon.start()
            else:
                heartbeat.start(self.stage.room.machine(name))
        self.wait("ha01 serves", lambda: self.serves("ha01"), _UP_WITHIN)
        self.wait("both know it", self._settled if ours else self._old_settled, _UP_WITHIN)

    def serves(self, name: str) -> bool:
        """Also the page, where there is one."""
        watchers = self.stage.watchers
        return watchers.who() == name and (not self.stage.scene.has_site or watchers.who_gives_pages() == name)

    def _settled(self) -> bool:
        status = self.daemons["ha02"].status()
        return status is not None and all(group["holder"] == "ha01" for group in status["groups"])

    def _old_settled(self) -> bool:
        """Both say "local" then, also the one to which no line belongs."""
        asked = ["sh", "-c", "cl_status rscstatus || true"]
        return all(self.stage.room.machine(name).run(asked).strip() == "local" for name in NODES)

    def wait(self, what: str, happened: Callable[[], bool], limit: float) -> None:
        """Raises LabError, with the end of the logs."""
        end = time.monotonic() + limit
        while not happened():
            if time.monotonic() > end:
                lines = [f"{name}: {line}" for name, daemon in self.daemons.items() for line in daemon.log_tail(8)]
                raise LabError("\n".join([f"not within {limit:.0f} s: {what}", *lines]))
            time.sleep(0.02)

    def power_off(self) -> None:
        """Just after a heartbeat."""
        self.dead_at = DEAD_TIME + just_after_a_heartbeat(self.stage.room.cable("ha01", "eth1"), DEAD_TIME)
        self.stage.do("power ha01 off")

    def late(self, at: Instant) -> float:
        """How long after the end of the dead time, in milliseconds."""
        return (at - self.dead_at) / MILLISECOND

    def result(self, **more: Any) -> dict[str, Any]:
        """``address_ms``, ``page_ms``: from the end of the dead time until they were there again."""
        seen = self.stage.watchers.seen(self.stage.moment, kernel.now())
        if seen.address is None:
            raise LabError("the client asked nothing: its process must have died")
        return {
            "dead_time_ms": DEAD_TIME / MILLISECOND,
            "address_ms": self.late(seen.address.end),
            "outage_ms": seen.address.length / MILLISECOND,
            "client_late_ms": seen.address.own_lateness / MILLISECOND,
            "page_outage_ms": None if seen.page is None else seen.page.length / MILLISECOND,
            "page_ms": None if seen.page is None else self.late(seen.page.end),
            "two": seen.two,
            **more,
        }


def scene(page: str = "") -> Scene:
    """Two machines whose daemons read ``/etc/ha.d``: nothing of ours is configured."""
    return two_networks("old pair", (player(name, last) for name, last in NODES.items()), {}, {}, page)


def apache(spec: OldSpec) -> list[dict[str, Any]]:
    """The outage of the address and of the page.

    ``apache_ms``: from the call of Apache's script in the take-over until the first page. ``alone_ms``: the same, with nothing
    else to do.
    """
    trial = OldTrial(spec)
    other = trial.stage.room.machine("ha02")
    clock = [sys.executable, "-m", "understudy.lab.stopwatch", "80", "/node.html", HTTPD_SCRIPT, "start"]
    alone = []
    for _ in range(_STARTS):
        alone.append(int(other.run(clock)) / MILLISECOND)
        other.run([HTTPD_SCRIPT, "stop"])
    trial.start()
    trial.power_off()
    trial.wait("ha02 serves", lambda: trial.serves("ha02"), _TAKEN_WITHIN)
    time.sleep(_SETTLE)
    script = trial.late(called(other, "start")[-1])
    result = trial.result(script_ms=script, alone_ms=max(alone))
    return [{**result, "apache_ms": result["page_ms"] - script}]


def many(spec: OldSpec) -> list[dict[str, Any]]:
    """From the end of the dead time until the last of fifty addresses answers."""
    trial = OldTrial(spec)
    client = trial.stage.room.machine("client")
    words = [sys.executable, "-m", "understudy.lab.sweep", BASE, str(_SWEEP), ",".join(NODES), *trial.addresses]
    client.spawn(words, f"{BASE}/sweep.log")
    trial.start()
    columns: list[Samples] = []
    trial.wait("all addresses are asked", lambda: _opened(trial.addresses, columns), 10.0)

    def all_by(name: str) -> bool:
        now, index = kernel.now(), list(NODES).index(name)
        return all(
            any(sample.answered and sample.who == index for sample in column.between(now - 300 * MILLISECOND, now))
            for column in columns
        )

    trial.wait("ha01 has all", lambda: all_by("ha01"), _UP_WITHIN)
    trial.power_off()
    trial.wait("ha02 has all", lambda: all_by("ha02"), _TAKEN_WITHIN)
    time.sleep(_SETTLE)
    after = [trial.late(_end_of_gap(column, trial.stage.moment)) for column in columns]
    return [trial.result(first_ms=min(after), last_ms=max(after), addresses=len(after))]


def _opened(addresses: Sequence[str], columns: list[Samples]) -> bool:
    try:
        columns[:] = [Samples.open(f"{BASE}/sweep.{address}") for address in addresses]
    except (FileNotFoundError, ValueError):
        return False
    return True


def _end_of_gap(column: Samples, start: Instant) -> Instant:
    gap = longest_gap(list(column.between(start, kernel.now())), start, kernel.now())
    if gap is None or not gap.mended:
        raise LabError(f"{column.path}: no answer any more")
    return gap.end


KINDS: dict[str, Callable[[OldSpec], list[dict[str, Any]]]] = {"apache": apache, "many": many}


def main() -> None:
    spec = OldSpec(**json.loads(sys.argv[1]))
    sys.exit(inside.answer(lambda: {"spec": asdict(spec), "results": KINDS[spec.kind](spec)}))


if __name__ == "__main__":
    main()
