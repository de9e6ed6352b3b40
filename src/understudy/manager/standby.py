"""Whether this node is in standby, kept on disk for its next start."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..effects import Level
from .kept import RETRY, Kept, sync_directory_of


class StandbyFile(Kept[bool]):
    """The state is a file at ``path`` that is there or not: without content, so that a full disk does not matter.

    ``drain``: the file that says of a standby that it keeps what no other node can take.
    """

    def __init__(
        self, path: str, me: str, say: Callable[[Level, str], None], retry: float = RETRY, drain: bool = False
    ) -> None:
        def consequence(wanted: bool | None) -> str:
            if drain:
                return f"after a restart of its daemon {me} would {'stop' if wanted else 'keep'} what no other node can run"
            return f"after a restart of its daemon {me} would be {'online' if wanted else 'in standby'}"

        super().__init__(path, "drain" if drain else "standby", _save, consequence, say, retry)


def _save(path: str, standby: bool) -> None:
    if standby:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    else:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
    sync_directory_of(path)
