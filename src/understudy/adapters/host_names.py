"""Addresses of names, by whatever this machine asks: /etc/hosts, a name server. Waits, seconds perhaps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def is_address(host: str) -> bool:
    """Whether nobody has to be asked."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False


def addresses(name: str, *families: socket.AddressFamily) -> tuple[str, ...]:
    """Of the first family that has any; () when nobody knows one. Never where heartbeats are sent, nor in an event loop."""
    for family in families:
        try:
            answers = socket.getaddrinfo(name, None, family=family, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            continue
        if answers:
            return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
    return ()


def look_up(names: Iterable[str]) -> dict[str, str]:
    """An address for each name that has one; IPv4 first, as the old program's ``ping`` had nothing else."""
    found = {}
    for name in names:
        if answers := addresses(name, socket.AF_INET, socket.AF_INET6):
            found[name] = answers[0]
    return found


def beside(
    loop: asyncio.AbstractEventLoop, look: Callable[[], dict[str, str]], told: Callable[[dict[str, str]], None]
) -> None:
    """``look`` in a thread; ``told`` hears in the event loop what it found. Nobody waits for the thread, not even the end of the
    process.
    """

    def work() -> None:
        found = look()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(told, found)

    threading.Thread(target=work, name="names", daemon=True).start()
