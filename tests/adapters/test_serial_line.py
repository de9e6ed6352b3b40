"""A serial line of the old protocol over a pseudo terminal: raw bytes, pace, what a slow or dead line does, hang-up, the lock."""

from __future__ import annotations

import os
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.adapters.serial_line import GIVE_UP, MOST_WAITING, PORTION, RETRY, SerialLine, lock_holder
from understudy.units import MILLISECOND, SECOND

BAUD = 9600
BYTE = 10 * SECOND // BAUD


class Terminal:
    """The master of a pseudo terminal pair: what the machine at the other end of the cable would have."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)

    def arrived(self) -> bytes:
        """All that the line has carried since the last call."""
        found = b""
        while True:
            try:
                found += os.read(self.master, 65536)
            except OSError:
                return found

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def line(terminal: Terminal, tmp_path: Path) -> Iterator[SerialLine]:
    made = SerialLine(terminal.path, BAUD, flow_control=False, lock_folder=str(tmp_path))
    made.open()
    yield made
    made.close()


def until_idle(terminal: Terminal, line: SerialLine, now: int) -> bytes:
    """Pump at every deadline until nothing waits; returns what has arrived."""
    arrived = terminal.arrived()
    while (due := line.next_deadline()) is not None:
        now = max(now, due)
        line.pump(now)
        arrived += terminal.arrived()
    return arrived


def test_every_byte_goes_through_as_it_is(terminal: Terminal, line: SerialLine) -> None:
    everything = bytes(range(256))
    line.write(everything, 0)
    assert terminal.arrived() == everything
    os.write(terminal.master, everything)
    assert line.read(4) == ([everything], True)
    assert line.read(4) == ([], True), "an idle line has not hung up"


def test_the_speed_and_eight_bits_are_set(line: SerialLine) -> None:
    _, _, control, local, _, speed, _ = termios.tcgetattr(line.descriptor)
    assert speed == termios.B9600
    assert control & termios.CSIZE == termios.CS8
    assert not local & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert not control & termios.CRTSCTS


def test_flow_control_is_on_unless_it_is_switched_off(terminal: Terminal, tmp_path: Path) -> None:
    line = SerialLine(terminal.path, BAUD, lock_folder=str(tmp_path))
    line.open()
    try:
        assert termios.tcgetattr(line.descriptor)[2] & termios.CRTSCTS
    finally:
        line.close()


def test_what_is_long_goes_in_portions_at_the_pace_of_the_line(terminal: Terminal, line: SerialLine) -> None:
    message = bytes(number % 251 for number in range(1300))
    line.write(message, 0)
    assert terminal.arrived() == message[:PORTION]
    line.pump(PORTION * BYTE - 1)
    assert terminal.arrived() == b"", "the line is still busy with the first portion"
    assert line.next_deadline() == PORTION * 10 * SECOND // BAUD
    line.pump(line.next_deadline() or 0)
    assert terminal.arrived() == message[PORTION : 2 * PORTION]
    assert until_idle(terminal, line, 0) == message[2 * PORTION :]
    assert line.next_deadline() is None


def test_on_a_line_that_keeps_up_nothing_is_lost_or_reordered(terminal: Terminal, line: SerialLine) -> None:
    now, sent = 0, b""
    for number in range(20):
        message = b"%03d" % number * 40
        line.write(message, now, "status" if number % 2 else "")
        sent += message
        now += 150 * MILLISECOND
    assert until_idle(terminal, line, now) == sent
    assert line.lost == 0
    assert line.trouble == ""


def test_the_newest_heartbeat_goes_before_what_is_old(terminal: Terminal, line: SerialLine) -> None:
    line.write(b"A" * 400, 0)
    for name in (b"B", b"C", b"D"):
        line.write(name * 400, 0)
    line.write(b"1" * 400, 0, "status")
    line.write(b"2" * 400, 0, "status")
    assert line.lost == 1, "the older heartbeat is of no use any more"
    assert until_idle(terminal, line, 0) == b"".join(name * 400 for name in (b"A", b"2", b"B", b"C", b"D"))


def test_heartbeats_faster_than_the_line_do_not_keep_back_the_rest(terminal: Terminal, line: SerialLine) -> None:
    for name in (b"A", b"B", b"C"):
        line.write(name * 400, 0)
    now, arrived = 0, b""
    for _ in range(40):
        now += 100 * MILLISECOND  # a heartbeat takes the line four times as long
        line.pump(now)
        line.write(b"!" * 400, now, "status")
        arrived += terminal.arrived()
    order = (arrived + until_idle(terminal, line, now))[::400]
    assert order.startswith(b"A")
    assert order.index(b"B") < order.index(b"C") < 8
    assert order.count(b"!") >= 4


def test_the_queue_has_an_end_and_the_oldest_is_lost(terminal: Terminal, line: SerialLine) -> None:
    count = 2 * MOST_WAITING // 1000
    for number in range(count):
        line.write(b"%04d" % number * 250, 0)
    assert line.lost > 0
    assert "too slow at 9600 baud" in line.trouble
    lost = line.lost
    carried = until_idle(terminal, line, 0)
    assert carried.endswith(b"%04d" % (count - 1) * 250), "the newest has arrived"
    assert len(carried) == (count - lost) * 1000
    assert line.trouble == "", "all is well again"


def test_a_line_that_takes_nothing_is_given_up_and_tried_again(terminal: Terminal, line: SerialLine) -> None:
    now, refused = 0, None
    while line.lost == 0 and now < 1000 * SECOND:
        if line.next_deadline() is None:
            line.write(b"x" * 5000, now)
        due = line.next_deadline() or now
        # The kernel may make room behind our back: only the last unbroken row of refusals counts.
        refused = (now if refused is None else refused) if due - now == RETRY else None
        now = due
        line.pump(now)
    assert line.lost == 1
    assert refused is not None
    assert GIVE_UP <= now - refused <= GIVE_UP + RETRY
    assert "takes nothing" in line.trouble
    assert line.next_deadline() is None, "nothing stale is kept"
    terminal.arrived()
    line.write(b"alive", now)
    assert until_idle(terminal, line, now).endswith(b"alive")
    assert line.trouble == ""


def test_a_hang_up_closes_the_line_until_it_is_opened_again(terminal: Terminal, line: SerialLine) -> None:
    terminal.close()
    assert line.read(4) == ([], True)
    assert line.descriptor == -1
    assert "serial line" in line.trouble
    assert not line.write(b"x", 0)
    assert line.lost == 1
    assert not os.path.exists(line.lock_file)
    with pytest.raises(OSError, match=f"serial line {terminal.path}: No such file"):
        line.open()
    again = Terminal()
    try:
        line.path = again.path
        line.open()
        assert line.write(b"back", 0)
        assert again.arrived() == b"back"
    finally:
        again.close()


def test_the_lock_names_us_and_goes_with_the_line(line: SerialLine, tmp_path: Path) -> None:
    lock = tmp_path / f"LCK..{line.path.removeprefix('/dev/').replace('/', '')}"
    assert lock.read_text() == f"{os.getpid():>10}\n"
    assert [item.name for item in tmp_path.iterdir()] == [lock.name], "the draft is gone"
    line.close()
    assert not lock.exists()


def test_a_line_that_another_program_has_is_left_to_it(terminal: Terminal, tmp_path: Path) -> None:
    line = SerialLine(terminal.path, BAUD, flow_control=False, lock_folder=str(tmp_path))
    Path(line.lock_file).write_text(f"{os.getppid():>10}\n")
    with pytest.raises(OSError, match=f"in use by process {os.getppid()}"):
        line.open()
    assert line.descriptor == -1
    line.close()
    assert lock_holder(line.lock_file) == os.getppid(), "somebody else's lock stays"


@pytest.mark.parametrize("content", ["a dead process", "nonsense", "", "own"])
def test_a_stale_lock_is_taken_over(terminal: Terminal, tmp_path: Path, content: str) -> None:
    line = SerialLine(terminal.path, BAUD, flow_control=False, lock_folder=str(tmp_path))
    if content == "a dead process":
        with subprocess.Popen(["true"]) as ended:
            ended.wait()
        content = f"{ended.pid:>10}\n"
    elif content == "own":  # of our predecessor, before the machine started again
        content = f"{os.getpid():>10}\n"
    Path(line.lock_file).write_text(content)
    line.open()
    assert lock_holder(line.lock_file) == os.getpid()
    line.close()


def test_a_fifo_in_place_of_the_lock_does_not_hold_us_up(terminal: Terminal, tmp_path: Path) -> None:
    line = SerialLine(terminal.path, BAUD, flow_control=False, lock_folder=str(tmp_path))
    os.mkfifo(line.lock_file)
    line.open()
    assert lock_holder(line.lock_file) == os.getpid()
    line.close()


def test_what_is_no_tty_is_refused(tmp_path: Path) -> None:
    line = SerialLine("/dev/null", BAUD, lock_folder=str(tmp_path))
    with pytest.raises(OSError, match="serial line /dev/null: Inappropriate ioctl"):
        line.open()
    assert list(tmp_path.iterdir()) == []
