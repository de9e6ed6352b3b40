"""Whole keepalived.conf files under keepalived/: what is said about each, what was read, and the native form.

The files are our own, but for those of the scenarios. UNDERSTUDY_REWRITE=1 writes said.txt, meaning.txt and native.toml anew;
review the difference.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from config_helpers import HERE, REWRITE
from keepalived_helpers import meaning, one, read_text

from understudy.config.keepalived import KeepalivedReading, read_keepalived
from understudy.config.keepalived_cluster import cluster_of
from understudy.config.keepalived_expand import Source, braces
from understudy.config.keepalived_native import convert
from understudy.config.load import examine, examine_keepalived, is_keepalived, load_keepalived
from understudy.config.render import render
from understudy.config.validate import read
from understudy.errors import ConfigError
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import Track

FOLDERS = sorted(path.parent for path in (HERE / "keepalived").glob("*/keepalived.conf"))


def _same(path: Path, text: str) -> None:
    if REWRITE:
        path.write_text(text)
    assert path.read_text() == text


def _read(path: Path, config_id: str = "main") -> KeepalivedReading:
    return examine_keepalived(str(path), config_id)


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_what_is_read(path) -> None:
    reading = _read(path)
    said = "".join(f"{problem}\n" for problem in reading.problems).replace(f"{path}/", "")
    _same(path / "said.txt", said)
    _same(path / "meaning.txt", "refused\n" if reading.files is None else meaning(reading.files))


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_the_native_form_means_the_same(path) -> None:
    reading = _read(path)
    made = convert(reading, f"{path.name}/keepalived.conf")
    if reading.files is None:
        assert made.text is None
        return
    assert made.text is not None
    again = read(made.text, "routers.toml").cluster
    assert again is not None
    assert again.routers is not None
    assert replace(again.routers, services=again.services) == reading.files
    assert [group.name for group in again.groups] == [router.name for router in reading.files.routers]
    _same(path / "native.toml", made.text.replace(f"{path}/", ""))


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_the_copy_in_the_runtime_directory_is_the_same_cluster(path) -> None:
    """What is run is written as native text and read again, by name and digest."""
    reading = _read(path)
    if reading.files is None:
        return
    cluster = cluster_of(reading.files, "x", "left.example.net")
    again = read(render(cluster), "running.toml", "x").cluster
    assert again == cluster
    assert again.names == ("left.example.net",)


def test_another_router_id_is_no_other_table_of_the_kernel() -> None:
    """Else the former table stays behind a reload, its leases run out, and it drops whatever the addresses are sent."""
    reading = _read(HERE / "keepalived" / "ipv6")
    assert reading.files is not None
    before, after = (
        cluster_of(replace(reading.files, settings=replace(reading.files.settings, router_id=name)), "x", "left")
        for name in ("gw9", "gw10")
    )
    assert before.name == after.name
    assert before.digest != after.digest, "a reload takes the name up, for mails"


def test_the_condition_decides() -> None:
    main, other = (_read(HERE / "keepalived" / "grammar", name).files for name in ("main", "other"))
    assert main is not None
    assert other is not None
    assert (main.routers[0].priority, main.routers[0].preempt) == (240, False)
    assert (other.routers[0].priority, other.routers[0].preempt) == (120, True)


def test_the_scenarios_mean_what_their_author_meant() -> None:
    """One pair with a check script, and one with two networks that move separately."""
    master, backup = (_read(HERE / "keepalived" / f"vrrp-two-nics-{name}").files for name in ("master", "backup"))
    assert master is not None
    assert backup is not None
    assert [(router.name, router.device, router.vrid, router.priority) for router in master.routers] == [
        ("VI_1", "ens33", 51, 100),
        ("VI_2", "ens37", 52, 100),
    ]
    assert [router.priority for router in backup.routers] == [99, 100]
    assert [router.tracks for router in master.routers] == [(Track("script", "httpd_check"),), ()]
    assert [(item.name, item.command, item.interval) for item in master.scripts] == [
        ("httpd_check", ("/usr/local/httpd.sh",), 2 * SECOND)
    ]
    assert {(router.auth, router.password, router.interval) for router in master.routers} == {("PASS", "1111", SECOND)}


def test_folder_and_file_are_known_for_what_they_are(tmp_path) -> None:
    folder = HERE / "keepalived" / "ipv6"
    other = tmp_path / "routers.cfg"
    other.write_bytes((folder / "keepalived.conf").read_bytes())
    native = tmp_path / "cluster"
    native.write_text("[cluster]\nname = 'x'\nvrrp_instance = 3\n")
    assert [is_keepalived(str(path)) for path in (folder, folder / "keepalived.conf", other)] == [True] * 3
    assert [is_keepalived(str(path)) for path in (native, tmp_path, tmp_path / "none")] == [False] * 3
    cluster, problems = examine(str(folder))
    assert cluster is not None
    assert cluster.routers is not None
    assert cluster.source == str(folder / "keepalived.conf")
    assert [problem for problem in problems if problem.severity == "error"] == []
    assert load_keepalived(str(folder), node="n1").names == ("n1",)


def test_a_refused_file_raises_all_errors(tmp_path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text("vrrp_instance A {\n}\n")
    with pytest.raises(ConfigError) as caught:
        load_keepalived(str(file))
    assert [problem.text for problem in caught.value.problems] == ["A has no interface", "A has no virtual_router_id"]


# -- the grammar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("a1b2", "a1b2"),
        ("k8s#hA!", "k8s"),
        ('"k8s#hA!"', "k8s#hA!"),
        ("'a#b'", "'a"),
        ("a${_HASH}b", "a"),
        ('"a${_HASH}b${_BANG}"', "a#b!"),
        ('a"b c"d', "a"),
        ('"a b"c', "a b"),
        (r'"a\x41"', r"a\x41"),
        ("123456789", "12345678"),
        ("größe", "größe"),
    ],
)
def test_passwords_as_2_2_7_reads_them(written, password) -> None:
    text = f"authentication {{\nauth_type PASS\nauth_pass {written}\n}}\n"
    assert one(text).password == password


def test_a_password_shows_nowhere() -> None:
    text = "authentication {\nauth_type PASS\nauth_pass verysecretword extra\nhunter2\n}\nauth_pass\n"
    reading = read_text(f"vrrp_instance V {{\ninterface eth0\nvirtual_router_id 5\n{text}}}\n")
    told = "".join(map(str, reading.problems)) + repr(reading)
    assert len(reading.problems) >= 4
    assert not any(word in told for word in ("verysec", "extra", "hunter2"))


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ('"/bin/x a  b"', ("/bin/x", "a", "b")),
        ('"/bin/x \'a b\' \\"c d\\""', None),  # the plain way to read the line ends the quotes there
        ("\"/bin/x 'a b' c\"", ("/bin/x", "a b", "c")),
        ("'/bin/x  a\\tb'", ("/bin/x", "a", "b")),
        ('"/bin/x a\\tb \\x41\\101 c"', ("/bin/x", "a", "b", "AA", "c")),
        ('"/bin/x"" a"', ("/bin/x", "a")),
    ],
)
def test_commands_as_2_2_7_reads_them(written, command) -> None:
    files = read_text(f"vrrp_script s {{\nscript {written}\n}}\n").files
    assert files is not None
    if command is not None:
        assert files.scripts[0].command == command


def test_a_comment_behind_a_blank_that_is_none_there() -> None:
    """A no-break space is no blank to keepalived: the comment stands behind a word of it."""
    reading = read_text("\u00a0# a comment\n")
    assert [problem.text.split(" ")[0] for problem in reading.problems] == ["unknown"]


def test_a_line_may_be_cut_and_joined_anyhow() -> None:
    """Braces glued, on one line, on the next line; CRLF; no newline at the end."""
    forms = (
        "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 192.0.2.9/24\n }\n}\n",
        "vrrp_instance V{ interface eth0\nvirtual_router_id 5\nvirtual_ipaddress{192.0.2.9/24}}",
        "vrrp_instance V\n\n{\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress\n{\n192.0.2.9/24}}",
        "vrrp_instance V { # x\r\n!y\r\ninterface eth0\r\nvirtual_router_id 5\r\nvirtual_ipaddress { 192.0.2.9/24 }\r\n}",
        "$X=V\nvrrp_instance $X {\n$I= eth0\ninterface $I\nvirtual_router_id 5\nvirtual_ipaddress { 192.0.2.9/24 }\n}",
    )
    files = [read_text(text).files for text in forms]
    assert files[0] is not None
    assert all(each == files[0] for each in files)


def test_definitions_that_never_end_are_refused() -> None:
    reading = read_text("$A=$B\n$B=$A\n$C=x${C}${C}\nglobal_defs {\nrouter_id $A\nrouter_id ${C}\n}\n")
    assert reading.files is None
    assert [(problem.line, problem.text) for problem in reading.problems] == [
        (5, "the definitions in this line never end"),
        (6, "the definitions in this line never end"),
    ]


def test_a_control_character_is_refused_where_it_stands() -> None:
    """keepalived reads such a line to there and no further; a daemon of ours would be told a path that no kernel takes."""
    reading = read_text("# fine: \x01\nglobal_defs {\nrouter_id a\0b\n}\n")
    assert reading.files is None
    assert [(item.line, item.column, item.severity, "U+0000" in item.text) for item in reading.problems] == [
        (3, 1, "error", True)
    ]


def test_files_that_include_themselves_are_refused() -> None:
    source = Source("a.conf", "include a.conf\n")
    reading = read_keepalived(source, lambda pattern, base: (source,))
    assert [problem.text for problem in reading.problems] == ["files include each other more than 16 deep"]


def test_a_repetition_that_was_not_meant_so_is_refused() -> None:
    reading = read_text("global_defs {\nnotification_email {\n~SEQ(a, 1, 1, 999999) $a@example.net\n}\n}\n")
    assert [item.text for item in reading.problems if item.severity == "error"] == [
        "the configuration has more than 300000 lines"
    ]


def test_braces_of_file_names() -> None:
    assert braces("/etc/{a,b}{1,2}.conf") == ["/etc/a1.conf", "/etc/a2.conf", "/etc/b1.conf", "/etc/b2.conf"]
    assert braces("/etc/{a}.conf") == ["/etc/{a}.conf"]


@pytest.mark.parametrize(
    ("version", "given", "taken"),
    [(2, "0.4", 1000), (2, "1.5", 2000), (2, "255", 255000), (3, "0.256", 260), (3, "50", 40950), (3, ".01", 10)],
)
def test_intervals_are_rounded_as_there(version, given, taken) -> None:
    assert one(f"version {version}\nadvert_int {given}\n").interval == taken * MILLISECOND


@pytest.mark.parametrize(
    ("lines", "priority", "begins", "preempt"),
    [
        ("state MASTER", 255, True, True),
        ("state MASTER\npriority 100\nnopreempt", 100, True, True),
        ("priority 255\nnopreempt", 255, True, True),
        ("priority 255\nstate BACKUP", 255, False, True),
        ("nopreempt", 100, False, False),
        ("nopreempt\npreempt", 100, False, True),
    ],
)
def test_state_priority_and_preemption(lines, priority, begins, preempt) -> None:
    router = one(lines)
    assert (router.priority, router.begins_as_master, router.preempt) == (priority, begins, preempt)


def test_one_address_on_two_devices_is_refused_with_the_reason() -> None:
    """The same fe80:: address on every network is usual; the kernel's lease cannot tell them apart yet."""
    one, other = (
        f"vrrp_instance {name} {{\ninterface {device}\nvirtual_router_id {vrid}\nversion 3\n"
        "virtual_ipaddress {\nfe80::1\n}\n}\n"
        for name, device, vrid in (("VI_1", "eth0", 51), ("VI_2", "eth1", 52))
    )
    reading = read_text(one + other)
    assert reading.files is None
    (problem,) = [item for item in reading.problems if "two virtual routers" in str(item)]
    assert "fe80::1 is in two virtual routers, VI_1 and VI_2, on eth0 and eth1" in str(problem)
    assert "kernel's lease" in str(problem)


# -- what depends on the machine --------------------------------------------------------------------------------------


def test_the_instance_is_the_configuration_id() -> None:
    """2.2.7 with ``-i left``, and with the host name without it."""
    files = read_text("global_defs {\nrouter_id a${_INSTANCE}b\n}\n", "left").files
    assert files is not None
    assert files.settings.router_id == "aleftb"


def test_a_random_number_is_always_its_least_and_is_said() -> None:
    reading = read_text("global_defs {\nrouter_id a${_RANDOM 5 9}\nnotification_email_from b${_RANDOM}@x\n}\n")
    assert reading.files is not None
    assert (reading.files.settings.router_id, reading.files.settings.mail_from) == ("a5", "b0@x")
    assert [(item.line, item.column) for item in reading.problems] == [(2, 12), (3, 26)]


@pytest.mark.parametrize(
    ("checks", "refused"),
    [
        ([], []),
        (["include_check"], ["/none", "/none*", "/{a,b}"]),
        (["include_check match"], ["/none"]),
        (["include_check wildcard_match brace_match"], ["/none*", "/{a,b}"]),
        (["include_check", "include_check -match"], ["/none*", "/{a,b}"]),
        (["include_check match", "include_check +brace_match"], ["/none", "/{a,b}"]),
        (["include_check readable"], []),
    ],
)
def test_includes_that_must_find_something(checks, refused) -> None:
    head = "\n".join(["global_defs", "{", "notification_email {", "a@example.net", "}", *checks, "}"])
    reading = read_text(f"{head}\ninclude /none\ninclude /none*\ninclude /{{a,b}}\n")
    errors = [item.text for item in reading.problems if item.severity == "error"]
    assert errors == [f'"include {name}" finds no file' for name in refused]


def test_an_include_check_elsewhere_counts_nothing() -> None:
    """2.2.7 knows it in global_defs only."""
    reading = read_text("include_check\ninclude /none\n")
    assert reading.files is not None
    assert len(reading.problems) == 2


@pytest.mark.parametrize(
    ("line", "name", "mac", "ipvlan"),
    [
        ("use_vmac", "vrrp.5", "", False),
        ("use_vmac v7 02:0:0:0:0:1", "v7", "02:00:00:00:00:01", False),
        ("use_vmac 02:0:0:0:1", "vrrp.5", "02:00:00:00:01:05", False),
        ("use_ipvlan", "vrrp.5", "", True),
        ("use_ipvlan ipv5 192.0.2.7 private", "ipv5", "", True),
    ],
)
def test_devices_of_their_own(line, name, mac, ipvlan) -> None:
    made = one(line).virtual_mac
    assert made is not None
    assert (made.name, made.mac, made.ipvlan) == (name, mac, ipvlan)


def test_a_device_that_would_have_too_long_a_name_is_refused() -> None:
    body = "interface eth0\nvirtual_router_id 5\nuse_vmac\nvirtual_ipaddress {\n192.0.2.9\n}\n"
    reading = read_text(f"global_defs {{\nvmac_prefix averyverylongone\n}}\nvrrp_instance V {{\n{body}}}\n")
    assert [(item.line, item.severity) for item in reading.problems] == [(7, "error")]
