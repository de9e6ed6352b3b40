"""A whole evening: makes the private world, sets the stage, plays the faults or listens to the prompt, prints the table."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
from typing import TextIO

from ..errors import UsageError
from . import inside
from .netns import LabError
from .play import Play, as_json, explain, table
from .scene import Scene
from .stage import COMMANDS, Stage

_HELP = """\
status [NODE]    what a node knows          why [GROUP]      why it runs there, and why not elsewhere
log NODE         end of its daemon's output  wait SECONDS     watch
help             this list                   quit             end (also Ctrl-D, Ctrl-C)
"""


def run(scene: Scene, *, json_: bool = False, keep: bool = False, logs: str | None = None) -> int:
    """Play ``scene``. Exit status: 0 good, 1 a row is bad. Raises inside.NoNamespaces and UsageError."""
    prompt = keep or not scene.faults
    if prompt and not sys.stdin.isatty() and keep:
        raise UsageError("--keep needs a terminal to ask you at")
    # The private world hides /run and moves into other namespaces; the place for the logs is held open across that.
    place = None
    if logs is not None:
        os.makedirs(logs, exist_ok=True)
        place = os.open(logs, os.O_RDONLY | os.O_DIRECTORY)
    return inside.enter(lambda: _direct(scene, json_, prompt, place))


def _direct(scene: Scene, json_: bool, prompt: bool, place: int | None) -> int:
    output: TextIO | None = None if json_ else sys.stdout
    stage = Stage(scene)
    play = Play(stage, output)
    try:
        play.begin()
        play.run(scene.faults)
        if prompt:
            Prompt(stage, play).listen()
    finally:
        if place is not None:
            _save(place)
        stage.close()
    if scene.faults:
        if json_:
            print(json.dumps(as_json(scene, play.rows), indent=2))
        else:
            print("\n" + table(play.rows, scene.has_site))
            explain(scene.has_site)
    return 1 if any(row.bad for row in play.rows) else 0


def _save(place: int) -> None:
    """Copy the lab's files out, without the key and the rings of samples."""
    os.chdir(place)
    for root, _, files in os.walk(inside.BASE):
        target = os.path.relpath(root, inside.BASE)
        for name in files:
            if name.endswith((".log", ".jsonl", ".toml")) or name == "log":
                os.makedirs(target, exist_ok=True)
                shutil.copyfile(os.path.join(root, name), os.path.join(target, name))


class Prompt:
    """Reads commands while the timeline goes on."""

    def __init__(self, stage: Stage, play: Play) -> None:
        self._stage, self._play = stage, play

    def listen(self) -> None:
        """Until end of input or ``quit``."""
        self._help()
        pending = ""
        while True:
            self._play.timeline.glance()
            if not select.select([sys.stdin], [], [], 0.1)[0]:
                continue
            # The descriptor and Python's buffer must agree, so that a pasted list of commands is not left in the buffer.
            data = os.read(sys.stdin.fileno(), 4096).decode(errors="replace")
            if not data:
                return
            *lines, pending = (pending + data).split("\n")
            for line in lines:
                if line.strip() in ("quit", "exit", "q"):
                    return
                if line.strip():
                    self._one(line.strip())

    def _help(self) -> None:
        print("\n".join([*COMMANDS.values(), _HELP]), flush=True)

    def _one(self, line: str) -> None:
        word, *rest = line.split()
        try:
            if word == "help":
                self._help()
            elif word == "status":
                self._status(rest[0] if rest else self._first())
            elif word == "why":
                self._why(rest[0] if rest else "")
            elif word == "log":
                print("\n".join(self._stage.daemons[rest[0]].log_tail(40)), flush=True)
            elif word == "wait":
                import time

                end = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(float(rest[0]) * 1e9)
                self._play.timeline.until(end)
            else:
                self._play.timeline.say("lab", self._stage.do(line), 1)
        except LabError as error:
            print(f"{error}", flush=True)
        except (IndexError, KeyError, ValueError):
            print("that is not complete, or names nothing here; type help", flush=True)

    def _first(self) -> str:
        """A machine whose daemon answers. Raises LabError."""
        for name, daemon in self._stage.daemons.items():
            if daemon.status() is not None:
                return name
        raise LabError("no daemon answers")

    def _status(self, name: str) -> None:
        status = self._stage.daemons[name].status()
        if status is None:
            raise LabError(f"{name}'s daemon does not answer")
        print(f"as {name} sees it: {status['quorum']['text']}")
        for node in status["nodes"]:
            links = ", ".join(f"{link['network']} {'up' if link['up'] else 'DOWN'}" for link in node["links"])
            print(f"  {node['name']:10} {node['role']:8} {node['state']:8} {links}")
        for group in status["groups"]:
            print(f"  {group['name']:10} on {group['holder'] or 'nobody'}: {group['state']}; {group['why']}")
        for warning in status["warnings"]:
            print(f"  ! {warning}")
        sys.stdout.flush()

    def _why(self, wanted: str) -> None:
        status = self._stage.daemons[self._first()].status() or {}
        for group in status.get("groups", []):
            if wanted in ("", group["name"]):
                print(f"{group['name']} on {group['holder'] or 'nobody'}: {group['why']}")
                for node, reason in group["not_on"].items():
                    print(f"  not on {node}: {reason}")
        sys.stdout.flush()
