"""Our daemon's own life beside Debian's heartbeat: wishes of operators, deaths of its processes, edited files."""

from __future__ import annotations

import signal

import pytest
from old_world import GROUP, Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab import heartbeat, kernel
from understudy.lab.cluster import PARTS
from understudy.lab.trial import ADDRESS


def wish(pair: Pair, path: str, body: dict[str, str]) -> bool:
    """Asked of our daemon on ha02."""
    answer = pair.ours["ha02"].ask(path, body, timeout=15)
    return answer is not None and answer.get("ok") is True


def moved_here(pair: Pair) -> int:
    """As ``joined``; then an operator moved the group to ours. Returns since when."""
    start = joined(pair)
    assert wish(pair, "/v1/move", {"group": GROUP, "node": "ha02"})
    until("ours serves", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.settled("ha02") and pair.holder("ha02") == "ha02")
    return start


@beside_heartbeat()
def test_operators_move_it_to_and_fro(pair: Pair) -> None:
    start = moved_here(pair)
    assert not wish(pair, "/v1/move", {"group": GROUP, "node": "ha02"}), "it is there already"
    until("ours may give it", lambda: wish(pair, "/v1/standby", {"node": "ha02"}))
    until("the old one serves", lambda: pair.serves() == "ha01")
    until("ours may ask for it", lambda: wish(pair, "/v1/standby", {"node": "ha01"}))
    until("ours serves", lambda: pair.serves() == "ha02")
    rest(1)
    never_two(pair, start)


@pytest.mark.long
@beside_heartbeat()
def test_the_old_tools_on_the_old_side_move_it_too(pair: Pair) -> None:
    start = joined(pair)
    pair.machine("ha01").run(["/usr/share/heartbeat/hb_standby"])
    until("ours serves", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.settled("ha02"))
    rest(1)
    pair.machine("ha01").run(["/usr/share/heartbeat/hb_takeover"])
    until("the old one serves", lambda: pair.serves() == "ha01")
    rest(1)
    never_two(pair, start)


@beside_heartbeat(deadtime="3")  # a busy machine needs more than a second to start a process again
def test_deaths_of_our_processes_and_an_edited_file_change_nothing(pair: Pair) -> None:
    moved_here(pair)
    ours, machine = pair.ours["ha02"], pair.machine("ha02")
    heartbeat.write(machine, "/etc/ha.d/haresources", "ha01 192.168.58.177\n")
    heartbeat.write(machine, "/etc/ha.d/authkeys", "auth 1\n1 sha1 another\n", "600")
    start = kernel.now()
    before = {part: {process.pid for process in ours.processes(part)} for part in PARTS}
    for part in ("pulse", "manager", "supervisor"):
        assert ours.signal(part, signal.SIGKILL) == 1
        if part == "supervisor":
            until("it is gone", lambda: not ours.processes("supervisor"))
            ours.start()
        until(f"there is another {part}", lambda part=part: _another(pair, part, before[part]))  # type: ignore[misc]
        until("ours answers", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    rest(2)
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == ("ha02", "ha02", 0)
    until("the edit is told", lambda: any("haresources" in text for text in pair.status("ha02")["warnings"]))
    assert pair.status("ha02")["rejected"] == {}


IPFAIL = "ping 192.168.58.200\nrespawn hacluster /usr/libexec/heartbeat/ipfail"


@beside_heartbeat(more=IPFAIL)
def test_who_has_lost_the_router_gives_up(pair: Pair) -> None:
    """The old ipfail on one side, ours on the other; the client is the router."""
    start = moved_here(pair)
    rest(3)
    assert not [text for text in pair.texts_told("ha02") if "192.168.58.200: is dead" in text], (
        "it answers all the time"
    )
    pair.stage.do("cable ha02 eth0 out")
    until("the old one serves", lambda: pair.serves() == "ha01")
    never_two(pair, start)
    pair.stage.do("cable ha02 eth0 in")
    rest(3)
    never_two(pair, start)
    assert pair.serves() == "ha01"


SCRIPT = """\
#!/bin/sh
case "$2" in
  status) [ -e /run/marker ] && echo "running OK" || echo stopped; exit 0;;
  start) : > /run/marker; sleep 0.2;;
  stop) rm -f /run/marker;;
esac
echo "$1 $2 $HA_CURHOST $HA_COLOUR" >> /run/marker.log
"""


@pytest.mark.long
@beside_heartbeat(resources=f"ha01 {ADDRESS} marker::blue\n", more="env COLOUR=green")
def test_a_script_of_resource_d_goes_with_its_address(pair: Pair) -> None:
    """The same file on both machines, run by each of the programs."""
    for name in ("ha01", "ha02"):
        heartbeat.write(pair.machine(name), "/etc/ha.d/resource.d/marker", SCRIPT, "755")

    def there(name: str) -> bool:
        return pair.machine(name).run(["sh", "-c", "ls /run/marker 2>/dev/null || true"]) != ""

    start = joined(pair)
    until("it runs on the old one", lambda: there("ha01"))
    assert not there("ha02")
    assert wish(pair, "/v1/move", {"group": GROUP, "node": "ha02"})
    until("it runs on ours", lambda: pair.serves() == "ha02" and there("ha02"))
    assert not there("ha01")
    until("ours may give it", lambda: wish(pair, "/v1/standby", {"node": "ha02"}))
    until("it is back", lambda: pair.serves() == "ha01" and there("ha01"))
    assert not there("ha02")
    log = pair.machine("ha02").run(["cat", "/run/marker.log"]).splitlines()
    assert log == ["blue start ha02 green", "blue stop ha02 green"]
    never_two(pair, start)


def _another(pair: Pair, part: str, before: set[int]) -> bool:
    now = {process.pid for process in pair.ours["ha02"].processes(part)}
    return bool(now) and not now & before
