"""Recorded conversations of two keepalived 2.2.7, with our core in the place of one of them.

The other's advertisements come when they came then. Each time that our core becomes master, or says goodbye, is compared with
what keepalived did: within 50 ms, or earlier on purpose, where ours answers a goodbye at once. (A start is compared within
400 ms: keepalived reads its files first and waits for its device; how long is reckoned from its first advertisement.)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))

from vrrp_parts import START, Segment
from vrrp_vectors import Vector, of_kind, scenarios

from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.core.vrrp.timing import master_down
from understudy.events import LinkChanged
from understudy.units import MILLISECOND, SECOND, Duration, Instant
from understudy.vrrp import AdvertRefused, TrackSaid
from understudy.vrrp_files import RouterFiles

TOLERANCE: Duration = 50 * MILLISECOND
OF_A_START: Duration = 400 * MILLISECOND

DEAF = {
    "v2-pass-mismatch": "its password is wrong",
}
"""What the ear, which is before the core, does not let pass, and how it says so."""

TWO_MASTERS = {"v2-pass-mismatch"}
"""Two masters that refuse each other's advertisements. Each keepalived puts its own off whenever it refuses one, so only one of
them goes on; both of ours would (nothing that is heard puts off our advertisements), so only their beginning is compared."""

OTHERWISE = "v2-adv-mismatch"
"""Two keepalived refuse each other for their intervals. Ours counts who serves one of its addresses: it is no second master."""


@dataclass
class Episode:
    """One time as master: when it began, its last advertisement, whether that was a goodbye, and what had made it begin."""

    begins: Instant
    last: Instant
    goodbye: bool = False
    priorities: list[int] = field(default_factory=list)


def episodes(adverts: list[tuple[Instant, int]], interval: Duration) -> list[Episode]:
    found: list[Episode] = []
    for at, priority in adverts:
        if not found or (priority and (found[-1].goodbye or at - found[-1].last > interval * 3 // 2)):
            found.append(Episode(at, at))
        found[-1].last = at
        found[-1].goodbye = priority == 0
        found[-1].priorities.append(priority)
    return found


def side_of(vector: Vector) -> str:
    return "A" if vector.source.endswith(("11", ":a")) else "B"


@cache
def adverts(scenario: str) -> tuple[Vector, ...]:
    return tuple(vector for vector in of_kind("vrrp") if vector.scenario == scenario)


def moment(scenario: str, since: float) -> Instant:
    offset = float(scenarios()[scenario]["first_frame_seconds_after_first_event"])
    return START + round((offset + since) * SECOND)


def files_of(scenario: str, side: str) -> RouterFiles:
    reading = read_keepalived(Source("keepalived.conf", scenarios()[scenario][f"config{side}"]))
    assert reading.files is not None, reading.problems
    return reading.files


def recorded(scenario: str, side: str, vrid: int) -> list[tuple[Instant, int]]:
    return [
        (moment(scenario, vector.since), vector.advert().priority)
        for vector in adverts(scenario)
        if side_of(vector) == side and vector.advert().vrid == vrid
    ]


class Replay:
    """Our core as ``side`` of ``scenario``."""

    def __init__(self, scenario: str, side: str) -> None:
        self.scenario, self.side = scenario, side
        self.files = files_of(scenario, side)
        self.segment = Segment()
        sources = [vector.source for vector in adverts(scenario) if side_of(vector) == side]
        self.host = self.segment.add("x", sources[0] if sources else "192.0.2.12")
        self.host.files = self.files
        self.blocked = self.linked = False
        timeline: list[dict[str, Any]] = scenarios()[scenario]["timeline_seconds_from_first_event"]
        for item in timeline:
            self._event(START + round(item["t"] * SECOND), item["event"])
        for vector in adverts(scenario):
            if side_of(vector) != side:
                self.segment.at(moment(scenario, vector.since), lambda vector=vector: self._hear(vector))  # type: ignore[misc]
        self._scripts()

    def run(self) -> None:
        self.segment.run(60 * SECOND)

    def _event(self, at: Instant, text: str) -> None:
        queue, side = self.segment, self.side
        if text == f"start {side}":
            queue.at(started(self.scenario, side), lambda: queue.start("x", carriers=(("eth0", True),)))
        elif text == f"SIGTERM {side}":
            queue.at(at, lambda: queue.stop("x"))
        elif "kill -9" in text and side == "A":
            queue.at(at, lambda: queue.crash("x"))
        elif "eth0 down" in text or "eth0 up" in text:
            queue.at(at, lambda: queue.tell("x", LinkChanged("eth0", "up" in text)))
        elif f"@{side} nft" in text:
            queue.at(at, lambda: setattr(self, "blocked", "add rule" in text))

    def _hear(self, vector: Vector) -> None:
        if self.blocked:
            return
        if why := DEAF.get(self.scenario):
            for spec in self.files.routers:
                self.segment.tell("x", AdvertRefused(spec.name, why, vector.source, self.segment.now))
            return
        self.segment.hear("x", vector.advert(), vector.source)

    def _scripts(self) -> None:
        """Good at once; when it failed is seen in what keepalived said, when it was well again in its log (whole seconds)."""
        if not any(spec.tracks for spec in self.files.routers):
            return
        began, failed, well = script_times(self.scenario)
        for at, good in ((began, True), (failed, False), (well, True)):
            self.segment.at(at, lambda good=good: self.segment.tell("x", TrackSaid("script", "chk", good)))  # type: ignore[misc]


def started(scenario: str, side: str) -> Instant:
    """When keepalived had read its files: its first advertisement came Master_Down later, unless it is an owner.

    The other side is taken to have needed as long.
    """
    timeline: list[dict[str, Any]] = scenarios()[scenario]["timeline_seconds_from_first_event"]
    begun: dict[str, int] = {
        item["event"][-1]: START + round(item["t"] * SECOND) for item in timeline if item["event"][:6] == "start "
    }
    first = min(begun, key=lambda name: (begun[name], name == "B"))
    speaker = side_of(adverts(scenario)[0])
    spec = files_of(scenario, speaker).routers[0]
    needed = (
        moment(scenario, adverts(scenario)[0].since) - begun[speaker] - master_down(spec, spec.priority, spec.interval)
    )
    assert speaker == first or begun["A"] - begun["B"] < SECOND
    return begun[side] + max(0, needed)


def script_times(scenario: str) -> tuple[Instant, Instant, Instant]:
    """It runs every second since the start; two results in a row turn it (``rise 2``, ``fall 2``)."""
    timeline: list[dict[str, Any]] = scenarios()[scenario]["timeline_seconds_from_first_event"]
    phase = START + round(next(item["t"] for item in timeline if item["event"] == "start A") * SECOND) + TOLERANCE
    removed = next(float(item["t"]) for item in timeline if "rm -f" in item["event"])
    back = [float(item["t"]) for item in timeline if "touch" in item["event"]][-1]

    def second_run(after: float) -> Instant:
        return phase + -(-(START + round(after * SECOND) - phase) // SECOND) * SECOND + SECOND

    return max(phase, started(scenario, "A") + 1), second_run(removed), second_run(back)


CASES = [(name, side) for name in scenarios() for side in "AB" if name != OTHERWISE]


@pytest.mark.parametrize(("scenario", "side"), CASES)
def test_masterships_begin_and_end_as_keepalived_s(scenario: str, side: str) -> None:
    replay = Replay(scenario, side)
    replay.run()
    for spec in replay.files.routers:
        theirs = episodes(recorded(scenario, side, spec.vrid), spec.interval)
        ours = episodes(replay.segment.sent("x", which=spec.name), spec.interval)
        other = recorded(scenario, "B" if side == "A" else "A", spec.vrid)
        if scenario in TWO_MASTERS:
            theirs, ours = theirs[:1], ours[:1]
        assert len(ours) == len(theirs), (ours, theirs)
        for number, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
            before = [(at, priority) for at, priority in other if at < its.begins]
            if before and before[-1][1] == 0 and not spec.strict:
                # On purpose: nobody better is known, so the goodbye is answered at once and not after Skew_Time.
                said = [at for at, priority in before if not priority and its.begins - at < spec.interval]
                assert (
                    said[0] <= mine.begins <= said[-1] + 10 * MILLISECOND
                )  # of a sync group when the last member has said it
                assert mine.begins < its.begins
            else:
                slack = OF_A_START if number == 0 else TOLERANCE
                assert abs(mine.begins - its.begins) <= slack, (mine, its)
            if scenario in TWO_MASTERS or (scenario == "v2-linkdown" and number == 0):
                continue  # what a machine without a carrier says is not in the recording
            if scenario == "v2-fault-sync" and mine.goodbye and side == "B" and number == 0:
                continue  # on purpose: a member that nobody has beaten yet says goodbye, so that the other group need not wait
            assert mine.goodbye == its.goodbye
            if its.goodbye:
                slow = (
                    SECOND // 2 if replay.files.sync_groups else 0
                )  # keepalived says it for one member after the other
                assert -TOLERANCE <= its.last - mine.last <= TOLERANCE + slow


def test_other_intervals_make_no_second_master_of_ours() -> None:
    """A is the better one. The recorded B was master beside it; ours begins when A has said goodbye."""
    last = recorded(OTHERWISE, "A", files_of(OTHERWISE, "A").routers[0].vrid)[-1]
    assert last[1] == 0
    replay = Replay(OTHERWISE, "B")
    replay.run()
    assert replay.segment.sent("x")[0][0] >= last[0] - 10 * MILLISECOND


@pytest.mark.parametrize("scenario", ["v2-noauth", "v2-multi-vip-evip", "v3-ipv4-adv250ms-3vip", "v2-garp-options"])
def test_as_many_frames_as_keepalived_s(scenario: str) -> None:
    """The first pass at once and the block after ``garp_master_delay`` as keepalived's, each address once a pass.

    On purpose the passes of the first block are spread over the first second: what is lost once is often lost a moment later.
    """
    replay = Replay(scenario, "A")
    replay.run()
    spec = replay.files.routers[0]
    begins = replay.segment.sent("x")[0][0]
    leaves = next(at for at, priority in replay.segment.sent("x") if not priority)
    garps = [
        vector for vector in of_kind("garp") if vector.scenario == scenario and vector.told["arp"]["sha"].endswith("0a")
    ]
    first = min(moment(scenario, vector.since) for vector in garps)
    for item in spec.addresses:
        theirs = [
            moment(scenario, vector.since) - first for vector in garps if vector.told["arp"]["spa"] == item.address
        ]
        ours = [at - begins for at, address in replay.host.announced if address == item.address and at < leaves]
        if ":" in item.address:
            assert ours  # of the other family: a neighbour advertisement
            continue
        assert abs(ours[0] - theirs[0]) <= TOLERANCE
        early, late = spec.announcing.delay // 2, spec.announcing.delay + spec.announcing.delay // 2
        assert sum(at < early for at in ours) == sum(at < early for at in theirs) == spec.announcing.repeat
        block = [at for at in ours if early <= at < late]
        assert len(block) == len([at for at in theirs if early <= at < late])
        for mine, its in zip(block, [at for at in theirs if early <= at < late], strict=True):
            assert abs(mine - its) <= TOLERANCE
