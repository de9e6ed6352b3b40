"""Scenario E: one start/stop script as the only resource, ipfail and a router, md5. The files are unchanged."""

from __future__ import annotations

import sys

from old_world import until
from scenario_world import Play, Scenario, scenario

from understudy.lab import heartbeat
from understudy.lab.inside import BASE

LOG = f"{BASE}/test1.log"
"""Both machines see it, so the lines of both stand in one order."""

TEST1 = f"""\
#!/bin/sh
[ "$1" = status ] || echo "$(uname -n) $1" >> {LOG}
case "$1" in
  start) : > /run/test1 ;;
  stop) rm -f /run/test1; echo "$(uname -n) stopped" >> {LOG} ;;
  status) if [ -e /run/test1 ]; then echo "test1 is running"; else echo "test1 is stopped"; fi ;;
  *) echo "Usage: $0 start|stop|status" >&2; exit 2 ;;
esac
"""

PLAY = Play(
    folder="start-stop-script",
    machines={"HA-01": {"eth0": "192.168.0.1/24"}, "HA-02": {"eth0": "192.168.0.2/24"}},
    client="192.168.0.200/24",
    observer="192.168.0.201/24",
    asks="192.168.0.100",
    scripts={"test1": TEST1},
    router="192.168.0.254/24",
)


def log(pair: Scenario) -> list[str]:
    """What the script was called with, on both machines, in order."""
    return pair.machine("HA-01").run(["sh", "-c", f"cat {LOG} 2>/dev/null || true"]).splitlines()


def one_at_a_time(lines: list[str]) -> None:
    """A machine starts it only when nobody has it: after the other one's stop has ended."""
    owner = ""
    for line in lines:
        name, word = line.split()
        if word == "start":
            assert owner == "", lines
            owner = name
        elif word == "stopped":
            assert owner in ("", name), lines
            owner = ""


@scenario(PLAY)
def test_the_script_runs_on_one_machine_at_a_time_also_where_both_have_one_uuid(pair: Scenario) -> None:
    """A machine was copied, its hb_uuid with it. Then the daemon that has the script is stopped, and started again."""
    for name in pair.play.names:
        heartbeat.write(pair.machine(name), "/var/lib/heartbeat/hb_uuid", "sixteen bytes id")
        pair.start_new(name)
    until("HA-01 has it", lambda: pair.agreed("HA-01"), 60)
    assert log(pair) == ["HA-01 start"]
    for name, other in (("HA-01", "ha-02"), ("HA-02", "ha-01")):
        sentence = f"{other} has the uuid of {name.lower()}"
        assert any(sentence in warning for warning in pair.status(name)["warnings"])
        assert any(sentence in text for text in pair.texts_told(name))
    keys_of_each_node(pair)
    pair.stop_new("HA-01")
    until("HA-02 has started it", lambda: "HA-02 start" in log(pair), 40)
    until("ours has ended", lambda: not pair.ours["HA-01"].processes(), 40)
    pair.start_new("HA-01")
    until("HA-01 has it back", lambda: pair.agreed("HA-01") and len(log(pair)) == 7, 60)
    once = ["start", "stop", "stopped"]
    expected = [f"HA-01 {word}" for word in once] + [f"HA-02 {word}" for word in once] + ["HA-01 start"]
    assert log(pair) == expected
    one_at_a_time(log(pair))


def keys_of_each_node(pair: Scenario) -> None:
    """What haresources gives a node, in the words of the old tool, which is asked the same."""
    machine = pair.machine("HA-01")
    machine.run([sys.executable, "-m", "understudy", "install-compat", "--prefix", "/run/compat"])
    for tool in ("/usr/share/heartbeat/ResourceManager", "/run/compat/share/heartbeat/ResourceManager"):
        assert machine.run([tool, "listkeys", "HA-01"]) == "test1\n", tool
        assert machine.run([tool, "listkeys", "HA-02"]) == "", tool
