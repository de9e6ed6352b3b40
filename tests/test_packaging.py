"""The systemd unit and the sample configuration: what an administrator copies must be right as it stands."""

from __future__ import annotations

import configparser
import hashlib
import os
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


UNITS = (
    "understudy.service",
    "understudy-heartbeat.service",
    "understudy-keepalived.service",
    "understudy-ldirectord.service",
)


def verify(directory: Path, text: str, name: str = "understudy.service") -> str:
    """systemd's own opinion of the unit with its witness drop-in; empty when it has none."""
    # verify also wants the program to exist, which is not installed where the tests run.
    unit = directory / name
    unit.write_text(text.replace("/usr/bin/understudy", "/bin/true"))
    shutil.copytree(PACKAGING / "understudy.service.d", directory / "understudy.service.d")
    command = [str(SYSTEMD_ANALYZE), "verify", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 and not done.stderr.strip() else done.stderr or "refused"


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed")
class TestSystemd:
    @pytest.mark.parametrize("name", UNITS)
    def test_unit_and_drop_in_are_accepted(self, tmp_path: Path, name: str) -> None:
        assert verify(tmp_path, (PACKAGING / name).read_text(), name) == ""

    def test_the_old_service_name_comes_and_goes_with_the_unit(self, tmp_path: Path) -> None:
        """Beside Debian's own unit of that name, which stays where it is and does not count while the alias is there."""
        units, links = tmp_path / "usr/lib/systemd/system", tmp_path / "etc/systemd/system"
        units.mkdir(parents=True)
        links.mkdir(parents=True)
        (units / "heartbeat.service").write_text("[Service]\nExecStart=/bin/true\n")
        shutil.copyfile(PACKAGING / UNITS[1], units / UNITS[1])
        link = links / "heartbeat.service"

        def systemctl(*words: str) -> str:
            command = ["systemctl", f"--root={tmp_path}", *words]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()

        assert (systemctl("is-enabled", UNITS[1]), link.is_symlink()) == ("disabled", False)
        systemctl("enable", UNITS[1])
        assert os.readlink(link) == f"/usr/lib/systemd/system/{UNITS[1]}"  # as packaging/debian/postrm expects it
        assert systemctl("is-enabled", "heartbeat.service") == "alias"
        systemctl("disable", UNITS[1])
        assert (link.is_symlink(), (units / "heartbeat.service").exists()) == (False, True)

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


def test_the_unit_with_heartbeats_files_is_the_same_but_for_what_it_starts() -> None:
    """KillMode and the others matter there as much; who changes one unit must change both."""
    first, second = ([pair for pair in settings(PACKAGING / name) if pair[0] != "Description"] for name in UNITS[:2])
    added = [pair for pair in second if pair not in first]
    assert [name for name, _ in added] == [
        *("Documentation", "ConditionPathExists", "ExecStartPre", "ExecStart", "Alias")
    ]
    starts = [dict(found)["ExecStart"] for found in (first, second)]
    assert starts[1] == starts[0].replace("/etc/understudy/cluster.toml", "/etc/ha.d")
    assert [pair[0] for pair in first if pair not in second] == ["Documentation", "ExecStart"]


def test_the_unit_with_keepalived_conf_is_the_same_but_for_what_it_starts_and_leaves() -> None:
    first, second = (
        [pair for pair in settings(PACKAGING / name) if pair[0] not in ("Description", "Documentation")]
        for name in (UNITS[0], UNITS[2])
    )
    added = [pair for pair in second if pair not in first]
    assert [name for name, _ in added] == ["ConditionPathExists", "ExecStart", "ExecStopPost"]
    assert [pair[0] for pair in first if pair not in second] == ["ExecStart"]
    native = dict(first)["ExecStart"]
    assert dict(second)["ExecStart"] == native.replace("understudy/cluster.toml", "keepalived/keepalived.conf")
    program, word, *options = dict(added)["ExecStopPost"].split()
    assert (program, word in cli.COMMANDS, options) == ("-/usr/bin/understudy", True, native.split()[4:6])


def test_the_unit_with_ldirectord_cf_is_the_same_but_for_what_it_starts() -> None:
    first, second = (
        [pair for pair in settings(PACKAGING / name) if pair[0] not in ("Description", "Documentation")]
        for name in (UNITS[0], UNITS[3])
    )
    start = dict(first)["ExecStart"].replace("understudy/cluster.toml", "ha.d/ldirectord.cf")
    assert [pair for pair in second if pair not in first] == [
        ("After", "network-online.target nss-lookup.target"),
        ("Wants", "network-online.target"),
        ("ConditionPathExists", "/etc/ha.d/ldirectord.cf"),
        ("ExecStart", start),
        ("RestartSec", "5s"),
    ]
    assert [pair[0] for pair in first if pair not in second] == ["ExecStart", "RestartSec"]


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_the_package_knows_every_unit(name: str) -> None:
    """Each list in its scripts has all of them, or all but the first."""
    text = (PACKAGING / "debian" / name).read_text()
    known = [unit.removesuffix(".service") for unit in UNITS]
    lists = [found.split() for found in re.findall(r"for \w+ in (.*); do", text)]
    named = [re.findall(r"([\w-]+)\.service", line) for line in text.splitlines()]
    lists += [names for names in named if "understudy" in names]
    assert lists
    assert [names for names in lists if names not in (known, known[1:])] == []


def test_a_start_of_one_unit_does_not_stop_the_other() -> None:
    """ "systemctl start understudy", typed out of habit on a machine with /etc/ha.d, took its daemon down and started nothing."""
    assert [name for unit in UNITS for name, _ in settings(PACKAGING / unit) if name == "Conflicts"] == []


def test_what_runs_is_named_by_its_unit_after_an_upgrade() -> None:
    text = (PACKAGING / "debian" / "postinst").read_text()
    assert "systemctl restart $unit" in text
    assert "systemctl restart understudy" not in text


@pytest.mark.parametrize(("name", "code"), [("heartbeat: master", 1), ("sleep", 0), ("", 0)])
def test_nothing_starts_beside_the_old_daemon(tmp_path: Path, name: str, code: int) -> None:
    """Its pid file may be missing, or name a process that is another one by now."""
    (line,) = [value for name, value in settings(PACKAGING / UNITS[1]) if name == "ExecStartPre"]
    pid_file = tmp_path / "heartbeat.pid"
    words = shlex.split(line.replace("$$", "$").replace("/run/heartbeat.pid", str(pid_file)))
    with subprocess.Popen([name or "sleep", "60"], executable=shutil.which("sleep")) as process:
        if name:
            pid_file.write_text(f"{process.pid:>10}\n")
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        process.kill()
    assert done.returncode == code
    assert "still runs here" in done.stderr if code else done.stderr == ""


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
