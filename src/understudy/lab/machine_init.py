"""Process 1 of one machine of the lab: makes the machine's namespaces, says its process id, and buries orphans.

``python -m understudy.lab.machine_init NAME`` prints one line: the id of the machine's process 1, as the caller sees it. To
kill that process is to cut the machine's power: the kernel ends every process of its PID namespace with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

from . import kernel
from .inside import BASE

_MACHINE = kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC


def main() -> None:
    name = sys.argv[1]
    kernel.die_with_parent(signal.SIGKILL)
    kernel.unshare(_MACHINE)
    ready, say = os.pipe()
    child = os.fork()
    if child:
        os.close(say)
        if os.read(ready, 1) != b"+":
            sys.exit(1)
        print(child, flush=True)
        os.waitpid(child, 0)
        os._exit(0)
    os.close(ready)
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket.sethostname(name)
    _furnish()
    os.write(say, b"+")
    os.close(say)
    _bury()


def _furnish() -> None:
    """A ``/proc``, ``/sys`` and ``/run`` of the machine's own; the lab's directory stays visible in ``/run``."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", quiet)
    with contextlib.suppress(OSError):  # a container may hide parts of /sys; nothing of ours reads it
        kernel.mount("sysfs", "/sys", "sysfs", quiet)
    shared = os.open(BASE, os.O_PATH | os.O_DIRECTORY)
    kernel.mount("run", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    os.mkdir(BASE)
    kernel.mount(f"/proc/self/fd/{shared}", BASE, None, kernel.MS_BIND | kernel.MS_REC)
    os.close(shared)
    os.mkdir("/run/lock", 0o1777)
    os.chdir("/")


def _bury() -> None:
    while True:
        signal.sigwait({signal.SIGCHLD})
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main()
