"""A reload or a look of the balancer that fails: it is told, tried again, can be undone, and ends no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from balancer_parts import COPIED, KEY, WEB, Bench

from understudy.balance import FilesChanged, TableSeen, TableService
from understudy.services import ServiceFiles


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_plane_that_cannot_be_read_in_a_reload_is_told_and_tried_again(tmp_path: Path, by_hand: bool) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.plane.table[KEY] = (TableService(KEY), {})
            bench.plane.misplaced, bench.plane.fails = KEY, OSError(105, "No buffer space available")
            bench.write(replace(COPIED, node="other"))
            if by_hand:
                assert (await bench.ask(do="reload"))["ok"] is True
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            tried = bench.plane.reads
            await bench.wait(lambda: bench.plane.reads >= tried + 2)
            assert bench.log.getvalue().count("No buffer space available") == 1
            assert len(bench.pool.heard(TableSeen)) == 1
            bench.plane.table[KEY] = (TableService(KEY), {})  # somebody wrote it where it is not its own, meanwhile
            bench.plane.fails = None
            await bench.wait(lambda: len(bench.pool.heard(TableSeen)) == 2)
            assert bench.pool.heard(TableSeen)[-1] == TableSeen(())

    run(work())


def test_a_reload_that_fails_halfway_is_told_and_tried_again(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.watch.fails = OSError(105, "No buffer space available")
            bench.write(replace(COPIED, node="other"))
            answer = await bench.ask(do="reload")
            assert (answer["ok"], "it is tried again: OSError" in answer["text"]) == (False, True)
            assert (await bench.ask(do="pool"))["warnings"] == [answer["text"]]
            await bench.wait(lambda: "a look at this machine failed" in bench.log.getvalue())
            bench.watch.fails = None
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            assert (await bench.ask(do="pool"))["warnings"] == []
            assert bench.log.getvalue().count("are not taken up") == 1

    run(work())


def test_a_reload_that_failed_halfway_is_undone_by_the_file_of_before(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.watch.fails = OSError(105, "No buffer space available")
            bench.write(replace(COPIED, files=ServiceFiles((replace(WEB, scheduler="rr"),))))
            assert (await bench.ask(do="reload"))["ok"] is False
            assert bench.plane.followed[-1] != COPIED.files
            bench.write(COPIED)
            answer = await bench.ask(do="reload")
            assert (answer["ok"], "are not taken up" in answer["text"]) == (False, True)
            assert (await bench.ask(do="pool"))["warnings"] == [answer["text"]]
            bench.watch.fails = None
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            assert bench.plane.followed[-1] == bench.pool.heard(FilesChanged)[-1].files == COPIED.files
            assert (await bench.ask(do="pool"))["warnings"] == []
            assert await bench.ask(do="reload") == {"ok": True, "text": "nothing has changed"}

    run(work())


class NoThreads(ThreadPoolExecutor):
    def submit(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")


def test_a_copy_that_cannot_be_looked_at_ends_no_look(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            asyncio.get_running_loop().set_default_executor(NoThreads())
            bench.write(replace(COPIED, node="other"))
            await bench.wait(lambda: "can't start new thread" in bench.log.getvalue())
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            assert bench.log.getvalue().count("can't start new thread") == 1

    run(work())


def test_a_table_that_is_believed_to_be_as_it_was_is_read_at_the_next_look(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.plane.table[KEY] = (TableService(KEY), {})
            bench.plane.misplaced, bench.plane.trouble = KEY, "the table of ipvs cannot be read"
            bench.write(replace(COPIED, node="other"))
            assert (await bench.ask(do="reload"))["ok"] is True
            tried = bench.plane.reads
            await bench.wait(lambda: bench.plane.reads >= tried + 2)
            assert bench.log.getvalue().count("cannot be read") == 1

    run(work())
