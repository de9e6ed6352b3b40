"""haresources: one group a line, from its words to groups of our own model, judged by the same code as native files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..heartbeat_files import AutoFailback, HeartbeatFiles, OldGroup
from ..model import AddressResource, Group, Role
from ..probes import Reach
from ..services import ServiceFiles
from ..units import HOUR, MILLISECOND, SECOND, Duration
from .addresses import Wrong, read_host
from .groups import HARMLESS, read_groups
from .heartbeat_lines import Word, joined_lines
from .heartbeat_machine import Machine
from .heartbeat_resources import UNKNOWN_DEVICE, Translator, is_balancing, tree_value
from .heartbeat_stonith import devices
from .members import MemberDraft
from .report import Report, Scope, suggestion
from .tree import Entry, Place, Table, Value, plain

if TYPE_CHECKING:
    from .ldirectord_files import Find

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class _Line:
    node: str
    key: Word
    words: tuple[str, ...]
    name: str
    table: Table


def read_haresources(
    report: Report, text: str, file: str, settings: HeartbeatFiles, translator: Translator, find: Find | None = None
) -> tuple[tuple[OldGroup, ...], ServiceFiles | None]:
    """The groups in the order of the file, and what they balance; all problems are reported.

    ``find``: reads what stands behind ``ldirectord::``; None: nobody looks, and nothing is balanced.
    """
    lines: list[_Line] = []
    asked: list[tuple[Word, str]] = []
    keys: dict[str, Place] = {}
    names: dict[str, list[object]] = {}
    good = True
    for node, *words in joined_lines(text, file, report):
        if not _known_node(report, node, settings.nodes):
            good = False
        if not words:
            report.error(
                node.place, f"the line of {node.text} names no resources", 'Write "ha01 192.168.58.100 httpd".'
            )
            good = False
            continue
        if words[0].text in keys:
            first = keys[words[0].text].line
            text = f"{words[0].text} is the first resource of two lines (first on line {first}): it names the group"
            report.error(words[0].place, text, "Put another resource first, or make one line of both.")
            good = False
            continue
        keys[words[0].text] = words[0].place
        asked += [(word, words[0].text) for word in words if is_balancing(word)]
        tables = [translator.table(word) for word in words if not is_balancing(word)]
        if any(table is None for table in tables):
            good = False
            continue
        for table in tables:
            if table is not None:
                _name_once(table, names)
        group = _group_table(words[0].place, [table for table in tables if table is not None], node.text, settings)
        taken = {line.name for line in lines} | set(settings.nodes)
        name = group_name(words[0].text, [table for table in tables if table is not None], taken)
        lines.append(_Line(node.text.lower(), words[0], tuple(word.text for word in words), name, group))
    if not keys:
        report.warning(
            Place(file=file), "haresources names no resources: nothing is kept running", "Write a line for a group."
        )
    groups = _judged(report, lines, settings, translator.machine)
    for line in lines if groups else []:
        _judge_question(report, line, groups, settings)
    services = _balanced(report, asked, find, groups, translator.machine is not None)
    return (groups if good else ()), services


def _balanced(
    report: Report, asked: list[tuple[Word, str]], find: Find | None, groups: tuple[OldGroup, ...], here: bool
) -> ServiceFiles | None:
    """What ``asked`` balances: the resources ``ldirectord``, each with the key of its line."""
    if not asked or find is None:
        return None
    from .heartbeat_balancing import read_balancing, services_of  # only who has such a resource loads it

    found = read_balancing(report, asked, find, here)
    return services_of(report, found, groups) if groups else None


def _judge_question(report: Report, line: _Line, groups: tuple[OldGroup, ...], settings: HeartbeatFiles) -> None:
    """While a dead node cannot be confirmed to be off, only an address in one of its groups shows whether it still runs them."""
    mine = [group.group for group in groups if group.node == line.node]
    asked = any(group.addresses for group in mine)
    fenced = any(device.proves and line.node in dict(device.targets) for device in devices(settings))
    once = [item.id for group in mine if group.name == line.name for item in group.resources if item.id not in HARMLESS]
    others = [node for node in settings.nodes if node != line.node]
    if asked or fenced or not once or not others:
        return
    text = (
        f"no line of {line.node} has an address: when its heartbeats do not arrive, {others[0]} cannot ask the service network "
        f"whether it still runs, takes over, and then both may run {', '.join(once)}"
    )
    hint = (
        "Put an address into the line, or a device with stonith_host into ha.cf, or let a witness vote (native files)."
    )
    report.warning(line.key.place, text, hint)


def _known_node(report: Report, node: Word, nodes: tuple[str, ...]) -> bool:
    if node.text.lower() in nodes:
        return True
    if nodes:
        text = f'haresources names "{node.text}", which is no node of ha.cf: Heartbeat does not start with it'
        report.error(node.place, text, suggestion(node.text.lower(), nodes, "The nodes are"))
    return False


def _group_table(place: Place, tables: list[Table], node: str, settings: HeartbeatFiles) -> Table:
    words: dict[str, object] = {"prefer": [node.lower()], "resources": tables}
    if settings.auto_failback is AutoFailback.OFF:
        words["failback"] = "never"
    stopping = sum(60 if "stop_timeout" in table.entries else 20 for table in tables if "address" not in table.entries)
    if stopping > 60:
        words["stop_timeout"] = f"{stopping}s"
    return Table(entries={word: Entry(place, tree_value(place, data)) for word, data in words.items()})


def _judged(
    report: Report, lines: list[_Line], settings: HeartbeatFiles, machine: Machine | None
) -> tuple[OldGroup, ...]:
    """By the judge of native files."""
    groups = Table()
    for line in lines:
        groups.entries[line.name] = Entry(line.key.place, Value(line.key.place, line.table))
    top = Table(entries={"groups": Entry(Place(), Value(Place(), groups))})
    members = [MemberDraft(node, Role.NODE, Place()) for node in settings.nodes]
    before = len(report.problems)
    drafts = read_groups(report, Scope(report, top, "haresources", Place()), members)
    if any(problem.severity == "error" for problem in report.problems[before:]):
        return ()
    reach = _reach(settings, machine)
    return tuple(
        OldGroup(line.key.text, line.node, line.words, replace(_without_stand_in(draft.group), stays_where=reach))
        for line, draft in zip(lines, drafts, strict=True)
    )


def _without_stand_in(group: Group) -> Group:
    """The interface that stands for "not looked up" becomes ""."""
    resources = tuple(
        replace(item, device="") if isinstance(item, AddressResource) and item.device == UNKNOWN_DEVICE else item
        for item in group.resources
    )
    return replace(group, resources=resources)


def ping_addresses(settings: HeartbeatFiles, machine: Machine | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of all ping nodes, each once; and those that are names which no table of this machine resolves."""
    found: dict[str, None] = {}
    names: list[str] = []
    for text in (host for node in settings.ping_nodes for host in node.hosts):
        address = text if machine is None else machine.hosts.get(text.lower(), text)
        host = read_host(address)
        if isinstance(host, Wrong):
            names.append(text)
        else:
            found[str(host[0]) if host[1] is None else f"{host[0]}%{host[1]}"] = None
    return tuple(found), tuple(names)


def _reach(settings: HeartbeatFiles, machine: Machine | None) -> Reach | None:
    """What ipfail does: the side that reaches fewer gives up, once that has lasted as long as a ping node may be silent."""
    addresses, _ = ping_addresses(settings, machine)
    if not settings.ipfail or not addresses or settings.auto_failback is AutoFailback.LEGACY:
        return None
    return Reach(addresses, damping(settings))


def damping(settings: HeartbeatFiles) -> Duration:
    """Within what native files take."""
    return min(max(settings.deadping // MILLISECOND * MILLISECOND, SECOND), HOUR)


def _name_once(table: Table, names: dict[str, list[object]]) -> None:
    """Another resource of the same name gets a number: native names are unique in the whole cluster.

    Not the same program once more, which is refused under its own name, unless it may be anywhere.
    """
    word = next((word for word in ("ocf", "resource_d", "systemd") if word in table.entries), "")
    if not word:
        return
    entry = table.entries[word]
    base = str(entry.value.data).rpartition(":")[2].rpartition("/")[2].removesuffix(".service")
    meaning = plain(Value(entry.place, table))
    earlier = names.setdefault(base, [])
    if earlier and (meaning not in earlier or base in HARMLESS):
        name = f"{_clean(base)}-{len(earlier) + 1}"
        table.entries["name"] = Entry(entry.place, Value(entry.place, name))
    earlier.append(meaning)


def group_name(key: str, tables: list[Table], taken: set[str]) -> str:
    """What the group is called: its first address, else its key: the script and its first argument."""
    name = next((str(table.entries["address"].value.data) for table in tables if "address" in table.entries), "")
    if name:
        name = _clean(name.partition("/")[0])
    else:
        script, *arguments = key.split("::")
        name = _clean(script)
        if (
            arguments
            and len(name) + len(arguments[0]) < _LONGEST_NAME
            and re.fullmatch(r"[A-Za-z0-9_.-]+", arguments[0])
        ):
            name = f"{name}-{arguments[0]}"
    number, whole = 1, name
    while whole in taken:
        number += 1
        whole = f"{name}-{number}"
    return whole


def _clean(text: str) -> str:
    """With the characters that names may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:_LONGEST_NAME].strip("-.") or "group"
