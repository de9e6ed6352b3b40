"""What a node runs with that was started from Heartbeat's files: written, read again, and the same in everything."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from heartbeat_helpers import CF, HA01, KEYS, RESOURCES, folder, texts

from understudy.config.heartbeat import Texts, read_heartbeat
from understudy.config.heartbeat_copy import MARK, HeartbeatCopy, cluster_of, read_copy, write_copy
from understudy.config.load import COPY_MARK, load, load_heartbeat
from understudy.errors import ConfigError, Problem
from understudy.model import AddressResource
from understudy.units import SECOND

CASES = Path(__file__).parent / "heartbeat"


def copy_of(files: Texts, hosts: dict[str, str] | None = None) -> HeartbeatCopy:
    reading = read_heartbeat(files, HA01, here=False)
    assert reading.files is not None, reading.problems
    data = (files.cf.data, files.haresources.data, files.authkeys.data)
    return HeartbeatCopy(reading.files, data, 694, "/var/lib/heartbeat", hosts or {})


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if (path / "ha.cf").exists()))
def test_every_case_is_read_again_as_it_was(case: str) -> None:
    files = folder(CASES / case)
    if read_heartbeat(files, HA01).files is None:
        return  # it shows what is refused
    copy = copy_of(files, {"router": "192.168.58.1"})
    text = write_copy(copy)
    again = read_copy(text, "running.toml")
    assert again == replace(copy, files=replace(copy.files, services=None)), "what is balanced has a copy of its own"
    tables = tomllib.loads(text)  # the supervisor, and the old tools, read it so
    assert list(tables.get("groups", {})) == [group.group.name for group in copy.files.groups]
    assert tables["heartbeat"]["ha.cf"].encode("latin-1") == files.cf.data
    assert cluster_of(copy, "x") == cluster_of(copy, "x")


def test_the_files_are_kept_byte_by_byte() -> None:
    strange = CF.encode() + b'# caf\xe9 \xc3\xa9 """ \\ \x7f\x01\r\n#'
    files = texts()
    files = replace(files, cf=replace(files.cf, data=strange))
    again = read_copy(write_copy(copy_of(files)), "x")
    assert isinstance(again, HeartbeatCopy)
    assert again.texts == (strange, RESOURCES.encode(), KEYS.encode())


def test_what_the_machine_said_is_not_asked_again(tmp_path: Path) -> None:
    """The interface of a bare address was looked up once; a restarted process has only the copy."""
    copy = copy_of(texts(CF + "ping router\n", "ha01 192.168.58.100\n"), {"router": "192.168.58.1"})
    path = tmp_path / "running.toml"
    path.write_text(write_copy(copy), encoding="utf-8")
    cluster = load(str(path))
    (address,) = cluster.groups[0].resources
    assert isinstance(address, AddressResource)
    assert (address.device, address.prefix) == ("eth0", 24)
    assert (cluster.heartbeat3, cluster.dead_time, cluster.ping) == (True, 10 * SECOND, ("192.168.58.1",))
    assert cluster.names == ("ha01", "ha02")
    assert cluster.digest == cluster_of(copy, "elsewhere").digest
    found = load_heartbeat(str(path))
    assert found == copy
    assert [node.hosts for node in found.pings] == [("192.168.58.1",)]


@pytest.mark.parametrize(
    "text",
    [MARK, MARK + "\n[heartbeat]\nfolder = 1\n", MARK + "\n[heartbeat", MARK + '\n[heartbeat]\n"ha.cf" = "\\u2603"\n'],
)
def test_a_text_that_nobody_of_us_wrote_is_refused_in_words(text: str, tmp_path: Path) -> None:
    assert isinstance(read_copy(text, "x"), Problem)
    path = tmp_path / "running.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load(str(path))
    with pytest.raises(ConfigError):
        load_heartbeat(str(path))


def test_a_copy_whose_files_would_be_refused_is_refused() -> None:
    text = write_copy(copy_of(texts())).replace("deadtime 10", "deadtime 1")
    found = read_copy(text, "x")
    assert isinstance(found, Problem)
    assert "deadtime" in found.text


def test_the_loader_knows_the_mark() -> None:
    assert MARK.startswith(COPY_MARK)
