"""``ldirectord.cf`` as ldirectord 1.186-ha (resource-agents 4.12) reads it, to ``ServiceFiles``, with all that is wrong with it.

Pure: ``load`` opens the file, and whoever asks brings the addresses of names. What makes ldirectord end with 2 is an error, what
it forgives or people misread a warning; where we refuse what it takes the problem says why. Facts: ldirectord(8), and what
Debian's was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Problem
from ..services import Notice, ServiceFiles, ServiceKey, VirtualService
from .ldirectord_lines import Line, Parts, read_lines
from .ldirectord_names import Names, port_of
from .ldirectord_servers import read_fallback
from .ldirectord_services import Whole, read_block, unknown
from .ldirectord_values import Settings, read_value
from .ldirectord_words import DIRECTIVES, FACILITIES
from .report import Report
from .tree import Place

LOG_FILE = "/var/log/ldirectord.log"
"""Where ldirectord writes when the file says nothing."""


@dataclass(frozen=True, slots=True)
class LdirectordReading:
    """``files`` is None when any problem is an error; ``partly`` is what could be read all the same, to be looked at only.
    ``path``: of the file. ``execute``: the other files that it names, by name, and where.
    """

    files: ServiceFiles | None
    problems: tuple[Problem, ...]
    partly: ServiceFiles
    path: str = ""
    execute: tuple[tuple[str, Place], ...] = ()


def read_ldirectord(text: str, path: str, names: Names | None = None) -> LdirectordReading:
    """Read and judge a text. Never raises, whatever it contains. ``names``: who knows addresses and ports; None for nobody."""
    report = Report(path)
    parts = read_lines(report, text, path)
    names = names or Names()
    whole = Whole(Settings(), {})
    for line in parts.directives:
        _directive(report, whole, line, names)
    services: list[VirtualService] = []
    taken: dict[ServiceKey, int] = {}
    for block in parts.blocks:
        service = read_block(report, block, whole, names)
        if service is None:
            continue
        key, line_number = service.keys[0], block.head.name.place.line
        if key in taken:
            text = f"{service.name} is there already, on line {taken[key]}"
            report.error(block.head.name.place, text, "Put its real servers into one block.")
            continue
        taken[key] = line_number
        services.append(service)
    _told_of_defaults(report, parts, whole, services)
    files = _files(whole.settings, tuple(services))
    problems, others = tuple(dict.fromkeys(report.in_order())), tuple(whole.settings.execute.items())
    return LdirectordReading(None if report.refused else files, problems, files, path, others)


def _directive(report: Report, whole: Whole, line: Line, names: Names) -> None:
    name = line.name.text
    directive = DIRECTIVES.get(name)
    if name.startswith("supervised"):
        _supervised(report, whole, line)
    elif directive is None or not directive.globally:
        unknown(report, line.name, False)
    elif line.value is None:
        report.error(line.name.place, f'"{name}" has no "="', f"Write {name}=VALUE.")
    elif name in ("fallback", "fallback6"):
        family = 6 if name == "fallback6" else 4
        found = read_fallback(report, line.value, family, names)
        if found is None:
            return
        if family in whole.fallbacks:
            first = whole.fallbacks[family].place.line
            text = f'"{name}" is given twice, first on line {first}; the later one counts'
            report.warning(line.name.place, text, "Keep one.")
        if _has_ports(report, line, found.port, names):
            whole.fallbacks[family] = found
    else:
        read_value(report, whole.settings, line, line.value, False)


def _has_ports(report: Report, line: Line, port: str, names: Names) -> bool:
    """The name of a port must be one of tcp and of udp, as ldirectord resolves it for both."""
    lacking = [each for each in ("tcp", "udp") if port and port_of(names, port, each) is None]
    if not lacking:
        return True
    text = (
        f'nothing here knows the {lacking[0]} port "{port}", and ldirectord looks a global fallback up for tcp and udp'
    )
    report.error(line.value.place if line.value else line.name.place, text, "Write its number.")
    return False


def _supervised(report: Report, whole: Whole, line: Line) -> None:
    name = line.name.text
    if name != "supervised":
        report.error(line.name.place, f'unknown directive "{name}"', 'Did you mean "supervised"?')
    elif line.value is None:
        text = "supervised without a value counts as yes"
        report.warning(line.name.place, text, "ldirectord warns of it as well: write supervised=yes.")
    else:
        read_value(report, whole.settings, line, line.value, False)


def _told_of_defaults(report: Report, parts: Parts, whole: Whole, services: list[VirtualService]) -> None:
    """What the whole file says, or leaves to defaults that people take for others."""
    settings = whole.settings
    for line in [*parts.directives, *(line for block in parts.blocks for line in block.lines)]:
        directive = DIRECTIVES.get(line.name.text)
        if directive is not None and not directive.effect:
            report.warning(line.name.place, f'"{line.name.text}" has no effect: {directive.note}')
        elif line.name.text == "checkcount":
            text = '"checkcount" counts for pings only, and ldirectord calls it deprecated'
            report.warning(line.name.place, text, 'Write "failurecount" for failures in a row.')
    silent = [
        block
        for block in parts.blocks
        if "quiescent" not in settings.places and all(line.name.text != "quiescent" for line in block.lines)
    ]
    if silent:
        text = "nothing says quiescent: failed servers are taken out (quiescent=no), although the manual page says yes"
        hint = "Write quiescent=no or quiescent=yes in column 1, so that nobody has to know."
        report.warning(silent[0].head.name.place, text, hint)
    if "checktimeout" in settings.numbers and "negotiatetimeout" not in settings.numbers:
        alone = settings.numbers["checktimeout"]
        if alone < 30 and any(block for block in parts.blocks if not _has_own_time(block.lines)):
            text = f"checktimeout is the time limit of negotiate checks, too: {alone} s, and not 30"
            report.warning(settings.places["checktimeout"], text, "Write negotiatetimeout to have another.")
    if "callback" in settings.texts and any(blank in settings.texts["callback"] for blank in " \t"):
        text = "callback has blanks, and ldirectord runs no program of that name"
        report.warning(settings.places["callback"], text, "Name a script, without arguments.")
    if not parts.blocks and not settings.execute and not report.refused:
        report.warning(Place(), "the file has no virtual server: nothing is balanced", "Add virtual=ADDRESS:PORT.")


def _has_own_time(lines: list[Line]) -> bool:
    """Whether a block says how long its whole checks may take, or makes none."""
    for line in lines:
        value = "" if line.value is None else line.value.text.strip()
        if line.name.text in ("checktimeout", "negotiatetimeout"):
            return True
        if line.name.text == "checktype" and value in ("connect", "ping", "on", "off", "external", "external-perl"):
            return True
    return False


def _files(settings: Settings, services: tuple[VirtualService, ...]) -> ServiceFiles:
    log = settings.texts.get("logfile", LOG_FILE)
    callback = settings.texts.get("callback", "")
    return ServiceFiles(
        services=services,
        maintenance=settings.texts.get("maintenancedir", ""),
        autoreload=settings.switches.get("autoreload", False),
        callback=Notice((callback,)) if callback else Notice(),
        log_file=log if log.startswith("/") else "",
        log_facility="" if log.startswith("/") else log if log in FACILITIES else "daemon",
    )
