"""A living keepalived or ldirectord beside us: which processes count, by what stands in /proc (here a folder like it)."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.adapters.other_daemon import balancer_here, keepalived_here


def process(proc: Path, number: int | str, name: str, words: bytes, network: str = "net:[1]") -> None:
    folder = proc / str(number)
    (folder / "ns").mkdir(parents=True)
    (folder / "ns/net").symlink_to(network)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_bytes(words)


@pytest.mark.parametrize(
    ("name", "words", "network", "found"),
    [
        ("keepalived", b"/usr/sbin/keepalived\0--dont-fork\0", "net:[1]", 70),
        ("keepalived_vrrp", b"/usr/sbin/keepalived\0-P\0", "net:[1]", 70),
        ("keepalived", b"/usr/sbin/keepalived\0", "net:[2]", 0),  # in another network namespace
        ("keepalived", b"/usr/sbin/keepalived\0-C\0", "net:[1]", 0),  # real servers only
        ("keepalived", b"/usr/sbin/keepalived\0-nlC\0", "net:[1]", 0),
        ("keepalived", b"", "net:[1]", 0),  # it has ended, and nobody has asked how
        ("vim", b"vim\0keepalived\0", "net:[1]", 0),
    ],
)
def test_which_process_is_another_router(tmp_path: Path, name: str, words: bytes, network: str, found: int) -> None:
    process(tmp_path, "self", "python3", b"python3\0")
    process(tmp_path, 9, "init", b"init\0")
    process(tmp_path, 70, name, words, network)
    (tmp_path / "80").mkdir()  # gone while we look
    assert keepalived_here(str(tmp_path)) == found


def test_where_there_is_no_proc(tmp_path: Path) -> None:
    assert keepalived_here(str(tmp_path)) == 0
    assert balancer_here(str(tmp_path), str(tmp_path)) == ("", 0, "")


DAEMON = b"/usr/sbin/keepalived\0"
OLD = b"/usr/bin/perl\0-w\0/usr/sbin/ldirectord\0"


@pytest.mark.parametrize(
    ("name", "words", "network", "found"),
    [
        ("ldirectord", OLD + b"web.cf\0start\0", "net:[1]", ("ldirectord", 70)),
        ("perl", b"perl\0/usr/sbin/ldirectord\0-d\0web.cf\0", "net:[1]", ("ldirectord", 70)),
        ("ldirectord", OLD + b"start\0", "net:[2]", ("", 0)),  # in another network namespace
        ("ldirectord", OLD + b"web.cf\0status\0", "net:[1]", ("", 0)),  # it only asks
        ("ldirectord", b"/bin/sh\0/usr/local/sbin/ldirectord\0start\0", "net:[1]", ("", 0)),  # our launcher
        ("perl", b"perl\0munin\0", "net:[1]", ("", 0)),
        ("perl", b"perl\0check_procs.pl\0ldirectord\0", "net:[1]", ("", 0)),  # another script is told of it
        ("perl", b"perl\0plugin\0/var/log/ldirectord\0", "net:[1]", ("", 0)),
        ("perl", b"perl\0-wnle\0print\0/var/log/ldirectord\0", "net:[1]", ("", 0)),
        ("perl", b"perl\0-wI\0/usr/lib/ldirectord\0munin\0", "net:[1]", ("", 0)),
        ("perl", b"perl5.36\0-Mre\0-I\0lib\0--\0sbin/ldirectord\0web.cf\0start\0", "net:[1]", ("ldirectord", 70)),
        ("ldirectord", OLD + b"--help\0", "net:[1]", ("", 0)),
        ("ldirectord", OLD + b"-v\0", "net:[1]", ("", 0)),
        ("keepalived", DAEMON + b"-DC\0", "net:[1]", ("keepalived", 70)),
        ("keepalived", DAEMON + b"-nlC\0-f\0web.conf\0", "net:[1]", ("keepalived", 70)),
        ("keepalived", DAEMON + b"-fC\0-i\0-C\0-tC\0", "net:[1]", ("", 0)),  # values of other options
        ("keepalived", DAEMON + b"-C\0", "net:[1]", ("keepalived", 70)),
        ("keepalived_ipvs", DAEMON, "net:[1]", ("keepalived", 70)),
        ("keepalived", DAEMON, "net:[1]", ("", 0)),  # virtual routers only: no file names it
    ],
)
def test_which_process_is_another_balancer(
    tmp_path: Path, name: str, words: bytes, network: str, found: tuple[str, int]
) -> None:
    process(tmp_path, "self", "python3", b"python3\0")
    process(tmp_path, 70, name, words, network)
    assert balancer_here(str(tmp_path), str(tmp_path)) == (
        *found,
        words.removesuffix(b"\0").replace(b"\0", b" ").decode() if found[1] else "",
    )


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("checkers.pid", ""),
        ("keepalived/checkers.pid", ""),
        ("keepalived/checkers_one.pid", "-i\0one\0"),
        ("elsewhere", "-n\0-c\0{}\0"),
        ("elsewhere", "-nc\0{}\0-D\0"),
        ("elsewhere", "-lnc{}\0"),
        ("elsewhere", "--checkers_pid={}\0-n\0"),
    ],
)
def test_keepalived_balances_where_its_checkers_live(tmp_path: Path, file: str, options: str) -> None:
    """Its processes have one name and one command line; which of them has the checkers stands in a file alone."""
    proc, run = tmp_path / "proc", tmp_path / "run"
    (run / file).parent.mkdir(parents=True)
    process(proc, "self", "python3", b"python3\0")
    for number in (70, 71, 72):
        process(proc, number, "keepalived", DAEMON + options.format(run / file).encode())
    for text, found in (("71\n", ("keepalived", 71)), ("99\n", ("", 0)), ("", ("", 0))):
        (run / file).write_text(text)
        assert balancer_here(str(proc), str(run))[:2] == found
