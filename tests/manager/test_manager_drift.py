"""The status says when the administrator's file is no longer what the node runs with."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from manager_helpers import FakePulse, a_manager, ask, until

from understudy.adapters import running
from understudy.config.keys import format_keys
from understudy.config.load import load, load_keys
from understudy.config.render import render
from understudy.manager.drift import Drift, look
from understudy.model import Cluster

TEXT = """
[cluster]
name = "t"
key_file = "cluster.key"
heartbeat = "100ms"
dead_time = "1s"
[nodes.a]
links = ["192.0.2.1"]
[nodes.b]
links = ["192.0.2.2"]
[witness.w]
links = ["192.0.2.3"]
"""


class Site:
    """A configuration on disk and the copy that a node runs with."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "etc" / "cluster.toml"
        self.key = directory / "etc" / "cluster.key"
        self.runtime = directory / "run"
        for item in (self.file.parent, self.runtime):
            item.mkdir()
        self.file.write_text(TEXT)
        self.new_key()
        cluster = load(str(self.file))
        text = render(replace(cluster, key_file=running.KEYS))
        running.keep(str(self.runtime), text, format_keys(load_keys(cluster)), cluster.source)

    def new_key(self) -> None:
        self.key.write_text(secrets.token_hex(32) + "\n")
        self.key.chmod(0o600)

    @property
    def runs_with(self) -> Cluster:
        return load(running.configuration(str(self.runtime)))

    def look(self) -> tuple[str, ...]:
        return look(self.runs_with, str(self.runtime))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_same_meaning_is_no_drift(site: Site) -> None:
    assert site.look() == ()
    site.file.write_text("# a comment\n" + TEXT.replace('"1s"', '"1000ms"'))
    assert site.look() == ()


def test_another_meaning_other_keys_and_a_refused_file_are_each_a_sentence(site: Site) -> None:
    site.file.write_text(TEXT.replace('"1s"', '"2s"'))
    (sentence,) = site.look()
    assert f"{site.file} differs from what this node runs with: understudy reload refuses it: dead_time 2s" in sentence
    assert "understudy standby NODE && systemctl restart understudy" in sentence
    site.file.write_text(TEXT + '[groups.g]\nresources = [{ address = "192.0.2.9/24", device = "lo" }]\n')
    assert site.look() == (f"{site.file} differs from what this node runs with: understudy reload takes it up",)
    site.file.write_text(TEXT + '[services.web]\naddress = "192.0.2.9:80"\nservers = ["10.0.0.2"]\n')
    assert site.look() == (f"{site.file} differs from what this node runs with: understudy reload takes it up",)
    site.file.write_text(TEXT.replace('"1s"', '"1"').replace('"100ms"', '"x"'))
    (sentence,) = site.look()
    assert f"{site.file} has 2 errors now" in sentence
    assert sentence.endswith(f"understudy check {site.file}")
    site.file.write_text(TEXT)
    site.new_key()
    assert site.look() == (f"{site.key} has other keys than this node runs with: understudy reload takes them up",)
    site.key.unlink()
    assert "has an error now" in site.look()[0]


def test_without_a_copy_there_is_nothing_to_compare(tmp_path: Path, site: Site) -> None:
    assert look(site.runs_with, str(tmp_path)) == ()


def test_it_looks_again_and_again(site: Site) -> None:
    async def work() -> None:
        drift = Drift(site.runs_with, str(site.runtime), interval=0.01)
        task = asyncio.create_task(drift.run())
        async with asyncio.timeout(10):
            for text, expected in ((TEXT, False), (TEXT.replace('"1s"', '"2s"'), True), (TEXT, False)):
                fresh = site.file.with_suffix(".new")
                fresh.write_text(text)
                fresh.replace(site.file)
                while bool(drift.warnings) is not expected:
                    await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(work())


def test_the_status_shows_it(tmp_path: Path, site: Site) -> None:
    site.file.write_text(TEXT.replace('"1s"', '"2s"'))
    pulse = FakePulse(site.runtime)
    try:
        with a_manager(site.runs_with, tmp_path) as manager:
            until(
                lambda: any(
                    "differs from" in text for text in ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"]
                ),
                "the warning is in the status",
            )
    finally:
        pulse.die()
