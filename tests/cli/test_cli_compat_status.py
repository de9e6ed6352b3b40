"""cl_status: a pair under the old protocol in its own words, a native cluster translated. The real one beside it: _kernel."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from compat_parts import PING, a_folder, a_group, lines, old_pair, tool
from manager_helpers import FakePulse, RunningManager, a_snapshot

from understudy import __version__
from understudy.cli.compat_cl_status import COMMANDS, read


@pytest.fixture
def old(pulse: FakePulse, manager: RunningManager, tmp_path: Path) -> RunningManager:
    pulse.snapshot = old_pair()
    (manager.runtime_dir / "running.source").write_text(str(a_folder(tmp_path)))
    return manager


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    return done.returncode, done.stdout, lines(done.stderr)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hbstatus", (0, "Heartbeat is running on this machine.\n")),
        ("listnodes", (0, f"{PING}\nha02\nha01\n")),
        ("listnodes -n", (0, "ha02\nha01\n")),
        ("listnodes -pm", (0, f"The nodes are as follow:\n{PING}\n")),
        ("nodestatus HA01", (0, "active\n")),
        ("nodestatus -m ha02", (1, "The cluster node ha02 is dead\n")),
        (f"nodestatus {PING}", (0, "ping\n")),
        (f"nodetype {PING} -m", (0, f"The node {PING}'s type: ping\n")),
        ("nodeweight ha02", (0, "100\n")),
        ("nodesite -m ha02", (0, "The site of the cluster node ha02 is \n")),
        ("listhblinks ha02", (0, "\teth1\n")),
        ("listhblinks -v ha01", (0, "\teth1\tdead\n")),
        (f"hblinkstatus {PING} {PING}", (0, "up\n")),
        ("hblinkstatus -m ha02 eth1", (1, "The node ha02's heartbeat link eth1 is dead\n")),
        ("clientstatus ha01 ipfail", (1, "offline\n")),
        ("rscstatus", (0, "all\n")),
        ("rscstatus -m", (0, "This node is holding all resources.\n")),
        ("hbparameter -p deadtime", (0, "1\n")),
        ("hbparameter -p keepalive", (0, "200ms\n")),
        ("hbparameter -p deadping", (0, "1000ms\n")),
        ("hbparameter -mp msgfmt", (0, "Heartbeat parameter msgfmt's value: classic\n")),
    ],
)
def test_answers(old: RunningManager, words: str, expected: tuple[int, str]) -> None:
    assert said(tool(old, "cl_status", *words.split())) == (*expected, [])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nonsense", (11, ["ERROR: nonsense: invalid sub-command."])),
        ("--help", (11, ["ERROR: --help: invalid sub-command."])),
        ("nodestatus", (11, ["Not enough parameters."])),
        ("nodestatus nope", (11, ["Error. May be due to incorrect node name"])),
        ("listhblinks nope", (13, ["ERROR: Cannot start heartbeat link interface walk.", "ERROR: REASON"])),
        ("hblinkstatus ha02 eth9", (13, ["ERROR: Cannot get heartbeat link status", "ERROR: REASON"])),
        ("hbparameter", (11, ["ERROR: parameter name required"])),
        ("hbparameter -p nonsense", (1, ["ERROR: Cannot get parameter nonsense's value", "ERROR: REASON"])),
        ("hbparameter -p node", (1, ["ERROR: Cannot get parameter node's value", "ERROR: REASON"])),
        (
            "nodestatus -v ha01",
            (11, ["nodestatus: invalid option -- 'v'", "ERROR: Error: getopt returnedcharacter ?."]),
        ),
    ],
)
def test_questions_without_an_answer(old: RunningManager, words: str, expected: tuple[int, list[str]]) -> None:
    code, out, err = said(tool(old, "cl_status", *words.split()))
    assert (code, err, out) == (*expected, "")


def test_usage_names_every_sub_command(tmp_path: Path) -> None:
    for words in ((), ("-h",)):
        done = tool(tmp_path, "cl_status", *words)
        assert (done.returncode, done.stderr) == (0, "")
        named = {line.split()[0] for line in done.stdout.splitlines()[3:] if line[:1].isalpha()}
        assert named == {"hbstatus", *COMMANDS}


def test_verbose_status_is_what_monitoring_reads(old: RunningManager) -> None:
    done = tool(old, "cl_status", "hbstatus", "-v")
    assert done.stdout == (
        "Heartbeat is running on this machine.\n"
        f'version:\t3.0.6 (understudy: {__version__})\nmanaged by:\t"haresources"\n'
        f"\n{PING}\tping\t(nodetype: ping)\n\t{PING}\tup\n"
        "\nha02\tdead\t(nodetype: normal)\n\teth1\tdead\n"
        "\nha01\tactive\t(nodetype: normal)\n\teth1\tdead\n"
    )


def test_ipfail_is_a_client_where_it_is_configured(old: RunningManager, pulse: FakePulse, tmp_path: Path) -> None:
    with (tmp_path / "ha.d" / "ha.cf").open("a") as file:
        file.write("respawn hacluster /usr/lib/heartbeat/ipfail\n")
    assert said(tool(old, "cl_status", "clientstatus", "ha01", "ipfail")) == (0, "online\n", [])
    assert said(tool(old, "cl_status", "clientstatus", "ha01", "other")) == (1, "offline\n", [])
    assert tool(old, "cl_status", "clientstatus", "ha02", "ipfail").stdout == "offline\n"
    pulse.snapshot = old_pair(other="active")
    done = tool(old, "cl_status", "clientstatus", "ha02", "ipfail", "100")
    assert (done.returncode, lines(done.stderr)) == (
        13,
        ["ERROR: Cannot get heartbeat client ipfail's status", "ERROR: REASON"],
    )


def test_defaults_that_follow_from_other_directives(old: RunningManager, tmp_path: Path) -> None:
    """As 3.0.6 answered with the same ha.cf."""
    (tmp_path / "ha.d" / "ha.cf").write_text("deadtime 1\nlogfacility local0\nudpport 695,696 # last\nnode a b\n")
    answers = {"warntime": "500ms", "initdead": "12000ms", "deadping": "1000ms", "debugfile": "/dev/null"}
    answers |= {"keepalive": "1000ms", "udpport": "696", "auto_failback": "legacy", "crm": "false"}
    for name, value in answers.items():
        assert tool(old, "cl_status", "hbparameter", "-p", name).stdout == f"{value}\n"


def test_parameters_are_those_that_the_daemon_runs_with(old: RunningManager, tmp_path: Path) -> None:
    """Its copy of ha.cf counts, whatever has been edited since; what is no text is passed over."""
    copy = old.runtime_dir / "running.toml"
    copy.write_text('[heartbeat]\n"ha.cf" = """\ndeadtime 7\nrespawn root /x/ipfail\n"""\n')
    assert tool(old, "cl_status", "hbparameter", "-p", "deadtime").stdout == "7\n"
    assert tool(old, "cl_status", "clientstatus", "ha01", "ipfail").stdout == "online\n"
    for text in ("heartbeat = 1", "[heartbeat]\n'ha.cf' = 1", "["):
        copy.write_text(text)
        assert tool(old, "cl_status", "hbparameter", "-p", "deadtime").stdout == "1\n"


def test_nothing_runs(tmp_path: Path) -> None:
    done = tool(tmp_path, "cl_status", "hbstatus")
    assert said(done) == (1, "Heartbeat is stopped on this machine.\n", [])
    done = tool(tmp_path, "cl_status", "hbstatus", "-v")
    assert done.stdout.splitlines()[1] == f"(no daemon answers at {tmp_path}/control.sock)"
    for words in (("listnodes",), ("nodestatus",), ("rscstatus", "-v")):
        code, out, err = said(tool(tmp_path, "cl_status", *words))
        assert (code, out, err) == (1, "", ["ERROR: Cannot signon with heartbeat", "ERROR: REASON"])


def test_a_daemon_without_its_heart_is_stopped(pulse: FakePulse, manager: RunningManager) -> None:
    assert tool(manager, "cl_status", "rscstatus").returncode == 0
    pulse.die()
    done = tool(manager, "cl_status", "hbstatus")
    assert (done.returncode, done.stdout) == (1, "Heartbeat is stopped on this machine.\n")


# A native cluster ------------------------------------------------------------------------------------------------------

NATIVE = """\
[cluster]
name = "site"
heartbeat = "200ms"
dead_time = "1s"
[groups.site]
failback = "never"
[groups.site.stays_where]
ping = ["192.0.2.254", "192.0.2.253"]
"""


@pytest.fixture
def native(pulse: FakePulse, manager: RunningManager) -> RunningManager:
    (manager.runtime_dir / "running.toml").write_text(NATIVE)
    (manager.runtime_dir / "running.source").write_text("/etc/understudy/cluster.toml")
    assert pulse.snapshot is not None
    mine, *others = pulse.snapshot.nodes
    nodes = (replace(mine, reaches=("192.0.2.253",)), *others)
    pulse.snapshot = replace(pulse.snapshot, nodes=nodes, groups=(a_group("site", "a", "a"),))
    return manager


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("listnodes", (0, "192.0.2.253\n192.0.2.254\nw\nb\na\n")),
        ("listnodes -p", (0, "192.0.2.253\n192.0.2.254\n")),
        ("nodestatus b", (0, "active\n")),
        ("nodestatus 192.0.2.254", (1, "dead\n")),
        ("hblinkstatus a net1", (0, "up\n")),
        ("hblinkstatus w net1", (1, "dead\n")),
        ("rscstatus", (0, "local\n")),
        ("clientstatus a ipfail", (0, "online\n")),
        ("hbparameter -p deadtime", (0, "1000ms\n")),
        ("hbparameter -p auto_failback", (0, "off\n")),
        ("hbparameter -p cluster", (0, "site\n")),
        ("hbparameter -p baud", (1, "")),
    ],
)
def test_a_native_cluster(native: RunningManager, words: str, expected: tuple[int, str]) -> None:
    done = tool(native, "cl_status", *words.split())
    assert (done.returncode, done.stdout) == expected, done.stderr


@pytest.mark.parametrize(
    ("holders", "word"),
    [
        ((("a", "a"), ("b", "b")), "local"),
        ((("a", "a"), ("a", "b")), "all"),
        ((("b", "a"), ("a", "b")), "foreign"),
        ((("b", "a"), (None, "b")), "none"),
    ],
)
def test_which_resources_of_a_native_cluster(
    native: RunningManager, pulse: FakePulse, holders: tuple[tuple[str | None, str], ...], word: str
) -> None:
    groups = tuple(a_group(f"g{index}", *pair) for index, pair in enumerate(holders))
    pulse.snapshot = replace(a_snapshot(), groups=groups)
    assert tool(native, "cl_status", "rscstatus").stdout == f"{word}\n"
    starting = (a_group("g9", "a", "a", "starting"), *groups)
    pulse.snapshot = replace(a_snapshot(), groups=starting)
    assert tool(native, "cl_status", "rscstatus").stdout == "transition\n"


def test_a_copy_that_cannot_be_read_costs_only_what_stands_in_it(native: RunningManager) -> None:
    (native.runtime_dir / "running.toml").write_text("[cluster")
    assert tool(native, "cl_status", "nodestatus", "b").stdout == "active\n"
    assert tool(native, "cl_status", "hbparameter", "-p", "deadtime").returncode == 1
    assert tool(native, "cl_status", "listnodes", "-p").stdout == "192.0.2.253\n"


@pytest.mark.parametrize(
    ("words", "options", "rest", "trouble"),
    [
        (["-p", "x", "a"], {"p": "x"}, ["a"], ""),
        (["a", "-mpx"], {"p": "x", "m": ""}, ["a"], ""),
        (["--", "-m"], {}, ["-m"], ""),
        (["-p"], {}, [], "c: option requires an argument -- 'p'"),
        (["-q", "-m"], {"m": ""}, [], "c: invalid option -- 'q'"),
        (["-:"], {}, [], "c: invalid option -- ':'"),
    ],
)
def test_options_are_read_as_getopt_does(
    words: list[str], options: dict[str, str], rest: list[str], trouble: str
) -> None:
    asked = read("c", words, "mp:")
    assert (asked.options, asked.words, asked.trouble) == (options, rest, trouble)
