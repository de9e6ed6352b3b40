"""Machines that are not what they should be, or lack what they should have: the service goes on, and it is said."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boot_world import BootTrial
from cluster_world import holder, in_cluster, in_world, never_two, undisturbed, until, watch
from other_worlds import BareTrial, really_well
from stranger import Stranger, to_all

from understudy.adapters.udp import boot_clock
from understudy.config.load import load, load_keys
from understudy.lab import kernel
from understudy.lab.cluster import CONFIGURATION
from understudy.lab.trial import ADDRESS, Trial
from understudy.messages import Heartbeat, NodeState
from understudy.wire.native import Sealer

MEMBERS = ("ha01", "ha02", "arbiter")
LINKS = ("192.168.107.101", "192.168.107.102", "192.168.107.9")


def warnings(trial: Trial, at: str) -> str:
    return "\n".join((trial.stage.daemons[at].status() or {"warnings": []})["warnings"])


def said(trial: Trial, at: str, *words: str) -> None:
    def found() -> bool:
        return any(all(word in line for word in words) for line in warnings(trial, at).splitlines())

    try:
        until(f"{at} says {words}", found, 8.0)
    except AssertionError as error:
        raise AssertionError(f"{error}; it says: {warnings(trial, at)}") from None


def beats(cluster: str, key: bytes, name: str) -> list[bytes]:
    sealer = Sealer(cluster, (key,), name, 77)
    states = (NodeState(name, 77, number, boot_clock(), 1, "", False, False) for number in range(1, 20))
    return [sealer.seal(Heartbeat(state)) for state in states]


@pytest.mark.long
@in_cluster("60ms", "300ms")
def test_other_clusters_and_copied_machines_are_named_with_their_addresses(trial: Trial) -> None:
    """One name with another key, one key with another name, and two machines with the name of one member."""
    stranger, cluster = Stranger(trial.stage.room), load(CONFIGURATION)
    (key,), start = load_keys(cluster), kernel.now()
    payloads = beats(cluster.name, secrets.token_bytes(32), "ha01")
    payloads += beats("another", key, "ha01") + beats(cluster.name, key, "ha02")
    stranger.keep_sending(to_all(LINKS, payloads), 400)
    place = f"192.168.107.66 ({stranger.mac('eth1')}) on network heartbeat"
    said(trial, "ha01", "refused as unknown-key", place)
    said(trial, "ha01", "(unknown-key): ", "another cluster with the same name")
    said(trial, "ha01", "refused as other-cluster", place)
    said(trial, "ha01", "(other-cluster): ")
    said(trial, "ha01", "two machines use the name ha02", ".102 (", place)
    said(trial, "ha02", "two machines use the name ha02", place)
    undisturbed(watch(trial, start, 1.0))
    assert {holder(trial, name) for name in MEMBERS} == {"ha01"}
    stranger.stop()


@in_world(BootTrial)
def test_a_machine_that_boots_with_everything_there_never_runs_it_beside_another(trial: Trial) -> None:
    """Address and program were left on both machines. All of it is gone, or adopted, before it is started on one."""
    stage, log = trial.stage, Path("/run/lab/data.log")
    for name in ("ha01", "ha02"):
        stage.do(f"on {name} ip address add {ADDRESS}/24 dev eth0")
        stage.do(f"on {name} touch /run/data")

    def there(name: str) -> tuple[bool, bool]:
        machine = stage.room.machine(name)
        program = Path(f"/proc/{machine.init}/root/run/data").exists()
        return ADDRESS in machine.run(["ip", "-4", "-o", "address"]), program

    for name in MEMBERS:
        stage.do(f"start {name}")
    until("both have started", lambda: all(stage.daemons[name].status() for name in MEMBERS))
    until("somebody holds it", lambda: holder(trial, "arbiter") != "")
    start = kernel.now()
    until("all is well", lambda: really_well(trial))
    never_two(watch(trial, start, 1.0))
    # Whoever was there first may have had it, and it has gone back to the preferred one since.
    until("who holds it serves it", lambda: really_well(trial) and stage.watchers.who() == holder(trial, "arbiter"))
    who = holder(trial, "arbiter")
    other = next(name for name in ("ha01", "ha02") if name != who)
    assert (there(who), there(other)) == ((True, True), (False, False))
    lines = log.read_text().splitlines()
    running = {"ha01", "ha02"}
    for verb, where in (line.split() for line in lines):
        assert verb == "stop" or not running, f"it was started before it had stopped elsewhere: {lines}"
        running = running | {where} if verb == "start" else running - {where}
    assert running == {who}, lines


def _understudy(trial: Trial, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    daemon = trial.stage.daemons[name]
    command = [sys.executable, "-m", "understudy.cli.main", *words, "--runtime-dir", daemon.runtime]
    return subprocess.run(daemon.machine.command(command), capture_output=True, text=True, timeout=60, check=False)


@in_world(BareTrial)
def test_a_machine_that_lacks_nearly_everything(trial: Trial) -> None:
    """256 descriptors and all connections taken, a name server that never answers, no D-Bus, a disk that became read-only."""
    stage, daemon = trial.stage, trial.stage.daemons["ha01"]
    machine = daemon.machine
    Path("/run/lab/resolv.conf").write_text("nameserver 192.168.58.250\noptions timeout:30 attempts:5\n")
    Path("/run/lab/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: dns\n")
    for name in ("resolv.conf", "nsswitch.conf"):
        machine.run(["mount", "--bind", f"/run/lab/{name}", f"/etc/{name}"])
    assert not Path(f"/proc/{machine.init}/root/run/dbus").exists()
    daemon.start("prlimit", "--nofile=256:256")
    for name in ("ha02", "arbiter"):
        stage.do(f"start {name}")
    trial.served_by("ha01")
    start = kernel.now()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(120)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(f"{daemon.runtime}/control.sock")
    machine.run(["mount", "-t", "tmpfs", "-o", "ro", "none", daemon.state])
    undisturbed(watch(trial, start, 1.0))
    for client in clients:
        client.close()
    stage.do("kill ha01 manager")
    until("a manager is back", lambda: daemon.status() is not None)
    said(trial, "ha01", "the history is not on disk", "Read-only file system")
    stage.do("kill ha01 pulse")
    until("all is well", lambda: really_well(trial))
    undisturbed(watch(trial, start, 1.0))
    assert "Traceback" not in "\n".join(daemon.log_tail(200))


@in_cluster("60ms", "300ms")
def test_status_answers_while_the_cluster_fails_over_and_says_what_is_missing(trial: Trial) -> None:
    """Every answer is of now or says how old it is; without a manager, or with one that hangs, there is a sentence."""
    stage, daemon = trial.stage, trial.stage.daemons["ha02"]
    stage.do("power ha01 off")
    answers, end = [], time.monotonic() + 20
    while not answers or answers[-1]["groups"][0]["holder"] != "ha02":
        assert time.monotonic() < end, "nobody took over"
        found = daemon.status()
        assert found is not None, "no answer in the middle of a fail-over"
        answers.append(found)
    for found in answers:
        assert found["at"]
        assert (found["stale_ms"] is None) is (found["pulse"] == "answers")
        (lost,) = (node for node in found["nodes"] if node["name"] == "ha01")
        assert lost["age_ms"] is not None
        assert all(
            link["age_ms"] is not None for node in found["nodes"] if node["name"] != "ha02" for link in node["links"]
        )
        assert found["groups"][0]["for_ms"] is not None or found["groups"][0]["holder"] is None
    # A frozen pulse: the last word, with its age.
    stage.do("freeze ha02 pulse")
    until("the answer is old and says so", lambda: bool((daemon.status() or {}).get("stale_ms")))
    assert "what is shown here is" in warnings(trial, "ha02")
    stage.do("thaw ha02 pulse")
    until("it answers again", lambda: (daemon.status() or {"pulse": ""})["pulse"] == "answers")
    # No manager, and nobody to start one.
    stage.do("kill ha02 supervisor")
    stage.do("kill ha02 manager")
    done = _understudy(trial, "ha02", "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert "the supervisor does not run: the pulse runs on without it" in done.stderr
