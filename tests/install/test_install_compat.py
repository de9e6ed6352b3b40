"""``understudy install-compat``: small launchers under the old names, only on request, never over what is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.cli import compat
from understudy.cli.install_compat import MARK, PLACES

HEAVY = {"click", "asyncio", "aiohttp", "cryptography", "uvloop", "dbus_fast", "tomllib", "understudy.config.validate"}


def install(prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "understudy", "install-compat", "--prefix", str(prefix), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def files(prefix: Path) -> list[str]:
    return sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir())


def test_every_tool_has_its_old_place(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"wrote {tmp_path}/{place}" for place in PLACES]
    assert files(tmp_path) == sorted(PLACES)
    assert set(PLACES.values()) == set(compat.TOOLS)
    assert all((tmp_path / place).stat().st_mode & 0o777 == 0o755 for place in PLACES)
    assert {"bin/cl_status", "share/heartbeat/hb_standby", "libexec/heartbeat/heartbeat"} <= set(PLACES)


def test_the_launchers_work_and_say_how_they_were_called(tmp_path: Path) -> None:
    prefix = tmp_path / "a place with 'blanks'"
    assert install(prefix).returncode == 0
    expected = {**dict.fromkeys(PLACES.values(), 1), "heartbeat": 3}
    words = {"cl_status": "hbstatus", "hb_standby": "foo", "hb_takeover": "foo", "heartbeat": "-s"}
    for place, name in PLACES.items():
        command = [str(prefix / place), *([words[name]] if name in words else [])]
        environment = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        assert done.returncode == expected[name], (place, done)
        if name in ("hb_standby", "ResourceManager"):
            assert str(prefix / place) in done.stderr


def test_a_second_time_changes_nothing_and_remove_takes_all_away(tmp_path: Path) -> None:
    assert install(tmp_path).returncode == install(tmp_path).returncode == 0
    (tmp_path / "share" / "heartbeat" / "own-script").write_text("mine")
    done = install(tmp_path, "--remove", "--json")
    answer = json.loads(done.stdout)
    assert answer == {"ok": True, "prefix": str(tmp_path), "removed": [f"{tmp_path}/{p}" for p in PLACES], "left": []}
    assert files(tmp_path) == ["share/heartbeat/own-script"]
    assert not (tmp_path / "libexec" / "heartbeat").exists()
    done = install(tmp_path, "--remove")
    assert (done.returncode, done.stdout) == (0, f"nothing of ours is below {tmp_path}\n")


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    theirs = tmp_path / "bin" / "cl_status"
    theirs.parent.mkdir()
    theirs.write_text("#!/bin/sh\n# the real one\n")
    link = tmp_path / "share" / "heartbeat" / "hb_standby"
    link.parent.mkdir(parents=True)
    ours = tmp_path / "elsewhere"
    ours.write_text(f"#!/bin/sh\n{MARK}\n")
    link.symlink_to(ours)  # even to one of ours: somebody put the link there
    done = install(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"not ours, so nothing was written: {theirs}, {link}" in done.stderr
    assert "stops our daemon, too: systemctl start understudy-heartbeat afterwards" in " ".join(done.stderr.split())
    assert files(tmp_path) == ["bin/cl_status", "elsewhere", "share/heartbeat/hb_standby"]
    done = install(tmp_path, "--remove")
    assert done.stdout.splitlines() == [f"{path} is left as it is: not ours" for path in (theirs, link)]
    assert theirs.read_text().endswith("the real one\n")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "bin").write_text("a file")
    done = install(tmp_path)
    assert (done.returncode, f"cannot change {tmp_path}/bin" in done.stderr) == (1, True)
    assert subprocess.run([sys.executable, "-m", "understudy", "install-compat"], capture_output=True).returncode == 2


@pytest.mark.parametrize(("name", "word"), [("cl_status", "hbstatus"), ("hb_standby", "all"), ("heartbeat", "-s")])
def test_a_launcher_imports_nothing_heavy(tmp_path: Path, name: str, word: str) -> None:
    """Monitoring calls them every few seconds. What counts is what is loaded: how long that takes differs."""
    code = (
        "import sys\nfrom understudy.cli.compat import main\ntry:\n    main()\n"
        "except SystemExit:\n    print('\\n'.join(sys.modules), file=sys.__stderr__)"
    )
    environment = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-P", "-c", code, name, name, word]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    bare = subprocess.run([sys.executable, "-c", code.replace("main()", "sys.exit()")], capture_output=True, text=True)
    loaded = set(done.stderr.split()) - set(bare.stderr.split())
    assert "understudy.cli.compat" in done.stderr.split()
    assert loaded & HEAVY == set()
