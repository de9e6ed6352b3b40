"""A timerfd on ``CLOCK_BOOTTIME``: exact to some microseconds where epoll's own time limit is rounded to milliseconds.

By ctypes, because Python has it from 3.13 only.
"""

from __future__ import annotations

import ctypes
import os

from ..units import NEVER, Instant

_CLOCK_BOOTTIME = 7
_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Becomes readable at the armed instant, at once when that has passed. Raises OSError when the kernel has none to give."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._settime = library.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Itimerspec), ctypes.c_void_p)
        self._spec = _Itimerspec()
        self._reference = ctypes.byref(self._spec)
        self._armed: Instant | None = None
        self._descriptor = int(library.timerfd_create(_CLOCK_BOOTTIME, _TFD_NONBLOCK_CLOEXEC))
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def fileno(self) -> int:
        return self._descriptor

    def arm(self, at: Instant) -> None:
        """Wake at ``at``; ``NEVER`` disarms. Arming the same instant again costs nothing."""
        if at == self._armed:
            return
        self._armed = at
        # A value of zero would disarm; an instant in the past fires at once, so 1 ns after boot serves.
        seconds, nanoseconds = (0, 0) if at >= NEVER else divmod(max(at, 1), 1_000_000_000)
        self._spec.value.seconds = seconds
        self._spec.value.nanoseconds = nanoseconds
        if self._settime(self._descriptor, _TFD_TIMER_ABSTIME, self._reference, None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def clear(self) -> None:
        """After it became readable: make it quiet until it is armed again."""
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        self._armed = None

    def close(self) -> None:
        os.close(self._descriptor)
