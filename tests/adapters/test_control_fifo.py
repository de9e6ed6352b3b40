"""The control FIFO: made for its owner alone, never at its end, and nothing that waits."""

from __future__ import annotations

import os
import select
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.adapters.control_fifo import ControlFifo


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[ControlFifo]:
    made = ControlFifo(str(tmp_path / "fifo"))
    yield made
    made.close()


def script(fifo: ControlFifo, text: str) -> None:
    """As the shell functions of Heartbeat's scripts write."""
    subprocess.run(["sh", "-c", 'cat > "$1"', "sh", fifo.path], input=text.encode(), check=True, timeout=10)


def test_what_scripts_write_is_read_and_the_end_never_comes(fifo: ControlFifo) -> None:
    watch = select.epoll()
    watch.register(fifo.descriptor, select.EPOLLIN)
    try:
        for number in range(3):
            assert watch.poll(0) == [], "nothing to report, and no hang-up, between two scripts"
            assert fifo.read() == ([], True)
            message = f">>>\nt=ask_resources\nrsc_hold=all{number}\n<<<\n"
            script(fifo, message)
            assert watch.poll(10) == [(fifo.descriptor, select.EPOLLIN)]
            assert fifo.read() == ([message.encode()], True)
    finally:
        watch.close()


def test_it_is_of_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    path.chmod(0o666)
    fifo = ControlFifo(str(path))
    fifo.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.exists(), "scripts find it after the next start"
    assert fifo.read() == ([], True)
    assert fifo.descriptors == ()


def test_a_bound_is_kept(fifo: ControlFifo) -> None:
    writer = os.open(fifo.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"x" * 65536)
    os.close(writer)
    chunks, empty = fifo.read(bound=1)
    assert sum(map(len, chunks)) == 65536
    assert not empty
    assert fifo.read() == ([], True)


def test_what_is_no_fifo_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    path.write_text("mine")
    with pytest.raises(OSError, match=f"the control FIFO {path}: what is there is no FIFO"):
        ControlFifo(str(path))
    assert path.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="the control FIFO"):
        ControlFifo(str(link))
    with pytest.raises(OSError, match="No such file or directory"):
        ControlFifo(str(tmp_path / "nowhere" / "fifo"))
