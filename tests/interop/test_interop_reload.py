"""Other files of Heartbeat's while our daemon runs beside Debian's: keys, lines, times; and what needs a restart."""

from __future__ import annotations

from typing import Any

import pytest
from old_world import CONFIGURATION, UNICAST, Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined
from test_interop_life import moved_here

from understudy.lab import heartbeat, kernel

BOTH = "auth {index}\n1 sha1 understudy\n2 md5 another\n"
SECOND_ADDRESS = "192.168.58.177"


def reload(pair: Pair) -> dict[str, Any]:
    answer = pair.ours["ha02"].ask("/v1/reload", {}, timeout=15)
    assert answer is not None
    return answer


def has(pair: Pair, name: str, address: str) -> bool:
    return address in pair.machine(name).run(["ip", "-o", "-4", "address"])


def lost(pair: Pair, start: int) -> int:
    """How often the client was not answered."""
    rest(0.5)
    return never_two(pair, start).lost


@beside_heartbeat()
def test_another_key_signs_without_a_heartbeat_lost(pair: Pair) -> None:
    """Both keys are in the file of both. The old program takes its own change at once; ours follows when it has."""
    moved_here(pair)
    start = kernel.now()
    for name in ("ha01", "ha02"):
        heartbeat.write(pair.machine(name), "/etc/ha.d/authkeys", BOTH.format(index=1), "600")
    pair.machine("ha01").run([heartbeat.PROGRAM, "-r"])
    assert reload(pair)["ok"], reload(pair)
    rest(2)
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/authkeys", BOTH.format(index=2), "600")
    assert reload(pair)["ok"]
    rest(3)
    assert pair.holder("ha02") == "ha02"
    assert pair.status("ha02")["rejected"] == {}
    heartbeat.write(pair.machine("ha01"), "/etc/ha.d/authkeys", BOTH.format(index=2), "600")
    pair.machine("ha01").run([heartbeat.PROGRAM, "-r"])
    until("ours has followed", lambda: any("signed with key 2" in line for line in pair.ours["ha02"].log_tail(60)))
    rest(3)
    assert "ha02: is dead" not in pair.old_log("ha01").split("Status update for node ha02: status active")[-1]
    assert not any("ha01: is dead" in text for text in pair.texts_told("ha02"))
    assert pair.status("ha02")["rejected"] == {}
    assert lost(pair, start) == 0
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/authkeys", "auth 2\n2 md5 another\n", "600")
    assert reload(pair)["ok"], "nobody signs with the first any more"


@beside_heartbeat()
def test_lines_come_and_go_and_what_is_the_same_goes_on(pair: Pair) -> None:
    moved_here(pair)
    start = kernel.now()
    for name in ("ha01", "ha02"):
        heartbeat.write(pair.machine(name), "/etc/ha.d/haresources", f"{pair.resources}ha01 {SECOND_ADDRESS}/24/eth0\n")
    assert reload(pair)["ok"]
    until("the new one is here", lambda: has(pair, "ha02", SECOND_ADDRESS))
    for name in ("ha01", "ha02"):
        heartbeat.write(pair.machine(name), "/etc/ha.d/haresources", pair.resources)
    until("the first is over", lambda: bool(reload(pair)["ok"]))
    until("it is gone", lambda: not has(pair, "ha02", SECOND_ADDRESS))
    assert lost(pair, start) == 0
    assert pair.status("ha02")["warnings"] == [w for w in pair.status("ha02")["warnings"] if "differ" not in w]


@pytest.mark.long
@beside_heartbeat()
def test_times_change_and_what_needs_a_restart_changes_nothing(pair: Pair) -> None:
    start = joined(pair)
    text = CONFIGURATION.format(failback="off", media=UNICAST, deadtime="3", more="")
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/ha.cf", text.replace("initdead 3", "initdead 4"))
    assert reload(pair)["ok"]
    assert "nothing to do" in reload(pair)["text"]
    off = pair.machine("ha02").run(["grep", "deadtime", f"{pair.ours['ha02'].runtime}/running.toml"])
    assert "deadtime 3" in off
    refused = text.replace("node ha02", "node ha02\nbcast eth0").replace("deadtime 3", "deadtime 2")
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/ha.cf", refused)
    answer = reload(pair)
    assert not answer.get("ok")
    assert "the media" in str(answer), answer
    heartbeat.write(pair.machine("ha02"), "/etc/ha.d/ha.cf", "deadtimes 3\n")
    assert not reload(pair).get("ok")
    rest(1)
    never_two(pair, start)
