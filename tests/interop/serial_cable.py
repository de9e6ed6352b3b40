"""A cable between two serial lines, as a process of its own: what comes in at one terminal goes out at the other.

    python serial_cable.py DESCRIPTOR DESCRIPTOR

Both descriptors are masters of pseudo terminals. SIGUSR1 cuts the cable, SIGUSR2 joins it again; it ends with its starter.
It runs at real-time priority, as an interrupt would: else the heartbeats that it carries were late on a busy machine.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from understudy.lab import kernel


def carry(one: int, other: int) -> None:
    """For ever."""
    whole = True

    def switch(number: int, frame: object) -> None:
        nonlocal whole
        whole = number == signal.SIGUSR2

    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, switch)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
    except PermissionError:
        print("no real-time priority for the serial cable", file=sys.stderr)
    print("ready", flush=True)
    while True:
        for source in select.select((one, other), (), ())[0]:
            text = os.read(source, 4096)
            if whole:
                os.write(other if source == one else one, text)


if __name__ == "__main__":
    kernel.die_with_parent(signal.SIGKILL)
    carry(int(sys.argv[1]), int(sys.argv[2]))
