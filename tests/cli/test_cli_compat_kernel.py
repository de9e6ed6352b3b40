"""Our tools beside the real ones: Debian's heartbeat in namespaces of its own, and a status that says the same of our pair."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from compat_parts import HA_CF, HARESOURCES, PING, SCRIPT, a_folder, lines, old_pair, tool
from manager_helpers import FakePulse, RunningManager

from understudy.cli.compat_cl_status import COMMANDS
from understudy.cli.compat_files import DEFAULTS

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which("cl_status") is None, reason="Debian's package heartbeat is not installed"),
]

PLACES = {
    **dict.fromkeys(("hb_standby", "hb_takeover", "ResourceManager"), "/usr/share/heartbeat/"),
    **dict.fromkeys(("hb_addnode", "hb_delnode", "hb_setweight", "hb_setsite"), "/usr/share/heartbeat/"),
    "heartbeat": "/usr/libexec/heartbeat/",
    "cl_status": "",
}

USAGE = "cl_status", "cl_status -h", "heartbeat -x"
"""Where our own words follow: only the exit code, the streams and the first line are the same."""

WRONG = [
    *(f"{name} {words}" for name in ("hb_standby", "hb_takeover") for words in ("--help", "foo", "all foreign")),
    *("ResourceManager", "ResourceManager foo"),
    *(f"hb_{name}{words}" for name in ("addnode", "delnode", "setweight", "setsite") for words in ("", " --help")),
]

DOWN = [
    *USAGE,
    *WRONG,
    *("heartbeat -s", "heartbeat -k", "cl_status nonsense", "cl_status --help", "cl_status hbstatus"),
    *("cl_status listnodes", "cl_status nodestatus", "cl_status hbstatus -m", "cl_status rscstatus -v"),
]

NODES = ("ha01", "HA02", PING, "nope", "")
PARAMETERS = sorted(
    {*DEFAULTS, "apiauth", "debugfile", "deadping", "initdead", "warntime", "logfacility", "logfile", "nice_failback"}
    | {"node", "normalpoll", "use_logd", "stonith", "watchdog", "nonsense", "ping", "respawn", "ucast"}
)

OF_NODES = ("nodestatus", "nodetype", "nodeweight", "nodesite", "listhblinks", "listhblinks -v", "hblinkstatus")

UP = [
    *USAGE,
    *WRONG,
    *("cl_status nonsense", "cl_status -m nodestatus ha01", "cl_status hbstatus", "cl_status hbstatus -m"),
    *("cl_status nodestatus ha01 ha02", "cl_status nodestatus ha01 -m", "cl_status nodestatus -v ha01"),
    *(
        "cl_status listnodes extra",
        "cl_status rscstatus -v",
        "cl_status hbparameter deadtime",
        "cl_status hbparameter -p",
    ),
    *(f"cl_status listnodes {options}" for options in ("", "-m", "-p", "-n", "-v", "-v -m", "-pm")),
    *(f"cl_status {word} -q" for word in COMMANDS),
    *(f"cl_status {word} {node}" for word in OF_NODES for node in NODES),
    *(f"cl_status {word} -m ha01" for word in OF_NODES),
    *(f"cl_status hblinkstatus {m} ha02 eth1" for m in ("", "-m")),
    *(f"cl_status hblinkstatus {words}" for words in ("ha01 eth1", f"{PING} {PING}", "ha02 eth9", "nope eth1")),
    *(f"cl_status clientstatus {words}" for words in ("ha01 ipfail", "ha02 ipfail", "-m ha01 x", "nope x", "ha01", "")),
    *(f"cl_status hbparameter -p {name}" for name in PARAMETERS),
    *(f"cl_status hbparameter -m -p {name}" for name in ("deadtime", "nonsense", "node")),
    *(f"ResourceManager {words}" for words in ("listkeys HA01", "listkeys ha0[12]", "listkeys nope", "listkeys")),
    *(f"ResourceManager {words}" for words in ("allkeys", "ourkeys", "otherkeys", "statgroup x", "status NoSuch")),
    *(f"ResourceManager {words}" for words in ("takegroup nope", "givegroup nope", "status IPaddr::10.9.8.7")),
    *("cl_status rscstatus", "cl_status rscstatus -m"),
]


def words_of(line: str) -> list[str]:
    name, *rest = line.split()
    return [f"{PLACES[name]}{name}", *rest]


@pytest.fixture(scope="module")
def real() -> dict[str, list[tuple[int, str, str]]]:
    files = {"ha.cf": HA_CF, "haresources": HARESOURCES, "resource.d/Plain": SCRIPT}
    asked = {"files": files, "down": [words_of(line) for line in DOWN], "up": [words_of(line) for line in UP]}
    program = Path(__file__).with_name("real_heartbeat.py")
    command = ["unshare", "-n", "-m", "-u", "-p", "-f", "--mount-proc", sys.executable, str(program)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return {when: [tuple(answer) for answer in answers[when]] for when in ("down", "up")}


def comparable(line: str, code: int, out: str, err: str) -> tuple[str, int, list[str], list[str]]:
    first = line in USAGE or "hbversion" in line
    said = lines(err)
    if "status NoSuch" in line or "status IPaddr" in line:
        said = []  # words of the shell, and of the agent's own log
    return line, code, out.splitlines()[:1] if first else out.splitlines(), said[:1] if first else said


def ours(where: RunningManager | Path, folder: Path, line: str) -> tuple[str, int, list[str], list[str]]:
    name, *rest = line.split()
    done = tool(where, name, *rest, called=f"{PLACES[name]}{name}", HA_DIR=str(folder))
    return comparable(line, done.returncode, done.stdout, done.stderr)


def test_when_nothing_runs(real: dict[str, list[tuple[int, str, str]]], tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    for line, answer in zip(DOWN, real["down"], strict=True):
        assert ours(tmp_path, folder, line) == comparable(line, *answer)


def test_while_it_runs(
    real: dict[str, list[tuple[int, str, str]]], pulse: FakePulse, manager: RunningManager, tmp_path: Path
) -> None:
    """The word of rscstatus is the real one's: alone, it takes half a minute until that stands still."""
    folder = a_folder(tmp_path)
    (manager.runtime_dir / "running.source").write_text(str(folder))
    status = old_pair()
    word = real["up"][UP.index("cl_status rscstatus")][1].strip()
    assert status.heartbeat is not None
    pulse.snapshot = replace(status, heartbeat=replace(status.heartbeat, resources=word))
    each = slice(
        None, None, 1 if os.environ.get("UNDERSTUDY_LONG") == "1" else 3
    )  # of ours each takes a third of a second
    found = [ours(manager, folder, line) for line in UP[each]]
    expected = [comparable(line, *answer) for line, answer in zip(UP[each], real["up"][each], strict=True)]
    different = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
    assert not different, "\n".join(f"ours {mine}\nreal {theirs}" for mine, theirs in different)
