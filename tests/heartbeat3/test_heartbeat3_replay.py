"""Conversations of two real Heartbeat 3.0.6 nodes: one of the two is replaced by our core, which hears what the other said then.

What it says is compared with what the real node said, in kind and main fields. Left out on both sides: heartbeats, the protocol's
own messages, messages to oneself, and reports that repeat the last one or say no more than that nothing is settled yet; of those
the real program sends more, as its timers and scripts happen to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from heartbeat3_parts import MAIL, WEB, A, B, Two, short

from understudy.events import ShutdownAsked
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.heartbeat_files import AutoFailback
from understudy.old_pair import OldReceived
from understudy.units import MILLISECOND, SECOND, Instant

RECORDINGS = Path(__file__).parent / "recordings"
PASSED = ("status", "reqnodes", "repnodes")
KEYS = {"legacy": tuple((key, key.replace("10.77.1", "10.77.3")) for key in (WEB, MAIL))}


@dataclass(frozen=True)
class Line:
    """One message of a recording."""

    at: Instant
    sender: str
    message: OldMessage

    @property
    def life(self) -> int:
        return int(self.message.get("hg"), 16)


def lines(name: str) -> Iterator[Line]:
    for row in (RECORDINGS / f"{name}.txt").read_text("ascii").splitlines()[1:]:
        when, _, who, *pairs = row.split(" ")
        fields = dict(pair.split("=", 1) for pair in pairs)
        fields = {key: value.replace("+", " ") for key, value in fields.items()}
        sender = A if who == "a" else B
        common = {"src": sender, "ts": "6b00bba8"} | ({"protocol": "1"} if fields["t"] == "status" else {})
        yield Line(round(float(when) * 1000) * MILLISECOND, sender, OldMessage(text_fields(**fields, **common)))


class Replay:
    """``me`` is ours; the other is the recording."""

    def __init__(self, name: str, me: str, failback: AutoFailback, fence: bool = False) -> None:
        self.me = me
        self.told = list(lines(name))
        self.two = Two(1, auto_failback=failback, fence=fence, programs=False, keys=KEYS.get(name, ()))
        self.start = self.two.now
        self.life = 0

    def run(self) -> tuple[list[str], list[str]]:
        """What the real node said, and what ours said."""
        theirs = [line for line in self.told if line.sender == self.me]
        for index, line in enumerate(self.told):
            self.two.run(max(0, self.start + line.at - self.two.now))
            if line.sender != self.me:
                self.two.tell(self.me, OldReceived("eth0", line.message, self.two.now))
            else:
                self._do(line, self.told[:index])
                later = [item for item in theirs if item.at > line.at]
                if later and later[0].life != line.life:
                    self.two.run(100 * MILLISECOND)
                    self.two.crash(self.me)
        self.two.run(2 * SECOND)
        ordered = sorted(theirs, key=lambda line: (line.life, int(line.message.get("seq"), 16)))
        said = [message for _, message in self.two.hosts[self.me].said]
        return words([line.message for line in ordered], self.me), words(said, self.me)

    def _do(self, line: Line, before: list[Line]) -> None:
        """What an operator did, as far as the real node's words show it."""
        message = line.message
        kind, info = message.get("t"), message.get("info")
        if line.life != self.life:
            self.life = line.life
            host = self.two.hosts[self.me]
            host.generation = line.life - 1
            self.two.start(self.me)
        elif kind == "hb_takeover":
            self.two.operator(self.me, "hb_takeover", message.get("rsc_hold"))
        elif kind == "ask_resources" and info == "me" and not self._by_itself(line, before):
            self.two.operator(self.me, "hb_standby", message.get("rsc_hold"))
        elif info == "shutdown" or kind == "shutdone":
            self.two.tell(self.me, ShutdownAsked())

    def _by_itself(self, line: Line, before: list[Line]) -> bool:
        """The other has just called ``hb_takeover`` or started."""
        recent = [item.message.get("t") for item in before if item.at > line.at - 2 * SECOND and item.sender != self.me]
        return "hb_takeover" in recent or "starting" in recent


def words(messages: list[OldMessage], me: str) -> list[str]:
    found: list[str] = []
    last = ""
    for message in messages:
        kind = message.get("t")
        if kind in PASSED or kind.startswith("NS_") or message.get("dest") == me:
            continue
        if kind == "resource":
            again = f"{message.get('rsc_hold')} {message.get('isstable')}"
            if not message.has("info") and (message.get("isstable") == "0" or again == last):
                continue
            last = again if message.has("rtype") else last
        found.append(short(message))
    return found


@pytest.mark.parametrize("me", [A, B])
@pytest.mark.parametrize(
    ("name", "failback"),
    [("failback-on", AutoFailback.ON), ("failback-off", AutoFailback.OFF), ("legacy", AutoFailback.LEGACY)],
)
def test_start_hand_overs_stop_restart_and_crash(name: str, failback: AutoFailback, me: str) -> None:
    theirs, ours = Replay(name, me, failback).run()
    if name == "legacy":  # here we tell the operator at once that the other side would pass over it
        theirs = [word for word in theirs if not word.startswith(("ask_resources", "hb_takeover"))]
    assert len(theirs) > 2
    assert "\n".join(ours) == "\n".join(theirs)


def test_a_dead_node_is_fenced_before_it_is_taken_over() -> None:
    theirs, ours = Replay("stonith", A, AutoFailback.ON, fence=True).run()
    assert "stonith node=node-b result=OK" in ours
    assert sorted(ours) == sorted(theirs)
    assert ours.index("stonith node=node-b result=OK") < ours.index("resource rsc_hold=foreign info=mach_down")


def test_the_recording_reader_sees_operators_and_lives() -> None:
    told = list(lines("failback-on"))
    assert {line.sender for line in told} == {A, B}
    assert len({line.life for line in told if line.sender == A}) == 3
