"""What ``understudy check`` says of this machine for virtual routers: interfaces and scripts that it does not have."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from keepalived_helpers import read_text

from understudy.cli.check import command
from understudy.cli.check_routers import look_here, summary
from understudy.config.keepalived_cluster import cluster_of
from understudy.manager.reload import lacking
from understudy.vrrp_files import RouterFiles

HEAD = "vrrp_instance VI_1 {\n interface lo\n virtual_router_id 7\n virtual_ipaddress {\n  192.0.2.7\n }\n"


def read(text: str) -> RouterFiles:
    files = read_text(text).files
    assert files is not None
    return files


def test_a_word_behind_a_notify_script_is_its_user() -> None:
    """keepalived takes it for one as well, and runs nothing."""
    (said,) = look_here(read(HEAD + " notify_master /bin/true master\n}\n"))
    assert said == (
        "VI_1: its notify script /bin/true cannot be run: there is no user master; the word behind a script is its user: "
        "put the program and its arguments between double quotes"
    )
    assert list(look_here(read(HEAD + ' notify_master "/bin/true master"\n}\n'))) == []


def test_what_becomes_of_a_router_whose_interface_is_not_there() -> None:
    text = HEAD.replace(" lo", " wan-9")
    (said,) = look_here(read(text + "}\n"))
    assert (
        said == "VI_1: there is no network interface wan-9: it is in FAULT until there is; keepalived would not start"
    )
    (said,) = look_here(read(HEAD + " track_interface {\n  wan-9 weight 5\n }\n}\n"))
    assert "wan-9: its weight counts as for one without carrier until there is" in said
    cluster = cluster_of(read(text + "}\n"), "x", "here")
    assert lacking(cluster) == ("VI_1 would be in FAULT: there is no interface wan-9",)
    assert lacking(cluster_of(read(HEAD + "}\n"), "x", "here")) == ()


def test_what_the_machine_lacks_is_told_of_a_file_with_errors_too(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(HEAD.replace(" lo", " wan-9") + "}\nvrrp_instance VI_2 {\n interface lo\n}\n")
    done = CliRunner().invoke(command, [str(path)])
    assert done.exit_code == 1
    assert "VI_2" in done.output
    assert "warning: on this machine: VI_1: there is no network interface wan-9" in done.output


def test_a_script_that_nobody_tracks_is_said_not_to_run() -> None:
    script = "vrrp_script chk {\n script /bin/true\n}\n"
    (problem,) = read_text(script + HEAD + "}\n").problems
    assert (problem.line, problem.severity) == (1, "warning")
    assert problem.text == "the script chk is tracked by nobody, so it is not run"
    assert "script chk: /bin/true, never: nobody tracks it" in summary(read(script + HEAD + "}\n"))
    tracked = script + HEAD + "track_script {\n  chk\n }\n}\n"
    assert read_text(tracked).problems == ()
    assert "script chk: /bin/true, every 1s" in summary(read(tracked))


def test_a_tracked_script_that_is_not_there_counts_for_nothing() -> None:
    script = "vrrp_script chk {\n script /no/such/script\n}\n"
    (said,) = look_here(read(script + HEAD + " track_script {\n  chk\n }\n}\n"))
    assert said.startswith(
        "script chk is not run, and counts for nothing, as in keepalived: /no/such/script: No such file"
    )
