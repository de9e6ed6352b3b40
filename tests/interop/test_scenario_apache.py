"""Scenario A: an address and Apache, ``keepalive 2``, ``deadtime 5``, heartbeats by broadcast on a cable of their own.

The files are unchanged. There is no ``/dev/watchdog`` on these machines, which is said and hinders nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from old_world import never_two, rest, until
from scenario_world import Play, Scenario, scenario

from understudy.lab import kernel
from understudy.lab.old_pair import CALLS, HTTPD
from understudy.units import SECOND

DEAD_TIME = 5 * SECOND
PLAY = Play(
    folder="apache-pair",
    machines={
        "ha01": {"eth0": "192.168.58.101/24", "eth1": "192.168.107.101/24"},
        "ha02": {"eth0": "192.168.58.102/24", "eth1": "192.168.107.102/24"},
    },
    client="192.168.58.200/24",
    observer="192.168.58.201/24",
    asks="192.168.58.100",
    page="http://192.168.58.100/node.html",
    scripts={"httpd": HTTPD},
)


def both_started(pair: Scenario) -> int:
    """Ours on both machines, ha01 serves. Returns since when."""
    start = kernel.now()
    for name in pair.play.names:
        pair.start_new(name)
    until("ha01 serves", lambda: pair.both_serve_as_one("ha01"), 60)
    return start


def what_is_shown(pair: Scenario) -> None:
    """What the files say that is no good, as far as it can be known, and a name for each process."""
    said = "\n".join(pair.ours["ha01"].log_tail(60))
    for words in ("there is no watchdog /dev/watchdog", "deadtime 5 bears one lost heartbeat", "crc signs nothing"):
        assert words in said, words
    commands = [" ".join(process.argv) for process in pair.machine("ha01").processes()]
    for part in ("understudy.supervisor", "understudy.pulse", "understudy.manager"):
        assert any(part in command for command in commands), commands
    for name in ("supervisor", "pulse", "manager", "spare"):
        for process in pair.ours["ha01"].processes(name):
            assert Path(f"/proc/{process.pid}/comm").read_text().strip() == f"understudy-{name}"[:15]


@scenario(PLAY)
def test_a_start_in_either_order_ends_the_same_way_also_after_a_loss_of_power(pair: Scenario) -> None:
    """ha02 alone takes over after initdead; ha01 gets its group back, now and after its power was lost."""
    start = kernel.now()
    pair.start_new("ha02")
    until("ha02 serves alone", lambda: pair.serves() == "ha02" and pair.pages() == "ha02", 60)
    assert kernel.now() - start >= 10 * SECOND, "initdead"
    pair.start_new("ha01")
    until("ha01 has its group", lambda: pair.both_serve_as_one("ha01"), 40)
    never_two(pair, start)
    assert pair.calls("ha02", CALLS) == ["start", "stop"]
    assert pair.calls("ha01", CALLS) == ["start"]
    rest(5.5)  # a machine that has just started asks for two seconds more than its dead time
    off = pair.power_off("ha01")
    until("ha02 serves", lambda: pair.serves() == "ha02" and pair.pages() == "ha02", 40)
    gap = never_two(pair, off).page
    assert gap is not None
    print(f"page after {gap.length / SECOND:.2f} s")
    assert gap.length < 2 * DEAD_TIME, gap
    pair.power_on("ha01")
    pair.start_new("ha01")
    until("ha01 has it back", lambda: pair.both_serve_as_one("ha01"), 40)
    never_two(pair, start)
    assert pair.stage.watchers.seen(off, kernel.now()).address.length < 2 * DEAD_TIME  # type: ignore[union-attr]


@scenario(PLAY)
def test_the_heartbeat_cable_pulled_and_mended_moves_and_restarts_nothing(pair: Scenario) -> None:
    start = both_started(pair)
    what_is_shown(pair)
    pulled = kernel.now()
    pair.stage.do("cable ha01 eth1 out")
    until("ha02 finds it dead", lambda: pair.status("ha02")["nodes"][1]["state"] == "lost", 40)
    until("the reason is shown", lambda: "not taken over although ha01 is silent" in " ".join(pair.texts_told("ha02")))
    rest(1)
    pair.stage.do("cable ha01 eth1 in")
    until("both hear each other", lambda: all(pair.status(name)["nodes"][1]["state"] == "up" for name in pair.ours), 40)
    until("and agree", lambda: pair.both_serve_as_one("ha01"), 40)
    rest(1)
    never_two(pair, start)
    seen = never_two(pair, pulled)
    assert (seen.before, seen.after) == ("ha01", "ha01")
    assert seen.address is not None
    assert seen.address.length < SECOND, "nobody was without an answer for longer than the test machine was busy"
    assert pair.calls("ha01", CALLS) == ["start"]
    assert pair.calls("ha02", CALLS) == []


@scenario(PLAY)
def test_the_service_cable_pulled_moves_it_while_heartbeats_go_on(pair: Scenario) -> None:
    start = both_started(pair)
    pulled = kernel.now()
    pair.stage.do("cable ha01 eth0 out")
    until("ha02 serves", lambda: pair.serves() == "ha02" and pair.pages() == "ha02", 40)
    gap = never_two(pair, pulled).page
    assert gap is not None
    print(f"page after {gap.length / SECOND:.2f} s")
    until("httpd has stopped on ha01", lambda: pair.calls("ha01", CALLS) == ["start", "stop"])
    back = kernel.now()
    pair.stage.do("cable ha01 eth0 in")
    rest(1)
    never_two(pair, start)
    assert pair.serves() == "ha02", "it stays until an operator moves it, as after hb_standby"
    assert pair.stage.watchers.seen(back, kernel.now()).lost == 0


UNICAST = {"bcast eth1 # Linux": "ucast eth0 192.168.58.101\nucast eth0 192.168.58.102"}
"""As its author tried instead: on the service network, both lines on both machines."""


@pytest.mark.long
@scenario(replace(PLAY, replaced=UNICAST))
def test_unicast_on_the_service_network_does_as_well(pair: Scenario) -> None:
    start = both_started(pair)
    assert [link["network"] for link in pair.status("ha01")["nodes"][1]["links"]] == ["eth0"]
    asked = pair.stop_new("ha01")
    until("ha02 serves", lambda: pair.serves() == "ha02" and pair.pages() == "ha02", 40)
    gap = never_two(pair, start).page
    assert gap is not None
    print(f"the stop of the daemon cost {gap.length / SECOND:.2f} s")
    assert pair.stage.watchers.seen(asked, kernel.now()).page.length < DEAD_TIME  # type: ignore[union-attr]
