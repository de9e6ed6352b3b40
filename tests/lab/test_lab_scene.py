"""Scenes: what is read, what is refused, and that the daemon accepts the configuration written from one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from understudy.config.load import examine
from understudy.errors import UsageError
from understudy.lab import scene as scenes
from understudy.lab.play import Row, as_json, row_of, table
from understudy.lab.samples import Gap
from understudy.lab.stage import COMMANDS
from understudy.lab.trial import keepalived_configuration
from understudy.lab.trial import scene as bench_scene
from understudy.lab.watch import Seen
from understudy.units import MILLISECOND

SMALL = """
[scene]
title = "small"
[networks]
service = "10.0.0.0/24"
[machines.a]
eth0 = ["service", "10.0.0.1/24"]
[cluster]
heartbeat = "200ms"
[client]
network = "service"
address = "10.0.0.9/24"
asks = "10.0.0.100"
[observer]
network = "service"
address = "10.0.0.8/24"
"""


def wrong(tmp_path: Path, old: str, new: str) -> str:
    """The sentence that refuses SMALL with one thing changed."""
    assert old in SMALL
    path = tmp_path / "scene.toml"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(UsageError) as refused:
        scenes.load(str(path))
    return refused.value.text.removeprefix(f"{path}: ")


def test_small_scene(tmp_path: Path) -> None:
    path = tmp_path / "scene.toml"
    path.write_text(SMALL)
    scene = scenes.load(str(path))
    assert scene.nodes == ("a",)
    assert scene.faults == ()
    assert not scene.has_site


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "small"', 'tittle = "small"', "[scene] does not know 'tittle'; did you mean 'title'?"),
        ('["service", "10.0.0.1/24"]', '["servce", "10.0.0.1/24"]', "a eth0: there is no network 'servce'"),
        ('["service", "10.0.0.1/24"]', '"10.0.0.1/24"', 'a.eth0: write ["network", "address/prefix"]'),
        (
            "10.0.0.1/24",
            "10.0.0.300/24",
            "a.eth0: '10.0.0.300/24' is not an address with a prefix length, as in 192.168.58.101/24",
        ),
        ("[machines.a]\n", '[machines.a]\nrole = "king"\n', 'a: the role is "node" or "witness", not \'king\''),
        ("[cluster]\n", "[clutser]\n", "the scene does not know 'clutser'; did you mean 'cluster'?"),
        (
            "[observer]",
            '[[faults]]\nname = "x"\ndo = []\nwatch = "3"\n[observer]',
            "watch: '3' is not a duration; write a number and a unit, as in 200ms, 1s or 5m",
        ),
        ("[observer]", '[[faults]]\ndo = ["power a off"]\n[observer]', "'name' is missing"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert wrong(tmp_path, old, new) == sentence


def test_unknown_scene_names_those_that_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        scenes.find("no-such-scene")
    assert "demo" in str(refused.value)


def write_key(tmp_path: Path) -> str:
    key = tmp_path / "key"
    key.write_text("0" * 63 + "1\n")
    key.chmod(0o600)
    return str(key)


@pytest.mark.parametrize("name", scenes.packaged_scenes())
def test_packaged_scene_is_whole(name: str, tmp_path: Path) -> None:
    scene = scenes.load(scenes.find(name))
    for fault in scene.faults:
        for line in (*fault.do, *fault.mend):
            assert line.split()[0] in COMMANDS, line
        for machine in (fault.expect, fault.mend_expect):
            assert machine in ("", "nobody", *scene.nodes)
    path = tmp_path / "cluster.toml"
    path.write_text(scene.configuration(write_key(tmp_path)))
    cluster, problems = examine(str(path))
    assert cluster is not None, problems
    assert [problem for problem in problems if problem.severity == "error"] == []
    assert cluster.names == tuple(player.name for player in scene.players)


def test_bench_scene_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(bench_scene("10ms", "40ms").configuration(write_key(tmp_path)))
    cluster, problems = examine(str(path))
    assert cluster is not None, problems
    assert (cluster.heartbeat, cluster.dead_time) == (10_000_000, 40_000_000)


def test_configuration_keeps_values_of_every_kind(tmp_path: Path) -> None:
    value = {"text": 'a "quoted" \\ ü', "number": 3, "truth": True, "list": ["x", {"deep": False}], "table": {"a b": 1}}
    text = "value = " + scenes.toml_value(value)
    assert tomllib.loads(text) == {"value": value}
    with pytest.raises(TypeError):
        scenes.toml_value(None)


def test_table_names_the_bad_row() -> None:
    good = Row("power off", "ha01", "ha02", 912.4, 1034.0, 0, 910, 0.2, "")
    bad = Row("frozen daemon", "ha01", "ha01", 3.0, None, 12, 0, 0.1, "two machines answered in 12 samples")
    lines = table([good, bad], pages=True).splitlines()
    assert lines[0].split() == [
        "fault",
        "answered",
        "before",
        "after",
        "outage",
        "ms",
        "page",
        "ms",
        "ms",
        "with",
        "two",
    ]
    assert lines[2].split() == ["power", "off", "ha01", "ha02", "912", "1034", "0", "ok"]
    assert lines[3].endswith("BAD: two machines answered in 12 samples")
    scene = bench_scene("200ms", "1s")
    assert as_json(scene, [good])["ok"] is True
    assert as_json(scene, [good, bad])["ok"] is False


def test_keepalived_is_configured_as_the_comparison_says() -> None:
    text = keepalived_configuration("ha02", "0.01")
    assert [
        word for word in ("vrrp_version 3", "priority 100", "state BACKUP", "advert_int 0.01") if word not in text
    ] == []
    assert "nopreempt" not in text


@pytest.mark.parametrize(
    ("long", "late", "verdict"),
    [
        (90, 2, "ok"),
        (694, 3, "BAD: the outage is above 100 ms"),
        (694, 610, "ok (this machine itself was late by 610 ms)"),
        (894, 610, "BAD: the outage is above 100 ms (this machine itself was late by 610 ms)"),
    ],
)
def test_what_a_machine_that_stood_still_could_not_ask_is_no_outage(long: int, late: int, verdict: str) -> None:
    gap = Gap(0, long * MILLISECOND, long, True, late * MILLISECOND)
    seen = Seen("ha01", "ha02", gap, None, 0, 0, 5000, long)
    row = row_of("pulse killed", seen, "ha02", 100 * MILLISECOND, "")
    assert row.outage_ms == long, "what was seen is told as it was seen"
    assert table([row], pages=False).splitlines()[2].endswith(f"  {long}            0  {verdict}")


@pytest.mark.parametrize(("page", "bad"), [(190, ""), (210, "the outage is above 100 ms")])
def test_a_page_may_come_a_little_later_than_an_answer(page: int, bad: str) -> None:
    gap, longer = Gap(0, 20 * MILLISECOND, 20, True, 0), Gap(0, page * MILLISECOND, page, True, 0)
    assert (
        row_of("pulse killed", Seen("ha01", "ha01", gap, longer, 0, 0, 5000, 20), "ha01", 100 * MILLISECOND, "").bad
        == bad
    )
