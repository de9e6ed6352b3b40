"""Where this machine has its programs and units. Looks and changes nothing."""

from __future__ import annotations

import os

UNIT_DIRECTORIES = (
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
"""Where systemd finds units, systemd.unit(5)."""


def is_program(path: str) -> bool:
    """Whether it can be run."""
    return os.path.isfile(path) and os.access(path, os.X_OK)
