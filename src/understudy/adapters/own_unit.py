"""Which of our four units of systemd this machine's daemon belongs to: for what people are told to type.

A machine that runs from Heartbeat's files, or did before ``understudy upgrade``, has ``understudy-heartbeat``: a
``systemctl stop understudy`` would do nothing there. Standard library only, and read in a moment: the supervisor asks, too.
"""

from __future__ import annotations

import os

from . import lockfile

NATIVE = "understudy"
OLD = "understudy-heartbeat"
ROUTERS = "understudy-keepalived"
BALANCER = "understudy-ldirectord"
UNITS = (NATIVE, OLD, ROUTERS, BALANCER)
SOURCE = "running.source"
"""As ``running.SOURCE``, which the supervisor does not load."""

_WANTED = "etc/systemd/system/multi-user.target.wants"
_NATIVE_FILE = "etc/understudy/cluster.toml"
_OLD_FILE = "etc/ha.d/ha.cf"
_BALANCED_FILE = "/etc/ha.d/ldirectord.cf"


def unit_of(process: int) -> str:
    """Our unit that a process belongs to, without ``.service``; "" for none."""
    if not os.path.isdir("/run/systemd/system"):
        return ""
    try:
        with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as file:
            return unit_in(file.read())
    except OSError:
        return ""


def unit_in(text: str) -> str:
    """Our unit in the text of ``/proc/PID/cgroup`` (cgroups(7)); "" for none."""
    words = [part for line in text.splitlines() for part in line.strip().rpartition(":")[2].split("/")]
    units = [word for word in words if word.endswith(".service") and not word.startswith("user@")]
    name = units[-1].removesuffix(".service") if units else ""
    return name if name in UNITS else ""


def own_unit(runtime_dir: str, root: str = "/") -> str:
    """The unit that runs here, else ran last, else is enabled, else has a file. ``root``: of the machine's files."""
    for name in ("supervisor", "pulse"):
        process = lockfile.holder(os.path.join(runtime_dir, f"{name}.lock"))
        if process and (unit := unit_of(process)):
            return unit
    return _by_files(runtime_dir, root)


def supervised_by(runtime_dir: str) -> str:
    """As ``own_unit``, for the supervisor itself, which must not open its own lock."""
    return unit_of(os.getpid()) or _by_files(runtime_dir, "/")


def speaks_old(root: str = "/") -> bool:
    """Whether Heartbeat's files are all that this machine could start with."""
    return os.path.exists(os.path.join(root, _OLD_FILE)) and not os.path.exists(os.path.join(root, _NATIVE_FILE))


def _by_files(runtime_dir: str, root: str) -> str:
    try:
        with open(os.path.join(runtime_dir, SOURCE), "rb") as file:
            source = os.fsdecode(file.read())
    except OSError:
        source = ""
    if source and not source.endswith(".toml") and os.path.isdir(source):
        return OLD
    if os.path.basename(source) == "keepalived.conf":
        return ROUTERS
    if source == _BALANCED_FILE:
        return BALANCER
    enabled = [name for name in UNITS if os.path.lexists(os.path.join(root, _WANTED, f"{name}.service"))]
    if len(enabled) == 1:
        return enabled[0]
    return OLD if not enabled and speaks_old(root) else NATIVE
