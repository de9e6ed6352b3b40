"""``check`` and ``run`` of what is balanced, beside what looks like ldirectord or keepalived, in a network of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed"),
]

BALANCED = "virtual=10.0.0.100:80\n\treal=10.0.0.1:80 masq\n\tscheduler=rr\n"
READY = 'syswrite(STDOUT, "ready\\n"); sleep 600;'


@contextmanager
def beside(*words: str | Path) -> Iterator[int]:
    """A process in a network namespace of its own; its number."""
    with subprocess.Popen(["unshare", "-n", *map(str, words)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
            yield other.pid
        finally:
            other.kill()


def ours(process: int, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Our program in the network of that process."""
    command = ["nsenter", "-t", str(process), "-n", sys.executable, "-m", "understudy", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def test_beside_ldirectord_check_warns_and_run_does_not_start(tmp_path: Path) -> None:
    program, file = tmp_path / "ldirectord", tmp_path / "ldirectord.cf"
    program.write_text(READY)
    file.write_text(BALANCED)
    with beside("perl", program, file, "start") as process:
        shown = f"process {process}: perl {program} {file} start"
        said = f"ldirectord balances on this machine ({shown}): each of the two would undo what the other does"
        checked = ours(process, "check", file)
        run = ours(
            process, "run", "--config", file, "--runtime-dir", tmp_path / "run", "--state-dir", tmp_path / "state"
        )
    assert checked.returncode == 0
    assert f"warning: {said}; stop it: systemctl disable --now ldirectord. understudy run does not" in checked.stdout
    assert (run.returncode, f"understudy: {said}" in run.stdout) == (1, True)
    assert not (tmp_path / "run").exists()


def test_a_keepalived_with_virtual_routers_alone_disturbs_nobody_who_only_balances(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program, file = tmp_path / "bin" / "keepalived", tmp_path / "ldirectord.cf"
    shutil.copyfile(os.path.realpath(shutil.which("perl") or ""), program)
    program.chmod(0o755)
    file.write_text(BALANCED)
    with beside(program, "-e", READY) as process:
        assert f"(process {process})" not in ours(process, "check", file).stdout
        run = ours(
            process, "run", "--config", file, "--runtime-dir", "/dev/null/none", "--state-dir", tmp_path / "state"
        )
        assert f"(process {process})" not in run.stdout
        assert "/dev/null/none" in run.stdout, "it came as far as that"
