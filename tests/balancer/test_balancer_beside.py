"""Another balancer on this machine that starts after ours: it is told, and when it is gone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from balancer_parts import Bench

from understudy.balancer.beside import EACH, GONE, Beside

OTHER = "ldirectord balances on this machine (process 12: perl /usr/sbin/ldirectord start): stop it"


def test_another_one_that_starts_later_is_told_once_and_when_it_is_gone(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.beside = OTHER
        async with bench.running():
            await bench.wait(lambda: OTHER in bench.log.getvalue())
            assert OTHER in (await bench.ask(do="pool"))["warnings"]

    asyncio.run(work())


class Looks:
    """One ``Beside`` whose looks end when they are let. Without ``found`` a look sees nobody."""

    def __init__(self) -> None:
        self.now, self.begun = 1000.0, 0
        self.found: str | Exception = ""
        self.free = threading.Event()
        self.free.set()
        self.said: list[tuple[str, str]] = []
        self.beside = Beside(self._look, lambda text, level: self.said.append((text, level)), lambda: self.now)

    def _look(self) -> str:
        self.begun += 1
        assert self.free.wait(20)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    async def come_back(self) -> None:
        """Every look that has begun is back."""
        for thread in threading.enumerate():
            if thread.name == "beside":
                await asyncio.to_thread(thread.join, 20)
        await asyncio.sleep(0)

    async def a_minute_later(self, found: str | Exception) -> None:
        self.now, self.found = self.now + EACH, found
        self.beside.look()
        await self.come_back()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_coming_and_going_are_each_said_once() -> None:
    async def work() -> None:
        looks = Looks()
        for found in ("", OTHER, OTHER.replace("12", "13"), ValueError("a mistake of ours")):
            await looks.a_minute_later(found)
        assert looks.said == [(OTHER, "warning")]
        assert "process 13" in looks.beside.trouble
        await looks.a_minute_later("")
        assert (looks.said[1:], looks.beside.trouble) == ([(GONE, "info")], "")

    asyncio.run(work())


def test_a_look_each_minute_and_one_at_a_time() -> None:
    async def work() -> None:
        looks = Looks()
        looks.free.clear()
        for _ in range(2):
            looks.beside.look()
            looks.now += EACH
        looks.free.set()
        await looks.come_back()
        assert looks.begun == 1
        for passed, begun in ((0.0, 2), (EACH - 1, 2), (1.0, 3)):
            looks.now += passed
            looks.beside.look()
            await looks.come_back()
            assert looks.begun == begun

    asyncio.run(work())
