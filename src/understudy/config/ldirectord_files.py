"""Several files of ldirectord in one balancer: those that haresources names, and those that a file names by ``execute``.

ldirectord has a process for each file, with settings of its own; what counts for a virtual server stands in its own file here,
too. What counts for a whole process is taken from the first file, and said where another one wants something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ..services import ServiceFiles, ServiceKey, VirtualService
from .ldirectord import LOG_FILE, LdirectordReading
from .report import Report
from .tree import Place

DEFAULT = "ldirectord.cf"
"""The file where none is named."""

Find: TypeAlias = Callable[[str], LdirectordReading | None]
"""Reads a file by the name that ldirectord would be given; None where no folder has it."""


def with_others(reading: LdirectordReading, find: Find) -> LdirectordReading:
    """The file with those that ``execute`` names, in it and in them. ldirectord starts, reloads and stops a daemon for each.

    A file that is missing or wrong is an error, where ldirectord goes on without it.
    """
    if not reading.execute:
        return reading
    report = Report(reading.path)
    report.problems += reading.problems
    found = [(Place(), reading)]
    known = {reading.path}
    waiting = list(reading.execute)
    while waiting:
        name, place = waiting.pop(0)
        other = find(name)
        if other is None:
            text = (
                f'"execute" names {name}, which is neither in /etc/ha.d, nor in its folder conf, nor beside this file'
            )
            report.error(place, text, "Put it there, name it by its whole path, or take the line away.")
        elif other.path not in known:
            known.add(other.path)
            report.problems += other.problems
            found.append((place, other))
            waiting += other.execute
    files = joined(report, found)
    return replace(reading, files=None if report.refused else files, problems=tuple(report.problems), partly=files)


def joined(report: Report, found: Sequence[tuple[Place, LdirectordReading]]) -> ServiceFiles:
    """The services of all files; ``Place``: where each is named. A service that two of them have is an error."""
    first = found[0][1]
    services: list[VirtualService] = []
    taken: dict[ServiceKey, str] = {}
    for place, reading in found:
        _judge_whole(report, place, first, reading)
        for service in reading.partly.services:
            other = taken.setdefault(service.keys[0], reading.path)
            if other != reading.path:
                text = f"{reading.path} has the service {service.name}, which stands in {other} already"
                report.error(place, text, "Keep it in one of them.")
            services.append(service)
    sources = dict.fromkeys(path for _, reading in found for path in reading.partly.sources or (reading.path,))
    return replace(first.partly, services=tuple(services), sources=tuple(sources))


def _judge_whole(report: Report, place: Place, first: LdirectordReading, other: LdirectordReading) -> None:
    """What there is once in a balancer."""
    one, two = first.partly, other.partly
    wanted = {
        "maintenancedir": (one.maintenance, two.maintenance or one.maintenance),
        "callback": (one.callback, two.callback if two.callback.argv else one.callback),
        "autoreload": (one.autoreload, two.autoreload or one.autoreload),
        "logfile": ((one.log_file, one.log_facility), (two.log_file, two.log_facility)),
    }
    for word, (counts, other_wants) in wanted.items():
        if counts != other_wants and not (word == "logfile" and two.log_file == LOG_FILE):
            text = f'"{word}" of {other.path} does not count: there is one balancer, with that of {first.path}'
            report.warning(place, text, f"Write it into {first.path}, for all.")
