"""Real daemons, real kernel: what the issue promises for faults on the machine that serves."""

from __future__ import annotations

import pytest
from cluster_world import holder, in_cluster, never_two, undisturbed, until, watch

from understudy.lab import kernel
from understudy.lab.trial import ADDRESS, Trial


def served_by(trial: Trial, who: str) -> None:
    until(f"{who} serves", lambda: trial.stage.watchers.who() == who)


@in_cluster()
def test_power_off_and_fail_back(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("power ha01 off")
    served_by(trial, "ha02")
    seen = watch(trial, start, 1.5)
    never_two(seen)
    assert (seen.before, seen.after) == ("ha01", "ha02")
    start = kernel.now()
    trial.stage.do("power ha01 on")
    served_by(trial, "ha01")
    never_two(watch(trial, start, 1.5))


@in_cluster()
def test_frozen_holder(trial: Trial) -> None:
    """The frozen daemon removes nothing: only the lease in its kernel keeps it from serving beside the other."""
    start = kernel.now()
    trial.stage.do("freeze ha01")
    served_by(trial, "ha02")
    addresses = trial.stage.room.machine("ha01").run(["ip", "-br", "address", "show", "eth0"])
    assert ADDRESS in addresses, "the address is gone from the frozen machine: this test shows nothing"
    never_two(watch(trial, start, 3.0))
    start = kernel.now()
    trial.stage.do("thaw ha01")
    until("the thawed machine removed the address", lambda: ADDRESS not in _addresses(trial, "ha01"))
    never_two(watch(trial, start, 2.0))


def _addresses(trial: Trial, name: str) -> str:
    return trial.stage.room.machine(name).run(["ip", "-br", "address", "show", "eth0"])


@pytest.mark.long
@in_cluster()
def test_without_the_kernel_lease_two_would_serve(trial: Trial) -> None:
    """The counter-proof: with its packet filter emptied by hand, the frozen machine serves on, and the observer sees two."""
    trial.stage.do("freeze ha01")
    trial.stage.do("on ha01 nft flush ruleset")
    start = kernel.now()
    until("two machines answer", lambda: len(trial.stage.watchers.two(start, kernel.now())) > 100)


@in_cluster()
def test_heartbeats_cut_with_the_service_network_up(trial: Trial) -> None:
    """Heartbeats go over both networks; then only over the service network; then, between the nodes, over none."""
    start = kernel.now()
    for name in ("ha01", "ha02", "arbiter"):
        trial.stage.do(f"silence {name} eth1 both")
    undisturbed(watch(trial, start, 2.5))
    start = kernel.now()
    trial.stage.do("cut ha01 ha02 service on")
    undisturbed(watch(trial, start, 2.5))
    start = kernel.now()
    for name in ("ha01", "ha02", "arbiter"):
        trial.stage.do(f"silence {name} eth1 no")
    trial.stage.do("cut ha01 ha02 service off")
    undisturbed(watch(trial, start, 2.5))
    assert holder(trial, "ha02") == "ha01"


@pytest.mark.long
@in_cluster()
def test_frozen_and_cut_at_once(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("freeze ha01")
    trial.stage.do("silence ha01 eth1 both")
    served_by(trial, "ha02")
    never_two(watch(trial, start, 3.0))
    start = kernel.now()
    trial.stage.do("thaw ha01")
    trial.stage.do("silence ha01 eth1 no")
    until("all is well", lambda: not trial.stage.well())
    never_two(watch(trial, start, 2.0))


@in_cluster()
def test_holder_heard_by_nobody_lets_go_first(trial: Trial) -> None:
    """One-way cut: ha01 hears everybody and nobody hears it. It must stop before ha02 starts."""
    start = kernel.now()
    for device in ("eth0", "eth1"):
        trial.stage.do(f"silence ha01 {device} from")
    until("ha02 holds", lambda: holder(trial, "ha02") == "ha02")
    never_two(watch(trial, start, 2.5))
    until("ha01 let go", lambda: ADDRESS not in _addresses(trial, "ha01"))


@in_cluster()
def test_pulse_killed_and_manager_killed(trial: Trial) -> None:
    for part in ("pulse", "manager", "pulse"):
        before = {process.pid for process in trial.stage.daemons["ha01"].processes(part)}
        start = kernel.now()
        trial.stage.do(f"kill ha01 {part}")
        undisturbed(watch(trial, start, 2.0))
        after = {process.pid for process in trial.stage.daemons["ha01"].processes(part)}
        assert after, f"no {part} lives"
        assert not after & before
        until("all is well", lambda: not trial.stage.well())


@pytest.mark.long
@in_cluster()
def test_restart_with_only_the_witness_left(trial: Trial) -> None:
    """ha02 is gone; the pulse of ha01 dies and comes back within the dead time: its kernel's lease proves its own vote."""
    trial.stage.do("power ha02 off")
    until("ha02 is lost", lambda: _state(trial, "ha01", "ha02") == "lost")
    start = kernel.now()
    trial.stage.do("kill ha01 pulse")
    undisturbed(watch(trial, start, 3.0))


def _state(trial: Trial, at: str, of: str) -> str:
    status = trial.stage.daemons[at].status() or {"nodes": []}
    return next((node["state"] for node in status["nodes"] if node["name"] == of), "")


@in_cluster()
def test_whole_daemon_killed_lets_the_kernel_end_it(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("kill ha01 all")
    served_by(trial, "ha02")
    assert ADDRESS in _addresses(trial, "ha01")
    never_two(watch(trial, start, 2.5))


@pytest.mark.long
@in_cluster()
def test_address_deleted_by_hand_is_put_back(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do(f"on ha01 ip address del {ADDRESS}/32 dev eth0")
    until("the address is back", lambda: ADDRESS in _addresses(trial, "ha01"), 5.0)
    undisturbed(watch(trial, start, 1.5))
    assert any(ADDRESS in told.text for told in trial.stage.told()), "nobody said so"


@in_cluster()
def test_service_cable_of_the_holder(trial: Trial) -> None:
    """Not a matter of the dead time: the holder sees its own carrier go, and hands over at once."""
    start = kernel.now()
    trial.stage.do("cable ha01 eth0 out")
    served_by(trial, "ha02")
    seen = watch(trial, start, 1.0)
    never_two(seen)
    assert seen.address is not None
    assert seen.address.length < 1_000_000_000, "it took as long as a death"
    assert ADDRESS not in _addresses(trial, "ha01")


@in_cluster()
def test_planned_move_standby_and_online(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("move site ha02")
    served_by(trial, "ha02")
    trial.stage.do("standby ha02")
    served_by(trial, "ha01")
    trial.stage.do("online ha02")
    until("all is well", lambda: not trial.stage.well())
    seen = watch(trial, start, 2.0)
    never_two(seen)
    assert seen.address is not None
    assert seen.address.length < 1_000_000_000, "a planned move waited for a dead time"


@in_cluster()
def test_clean_stop_hands_over(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("stop ha01")
    served_by(trial, "ha02")
    seen = watch(trial, start, 1.5)
    never_two(seen)
    assert seen.address is not None
    assert seen.address.length < 1_000_000_000, "the stop was taken for a death"
    until("no process of the daemon is left", lambda: not trial.stage.daemons["ha01"].processes())
    assert ADDRESS not in _addresses(trial, "ha01")


@pytest.mark.long
@in_cluster()
def test_half_of_the_frames_lost(trial: Trial) -> None:
    """Bad lines may cost the service a move, never two owners; and when they are good again it serves."""
    start = kernel.now()
    for device in ("eth0", "eth1"):
        trial.stage.do(f"loss ha01 {device} 50%")
    seen = watch(trial, start, 6.0)
    assert seen.two == 0
    for device in ("eth0", "eth1"):
        trial.stage.do(f"loss ha01 {device} 0%")
    until("all is well", lambda: not trial.stage.well())


@pytest.mark.long
@in_cluster("10ms", "40ms")
def test_forty_milliseconds(trial: Trial) -> None:
    """The shortest dead time that is promised: freeze, then power off."""
    start = kernel.now()
    trial.stage.do("freeze ha01")
    served_by(trial, "ha02")
    never_two(watch(trial, start, 1.0))
    trial.stage.do("thaw ha01")
    served_by(trial, "ha01")
    trial.rest()
    start = kernel.now()
    trial.stage.do("power ha01 off")
    served_by(trial, "ha02")
    never_two(watch(trial, start, 1.0))
