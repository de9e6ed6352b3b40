"""A pair under the old protocol as a status, its files, and the old tools as a script calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from manager_helpers import RunningManager, a_snapshot

from understudy.snapshot import GroupStatus, HeartbeatNode, HeartbeatView, Snapshot

PING = "192.168.107.101"

HA_CF = f"""\
keepalive 200ms
deadtime 1
warntime 500ms
initdead 3
ucast eth1 192.168.107.102
auto_failback off
use_logd no
logfile /run/ha.log
node ha01
node ha02
ping {PING}
"""

HARESOURCES = """\
# two groups
ha01 192.168.107.77  Plain::one
ha02\tIPaddr::192.168.107.78/24/eth1 \\
  Delay::1
"""

SCRIPT = '#!/bin/sh\necho "called: $*" >> "$HA_DIR/calls"\n[ -e "$HA_DIR/runs" ] && echo "Running OK" || echo stopped\n'

CODE = "from understudy.cli.compat import main; main()"


def a_folder(directory: Path) -> Path:
    """ha.cf and haresources, and one script that runs while there is a file ``runs``."""
    folder = directory / "ha.d"
    (folder / "resource.d").mkdir(parents=True)
    (folder / "ha.cf").write_text(HA_CF)
    (folder / "haresources").write_text(HARESOURCES)
    script = folder / "resource.d" / "Plain"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return folder


def a_group(name: str, holder: str | None, preferred: str, state: str = "started") -> GroupStatus:
    return replace(a_snapshot().groups[0], name=name, holder=holder, preferred=preferred, state=state, resources=())


def old_pair(resources: str = "all", other: str = "dead") -> Snapshot:
    """As ha01 sees it."""
    up = "up" if other in ("up", "active") else "dead"
    nodes = (
        HeartbeatNode("ha01", "normal", "active", {}),
        HeartbeatNode("ha02", "normal", other, {"eth1": up}),
        HeartbeatNode(PING, "ping", "ping", {PING: "up"}),
    )
    keys = {"192.168.107.77": "192.168.107.77", "192.168.107.78": "IPaddr::192.168.107.78/24/eth1"}
    holders = ("ha01", "ha01") if resources == "all" else ("ha01", "ha02")
    groups = tuple(
        a_group(name, holder, node) for name, holder, node in zip(keys, holders, ("ha01", "ha02"), strict=True)
    )
    return replace(a_snapshot(), node="ha01", groups=groups, heartbeat=HeartbeatView(resources, nodes, keys))


def tool(
    where: RunningManager | Path, name: str, *words: str, called: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """What a launcher runs. ``where``: the manager, or a runtime directory."""
    directory = where if isinstance(where, Path) else where.runtime_dir
    variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(directory), "HA_CURHOST": "", **environment}
    command = [sys.executable, "-P", "-c", CODE, name, called or name, *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)


def lines(text: str) -> list[str]:
    """Lines of standard error without what differs between two calls: time, machine, process, and the reason of a failure."""
    found = []
    for line in text.splitlines():
        _, sign, rest = line.partition("]: ")
        plain = rest if sign else line
        found.append(plain.partition("REASON: ")[0] + "REASON" if "REASON: " in plain else plain)
    return found
