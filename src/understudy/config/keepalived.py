"""``keepalived.conf`` as keepalived 2.2.7 reads it, to ``RouterFiles``, with everything that is wrong with it.

Pure: ``load`` opens the files. What keepalived forgives is a warning, what makes it exit an error, and so is what it loses of
virtual servers; where we refuse what it takes, the problem says why.
Facts: keepalived.conf(5), and what Debian's 2.2.7 was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Problem
from ..vrrp_files import RouterFiles
from .keepalived_expand import Expander, Source, Sources, no_files
from .keepalived_globals import Defaults, read_globals
from .keepalived_group import read_groups
from .keepalived_instance import read_instance
from .keepalived_rules import RouterDraft, check_together, finish_instance
from .keepalived_services import read_services
from .keepalived_track import Tracked, read_tracked
from .keepalived_tree import Statement, read_tree
from .report import Report


@dataclass(frozen=True, slots=True)
class KeepalivedReading:
    """``files`` is None when any problem is an error; ``partly`` is what could be read all the same, to be looked at only.
    ``sources``: the paths of all files that were read.
    """

    files: RouterFiles | None
    problems: tuple[Problem, ...]
    sources: tuple[str, ...] = ()
    partly: RouterFiles | None = None


def read_keepalived(
    source: Source, sources: Sources = no_files, config_id: str = "", folder: str = "", with_services: bool = True
) -> KeepalivedReading:
    """Read and judge a text and all that it includes. Never raises, whatever they contain.

    ``with_services``: whether virtual servers are read, too.
    ``config_id``: what ``@id`` is compared with, keepalived's ``-i`` or the host name up to its first dot.
    """
    report = Report(source.path)
    if source.problem:
        report.problems.append(Problem(source.path, 0, 0, f"cannot read the file: {source.problem}", ""))
        return KeepalivedReading(None, report.in_order(), (source.path,))
    expander = Expander(report, sources, config_id, folder)
    tree = read_tree(report, expander.read(source))
    settings, defaults = read_globals(report, tree)
    tracked = read_tracked(report, tree)
    drafts = _routers(report, tree, tracked, defaults)
    routers = tuple(draft.router for draft in drafts)
    groups = read_groups(report, tree, tuple(router.name for router in routers), tracked, defaults)
    tracks = [track for item in routers for track in item.tracks] + [track for item in groups for track in item.tracks]
    _unused(report, tree, set(tracked.scripts) - {track.name for track in tracks if track.kind == "script"})
    files = RouterFiles(
        routers=routers,
        sync_groups=groups,
        scripts=tuple(tracked.scripts.values()),
        files=tuple(tracked.files.values()),
        processes=tuple(tracked.processes.values()),
        settings=settings,
    )
    if with_services:
        files = replace(files, services=read_services(report, tree, files))
    return KeepalivedReading(
        None if report.refused else files, _in_order(report, expander.files), tuple(expander.files), files
    )


def _unused(report: Report, tree: list[Statement], names: set[str]) -> None:
    """Scripts that no instance and no group tracks."""
    for block in tree:
        if block.name == "vrrp_script" and len(block.words) > 1 and block.words[1].text in names:
            name = block.words[1]
            names.discard(name.text)
            text = f"the script {name.text} is tracked by nobody, so it is not run"
            report.warning(name.place, text, "Write its name into track_script of an instance or a sync group.")


def _routers(report: Report, tree: list[Statement], tracked: Tracked, defaults: Defaults) -> list[RouterDraft]:
    names: set[str] = set()
    found: list[RouterDraft] = []
    for block in tree:
        if block.name != "vrrp_instance":
            continue
        name = block.words[1]
        if len(block.words) != 2:
            text = f"vrrp_instance takes one name, and has {len(block.words) - 1}; keepalived leaves the instance out"
            report.warning(name.place, text, "Put a name with blanks between double quotes.")
            continue
        if name.text in names:
            text = f"the instance {name.text} is there already; keepalived ignores the second"
            report.warning(name.place, text, "Give each a name of its own.")
            continue
        names.add(name.text)
        draft = finish_instance(report, read_instance(report, block, tracked), defaults)
        if draft is not None:
            found.append(draft)
    check_together(report, found)
    return found


def _in_order(report: Report, files: list[str]) -> tuple[Problem, ...]:
    """File after file in the order in which they are first read, each by line and column."""
    places = {name: number for number, name in reversed(list(enumerate(files)))}

    def key(problem: Problem) -> tuple[int, bool, int, int]:
        return places.get(problem.file, len(files)), problem.line == 0, problem.line, problem.column

    return tuple(dict.fromkeys(sorted(report.problems, key=key)))
