"""A living keepalived beside us: which processes count, by what stands in /proc (here a folder that looks like it)."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.adapters.other_daemon import keepalived_here


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
