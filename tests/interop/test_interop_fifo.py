"""Debian's own scripts on the machine that runs our daemon: they write to the control FIFO, and it happens."""

from __future__ import annotations

from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab import heartbeat

HELLO = """\
#!/bin/sh
echo "$HA_src $HA_word" >> /run/hello
"""
SAY = ". /etc/ha.d/shellfuncs; printf 't=hello\\nword=good-morning\\n' | ha_clustermsg"


@beside_heartbeat()
def test_the_old_scripts_on_our_side_ask_through_the_fifo(pair: Pair) -> None:
    ours = pair.machine("ha02")
    ours.run(["mkfifo", "-m", "600", "/var/lib/heartbeat/fifo"])
    heartbeat.write(pair.machine("ha01"), "/etc/ha.d/rc.d/hello", HELLO, "755")
    start = joined(pair)
    ours.run(["/usr/share/heartbeat/hb_takeover"])
    until("ours serves", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.settled("ha02") and pair.holder("ha02") == "ha02")
    rest(1)
    ours.run(["sh", "-c", SAY])
    until(
        "the old one has heard it",
        lambda: "ha02 good-morning" in pair.machine("ha01").run(["sh", "-c", "cat /run/hello || true"]),
    )
    ours.run(["/usr/share/heartbeat/hb_standby", "foreign"])
    until("the old one serves", lambda: pair.serves() == "ha01")
    rest(1)
    never_two(pair, start)
