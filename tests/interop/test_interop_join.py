"""Our daemon as the other machine of a pair with Debian's heartbeat 3.0.6: joining, its crash and return, our stop, a wrong key.

The observer asks both machines all the time; in every case it must never see two that serve.
"""

from __future__ import annotations

import re
import signal

import pytest
from old_world import GROUP, Pair, beside_heartbeat, never_two, rest, until

from understudy.lab import heartbeat, kernel
from understudy.units import MILLISECOND, SECOND, Duration

SLACK = 500 * MILLISECOND
"""For a busy test machine."""


def joined(pair: Pair) -> int:
    """The old program serves on ha01, ours has joined on ha02 and knows it. Returns since when."""
    pair.start_old("ha01")
    until("the old one serves", lambda: pair.serves() == "ha01")
    start = kernel.now()
    pair.start_new("ha02")
    until("ours sees who holds it", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    return start


def taken_over(pair: Pair, dead_time: Duration = SECOND) -> int:
    """As ``joined``; then the old machine lost its power, and ours serves. Returns since when."""
    start = joined(pair)
    off = pair.power_off("ha01")
    until("ours serves", lambda: pair.serves() == "ha02")
    rest(0.5)
    gap = never_two(pair, off).address
    assert gap is not None
    assert gap.mended
    assert gap.length <= dead_time + SLACK, f"{gap.length / MILLISECOND:.0f} ms"
    return start


@beside_heartbeat()
def test_joining_moves_nothing(pair: Pair) -> None:
    start = joined(pair)
    rest(3)
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == ("ha01", "ha01", 0)
    status = pair.status("ha02")
    assert status["rejected"] == {}
    assert [node["state"] for node in status["nodes"]] == ["up", "up"]
    assert status["groups"][0]["name"] == GROUP


@beside_heartbeat(failback="on")
def test_a_dead_machine_is_taken_over_within_its_dead_time_and_gets_its_group_back(pair: Pair) -> None:
    start = taken_over(pair)
    pair.power_on("ha01")
    pair.start_old("ha01")
    until("the old one has it back", lambda: pair.serves() == "ha01")
    until("ours has heard that", lambda: pair.holder("ha02") == "ha01")
    rest(2)
    never_two(pair, start)
    assert pair.serves() == "ha01"


@pytest.mark.long
@beside_heartbeat(failback="off")
def test_without_failback_it_stays_where_it_is(pair: Pair) -> None:
    start = taken_over(pair)
    pair.power_on("ha01")
    pair.start_old("ha01")
    until("ours hears it", lambda: pair.status("ha02")["nodes"][1]["state"] == "up")
    back = kernel.now()
    rest(14)  # the old program waits ten seconds before it is sure of anything
    never_two(pair, start)
    assert pair.serves() == "ha02"
    assert pair.stage.watchers.seen(back, kernel.now()).lost == 0


@beside_heartbeat(failback="off")
def test_our_graceful_stop_hands_over_without_a_dead_time(pair: Pair) -> None:
    start = taken_over(pair)
    pair.power_on("ha01")
    pair.start_old("ha01")
    old_is_stable = "remote resource transition completed"
    until("the old one knows that we hold it", lambda: old_is_stable in pair.old_log("ha01"))
    asked = kernel.now()
    pair.ours["ha02"].signal("supervisor", signal.SIGTERM)
    until("the old one serves", lambda: pair.serves() == "ha01")
    until("ours has ended", lambda: not pair.ours["ha02"].processes())
    never_two(pair, start)
    assert "Received shutdown notice from 'ha02'" in pair.old_log("ha01")
    gap = pair.stage.watchers.seen(asked, kernel.now()).address
    assert gap is not None
    print(f"{gap.length / MILLISECOND:.0f} ms")


@beside_heartbeat(failback="off")
def test_another_key_is_counted_and_moves_nothing(pair: Pair) -> None:
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/authkeys", "auth 1\n1 sha1 another\n", "600")
    pair.start_old("ha01")
    until("the old one serves", lambda: pair.serves() == "ha01")
    start = kernel.now()
    pair.start_new("ha02")
    until("ours refuses what it hears", lambda: pair.status("ha02").get("rejected", {}).get("bad-signature", 0) > 10)
    rest(6)  # twice initdead: ours has found the other one dead, and has asked the network for the address
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == ("ha01", "ha01", 0)
    assert pair.status("ha02")["nodes"][1]["state"] == "lost"


@pytest.mark.long
@beside_heartbeat(media="bcast eth1")
def test_broadcast(pair: Pair) -> None:
    taken_over(pair)


@beside_heartbeat(media="mcast eth1 225.0.0.1 694 1 0")
def test_multicast(pair: Pair) -> None:
    taken_over(pair)


@pytest.mark.long
@beside_heartbeat(media="baud 115200\nserial {tty}", deadtime="3")
def test_a_serial_line_alone(pair: Pair) -> None:
    """With more time: a heartbeat takes 30 ms there."""
    taken_over(pair, 3 * SECOND)


@beside_heartbeat(media="baud 115200\nserial {tty}\nbcast eth1", deadtime="3")
def test_a_serial_line_and_a_broadcast(pair: Pair) -> None:
    """Either of them is enough; what comes by both counts once."""
    start = joined(pair)
    pair.stage.do("cut ha01 ha02 heartbeat on")
    until("both see it", lambda: links(pair, "dead") == {"eth1"})
    pair.machine("ha01").run(["/usr/share/heartbeat/hb_standby"])
    until("ours serves", lambda: pair.serves() == "ha02")
    pair.stage.do("cut ha01 ha02 heartbeat off")
    until("both see it", lambda: "eth1" in links(pair, "up"))
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    rejected = pair.status("ha02")["rejected"]
    assert rejected == {}, rejected
    assert pair.cable is not None
    pair.cable.join(False)
    until("both see it", lambda: "tty" in links(pair, "dead"))
    pair.machine("ha01").run(["/usr/share/heartbeat/hb_takeover"])
    until("the old one serves", lambda: pair.serves() == "ha01")
    never_two(pair, start)


def links(pair: Pair, word: str) -> set[str]:
    """The links between the two that both sides have called dead, or up again."""
    ours = "\n".join(pair.ours["ha02"].log_tail(200))
    old = pair.old_log("ha01")
    times = 1 if word == "dead" else 2
    names = {"eth1": "eth1", "/dev/pts": "tty"}
    return {
        short
        for link, short in names.items()
        if len(re.findall(f"Link ha01:{link}.* {word}", ours)) >= times
        and len(re.findall(f"Link ha02:{link}.* {word}", old)) >= times
    }
