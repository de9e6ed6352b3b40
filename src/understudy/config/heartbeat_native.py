"""Heartbeat's files as a native configuration: what is kept, and in comments what has no equivalent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ..errors import Problem
from ..heartbeat_files import AutoFailback, HeartbeatFiles, MediumKind
from ..model import AddressResource, Cluster, LinkKind, Member, Quorum, ResourceDResource, Role
from ..units import MILLISECOND, Duration, format_duration
from .addresses import Wrong, is_name, read_host
from .fences import fitting_watchdog
from .heartbeat import HeartbeatReading
from .heartbeat_groups import ping_addresses
from .heartbeat_machine import Machine
from .heartbeat_resources import OWN_DIRECTORIES
from .heartbeat_stonith import native as native_devices
from .heartbeat_words import WITHOUT_EFFECT, written_time
from .members import LinkDraft, MemberDraft
from .pairing import find_networks
from .render import render
from .report import Report
from .tree import Place
from .validate import DEFAULT_PORT, LONGEST_DEAD_TIME, read

_OLD_PROTOCOL = "it is about the old protocol"

WITHOUT_EQUIVALENT: dict[str, str] = WITHOUT_EFFECT | {
    "warntime": "a member that is late shows in status and history by itself",
    "udpport": f"the native protocol has a port of its own, {DEFAULT_PORT}",
    "mcast": "heartbeats go to each machine's own address",
    "mcast6": "heartbeats go to each machine's own address",
    "serial": "native heartbeats take networks only",
    "baud": "native heartbeats take networks only",
    "failfast": "run the program as a unit of systemd, with FailureAction=reboot",
    "apiauth": "who may ask is the Unix group admin_group",
    "env": "write environment = { ... } at a command",
    "msgfmt": _OLD_PROTOCOL,
    "compression": _OLD_PROTOCOL,
    "compression_threshold": _OLD_PROTOCOL,
    "traditional_compression": _OLD_PROTOCOL,
    "max_rexmit_delay": _OLD_PROTOCOL,
    "hopfudge": _OLD_PROTOCOL,
    "hbgenmethod": _OLD_PROTOCOL,
    "uuidfrom": _OLD_PROTOCOL,
}
"""Directives that native files do not have, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files do not say. ``addresses``: of heartbeats, by node; ``name``: of the cluster, "" for that of ha.cf."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """``text`` is None when something is missing; ``problems`` say what, and what the native reader warns of.

    ``notes``: what changed or had no equivalent, as in the comments of ``text``.
    """

    text: str | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def convert(reading: HeartbeatReading, cf_path: str, wanted: Wanted, machine: Machine | None = None) -> Conversion:
    """The native form of files that were read. ``machine``: the node that this is, whose own addresses may be looked up.

    What is returned was read again and found good, but for the key file, which is still to be made.
    """
    files = reading.files
    if files is None:
        return Conversion(None, reading.problems)
    report = Report(cf_path)
    notes: list[str] = []
    members = _members(report, files, wanted, machine, notes)
    _check_devices(report, files)
    if report.refused:
        return Conversion(None, report.in_order())
    cluster = _cluster(files, members, wanted, machine, notes)
    notes += [
        f"ha.cf:{line}: {word} {value}: {WITHOUT_EQUIVALENT[word]}"
        for word, value, line in reading.given
        if word in WITHOUT_EQUIVALENT
    ]
    notes += [
        f"ha.cf:{line}: respawn {value}: run it as a unit of systemd"
        for word, value, line in reading.given
        if word == "respawn" and not value.split()[1].endswith("ipfail")
    ]
    if any(word == "node" and value != value.lower() for word, value, _ in reading.given):
        notes.append(
            "names of nodes are in lower case, as Heartbeat has them: where `uname -n` is not, start with --node NAME"
        )
    if files.services is not None:
        names = ", ".join(files.services.sources)
        notes.append(f"read no more, since its services stand in this file now: {names}")
    notes += _kept_scripts(files, machine)
    if any(isinstance(item, ResourceDResource) for group in files.groups for item in group.group.resources):
        notes.append(
            'scripts are not monitored (interval = "0s"), as Heartbeat never did: take that away where status can be trusted'
        )
    text = _header(files, notes) + render(cluster)
    found = read(text, "the native form")
    if found.cluster is None:
        for problem in found.problems:
            if problem.severity == "error":
                report.error(Place(), f"the native form would be refused: {problem.text}", problem.hint)
        return Conversion(None, report.in_order())
    return Conversion(text, tuple(found.problems), tuple(notes))


def _kept_scripts(files: HeartbeatFiles, machine: Machine | None) -> list[str]:
    """What the native form still runs out of Heartbeat's folder, so that nobody takes it away with the rest."""
    folder = f"{files.folder.rstrip('/')}/resource.d"
    found: dict[str, None] = {}
    for group in files.groups:
        for resource in group.group.resources:
            if not isinstance(resource, ResourceDResource):
                continue
            name = resource.resource_script
            path = name if "/" in name else machine.scripts.get(name, "") if machine is not None else ""
            if path.rpartition("/")[0] in (folder, OWN_DIRECTORIES[0]):
                found[f"{path} is still run: keep it when ha.cf, haresources and authkeys are taken away"] = None
    return list(found)


def _header(files: HeartbeatFiles, notes: list[str]) -> str:
    lines = [
        f"The native form of {files.folder}: the same file on every machine; docs/configuration.md explains every word."
    ]
    lines.append(
        "Make the cluster's key beside it: understudy keygen cluster.key (authkeys is of the old protocol only)."
    )
    if notes:
        lines += ["", "What changed, or had no equivalent:", *(f"- {note}" for note in notes)]
    clean = ("".join(character if character.isprintable() else "?" for character in line) for line in lines)
    return "\n".join(f"# {line}".rstrip() for line in clean) + "\n\n"


# -- [cluster] --------------------------------------------------------------------------------------------------------


def _cluster(
    files: HeartbeatFiles, members: tuple[Member, ...], wanted: Wanted, machine: Machine | None, notes: list[str]
) -> Cluster:
    dead_time = min(files.deadtime, LONGEST_DEAD_TIME)
    if dead_time < files.deadtime:
        notes.append(f"deadtime {written_time(files.deadtime)}: the longest dead time is {format_duration(dead_time)}")
    heartbeat = files.keepalive
    if 3 * heartbeat > dead_time:
        heartbeat = dead_time // 5 // MILLISECOND * MILLISECOND or MILLISECOND
        notes.append(
            f"keepalive {written_time(files.keepalive)}: heartbeats every {format_duration(heartbeat)}, because a dead time of "
            f"{format_duration(dead_time)} must bear two that are lost"
        )
    pair = len(files.nodes) == 2
    pings, names = ping_addresses(files, machine)
    notes += [f"ping {name}: native ping targets are addresses, and nobody here resolves this name" for name in names]
    if not pair and pings and not files.ipfail:
        notes.append(f"ping {' '.join(pings)}: with three machines the votes decide, and no ping target")
    notes += [
        f"ping_group {node.name}: each of its addresses counts by itself" for node in files.ping_nodes if node.group
    ]
    if files.auto_failback is AutoFailback.LEGACY:
        notes.append("auto_failback legacy: groups go back to their preferred node as soon as that is healthy")
    timeout: Duration = 0
    if files.watchdog:
        timeout = fitting_watchdog(dead_time)
        if not timeout:
            notes.append(f"watchdog {files.watchdog}: no watchdog fits a dead time of {format_duration(dead_time)}")
    fences, without = native_devices(files)
    notes += [f"the STONITH device {kind} cannot be used natively: docs/fencing.md" for kind in without]
    fenced = pair and all(any(node in dict(device.targets) for device in fences) for node in files.nodes)
    if fences and files.stonith:
        notes.append("STONITH devices are told to switch off, not to reset: switch the machine on again by hand")
    name = wanted.name or (files.cluster if is_name(files.cluster) else "linux-ha")
    return Cluster(
        name=name,
        key_file="cluster.key",
        heartbeat=heartbeat,
        dead_time=dead_time,
        quorum=Quorum.FENCE if fenced else Quorum.PAIR if pair else Quorum.MAJORITY,
        members=tuple(replace(member, watchdog=files.watchdog if timeout else "") for member in members),
        groups=tuple(group.group for group in files.groups),
        ping=pings if pair and not fenced else (),
        watchdog_timeout=timeout,
        init_dead_time=min(files.initdead, LONGEST_DEAD_TIME),
        fences=fences,
        services=files.services,
    )


def _check_devices(report: Report, files: HeartbeatFiles) -> None:
    for group in files.groups:
        for resource in group.group.resources:
            if isinstance(resource, AddressResource) and not resource.device:
                text = f"neither haresources nor this machine says which interface carries {resource.address}"
                hint = f"Add --virtual {resource.address}/24/eth0 (prefix length, interface), or write it into haresources."
                report.error(Place(), text, hint)


# -- links ------------------------------------------------------------------------------------------------------------


def _members(
    report: Report, files: HeartbeatFiles, wanted: Wanted, machine: Machine | None, notes: list[str]
) -> tuple[Member, ...]:
    """The nodes with the addresses of their heartbeats, and the networks that these make."""
    for node in wanted.addresses:
        if node not in files.nodes:
            text = f"an address is given for {node}, which is no node"
            report.error(Place(), text, f"The nodes are: {', '.join(files.nodes)}.")
    drafts = []
    for node in files.nodes:
        draft = MemberDraft(node, Role.NODE, Place())
        for text in wanted.addresses.get(node) or _known_addresses(files, node, machine):
            host = read_host(text)
            if isinstance(host, Wrong):
                report.error(Place(), f"an address of {node}: {host.text}", host.hint)
                continue
            draft.links.append(LinkDraft(Place(), host[0], LinkKind.UNICAST, None, host[1], DEFAULT_PORT, None, False))
        if not draft.links:
            _ask(report, files, node)
        drafts.append(draft)
    if report.refused:
        return ()
    scratch = Report("")
    find_networks(scratch, drafts)
    counts = {len(draft.links) for draft in drafts}
    if len(counts) > 1:
        few = min(drafts, key=lambda draft: len(draft.links)).name
        notes.append(
            f"{few} has fewer heartbeat addresses than the others: add those of its other networks to its links"
        )
    return tuple(draft.finished() for draft in drafts)


def _ask(report: Report, files: HeartbeatFiles, node: str) -> None:
    media = [medium for medium in files.media if medium.kind is not MediumKind.SERIAL]
    if not media:
        text = f"ha.cf has serial lines only, and native heartbeats take networks: no address of {node} is known"
    else:
        ways = ", ".join(dict.fromkeys(f"{medium.kind.value} {medium.device}" for medium in media))
        text = f"ha.cf does not say which address {node} has for its heartbeats ({ways})"
    hint = f"Add --address {node}=ADDRESS, several with commas between them; /etc/hosts of a node is looked at too."
    report.error(Place(), text, hint)


def _known_addresses(files: HeartbeatFiles, node: str, machine: Machine | None) -> tuple[str, ...]:
    """By what ha.cf and this machine know. Without a machine nothing is: the same ucast lines may be on both nodes."""
    if machine is None:
        return ()
    found: dict[str, None] = {}
    own = {network.address for network in machine.networks}
    if node == machine.name:
        virtual = {item.address for group in files.groups for item in group.group.addresses}
        for medium in files.media:
            six = medium.kind in (MediumKind.UNICAST6, MediumKind.MULTICAST6)
            found |= dict.fromkeys(
                network.address
                for network in machine.networks
                if network.device == medium.device
                and (":" in network.address) is six
                and network.address not in virtual
            )
        return tuple(found)
    if len(files.nodes) == 2:
        for medium in files.media:
            if medium.kind in (MediumKind.UNICAST, MediumKind.UNICAST6):
                address = machine.hosts.get(medium.peer.lower(), medium.peer)
                found |= {address: None} if _is_address(address) and address not in own else {}
    listed = machine.hosts.get(node, "")
    if not found and _is_address(listed) and not ip_address(listed).is_loopback:
        found[listed] = None
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
