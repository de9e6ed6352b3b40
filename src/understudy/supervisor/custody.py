"""The watchdog's descriptor, kept while pulses die: the kernel feeds the device at its last close and at each opening.

The supervisor neither opens nor feeds it. The pulse that opened it sends a copy; every later pulse gets one from here when its
turn comes, and says when it has written the magic V: then ours is closed too, and with the last one the device stops. A
supervisor that finds a living pulse takes a copy from it (pidfd_getfd(2), Linux 5.6), by the number that the pulse has noted in
its mark.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from .notify import log

MARK = "watchdog.armed"
"""In the runtime directory: "SECONDS DESCRIPTOR PATH" (``pulse.guard``)."""

_PIDFD_GETFD = 438


@dataclass(slots=True)
class Custody:
    """``descriptor``: of the open device, or -1."""

    descriptor: int = -1

    def give(self, end: socket.socket | None) -> None:
        """Put a copy into the socket of a pulse whose turn has come."""
        if end is None or self.descriptor < 0:
            return
        try:
            socket.send_fds(end, [b"watchdog"], [self.descriptor])
        except OSError as error:
            log(f"cannot hand the watchdog to the pulse: {error.strerror}", "error")

    def hear(self, end: socket.socket | None) -> bool:
        """Take what a pulse sends. False: nothing will come from it any more."""
        while end is not None:
            try:
                said, descriptors, _, _ = socket.recv_fds(end, 64, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not said:
                return False
            self.close()
            if descriptors:
                self.descriptor = descriptors[0]
        return False

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def copy_from(self, pidfd: int, runtime_dir: str) -> None:
        """From a living pulse that an earlier supervisor started."""
        try:
            with open(os.path.join(runtime_dir, MARK), encoding="utf-8", errors="surrogateescape") as file:
                _, number, path = file.read().rstrip("\n").split(" ", 2)
        except (OSError, ValueError):
            return  # it has no device
        try:
            found = _descriptor_of(pidfd, int(number))
        except (OSError, ValueError) as error:
            log(f"cannot keep {path} open should the pulse die: {error}", "warning")
            return
        try:
            same = os.path.samestat(os.fstat(found), os.stat(path))
        except OSError:
            same = False
        if not same:
            os.close(found)
            return
        self.close()
        self.descriptor = found


def _descriptor_of(pidfd: int, number: int) -> int:
    """A copy of another process's descriptor, closed on exec. Raises OSError."""
    import ctypes  # only here: the supervisor is to stay small

    libc = ctypes.CDLL(None, use_errno=True)
    found = int(libc.syscall(ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(pidfd), ctypes.c_int(number), ctypes.c_uint(0)))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found
