"""One measured run of two virtual routers, both ours or both Debian's keepalived, in a world of its own.

``python -m understudy.lab.vrrp_trial '{"kind": ..., "contender": ...}'`` prints its result as JSON. Kinds: see ``KINDS``. The
files are the same for both: VRRP version 3, one address, everything but ``advert_int`` at its default, priorities 150 and 100.

Where an outage is judged the clock starts with the last advertisement that left the dead machine: nobody can know of its death
sooner, and what a client sees is that less the chance of the moment.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import inside, kernel
from .netns import LabError
from .trial import ADDRESS
from .vrrp_pair import NO_REAL_TIME, NODES, UNDERSTUDY, RouterRoom, at_once, definitions, instance
from .vrrp_wire import ADVERT, ARP, Wire, runs_of

VRID = 51
PRIORITIES = {"ha01": 150, "ha02": 100}
_SETTLE = 300 * MILLISECOND
_UP_WITHIN = 60.0
_START_ANNOUNCED = 6 * SECOND
"""keepalived sends a second round of gratuitous ARPs after ``garp_master_delay``, 5 s."""

_OWN_GRACE = 2 * MILLISECOND
"""Two machines count as both answering when it lasts longer: one question may hit the one before and the other after a change."""


@dataclass(frozen=True, slots=True)
class VrrpSpec:
    """What to run. ``advert``: ``advert_int`` in seconds. ``seed`` draws the phase of the fault. ``seconds``: how long it is
    watched, where that is a choice. ``count``: addresses or virtual routers. ``real_time``: whether the program may have it
    (keepalived is told to: ``vrrp_rt_priority 50``). ``burners``: busy loops beside it.
    """

    kind: str
    contender: str = UNDERSTUDY
    advert: str = "0.1"
    seed: int = 1
    seconds: float = 6.0
    count: int = 1
    real_time: bool = False
    burners: int = 0

    @property
    def interval(self) -> Duration:
        return round(float(self.advert) * SECOND)

    @property
    def down(self) -> Duration:
        """Master_Down of the backup: 3 intervals and the skew of its priority (RFC 9568 section 6.1)."""
        return 3 * self.interval + (256 - PRIORITIES["ha02"]) * self.interval // 256


class VrrpTrial:
    """Two machines, one program on both; ``start`` has ha01 serving."""

    def __init__(self, spec: VrrpSpec, files: dict[str, str] | None = None) -> None:
        self.spec = spec
        self.random = random.Random(spec.seed)
        self.room = RouterRoom(files or default_files(spec), dict.fromkeys(NODES, spec.contender))
        self.arrived = Wire(self.room.stage.room, ("ha02",), arriving=True)
        self.arrived.listen()

    def start(self) -> None:
        """Until ha01 serves, the other one knows it, and a random part of an interval has passed."""
        by = NO_REAL_TIME if self.spec.burners and not self.spec.real_time else ()
        self.room.start("ha01", by=by)
        self.room.wait("ha01 serves", lambda: self.room.serves() == "ha01", _UP_WITHIN)
        self.room.start("ha02", by=by)
        self.room.wait("ha02 listens", self.room.programs["ha02"].listening, _UP_WITHIN)
        begun = kernel.now() + self.spec.down + SECOND
        self.room.wait("ha01 alone is master", lambda: kernel.now() > begun and self._steady(begun), _UP_WITHIN)
        time.sleep(1.0 + self.random.uniform(0, self.spec.interval / SECOND))

    def _steady(self, start: Instant) -> bool:
        """Nobody but ha01 has said for a while that it is master."""
        since = max(start - SECOND, kernel.now() - max(3 * self.spec.interval, SECOND // 2))
        return {frame.machine for frame in self.room.wire.since(since)} == {"ha01"}

    def result(self, start: Instant, before: str = "ha01", **more: Any) -> dict[str, Any]:
        """``outage_ms``: the longest time without an answer since then; ``two_ms``: sampled ms in which two machines answered.

        Raises LabError when not ``before`` (if given) had served until then.
        """
        time.sleep(_SETTLE / SECOND)
        end = kernel.now()
        seen = self.room.stage.watchers.seen(start, end)
        if seen.address is None:
            raise LabError("the client asked nothing: its process must have died")
        if before and seen.before != before:
            raise LabError("\n".join([f"before the fault {seen.before or 'nobody'} served", *self.room.said()]))
        two = self.room.two(start, end - 20 * MILLISECOND)
        return {
            "outage_ms": seen.address.length / MILLISECOND,
            "mended": seen.address.mended,
            "client_late_ms": seen.address.own_lateness / MILLISECOND,
            "after": seen.after,
            "two_ms": len(two),
            "longest_two_ms": longest(two),
            **more,
        }

    def end_of_outage(self, start: Instant) -> Instant:
        """When the client was answered again."""
        seen = self.room.stage.watchers.seen(start, kernel.now())
        if seen.address is None or not seen.address.mended:
            raise LabError("\n".join(["nobody answers the client any more", *self.room.said()]))
        return seen.address.end

    def last_advert(self, before: Instant) -> Instant:
        """When the last one of ha01 reached ha02: what the dying one still says is not let through any more."""
        mac = self.room.stage.room.cable("ha01", "eth0").mac
        return [
            frame.at for frame in self.arrived.since(0) if frame.at <= before and frame.mac == mac and frame.priority
        ][-1]

    def served_by(self, name: str, limit: float = 30.0) -> None:
        self.room.wait(f"{name} serves", lambda: self.room.serves() == name, limit)


def longest(two: list[Instant]) -> float:
    """Milliseconds of the longest stretch of samples at which two answered."""
    return max((last - first + MILLISECOND for first, last in runs_of(two, 5 * MILLISECOND)), default=0) / MILLISECOND


def default_files(spec: VrrpSpec) -> dict[str, str]:
    """One virtual router; of its addresses the first twenty are in the adverts."""
    addresses = all_addresses(spec.count)
    more = [f"advert_int {spec.advert}"]
    if len(addresses) > 20:
        rest = "\n        ".join(f"{address}/16 dev eth0" for address in addresses[20:])
        more.append(f"virtual_ipaddress_excluded {{\n        {rest}\n    }}")
    shown = [f"{address}/{16 if spec.count > 1 else 24} dev eth0" for address in addresses[:20]]
    globals_ = ("vrrp_rt_priority 50",) if spec.real_time else ()
    return {
        name: definitions(*globals_) + instance("site", VRID, priority, shown, *more)
        for name, priority in PRIORITIES.items()
    }


def all_addresses(count: int) -> list[str]:
    """The client's address first."""
    return [ADDRESS, *(f"192.168.{64 + index // 250}.{1 + index % 250}" for index in range(count - 1))]


def power_off(spec: VrrpSpec) -> list[dict[str, Any]]:
    """``late_ms``: from the end of the backup's Master_Down until the client is answered; ``whole_ms``: from the last advert.

    ``advert_ms``, ``arp_ms``: until its first advert and gratuitous ARP.
    """
    trial = VrrpTrial(spec)
    trial.start()
    _, off = trial.room.power_off_after_an_advert("ha01")
    trial.served_by("ha02")
    result = trial.result(off)
    last = trial.last_advert(off)
    whole = trial.end_of_outage(off) - last
    steps = {
        f"{kind}_ms": (frames[0].at - last - spec.down) / MILLISECOND if frames else None
        for kind in (ADVERT, ARP)
        for frames in [trial.room.wire.since(off, kind, "ha02")]
    }
    return [{**result, "whole_ms": whole / MILLISECOND, "late_ms": (whole - spec.down) / MILLISECOND, **steps}]


def stop(spec: VrrpSpec) -> list[dict[str, Any]]:
    """A clean stop of the master. ``answer_ms``: from its goodbye on the wire to the other's first advert."""
    trial = VrrpTrial(spec)
    trial.start()
    asked = trial.room.stop("ha01")
    trial.served_by("ha02")
    result = trial.result(asked)
    goodbyes = [frame.at for frame in trial.room.wire.since(asked, machine="ha01") if frame.priority == 0]
    first = trial.room.wire.since(asked, machine="ha02")[0].at
    answer = (first - goodbyes[0]) / MILLISECOND if goodbyes else None
    return [{**result, "answer_ms": answer, "goodbyes": len(goodbyes)}]


def deleted(spec: VrrpSpec) -> list[dict[str, Any]]:
    """``ip address del`` on the master. ``announced``: gratuitous ARPs of it in the half second after."""
    trial = VrrpTrial(spec)
    trial.start()
    moment = kernel.now()
    found = trial.room.shell("ha01", f"ip -o address show dev eth0 to {ADDRESS}").split()[3]
    trial.room.shell("ha01", f"ip address del {found} dev eth0")
    trial.room.wait("it is back", lambda: ADDRESS in trial.room.addresses("ha01"))
    time.sleep(0.5)
    trial.room.wait("it serves", lambda: trial.room.serves() != "")
    frames = [frame for frame in trial.room.wire.since(moment, "arp") if frame.machine == "ha01"]
    return [trial.result(moment, announced=len(frames))]


def double(spec: VrrpSpec) -> list[dict[str, Any]]:
    """Adverts (and nothing else) are lost on the way until ha02 has been master for 0.1 s, then they pass again.

    That begins when the announcements of ha01's own start are over, and it heals just after an advert of ha02, so that ha01's is
    next: the master that was there all the time may hear nothing of its rival's adverts. ``outage_ms``: from the heal on.
    ``double_ms``: how long both said that they are master.
    """
    trial = VrrpTrial(spec)
    trial.start()
    room = trial.room
    quiet = room.wire.since(0, ARP, "ha01")[0].at + _START_ANNOUNCED
    room.wait("it was announced for the last time", lambda: kernel.now() > quiet)
    with at_once():
        muted = room.multicast(False)
        first = room.wire.next("ha02", muted)
        room.wire.next("ha02", first.at + 90 * MILLISECOND)
        healed = room.multicast(True)
    end = healed + round(spec.seconds * SECOND)
    room.wait("it is watched long enough", lambda: kernel.now() > end, spec.seconds + 5)
    result = trial.result(healed, before="")
    later = room.wire.since(healed)
    loser = [frame.at for frame in later if frame.machine == "ha02" and frame.priority]
    double_ = (loser[-1] if loser else healed) - first.at
    heard = any(frame.priority for frame in later if frame.machine == "ha02")
    announced = [frame.at for frame in room.wire.since(first.at, ARP, "ha01")]
    more = {
        "rival_heard": heard,
        "announced": sum(at >= healed for at in announced),
        "announced_while_two": sum(at < first.at + double_ for at in announced),
    }
    return [{**result, "double_ms": double_ / MILLISECOND, **more}]


def frozen(spec: VrrpSpec, number: signal.Signals = signal.SIGSTOP) -> list[dict[str, Any]]:
    """All processes of the master's program are stopped; its machine lives on. ``two_ms``: both answer, until the end.

    ``two_after_ms``: of it what came after the least Master_Down since the last advert, when another one may serve.
    """
    trial = VrrpTrial(spec)
    trial.start()
    moment = trial.room.signal("ha01", signal.SIGSTOP)
    if number is not signal.SIGSTOP:  # all at once: a keepalived that sees its parent die takes its addresses away
        trial.room.signal("ha01", number)
    trial.room.wire.next("ha02", moment)
    end = moment + round(spec.seconds * SECOND)
    trial.room.wait("it is watched long enough", lambda: kernel.now() > end, spec.seconds + 5)
    result = trial.result(moment)
    after = trial.room.two(trial.last_advert(moment + spec.interval) + spec.down, end)
    return [{**result, "two_after_ms": len(after)}]


def killed(spec: VrrpSpec) -> list[dict[str, Any]]:
    """The same with ``kill -9``."""
    return frozen(spec, signal.SIGKILL)


def starved(spec: VrrpSpec) -> list[dict[str, Any]]:
    """Busy loops in the program's own session, the worst place for them (each counts as much as it), for ``seconds``; no fault.

    ``transitions``: how often ha02 began to say that it is master; ``doubles_ms``: stretches in which both machines answered.
    """
    trial = VrrpTrial(spec)
    room = trial.room
    for name in NODES:
        room.machine(name).sessions = False
    trial.start()
    begun = kernel.now()
    burn = ["timeout", str(spec.seconds), "sh", "-c", "while :; do :; done"]
    burners = [room.machine(list(NODES)[index % 2]).spawn(burn) for index in range(spec.burners)]
    limit = time.monotonic() + 10 * spec.seconds
    while any(burner.poll() is None for burner in burners):
        if time.monotonic() > limit:
            raise LabError("the busy loops do not end")
        room.wire.read()
        time.sleep(0.2)
    ended = kernel.now()
    result = trial.result(begun)  # a little later: what the busy loops have brought about may come after them
    rival = [frame.at for frame in room.wire.since(begun, ADVERT, "ha02") if frame.priority]
    two = room.two(begun)
    stretches = [(last - first) / MILLISECOND for first, last in runs_of(two, 5 * MILLISECOND)]
    return [
        {
            **result,
            "transitions": len(list(runs_of(rival, 2 * spec.interval))),
            "doubles_ms": [length for length in stretches if length * MILLISECOND > _OWN_GRACE],
            "burnt_ms": (ended - begun) / MILLISECOND,
        }
    ]


def _more() -> dict[str, Callable[[VrrpSpec], list[dict[str, Any]]]]:
    from . import vrrp_many

    return {"thousand": vrrp_many.thousand, "many": vrrp_many.many}


KINDS: dict[str, Callable[[VrrpSpec], list[dict[str, Any]]]] = {
    "power-off": power_off,
    "stop": stop,
    "deleted": deleted,
    "double": double,
    "frozen": frozen,
    "killed": killed,
    "starved": starved,
}


def main() -> None:
    spec = VrrpSpec(**json.loads(sys.argv[1]))
    kinds = KINDS | _more()
    sys.exit(inside.answer(lambda: {"spec": asdict(spec), "results": kinds[spec.kind](spec)}))


if __name__ == "__main__":
    main()
