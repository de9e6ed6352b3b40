"""What differs between two readings of Heartbeat's files, and what of it a node can take up while it runs."""

from __future__ import annotations

from dataclasses import fields, replace

from ..heartbeat_files import AutoFailback, HeartbeatFiles
from ..model import Cluster
from ..units import Duration
from .difference import Change, Difference, How, difference
from .fences import fitting_watchdog
from .heartbeat_copy import HeartbeatCopy, cluster_of
from .heartbeat_words import written_time

TAKEN_UP = ("keepalive", "deadtime", "warntime", "initdead", "deadping", "auto_failback", "stonith", "environment")
"""Words of ha.cf that count from the next moment on. All others need a restart of the daemon, or are of no effect."""

_BESIDE = ("folder", "logging", "groups", "services", "keys", "outgoing")

_WORDS = {
    "nodes": "node",
    "media": "the media (bcast, ucast, mcast, serial)",
    "ping_nodes": "ping and ping_group",
    "ipfail": "respawn of ipfail",
    "respawn": "respawn and failfast",
    "api_access": "apiauth",
    "environment": "env",
    "max_resend_delay": "max_rexmit_delay",
    "hop_fudge": "hopfudge",
    "generation_by_time": "hbgenmethod",
    "uuid_from_name": "uuidfrom",
}

_NEEDS_RESTART = "only a restart of the daemon on this machine changes that"


def heartbeat_difference(before: HeartbeatCopy, after: HeartbeatCopy, source: str) -> Difference:
    """From ``before``, with which a node runs, to ``after``. No secret is in what is said."""
    changes = [*_settings(before.files, after.files), *_keys(before.files, after.files)]
    if before.pings != after.pings and before.files.ping_nodes == after.files.ping_nodes:
        changes.append(Change("ha.cf", f"a name of a ping node has another address now: {_NEEDS_RESTART}", How.RESTART))
    found = difference(_only_groups(before, before, source), _only_groups(after, before, source))
    nodes = {group.group.name: group.node for group in before.files.groups}
    for group in after.files.groups:
        name, node = group.group.name, nodes.get(group.group.name, group.node)
        if node != group.node:
            text = f"{name} goes from the line of {node} to that of {group.node}: who has not read that serves it still"
            hint = "take it out on both machines first, with a reload on each; then put it in"
            changes.append(Change("haresources", f"{text}; {hint}", How.TWO_STEPS))
    return Difference((*changes, *found.changes), found.effects, found.restart)


def _only_groups(copy: HeartbeatCopy, frame: HeartbeatCopy, source: str) -> Cluster:
    """Its groups and what they balance, within all the rest of ``frame``."""
    files = replace(frame.files, groups=copy.files.groups, services=copy.files.services)
    return cluster_of(replace(frame, files=files), source)


def _settings(before: HeartbeatFiles, after: HeartbeatFiles) -> list[Change]:
    found = []
    for item in fields(HeartbeatFiles):
        old, new = getattr(before, item.name), getattr(after, item.name)
        if item.name in _BESIDE or old == new:
            continue
        word = _WORDS.get(item.name, item.name)
        if item.name not in TAKEN_UP:
            found.append(Change("ha.cf", f"{word} is another: {_NEEDS_RESTART}", How.RESTART))
        elif item.name == "auto_failback":
            how = How.RESTART if AutoFailback.LEGACY in (old, new) else How.RELOAD
            why = f": legacy is another protocol, and {_NEEDS_RESTART}" if how is How.RESTART else ""
            found.append(Change("ha.cf", f"auto_failback {old.value} becomes {new.value}{why}", how))
        elif isinstance(old, int):
            found.append(_time(before, word, old, new))
        else:
            found.append(Change("ha.cf", f"{word} is another"))
    return found


def _time(before: HeartbeatFiles, word: str, old: Duration, new: Duration) -> Change:
    text = f"{word} {written_time(old)} becomes {written_time(new)}"
    if word == "deadtime" and before.watchdog and fitting_watchdog(old) != fitting_watchdog(new):
        return Change("ha.cf", f"{text}: the watchdog counts to twice as much, and {_NEEDS_RESTART}", How.RESTART)
    return Change("ha.cf", text)


def _keys(before: HeartbeatFiles, after: HeartbeatFiles) -> list[Change]:
    old, new = ({key.index: key for key in files.keys} for files in (before, after))
    found = []
    for index in sorted(old.keys() & new.keys()):
        if old[index] != new[index]:
            text = f"key {index} is another: give the new one a free index, and keep {index} until both machines sign with it"
            found.append(Change("authkeys", text, How.TWO_STEPS))
    if before.outgoing not in new:
        text = f"key {before.outgoing}, which signs, is gone: let another one sign first, with both in the file"
        found.append(Change("authkeys", text, How.TWO_STEPS))
    found += [Change("authkeys", f"key {index} is accepted") for index in sorted(new.keys() - old.keys())]
    gone = sorted(old.keys() - new.keys() - {before.outgoing})
    found += [Change("authkeys", f"key {index} is accepted no more") for index in gone]
    if before.outgoing != after.outgoing:
        text = f"key {after.outgoing} signs as soon as the other machine accepts it"
        found.append(Change("authkeys", text))
    return found
