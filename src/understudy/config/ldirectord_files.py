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
    sources = tuple(reading.path for _, reading in found)
    return replace(first.partly, services=tuple(services), sources=sources)


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
