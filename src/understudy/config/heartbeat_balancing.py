"""``ldirectord::FILE`` in haresources: the services of that file, which belong to the group of its line.

No script is run for it. The balancer has the services; the table stands while the group is held here and goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..heartbeat_files import OldGroup
from ..services import ServiceFiles, VirtualService
from .heartbeat_lines import Word
from .ldirectord import LdirectordReading
from .ldirectord_files import DEFAULT, Find, joined
from .report import Report
from .tree import Place


def read_balancing(
    report: Report, asked: Sequence[tuple[Word, str]], find: Find, here: bool
) -> tuple[tuple[Word, str, LdirectordReading], ...]:
    """Every word with the key of its line and what its file says, each file once; all problems are reported.

    ``here``: this machine is to run it, so that a file that is missing is an error.
    """
    found = []
    told: set[str] = set()
    for word, key in asked:
        name = _name(report, word)
        reading = find(name) if name else None
        if name and reading is None:
            text = f"there is no file {name} for ldirectord, neither beside haresources nor in the folder conf there"
            report.lacking(word.place, text, "Put it there, or name it by its whole path.", here)
        if reading is None:
            continue
        if reading.path not in told:
            report.problems += reading.problems
        told.add(reading.path)
        found.append((word, key, reading))
    return tuple(found)


def services_of(
    report: Report, found: Sequence[tuple[Word, str, LdirectordReading]], groups: Sequence[OldGroup]
) -> ServiceFiles | None:
    """The services of all files. Of the lines that name a file a service belongs to the one with its address, else the first."""
    of_key = {group.key: group for group in groups}
    found = [each for each in found if each[1] in of_key]  # not those of a line that was refused
    if not found:
        return None
    lines: dict[str, list[tuple[Place, OldGroup]]] = {}
    readings: dict[str, tuple[Place, LdirectordReading]] = {}
    for word, key, reading in found:
        readings.setdefault(reading.path, (word.place, reading))
        lines.setdefault(reading.path, []).append((word.place, of_key[key]))
    owned = []
    for path, (place, reading) in readings.items():
        services = tuple(_owned(report, each, lines[path], groups) for each in reading.partly.services)
        owned.append((place, replace(reading, partly=replace(reading.partly, services=services))))
    return joined(report, owned)


def _owned(
    report: Report, service: VirtualService, lines: Sequence[tuple[Place, OldGroup]], groups: Sequence[OldGroup]
) -> VirtualService:
    address = service.keys[0].address
    place, owner = next((line for line in lines if address in _addresses(line[1])), lines[0])
    other = next((group for group in groups if address in _addresses(group)), owner)
    if not _addresses(owner):
        text = f"the line of {owner.key} has no address to show who holds it: the table of {service.name} stands on both nodes"
        report.warning(place, text, "Put ldirectord into the line that has the address of its services.")
    elif other is not owner:
        text = f"{service.name} goes with the line of {owner.key}, and its address {address} with that of {other.key}"
        report.warning(place, text, "Put ldirectord into the line that has the address.")
    return replace(service, group=owner.group.name)


def _addresses(group: OldGroup) -> tuple[str, ...]:
    return tuple(item.address for item in group.group.addresses)


def _name(report: Report, word: Word) -> str:
    """ "" after reporting."""
    _, *arguments = word.text.split("::")
    if len(arguments) > 1:
        text = f"ldirectord takes one file, not {len(arguments)} arguments"
        report.error(word.place, text, 'Write a resource for each file: "ldirectord::one.cf ldirectord::two.cf".')
        return ""
    if arguments and (not arguments[0] or arguments[0].startswith("-")):
        text = f'ldirectord is to be given a file, and not "{arguments[0]}"'
        report.error(word.place, text, f'Write "ldirectord::lvs.cf"; "ldirectord" alone is {DEFAULT}.')
        return ""
    return arguments[0] if arguments else DEFAULT
