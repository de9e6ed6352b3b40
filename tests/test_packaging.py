"""The systemd unit and the sample configuration: what an administrator copies must be right as it stands."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


def verify(directory: Path, text: str) -> str:
    """systemd's own opinion of the unit with its witness drop-in; empty when it has none."""
    # verify also wants the program to exist, which is not installed where the tests run.
    unit = directory / "understudy.service"
    unit.write_text(text.replace("/usr/bin/understudy", "/bin/true"))
    shutil.copytree(PACKAGING / "understudy.service.d", directory / "understudy.service.d")
    command = [str(SYSTEMD_ANALYZE), "verify", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 and not done.stderr.strip() else done.stderr or "refused"


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed")
class TestSystemd:
    def test_unit_and_drop_in_are_accepted(self, tmp_path: Path) -> None:
        assert verify(tmp_path, (PACKAGING / "understudy.service").read_text()) == ""

    def test_a_misspelled_line_would_be_noticed(self, tmp_path: Path) -> None:
        text = (PACKAGING / "understudy.service").read_text().replace("KillMode=process", "KilMode=process")
        assert "KilMode" in verify(tmp_path, text)


def settings(path: Path) -> list[tuple[str, str]]:
    lines = [line for line in path.read_text().splitlines() if re.match(r"[A-Z]\w*=", line)]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def test_programs_of_groups_outlive_the_supervisor() -> None:
    """Each of these, left at its default, lets systemd kill what must go on (systemd.kill(5), systemd.service(5))."""
    found = dict(settings(PACKAGING / "understudy.service"))
    assert found["KillMode"] == "process"
    assert found["OOMPolicy"] == "continue"
    assert found["RuntimeDirectoryPreserve"] == "yes"
    assert found["Restart"] == "always"


def test_nothing_that_agents_inherit_shuts_them_in() -> None:
    """A mount name space of the unit's own would hide agents' mounts from the machine (systemd.exec(5))."""
    forbidden = re.compile(
        r"Protect\w+|Private\w+|ReadOnlyPaths|NoNewPrivileges|Memory\w+|SystemCall\w+|Restrict(?!.*Exit)\w+|IPAddress\w+|CPUSched\w+"
    )
    names = [name for name, _ in settings(PACKAGING / "understudy.service")]
    assert len(names) > 15
    assert [name for name in names if forbidden.fullmatch(name) and name != "RestartPreventExitStatus"] == []


def test_drop_in_is_an_ini_file_of_one_section() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(PACKAGING / "understudy.service.d" / "witness.conf")
    assert parser.sections() == ["Service"]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_shows_the_packaged_configuration(name: str) -> None:
    """One sample in three places; comments may be translated."""

    def bare(text: str) -> list[str]:
        return [line.partition("#")[0].rstrip() for line in text.splitlines() if line.partition("#")[0].strip()]

    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    assert bare((PACKAGING / "cluster.toml").read_text()) in [bare(block) for block in blocks]
