"""Daemons that start, or start again, on machines that are not as they should be."""

from __future__ import annotations

import pytest
from cluster_world import holder, in_world, never_two, undisturbed, until, watch
from other_worlds import BareTrial, SmallDisksTrial, really_well

from understudy.lab import kernel
from understudy.lab.cluster import KEY
from understudy.lab.trial import ADDRESS, Trial

MEMBERS = ("ha01", "ha02", "arbiter")


def served_by(trial: Trial, who: str) -> None:
    until(f"{who} serves", lambda: trial.stage.watchers.who() == who)


def warnings(trial: Trial, at: str) -> str:
    return "\n".join((trial.stage.daemons[at].status() or {"warnings": []})["warnings"])


def log(trial: Trial, at: str) -> str:
    return "\n".join(trial.stage.daemons[at].log_tail(200))


def rename(trial: Trial, name: str, device: str, to: str) -> None:
    """Under another name a device is not there for the daemon; it is the same cable still."""
    lines = [f"link set {device} down", f"link set {device} name {to}", f"link set {to} up"]
    trial.stage.room.machine(name).run(["ip", "-batch", "-"], "\n".join(lines))


@in_world(BareTrial)
def test_devices_that_come_later(trial: Trial) -> None:
    """ha01 lacks the device of the address, ha02 one of its links with its address: both start, say so, and go on alone."""
    stage = trial.stage
    rename(trial, "ha01", "eth0", "late0")
    rename(trial, "ha02", "eth1", "late1")
    stage.do("on ha02 ip address flush dev late1")
    for name in MEMBERS:
        stage.do(f"start {name}")
    served_by(trial, "ha02")
    until("all is well", lambda: really_well(trial))
    until(
        "ha01 names the device", lambda: f"there is no network interface eth0 for {ADDRESS}" in warnings(trial, "ha01")
    )
    until("ha02 names the link", lambda: "link heartbeat cannot send" in warnings(trial, "ha02"))
    status = stage.daemons["ha02"].status()
    assert status is not None
    assert "eth0" in status["groups"][0]["not_on"]["ha01"]
    start = kernel.now()
    rename(trial, "ha01", "late0", "eth0")
    rename(trial, "ha02", "late1", "eth1")
    stage.do("on ha02 ip address add 192.168.107.102/24 dev eth1")
    served_by(trial, "ha01")
    never_two(watch(trial, start, 1.0))
    for name in ("ha01", "ha02"):
        until(f"{name} has nothing to complain of", lambda at=name: warnings(trial, at) == "")  # type: ignore[misc]
    links = [link for node in (stage.daemons["ha02"].status() or {})["nodes"] for link in node["links"]]
    assert links
    assert all(link["up"] for link in links), links


@in_world(BareTrial)
def test_files_and_directories_that_cannot_be_used(trial: Trial) -> None:
    """Each is refused with one sentence that names it and the remedy; and when it is mended the node starts."""
    stage, daemon = trial.stage, trial.stage.daemons["ha01"]
    machine = stage.room.machine("ha01")

    def refused(*words: str) -> None:
        stage.do("start ha01")
        until(f"the log says {words}", lambda: all(word in log(trial, "ha01") for word in words), 10.0)
        until("nothing of the daemon is left", lambda: not daemon.processes() and not _starting(trial), 10.0)

    machine.run(["chmod", "640", KEY])
    refused(KEY, "may be read by others (mode 0640)", f"chmod 600 {KEY}")
    machine.run(["chmod", "600", KEY])
    machine.run(["mv", KEY, f"{KEY}.away"])
    refused("cannot read the file: No such file or directory", f"Only for a new cluster: understudy keygen {KEY}")
    machine.run(["mv", f"{KEY}.away", KEY])
    for directory in (daemon.runtime, daemon.state):
        machine.run(["mkdir", "-p", directory])
    machine.run(["mount", "-t", "tmpfs", "-o", "ro", "none", daemon.runtime])
    refused(f"cannot use {daemon.runtime}/supervisor.lock: Read-only file system", "--runtime-dir")
    machine.run(["umount", daemon.runtime])
    for name in MEMBERS:
        stage.do(f"start {name}")
    served_by(trial, "ha01")
    assert "Traceback" not in log(trial, "ha01")


def _starting(trial: Trial) -> bool:
    return any("run" in process.argv for process in trial.stage.room.machine("ha01").processes())


@pytest.mark.long
@in_world(SmallDisksTrial)
def test_full_disks(trial: Trial) -> None:
    """Nobody can write a byte on ha01 any more. It serves on, and its pulse and its manager come back when they die."""
    stage, daemon = trial.stage, trial.stage.daemons["ha01"]
    for file in (f"{daemon.runtime}/filler", f"{daemon.state}/history.jsonl"):
        # Through the history itself, lest its last page has room for some more sentences.
        stage.do(f"on ha01 sh -c 'cat /dev/zero >> {file} 2> /dev/null || true'")
    for part in ("pulse", "manager", "pulse"):
        before = {process.pid for process in daemon.processes(part)}
        start = kernel.now()
        stage.do(f"kill ha01 {part}")
        until("all is well", lambda: really_well(trial))
        undisturbed(watch(trial, start, 1.5))
        after = {process.pid for process in daemon.processes(part)}
        assert after
        assert not after & before
    until(
        "the status says so", lambda: "the history is not on disk (No space left on device)" in warnings(trial, "ha01")
    )
    # And what an administrator asks for in such an hour is done.
    stage.do("standby ha01")
    served_by(trial, "ha02")
    stage.do("kill ha01 pulse")
    until("all is well", lambda: really_well(trial))
    status = daemon.status()
    assert status is not None
    assert status["standby"], "it has forgotten"
    assert holder(trial, "ha01") == "ha02"


@pytest.mark.long
@in_world(BareTrial)
def test_boot_clocks_apart(trial: Trial) -> None:
    """Real machines were not switched on at the same instant: nobody may compute with another's clock."""
    stage = trial.stage
    for name, days in (("ha01", 0), ("ha02", 400), ("arbiter", 3)):
        seconds = str(days * 86_400)
        stage.daemons[name].start("unshare", "--time", "--boottime", seconds, "--monotonic", seconds, "--fork")
    served_by(trial, "ha01")
    until("all is well", lambda: really_well(trial))
    assert [_boot_offset(trial, name) for name in MEMBERS] == [0, 400 * 86_400, 3 * 86_400]
    start, ballot = kernel.now(), _ballot(trial)
    undisturbed(watch(trial, start, 1.5))
    assert _ballot(trial) == ballot, "the lease was lost and won again: it is not renewed"
    start = kernel.now()
    stage.do("freeze ha01")
    served_by(trial, "ha02")
    never_two(watch(trial, start, 1.5))
    start = kernel.now()
    stage.do("thaw ha01")
    served_by(trial, "ha01")
    never_two(watch(trial, start, 1.0))


def _ballot(trial: Trial) -> int:
    status = trial.stage.daemons["ha01"].status()
    assert status is not None
    return int(status["groups"][0]["ballot"])


def _boot_offset(trial: Trial, name: str) -> int:
    """By how many seconds the boot-time clock of a machine's pulse is ahead of the director's (time_namespaces(7))."""
    (pulse,) = trial.stage.daemons[name].processes("pulse")
    with open(f"/proc/{pulse.pid}/timens_offsets", encoding="ascii") as file:
        offsets = dict(line.split()[:2] for line in file)
    return int(offsets["boottime"])
