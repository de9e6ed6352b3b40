"""The lines of a script that describe the cluster: ``cluster``, ``group`` and ``capacity``."""

from __future__ import annotations

from dataclasses import replace

from ..config.hours import read_hours
from ..fence_devices import FenceDevice
from ..hours import Hours
from ..model import (
    AddressResource,
    Cluster,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    Limits,
    Member,
    OnFailure,
    Quorum,
    Resource,
    Restarts,
    ScriptResource,
    stages_of,
)
from ..probes import PingCheck, Probe, Reach
from ..units import MINUTE, SECOND, parse_duration
from .shapes import SERVICE_DEVICE, make_members, script_devices

_OF_A_CLUSTER = ("witness", "quorum", "ping", "heartbeat", "dead", "fenced", "watchdog", "spare")
_OF_A_GROUP = (
    *("address", "program", "script", "exclusive", "prefer", "failback", "restarts", "on-failure"),
    *("with", "apart", "after", "weight", "stages", "probe", "reach", "damping", "monitor"),
)


def read_cluster(words: list[str]) -> tuple[Cluster, tuple[Member, ...]]:
    """What stands after ``cluster``, and the machines that may become members; groups follow on lines of their own."""
    options = split(words, _OF_A_CLUSTER)
    named = [word for word in options[""] if word != "nodes"]
    nodes = [f"ha{i:02}" for i in range(1, int(named[0]) + 1)] if named[0].isdigit() else named
    spare = tuple(options.get("spare", ()))
    members = make_members((*nodes, *spare), tuple(options.get("witness", ())))
    spares = tuple(item for item in members if item.name in spare)
    members = tuple(item for item in members if item not in spares)
    fences: tuple[FenceDevice, ...] = ()
    if "watchdog" in options:
        members = tuple(replace(item, watchdog="/dev/watchdog") for item in members)
    if "fenced" in options:
        fences = script_devices(nodes, "reboot" in options["fenced"])
    cluster = Cluster(
        name="site",
        key_file="cluster.key",
        heartbeat=parse_duration(options["heartbeat"][0]),
        dead_time=parse_duration(options["dead"][0]),
        quorum=Quorum(options["quorum"][0]) if "quorum" in options else Quorum.MAJORITY,
        members=members,
        fences=fences,
        watchdog_timeout=parse_duration(options["watchdog"][0]) if "watchdog" in options else 0,
        groups=(),
        ping=tuple(options.get("ping", ())),
        digest="sameones",
    )
    return cluster, spares


def with_capacity(cluster: Cluster, name: str, capacity: int) -> Cluster:
    """The cluster with a node that takes no more than ``capacity``. Raises KeyError for an unknown name."""
    cluster.member(name)
    members = (replace(item, capacity=capacity) if item.name == name else item for item in cluster.members)
    return replace(cluster, members=tuple(members))


def read_group(words: list[str]) -> Group:
    """What stands after ``group``."""
    options = split(words[1:], _OF_A_GROUP)
    monitor = parse_duration(options.get("monitor", ["1s"])[0])
    limits = Limits(start=2 * SECOND, stop=2 * SECOND, monitor=monitor, interval=10 * SECOND)
    on_failure = OnFailure(options.get("on-failure", ["restart"])[0])
    restarts = Restarts(int(options.get("restarts", ["3"])[0]), 10 * MINUTE, on_failure)
    resources: list[Resource] = [
        AddressResource(f"address {a}", a, 24, SERVICE_DEVICE) for a in options.get("address", ())
    ]
    for name in options.get("program", ()):
        resources.append(CommandResource(name, (name,), limits=replace(limits, interval=0), restarts=restarts))
    for kind in ("script", "exclusive"):
        for name in options.get(kind, ()):
            resources.append(
                ScriptResource(name, f"/{name}", (), kind == "exclusive", limits=limits, restarts=restarts)
            )
    return Group(
        words[0],
        tuple(resources),
        tuple(options.get("prefer", ())),
        _failback(" ".join(options.get("failback", ["when-healthy"]))),
        stop_timeout=5 * SECOND,
        together=options["with"][0] if "with" in options else None,
        apart=tuple(options.get("apart", ())),
        after=tuple(options.get("after", ())),
        weight=int(options["weight"][0]) if "weight" in options else 0,
        stages=stages_of([int(word) for word in options.get("stages", ())]),
        probes=tuple(_probe(word) for word in options.get("probe", ())),
        stays_where=Reach(tuple(options["reach"]), parse_duration(options.get("damping", ["5s"])[0]))
        if "reach" in options
        else None,
    )


def split(words: list[str], known: tuple[str, ...]) -> dict[str, list[str]]:
    """Split ``a b key c d key e`` into lists; what stands before the first key is under the empty name."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for word in words:
        if word in known:
            current = word
            found.setdefault(word, [])
        else:
            found[current].append(word)
    return found


def _failback(word: str) -> Failback:
    if word == "never":
        return Failback(FailbackKind.NEVER)
    if word == "when-healthy":
        return Failback(FailbackKind.WHEN_HEALTHY)
    hours = read_hours(word)
    if isinstance(hours, Hours):
        return Failback(FailbackKind.WITHIN, hours=hours)
    return Failback(FailbackKind.AFTER, parse_duration(word))


def _probe(word: str) -> Probe:
    """``web`` is a probe of the group, ``web:httpd`` one of the resource httpd."""
    name, _, resource = word.partition(":")
    return Probe(name, PingCheck("192.0.2.1"), resource)
