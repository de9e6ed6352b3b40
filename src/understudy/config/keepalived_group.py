"""``vrrp_sync_group``: virtual routers that are master together."""

from __future__ import annotations

from ..vrrp_files import Notified, SyncGroup
from .keepalived_globals import Defaults
from .keepalived_instance import NOTIFIED, read_notify
from .keepalived_track import KINDS, Tracked, read_tracks
from .keepalived_tree import Statement
from .keepalived_values import boolean
from .report import Report, suggestion


def read_groups(
    report: Report, tree: list[Statement], routers: tuple[str, ...], tracked: Tracked, defaults: Defaults
) -> tuple[SyncGroup, ...]:
    """All groups. ``routers``: the instances there are; a member that is none of them is left out, as there."""
    found: dict[str, SyncGroup] = {}
    taken: dict[str, str] = {}
    for block in tree:
        if block.name != "vrrp_sync_group":
            continue
        name = block.words[1]
        if name.text in found:
            text = f"the sync group {name.text} is there already; keepalived ignores the second"
            report.warning(name.place, text, "Rename one of them.")
            continue
        group = _group(report, block, routers, taken, tracked, defaults)
        if not group.members:
            text = f"the sync group {group.name} has no members; keepalived leaves it out"
            report.warning(name.place, text, "Write group { INSTANCE ... } in it.")
            continue
        if len(group.members) == 1:
            text = f"the sync group {group.name} has a single member, which changes nothing but the scripts"
            report.warning(name.place, text, "Is a name misspelt?")
        found[group.name] = group
    return tuple(found.values())


def _group(
    report: Report,
    block: Statement,
    routers: tuple[str, ...],
    taken: dict[str, str],
    tracked: Tracked,
    defaults: Defaults,
) -> SyncGroup:
    name = block.words[1].text
    members: list[str] = []
    tracks = []
    notified: dict[str, tuple[str, ...]] = {}
    users: list[tuple[str, str]] = []
    switches = {"mail": defaults.mail, "priority_changes": defaults.priority_changes}
    own_weights = False
    for statement in block.block or ():
        word = statement.name
        if word == "group":
            members += _members(report, statement, name, routers, taken)
        elif word in KINDS:
            tracks += read_tracks(report, statement, tracked, name)
        elif word in NOTIFIED:
            read_notify(report, statement, notified, users)
        elif word in ("sync_group_tracking_weight", "global_tracking"):
            own_weights |= word != "global_tracking"
        elif word in ("smtp_alert", "notify_priority_changes"):
            switches["mail" if word == "smtp_alert" else "priority_changes"] = boolean(report, statement, True)
    said = Notified(**notified, **switches, users=tuple(users))  # type: ignore[arg-type]
    return SyncGroup(name, tuple(members), tuple(tracks), own_weights, said)


def _members(
    report: Report, statement: Statement, name: str, routers: tuple[str, ...], taken: dict[str, str]
) -> list[str]:
    found: list[str] = []
    for line in statement.block or ():
        for word in line.words:
            if word.text not in routers:
                hint = suggestion(word.text, routers, "There are")
                text = f'the sync group {name} names "{word.text}", which is no instance; keepalived leaves it out'
                report.warning(word.place, text, hint)
            elif word.text in taken:
                text = f"{word.text} is in the sync group {taken[word.text]} already; keepalived leaves it out here"
                report.warning(word.place, text, "An instance can be in one group only.")
            else:
                taken[word.text] = name
                found.append(word.text)
    return found
