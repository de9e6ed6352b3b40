"""The native form of a keepalived.conf."""

from __future__ import annotations

from dataclasses import replace

from ..model import Cluster
from .conversion import Conversion, given
from .keepalived import KeepalivedReading
from .routers_render import render_routers


def convert(reading: KeepalivedReading, path: str) -> Conversion:
    """Of a file without errors; else only its problems."""
    files = reading.files
    if files is None:
        return Conversion(None, reading.problems)

    def same(again: Cluster) -> bool:
        return again.routers is not None and replace(again.routers, services=again.services) == files

    return given(
        render_routers(files),
        path,
        same,
        reading.problems,
        lambda problem: "has no effect" in problem.text or "unknown keyword" in problem.text,
    )
