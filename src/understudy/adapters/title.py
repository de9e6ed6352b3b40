"""The short name of a process, as ``top``, ``ps -e`` and the kernel's own messages show it.

The command line says it all (``python -P -s -m understudy.pulse --config ...``), but those show "python3" instead.
"""

from __future__ import annotations

from contextlib import suppress


def show(part: str) -> None:
    """Name this process ``understudy-PART``. The kernel keeps 15 bytes (proc(5), "comm"), so the end may be missing."""
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(f"understudy-{part}")
