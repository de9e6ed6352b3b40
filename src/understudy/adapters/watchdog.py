"""The machine's watchdog device: resets the machine when it was not fed for its time-out, whatever has become of this process.

Values are those of <linux/watchdog.h>. The device counts from the moment it is opened, and goes on when its last descriptor is
closed, unless the letter V was written just before (the magic close; not where the driver was loaded with nowayout). Opening it,
setting its time-out, and a last close without the V each feed it once (Linux, drivers/watchdog/watchdog_dev.c: watchdog_open,
WDIOC_SETTIMEOUT, watchdog_release); reading its time-out does not. So whoever must not feed it takes over an open descriptor.
A path that knows none of the requests, such as a FIFO that stands in for a device, counts as one with the configured time-out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from dataclasses import dataclass

from ..units import SECOND, Duration

WDIOC_GETSUPPORT = 0x80285700
WDIOC_SETTIMEOUT = 0xC0045706
WDIOC_GETTIMEOUT = 0x80045707
WDIOF_MAGICCLOSE = 0x0100

FOOD = b"\0"
MAGIC = b"V"


@dataclass(slots=True)
class Watchdog:
    """An open device. ``timeout`` is what the device itself says. ``descriptor`` -1: it counts, and nobody here has it open."""

    path: str
    descriptor: int
    timeout: Duration
    trouble: str = ""

    def feed(self) -> None:
        """One byte; never waits. A device that takes none is remembered in ``trouble``; it will reset the machine."""
        if self.descriptor < 0:
            return
        try:
            os.write(self.descriptor, FOOD)
            self.trouble = ""
        except OSError as error:
            self.trouble = f"the watchdog {self.path} cannot be fed: {error.strerror}"

    def close(self) -> None:
        """The magic close: the device stops counting with its last descriptor, where its driver permits it."""
        if self.descriptor < 0:
            return
        try:
            os.write(self.descriptor, MAGIC)
        except OSError as error:
            self.trouble = f"the watchdog {self.path} cannot be stopped: {error.strerror}"
        os.close(self.descriptor)
        self.descriptor = -1


def open_watchdog(path: str, timeout: Duration) -> Watchdog | str:
    """Open and so start the device, set to ``timeout`` (whole seconds). Returns the sentence why it could not be done."""
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        return _why_not(path, error)
    seconds = max(1, timeout // SECOND)
    try:
        fcntl.ioctl(descriptor, WDIOC_SETTIMEOUT, struct.pack("i", seconds))
        (seconds,) = struct.unpack("i", fcntl.ioctl(descriptor, WDIOC_GETTIMEOUT, struct.pack("i", 0)))
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            os.close(descriptor)
            return f"the watchdog {path} does not take a time-out of {seconds}s: {error.strerror}"
        given = _given(descriptor)
        if given is None and stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return f"the watchdog {path} does not say its time-out, so nobody could rely on it: use another driver"
        seconds = seconds if given is None else given
    if not _magic(descriptor):
        os.close(descriptor)
        return f"the watchdog {path} stops when the daemon dies (its driver has no magic close): use another driver"
    return Watchdog(path, descriptor, seconds * SECOND)


def taken_over(path: str, descriptor: int, timeout: Duration) -> Watchdog:
    """A device that somebody else opened and that counts; this feeds nothing. ``timeout``: for one that does not say its own."""
    given = _given(descriptor)
    return Watchdog(path, descriptor, timeout if given is None else given * SECOND)


def _given(descriptor: int) -> int | None:
    """A device with a fixed time-out says which. Only what is no device at all (a test's pipe) is taken at our word."""
    try:
        (found,) = struct.unpack("i", fcntl.ioctl(descriptor, WDIOC_GETTIMEOUT, struct.pack("i", 0)))
    except OSError:
        return None
    return int(found)


def _magic(descriptor: int) -> bool:
    """Without the magic close the kernel stops a device at every last close, also at that of a process which died."""
    try:
        data = fcntl.ioctl(descriptor, WDIOC_GETSUPPORT, bytes(40))
    except OSError:
        return True
    return bool(struct.unpack_from("I", data)[0] & WDIOF_MAGICCLOSE)


def _why_not(path: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no watchdog {path}: load the driver of the hardware, or softdog"
    if error.errno == errno.EBUSY:
        return (
            f"the watchdog {path} is used by somebody else: look for RuntimeWatchdogSec= in /etc/systemd/system.conf, "
            "and for the programs watchdog and sbd"
        )
    if error.errno == errno.ENXIO:
        return f"nobody reads the other end of {path}"
    return f"the watchdog {path} cannot be opened: {error.strerror}"
