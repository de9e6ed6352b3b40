"""What the directives of ha.cf mean together: defaults, what Heartbeat refuses, and what it lets through though it bites.

A machine, where one is given, is asked whether what the file names is there. ``here``: it is meant to be one of the nodes, so
that what it lacks is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..heartbeat_files import (
    DEADTIME,
    DEFAULT_PORT,
    KEEPALIVE,
    AutoFailback,
    HeartbeatFiles,
    Medium,
    MediumKind,
    PingNode,
    default_initdead,
)
from ..units import MILLISECOND, SECOND, Duration
from .fences import fitting_watchdog
from .heartbeat_cf import CfDraft
from .heartbeat_machine import Machine
from .heartbeat_stonith import DOUBTED, NO_DEVICE, devices
from .heartbeat_words import written_time
from .report import Report, one_of
from .tree import Place

_STONITH = ("/usr/sbin/stonith", "/sbin/stonith", "/usr/local/sbin/stonith")
_IPFAIL_NEEDS = 'Write "respawn hacluster /usr/lib/heartbeat/ipfail"; ours is built in, the path only names it.'


def judge_cf(
    report: Report, draft: CfDraft, file: str, folder: str, machine: Machine | None, here: bool
) -> HeartbeatFiles:
    """The settings with their defaults, keys and groups still empty. All problems are reported, and nothing is raised."""
    whole = Place(file=file)
    _judge_nodes(report, draft, whole)
    _judge_media(report, draft, machine, here)
    keepalive, deadtime, warntime, initdead, deadping = _times(report, draft)
    failback = _failback(report, draft, whole)
    pings = _pings(report, draft, failback)
    _judge_programs(report, draft, machine, here)
    switch = draft.switches.get
    watchdog = _watchdog(report, draft, deadtime, machine)
    number, choice = draft.number, draft.choice

    return HeartbeatFiles(
        folder=folder,
        nodes=tuple(draft.nodes),
        media=tuple(medium for medium, _ in draft.media),
        keepalive=keepalive,
        deadtime=deadtime,
        warntime=warntime,
        initdead=initdead,
        deadping=deadping,
        auto_failback=failback,
        udpport=number("udpport", machine.port if machine is not None else DEFAULT_PORT),
        ping_nodes=pings,
        ipfail=draft.programs.ipfail is not None,
        respawn=tuple(item for item, _ in draft.programs.respawn),
        api_access=tuple(item for item, _ in draft.programs.access.values()),
        stonith=tuple(item for item, _ in draft.programs.stonith),
        watchdog=watchdog,
        cluster=choice("cluster", "linux-ha"),
        msgfmt=choice("msgfmt", "classic"),
        compression=choice("compression", "zlib"),
        compression_threshold=number("compression_threshold", 2),
        traditional_compression=switch("traditional_compression", False),
        max_resend_delay=number("max_rexmit_delay", 250) * MILLISECOND,
        hop_fudge=number("hopfudge", 1),
        generation_by_time=choice("hbgenmethod", "file") == "time",
        uuid_from_name=choice("uuidfrom", "file") == "nodename",
        environment=tuple(draft.programs.environment.items()),
        logging=tuple(draft.logging),
    )


def _judge_nodes(report: Report, draft: CfDraft, whole: Place) -> None:
    if not draft.nodes:
        report.error(whole, "ha.cf names no nodes", 'Write "node ha01 ha02", the `uname -n` of each machine.')
    elif len(draft.nodes) == 1:
        node, place = next(iter(draft.nodes.items()))
        report.warning(
            place, f"{node} is alone: there is nobody to take over", 'Name the other machine too: "node ha02".'
        )
    elif len(draft.nodes) > 2:
        third = list(draft.nodes)[2]
        text = f"{len(draft.nodes)} nodes: with haresources Heartbeat knows this node and the other one only"
        report.warning(
            draft.nodes[third], text, "Convert to the native form (`understudy convert`), which has no such limit."
        )
    if not draft.media:
        report.error(
            whole,
            "ha.cf names no path for heartbeats",
            'Write "bcast eth1", "ucast eth1 ADDRESS" or "serial /dev/ttyS0".',
        )


def _watchdog(report: Report, draft: CfDraft, deadtime: Duration, machine: Machine | None) -> str:
    """The watchdog's device, "" for none; and what is said about single settings."""
    if draft.choice("msgfmt", "") == "netstring":
        text = "msgfmt netstring and haresources do not go together: the old program then loses messages of its own scripts"
        report.warning(
            draft.texts["msgfmt"][1], text, 'Write "msgfmt classic", or take the line away, on both machines.'
        )
    device, place = draft.texts.get("watchdog", ("", Place()))
    if device and machine is not None and not machine.exists(device):
        report.warning(place, f"there is no watchdog {device} on this machine", "Try: modprobe softdog")
    if device and not fitting_watchdog(deadtime):
        text = f"no watchdog fits deadtime {written_time(deadtime)}: {device} is not used"
        report.warning(place, text, "A time-out of two dead times may be ten minutes at most.")
    return device


# -- times ------------------------------------------------------------------------------------------------------------


def _times(report: Report, draft: CfDraft) -> tuple[Duration, Duration, Duration, Duration, Duration]:
    def given(word: str, default: Duration) -> tuple[Duration, Place]:
        return draft.times[word] if word in draft.times else (default, Place(file=report.file))

    keepalive, beat_place = given("keepalive", KEEPALIVE)
    deadtime, dead_place = given("deadtime", DEADTIME)
    for word, (value, place) in draft.times.items():
        if value == 0:
            report.error(place, f'"{word}" is 0', "Write seconds, as in 2, or a unit, as in 200ms.")
            return KEEPALIVE, DEADTIME, DEADTIME // 2, DEADTIME, DEADTIME
    named = "" if "deadtime" in draft.times else " (the default)"
    if deadtime <= 2 * keepalive:
        text = (
            f"deadtime {written_time(deadtime)}{named} is not above two heartbeats of {written_time(keepalive)} (keepalive): "
            "one late packet makes both machines take everything"
        )
        place = dead_place if "deadtime" in draft.times else beat_place
        hint = f'Write "deadtime {written_time(5 * keepalive)}", or shorten keepalive.'
        report.error(place, text, hint)
    elif deadtime < 3 * keepalive:
        text = (
            f"deadtime {written_time(deadtime)} bears one lost heartbeat of {written_time(keepalive)} and no second: "
            "a healthy machine is soon taken for dead"
        )
        report.warning(dead_place, text, f'Shorten keepalive: "keepalive {written_time(_fifth(deadtime))}".')
    warntime, place = given("warntime", deadtime // 2)
    if warntime > deadtime:
        text = (
            f"warntime {written_time(warntime)} is above deadtime {written_time(deadtime)}: nothing is ever warned of"
        )
        report.warning(place, text, f'Write "warntime {written_time(deadtime // 2)}", or take the line away.')
    deadping, place = given("deadping", deadtime)
    if "deadping" in draft.times and deadping <= 2 * keepalive:
        text = f"deadping {written_time(deadping)} is not above two heartbeats of {written_time(keepalive)}"
        report.error(place, text, f'Write "deadping {written_time(5 * keepalive)}", or take the line away.')
    return keepalive, deadtime, warntime, _initdead(report, draft, deadtime), deadping


def _initdead(report: Report, draft: CfDraft, deadtime: Duration) -> Duration:
    if "initdead" not in draft.times:
        return default_initdead(deadtime)
    initdead, place = draft.times["initdead"]
    advised = written_time(max(2 * deadtime, 10 * SECOND))
    if initdead < deadtime:
        text = f"initdead {written_time(initdead)} is below deadtime {written_time(deadtime)}"
        report.error(place, text, f'Write "initdead {advised}".')
    elif initdead < 10 * SECOND:
        text = (
            f"initdead {written_time(initdead)} is short: machines that start together may both find themselves alone"
        )
        report.warning(place, text, f'Write "initdead {advised}" or more.')
    elif initdead < 2 * deadtime:
        text = f"initdead {written_time(initdead)} is below two dead times: the network may not be up so soon after the boot"
        report.warning(place, text, f'Write "initdead {advised}" or more.')
    return initdead


def _fifth(deadtime: Duration) -> Duration:
    return max(deadtime // 5 // MILLISECOND, 1) * MILLISECOND


# -- media ------------------------------------------------------------------------------------------------------------


def _judge_media(report: Report, draft: CfDraft, machine: Machine | None, here: bool) -> None:
    serial = [item for item in draft.media if item[0].kind is MediumKind.SERIAL]
    if "baud" in draft.texts and not serial:
        report.warning(
            draft.texts["baud"][1], '"baud" without a serial line', 'Add "serial /dev/ttyS0", or take it away.'
        )
    ways = {medium.device for medium, _ in draft.media}
    if len(ways) == 1:
        text = f"a single path for heartbeats ({next(iter(ways))}): one broken cable, and both machines take everything"
        report.warning(draft.media[0][1], text, 'Add a second one, such as "bcast" on the service network.')
    elif draft.media and len(serial) == len(draft.media):
        text = "heartbeats take serial lines only, which prove nothing about the network that serves"
        report.warning(draft.media[0][1], text, 'Add "bcast" or "ucast" on the service network.')
    if machine is None:
        return
    for medium, place in draft.media:
        _judge_device(partial(report.lacking, here=here), medium, place, machine)


def _judge_device(tell: Callable[[Place, str, str], None], medium: Medium, place: Place, machine: Machine) -> None:
    if medium.kind is MediumKind.SERIAL:
        if not machine.exists(medium.device):
            tell(
                place, f"there is no {medium.device} on this machine", "Name the device of the line, as in /dev/ttyS0."
            )
        return
    if medium.device not in machine.devices:
        known = sorted(machine.devices - {"lo"})
        hint = f"It has {one_of(known)}." if known else "It has none but lo."
        tell(place, f"there is no network interface {medium.device} on this machine", hint)
    elif medium.kind is MediumKind.BROADCAST and not any(
        network.device == medium.device and ":" not in network.address for network in machine.networks
    ):
        text = f"{medium.device} has no IPv4 address on this machine, so nothing can be broadcast on it"
        tell(place, text, "Give it one before the daemon starts.")


# -- who answers, who moves -------------------------------------------------------------------------------------------


def _failback(report: Report, draft: CfDraft, whole: Place) -> AutoFailback:
    if draft.auto_failback is None:
        text = '"auto_failback" is not said, so it is legacy: the older protocol, without hb_standby and ipfail'
        report.warning(whole, text, 'Write "auto_failback on" or "auto_failback off", the same on both machines.')
        return AutoFailback.LEGACY
    kind, place = draft.auto_failback
    if kind is AutoFailback.LEGACY:
        text = '"auto_failback legacy" is the older protocol: hb_standby, hb_takeover and ipfail do nothing with it'
        report.warning(place, text, 'Write "auto_failback on", which also gives groups back, on both machines.')
    return kind


def _pings(report: Report, draft: CfDraft, failback: AutoFailback) -> tuple[PingNode, ...]:
    ipfail = draft.programs.ipfail
    for ping in draft.pings:
        if ping.name.lower() in draft.nodes:
            text = f"{ping.name} is a node and a ping node"
            report.error(ping.place, text, "Name a machine outside the cluster, such as the router.")
    if draft.pings and ipfail is None:
        text = "ping nodes without ipfail: whether they answer is noted, and nothing moves for it"
        report.warning(draft.pings[0].place, text, _IPFAIL_NEEDS)
    if ipfail is not None and not draft.pings:
        report.warning(ipfail, "ipfail without ping nodes has nothing to count", 'Add "ping ROUTER".')
    if ipfail is not None and failback is AutoFailback.LEGACY:
        text = "ipfail does not run with auto_failback legacy"
        report.warning(ipfail, text, 'Write "auto_failback on" or "auto_failback off".')
    return tuple(PingNode(ping.name, ping.hosts, ping.group) for ping in draft.pings)


# -- programs ---------------------------------------------------------------------------------------------------------


def _judge_programs(report: Report, draft: CfDraft, machine: Machine | None, here: bool) -> None:
    known = list(draft.nodes)
    for device, place in draft.programs.stonith:
        if device.host != "*" and device.host not in known:
            report.error(
                place, f'"stonith_host" names {device.host}, which is no node', f"The nodes are: {', '.join(known)}."
            )
    if machine is None:
        return
    tell = partial(report.lacking, here=here)
    for program, place in draft.programs.respawn:
        if program.user not in machine.users:
            tell(place, f"there is no user {program.user} on this machine", f"Mend it with: useradd -r {program.user}")
        if not machine.is_program(program.program):
            tell(place, f"{program.program} is not there or not executable", "Take the line away, or install it.")
    for access, place in draft.programs.access.values():
        for user in access.users:
            if not user.isdigit() and user not in machine.users:
                report.warning(place, f"there is no user {user} on this machine", f"Mend it with: useradd -r {user}")
        for group in access.groups:
            if not group.isdigit() and group not in machine.groups:
                report.warning(
                    place, f"there is no group {group} on this machine", f"Mend it with: groupadd -r {group}"
                )


def judge_stonith(report: Report, draft: CfDraft, files: HeartbeatFiles, machine: Machine | None) -> None:
    """Devices that end nobody, that prove nothing, or whose program is not there."""
    doubted = {device.program for device in devices(files) if not device.proves}
    for device, place in draft.programs.stonith:
        if device.type in NO_DEVICE:
            text = f"the device {device.type} counts as none: {NO_DEVICE[device.type]}"
            report.warning(place, text, "Take the line away, or name a device that switches machines off.")
        elif device.type in doubted:
            text = f"{device.type} proves little: {DOUBTED}"
            report.warning(place, text, "Use external/ipmi, external/rackpdu or another device of its own power.")
        elif machine is not None and not any(map(machine.is_program, _STONITH)):
            text = f"there is no program stonith on this machine, which {device.type} needs"
            report.warning(place, text, "Mend it with: apt-get install cluster-glue")
        file = device.config_file
        if machine is not None and file is not None and not machine.exists(file):
            report.warning(place, f"there is no file {file} on this machine", "Put the device's parameters into it.")


def judge_host(report: Report, files: HeartbeatFiles, machine: Machine, here: bool, place: Place) -> None:
    """Whether the machine is one of the nodes, by the name that Heartbeat goes by; and what it has that is not used any more."""
    hook = machine.scripts.get("startstop", "")
    if hook.endswith("/resource.d/startstop"):
        text = f"{hook} is not called any more: the old init script ran it before and after the daemon's start and stop"
        hint = (
            "Put what it does into ExecStartPre= and ExecStopPost= of the unit (systemctl edit understudy-heartbeat)."
        )
        report.warning(Place(file=report.file), text, hint)
    if machine.name in files.nodes or not files.nodes:
        return
    short = machine.name.partition(".")[0]
    meant = next((node for node in files.nodes if node.partition(".")[0] == short), None)
    text = f"this machine is called {machine.host} (`uname -n`), and ha.cf names {one_of(files.nodes)}: it is no node"
    hint = (
        f'Write "node {machine.name}" in place of {meant}.'
        if meant
        else "On a node the names must be those of `uname -n`."
    )
    report.lacking(place, text, hint, here, passing=not machine.named)
