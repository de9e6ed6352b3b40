"""What the manager does otherwise while the pair speaks the protocol of Heartbeat 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from understudy.adapters import running
from understudy.adapters.old_identity import generations, read_identity
from understudy.config.heartbeat import read_heartbeat
from understudy.config.heartbeat_copy import HeartbeatCopy, cluster_of, write_copy
from understudy.config.load import heartbeat_folder, load
from understudy.config.service_copy import copy_of
from understudy.config.service_copy import write_copy as write_services
from understudy.effects import Level
from understudy.errors import Refused
from understudy.manager import drift
from understudy.manager.old_pair import GenerationsFile, environment, translated
from understudy.old_pair import GENERATIONS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "ha.d"
    place.mkdir()
    (place / "ha.cf").write_text("node ha01 ha02\nbcast eth0\nauto_failback on\n")
    (place / "haresources").write_text("ha01 192.0.2.1/24/eth0\nha02 192.0.2.2/24/eth0\n")
    (place / "authkeys").write_text("auth 1\n1 sha1 secret\n")
    (place / "authkeys").chmod(0o600)
    return place


def copied(folder: Path) -> HeartbeatCopy:
    texts = heartbeat_folder(str(folder))
    reading = read_heartbeat(texts)
    assert reading.files is not None, reading.problems
    data = (texts.cf.data, texts.haresources.data, texts.authkeys.data)
    return HeartbeatCopy(reading.files, data, 694, str(folder / "home"))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (("standby", "", "ha01"), ("hb_standby", "all", "")),
        (("standby", "", "ha02"), ("hb_takeover", "all", "")),
        (("drain", "", "ha01"), ("hb_standby", "all", "")),
        (("online", "", "ha01"), ("hb_takeover", "local", "")),
        (("online", "", "ha02"), ("hb_standby", "foreign", "")),
        (("move", "192.0.2.1", "ha02"), ("hb_standby", "local", "")),
        (("move", "192.0.2.2", "ha01"), ("hb_takeover", "foreign", "")),
        (("fence", "", "ha02"), ("fence", "", "ha02")),
        (("hb_standby", "foreign", ""), ("hb_standby", "foreign", "")),
    ],
)
def test_wishes_are_put_in_the_words_of_the_old_program(
    wish: tuple[str, str, str], expected: tuple[str, str, str], folder: Path
) -> None:
    """``local`` and ``foreign`` are those of ha01, which is asked."""
    cluster = cluster_of(copied(folder), str(folder))
    groups: list[dict[str, Any]] = [{"name": "192.0.2.1", "holder": "ha01"}, {"name": "192.0.2.2", "holder": "ha02"}]
    assert translated(cluster, "ha01", wish, (0, {"groups": groups})) == expected


def test_a_group_that_is_there_already_is_not_moved(folder: Path) -> None:
    cluster = cluster_of(copied(folder), str(folder))
    groups = [{"name": "192.0.2.1", "holder": "ha01"}]
    with pytest.raises(Refused, match="runs on ha01 already"):
        translated(cluster, "ha01", ("move", "192.0.2.1", "ha01"), (0, {"groups": groups}))


def test_generations_outlive_the_daemon_and_the_old_program_finds_ours(tmp_path: Path) -> None:
    said: list[str] = []

    def say(_level: Level, text: str) -> None:
        said.append(text)

    home = tmp_path / "home"
    assert read_identity(str(home), lambda: 100).generation == 101
    file = GenerationsFile(str(tmp_path), "ha01", str(home), say)
    for node, number in (("ha02", 7), ("ha01", 105), ("nobody", "x")):
        file.heard({"t": "remember", "node": node, "generation": number})
    file.tried().result(timeout=20)
    file.close(20)
    assert generations(str(tmp_path)) == {"ha02": 7, "ha01": 105}
    assert read_identity(str(home), lambda: 100).generation == 106
    another = GenerationsFile(str(tmp_path), "ha01", str(home), say)
    another.heard({"t": "remember", "node": "ha02", "generation": 8})
    another.tried().result(timeout=20)
    another.close(20)
    assert json.loads((tmp_path / GENERATIONS).read_text()) == {"ha02": 8, "ha01": 105}
    assert read_identity(str(home), lambda: 100).generation == 107, "an older number of ours changes nothing"
    assert said == []


@pytest.mark.parametrize("text", ["", "[]", '{"ha01": "x"}', "{"])
def test_a_file_of_generations_that_makes_no_sense_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / GENERATIONS).write_text(text)
    assert generations(str(tmp_path)) == {}


def test_scripts_get_what_the_old_program_gave_them(folder: Path) -> None:
    (folder / "ha.cf").write_text((folder / "ha.cf").read_text() + "env COLOUR=green\n")
    found = environment(copied(folder).files, "ha01")
    assert found == {"HA_DIR": str(folder), "HA_CURHOST": "ha01", "HA_COLOUR": "green"}


def test_changed_files_are_named(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder)
    running.keep(str(tmp_path), write_copy(copy), "", str(folder))
    cluster = load(running.configuration(str(tmp_path)))
    assert drift.look(cluster, str(tmp_path)) == ()
    (folder / "haresources").write_text("ha01 192.0.2.3/24/eth0\n")
    (said,) = drift.look(cluster, str(tmp_path))
    assert said.startswith(f"{folder}/haresources differs from what this node runs with")
    (folder / "authkeys").unlink()
    assert "haresources and" in drift.look(cluster, str(tmp_path))[0]


def test_a_changed_file_of_ldirectord_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "haresources").write_text("ha01 192.0.2.1/24/eth0 ldirectord::web.cf\n")
    web = folder / "web.cf"
    web.write_text("quiescent=no\nvirtual=192.0.2.1:80\n\treal=10.0.0.2:80 gate\n")
    copy = copied(folder)
    running.keep(str(tmp_path), write_copy(copy), "", str(folder))
    running.keep_services(str(tmp_path), write_services(copy_of(cluster_of(copy, str(folder)), "ha01")))
    cluster = load(running.configuration(str(tmp_path)))
    assert drift.look(cluster, str(tmp_path)) == ()
    for text in (web.read_text().replace("gate", "masq"), "virtual=\n"):
        web.write_text(text)
        (said,) = drift.look(cluster, str(tmp_path))
        assert said.startswith(f"{web} differs from what this node runs with")
