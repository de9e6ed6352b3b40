"""Three real daemons become four by reloads, and then three others, while a client asks all the time and loses nothing."""

from __future__ import annotations

from pathlib import Path

from cluster_world import in_world, until
from test_cluster_reload import reload, understudy
from three_world import ThreeTrial

from understudy.lab import kernel
from understudy.lab.cluster import CONFIGURATION, Daemon
from understudy.lab.trial import Trial
from understudy.units import MILLISECOND

NEW = "n4"
SECTION = '\n[nodes.n4]\nlinks = ["192.168.58.104", "192.168.107.104"]\n'


class FourthTrial(ThreeTrial):
    """Three nodes, and a fourth machine that is on and has no daemon yet."""

    def __init__(self) -> None:
        super().__init__()
        room = self.stage.room
        places = [("eth0", "service", ["192.168.58.104/24"]), ("eth1", "heartbeat", ["192.168.107.104/24"])]
        room.add(NEW, places)
        room.power_on(NEW)
        self.stage.daemons[NEW] = Daemon(room.machine(NEW))


def members(trial: Trial, name: str) -> set[str]:
    """Who is a member, as ``name`` sees it; empty while it sees a change that is not over."""
    status = trial.stage.daemons[name].status()
    if status is None or "a majority of the old and of the new ones" in status["quorum"]["text"]:
        return set()
    return {node["name"] for node in status["nodes"]}


def votes(trial: Trial) -> bool:
    """Whether the new machine is heard both ways and grants."""
    seen, new = (trial.stage.daemons[name].status() for name in ("n1", NEW))
    if seen is None or new is None or any("has just started" in text for text in new["warnings"]):
        return False
    return NEW in seen["quorum"]["members"]


def asked_for_keys(trial: Trial, name: str) -> set[str]:
    """Whose keys ``name`` asks for; all of them answer."""
    found = trial.stage.daemons[name].ask("/v1/key", None, 10.0)
    assert found is not None
    assert found["ok"], found["troubles"]
    return {row["name"] for row in found["members"]}


def without(text: str, name: str) -> str:
    """The file without the section of a node, and with nobody preferring it."""
    sections = text.split("\n[")
    kept = [section for section in sections if not section.startswith(f"nodes.{name}]")]
    return "\n[".join(kept).replace(f'"{name}", ', "").replace(f', "{name}"', "")


@in_world(FourthTrial)
def test_members_come_and_go_by_reloads_and_no_request_is_lost(trial: Trial) -> None:
    file = Path(CONFIGURATION)
    start = kernel.now()

    four = file.read_text() + SECTION
    file.write_text(four)
    said = reload(trial, "n1")
    assert "node n4 is new" in said
    assert "a majority of the old and of the new voters is needed: 2 of 3 and 3 of 4" in said
    until(
        "n1 says whom it waits for",
        lambda: "n2 has not taken up the new file" in understudy(trial, "n1", "status").stdout,
    )
    refused = understudy(trial, "n1", "key", "rotate")  # no key is replaced behind the back of one that is to vote
    assert refused.returncode != 0
    assert f"{NEW} does not answer" in refused.stdout + refused.stderr
    trial.stage.daemons[NEW].start()
    reload(trial, "n2")
    until(
        "n4 votes", lambda: votes(trial)
    )  # three of four are needed now, and the one that restarts votes for nobody at first
    pulse = trial.stage.daemons["n2"].processes("pulse")
    trial.stage.do("kill n2 pulse")  # its successor must count both sets, too
    until("another pulse", lambda: trial.stage.daemons["n2"].processes("pulse") not in ([], pulse))
    until("n2 is back", lambda: "n3 has not taken up the new file" in understudy(trial, "n2", "status").stdout)
    reload(trial, "n3")
    for name in ("n1", "n2", "n3", NEW):
        until(f"{name} counts four", lambda name=name: members(trial, name) == {"n1", "n2", "n3", NEW})  # type: ignore[misc]
        runtime, state = trial.stage.daemons[name].runtime, trial.stage.daemons[name].state
        for where in (runtime, state):
            until("the former copy is gone", lambda where=where: not Path(where, "former.toml").exists())  # type: ignore[misc]

    file.write_text(without(four, "n3") + SECTION.replace("n4", "n5").replace(".104", ".105"))
    done = understudy(trial, "n1", "reload", "--yes")
    assert done.returncode == 4
    assert "one at a time" in done.stdout

    rotated = understudy(trial, "n2", "key", "rotate")
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr

    file.write_text(without(four, "n3"))
    reload(trial, "n1")  # who goes on with the keys of its start is heard by nobody now
    assert asked_for_keys(trial, "n1") == {"n1", "n2", "n3", NEW}
    for name in ("n2", NEW):
        reload(trial, name)
    for name in ("n1", "n2", NEW):
        until(f"{name} counts three", lambda name=name: members(trial, name) == {"n1", "n2", NEW})  # type: ignore[misc]
    assert asked_for_keys(trial, "n1") == {"n1", "n2", NEW}
    assert "n3 is being taken out of the cluster" in understudy(trial, "n3", "status").stdout
    reload(trial, "n3")
    until("n3 says it plainly", lambda: "n3 is no longer in the cluster" in understudy(trial, "n3", "status").stdout)
    history = understudy(trial, "n1", "history").stdout
    assert "every member runs with the new voters" in history or "has found that every member runs" in history

    questions = trial.stage.watchers.questions(start, kernel.now() - 50 * MILLISECOND)
    tenths = [sample for sample in questions if sample.sequence % 10 == 0]
    assert len(tenths) > 50
    lost = [sample for sample in tenths if not sample.answered]
    assert not lost, f"{len(lost)} of {len(tenths)} requests were lost"
