"""What follows when a real program fails: restarted, moved, ignored, its machine switched off, or left behind, as configured."""

from __future__ import annotations

from typing import cast

from cluster_world import in_world, never_two, until, watch
from group_worlds import FailingTrial, group, hold, kill, processes, where

from understudy.lab import kernel
from understudy.lab.trial import Trial


def others_stay(trial: Trial, *names: str) -> None:
    for name in names:
        assert where(trial, name) == ["ha01"], name


@in_world(FailingTrial)
def test_each_policy(trial: Trial) -> None:
    start = kernel.now()

    # restart: in place once, then the group moves.
    first = kill(trial, "again", "ha01")
    until("it is restarted in place", lambda: [p.pid != first for p in processes(trial, "again", "ha01")] == [True])
    until("its group says so", lambda: group(trial, "ha01", "again").get("state") == "started")
    kill(trial, "again", "ha01")
    until("it has moved", lambda: where(trial, "again") == ["ha02"])

    # move: at the first failure.
    kill(trial, "hop", "ha01")
    until("it has moved", lambda: where(trial, "hop") == ["ha02"])

    # ignore: noted, and nothing else.
    beside = [process.pid for process in processes(trial, "beside", "ha01")]
    kill(trial, "calm", "ha01")
    told: list[str] = []

    def noted() -> bool:
        told.extend(item.text for item in trial.stage.told())
        return any("calm-program" in text and "ignore" in text for text in told)

    until("it is noted", noted)
    others_stay(trial, "doomed", "beside")
    assert [process.pid for process in processes(trial, "beside", "ha01")] == beside
    assert where(trial, "calm") == []
    assert group(trial, "ha02", "calm")["holder"] == "ha01"

    # go-on: what does not stop is left behind, after the group's stop timeout.
    hold("left", True, "stuck")
    trial.stage.do("move left ha02")
    until("the program moved", lambda: where(trial, "left") == ["ha02"])
    left = trial.stage.room.machine("ha01").run(["sh", "-c", "ls /run/left.runs"])
    assert left.strip() == "/run/left.runs"
    hold("left", False, "stuck")

    # A stop that always fails, of what is gone: its own status says so, and nobody is switched off.
    hold("denied", True, "deny")
    trial.stage.do("move denied ha02")
    until("the program moved", lambda: where(trial, "denied") == ["ha02"])
    seen = "denied-script does not run, says its monitor (exit code 3): it counts as stopped, although its stop failed"
    until("it is said why", lambda: seen in [item.text for item in trial.stage.told()])
    assert cast(FailingTrial, trial).strip.switched == [], "nobody was to be switched off yet"
    never_two(watch(trial, start, 0.5))

    # fence: the machine is switched off, and everything that was left on it is taken over.
    start = kernel.now()
    kill(trial, "doomed", "ha01")
    until("it runs on the other machine", lambda: where(trial, "doomed") == ["ha02"])
    assert [(node, what) for _, node, what in cast(FailingTrial, trial).strip.switched] == [("ha01", "off")]
    assert not trial.stage.room.machine("ha01").powered
    until("the address as well", lambda: trial.stage.watchers.who() == "ha02")
    never_two(watch(trial, start, 0.5))


@in_world(FailingTrial)
def test_what_does_not_stop_has_its_machine_switched_off(trial: Trial) -> None:
    start = kernel.now()
    hold("stuck", True, "stuck")
    trial.stage.daemons["ha01"].ask(
        "/v1/move", {"group": "stuck", "node": "ha02"}, timeout=0.5
    )  # the answer would be late
    until("its program runs on the other machine", lambda: where(trial, "stuck") == ["ha02"])
    strip = cast(
        FailingTrial, trial
    ).strip  # it notes what it did when the machine is off, which may be lost before that
    until("it was switched off", lambda: [(node, what) for _, node, what in strip.switched] == [("ha01", "off")])
    until("all that was there is taken over", lambda: where(trial, "doomed") == where(trial, "again") == ["ha02"])
    until("the address as well", lambda: trial.stage.watchers.who() == "ha02")
    never_two(watch(trial, start, 0.5))
