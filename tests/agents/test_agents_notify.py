"""The kind ``notify``: told once, in order, with the reason; what it answers keeps no group from leaving."""

from __future__ import annotations

from pathlib import Path

from agent_helpers import Stage, play, script

from understudy.effects import Action
from understudy.events import Outcome
from understudy.model import NotifyResource
from understudy.units import MILLISECOND

OK, NOT_RUNNING, FAILED = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED
WORDS = (
    "$UNDERSTUDY_NODE/$UNDERSTUDY_GROUP/$UNDERSTUDY_RESOURCE/$UNDERSTUDY_STATE/$UNDERSTUDY_BALLOT/$UNDERSTUDY_REASON"
)


def test_what_is_told(tmp_path: Path) -> None:
    path = script(tmp_path / "tell", f'echo "$* $UNDERSTUDY_STATE:{WORDS}" >> {tmp_path}/told')

    async def scene() -> None:
        stage = Stage(tmp_path, NotifyResource("tell", (path, "ops", "two words")))
        assert await stage.run("monitor") == (NOT_RUNNING, "")
        assert await stage.run("stop") == (OK, "")
        reason = "ha01 is lost: silent for 990ms"
        assert await stage.agents.run("site", "tell", Action.START, 10**9, 41, reason) == (OK, "")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        later = stage.again()
        assert await later.run("monitor") == (OK, "")
        assert await later.run("start") == (OK, "")
        assert await later.run("stop", ballot=42) == (OK, "")
        assert await later.run("stop") == (OK, "")
        assert await later.run("monitor") == (NOT_RUNNING, "")

    play(scene())
    assert (tmp_path / "told").read_text().splitlines() == [
        "ops two words up up:a/site/tell/up/41/ha01 is lost: silent for 990ms",
        "ops two words down down:a/site/tell/down/42/",
    ]


def test_a_program_that_fails(tmp_path: Path) -> None:
    path = script(tmp_path / "tell", "echo no line to the mail server; exit 4")

    async def scene() -> None:
        stage = Stage(tmp_path, NotifyResource("tell", (path,)))
        text = "exit code 4: no line to the mail server"
        assert await stage.run("start") == (OK, text)
        assert await stage.run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, text)
        strict = Stage(tmp_path, NotifyResource("tell", (path,), must_succeed=True))
        assert await strict.run("start") == (FAILED, text)
        assert await strict.run("monitor") == (NOT_RUNNING, "")
        assert await stage.run("start") == (OK, text)
        assert await strict.run("stop") == (OK, text)

    play(scene())


def test_a_program_that_does_not_end(tmp_path: Path) -> None:
    path = script(tmp_path / "tell", "sleep 1000")

    async def scene() -> None:
        stage = Stage(tmp_path, NotifyResource("tell", (path,)))
        for action in ("start", "stop"):
            outcome, text = await stage.run(action, limit=200 * MILLISECOND)
            assert outcome is OK
            assert text.startswith("killed: not done after ")
        strict = Stage(tmp_path, NotifyResource("tell", (path,), must_succeed=True))
        assert (await strict.run("start", limit=200 * MILLISECOND))[0] is FAILED

    play(scene())


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, NotifyResource("tell", (str(tmp_path / "no"),)))
        outcome, text = await stage.run("start")
        assert outcome is OK
        assert text == f"cannot run {tmp_path}/no: No such file or directory"

    play(scene())
