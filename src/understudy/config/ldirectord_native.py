"""The native form of an ldirectord.cf."""

from __future__ import annotations

from .conversion import Conversion, given
from .ldirectord import LdirectordReading
from .services_render import render


def convert(reading: LdirectordReading, path: str) -> Conversion:
    """Of a file without errors; else only its problems."""
    files = reading.files
    if files is None:
        return Conversion(None, reading.problems)
    return given(
        render(files),
        path,
        lambda again: again.services == files,
        reading.problems,
        lambda problem: "no effect" in problem.text,
    )
