"""Asking at every tick: the loop that the client and the observer share."""

from __future__ import annotations

import gc
import os
import select
import socket
from collections.abc import Callable, Sequence

from ..units import Duration
from . import kernel

ASKER_PRIORITY = 5
"""Below the pulse (10) and keepalived's usual 50: the yardstick must not disturb what it measures."""


def steadily(
    interval: Duration, sockets: Sequence[socket.socket], ask: Callable[[int], None], take: Callable[[], None]
) -> None:
    """Call ``ask(tick number)`` at every tick of ``interval`` and ``take()`` whenever a socket may be read. Never returns.

    Ticks missed by more than ten intervals are skipped. Ends with exit 0 when the parent is gone (re-parented to process 1).
    """
    kernel.real_time(ASKER_PRIORITY)
    gc.collect()
    gc.freeze()
    gc.disable()
    parent = os.getppid()
    tick = kernel.now() // interval + 1
    while True:
        left = tick * interval - kernel.now()
        if left <= 0:
            tick = max(tick, (-left) // interval - 10 + tick)
            ask(tick)
            tick += 1
            take()
            if tick % 4096 == 0 and os.getppid() != parent:
                return
        elif select.select(sockets, (), (), left / 1e9)[0]:
            take()
