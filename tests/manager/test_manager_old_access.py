"""``apiauth`` as rights at the control socket: judged alone, and asked for by real processes of other users."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from manager_helpers import FakePulse, a_cluster, a_manager, until

from open_folder import open_to_all
from understudy.heartbeat_files import ApiAccess
from understudy.manager.old_access import Access, access_of
from understudy.manager.service import Manager

ROOT_GROUP = grp.getgrgid(0).gr_name


def test_any_client_may_ask_and_one_may_command() -> None:
    access = access_of(
        [
            ApiAccess("ipfail", ("nobody",), ()),
            ApiAccess("ping", (), (ROOT_GROUP, "4711")),
            ApiAccess("understudy", ("4712",), ("4713",)),
            ApiAccess("anon", (), ("no-such-group",)),
        ]
    )
    nobody = pwd.getpwnam("nobody").pw_uid
    assert access.right(nobody, (9999,)) is False
    assert access.right(5000, (0,)) is False
    assert access.right(5000, (7, 4711)) is False
    assert access.right(4712, ()) is True
    assert access.right(nobody, (4713,)) is True
    assert access.right(5000, (5000,)) is None
    assert access.missing == ("apiauth anon: there is no group no-such-group on this machine",)


def test_without_a_word_only_the_group_of_the_old_program_may_ask() -> None:
    access = access_of([])
    try:
        number = grp.getgrnam("haclient").gr_gid
    except KeyError:
        assert not access.anybody
    else:
        assert access == Access(asking_groups=frozenset({number}))
    assert access.missing == ()


def asked(path: str, user: int, method: str, where: str) -> int:
    """The status of a request by a process of that user, who is in no group that matters."""
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path, "-X", method]
    words += ["-H", "Content-Type: application/json", "-d", "{}"] if method == "POST" else []
    done = subprocess.run(
        [*words, f"http://localhost{where}"],
        capture_output=True,
        text=True,
        timeout=60,
        user=user,
        group=65000,
        extra_groups=[],
        check=True,
        cwd="/",
    )
    return int(done.stdout)


def test_the_kernel_says_who_asks_and_who_commands(tmp_path: Path, pulse: FakePulse) -> None:
    if os.geteuid() != 0 or shutil.which("curl") is None:
        pytest.skip("only root can be somebody else, who asks with curl")
    open_to_all(tmp_path / "run")
    access = Access(frozenset({61001}), frozenset(), frozenset({61002}), frozenset(), ("apiauth x: nobody",))
    path = tmp_path / "run" / "control.sock"

    def prepare(manager: Manager) -> None:
        manager.access = lambda: access

    with a_manager(a_cluster(), tmp_path, prepare) as running:
        until(lambda: path.stat().st_mode & 0o777 == 0o666, "the socket is open to all")
        assert asked(str(path), 61000, "GET", "/v1/history") == 403
        assert asked(str(path), 61001, "GET", "/v1/history") != 403
        assert asked(str(path), 61001, "POST", "/v1/dump") == 403
        assert asked(str(path), 61002, "POST", "/v1/nonsense") == 404
        assert any("apiauth x: nobody" in str(entry) for entry in running.manager.history.last(50))
