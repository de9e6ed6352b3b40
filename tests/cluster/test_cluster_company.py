"""Groups and each other, with real daemons and programs: after, with, apart, and the room that nodes have."""

from __future__ import annotations

from cluster_world import in_world, never_two, until, watch
from group_worlds import CompanyTrial, diary, group, hold, where
from other_worlds import really_well

from understudy.lab import kernel
from understudy.lab.trial import Trial

PROGRAMS = ("db", "site", "reports", "mail", "big")


def placed(trial: Trial, **nodes: str | None) -> None:
    """Wait until the programs run on these machines, each on one alone, and nowhere where None is said."""
    wanted = {name: [node] if node else [] for name, node in nodes.items()}
    found: dict[str, list[str]] = {}

    def so() -> bool:
        found.update({name: where(trial, name) for name in wanted})
        assert all(len(places) <= 1 for places in found.values()), f"two at once: {found}"
        return found == wanted

    try:
        until(f"{wanted}", so)
    except AssertionError as error:
        said = {name: group(trial, "n3", name) or group(trial, "n2", name) for name in wanted}
        raise AssertionError(f"{error}: {found}, said {said}") from error


def ask(trial: Trial, what: str, **words: str) -> tuple[bool, str]:
    answer = trial.stage.daemons["n3"].ask(f"/v1/{what}", words, timeout=10.0)
    assert answer is not None
    return bool(answer["ok"]), str(answer.get("text"))


@in_world(CompanyTrial)
def test_groups_go_where_the_others_let_them(trial: Trial) -> None:
    stage = trial.stage
    placed(trial, db="n1", site="n2", reports="n2", mail="n3", big="n3")
    until("all is well", lambda: really_well(trial))

    for name, why in (("mail", "apart"), ("big", "no room"), ("reports", "site")):
        done, text = ask(trial, "move", group=name, node="n1")
        assert not done
        assert why in text

    # after: site waits for db, which takes its time, and reports for site.
    for name in ("site", "db"):
        assert ask(trial, "stop", group=name)[0]
    placed(trial, db=None, site=None, reports=None)
    until("all of db has stopped", lambda: diary()[-1] == "db stop n1")
    hold("db", True)
    before = len(diary())
    for name in ("site", "db"):
        assert ask(trial, "start", group=name)[0]
    until("db begins", lambda: "db begins n1" in diary()[before:])
    until("site says what it waits for", lambda: "db" in str(group(trial, "n2", "site").get("why")))
    assert diary()[before:] == ["db begins n1"], diary()
    hold("db", False)
    placed(trial, db="n1", site="n2", reports="n2", mail="n3", big="n3")
    lines = diary()[before:]
    # A program counts as started when it is there, so its own first line may come a moment after what waited for it.
    assert lines[:2] == ["db begins n1", "db start n1"], lines
    assert sorted(lines[2:]) == ["db runs n1", "reports runs n2", "site runs n2"], lines
    until("all is well", lambda: really_well(trial))

    # A machine fails: there is room for site beside db, and reports goes with it.
    start = kernel.now()
    stage.do("power n2 off")
    placed(trial, db="n1", site="n1", reports="n1", mail="n3", big="n3")
    stage.do("power n2 on")
    placed(trial, db="n1", site="n2", reports="n2", mail="n3", big="n3")
    never_two(watch(trial, start, 0.5))
    until("all is well", lambda: really_well(trial))

    # One machine is left: mail may not be with db, and big has no room there. They run nowhere, and it is said why.
    stage.do("standby n1")
    placed(trial, db="n2", site="n2", reports="n2", mail="n3", big="n3")
    stage.do("standby n3")
    placed(trial, db="n2", site="n2", reports="n2", mail=None, big=None)
    assert "apart" in str(group(trial, "n2", "mail")), group(trial, "n2", "mail")
    assert "no room" in str(group(trial, "n2", "big")), group(trial, "n2", "big")
    stage.do("online n3")
    placed(trial, db="n2", site="n2", reports="n2", mail="n3", big="n3")
