"""The language of tests/placement: a status in plain words, and after each ``plan`` what follows from it, with all reasons.

``render`` runs a text and returns it with its plans written anew. ``#`` begins a comment. The lines:

    nodes ha01 ha02 ha03                         in the order of the file; all up for 10m
    group site [prefer ha01 ha02] [failback never | when-healthy | 5m | 02:00-04:00] [with G] [apart G...] [after G...] [weight 3]
        [reach 192.168.58.1...]                  its ping targets
    ha01 takes 10                                its capacity
    settle 1.4s                                  how long a better node must have been up; 1.4s unless told
    ha01 up 3s                                   able since then; takes back what kept it from running anything
    ha01 able to run site for 2s                 since when it can run this group, where that is shorter
    ha01 barred: it is in standby                may run nothing, and why
    ha01 unfit for site: eth0 has no carrier     cannot run this group, and why; nothing after the colon: it can
    site on ha01 | site on nobody                who holds it
    hours of site [in 3h]                        those of its failback are right now, or in so long
    no hours of site                             or not, and who knows when
    site pinned | site free                      whether an operator put it where it is
    ha01 mended by: understudy online ha01       what would end that it is barred
    silent arbiter                               members that are not there, so that their votes are missing
    plan                                         below it, indented, the decisions
    prospects                                    below it, indented, what would move each group
    whatif [down ha01...] [standby ha02...] [unreachable 192.168.58.1@ha01...]    below it, indented, what a file's cluster
                                                 would do: it begins with all nodes up and all targets answering
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from understudy.config.hours import read_hours
from understudy.core.placement import Decision, NodeView, View, plan
from understudy.core.prospects import Known, prospects
from understudy.hours import Hours
from understudy.manager.whatif import answer
from understudy.model import Cluster, Failback, FailbackKind, Group, Member, Quorum, Role
from understudy.probes import Reach
from understudy.sim.script_shapes import split
from understudy.units import MINUTE, SECOND, Duration, format_duration, parse_duration

INDENT = "    "
SETTLE: Duration = 1_400_000_000


@dataclass
class Status:
    """What the lines have said so far."""

    nodes: dict[str, NodeView] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    settle: Duration = SETTLE
    capacities: dict[str, int] = field(default_factory=dict)
    ends: dict[tuple[str, str], str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    within: set[str] = field(default_factory=set)
    soon: dict[str, Duration] = field(default_factory=dict)

    def cluster(self) -> Cluster:
        members = tuple(Member(name, Role.NODE, (), "", self.capacities.get(name)) for name in self.nodes)
        witness = Member("arbiter", Role.WITNESS, ())
        groups = tuple(self.groups.values())
        return Cluster("test", "", SECOND // 5, SECOND, Quorum.MAJORITY, (*members, witness), groups)

    def view(self) -> View:
        return View(self.nodes, self.holders, frozenset(self.pinned), self.settle, within=frozenset(self.within))

    def plan(self) -> dict[str, Decision]:
        return plan(self.cluster(), self.view())

    def known(self) -> Known:
        cluster = self.cluster()
        alive = frozenset(name for name in cluster.names if name not in self.silent)
        missing = "" if len(alive) >= cluster.majority else f"waits for {cluster.majority} votes"
        return Known(cluster, self.view(), self.plan(), alive, self.ends, missing, self.soon)


def render(text: str) -> str:
    """The text with every plan as it is now. Raises ValueError with the line that cannot be understood."""
    status, lines = Status(), []
    for line in text.splitlines():
        if line.startswith(INDENT):
            continue
        lines.append(line)
        command = line.partition("#")[0].strip()
        if command == "plan":
            lines += [INDENT + item for decision in status.plan().values() for item in decided(decision)]
        elif command == "prospects":
            known = status.known()
            for name in status.groups:
                lines.append(f"{INDENT}{name} on {status.holders.get(name, 'nobody')}")
                lines += [INDENT * 2 + item for item in prospects(known, name)]
        elif command.split()[:1] == ["whatif"]:
            lines += [INDENT + item for item in _asked(status.cluster(), command.split()[1:])]
        elif command:
            _tell(status, command)
    return "\n".join(lines) + "\n"


def decided(decision: Decision) -> list[str]:
    """One decision as lines; reasons in the order of the names."""
    lines = [f"{decision.group} -> {decision.node or 'nowhere'}: {decision.why}"]
    lines += [f"{INDENT}not {name}: {why}" for name, why in sorted(decision.not_on.items())]
    lines.append(f"{INDENT}able: {', '.join(decision.order) or 'nobody'}")
    if decision.wait is not None:
        lines.append(f"{INDENT}fails back in {format_duration(decision.wait)}")
    return lines


def _asked(cluster: Cluster, words: list[str]) -> list[str]:
    """What ``understudy whatif`` finds, as lines; reasons in the order of the names."""
    options = {
        name: ",".join(found) for name, found in split(words, ("down", "standby", "unreachable")).items() if name
    }
    lines = []
    for group in answer(cluster, None, **{"down": "", "standby": "", **options})["groups"]:
        lines.append(f"{group['name']} {group['before'] or 'nowhere'} -> {group['node'] or 'nowhere'}: {group['why']}")
        lines += [f"{INDENT}not {name}: {why}" for name, why in sorted(group["not_on"].items())]
    return lines


def _tell(status: Status, command: str) -> None:
    head, _, reason = command.partition(":") if not command.startswith("group ") else (command, "", "")
    match head.split():
        case ["nodes", *names]:
            status.nodes = {name: NodeView(name, up_for=10 * MINUTE) for name in names}
        case ["group", name, *words]:
            status.groups[name] = _group(name, words)
        case ["settle", span]:
            status.settle = parse_duration(span)
        case [node, "takes", amount] if node in status.nodes:
            status.capacities[node] = int(amount)
        case [node, "up", span] if node in status.nodes:
            status.nodes[node] = replace(status.nodes[node], bar="", up_for=parse_duration(span))
        case [node, "able", "to", "run", group, "for", span] if node in status.nodes and group in status.groups:
            able_for = {**status.nodes[node].able_for, group: parse_duration(span)}
            status.nodes[node] = replace(status.nodes[node], able_for=able_for)
        case [node, "barred"] if node in status.nodes and reason.strip():
            status.nodes[node] = replace(status.nodes[node], bar=reason.strip())
        case [node, "mended", "by"] if node in status.nodes:
            status.ends[node, ""] = reason.strip()
        case ["silent", *names]:
            status.silent = set(names)
        case [node, "unfit", "for", group] if node in status.nodes and group in status.groups:
            unfit = {**status.nodes[node].unfit, group: reason.strip()}
            status.nodes[node] = replace(status.nodes[node], unfit=unfit)
        case [group, "on", "nobody"] if group in status.groups:
            status.holders.pop(group, None)
        case [group, "on", node] if group in status.groups:
            status.holders[group] = node
        case ["hours", "of", group] if group in status.groups:
            status.within.add(group)
        case ["hours", "of", group, "in", span] if group in status.groups:
            status.within.discard(group)
            status.soon[group] = parse_duration(span)
        case ["no", "hours", "of", group] if group in status.groups:
            status.within.discard(group)
            status.soon.pop(group, None)
        case [group, "pinned"] if group in status.groups:
            status.pinned.add(group)
        case [group, "free"] if group in status.groups:
            status.pinned.discard(group)
        case _:
            raise ValueError(f"not understood: {command}")


def _group(name: str, words: list[str]) -> Group:
    options = split(words, ("prefer", "failback", "with", "apart", "after", "weight", "reach"))
    if options[""]:
        raise ValueError(f"not understood: {' '.join(options[''])}")
    failback = Failback()
    if "failback" in options:
        kinds = {kind.value: kind for kind in (FailbackKind.NEVER, FailbackKind.WHEN_HEALTHY)}
        value = " ".join(options["failback"])
        if value in kinds:
            failback = Failback(kinds[value])
        elif isinstance(hours := read_hours(value), Hours):
            failback = Failback(FailbackKind.WITHIN, hours=hours)
        else:
            failback = Failback(FailbackKind.AFTER, parse_duration(value))
    return Group(
        name,
        (),
        tuple(options.get("prefer", ())),
        failback,
        together=options["with"][0] if "with" in options else None,
        apart=tuple(options.get("apart", ())),
        after=tuple(options.get("after", ())),
        weight=int(options.get("weight", ["0"])[0]),
        stays_where=Reach(tuple(options["reach"]), 5 * SECOND) if "reach" in options else None,
    )
