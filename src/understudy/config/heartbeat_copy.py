"""What a node runs with that was started from Heartbeat's files: one text for the runtime directory, written and read again.

It holds the three files as they were, what this machine said about them (interfaces, scripts, addresses of names), and the groups
as native tables. So whatever is started again means the same as what it follows, without a look at a machine that may be another
by then. Nobody writes such a text by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Problem
from ..heartbeat_files import HeartbeatFiles, OldGroup, PingNode
from ..model import Cluster, Group, Member, Quorum, Role
from .digest import digest
from .fences import fitting_watchdog
from .groups import read_groups
from .heartbeat import NAMES
from .heartbeat_cf import read_cf
from .heartbeat_keys import read_authkeys
from .heartbeat_lines import text_of
from .heartbeat_rules import judge_cf
from .heartbeat_stonith import devices
from .members import MemberDraft
from .render import group_lines, quoted
from .report import Report, Scope
from .toml import parse
from .tree import Place, Table, plain

MARK = "# What this node runs with: Heartbeat's files as they were when they were accepted. Written by understudy run."
"""The first line, by which such a text is known."""


@dataclass(frozen=True, slots=True)
class HeartbeatCopy:
    """``texts``: the bytes of the three files, in the order of ``NAMES``. ``hosts``: addresses of the names in ha.cf.

    ``home``: the folder of hb_uuid, hb_generation and the control FIFO.
    """

    files: HeartbeatFiles
    texts: tuple[bytes, ...]
    port: int
    home: str
    hosts: Mapping[str, str] = field(default_factory=dict)

    @property
    def pings(self) -> tuple[PingNode, ...]:
        """The ping nodes with addresses in the place of names. A name that nobody knew stays, and the manager asks again."""
        return tuple(
            replace(node, hosts=tuple(self.hosts.get(host, host) for host in node.hosts))
            for node in self.files.ping_nodes
        )


def cluster_of(copy: HeartbeatCopy, source: str) -> Cluster:
    """What the manager and the kernel's side must know: groups and times. Its members have no links."""
    files = copy.files
    timeout = fitting_watchdog(files.deadtime) if files.watchdog else 0
    watchdog = files.watchdog if timeout else ""
    cluster = Cluster(
        name=files.cluster,
        key_file="",
        heartbeat=files.keepalive,
        dead_time=files.deadtime,
        quorum=Quorum.PAIR,
        members=tuple(Member(name, Role.NODE, (), watchdog=watchdog) for name in files.nodes),
        groups=tuple(group.group for group in files.groups),
        ping=tuple(dict.fromkeys(host for node in copy.pings for host in node.hosts)),
        source=source,
        init_dead_time=files.initdead,
        heartbeat3=True,
        fences=devices(files),
        watchdog_timeout=timeout,
        services=files.services,
    )
    return replace(cluster, digest=digest(cluster))


def write_copy(copy: HeartbeatCopy) -> str:
    """The text for the runtime directory. It holds the keys of authkeys: only our own user may read it."""
    files = copy.files
    lines = [MARK, "", "[heartbeat]", f"folder = {quoted(files.folder)}", f"home = {quoted(copy.home)}"]
    lines.append(f"port = {copy.port}")
    for name, data in zip(NAMES, copy.texts, strict=True):
        lines.append(f"{quoted(name)} = {_block(data)}")
    lines += ["", "[heartbeat.hosts]", *(f"{quoted(name)} = {quoted(copy.hosts[name])}" for name in copy.hosts)]
    for group in files.groups:
        words = ", ".join(map(quoted, group.words))
        lines += ["", f"[heartbeat.lines.{quoted(group.group.name)}]", f"key = {quoted(group.key)}"]
        lines += [f"node = {quoted(group.node)}", f"words = [{words}]"]
    for group in files.groups:
        lines += group_lines(group.group)
    return "\n".join(lines) + "\n"


def read_copy(text: str, path: str) -> HeartbeatCopy | Problem:
    """What ``write_copy`` wrote. Never raises; a text that nobody of us wrote is a Problem."""
    tree = parse(text, path)
    if isinstance(tree, Problem):
        return tree
    try:
        return _read(tree, path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Problem(path, 0, 0, f"this is no copy of Heartbeat's files that this version wrote: {error!r}", "")


def _read(tree: Table, path: str) -> HeartbeatCopy | Problem:
    said: dict[str, Any] = plain(tree.entries["heartbeat"].value)
    texts = tuple(said[name].encode("latin-1") for name in NAMES)
    port, folder = int(said["port"]), str(said["folder"])
    report = Report(path)
    draft = read_cf(report, text_of(texts[0]), path, port)
    settings = judge_cf(report, draft, path, folder, None, False)
    settings = replace(settings, udpport=draft.number("udpport", port))
    keys = read_authkeys(report, texts[2], path, 0o600)
    groups = _groups(report, tree, settings)
    if report.refused:
        return next(problem for problem in report.in_order() if problem.severity == "error")
    lines = said.get("lines", {})
    old = tuple(OldGroup(item["key"], item["node"], tuple(item["words"]), groups[name]) for name, item in lines.items())
    files = replace(settings, groups=old, keys=keys.keys, outgoing=keys.outgoing or 0)
    return HeartbeatCopy(files, texts, port, str(said["home"]), dict(said.get("hosts", {})))


def _groups(report: Report, tree: Table, settings: HeartbeatFiles) -> dict[str, Group]:
    members = [MemberDraft(node, Role.NODE, Place()) for node in settings.nodes]
    drafts = read_groups(report, Scope(report, tree, "the copy", Place()), members)
    return {draft.group.name: draft.group for draft in drafts}


def _block(data: bytes) -> str:
    """A file as a string of several lines, exactly: what is no ASCII is kept byte by byte."""
    lines = data.decode("latin-1").split("\n")
    return '"""\n' + "\n".join(quoted(line)[1:-1] for line in lines) + '"""'
