"""What operators have asked of all nodes (``core.wishes``), kept on disk for this node's next start."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..effects import Level
from .kept import RETRY, Kept, sync_directory_of


class WishesFile(Kept[str]):
    """The text of ``core.saved_wishes`` in a file at ``path``, replaced as a whole."""

    def __init__(self, path: str, me: str, say: Callable[[Level, str], None], retry: float = RETRY) -> None:
        def consequence(_wanted: str | None) -> str:
            return f"if all daemons were restarted, {me} would not know which groups are stopped"

        super().__init__(path, "what operators asked for", _save, consequence, say, retry)


def _save(path: str, text: str) -> None:
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory_of(path)
