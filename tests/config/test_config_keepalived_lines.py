"""Blocks of virtual servers on one line: read where keepalived reads them, errors where it loses a part of them.

What 2.2.7 does with each of these texts says test_config_keepalived_kernel.py.
"""

from __future__ import annotations

import pytest
from keepalived_helpers import read_text
from keepalived_lines import LOST, READ, whole

from understudy.config.keepalived import KeepalivedReading
from understudy.config.load import examine, load, survived
from understudy.config.render import render


def servers(reading: KeepalivedReading) -> list[tuple[str, int, int]]:
    """Each real server with its weight and the number of its checkers."""
    assert reading.partly is not None
    assert reading.partly.services is not None
    return [(real.name, real.weight, len(real.checks)) for real in reading.partly.services.services[0].reals]


@pytest.mark.parametrize("lines", READ)
def test_what_keepalived_reads_on_one_line_is_read(lines) -> None:
    reading = read_text(whole(lines))
    assert reading.problems == ()
    assert servers(reading) == [("192.0.2.11:80", 3, 2), ("192.0.2.12:80", 1, 1)]


@pytest.mark.parametrize(("lines", "lost"), LOST)
def test_what_keepalived_loses_is_an_error_that_names_it(lines, lost) -> None:
    """The head has four lines; each loss has its line, its column, and what it is of."""
    reading = read_text(whole(lines))
    errors = [item for item in reading.problems if item.severity == "error"]
    assert reading.files is None
    found = [(item.line - 4, item.column, item.text.split('"')[1], item.text.split(", and ")[-1]) for item in errors]
    assert found == [(line, column, word, f"{what} is lost") for line, column, word, what in lost]


@pytest.mark.parametrize(("lines", "lost"), LOST)
def test_a_start_survives_what_keepalived_loses(lines, lost, tmp_path) -> None:
    """One word of a checker must not take the addresses of the same file down."""
    file = tmp_path / "keepalived.conf"
    router = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n"
    file.write_text(router + whole(lines))
    assert examine(str(file))[0] is None, "check and reload refuse it"
    cluster = survived(str(file))
    assert cluster is not None
    assert [group.name for group in cluster.groups] == ["V"]
    copy = tmp_path / "running.toml"
    copy.write_text(render(cluster))
    copy.chmod(0o600)
    assert load(str(copy)).digest == cluster.digest
    file.write_text(router + "vrrp_script\n" + whole(lines))
    assert survived(str(file)) is None, "keepalived does not start with this one"


def test_the_address_that_a_group_loses_is_named() -> None:
    text = "virtual_server_group G {\n192.0.2.1 80 192.0.2.2 80\nfwmark 3 inet6\n}\nvirtual_server group G {\nprotocol TCP\n"
    reading = read_text(text + "lb_algo rr\nlb_kind DR\nreal_server 192.0.2.11 80 {\n}\n}\n")
    errors = [(item.line, item.column, item.text) for item in reading.problems if item.severity == "error"]
    assert errors == [
        (2, 14, '"192.0.2.2" stands behind another on the same line: keepalived ignores it, and it is lost')
    ]


def test_words_that_only_look_like_keywords_are_values() -> None:
    """The name of a group, a host, a path and what else stands where a value is wanted."""
    text = "virtual_server_group weight {\n192.0.2.1 80\n}\nvirtual_server group weight {\nprotocol TCP\nlb_algo rr\nlb_kind DR\n"
    reading = read_text(
        text + "virtualhost weight\nreal_server 192.0.2.11 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}\n}\n"
    )
    assert reading.problems == ()
    assert servers(reading) == [("192.0.2.11:80", 1, 1)]


@pytest.mark.parametrize(
    "line",
    [
        "MISC_CHECK {\nmisc_path '/usr/local/bin/pgcheck user monitor'\n}",
        'MISC_CHECK {\nmisc_path "/bin/sh -c \\" user \\" "\n}',
        "notify_down '/bin/echo weight down'",
        "HTTP_GET {\nurl {\npath /\nregex 'the digest path'\n}\n}",
    ],
)
def test_words_in_either_kind_of_quotes_are_part_of_a_command(line) -> None:
    reading = read_text(whole(f"real_server 192.0.2.11 80 {{\n{line}\n}}\n}}\n"))
    assert [str(item) for item in reading.problems if item.severity == "error"] == []
    assert reading.files is not None


def test_a_keyword_behind_a_command_is_an_error() -> None:
    reading = read_text(whole("real_server 192.0.2.11 80 {\nnotify_down '/bin/echo weight' retry 3\n}\n}\n"))
    errors = [(item.line, item.column, item.text) for item in reading.problems if item.severity == "error"]
    text = '"retry" stands behind "notify_down" on the same line: keepalived takes it for a word of that'
    assert errors == [(6, 32, f"{text}, and this setting is lost")]


def test_an_unknown_block_among_virtual_routers_is_still_forgiven() -> None:
    reading = read_text("vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nunknown {\n}\n")
    assert [item.severity for item in reading.problems] == ["warning"] * len(reading.problems)
    assert any("unknown keyword" in item.text for item in reading.problems)
