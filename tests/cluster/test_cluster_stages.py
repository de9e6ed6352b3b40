"""Parts of a group that start at the same time, with real daemons and scripts; seen from what the scripts write down."""

from __future__ import annotations

from cluster_world import in_world, until
from group_worlds import StagesTrial, diary, group, hold
from other_worlds import really_well

from understudy.lab.trial import Trial


def wrote(*lines: str) -> bool:
    return set(lines) <= set(diary())


@in_world(StagesTrial)
def test_a_stage_starts_together_and_the_next_one_after_all_of_it(trial: Trial) -> None:
    until("both have begun, and neither has started", lambda: len(diary()) >= 2)
    who = diary()[0].split()[-1]  # the first that was there; on a busy machine not always n1
    assert sorted(diary()) == [f"cache begins {who}", f"db begins {who}"], diary()
    hold("cache", False)
    until("one has started", lambda: wrote(f"cache start {who}"))
    until(
        "the daemon knows",
        lambda: {"cache-script": "running", "db-script": "starting"}.items() <= states(trial, who).items(),
    )
    assert states(trial, who)["web-script"] in ("stopped", "unknown"), "nobody has asked it before both run"
    hold("db", False)
    until("all is well", lambda: really_well(trial))
    assert diary()[2:] == [f"cache start {who}", f"db start {who}", f"web begins {who}", f"web start {who}"]

    before = len(diary())
    answer = trial.stage.daemons["n2"].ask("/v1/stop", {"group": "site"}, timeout=10.0)
    assert answer is not None
    assert answer["ok"], answer
    until("all has stopped", lambda: wrote(*(f"{name} stop {who}" for name in ("web", "cache", "db"))))
    lines = diary()[before:]
    assert lines[0] == f"web stop {who}"
    assert sorted(lines[1:]) == [f"cache stop {who}", f"db stop {who}"]


def states(trial: Trial, who: str) -> dict[str, str]:
    return {item["id"]: item["state"] for item in group(trial, who, "site").get("resources", [])}
