"""``autoreload`` and ``callback``: when a file has changed, what is taken up of it, and what is run."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from understudy.adapters import running
from understudy.config.load import load
from understudy.config.service_copy import copy_of, write_copy
from understudy.effects import Level
from understudy.errors import Refused
from understudy.manager.reload import Judged, judge
from understudy.manager.service_watch import Contents, ServiceWatch, sources
from understudy.model import Cluster

BLOCK = "virtual=192.0.2.1:80\n\treal=10.0.0.2:80 gate\n"


class PretendReloads:
    """Judges as the real ones do, and takes up what it is told to."""

    def __init__(self, manager: PretendManager, source: Path) -> None:
        self._manager, self._source = manager, source
        self.asked: list[str] = []
        self.busy = 0

    async def look(self) -> Judged:
        return judge(str(self._source), self._manager.cluster)

    async def reload(self, by: str, digest: str) -> dict[str, Any]:
        if self.busy:
            self.busy -= 1
            raise Refused("something has not stopped here yet", "look")
        self.asked.append(by)
        self._manager.take((await self.look()).accepted(digest))
        return {}


class PretendManager:
    def __init__(self, source: Path) -> None:
        self._runtime = source.parent
        self.said: list[tuple[Level, str]] = []
        self.reloads = PretendReloads(self, source)
        self.take(load(str(source)))

    def take(self, cluster: Cluster) -> None:
        self.cluster = cluster
        running.keep_services(str(self._runtime), write_copy(copy_of(cluster, "lb01")))

    def say(self, level: Level, text: str) -> None:
        self.said.append((level, text))

    @property
    def servers(self) -> list[str]:
        assert self.cluster.services is not None
        return [real.name for service in self.cluster.services.services for real in service.reals]


class World:
    """A file, its watch and the callback, which notes what it is given."""

    def __init__(self, folder: Path, head: str) -> None:
        self.path, self._heard, script = folder / "ldirectord.cf", folder / "heard", folder / "callback"
        script.write_text(f'#!/bin/sh\necho "$@" >> {self._heard}\n')
        script.chmod(0o755)
        (folder / "log").mkdir()
        self.path.write_text(head.replace("CALLBACK", str(script)) + BLOCK)
        self.manager = PretendManager(self.path)
        self.watch = ServiceWatch(self.manager, str(folder))  # type: ignore[arg-type]
        self.look()

    def look(self, times: int = 1) -> None:
        async def looks() -> None:
            for _ in range(times):
                await self.watch.look()

        asyncio.run(looks())

    def edit(self, old: str, new: str, path: Path | None = None) -> None:
        where = path or self.path
        text = where.read_text()
        assert old in text
        before = where.stat().st_mtime_ns
        where.write_text(text.replace(old, new))
        os.utime(where, ns=(before, before + 10**9))  # the clock of file systems has coarse steps

    @property
    def heard(self) -> list[str]:
        return self._heard.read_text().splitlines() if self._heard.exists() else []


HEAD = 'quiescent=no\nautoreload=yes\ncallback="CALLBACK"\n'


def test_a_change_is_taken_up_once_and_then_the_callback_is_run(tmp_path: Path) -> None:
    world = World(tmp_path, HEAD)
    world.look(3)
    assert (world.manager.reloads.asked, world.heard) == ([], [])
    world.edit("10.0.0.2", "10.0.0.3")
    world.look()
    assert world.manager.reloads.asked == [], "it may still be written"
    world.look(3)
    assert world.manager.reloads.asked == ["autoreload"]
    assert world.manager.servers == ["10.0.0.3:80"]
    assert world.heard == [str(world.path)]


def test_a_change_before_the_first_look_is_taken_up_by_it(tmp_path: Path) -> None:
    """While the manager was being started, or another one in its place."""
    world = World(tmp_path, HEAD)
    world.edit("10.0.0.2", "10.0.0.3")
    world.watch = ServiceWatch(world.manager, str(tmp_path))  # type: ignore[arg-type]
    world.look(3)
    assert (world.manager.reloads.asked, world.manager.servers) == (["autoreload"], ["10.0.0.3:80"])
    assert world.heard == [str(world.path)]


def test_without_autoreload_only_the_callback_is_run(tmp_path: Path) -> None:
    world = World(tmp_path, HEAD.replace("yes", "no"))
    world.edit("10.0.0.2", "10.0.0.3")
    world.look(3)
    assert (world.manager.reloads.asked, world.manager.servers) == ([], ["10.0.0.2:80"])
    assert world.heard == [str(world.path)]


def test_without_either_nothing_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, "quiescent=no\n")
    world.edit("10.0.0.2", "10.0.0.3")
    world.look(3)
    assert (world.manager.reloads.asked, world.heard, world.manager.said) == ([], [], [])


def test_a_file_with_a_mistake_changes_nothing_and_is_told_once(tmp_path: Path) -> None:
    world = World(tmp_path, HEAD)
    world.edit("gate", "gat")
    world.look(4)
    assert world.manager.servers == ["10.0.0.2:80"]
    (text,) = [text for level, text in world.manager.said if level is Level.ERROR]
    assert text.startswith(
        f"autoreload: {world.path} is refused, and what is balanced stays as it is: {world.path}:5:7: "
    )
    assert world.heard == [str(world.path)], "as ldirectord does"
    world.edit("gat", "masq")
    world.look(2)
    assert world.manager.reloads.asked == ["autoreload"]


def test_a_change_of_anything_else_is_left_to_a_person(tmp_path: Path) -> None:
    world = World(tmp_path, HEAD)
    routers = "[virtual_routers.a]\nid = 5\ndevice = 'lo'\npriority = 100\naddresses = ['192.0.2.9/24']\n"
    native = tmp_path / "cluster.toml"
    native.write_text(
        "[balancing]\nautoreload = true\n[services.web]\naddress = '192.0.2.1:80'\nservers = ['10.0.0.2']\n"
    )
    manager = PretendManager(native)
    world.manager, world.watch = manager, ServiceWatch(manager, str(tmp_path))  # type: ignore[arg-type]
    world.look()
    native.write_text(native.read_text().replace("10.0.0.2", "10.0.0.3") + routers)
    world.look(3)
    assert (manager.reloads.asked, manager.servers) == ([], ["10.0.0.2:80"])
    ((_, text),) = manager.said
    assert text.startswith("autoreload: only services are taken up unasked, and more has changed (")
    native.write_text(native.read_text().replace(routers, ""))
    world.look(3)
    assert manager.servers == ["10.0.0.3:80"]


def test_what_is_refused_for_the_moment_is_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path, HEAD)
    world.manager.reloads.busy = 2
    world.edit("10.0.0.2", "10.0.0.3")
    world.look(5)
    assert world.manager.reloads.asked == ["autoreload"]
    assert [text for level, text in world.manager.said if level is Level.ERROR] == [
        "autoreload: something has not stopped here yet: look"
    ]
    assert world.heard == [str(world.path)]


def test_a_file_that_execute_names_is_looked_at_too(tmp_path: Path) -> None:
    other = tmp_path / "mail.cf"
    other.write_text("virtual=192.0.2.1:25\n\treal=10.0.0.5:25 gate\n")
    world = World(tmp_path, HEAD + "execute=mail.cf\n")
    world.edit("10.0.0.5", "10.0.0.6", other)
    world.look(3)
    assert world.manager.servers == ["10.0.0.2:80", "10.0.0.6:25"]
    assert world.heard == [str(other)]


def test_a_native_file_counts_where_a_pair_has_gone_over_to_it(tmp_path: Path) -> None:
    """What is balanced was copied from the files of Heartbeat then."""
    World(tmp_path, HEAD)
    assert sources(str(tmp_path)) == (str(tmp_path / "ldirectord.cf"),)
    (tmp_path / running.SOURCE).write_text("/etc/understudy/cluster.toml")
    assert sources(str(tmp_path)) == ("/etc/understudy/cluster.toml",)
    assert sources(str(tmp_path / "nowhere")) == ()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\necho no room >&2\nexit 3\n", "callback failed: exit code 3: no room"),
        (None, "callback is not run: "),
    ],
)
def test_a_callback_that_does_not_work_is_told(tmp_path: Path, script: str | None, said: str) -> None:
    world = World(tmp_path, HEAD.replace("yes", "no"))
    (tmp_path / "callback").write_text(script or "")
    (tmp_path / "callback").chmod(0o755 if script else 0o644)
    world.edit("10.0.0.2", "10.0.0.3")
    world.look(2)
    assert [text for _, text in world.manager.said if text.startswith(said)]


def test_only_other_content_is_a_change_and_a_file_that_is_away_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents, paths = Contents(), (str(path),)

    def looks() -> list[str]:
        return contents.changed(paths) + contents.changed(paths)

    path.write_text("one")
    assert looks() == []
    os.utime(path, (1, 1))
    assert looks() == [], "saved without a change"
    path.unlink()
    assert looks() == []
    path.write_text("one")
    assert looks() == []
    path.unlink()
    path.write_text("another")
    assert looks() == [str(path)]
    assert looks() == []
