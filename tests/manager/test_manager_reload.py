"""A thousand invalid edits: nothing changes at all, neither a copy nor what anybody runs with."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from understudy.adapters import running
from understudy.cli.difference_text import lines
from understudy.config.keys import format_keys
from understudy.config.load import examine, load, load_keys
from understudy.config.render import render
from understudy.errors import Refused
from understudy.manager.reload import Reloads, judge

GOOD = """\
[cluster]
name = "site"
key_file = "cluster.key"
heartbeat = "200ms"
dead_time = "1s"
quorum = "majority"
[nodes.ha01]
links = ["192.168.107.101", "192.168.58.101"]
capacity = 10
[nodes.ha02]
links = ["192.168.107.102", "192.168.58.102"]
capacity = 10
[witness.arbiter]
links = ["192.168.58.9"]
[groups.site]
prefer = ["ha01"]
resources = [
  { address = "192.168.58.100/24", device = "eth0" },
  { command = ["/bin/sleep", "1"], name = "sleeper" },
]
[groups.mail]
after = ["site"]
apart = ["site"]
weight = 3
resources = [{ address = "192.168.58.110/24", device = "eth0" }]
[groups.batch]
with = "site"
weight = 2
resources = [{ command = ["/bin/sleep", "2"], name = "night" }]
"""

CONTRADICTIONS = (
    ('with = "site"', 'with = "batch"'),
    ('with = "site"', 'with = "siet"'),
    ('with = "site"', 'with = "site"\napart = ["site"]'),
    ('with = "site"', 'with = ["site", "mail"]'),
    ('prefer = ["ha01"]', 'with = "batch"'),
    ('prefer = ["ha01"]', 'after = ["mail"]'),
    ('after = ["site"]', 'after = ["mail"]'),
    ('after = ["site"]', 'after = ["site", "site"]'),
    ('after = ["site"]', 'after = "site"'),
    ('apart = ["site"]', 'apart = ["mail"]'),
    ('apart = ["site"]', 'apart = ["web"]'),
    ("weight = 3", "weight = 11"),
    ("weight = 3", "weight = -1"),
    ("weight = 2", 'weight = "2"'),
    ("capacity = 10", "capacity = 1"),
    ("capacity = 10", "capacity = 0.5"),
)
"""What groups cannot say of each other."""

CONTRADICTORY = frozenset(GOOD.replace(*change) for change in CONTRADICTIONS)


class OnlyACluster:
    """What ``Reloads`` asks of a manager as long as nothing is taken up; anything else fails the test."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster


def spoilt(random: Random) -> str:
    """The good file with some letters changed, left out or doubled, or a line too many or too few, or with a contradiction."""
    text = GOOD
    if random.random() < 0.3:
        return text.replace(*random.choice(CONTRADICTIONS))
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text))
        kind = random.randrange(4)
        if kind == 0:
            text = text[:at] + chr(random.randint(33, 126)) + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[at + random.randint(1, 12) :]
        elif kind == 2:
            text = text[:at] + text[max(0, at - 12) :]
        else:
            lines = text.splitlines(keepends=True)
            lines.insert(random.randrange(len(lines)), random.choice(lines))
            text = "".join(lines)
    return text


def test_a_thousand_invalid_edits_change_nothing(tmp_path: Path) -> None:
    source, runtime = tmp_path / "cluster.toml", tmp_path / "run"
    runtime.mkdir()
    key = tmp_path / "cluster.key"
    key.write_text(secrets.token_hex(32) + "\n")
    key.chmod(0o600)
    source.write_text(GOOD)
    cluster, _ = examine(str(source))
    assert cluster is not None
    running.keep(str(runtime), render(cluster), format_keys(load_keys(cluster)), str(source))
    before = {path.name: path.read_bytes() for path in runtime.iterdir()}
    manager = OnlyACluster(cluster)
    random, refused = Random(7), 0

    async def attempt() -> bool:
        reloads = Reloads(cast(Any, manager), str(runtime))
        judged = await reloads.look()
        if judged.cluster is not None and not judged.difference.obstacles:
            return False  # still a good file, by chance
        with pytest.raises(Refused, match="nothing is changed") as caught:
            await reloads.reload("test")
        return bool(caught.value.hint)

    while refused < 1000:
        text = spoilt(random)
        source.write_text(text, errors="replace")
        was_refused = asyncio.run(attempt())
        assert was_refused or text not in CONTRADICTORY, text
        refused += was_refused
        assert manager.cluster is cluster
        assert {path.name: path.read_bytes() for path in runtime.iterdir()} == before


class AClusterWithNodes(OnlyACluster):
    """And what the pulse says of the members."""

    def __init__(self, cluster: Any, **digests: str) -> None:
        super().__init__(cluster)
        self.digests = digests
        self.lost = ""

    async def nodes(self) -> list[dict[str, str]]:
        states = {name: "lost" if name == self.lost else "up" for name in self.digests}
        return [
            {"name": name, "role": "node", "state": states[name], "digest": digest}
            for name, digest in self.digests.items()
        ]


def judged_by(text: str, path: Path) -> Any:
    (path / "cluster.key").write_text(secrets.token_hex(32) + "\n")
    (path / "cluster.key").chmod(0o600)
    (path / "cluster.toml").write_text(text)
    cluster, problems = examine(str(path / "cluster.toml"))
    assert cluster is not None, problems
    return cluster


ADDRESS = '  { address = "192.168.58.120/24", device = "eth0" },\n'


def test_an_address_enters_a_group_only_while_no_node_runs_with_a_third_file(tmp_path: Path) -> None:
    """In the file of ha02 the address may still belong to another group: two leases would stand for one address."""
    before = judged_by(GOOD, tmp_path)
    after = judged_by(GOOD.replace("resources = [\n", "resources = [\n" + ADDRESS), tmp_path)

    def attempt(found: Any, lost: str = "", **digests: str) -> None:
        manager = AClusterWithNodes(before, **digests)
        manager.lost = lost
        asyncio.run(Reloads(cast(Any, manager), "")._compare_others(found))

    own = before.digest
    with pytest.raises(Refused, match="ha02 runs with a third configuration, where address 192") as caught:
        attempt(after, ha01=own, ha02="another")
    assert "give all nodes one file without address 192.168.58.120 first" in caught.value.hint
    attempt(after, ha01=own, ha02=own)
    attempt(after, ha01=own, ha02=after.digest)  # it was reloaded first
    attempt(after, ha01=own, ha02="00000000" + own[8:])  # it has our file, and counts the former voters besides
    attempt(after, lost="ha02", ha01=own, ha02="another")
    # What takes nothing in can always be taken up: so there is a way out.
    attempt(judged_by(GOOD.replace('prefer = ["ha01"]', 'prefer = ["ha02"]'), tmp_path), ha01=own, ha02="another")


def test_old_warnings_come_last_and_only_as_a_number(tmp_path: Path) -> None:
    runtime, edited = tmp_path / "run", tmp_path / "cluster.toml"
    runtime.mkdir()
    key = tmp_path / "cluster.key"
    key.write_text(secrets.token_hex(32) + "\n")
    key.chmod(0o600)
    pair = GOOD.replace('"majority"', '"pair"').replace('[witness.arbiter]\nlinks = ["192.168.58.9"]\n', "")
    edited.write_text(pair)
    cluster, problems = examine(str(edited))
    assert cluster is not None
    before = f"{len(problems)} warning{'s' if len(problems) > 1 else ''} as before"
    assert problems
    running.keep(
        str(runtime), render(replace(cluster, key_file=running.KEYS)), format_keys(load_keys(cluster)), str(edited)
    )
    edited.write_text("# a line more\n" + pair.replace('dead_time = "1s"', 'dead_time = "1s"\nmargin = "10ms"'))
    said = lines(judge(str(edited), load(running.configuration(str(runtime)))).answer())
    assert said[-1] == f"{before}: understudy check {edited}"
    assert not [text for text in said if "warning:" in text]
    one_link = 'links = ["192.168.58.102"]'
    edited.write_text(pair.replace('links = ["192.168.107.102", "192.168.58.102"]', one_link))
    said = lines(judge(str(edited), load(running.configuration(str(runtime)))).answer())
    assert said[0].endswith("differs from what this node runs with:")
    assert "a single heartbeat path" in said[-2]
    assert said[-1].startswith(before)
