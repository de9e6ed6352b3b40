"""A mount name space of its own for a test, so that nothing it mounts is seen by the machine, and nothing stays."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

CLONE_NEWNS = 0x00020000
_LIBC = ctypes.CDLL(None, use_errno=True)


def in_room(function: Callable[[], None]) -> None:
    """Run a function in a thread whose mount name space is private and ends with it."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a mount name space")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            if _LIBC.unshare(CLONE_NEWNS) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            run("mount", "--make-rprivate", "/")
            function()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"{program} is missing")


def disk(path: Path, size: int = 16 << 20) -> str:
    """A fresh ext4 in a file, behind a loop device; the caller gives it back."""
    with open(path, "wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", str(path))
    try:
        return run("losetup", "--find", "--show", str(path)).strip()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop devices here: {error.stderr}")


def hung_file_system(directory: Path) -> int:
    """A FUSE file system whose server never answers; returns the server's descriptor, whose end is its end."""
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error.strerror}")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    if _LIBC.mount(b"hung", str(directory).encode(), b"fuse", 0, options) != 0:
        os.close(server)
        raise OSError(ctypes.get_errno(), "mount")
    return server


def sleeper(directory: Path, ignores: str = "") -> subprocess.Popen[bytes]:
    """A process that works in the directory; ``ignores`` a signal."""
    trap = f"trap '' {ignores}; " if ignores else ""
    body = f"{trap}echo ready; while :; do read -t 1000 x < /dev/zero || sleep 1000; done"
    process = subprocess.Popen(["/bin/bash", "-c", body], cwd=directory, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


async def reaped(process: subprocess.Popen[bytes]) -> int:
    """The exit status, without keeping the event loop from its work."""
    while (status := process.poll()) is None:
        await asyncio.sleep(0.005)
    return status


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
