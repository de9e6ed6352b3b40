"""Units of systemd in the configuration."""

from __future__ import annotations

import re

from ..model import SystemdResource
from .parts import Common, program_name
from .report import Report, Scope, one_of

SUFFIXES = (".service", ".socket", ".mount", ".target", ".timer", ".path", ".slice", ".swap", ".automount")
_USABLE = (".service", ".socket", ".mount", ".target", ".timer", ".path")

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}", re.ASCII)
"""The characters of unit names, systemd.unit(5)."""


def read_unit(report: Report, scope: Scope, common: Common, exclusive: frozenset[str]) -> SystemdResource | None:
    """A resource of the kind ``systemd``; None after reporting. ``exclusive``: names of services that are so by default."""
    text = scope.text("systemd")
    if text is None:
        return None
    place = scope.at("systemd")
    if not _UNIT.fullmatch(text):
        hint = 'Write its name alone, such as "apache2.service".' if "/" in text else "See systemd.unit(5)."
        report.error(place, f'"{text}" cannot be the name of a unit', hint)
        return None
    unit = text if text.endswith(SUFFIXES) else f"{text}.service"
    stem, _, suffix = unit.rpartition(".")
    if stem.endswith("@"):
        report.error(place, f'"{text}" is a template, not a unit', f'Write which one, as in "{stem}main.{suffix}".')
        return None
    if not stem or not unit.endswith(_USABLE):
        report.error(place, f'a group cannot run the unit "{text}"', f"It can run {one_of(_USABLE)}.")
        return None
    return SystemdResource(
        common.name or program_name(unit.removesuffix(".service")),
        unit,
        is_exclusive_unit(unit, exclusive) if common.exclusive is None else common.exclusive,
        common.limits,
        common.restarts,
    )


def is_exclusive_unit(unit: str, names: frozenset[str]) -> bool:
    """postgresql@15-main.service is what postgresql is; a .mount is a disk."""
    stem, _, suffix = unit.rpartition(".")
    return suffix == "mount" or (suffix == "service" and stem.partition("@")[0] in names)
