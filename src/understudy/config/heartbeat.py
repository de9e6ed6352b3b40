"""``/etc/ha.d``: ha.cf, haresources and authkeys of Linux-HA Heartbeat 3, to what the old protocol's runtime needs.

Pure: ``load`` opens the files, the command line looks at the machine. Facts about the formats: heartbeat's ha.cf(5), its sample
files, and what Debian's 3.0.6 was seen to accept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import Problem
from ..heartbeat_files import DEFAULT_PORT, HeartbeatFiles, MediumKind
from .heartbeat_cf import CfDraft, read_cf
from .heartbeat_groups import read_haresources
from .heartbeat_keys import KeysDraft, read_authkeys
from .heartbeat_lines import text_of
from .heartbeat_machine import Machine
from .heartbeat_resources import Translator
from .heartbeat_rules import judge_cf, judge_host, judge_stonith
from .report import Report
from .tree import Place

if TYPE_CHECKING:
    from .ldirectord_files import Find  # the real-time process needs none of it

NAMES = ("ha.cf", "haresources", "authkeys")
"""The files of the folder, in the order in which problems are told."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file: its bytes and permission bits, or why it cannot be read."""

    path: str
    data: bytes = b""
    mode: int = 0o600
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """The three files of a folder. ``find``: reads what ``ldirectord::`` names; None for nobody."""

    folder: str
    cf: Found
    haresources: Found
    authkeys: Found
    find: Find | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatReading:
    """``files`` is None when any problem is an error. ``given``: the lines of ha.cf, as (directive, value, number)."""

    files: HeartbeatFiles | None
    problems: tuple[Problem, ...]
    given: tuple[tuple[str, str, int], ...] = ()


def read_heartbeat(
    texts: Texts,
    machine: Machine | None = None,
    here: bool = False,
    own_mounts: bool = False,
    asked: tuple[str, ...] = (),
) -> HeartbeatReading:
    """Read and judge the three files. Never raises, whatever they contain.

    ``machine``: the one to look things up on, None for none; ``here``: it is one of the nodes, so that what it lacks is an
    error. ``own_mounts``: mounts of our own kind in place of the agent ``Filesystem``. ``asked``: virtual addresses as IPaddr
    writes them, which count for the file's.
    """
    report = Report(texts.cf.path)
    for found in (texts.cf, texts.haresources, texts.authkeys):
        if found.problem is not None:
            report.problems.append(found.problem)
    draft = CfDraft()
    settings: HeartbeatFiles | None = None
    if texts.cf.problem is None:
        port = machine.port if machine is not None else DEFAULT_PORT
        draft = read_cf(report, text_of(texts.cf.data), texts.cf.path, port)
        settings = judge_cf(report, draft, texts.cf.path, texts.folder, machine, here)
        judge_stonith(report, draft, settings, machine)
        if machine is not None:
            judge_host(report, settings, machine, here, next(iter(draft.nodes.values()), Place(file=texts.cf.path)))
    keys = KeysDraft()
    if texts.authkeys.problem is None:
        serial_only = bool(draft.media) and all(medium.kind is MediumKind.SERIAL for medium, _ in draft.media)
        keys = read_authkeys(report, texts.authkeys.data, texts.authkeys.path, texts.authkeys.mode, serial_only)
    if settings is not None and texts.haresources.problem is None:
        translator = Translator(report, machine, own_mounts, asked)
        text = text_of(texts.haresources.data)
        found_in = texts.haresources.path
        groups, services = read_haresources(report, text, found_in, settings, translator, texts.find)
        settings = replace(settings, groups=groups, services=services, keys=keys.keys, outgoing=keys.outgoing or 0)
    given = tuple((word, value, place.line) for word, value, place in draft.given)
    return HeartbeatReading(None if report.refused else settings, _in_order(report, texts), given)


def _in_order(report: Report, texts: Texts) -> tuple[Problem, ...]:
    """File after file, each as ``Report.in_order`` has it."""
    files = [texts.cf.path, texts.haresources.path, texts.authkeys.path]
    files += dict.fromkeys(problem.file for problem in report.problems if problem.file not in files)

    def key(problem: Problem) -> tuple[int, bool, int, int]:
        return files.index(problem.file), problem.line == 0, problem.line, problem.column

    return tuple(sorted(report.problems, key=key))
