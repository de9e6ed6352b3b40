"""Another VRRP daemon on this machine: two of them would serve the same addresses beside each other, and neither hears the other.

What this does not see: one in another process namespace (a container with the machine's network).
"""

from __future__ import annotations

import os

NAME = "keepalived"
ADVICE = f"stop it: systemctl disable --now {NAME}"


def keepalived_here(proc: str = "/proc") -> int:
    """The number of a living keepalived process that speaks VRRP in our network namespace; 0 when there is none.

    One that was started with ``-C`` (``--check``) only looks after real servers, and disturbs nobody.
    """
    try:
        ours = os.readlink(os.path.join(proc, "self/ns/net"))
        numbers = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    except OSError:
        return 0
    return next((number for number in numbers if _is_it(os.path.join(proc, str(number)), ours)), 0)


def _is_it(folder: str, network: str) -> bool:
    """False also for a process that is gone, or that we may not look at."""
    try:
        with open(os.path.join(folder, "comm"), encoding="utf-8", errors="replace") as file:
            if not file.read().startswith(NAME):
                return False
        if os.readlink(os.path.join(folder, "ns/net")) != network:
            return False
        with open(os.path.join(folder, "cmdline"), "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return bool(words[0]) and not {b"-C", b"--check"}.intersection(words)
