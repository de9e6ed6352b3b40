"""The watchdog with real daemons; a FIFO and a hand on the power switch stand in for the device."""

from __future__ import annotations

import os
from typing import cast

import pytest
from cluster_world import holder, in_world, until, watch
from fence_world import WatchdogTrial
from other_worlds import really_well

from understudy.lab import kernel
from understudy.lab.trial import Trial


def dogs(trial: Trial) -> WatchdogTrial:
    return cast(WatchdogTrial, trial)


def data_on(trial: Trial, name: str) -> bool:
    machine = trial.stage.room.machine(name)
    return machine.powered and os.path.exists(f"/proc/{machine.init}/root/run/data")


def taken_over_after_a_reset(trial: Trial) -> None:
    until("ha01 is reset", lambda: dogs(trial).dogs.resets != [], 30.0)
    assert [name for _, name in dogs(trial).dogs.resets] == ["ha01"]
    until("the program runs on ha02", lambda: data_on(trial, "ha02"), 30.0)
    assert not data_on(trial, "ha01")


@in_world(WatchdogTrial)
def test_a_frozen_holder_is_reset_and_only_then_the_program_starts_elsewhere(trial: Trial) -> None:
    until("the device counts", lambda: dogs(trial).dogs.counting("ha01"))
    trial.stage.do("freeze ha01")
    until("ha02 holds", lambda: holder(trial, "ha02") == "ha02")
    assert not data_on(trial, "ha02"), "the address has moved, the program waits"
    assert data_on(trial, "ha01")
    assert dogs(trial).dogs.resets == []
    taken_over_after_a_reset(trial)


@in_world(WatchdogTrial)
def test_a_stop_that_hangs_ends_in_a_reset(trial: Trial) -> None:
    trial.stage.do("on ha01 touch /run/stuck")
    trial.stage.do("standby ha01")
    until("ha01 says that it is stuck", lambda: "stuck" in str(trial.stage.daemons["ha02"].status()), 15.0)
    assert not data_on(trial, "ha02")
    taken_over_after_a_reset(trial)


@pytest.mark.long
@in_world(WatchdogTrial)
def test_a_pulse_that_is_started_again_in_time_resets_nothing(trial: Trial) -> None:
    for _ in range(3):
        trial.stage.do("kill ha01 pulse")
        until("all is well", lambda: really_well(trial))
    start = kernel.now()
    watch(trial, start, 3.0)
    assert dogs(trial).dogs.resets == []
    # On a slow machine one of the restarts may outlast the dead time; then the group has moved, program and all.
    assert [name for name in ("ha01", "ha02") if data_on(trial, name)] == [holder(trial, "arbiter")]


@pytest.mark.long
@in_world(WatchdogTrial)
def test_a_clean_stop_closes_the_device(trial: Trial) -> None:
    trial.stage.do("stop ha01")
    until("the program runs on ha02", lambda: data_on(trial, "ha02"))
    until("the device does not count", lambda: not dogs(trial).dogs.counting("ha01"))
    watch(trial, kernel.now(), 3.0)
    assert dogs(trial).dogs.resets == []
    assert not os.path.exists(f"{trial.stage.daemons['ha01'].runtime}/watchdog.armed")
