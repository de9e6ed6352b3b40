"""``ldirectord::FILE`` in haresources: whose services they are, where the file lies, and how the balancer gets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from heartbeat_helpers import CF, HA01, texts

from understudy.config.difference import How
from understudy.config.heartbeat import HeartbeatReading, read_heartbeat
from understudy.config.heartbeat_copy import HeartbeatCopy, cluster_of, write_copy
from understudy.config.heartbeat_difference import heartbeat_difference
from understudy.config.heartbeat_native import Wanted, convert
from understudy.config.load import heartbeat_folder, load, load_for_pulse
from understudy.config.service_copy import copy_of
from understudy.config.service_copy import write_copy as write_services
from understudy.config.validate import read
from understudy.heartbeat_files import HeartbeatFiles
from understudy.services import ServiceFiles

WEB = "quiescent=no\nvirtual=192.168.58.100:80\n\treal=10.0.0.2:80 gate\n"
MAIL = "quiescent=no\nvirtual=192.168.58.101:25\n\treal=10.0.0.3:25 gate\n"
LINES = "ha01 192.168.58.100/24/eth0 ldirectord httpd\nha02 192.168.58.101/24/eth0 ldirectord::mail.cf\n"
BOTH = {"ldirectord.cf": WEB, "mail.cf": MAIL}


def good(reading: HeartbeatReading) -> HeartbeatFiles:
    assert reading.files is not None, [str(problem) for problem in reading.problems]
    return reading.files


def files_of(lines: str = LINES, balanced: dict[str, str] | None = None) -> HeartbeatFiles:
    return good(read_heartbeat(texts(haresources=lines, balanced=BOTH if balanced is None else balanced)))


def services_of(files: HeartbeatFiles) -> ServiceFiles:
    assert files.services is not None
    return files.services


def groups(files: HeartbeatFiles) -> dict[str, str]:
    return {service.keys[0].address: service.group for service in services_of(files).services}


def test_the_services_are_those_of_the_line_and_no_script_is_run() -> None:
    files = files_of()
    assert groups(files) == {"192.168.58.100": "192.168.58.100", "192.168.58.101": "192.168.58.101"}
    assert [[item.id for item in group.group.resources] for group in files.groups] == [
        ["address 192.168.58.100", "httpd"],
        ["address 192.168.58.101"],
    ]
    assert files.groups[1].words == ("192.168.58.101/24/eth0", "ldirectord::mail.cf"), "as Heartbeat's tools show them"
    assert services_of(files).sources == ("ldirectord.cf", "mail.cf")


def test_a_script_of_that_name_on_this_machine_is_not_run_either() -> None:
    machine = replace(HA01, scripts={**HA01.scripts, "ldirectord": "/etc/ha.d/resource.d/ldirectord"})
    files = good(read_heartbeat(texts(CF, LINES.replace(" httpd", ""), balanced=BOTH), machine, here=True))
    assert [len(group.group.resources) for group in files.groups] == [1, 1]


def test_a_file_of_two_lines_is_shared_out_by_its_addresses() -> None:
    lines = "ha01 192.168.58.100/24/eth0 ldirectord\nha02 192.168.58.101/24/eth0 ldirectord\n"
    mark = "virtual=7\n\treal=10.0.0.4:80 gate\n"
    files = files_of(lines, {"ldirectord.cf": WEB + MAIL.removeprefix("quiescent=no\n") + mark})
    assert [service.group for service in services_of(files).services] == [
        "192.168.58.100",
        "192.168.58.101",
        "192.168.58.100",
    ], "a mark has no address: the first line that names the file"


def test_nothing_is_balanced_without_such_a_resource() -> None:
    assert files_of("ha01 192.168.58.100/24/eth0\n").services is None


def test_the_native_form_balances_the_same() -> None:
    files = files_of()
    reading = read_heartbeat(texts(haresources=LINES, balanced=BOTH))
    made = convert(reading, "ha.cf", Wanted({"ha01": ("10.0.0.1",), "ha02": ("10.0.0.2",)}))
    assert made.text is not None
    again = read(made.text, "cluster.toml").cluster
    assert again is not None
    assert again.services == files.services
    assert any("ldirectord.cf, mail.cf" in note for note in made.notes)


def copied(files: HeartbeatFiles) -> HeartbeatCopy:
    return HeartbeatCopy(files, (b"", b"", b""), 694, "/home")


def test_the_balancer_gets_the_services_with_the_addresses_of_their_groups() -> None:
    copy = copy_of(cluster_of(copied(files_of()), "/etc/ha.d"), "ha01")
    assert copy.addresses == (
        ("192.168.58.100", ("192.168.58.100",)),
        ("192.168.58.101", ("192.168.58.101",)),
    )
    assert copy.sources == ("ldirectord.cf", "mail.cf")


def test_a_reload_takes_up_another_file_of_ldirectord() -> None:
    before, after = copied(files_of()), copied(files_of(balanced={**BOTH, "mail.cf": MAIL.replace(".3:", ".4:")}))
    found = heartbeat_difference(before, after, "/etc/ha.d")
    assert [(change.where, change.how) for change in found.changes] == [("services.tcp-192.168.58.101-25", How.RELOAD)]
    assert not heartbeat_difference(before, before, "/etc/ha.d").changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "ha.d"
    (place / "conf").mkdir(parents=True)
    for name, text in (("ha.cf", CF), ("haresources", LINES), ("authkeys", "auth 1\n1 sha1 secret\n")):
        (place / name).write_text(text)
    (place / "authkeys").chmod(0o600)
    (place / "ldirectord.cf").write_text(WEB)
    (place / "conf" / "mail.cf").write_text(MAIL)
    return place


def test_a_file_lies_beside_haresources_or_in_conf_or_at_its_whole_path(folder: Path, tmp_path: Path) -> None:
    def sources() -> tuple[str, ...]:
        return services_of(good(read_heartbeat(heartbeat_folder(str(folder))))).sources

    assert sources() == (str(folder / "ldirectord.cf"), str(folder / "conf" / "mail.cf"))
    (folder / "mail.cf").write_text(MAIL)
    assert sources()[1] == str(folder / "mail.cf"), "the folder itself comes first"
    (tmp_path / "third.cf").write_text(MAIL)
    (folder / "haresources").write_text(LINES.replace("mail.cf", str(tmp_path / "third.cf")))
    assert sources()[1] == str(tmp_path / "third.cf")


def test_a_mistake_in_it_has_its_file_line_and_column(folder: Path) -> None:
    (folder / "conf" / "mail.cf").write_text(MAIL + "\tchecktype=conect\n")
    reading = read_heartbeat(heartbeat_folder(str(folder)))
    assert reading.files is None
    (error,) = (problem for problem in reading.problems if problem.severity == "error")
    assert (error.file, error.line, error.column) == (str(folder / "conf" / "mail.cf"), 4, 12)


def test_a_file_that_is_away_keeps_only_the_machine_from_starting_that_needs_it(folder: Path) -> None:
    (folder / "conf" / "mail.cf").unlink()
    found = heartbeat_folder(str(folder))
    (said,) = (problem for problem in read_heartbeat(found).problems if "mail.cf" in problem.text)
    assert (said.severity, said.line, said.column) == ("warning", 2, 29)
    reading = read_heartbeat(found, HA01, here=True)
    (said,) = (problem for problem in reading.problems if "mail.cf" in problem.text)
    assert (said.severity, said.passing) == ("error", True), "it may come a little later, as at boot"


def test_the_copy_of_a_node_means_the_same_with_the_services_that_lie_beside_it(folder: Path, tmp_path: Path) -> None:
    files = good(read_heartbeat(heartbeat_folder(str(folder))))
    data = tuple((folder / name).read_bytes() for name in ("ha.cf", "haresources", "authkeys"))
    copy = HeartbeatCopy(files, data, 694, "/home")
    (tmp_path / "running.toml").write_text(write_copy(copy))
    cluster = cluster_of(copy, "x")
    (tmp_path / "services.json").write_text(write_services(copy_of(cluster, "ha01")))
    path = str(tmp_path / "running.toml")
    assert load(path).services == files.services
    assert load(path).digest == cluster.digest
    assert load_for_pulse(path).services is None
    (tmp_path / "services.json").write_text("{}")
    assert load(path).services is None, "a copy of another version"
