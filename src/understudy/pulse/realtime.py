"""Being on time: real-time priority, memory that stays, no garbage collection; and a record of how late we were anyway.

Under load the scheduling class decides everything: a heartbeat loop in Python without it was measured 65 to 260 ms late on a
machine with eight busy processes, and at most 20 ms with it, the same as C. So it is asked for, and when it is refused the
administrator is told: the dead time must then be several hundred milliseconds. A short slice, which is asked for instead, helps
where the kernel knows of it: Linux 6.12.

No RLIMIT_RTTIME is set: a limit that a long but legal turn can exceed gets the process killed in the middle of a take-over.
"""

from __future__ import annotations

import ctypes
import gc
import os
import struct
from dataclasses import dataclass, field

from ..units import MILLISECOND, Duration, format_duration

PRIORITY = 10
"""SCHED_RR priority, 1 to 99: above every ordinary program, below the kernel's own real-time threads (50) and watchdogs (99)."""

SLICE: Duration = MILLISECOND // 10
"""The shortest that Linux grants (0.1 to 100 ms); a turn of the loop takes as long."""

_SCHED_SETATTR = {
    "x86_64": 314,
    "aarch64": 274,
    "riscv64": 274,
    "loongarch64": 274,
    "ppc64le": 355,
    "s390x": 345,
    "armv7l": 380,
}
"""The number of the system call: the C library has a function for it since glibc 2.41 only."""

_ATTR_SIZE = 48
"""struct sched_attr as of Linux 3.14."""

_OUT_OF_MEMORY_SCORE = b"-900"
_MCL_CURRENT = 1
_MCL_FUTURE = 2


def raise_priority() -> str:
    """Ask for SCHED_RR. Children, should there ever be any, start ordinary (reset on fork). Returns the reason when refused.

    In a control group (v1) without a real-time budget this is EPERM for root, too.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def shorten_slice() -> bool:
    """Ask for the shortest slice among ordinary programs; for whoever was refused a real-time priority.

    Linux 6.12 and later lets a program ask, without any right, for little at a time, and lets it run for that at once when it
    wakes up, in the middle of the slice of another one that asked for more (sched_setattr(2), EEVDF). Older kernels take the
    call and do nothing. Reset on fork, as the priority is. False when the kernel refuses, or this machine's number of the call
    is not known.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None:
        return False
    flags, runtime = os.SCHED_RESET_ON_FORK >> 30, SLICE
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = struct.pack("=IIQiIQQQ", _ATTR_SIZE, os.SCHED_OTHER, flags, nice, 0, runtime, 0, 0)
    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.syscall(ctypes.c_long(number), ctypes.c_int(0), wanted, ctypes.c_uint(0)) == 0)


def lock_memory() -> str:
    """Keep every page, present and future, in memory. Returns the reason when refused (usually RLIMIT_MEMLOCK)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        return os.strerror(ctypes.get_errno())
    return ""


def freeze_garbage() -> None:
    """Collect once, then never again: one full collection of a grown heap takes longer than a short dead time.

    What the loop makes is free of reference cycles (a test holds that), so counting references frees all of it.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def spare_from_memory_killer() -> None:
    """Ask the kernel to kill others first when memory runs out. Without the right to: nothing lost."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, _OUT_OF_MEMORY_SCORE)
    except OSError:
        pass
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Privileges:
    """What was permitted; each field is empty when it was, else the kernel's reason."""

    priority: str
    memory: str

    def warnings(self, dead_time: Duration) -> tuple[str, ...]:
        """Sentences for ``status`` and the log."""
        found = []
        if self.priority:
            found.append(
                f"no real-time priority ({self.priority}): a busy machine may be late by some hundred milliseconds and"
                f" lose its groups with a dead time of {format_duration(dead_time)};"
                " give CAP_SYS_NICE or LimitRTPRIO=10, or lengthen dead_time"
            )
        if self.memory:
            found.append(
                f"memory cannot be locked ({self.memory}): swapping may delay heartbeats; give LimitMEMLOCK=infinity"
            )
        return tuple(found)


def prepare() -> Privileges:
    """Everything of this page at once, when all is imported and loaded."""
    spare_from_memory_killer()
    priority = raise_priority()
    if priority:
        shorten_slice()
    memory = lock_memory()
    freeze_garbage()
    return Privileges(priority, memory)


_LIMITS: tuple[Duration, ...] = (MILLISECOND, 5 * MILLISECOND, 20 * MILLISECOND, 100 * MILLISECOND)


@dataclass(slots=True)
class Lateness:
    """How late the loop woke up, measured against the time it had asked to be woken.

    ``over[i]`` counts wake-ups later than the i-th of 1, 5, 20 and 100 ms.
    """

    wakeups: int = 0
    most: Duration = 0
    stalls: int = 0
    over: list[int] = field(default_factory=lambda: [0] * len(_LIMITS))

    def add(self, late: Duration) -> None:
        self.wakeups += 1
        if late <= _LIMITS[0]:
            return
        self.most = max(self.most, late)
        for index, limit in enumerate(_LIMITS):
            if late > limit:
                self.over[index] += 1

    def counters(self) -> dict[str, int]:
        """For ``Snapshot.counters``; the longest in microseconds."""
        found = {"wakeups": self.wakeups, "stalls": self.stalls, "latest_wakeup_us": self.most // 1000}
        for limit, count in zip(_LIMITS, self.over, strict=True):
            found[f"wakeups_later_than_{limit // MILLISECOND}ms"] = count
        return found
