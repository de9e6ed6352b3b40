"""The watchers of a scene, as the director reads them: who answers, for how long nobody did, whether two did."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass

from ..units import MILLISECOND, Duration, Instant
from . import kernel, observer, responder
from .inside import BASE
from .netns import LabError, Room
from .samples import Gap, Sample, Samples, last_answer, longest_gap, sampled_together, unanswered
from .scene import Scene

CLIENT, OBSERVER = "client", "observer"
_PYTHON = (sys.executable, "-m")
_LOG = f"{BASE}/watchers.log"
_READY_WITHIN = 60.0
_BEFORE = 300 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen from outside between two instants.

    ``address``, ``page``: the longest gap (None: not asked). ``before``, ``after``: who answered last ("" nobody).
    ``two``: samples (1 ms each) at which two machines served the address; ``first_two`` when first.
    """

    before: str
    after: str
    address: Gap | None
    page: Gap | None
    two: int
    first_two: Instant
    asked: int
    lost: int


class Watchers:
    """Client and observer of one scene. Questions every ``interval``; pages every ``page_interval``."""

    def __init__(
        self, room: Room, scene: Scene, interval: Duration = MILLISECOND, page_interval: Duration = 20 * MILLISECOND
    ) -> None:
        self._room, self._scene = room, scene
        self._interval, self._page_interval = interval, page_interval
        self._address: Samples | None = None
        self._page: Samples | None = None
        self._columns: list[Samples] = []
        client, watcher = scene.client, scene.observer
        room.add(CLIENT, [("eth0", client.network, [client.address])])
        room.add(OBSERVER, [("eth0", watcher.network, [watcher.address])])

    def respond(self, name: str) -> None:
        """Start the service that runs on every machine."""
        self._room.machine(name).spawn([*_PYTHON, "understudy.lab.responder", str(responder.PORT)], _LOG)

    def start(self) -> None:
        """Power for client and observer, and their questions begin. Raises LabError when they do not come up."""
        scene, nodes = self._scene, self._scene.nodes
        client = self._room.power_on(CLIENT)
        observer_machine = self._room.power_on(OBSERVER)
        module = [*_PYTHON, "understudy.lab.client"]
        port, interval = str(responder.PORT), str(self._interval)
        client.spawn([*module, "udp", f"{BASE}/udp", scene.client.asks, port, interval, *nodes], _LOG)
        if scene.has_site:
            pages = [*module, "http", f"{BASE}/http", scene.client.page, str(self._page_interval), *nodes]
            client.spawn(pages, _LOG)
        macs = []
        for name in nodes:
            for cable in self._room.machine(name).cables.values():
                if cable.network == scene.observer.network:
                    macs.append(f"{name}={cable.mac}")
        own = scene.observer.address.split("/")[0]
        asked = [BASE, "eth0", own, scene.client.asks, interval, *macs]
        observer_machine.spawn([*_PYTHON, "understudy.lab.observer", *asked], _LOG)
        self._address = self._open("udp")
        self._page = self._open("http") if scene.has_site else None
        self._columns = [self._open(f"{kind}.{mac.split('=')[0]}") for kind in ("echo", "arp") for mac in macs]

    def _open(self, name: str) -> Samples:
        limit = time.monotonic() + _READY_WITHIN
        while True:
            try:
                return Samples.open(f"{BASE}/{name}")
            except (FileNotFoundError, ValueError):
                if time.monotonic() > limit:
                    with open(_LOG, encoding="utf-8", errors="replace") as file:
                        raise LabError(f"the {name} watcher did not start: {file.read()[-500:]}") from None
            time.sleep(0.01)

    def questions(self, start: Instant, end: Instant) -> list[Sample]:
        """The client's questions to the address."""
        return list(self._address.between(start, end)) if self._address else []

    def pages(self, start: Instant, end: Instant) -> list[Sample]:
        """The client's questions for the page; none when the scene has no page."""
        return list(self._page.between(start, end)) if self._page else []

    def name(self, sample: Sample | None) -> str:
        """The machine that answered; "" for no sample."""
        return self._scene.nodes[sample.who] if sample is not None and sample.who >= 0 else ""

    def who(self, within: Duration = 200 * MILLISECOND) -> str:
        """Who answered the client last, if anybody did ``within`` so long ago."""
        now = kernel.now()
        return self.name(last_answer(self.questions(now - within, now)))

    def who_gives_pages(self, within: Duration = 300 * MILLISECOND) -> str:
        """The same for pages."""
        now = kernel.now()
        return self.name(last_answer(self.pages(now - within, now)))

    def two(self, start: Instant, end: Instant, slow: bool = False) -> list[Instant]:
        """The sampled instants at which two machines answered for the address.

        ``slow``: frames are late by far, as much there as back. A machine then answered half way between question and answer;
        and ARP answers, which carry no number, are left out: an old one would pass for the answer to the newest question.
        """
        if slow:
            echoes = [column for column in self._columns if column.interval == self._interval]
            answered = (
                {self._half_way(item) for item in column.between(start, end) if item.answered} for column in echoes
            )
            times = Counter(time for machine in answered for time in machine)
            return sorted(time for time, machines in times.items() if machines > 1)
        found: set[Instant] = set()
        for interval in (self._interval, self._interval * observer.ARP_EVERY):
            columns = [list(column.between(start, end)) for column in self._columns if column.interval == interval]
            found |= {sequence * interval for sequence in sampled_together(columns)}
        return sorted(found)

    def _half_way(self, sample: Sample) -> Instant:
        return (sample.sent + sample.answered) // 2 // self._interval * self._interval

    def seen(self, start: Instant, end: Instant, slow: bool = False) -> Seen:
        """Everything that was seen from ``start`` to ``end``; the service must have been well at ``start``."""
        questions, pages = self.questions(start - _BEFORE, end), self.pages(start - _BEFORE, end)
        earlier = [sample for sample in questions if 0 < sample.answered <= start]
        inside = [sample for sample in questions if sample.sent >= start]
        two = self.two(start, end, slow)
        recent = [sample for sample in questions if sample.answered >= end - _BEFORE]
        return Seen(
            before=self.name(last_answer(earlier)),
            after=self.name(last_answer(recent)),
            address=longest_gap(questions, self._last_before(questions, start), end),
            page=longest_gap(pages, self._last_before(pages, start), end) if pages else None,
            two=len(two),
            first_two=two[0] if two else 0,
            asked=len(inside),
            lost=unanswered([sample for sample in inside if sample.sent < end - 20 * MILLISECOND]),
        )

    @staticmethod
    def _last_before(samples: list[Sample], start: Instant) -> Instant:
        """A gap that begins with the fault begins at the last answer before it, not at the moment of the switch."""
        return max((sample.answered for sample in samples if 0 < sample.answered <= start), default=start)

    def close(self) -> None:
        for samples in (self._address, self._page, *self._columns):
            if samples is not None:
                samples.close()
