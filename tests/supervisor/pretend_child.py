"""A child of the supervisor that only keeps a diary: DIRECTORY NAME [--ready-fd N] [--wait-fd N] [--keeper-fd N].

The file NAME.behaviour in the directory says what it does on SIGTERM (``exit CODE`` or ``ignore``; ``once CODE`` does so for the
first of them only, then ends with 0; ``rest`` leaves the proof of rest and ends with 0) and at the start (``refuse CODE``). It
touches its lock file all the time if NAME.beats exists. A pulse takes over the device ``DIRECTORY/watchdog`` or opens
it, if there is one, and at a clean end lets the supervisor close it.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from understudy.adapters import lockfile
from understudy.pulse.keeper import Keeper

directory, name = sys.argv[1:3]
flags = dict(zip(sys.argv[3::2], map(int, sys.argv[4::2]), strict=True))


def diary(word: str) -> None:
    descriptor = os.open(f"{directory}/diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{name} {word} {os.getpid()}\n".encode())
    os.close(descriptor)


def behaviour() -> list[str]:
    try:
        with open(f"{directory}/{name}.behaviour", encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return ["exit", "0"]


keeper = Keeper()


def asked(_number: int, _frame: FrameType | None) -> None:
    diary("asked")
    verb, *rest = behaviour()
    if "--keeper-fd" in flags and verb == "exit":
        keeper.closed()
    if verb == "ignore":
        return
    if verb == "rest":
        os.close(os.open(f"{directory}/at_rest", os.O_WRONLY | os.O_CREAT))
        os._exit(0)
    if verb == "once":
        os.unlink(f"{directory}/{name}.behaviour")
    os._exit(int(rest[0]))


signal.signal(signal.SIGTERM, asked)
if name == "manager":
    signal.signal(signal.SIGHUP, lambda _number, _frame: diary("reload"))
    signal.signal(signal.SIGUSR1, lambda _number, _frame: diary("data"))
    signal.signal(signal.SIGUSR2, lambda _number, _frame: diary("statistics"))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
if "--wait-fd" in flags:
    diary("waits")
    if not os.read(flags["--wait-fd"], 1):
        diary("not-needed")
        sys.exit(0)
verb, *rest = behaviour()
if verb == "refuse":
    diary("refuses")
    sys.exit(int(rest[0]))
lock = lockfile.take(f"{directory}/{name}.lock")
if lock is None:
    diary("busy")
    sys.exit(75)
if "--keeper-fd" in flags and os.path.exists(f"{directory}/watchdog"):
    keeper = Keeper(flags["--keeper-fd"])
    device = keeper.kept()
    diary("opens" if device < 0 else "takes")
    if device < 0:
        device = os.open(f"{directory}/watchdog", os.O_WRONLY | os.O_NONBLOCK)
        keeper.keep(device)
    with open(f"{directory}/watchdog.armed", "w", encoding="ascii") as mark:
        mark.write(f"10 {device} {directory}/watchdog\n")
diary("works")
if "--ready-fd" in flags:
    os.write(flags["--ready-fd"], b"1")
    os.close(flags["--ready-fd"])
while True:
    if os.path.exists(f"{directory}/{name}.beats"):
        os.utime(f"{directory}/{name}.lock")  # as adapters.beat does
        signal.sigtimedwait((), 0.01)
    else:
        signal.pause()
