"""The control FIFO: what scripts of others write becomes a wish, a message, or nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from understudy.effects import Level
from understudy.manager.old_fifo import LOOK, FifoDesk


class Desk:
    """What it made of what was written."""

    def __init__(self, folder: Path, look: float = LOOK) -> None:
        self.path = folder / "fifo"
        self.wishes: list[tuple[str, str]] = []
        self.sent: list[list[tuple[str, str]]] = []
        self.said: list[str] = []
        self.desk = FifoDesk(str(folder), self._wish, self._send, self._say, look)

    async def _wish(self, verb: str, which: str) -> tuple[bool, str]:
        self.wishes.append((verb, which))
        return True, "so be it"

    def _send(self, fields: list[tuple[str, str]]) -> bool:
        self.sent.append(fields)
        return True

    def _say(self, level: Level, text: str) -> None:
        self.said.append(text)

    def play(self, *texts: str, until: Callable[[], bool]) -> None:
        """Each text is written by a shell, as ``ha_clustermsg`` does it; the desk reads until that has come true."""

        async def work() -> None:
            reading = asyncio.ensure_future(self.desk.run())
            while not self.path.exists() or stat.S_IMODE(self.path.stat().st_mode) != 0o600:
                await asyncio.sleep(0.005)
            for text in texts:
                script = f"(echo '>>>'; cat -; echo '<<<') | cat - >> {self.path}"
                await asyncio.to_thread(
                    subprocess.run, ["sh", "-c", script], input=text.encode(), check=True, timeout=20
                )
            end = time.monotonic() + 20
            while not until():
                assert time.monotonic() < end, (self.wishes, self.sent, self.said)
                await asyncio.sleep(0.005)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

        uvloop.run(work())


def made(folder: Path) -> Desk:
    os.mkfifo(folder / "fifo", 0o644)
    return Desk(folder)


def test_the_old_scripts_wishes_are_wishes(tmp_path: Path) -> None:
    desk = made(tmp_path)
    desk.play(
        "t=ask_resources\nrsc_hold=foreign\ninfo=me\n",
        "t=hb_takeover\nrsc_hold=local\n",
        until=lambda: len(desk.wishes) == 2,
    )
    assert desk.wishes == [("hb_standby", "foreign"), ("hb_takeover", "local")]
    assert desk.sent == []
    assert desk.said[0] == "hb_standby [foreign], asked for by a script: so be it"


def test_a_message_of_ones_own_is_sent_without_what_the_daemon_adds(tmp_path: Path) -> None:
    desk = made(tmp_path)
    desk.play("t=hello\nsrc=somebody\nword=a = b\nhg=1\n", until=lambda: bool(desk.sent))
    assert desk.sent == [[("t", "hello"), ("word", "a = b")]]


def test_what_only_daemons_say_is_refused(tmp_path: Path) -> None:
    desk = made(tmp_path)
    kinds = ["shutdone", "resource", "NS_rexmit", "status", "ask_resources", "delnode", "understudy"]
    desk.play(
        *(f"t={kind}\n" for kind in kinds), "no field\n", "word=x\n", until=lambda: len(desk.said) == len(kinds) + 2
    )
    assert (desk.wishes, desk.sent) == ([], [])
    for kind, text in zip(kinds, desk.said, strict=False):
        assert text.startswith(f"a script writes t={kind} to ")


def test_a_file_that_is_no_fifo_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.path.write_text("what a script wrote when nobody was there\n")

    async def work() -> None:
        with_a_limit = asyncio.wait_for(desk.desk.run(), 0.05)
        await asyncio.gather(with_a_limit, return_exceptions=True)

    uvloop.run(work())
    assert desk.path.read_text().startswith("what a script")
    assert desk.said == []


def test_one_that_is_made_later_is_found(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 0.01)

    async def work() -> None:
        reading = asyncio.ensure_future(desk.desk.run())
        await asyncio.sleep(0.02)
        for _ in range(2):  # also one in the place of another
            desk.path.unlink(missing_ok=True)
            os.mkfifo(desk.path)
            descriptor = -1
            while descriptor < 0 or stat.S_IMODE(desk.path.stat().st_mode) != 0o600:
                await asyncio.sleep(0.005)
                if descriptor < 0:
                    try:
                        descriptor = os.open(desk.path, os.O_WRONLY | os.O_NONBLOCK)
                    except OSError:
                        continue
            os.write(descriptor, b">>>\nt=hb_takeover\n<<<\n")
            os.close(descriptor)
            count = len(desk.wishes)
            while len(desk.wishes) == count:
                await asyncio.sleep(0.005)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work()

    uvloop.run(bounded())
    assert desk.wishes == [("hb_takeover", "all")] * 2
