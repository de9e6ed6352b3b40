"""Machines on which no further process can be started: a control group that is full."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from .netns import LabError

_ROOT = Path("/sys/fs/cgroup")


class FewProcesses:
    """A control group of our own with the processes of some daemons in it, and no room for another one."""

    def __init__(self, name: str) -> None:
        """Raises LabError where the kernel has no such control groups."""
        self._folder = (_ROOT / "pids" if (_ROOT / "pids").is_dir() else _ROOT) / name
        try:
            if not (_ROOT / "pids").is_dir():
                (_ROOT / "cgroup.subtree_control").write_text("+pids")
            self._folder.mkdir()
        except OSError as error:
            raise LabError(f"no control group for processes: {error.strerror}") from error

    def take(self, processes: Sequence[int]) -> None:
        """From now on these start nothing."""
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                (self._folder / "cgroup.procs").write_text(str(process))
        (self._folder / "pids.max").write_text("1")

    def close(self) -> None:
        """Once its processes have ended. Waits a second for that."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            if not self._folder.exists():
                return
            time.sleep(0.01)
        raise LabError(f"{os.fspath(self._folder)} is still in use")
