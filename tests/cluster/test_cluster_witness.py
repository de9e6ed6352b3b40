"""Two nodes and a witness: the witness lost, back, and lost together with one node."""

from __future__ import annotations

from cluster_world import in_cluster, never_two, undisturbed, until, watch
from three_world import partition

from understudy.lab import kernel
from understudy.lab.trial import Trial


@in_cluster("60ms", "300ms")
def test_witness_lost_and_back_and_lost_with_a_node(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("power arbiter off")
    two = ("partition with quorum", ("ha01", "ha02"))
    until("ha01 misses the witness", lambda: partition(trial, "ha01") == two)
    undisturbed(watch(trial, start, 1.5))
    start = kernel.now()
    trial.stage.do("power arbiter on")
    until("the witness is back", lambda: partition(trial, "ha02")[1] == ("ha01", "ha02", "arbiter"))
    undisturbed(watch(trial, start, 1.0))
    start = kernel.now()
    trial.stage.do("power arbiter off")
    trial.stage.do("power ha01 off")
    until("ha02 is alone", lambda: partition(trial, "ha02") == ("partition WITHOUT quorum", ("ha02",)))
    seen = watch(trial, start, 1.5)
    never_two(seen)
    assert seen.after == "", "one of three must not serve"
    start = kernel.now()
    trial.stage.do("power arbiter on")
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    never_two(watch(trial, start, 0.6))
