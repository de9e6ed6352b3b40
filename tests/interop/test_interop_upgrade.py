"""Two of ours under the old protocol go over to the native one under a client that asks all the time; and what may go wrong."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from old_world import Pair, beside_heartbeat, never_two, rest, until

from understudy.adapters import running, upgrading
from understudy.adapters.channel import connect
from understudy.config.keys import format_keys
from understudy.config.load import load_heartbeat
from understudy.config.render import render
from understudy.core.heartbeat3.node import EARLY
from understudy.lab import heartbeat, kernel
from understudy.lab.trial import ADDRESS
from understudy.manager.upgrade_plan import plan
from understudy.units import MILLISECOND, SECOND, Instant

NODES = ("ha01", "ha02")
LINKS = {"ha01": ("192.168.107.101",), "ha02": ("192.168.107.102",)}
KEY = bytes(range(32))


def native(pair: Pair, name: str) -> bool:
    """Whether that node speaks the native protocol, and sees both nodes."""
    status = pair.status(name)
    return bool(status) and status["heartbeat"] is None and [node["state"] for node in status["nodes"]] == ["up", "up"]


def both_native(pair: Pair) -> None:
    for name in NODES:
        until(f"{name} is native", lambda name=name: native(pair, name))  # type: ignore[misc]


def both_old(pair: Pair) -> None:
    """They are settled, and know that both are ours."""
    for name in NODES:
        until(f"{name} is settled", lambda name=name: pair.settled(name), 60)  # type: ignore[misc]
        until("they know each other", lambda name=name: pair.knows_ours(name))  # type: ignore[misc]


def started(pair: Pair) -> Instant:
    """Both machines run ours under the old protocol, and ha01 serves. Returns since when."""
    pair.start_new("ha01")
    until("ours serves", lambda: pair.serves() == "ha01", 40)
    start = kernel.now()
    pair.start_new("ha02")
    both_old(pair)
    return start


def ask(pair: Pair, name: str, dry: bool = False) -> dict[str, Any]:
    """The upgrade, or its rehearsal, asked for on that node."""
    answer = pair.ours[name].ask("/v1/upgrade", None if dry else {}, timeout=60)
    assert answer is not None, "no answer"
    return answer


def nothing_lost(pair: Pair, start: Instant, holder: str = "ha01") -> None:
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == (holder, holder, 0)


def prepare(pair: Pair, name: str, told: bool = False) -> None:
    """As the upgrade does it on that node before anybody goes over. ``told``: its next manager knows, and listens."""
    ours = pair.ours[name]
    made, wrong = plan(load_heartbeat(running.configuration(ours.runtime)), LINKS)
    assert made is not None, wrong
    path = f"{ours.directory}/etc/cluster.toml"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(made.text)
    key = os.open(f"{ours.directory}/etc/cluster.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(key, format_keys((KEY,)).encode())
    os.close(key)
    upgrading.prepare(ours.runtime, render(replace(made.cluster, key_file=running.KEYS)), format_keys((KEY,)), path)
    if told:
        upgrading.write_record(ours.state, replace(record(pair), config=path, digest=made.cluster.digest))
        ours.signal("manager", signal.SIGKILL)


def record(pair: Pair) -> upgrading.Record:
    """What stands on the disk of a node that has prepared everything."""
    path = f"{pair.ours['ha01'].directory}/etc/cluster.toml"
    return upgrading.Record("prepared", "/etc/ha.d", path, "", 0)


def go(pair: Pair, name: str) -> None:
    """Its pulse goes over, whatever the other one does; told as a manager tells it, whose place we take for a moment."""
    runtime = pair.ours[name].runtime
    packet = {"t": "admin", "op": 7, "verb": "upgrade-go", "group": "", "node": "", "by": "the test"}

    def told() -> bool:
        try:
            channel = connect(f"{runtime}/pulse.sock")
        except OSError:
            return False
        channel.send(packet)
        time.sleep(0.005)
        channel.close()
        return os.path.exists(f"{runtime}/old.toml")

    until("it goes over", told, 5)


SCRIPT = """\
#!/bin/sh
[ "$2" = status ] && { [ -e /run/marker.$1 ] && echo "running OK" || echo stopped; exit 0; }
[ "$2" = start ] && : > /run/marker.$1
[ "$2" = stop ] && rm -f /run/marker.$1
echo "$1 $2" >> /run/marker.log
"""
OTHER = "192.168.58.150"


def ran(pair: Pair, name: str) -> list[str]:
    return pair.machine(name).run(["sh", "-c", "cat /run/marker.log 2>/dev/null || true"]).splitlines()


@beside_heartbeat(
    resources=f"ha01 {ADDRESS} marker::blue\nha02 {OTHER} marker::red\n", more="bcast eth0", failback="on"
)
def test_with_a_group_and_a_program_on_each_nothing_is_lost_or_restarted(pair: Pair) -> None:
    for name in NODES:
        heartbeat.write(pair.machine(name), "/etc/ha.d/resource.d/marker", SCRIPT, "755")
    started(pair)
    until("the second has its own", lambda: ran(pair, "ha02") == ["red start"], 40)
    until("and the first no longer", lambda: ran(pair, "ha01")[-1:] == ["red stop"])
    both_old(pair)
    before = {name: ran(pair, name) for name in NODES}
    watchers = {name: _addresses_watched(pair, name) for name in NODES}
    pulses = {name: [process.pid for process in pair.ours[name].processes("pulse")] for name in NODES}
    found = ask(pair, "ha02", dry=True)
    assert found["ok"], found
    assert len(found["steps"]) == 5
    assert not os.path.exists(found["config"]), "a rehearsal writes nothing"
    assert any("/etc/ha.d/resource.d/marker: the native file still calls that" in text for text in found["notes"])
    start = kernel.now()
    told = ask(pair, "ha02")
    assert told["ok"], told
    both_native(pair)
    rest(3)
    nothing_lost(pair, start)
    assert {name: ran(pair, name) for name in NODES} == before
    assert {name: [process.pid for process in pair.ours[name].processes("pulse")] for name in NODES} == pulses
    for name in NODES:
        until(f"{name} sees both groups", lambda name=name: started_groups(pair, name) == ["ha01", "ha02"])  # type: ignore[misc]
        assert "Deleted" not in pair.machine(name).run(["cat", watchers[name]]), "an address left its device"
        assert upgrading.read_record(pair.ours[name].state).state == "native"  # type: ignore[union-attr]
        key = f"{pair.ours[name].directory}/etc/cluster.key"
        assert os.stat(key).st_mode & 0o777 == 0o600
    keys = {Path(f"{pair.ours[name].directory}/etc/cluster.key").read_text("ascii") for name in NODES}
    assert len(keys) == 1, "both have the same key"


def started_groups(pair: Pair, name: str) -> list[str]:
    """Who holds them, as that node sees it."""
    return [group["holder"] for group in pair.status(name).get("groups", []) if group["state"] == "started"]


def _addresses_watched(pair: Pair, name: str) -> str:
    path = "/run/addresses.log"
    pair.machine(name).spawn(["sh", "-c", f"exec ip monitor address > {path}"], "/dev/null")
    return path


@beside_heartbeat()
def test_what_is_in_the_way_is_named_and_nothing_is_changed(pair: Pair) -> None:
    start = started(pair)
    machine, ours = pair.machine("ha02"), pair.ours["ha02"]

    def rehearsed() -> str:
        found = ask(pair, "ha01", dry=True)
        assert not found["ok"]
        assert found["steps"] == []
        return " ".join(f"{item['node']}: {item['text']} {item['hint']}" for item in found["obstacles"])

    wall = "table inet wall { chain in { type filter hook input priority 0; udp dport 5694 drop; }; }"
    machine.run(["nft", "-f", "-"], wall)
    assert "ha02: nothing of ha01 arrives over" in rehearsed()
    refused = ask(pair, "ha01")
    assert refused["ok"] is False
    assert "nothing is changed" in refused["text"]
    machine.run(["nft", "delete", "table", "inet", "wall"])

    text = machine.run(["cat", "/etc/ha.d/ha.cf"])
    heartbeat.write(machine, "/etc/ha.d/ha.cf", text + "hopfudge 2\n")
    assert "ha02: /etc/ha.d/ha.cf differs from what this node runs with" in rehearsed()
    heartbeat.write(machine, "/etc/ha.d/ha.cf", text)

    os.makedirs(f"{ours.directory}/etc")
    with open(f"{ours.directory}/etc/cluster.toml", "w", encoding="ascii") as file:
        file.write("# something else\n")
    assert f"ha02: {ours.directory}/etc/cluster.toml exists, and is not the native form" in rehearsed()
    os.unlink(f"{ours.directory}/etc/cluster.toml")

    with open(f"{ours.directory}/etc/cluster.key", "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(format_keys((KEY,)))
    assert "cluster.key is on ha02 only" in rehearsed()
    os.unlink(f"{ours.directory}/etc/cluster.key")

    assert ask(pair, "ha01", dry=True)["ok"], "all of it was mended"
    assert [upgrading.read_record(pair.ours[name].state) for name in NODES] == [None, None]
    nothing_lost(pair, start)


@pytest.mark.long
@beside_heartbeat(deadtime="3")
def test_one_alone_comes_back_to_the_old_protocol(pair: Pair) -> None:
    """The other one does not follow; and then the pulse dies while it tries."""
    started(pair)
    prepare(pair, "ha01")
    start = kernel.now()
    go(pair, "ha01")
    until("it went back", lambda: any("went back" in text or "back to the old one" in text for text in _log(pair)))
    until("and holds it still", lambda: pair.holder("ha01") == "ha01" and pair.settled("ha01"))
    both_old(pair)
    prepare(pair, "ha01")
    os.unlink(f"{pair.ours['ha01'].runtime}/old.toml")
    go(pair, "ha01")
    until("it tries", lambda: upgrading.in_trial(pair.ours["ha01"].runtime), 5)
    assert pair.ours["ha01"].signal("pulse", signal.SIGKILL) == 1
    until("the next one is back", lambda: any("died while it tried" in text for text in _log(pair)))
    both_old(pair)
    rest(2)
    nothing_lost(pair, start)
    assert not any("is dead" in text for text in pair.texts_told("ha02") if "ha01" in text)


def _log(pair: Pair) -> list[str]:
    return list(pair.ours["ha01"].log_tail(400))


@beside_heartbeat()
def test_a_node_that_hears_the_other_natively_follows(pair: Pair) -> None:
    """As when the answer of the one that goes first is lost, or the manager that leads dies."""
    started(pair)
    prepare(pair, "ha01")
    prepare(pair, "ha02", told=True)
    until("it says so", lambda: any("was prepared" in text for text in pair.status("ha02").get("warnings", [])))
    start = kernel.now()
    go(pair, "ha01")
    both_native(pair)
    rest(2)
    nothing_lost(pair, start)


@pytest.mark.long
@beside_heartbeat()
def test_it_follows_although_the_other_has_been_dead_to_it_for_long(pair: Pair) -> None:
    """As when one pulse died in its trial after the other had heard it, or one was started alone. Then the service moves."""
    start = started(pair)
    prepare(pair, "ha01")
    prepare(pair, "ha02")
    first = pair.ours["ha01"]
    upgrading.go_over(first.runtime)
    upgrading.end_trial(first.runtime)
    assert first.signal("pulse", signal.SIGKILL) == 1
    until("ha02 finds it dead", lambda: any(node["state"] == "lost" for node in pair.status("ha02")["nodes"]), 15)
    rest(3)
    prepare(pair, "ha02", told=True)
    both_native(pair)
    rest(2)
    never_two(pair, start)
    assert pair.serves() in NODES


@beside_heartbeat()
def test_a_death_in_the_middle_is_taken_over_under_the_old_protocol(pair: Pair) -> None:
    start = started(pair)
    rest(EARLY / SECOND)  # until then a dead time is longer
    prepare(pair, "ha01")
    go(pair, "ha01")
    assert upgrading.in_trial(pair.ours["ha01"].runtime)
    off = pair.power_off("ha01")
    upgrading.write_record(pair.ours["ha01"].state, record(pair))
    until("the other serves", lambda: pair.serves() == "ha02")
    rest(0.5)
    gap = never_two(pair, off).address
    assert gap is not None
    assert gap.length <= SECOND + SECOND // 2, f"{gap.length / MILLISECOND:.0f} ms"
    pair.power_on("ha01")
    pair.start_new("ha01")
    both_old(pair)
    assert any("is not heard under the native protocol: /etc/ha.d counts" in text for text in _log(pair))
    rest(2)
    never_two(pair, start)
    assert pair.serves() == "ha02"


@pytest.mark.long
@beside_heartbeat()
def test_after_it_each_start_knows_which_protocol_counts(pair: Pair) -> None:
    """A node whose record says so; one that was away when it was decided; and one that was made to speak the old one alone."""
    start = started(pair)
    assert ask(pair, "ha01")["ok"]
    both_native(pair)
    state = pair.ours["ha02"].state
    for record in ("native", "prepared", ""):
        off = pair.power_off("ha02")
        if record:
            found = upgrading.read_record(state)
            assert found is not None
            upgrading.write_record(state, replace(found, state=record))
        else:
            upgrading.forget_record(state)
        pair.power_on("ha02")
        pair.start_new("ha02")
        if record:
            both_native(pair)
        else:
            until("it speaks the old one", lambda: bool(pair.status("ha02").get("heartbeat")))
            until("it finds the other dead", lambda: pair.status("ha02")["nodes"][1]["state"] == "lost")
            until("it says why it takes nothing", lambda: "not taken" in " ".join(pair.status("ha02")["warnings"]))
            rest(3)
        nothing_lost(pair, off)
    nothing_lost(pair, start)
