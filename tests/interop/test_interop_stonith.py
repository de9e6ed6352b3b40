"""STONITH beside Debian's heartbeat: the device of ha.cf is a plugin of the real program ``stonith`` that really switches off."""

from __future__ import annotations

import pytest
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab import heartbeat, kernel
from understudy.lab.power_strip import SCRIPT, PowerStrip, install

PLUGINS = "/usr/lib/stonith/plugins/external"
PLUGIN = f"""\
#!/bin/sh
case "$1" in
  getconfignames) echo hostlist;;
  gethosts) echo $hostlist | tr ' ' '\\n';;
  getinfo-*) echo "the strip of the lab";;
  status) exit 0;;
  reset) exec {SCRIPT} off "$2";;
  *) exit 1;;
esac
"""
STRIP = "stonith_host ha02 external/strip ha01"
"""Of ours only: the old program passes over it. With one of its own it resets whoever has not joined within its initdead."""


def wired(pair: Pair) -> PowerStrip:
    """Ours has the plugin; what it is told happens."""
    install()
    strip = PowerStrip(pair.stage, ("ha01", "ha02"))
    machine = pair.machine("ha02")
    machine.run(["sh", "-c", f"cp -a {PLUGINS} /run/plugins && mount --bind /run/plugins {PLUGINS}"])
    heartbeat.write(machine, f"{PLUGINS}/strip", PLUGIN, "755")
    strip.start()
    return strip


@beside_heartbeat(more=STRIP)
def test_a_dead_machine_is_not_taken_over_before_the_device_has_confirmed_it(pair: Pair) -> None:
    strip = wired(pair)
    try:
        start = joined(pair)
        strip.broken(True)
        off = pair.power_off("ha01")
        told: list[str] = []

        def times(sentence: str) -> int:
            told.extend(pair.texts_told("ha02"))
            return sum(sentence in text for text in told)

        until("the device fails, and is tried again", lambda: times("fencing of ha01 failed") >= 2)
        assert pair.serves() == "", "nothing is taken unfenced"
        assert any("when it was confirmed to be off" in text for text in pair.status("ha02")["warnings"])
        strip.broken(False)
        until("ours serves", lambda: pair.serves() == "ha02", 70)
        until("its history says who confirmed it", lambda: times("is off: confirmed by stonith"), 10)
        assert ("ha01", "off") in [(node, what) for _, node, what in strip.switched]
        rest(0.5)
        assert never_two(pair, off).after == "ha02"
        never_two(pair, start)
    finally:
        strip.close()


@pytest.mark.long
@beside_heartbeat(more=STRIP)
def test_a_machine_that_is_cut_off_from_everything_is_switched_off_first(pair: Pair) -> None:
    """Only the device knows that it lives. Without one both would own everything here."""
    strip = wired(pair)
    try:
        joined(pair)
        cut = kernel.now()
        pair.stage.do("cable ha01 eth1 out")
        pair.stage.do("cable ha01 eth0 out")
        until("ours serves", lambda: pair.serves() == "ha02", 30)
        assert not pair.machine("ha01").powered
        rest(1)
        never_two(pair, cut)
    finally:
        strip.close()


@pytest.mark.long
@beside_heartbeat(more="stonith_host ha02 meatware ha01")
def test_meatware_is_confirmed_by_an_operator(pair: Pair) -> None:
    start = joined(pair)
    pair.power_off("ha01")
    until("it waits", lambda: any("confirmed to be off" in text for text in pair.status("ha02")["warnings"]))
    rest(2)
    assert pair.serves() == ""
    answer = pair.ours["ha02"].ask("/v1/confirm-off", {"node": "ha01"}, timeout=15)
    assert answer is not None
    assert answer.get("ok") is True, answer
    until("ours serves", lambda: pair.serves() == "ha02")
    rest(1)
    never_two(pair, start)
