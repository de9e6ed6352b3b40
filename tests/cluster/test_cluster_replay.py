"""What real daemons recorded, asked again."""

from __future__ import annotations

from cluster_world import in_cluster, until

from understudy.lab.trial import Trial
from understudy.sim.recording import read_recording
from understudy.sim.replay import replay


def dumped(trial: Trial, name: str) -> list[str]:
    answer = trial.stage.daemons[name].ask("/v1/dump", {}, timeout=10.0)
    assert answer is not None
    assert answer["ok"], answer
    with open(answer["file"], encoding="utf-8") as file:
        return file.read().splitlines()


@in_cluster()
def test_a_recording_of_every_node_is_answered_the_same(trial: Trial) -> None:
    trial.stage.do("move site ha02")
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    trial.stage.do("freeze ha02")
    until("ha01 serves", lambda: trial.stage.watchers.who() == "ha01")
    trial.stage.do("thaw ha02")
    until("all is well", lambda: not trial.stage.well())
    for name in trial.stage.daemons:
        recording = read_recording(dumped(trial, name))
        notes: list[str] = []
        done = replay(recording, lambda _span, note, notes=notes: notes.append(note.why))
        assert done.difference is None, (name, done.difference)
        assert done.entries > 50
        assert done.effects > 20
        if name == "ha01":
            assert any("ha02 is lost" in note for note in notes), notes
