"""One serial line of the old protocol: raw, 8 bits, no parity, one stop bit. Moves bytes, parses nothing, never waits.

Linux-HA Heartbeat 3.0.6 writes a message in portions of 512 bytes, pauses for as long as the line takes for each, and gives a
write up after half a second. So does this, without a process of its own: ``pump`` writes what may be written now and
``next_deadline`` says when to call it again. What cannot leave waits in a queue with an end, and the newest heartbeat goes
before what is old (``write``).

The line is locked as modems were (FHS 3.0 section 5.9): /var/lock/LCK..NAME holds our process number, ten columns and a newline.

Other than 3.0.6 this keeps the eighth bit of what comes (that one clears it, ISTRIP, and so rejects what is not ASCII).

Not done: the carrier-detect wire is not looked at (CLOCAL), since most crossed cables do not have it.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import termios
from collections import deque
from dataclasses import dataclass, field

from ..units import MILLISECOND, SECOND, Duration, Instant

PORTION = 512
"""Bytes written at once, as 3.0.6 does; a short portion keeps what can no longer be taken back small."""

GIVE_UP: Duration = 500 * MILLISECOND
"""A line that took nothing for so long is not connected, or the machine at its other end holds it up; as 3.0.6."""

RETRY: Duration = 10 * MILLISECOND
"""How often a line that takes nothing is tried again."""

MOST_WAITING = 32 * 1024
"""Bytes in the queue. 50 messages, the most that one request brings back, are some 20 KiB."""

BITS_OF_A_BYTE = 10
"""A start bit, eight bits and a stop bit."""

_READ = 4096

_SPEEDS: dict[int, int] = {
    9600: termios.B9600,
    19200: termios.B19200,
    38400: termios.B38400,
    57600: termios.B57600,
    115200: termios.B115200,
    230400: termios.B230400,
    460800: termios.B460800,
}


@dataclass(frozen=True, slots=True)
class _Waiting:
    data: bytes
    subject: str


@dataclass(slots=True)
class SerialLine:
    """The tty ``path`` at ``baud`` bits a second (one of those that ha.cf takes).

    Made without a device; ``open`` is to be tried now and then. ``flow_control`` is RTS/CTS, which 3.0.6 always has on; off it is
    for lines without those wires. ``lost`` counts messages that did not get out; ``trouble`` says why the newest one did not, or
    why the line is not open, and is empty while all is well.
    """

    path: str
    baud: int
    flow_control: bool = True
    lock_folder: str = "/var/lock"
    lost: int = 0
    trouble: str = ""
    descriptor: int = -1
    _locked: bool = False
    _queue: deque[_Waiting] = field(default_factory=deque)
    _waiting: int = 0
    _current: bytes = b""
    _subject: str = ""
    _left: int = 0
    _free_at: Instant = 0
    _progress: Instant = 0
    _deadline: Instant | None = None

    # -- opening ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Lock and open the line, unless it is open. Raises OSError; the text names the line and what is wrong."""
        if self.descriptor >= 0:
            return
        try:
            self._lock()
            # Without O_NONBLOCK opening would wait for a carrier.
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._set_up()
        except (OSError, termios.error) as error:
            self.close()
            number, words = error.args[0], error.args[1]
            place = error.filename if isinstance(error, OSError) else None
            self.trouble = f"serial line {self.path}: {words}" + (
                f" ({place})" if place not in (None, self.path) else ""
            )
            raise OSError(number, self.trouble) from error
        self.trouble = ""

    def _set_up(self) -> None:
        speed = _SPEEDS[self.baud]
        attributes = termios.tcgetattr(self.descriptor)
        control: list[bytes | int] = list(attributes[6])
        # With VMIN 0 a line without bytes would read like one that was hung up.
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        flags = termios.CS8 | termios.CREAD | termios.CLOCAL | (termios.CRTSCTS if self.flow_control else 0)
        wanted: list[int | list[bytes | int]] = [termios.IGNBRK | termios.IGNPAR, 0, flags, 0, speed, speed, control]
        termios.tcsetattr(self.descriptor, termios.TCSANOW, wanted)
        termios.tcflush(self.descriptor, termios.TCIOFLUSH)  # what another program left in it

    @property
    def lock_file(self) -> str:
        """Where the lock of this line is. 3.0.6 leaves slashes out (observed): /dev/pts/3 is LCK..pts3."""
        return os.path.join(self.lock_folder, "LCK.." + self.path.removeprefix("/dev/").replace("/", ""))

    def _lock(self) -> None:
        """Raises OSError when another living process has the line. A dead one's lock is taken over.

        The file appears under its name with its content, by a link: nobody ever reads an empty one. Everybody may write in the
        folder, so what others put there is neither followed nor waited for.
        """
        draft = os.path.join(self.lock_folder, f".LCK.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, f"{os.getpid():>10}\n".encode())
            for _ in range(3):
                if self._locked:
                    return
                self._try_lock(draft)
            if not self._locked:
                raise OSError(errno.EBUSY, f"other programs take {self.lock_file} at the same time")
        finally:
            os.close(descriptor)
            os.unlink(draft)

    def _try_lock(self, draft: str) -> None:
        try:
            os.link(draft, self.lock_file)
        except FileExistsError:
            holder = lock_holder(self.lock_file)
            if holder not in (0, os.getpid()):
                raise OSError(errno.EBUSY, f"in use by process {holder} ({self.lock_file})") from None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.lock_file)
        else:
            self._locked = True

    def close(self) -> None:
        """Let go of the line and its lock. What waits is lost: closing must not wait for a line that takes nothing."""
        self._forget()
        if self.descriptor >= 0:
            with contextlib.suppress(OSError, termios.error):
                termios.tcflush(self.descriptor, termios.TCOFLUSH)
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1
        if self._locked:
            self._locked = False
            with contextlib.suppress(OSError):
                os.unlink(self.lock_file)

    def _hung_up(self, words: str) -> None:
        self.lost += len(self._queue) + bool(self._current)
        self.close()
        self.trouble = f"serial line {self.path}: {words}"

    # -- writing ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes, now: Instant, subject: str = "") -> bool:
        """Queue one whole message, and write what may be written now; False when the line is not open.

        Of messages with the same ``subject`` only the newest is kept: one that still waits when the next comes shows that the
        line is slower than what is to be said. The newest then goes before all that waits, but not twice in a row, so that
        the rest is not kept back for ever. When the queue is full the oldest of it are lost; the old protocol asks for
        them again.
        """
        if self.descriptor < 0:
            self.lost += 1
            return False
        item = _Waiting(data, subject)
        older = [waiting for waiting in self._queue if subject and waiting.subject == subject]
        for waiting in older:
            self._queue.remove(waiting)
            self._waiting -= len(waiting.data)
            self.lost += 1
        if older:
            self._queue.insert(1 if self._subject == subject else 0, item)
        else:
            self._queue.append(item)
        self._waiting += len(data)
        while self._waiting > MOST_WAITING and len(self._queue) > 1:
            oldest = next(waiting for waiting in self._queue if waiting is not item)
            self._queue.remove(oldest)
            self._waiting -= len(oldest.data)
            self.lost += 1
            self.trouble = f"serial line {self.path}: too slow at {self.baud} baud for what is to be sent"
        self.pump(now)
        return self.descriptor >= 0

    def next_deadline(self) -> Instant | None:
        """When ``pump`` has something to do; None while nothing waits."""
        return self._deadline

    def pump(self, now: Instant) -> None:
        """Write what the line can carry by now, and never more: what is in the kernel can no longer give way to newer words."""
        if self._deadline is None and not self._queue:
            return
        self._deadline = None
        while self.descriptor >= 0 and (self._current or self._queue):
            if now < self._free_at:
                self._deadline = self._free_at
                return
            if not self._current:
                self._take(now)
            written = self._write_portion(now)
            if written:
                self._current = self._current[written:]
                # The line is busy with it so long; that it takes nothing is seen only after that.
                self._progress = self._free_at = now + written * BITS_OF_A_BYTE * SECOND // self.baud
                if not self._current and not self._queue:
                    self.trouble = ""
            elif self.descriptor >= 0 and now - self._progress >= GIVE_UP:
                self._give_up()
            elif self.descriptor >= 0:
                self._deadline = now + RETRY
                return

    def _take(self, now: Instant) -> None:
        """The next message begins, and has its time from now."""
        item = self._queue.popleft()
        self._waiting -= len(item.data)
        self._current, self._subject = item.data, item.subject
        self._progress = now

    def _write_portion(self, now: Instant) -> int:
        """How many bytes the kernel took; 0 while a portion still lies there unsent."""
        try:
            count = array.array("i", [0])
            fcntl.ioctl(self.descriptor, termios.TIOCOUTQ, count)
            if count[0] < self._left:
                self._progress = now
            self._left = count[0]
            if count[0] >= PORTION:
                return 0
            return os.write(self.descriptor, self._current[:PORTION])
        except BlockingIOError:
            return 0
        except OSError as error:
            self._hung_up(error.strerror or str(error))
            return 0

    def _give_up(self) -> None:
        """All that waits is stale by now; whoever missed it asks again. The next message is a new attempt."""
        lost = 1 + len(self._queue)
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self.descriptor, termios.TCOFLUSH)
        self._forget()
        self.lost += lost
        self.trouble = f"serial line {self.path}: takes nothing (is the cable connected, and the other machine up?)"

    def _forget(self) -> None:
        self._queue.clear()
        self._waiting, self._left, self._free_at, self._deadline = 0, 0, 0, None
        self._current, self._subject = b"", ""

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, bound: int) -> tuple[list[bytes], bool]:
        """At most ``bound`` chunks of at most 4096 bytes, cut anywhere, and whether the line was seen empty."""
        found: list[bytes] = []
        for _ in range(bound if self.descriptor >= 0 else 0):
            try:
                data = os.read(self.descriptor, _READ)
            except BlockingIOError:
                return found, True
            except OSError as error:
                self._hung_up(error.strerror or str(error))
                return found, True
            if not data:
                self._hung_up("hung up")
                return found, True
            found.append(data)
        return found, self.descriptor < 0


def lock_holder(path: str) -> int:
    """The living process that the lock file ``path`` names; 0 when there is none, or the file says nothing that one can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            process = int(os.read(descriptor, 64))
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return 0
    if process <= 0:
        return 0
    try:
        os.kill(process, 0)
    except PermissionError:
        return process  # it lives, and is not ours
    except (OSError, OverflowError):
        return 0
    return process
