"""A test's folder that other users can reach: pytest makes its folders for root alone, one more beside a second worker."""

from __future__ import annotations

import tempfile
from pathlib import Path


def open_to_all(folder: Path, mode: int = 0o755) -> None:
    """``mode`` is that of the folder itself; those above it, up to the one for temporary files, can be passed through."""
    folder.chmod(mode)
    top = Path(tempfile.gettempdir())
    for parent in folder.parents:
        if parent == top or top not in parent.parents:
            return
        parent.chmod(0o755)
