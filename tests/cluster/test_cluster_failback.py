"""Going back to the preferred node after a time, and at certain hours by the clock on the holder's wall: real daemons."""

from __future__ import annotations

import os
import random
import re
import struct
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster_world import in_world, never_two, undisturbed, until, watch
from other_worlds import DEAD_TIME, HEARTBEAT

from understudy.lab import kernel
from understudy.lab.stage import Stage
from understudy.lab.trial import Spec, Trial, scene
from understudy.manager.hours import LOOK
from understudy.units import SECOND, parse_duration

WAIT = 3
"""Seconds that ha01 has to have been ready."""

AHEAD = timedelta(hours=7)
"""Of the clock that a machine gets in the middle of the hours."""


class FailbackTrial(Trial):
    """ha01 is preferred and serves; ``failback`` says when it gets the group back."""

    failback = f"{WAIT}s"

    def __init__(self) -> None:
        os.environ.pop("TZ", None)  # the daemons follow /etc/localtime then, as on any machine
        self.spec = replace(Spec("failback"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        whole = scene(HEARTBEAT, DEAD_TIME)
        self.stage = Stage(replace(whole, groups={"site": {**whole.groups["site"], "failback": self.failback}}))
        self.stage.set_up()
        until("ha01 serves", lambda: self.stage.watchers.who() == "ha01" and not self.stage.well(), 40.0)


class HoursTrial(FailbackTrial):
    """The hours begin in six hours and end in eight, by the clock of this machine."""

    now = datetime.now().astimezone()
    failback = f"{now + timedelta(hours=6):%H:%M}-{now + timedelta(hours=8):%H:%M}"


def site(trial: Trial, at: str) -> dict[str, Any]:
    groups = (trial.stage.daemons[at].status() or {"groups": [{"holder": None, "not_on": {}}]})["groups"]
    found: dict[str, Any] = groups[0]
    return found


def lose_and_return(trial: Trial) -> int:
    """ha01 loses power, ha02 serves, ha01 has power again; the moment of that."""
    trial.stage.do("power ha01 off")
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    moment = kernel.now()
    trial.stage.do("power ha01 on")
    return moment


def causes(trial: Trial, at: str) -> list[str]:
    return [told.text for told in trial.stage.daemons[at].history()]


def set_ahead(trial: Trial, name: str) -> None:
    """Another time zone on one machine: a file as tzfile(5) has it, with nothing but an offset."""
    offset = datetime.now().astimezone().utcoffset()
    assert offset is not None
    seconds = int((offset + AHEAD).total_seconds())
    content = b"TZif" + bytes(16) + struct.pack(">6L", 0, 0, 0, 0, 1, 4) + struct.pack(">lBB", seconds, 0, 0) + b"LAB\0"
    path = Path(f"/run/lab/zone-{name}")
    path.write_bytes(content)
    machine = trial.stage.room.machine(name)
    machine.run(["mount", "--bind", str(path), "/etc/localtime"])
    there = datetime.now() + AHEAD
    assert machine.run(["date", "+%H"]).strip() in {f"{there - timedelta(seconds=5):%H}", f"{there:%H}"}


@pytest.mark.long
@in_world(FailbackTrial)
def test_it_goes_back_after_the_time_and_not_before(trial: Trial) -> None:
    returned = lose_and_return(trial)
    until(
        "ha02 says what it waits for",
        lambda: site(trial, "ha02")["not_on"].get("ha01", "").startswith("ha01 is preferred but is ready only for"),
    )
    assert trial.stage.watchers.who() == "ha02"
    until("ha01 serves again", lambda: trial.stage.watchers.who() == "ha01")
    assert kernel.now() - returned > WAIT * SECOND
    never_two(watch(trial, returned, WAIT))
    (why,) = (text for text in causes(trial, "ha02") if text.startswith("leaves ha02 for ha01"))
    found = re.search(r"ha01 is preferred and has been ready for (\S+): fails back$", why)
    assert found is not None, why
    assert parse_duration(found[1]) >= WAIT * SECOND


@pytest.mark.long
@in_world(HoursTrial)
def test_it_goes_back_within_the_hours_of_the_clock_of_who_has_it(trial: Trial) -> None:
    returned = lose_and_return(trial)
    waits = f"ha01 is preferred, but failback waits for {HoursTrial.failback} by the clock of ha02"
    until("ha02 says what it waits for", lambda: site(trial, "ha02")["not_on"].get("ha01") == waits)
    set_ahead(trial, "ha01")
    start = kernel.now()
    undisturbed(watch(trial, start, LOOK + 2), "ha02")
    assert site(trial, "ha02")["not_on"].get("ha01") == waits, "what the clock of ha01 says is not asked"
    set_ahead(trial, "ha02")
    until("ha01 serves again", lambda: trial.stage.watchers.who() == "ha01")
    never_two(watch(trial, returned, LOOK))
    (why,) = (text for text in causes(trial, "ha02") if text.startswith("leaves ha02 for ha01"))
    assert why.endswith(f"fails back within {HoursTrial.failback}")
