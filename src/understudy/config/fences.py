"""Fence devices and watchdogs: [fence.NAME], [watchdog] and what nodes say of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..fence_devices import FenceDevice, FenceKind
from ..model import Group, OnFailure, OnStopFailure, Role
from ..units import HOUR, MINUTE, SECOND, Duration, format_duration
from .addresses import NAME_RULE, is_name
from .members import MemberDraft
from .report import Report, Scope, suggestion
from .resources import read_strings
from .tree import WHOLE_FILE, Place, Table

DEFAULT_TIMEOUT: Duration = 60 * SECOND
DEFAULT_DELAY: Duration = 2 * SECOND
DEFAULT_WATCHDOG: Duration = 10 * SECOND
DEFAULT_DEVICE = "/dev/watchdog"
SHORTEST_WATCHDOG: Duration = 2 * SECOND
LONGEST_WATCHDOG: Duration = 10 * MINUTE

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", re.ASCII)
_PROGRAM = re.compile(r"/[^\s]+|[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_PLUGIN = re.compile(r"(external/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,62}|/[^\s]+", re.ASCII)
REFUSED = {
    "fence_sbd": "It confirms that its message was written, not that the node has read it. Use a watchdog, or a power switch.",
    "fence_ack_manual": "It asks a human: that is `understudy confirm-off NODE`.",
    "fence_watchdog": "A watchdog has a section of its own: [watchdog].",
}
"""Agents whose success is not that a node is off, and what to use instead."""

_TYPE = re.compile(r"(external/|rhcs/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
REFUSED_PLUGINS = {"ssh": "Its `off` does nothing but fail. Use external/ipmi, external/rackpdu or a fence agent."}
"""STONITH plugins of the old kind that cannot switch off."""

REFUSED_TYPES = {
    **REFUSED_PLUGINS,
    "null": "It switches nothing off, and says that it did.",
    "suicide": "It only ends the machine that it runs on.",
    "meatware": "It asks a human: that is `understudy confirm-off NODE`.",
}
"""Types of the program ``stonith`` whose success is not that another node is off."""

OURS = {
    "action": "Understudy sets it for each call.",
    "option": "Understudy sets the action for each call.",
    "port": 'Write the plug with the node: nodes = { ha01 = "3" }.',
    "plug": 'Write the plug with the node: nodes = { ha01 = "3" }.',
    "nodename": "Understudy sets it for each call.",
}
"""Parameters that are not for the file."""


@dataclass(frozen=True, slots=True)
class FenceDraft:
    place: Place
    device: FenceDevice


@dataclass(frozen=True, slots=True)
class WatchdogDraft:
    """``timeout`` 0: no [watchdog] section, so nodes have none."""

    place: Place = WHOLE_FILE
    device: str = ""
    timeout: Duration = 0


def read_fences(report: Report, top: Scope, members: list[MemberDraft]) -> list[FenceDraft]:
    """All of [fence.*], in the order of the file."""
    nodes = [member.name for member in members if member.role is Role.NODE]
    found = []
    for name, table, place, value_place in top.tables("fence"):
        if not is_name(name):
            report.error(place, f'"{name}" cannot name a fence device', NAME_RULE)
        device = _device(report, Scope(report, table, f"[fence.{name}]", value_place), name, nodes)
        if device is not None:
            found.append(FenceDraft(place, device))
    return found


def _device(report: Report, scope: Scope, name: str, nodes: list[str]) -> FenceDevice | None:
    kind, program, arguments = _program(report, scope)
    targets = _targets(report, scope, nodes)
    if kind is FenceKind.AGENT and program is not None and program.rpartition("/")[2] in REFUSED:
        name_there = program.rpartition("/")[2]
        report.error(scope.at("agent"), f"{name_there} cannot be used here", REFUSED[name_there])
    if kind is FenceKind.EXTERNAL and program is not None and program.rpartition("/")[2] in REFUSED_PLUGINS:
        name_there = program.rpartition("/")[2]
        report.error(scope.at("external"), f"{program} cannot be used here", REFUSED_PLUGINS[name_there])
    if kind is FenceKind.STONITH and program is not None and program.rpartition("/")[2] in REFUSED_TYPES:
        why = REFUSED_TYPES[program.rpartition("/")[2]]
        report.error(scope.at("stonith"), f"the type {program} cannot be used here", why)
    parameters = read_strings(report, scope, "parameters", _PARAMETER, "the name of a parameter")
    for word, _ in parameters:
        if word in OURS and kind is FenceKind.AGENT:
            report.error(scope.at("parameters"), f'"{word}" is not a parameter for the file', OURS[word])
    if parameters and kind is FenceKind.COMMAND:
        report.error(scope.at("parameters"), "a command takes no parameters", "Write them into its list of words.")
    if parameters and kind is FenceKind.STONITH:
        hint = "Write its values behind the type, in the order in which `stonith -t TYPE -n` names them."
        report.error(scope.at("parameters"), "a type of the program stonith takes no named parameters", hint)
    file = scope.text("parameters_file")
    if file is not None and (kind is not FenceKind.STONITH or arguments or not file.startswith("/")):
        text = '"parameters_file" is the whole path of a file with the parameters of a type, in the place of those behind it'
        report.error(scope.at("parameters_file"), text, 'Write stonith = ["apcmaster"] beside it.')
    level = scope.integer("level", 1, 9, 1)
    timeout = scope.duration("timeout", SECOND, HOUR)
    retries = scope.integer("retries", 0, 10, 2)
    reboot = scope.boolean("reboot")
    scope.finish()
    if kind is None or program is None:
        return None
    limit = DEFAULT_TIMEOUT if timeout is None else timeout
    return FenceDevice(
        name, kind, program, arguments, parameters, targets, level, limit, retries, bool(reboot), file or ""
    )


def _program(report: Report, scope: Scope) -> tuple[FenceKind | None, str | None, tuple[str, ...]]:
    given = [kind for kind in FenceKind if kind.value in scope]
    agent, external = scope.text("agent"), scope.text("external")
    word = FenceKind.STONITH.value if FenceKind.STONITH in given else FenceKind.COMMAND.value
    words = [text for text, _ in scope.texts(word, "words") or []]
    if len(given) != 1:
        text = f"{scope.name} needs one of agent, external, stonith and command" + (", not several" if given else "")
        hint = 'Write agent = "fence_ipmilan", external = "external/ipmi", or command = ["/usr/local/sbin/power"].'
        report.error(scope.place, text, hint)
        return None, None, ()
    kind = given[0]
    if kind is FenceKind.STONITH:
        if words and _TYPE.fullmatch(words[0]):
            return kind, words[0], tuple(words[1:])
        hint = 'Write stonith = ["apcmaster", "192.0.2.9", "apc", "WORD"]: a type that `stonith -L` lists, and its parameters.'
        report.error(scope.at("stonith"), '"stonith" begins with the type of a device', hint)
        return kind, None, ()
    if kind is FenceKind.COMMAND:
        if not words:
            if "command" in scope:
                report.error(scope.at("command"), '"command" is empty', 'Write command = ["/usr/local/sbin/power"].')
            return kind, None, ()
        if not words[0].startswith("/"):
            hint = "Write the whole path: a daemon has no shell to look for it."
            report.error(scope.at("command"), f'"{words[0]}" is not an absolute path', hint)
        return kind, words[0], tuple(words[1:])
    name, rule = (agent, _PROGRAM) if kind is FenceKind.AGENT else (external, _PLUGIN)
    if name is None:
        return kind, None, ()
    if not rule.fullmatch(name):
        hint = 'Write its name, as in "fence_ipmilan" or "external/ipmi", or its whole path.'
        report.error(scope.at(kind.value), f'"{name}" does not name a fence program', hint)
        return kind, None, ()
    return kind, name, ()


def _targets(report: Report, scope: Scope, nodes: list[str]) -> tuple[tuple[str, str], ...]:
    """``nodes``: a list of names, or a table from names to plugs."""
    value = scope.value("nodes")
    if value is None:
        scope.missing(
            "nodes", 'Write nodes = ["ha01"], or nodes = { ha01 = "PLUG" } for a device with several outlets.'
        )
        return ()
    found: list[tuple[str, str, Place]] = []
    if isinstance(value.data, Table):
        for name, entry in value.data.entries.items():
            plug = entry.value.data
            if isinstance(plug, bool) or not isinstance(plug, str | int):
                report.error(
                    entry.value.place, f"the plug of {name} must be a string or a number, not {entry.value.kind}"
                )
                continue
            found.append((name, str(plug), entry.place))
    else:
        found = [(name, "", place) for name, place in scope.texts("nodes", "names of nodes") or []]
    targets: dict[str, str] = {}
    for name, plug, place in found:
        if name not in nodes:
            report.error(place, f'unknown node "{name}" in "nodes"', suggestion(name, nodes, "The nodes are"))
        elif name in targets:
            report.error(place, f'"nodes" names {name} twice', "Name each node once.")
        else:
            targets[name] = plug
    if not found:
        report.error(value.place, f"{scope.name} can fence nobody", 'Write nodes = ["ha01"].')
    return tuple(targets.items())


def read_watchdog(report: Report, top: Scope) -> WatchdogDraft:
    """The section [watchdog]; the time-out is judged by ``check_watchdog``, which knows the dead time."""
    value = top.value("watchdog")
    if value is None:
        return WatchdogDraft()
    if not isinstance(value.data, Table):
        top.wrong("watchdog", "a section", value, "Write [watchdog], with its settings below.")
        return WatchdogDraft()
    scope = Scope(report, value.data, "[watchdog]", value.place)
    device = scope.text("device")
    if device is not None and not device.startswith("/"):
        report.error(scope.at("device"), f'"{device}" is not an absolute path', 'Write device = "/dev/watchdog".')
    timeout = scope.duration("timeout", 0, LONGEST_WATCHDOG)
    place = scope.at("timeout")
    scope.finish()
    return WatchdogDraft(place, device or DEFAULT_DEVICE, DEFAULT_WATCHDOG if timeout is None else timeout)


def fitting_watchdog(dead_time: Duration) -> Duration:
    """The shortest time-out that ``check_watchdog`` permits; 0 where none fits."""
    timeout = -(-max(SHORTEST_WATCHDOG, 2 * dead_time) // SECOND) * SECOND
    return timeout if timeout <= LONGEST_WATCHDOG else 0


def check_watchdog(
    report: Report, draft: WatchdogDraft, dead_time: Duration, members: list[MemberDraft], groups: list[Group]
) -> None:
    """Refuse a time-out that does not fit the lease, and a device that nobody would feed."""
    timeout = draft.timeout
    if not timeout and draft.device:
        report.error(draft.place, 'the watchdog\'s "timeout" is 0', 'Write timeout = "10s", or take [watchdog] away.')
    if not timeout and not draft.device:
        for member in members:
            if member.watchdog:
                text = f"{member.name} names the watchdog {member.watchdog}, but there is no [watchdog]: nobody would feed it"
                hint = 'Add the lines [watchdog] and timeout = "10s"; they switch watchdogs on for all nodes.'
                report.error(member.place, text, hint)
    if not timeout:
        return
    if timeout % SECOND:
        text = f"the watchdog's timeout of {format_duration(timeout)} is not whole seconds"
        report.error(draft.place, text, "Watchdog devices count whole seconds.")
    least = max(SHORTEST_WATCHDOG, 2 * dead_time)
    if timeout < least:
        text = f"the watchdog's timeout of {format_duration(timeout)} does not fit the dead time of {format_duration(dead_time)}"
        whole = -(-least // SECOND) * SECOND
        hint = (
            "It is fed with each heartbeat while the lease stands; a short hiccup, or a lease that is lost and won again, must "
            f'not reset the machine: write timeout = "{format_duration(whole)}" or more.'
        )
        report.error(draft.place, text, hint)
    for group in groups:
        slowest = sum(resource.limits.stop for resource in group.resources if resource.exclusive)
        if group.exclusive and slowest > timeout:
            text = (
                f"{group.name} may take {format_duration(slowest)} to stop, longer than the watchdog's timeout of "
                f"{format_duration(timeout)}"
            )
            hint = "When its lease is lost meanwhile, the machine is reset before the stop is over. That is safe, but abrupt."
            report.warning(draft.place, text, hint)


def check_wishes(
    report: Report, drafts: list[FenceDraft], watched: bool, groups: Iterable[tuple[Place, Group]]
) -> None:
    """Warn of groups that ask for this machine to be switched off where nothing could do that."""
    if drafts or watched:
        return
    for place, group in groups:
        for resource in group.resources:
            wishes = resource.restarts
            if wishes.on_failure is OnFailure.FENCE or wishes.on_stop is OnStopFailure.FENCE:
                text = f"{resource.id} of {group.name} asks for its machine to be switched off, and nothing here could do it"
                hint = "Add a fence device ([fence.NAME]) or a watchdog ([watchdog]); until then it only waits."
                report.warning(place, text, hint)


def check_fences(report: Report, drafts: list[FenceDraft], members: list[MemberDraft], needed: Place | None) -> None:
    """``needed``: where quorum "fence" stands, or None for another policy."""
    able = {name for draft in drafts if not draft.device.is_gate for name, _ in draft.device.targets}
    for draft in drafts:
        _check_gate(report, draft, drafts)
    nodes = [member for member in members if member.role is Role.NODE]
    for node in nodes:
        if node.name in able:
            continue
        if needed is not None:
            text = f'quorum "fence" needs a fence device for {node.name}'
            report.error(needed, text, f'Write [fence.NAME] with nodes = ["{node.name}"].')
        elif able:
            text = f"{node.name} has no fence device, though others have"
            hint = "What must not run twice then waits for it by time only, after every loss of it."
            report.warning(node.place, text, hint)


def _check_gate(report: Report, draft: FenceDraft, drafts: list[FenceDraft]) -> None:
    """A gate needs a device on the same level that switches."""
    if not draft.device.is_gate:
        return
    for node, _ in draft.device.targets:
        others = [
            other
            for other in drafts
            if other.device.level == draft.device.level
            and node in dict(other.device.targets)
            and not other.device.is_gate
        ]
        if not others:
            level = draft.device.level
            text = f"{draft.device.program} switches nothing off, and no other device of level {level} does for {node}"
            report.error(draft.place, text, "Put it on the level of the device that it shall permit.")


def has_secret(device: FenceDevice) -> bool:
    """Whether a password stands among its parameters. Those of a type have no names: any of them may be one."""
    return bool(device.kind is FenceKind.STONITH and device.arguments) or any(
        "passw" in word or word in ("passwd", "secret", "token") for word, _ in device.parameters
    )
