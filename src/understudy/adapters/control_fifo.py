"""The control FIFO of the old protocol, into which scripts write messages in string framing. Moves bytes, parses nothing.

Linux-HA Heartbeat 3 has it at /var/lib/heartbeat/fifo, for its owner alone. A writer of at most 4096 bytes (PIPE_BUF, pipe(7))
gets its message in whole; larger ones of several writers may be mixed, and whoever reads drops what makes no sense then.

Not done: 3.0.6's own scripts write a message line by line, so two of them at the same moment can mix theirs; as ever.
"""

from __future__ import annotations

import os
import stat

MODE = 0o600

_READ = 65_536


class ControlFifo:
    """The FIFO ``path``, made when it is missing. What is there and no FIFO is left alone.

    Opened for reading and writing (Linux allows it, fifo(7)), so that there is always a writer: it never ends, and an epoll that
    watches it does not report a hang-up for ever after the first script. OSError when it cannot be made or opened, with the path
    in its text.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            try:
                os.mkfifo(path, MODE)
            except FileExistsError:
                pass
            self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(error.errno, f"the control FIFO {path}: {error.strerror}") from error
        try:
            if not stat.S_ISFIFO(os.fstat(self.descriptor).st_mode):
                raise FileExistsError(f"the control FIFO {path}: what is there is no FIFO; move it away")
            os.fchmod(self.descriptor, MODE)  # of one that was there, or that the umask had changed
        except OSError:
            self.close()
            raise

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the loop watches for readability."""
        return (self.descriptor,) if self.descriptor >= 0 else ()

    def read(self, bound: int = 4) -> tuple[list[bytes], bool]:
        """At most ``bound`` chunks of at most 64 KiB, cut anywhere, and whether it was seen empty. Never waits or raises."""
        found: list[bytes] = []
        for _ in range(bound):
            try:
                found.append(os.read(self.descriptor, _READ))
            except OSError:  # BlockingIOError; after close, that it is closed
                return found, True
        return found, False

    def close(self) -> None:
        """The FIFO itself stays: scripts find it again after the next start. A script that writes meanwhile waits for it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
