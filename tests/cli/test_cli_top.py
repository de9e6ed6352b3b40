"""``understudy top`` with textual's Pilot, against a real manager over real HTTP, whose pulse does as the test says."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import PATIENCE, FakePulse, RunningManager, a_snapshot
from textual.pilot import Pilot
from textual.widgets import OptionList

from understudy.cli.client import Client
from understudy.cli.top_view import Choice, Question, Top
from understudy.effects import Level
from understudy.snapshot import ProbeStatus, WishStatus

Story = Callable[[Top, Pilot[None]], Awaitable[None]]


def on_screen(manager: RunningManager, story: Story, size: tuple[int, int] = (150, 50)) -> None:
    """Run ``story`` with the screen up and the first answer shown."""

    async def run() -> None:
        app = Top(Client(str(manager.runtime_dir)), 0.05)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.status and app.tables["groups"].row_count)
            await story(app, pilot)

    asyncio.run(run())


async def until(pilot: Pilot[None], condition: Callable[[], Any]) -> None:
    """Let the screen go on until the condition is true; the bound only keeps a broken test from hanging."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        await pilot.pause(0.01)


def cells(app: Top, table: str) -> list[list[str]]:
    found = app.tables[table]
    return [[str(cell) for cell in found.get_row_at(number)] for number in range(found.row_count)]


def head(app: Top) -> str:
    return str(app.head.render())


def admin(pulse: FakePulse) -> list[tuple[str, str, str]]:
    return [(each["verb"], each["group"], each["node"]) for each in pulse.received if each["t"] == "admin"]


def told(app: Top) -> list[str]:
    return [note.message for note in app._notifications]


def test_everything_is_shown(pulse: FakePulse, manager: RunningManager) -> None:
    known = a_snapshot()
    lossy = tuple(replace(node, links=tuple(replace(link, loss=0.25) for link in node.links)) for node in known.nodes)
    pulse.snapshot = replace(known, nodes=lossy)
    manager.manager.say(Level.ERROR, "b [took] over", "site")

    async def story(app: Top, pilot: Pilot[None]) -> None:
        assert "Cluster testing, seen from a" in head(app)
        assert "partition with quorum" in head(app)
        nodes = cells(app, "nodes")
        assert nodes[0] == ["a", "node", "up", "this one", "", ""]
        assert nodes[1][:4] == ["b", "node", "up", "12 ms ago"]
        assert nodes[2] == ["w", "witness", "late", "never, through b", "", "other configuration"]
        assert cells(app, "links") == [["b", "net1", "up", "12 ms", "25 %"], ["w", "net1", "down", "–", "25 %"]]
        (group,) = cells(app, "groups")
        assert group == ["site", "started", "a", "1 min 5 s", "812 ms", "", "a is first in prefer"]
        assert "! no real-time priority" in str(app.warnings.render())
        await until(pilot, lambda: any("b [took] over" in line.text for line in app.events.lines))

    on_screen(manager, story)


def test_it_says_why_a_group_is_not_up_and_what_operators_have_asked(pulse: FakePulse, manager: RunningManager) -> None:
    known = a_snapshot()
    probes = (
        ProbeStatus("web", None, "http http://192.0.2.9/", "down", 5000.0, "status [503]", 12.0),
        ProbeStatus("disk", None, "command /bin/check", "up", 5000.0, "", None),
    )
    wish = WishStatus("", "maintenance", "anna at a", 1_700_000_000_000, "switches", 3_600_000.0, ("b",))
    group = replace(known.groups[0], up=False, probes=probes, pinned=True)
    other = replace(known.groups[0], name="mail", holder=None, state="stopped", up=False)
    stop = replace(wish, group="mail", kind="stopped", left_ms=None, reason="", unknown_to=())
    pulse.snapshot = replace(known, groups=(group, other), wishes=(wish, stop))
    everywhere = (
        "in maintenance for anna at a since 2023-11-14 22:13 UTC, for another 1 h: switches (b did not hear of it yet)"
    )

    async def story(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(cells(app, "groups")) == 2)
        site, mail = cells(app, "groups")
        here = "moved here by an operator, until a cannot keep it or it is moved again"
        assert site[5] == f"not up: probe web: status [503]; {everywhere}; {here}"
        assert mail[5] == f"{everywhere}; stopped by anna at a since 2023-11-14 22:13 UTC, until it is ended"
        pulse.snapshot = replace(known, groups=(replace(group, probes=(), pinned=False),))
        await until(pilot, lambda: [row[5] for row in cells(app, "groups")] == ["not up"])

    on_screen(manager, story)


def test_it_follows_what_changes_and_keeps_what_is_chosen(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        nodes = app.tables["nodes"]
        nodes.focus()
        await pilot.press("down")
        assert nodes.cursor_row == 1
        pulse.snapshot = a_snapshot(holder="b")
        await until(pilot, lambda: cells(app, "groups")[0][2] == "b")
        assert nodes.cursor_row == 1
        known = a_snapshot(holder=None, state="stopped")
        pulse.snapshot = replace(known, nodes=known.nodes[1:])
        await until(pilot, lambda: len(cells(app, "nodes")) == 2)
        assert cells(app, "groups")[0][2] == "nowhere"
        assert cells(app, "nodes")[nodes.cursor_row][0] == "b", "the same node, on another row now"

    on_screen(manager, story)


def test_move_asks_twice_and_then_moves(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        options = app.screen.query_one(OptionList)
        assert [str(options.get_option_at_index(0).prompt)] == ["b  a holds it and b is not better placed"]
        assert options.option_count == 1, "neither the holder nor the witness"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert isinstance(app.screen, Question)
        assert app.screen.text == "Move site, started on a, to b?"
        assert admin(pulse) == []
        await pilot.press("y")
        await until(pilot, lambda: admin(pulse))
        await until(pilot, lambda: told(app) == ["as you wish"])
        assert admin(pulse) == [("move", "site", "b")]

    on_screen(manager, story)


@pytest.mark.parametrize("no", ["n", "escape", "enter", "q"])
def test_anything_but_yes_moves_nothing(pulse: FakePulse, manager: RunningManager, no: str) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press(no)
        await until(pilot, lambda: not isinstance(app.screen, Question))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Choice))
        await pilot.pause()
        assert app.is_running
        assert admin(pulse) == []

    on_screen(manager, story)


def test_standby_and_its_end(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert isinstance(app.screen, Question)
        assert app.screen.text == "Put a into standby? It holds site; what it holds moves or stops."
        await pilot.press("y")
        await until(pilot, lambda: admin(pulse) == [("standby", "", "a")])
        pulse.snapshot = a_snapshot(holder="b", standby=True)
        await until(pilot, lambda: cells(app, "nodes")[0][4] == "standby")
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert isinstance(app.screen, Question)
        assert app.screen.text == "Let a run groups again?"
        await pilot.press("y")
        await until(pilot, lambda: admin(pulse)[1:] == [("online", "", "a")])

    on_screen(manager, story)


def test_a_witness_is_not_put_into_standby(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        app.tables["nodes"].focus()
        await pilot.press("down", "down", "s")
        await until(pilot, lambda: told(app) == ["w is a witness: it runs nothing"])
        assert not isinstance(app.screen, Question)

    on_screen(manager, story)


def test_a_refusal_is_shown(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.reply = {"ok": False, "text": "b is [bold]lost[/bold]"}

    async def story(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("y")
        await until(pilot, lambda: told(app) == ["b is [bold]lost[/bold]"])

    on_screen(manager, story)


def test_a_daemon_that_goes_is_waited_for(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        (manager.runtime_dir / "control.sock").rename(manager.runtime_dir / "elsewhere")
        await until(pilot, lambda: "no daemon answers" in head(app))
        assert "what was seen last" in head(app)
        assert cells(app, "groups")[0][0] == "site"
        (manager.runtime_dir / "elsewhere").rename(manager.runtime_dir / "control.sock")
        await until(pilot, lambda: "Cluster testing" in head(app))

    on_screen(manager, story)


def test_an_old_view_says_so(pulse: FakePulse, manager: RunningManager) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        pulse.snapshot = None
        await until(pilot, lambda: "the pulse does not answer" in str(app.warnings.render()))

    on_screen(manager, story)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (300, 100)])
def test_every_size_will_do(pulse: FakePulse, manager: RunningManager, size: tuple[int, int]) -> None:
    async def story(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("n")
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
        assert app.return_code == 0

    on_screen(manager, story, size)


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl-c"])
def test_on_a_real_terminal_it_comes_up_and_is_ended_by_a_key(manager: RunningManager, key: bytes) -> None:
    """The whole program, with the terminal's own driver: it shows the cluster, ends with 0 and leaves the other screen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    command = [sys.executable, "-m", "understudy.cli.main", "top", "--runtime-dir", str(manager.runtime_dir)]
    variables = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    text = b""
    try:
        while b"a is first in prefer" not in text:
            text += os.read(ours, 65536)
        os.write(ours, key)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: the last writer has closed the terminal
                break
            if not data:
                break
            text += data
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"Traceback" not in text
    assert text.count(b"\x1b[?1049h") == text.count(b"\x1b[?1049l") == 1


def test_without_a_terminal_it_says_what_to_use_instead(manager: RunningManager) -> None:
    command = [sys.executable, "-m", "understudy.cli.main", "top", "--runtime-dir", str(manager.runtime_dir)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "understudy status --watch" in done.stderr


def test_without_a_daemon_it_does_not_begin(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "understudy.cli.main", "top", "--runtime-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    _, errors = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 3
    assert "no daemon answers at" in errors
