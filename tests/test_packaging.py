"""The systemd unit and the sample configuration: what an administrator copies must be right as it stands."""

from __future__ import annotations

import configparser
import hashlib
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from understudy.cli import main as cli
from understudy.cli.run import EXIT_REFUSED
from understudy.cli.run import command as run_command
from understudy.config.load import examine

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


def test_systemd_reloads_by_our_command_and_does_not_repeat_what_is_useless() -> None:
    found = dict(settings(PACKAGING / "understudy.service"))
    assert found["ExecReload"] == "/usr/bin/understudy reload --yes --runtime-dir /run/understudy"
    assert found["RestartPreventExitStatus"].split() == [str(EXIT_REFUSED), "75"]


@pytest.mark.parametrize("there", [True, False])
def test_a_start_waits_for_the_control_socket_and_never_fails(tmp_path: Path, there: bool) -> None:
    """systemd's own dollar signs are written twice (systemd.service(5)); the loop is made shorter here, not other."""
    (line,) = [value for name, value in settings(PACKAGING / "understudy.service") if name == "ExecStartPost"]
    assert line.startswith("-/bin/sh -c ")
    path = tmp_path / "control.sock"
    words = shlex.split(
        line[1:].replace("$$", "$").replace("/run/understudy/control.sock", str(path)).replace("50", "2")
    )
    with socket.socket(socket.AF_UNIX) as control:
        if there:
            control.bind(str(path))
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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


def test_the_packaged_configuration_is_good_as_it_stands(tmp_path: Path) -> None:
    """All three members of it, with a key such as keygen makes: no error and no warning."""
    sample = tmp_path / "cluster.toml"
    sample.write_text((PACKAGING / "cluster.toml").read_text())
    key = tmp_path / "cluster.key"
    key.write_text(hashlib.sha256(b"a key for this test").hexdigest() + "\n")
    key.chmod(0o600)
    cluster, problems = examine(str(sample))
    assert [str(problem) for problem in problems] == []
    assert cluster is not None
    assert cluster.names == ("ha01", "ha02", "arbiter")


def test_the_unit_uses_options_that_exist() -> None:
    known = {name for parameter in run_command.params for name in parameter.opts}
    starts = [value for name, value in settings(PACKAGING / "understudy.service") if name == "ExecStart"]
    assert len(starts) == 1
    used = re.findall(r"--[a-z-]+", starts[0])
    assert used
    assert set(used) <= known
    assert starts[0].split()[:2] == ["/usr/bin/understudy", "run"]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_lists_every_command_and_no_other(name: str) -> None:
    rows = [line for line in (ROOT / name).read_text("utf-8").splitlines() if line.startswith("| `understudy")]
    listed = {match for row in rows for match in re.findall(r"`understudy ([a-z-]+)", row)}
    assert listed == set(cli.COMMANDS)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name
)
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    """Relative links only; what is on the network is not asked."""
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []
