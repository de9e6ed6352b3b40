"""The copy of the services in the runtime directory (``config.service_copy``): whether it is another one, and what it says."""

from __future__ import annotations

import os

from ..config.service_copy import ServiceCopy, read_copy

COPY = "services.json"
"""Its name."""


def load(path: str) -> ServiceCopy:
    """Raises ValueError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return read_copy(file.read())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def stamp(path: str) -> tuple[int, ...]:
    """Another one for another copy, () for none."""
    try:
        seen = os.stat(path)
    except OSError:
        return ()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
