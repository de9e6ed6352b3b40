"""The control FIFO of Heartbeat 3: messages that scripts of others write with its shell function ``ha_clustermsg``.

It is read where it is: beside hb_uuid, /var/lib/heartbeat/fifo, where the old program has left it, or somebody has made it. A
script that writes into a FIFO that nobody reads waits for ever, and without one it makes a file. Only its owner may write.

What asks for a hand-over (``hb_standby``, ``hb_takeover``) is a wish like any operator's. Messages with which daemons agree on
who holds what are refused: said in our name, they would make the other node take what is still served here. All others are given
their common fields, signed, and sent.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable

from ..adapters.control_fifo import ControlFifo
from ..core.heartbeat3.saying import BETWEEN_MANAGERS
from ..effects import Level
from ..errors import UnderstudyError
from ..heartbeat3 import OldMessage
from ..wire.heartbeat3_serial import Lines
from ..wire.heartbeat3_text import read
from ..wire.heartbeat3_values import Refusal

NAME = "fifo"

LOOK = 5.0
"""Seconds between two looks whether there is one."""

RESERVED = frozenset(
    {
        "status",
        "starting",
        "resource",
        "shutdone",
        "ask_resources",
        "reqnodes",
        "repnodes",
        "addnode",
        "delnode",
        "ip-request",
        "ip-request-resp",
        "stonith",
        "num_ping_nodes",
        "you_are_dead",
        "abort_giveup",
        "hbapi-clstat",
        "query-cstatus",
        "respond-cstatus",
        BETWEEN_MANAGERS,
    }
)
"""Types that only daemons and their clients say; besides all that begin with NS_."""

COMMON = frozenset({"src", "srcuuid", "destuuid", "seq", "hg", "ts", "ld", "ttl", "auth"})
"""Fields that every message is given when it is sent."""

Wish = Callable[[str, str], Awaitable[tuple[bool, str]]]
Send = Callable[[list[tuple[str, str]]], bool]
Say = Callable[[Level, str], None]


class FifoDesk:
    """Reads the FIFO in ``folder``. ``wish``: (verb, set) of an operator; ``send``: fields of a message; ``say``: the history."""

    def __init__(self, folder: str, wish: Wish, send: Send, say: Say, look: float = LOOK) -> None:
        self._path = os.path.join(folder, NAME)
        self._wish = wish
        self._send = send
        self._say = say
        self._look = look
        self._lines = Lines()

    async def run(self) -> None:
        """Runs until cancelled; waits for a FIFO while there is none."""
        trouble = ""
        while True:
            if _is_fifo(self._path):
                try:
                    fifo = ControlFifo(self._path)
                except OSError as error:
                    text = error.strerror or str(error)
                    if text != trouble:
                        self._say(Level.WARNING, f"scripts that write to {self._path} wait: {text}")
                    trouble = text
                else:
                    trouble = ""
                    await self._read(fifo)
            await asyncio.sleep(self._look)

    async def _read(self, fifo: ControlFifo) -> None:
        """Until it is another one, or gone."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        here = os.fstat(fifo.descriptor)
        loop.add_reader(fifo.descriptor, readable.set)
        try:
            while True:
                try:
                    async with asyncio.timeout(self._look):
                        await readable.wait()
                except TimeoutError:
                    if not _is_fifo(self._path) or os.stat(self._path).st_ino != here.st_ino:
                        return
                readable.clear()
                chunks, _ = fifo.read()
                for chunk in chunks:
                    for text in self._lines.feed(chunk):
                        await self._one(text)
        finally:
            loop.remove_reader(fifo.descriptor)
            fifo.close()

    async def _one(self, text: bytes) -> None:
        message = read(text)
        if isinstance(message, Refusal):
            self._say(Level.WARNING, f"a script's message in {self._path} is none: {message.detail or message.reason}")
            return
        kind, which = message.get("t"), message.get("rsc_hold") or "all"
        if kind == "ask_resources" and message.get("info") == "me":
            await self._ask("hb_standby", which)
        elif kind == "hb_takeover":
            await self._ask("hb_takeover", which)
        elif not kind or kind in RESERVED or kind.startswith("NS_"):
            said = f"t={kind}" if kind else "a message without t="
            self._say(Level.WARNING, f"a script writes {said} to {self._path}, which only daemons say: not sent")
        else:
            self._pass_on(kind, message)

    async def _ask(self, verb: str, which: str) -> None:
        try:
            ok, text = await self._wish(verb, which)
        except UnderstudyError as error:
            ok, text = False, error.text
        self._say(Level.INFO if ok else Level.WARNING, f"{verb} [{which}], asked for by a script: {text}")

    def _pass_on(self, kind: str, message: OldMessage) -> None:
        own = [(item.name, item.value) for item in message.fields if item.name not in COMMON]
        texts = [(name, value) for name, value in own if isinstance(value, str)]
        if len(texts) < len(own):
            self._say(Level.WARNING, f"a script's message {kind} has fields that are no text: not sent")
        elif not self._send(texts):
            self._say(Level.WARNING, f"a script's message {kind} is lost: the pulse is away")


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.lstat(path).st_mode)
    except OSError:
        return False
