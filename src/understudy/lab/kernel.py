"""The few system calls that the lab needs and Python 3.11 does not wrap.

``os.unshare`` came with 3.12; mount(2), prctl(2) and interface flags never came. All raise OSError as the kernel reports it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import struct
import time

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_SCHED_RESET_ON_FORK = 0x4000_0000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags``; the caller must have one thread only (user_namespaces(7))."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = (source.encode(), target.encode(), kind.encode() if kind else None)
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process ``signal_number`` when its parent thread ends (PR_SET_PDEATHSIG)."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def set_interface(control: socket.socket, name: str, up: bool) -> None:
    """Raise or lower an interface of the socket's network namespace. Takes microseconds, unlike the ``ip`` program."""
    request = bytearray(struct.pack("16sH22x", name.encode(), 0))
    fcntl.ioctl(control, _SIOCGIFFLAGS, request)
    flags = struct.unpack_from("H", request, 16)[0]
    struct.pack_into("H", request, 16, flags | _IFF_UP if up else flags & ~_IFF_UP)
    fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def limit_files(process: int, most: int) -> None:
    """RLIMIT_NOFILE of a running process (prlimit(2))."""
    resource.prlimit(process, resource.RLIMIT_NOFILE, (most, most))


def real_time(priority: int) -> bool:
    """Ask for SCHED_RR at ``priority`` (1 to 99), not inherited by children. False when the kernel refuses."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | _SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    return True


def now() -> int:
    """CLOCK_BOOTTIME in nanoseconds: the one clock that every process of the lab and every daemon reads."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
