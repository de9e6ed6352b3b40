"""A mistake of ours in one check, program or mail ends no other."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from understudy.balance import Ask, CheckAnswered, Tell
from understudy.balancer.reactor import Reactor
from understudy.balancer.real_parts import EngineInLoop
from understudy.balancer.tell import Teller
from understudy.service_checks import Check, FixedQuestion, Target
from understudy.services import Notice
from understudy.units import MILLISECOND, SECOND


class Mistake(Exception):
    pass


def test_a_descriptor_whose_reader_breaks_loses_no_event_of_another() -> None:
    reactor, heard = Reactor(), list[int]()
    pipes = [os.pipe() for _ in range(3)]
    try:
        for number, (ours, theirs) in enumerate(pipes):

            def ready(_: int, number: int = number) -> None:
                heard.append(number)
                if len(heard) == 1:
                    raise Mistake

            reactor.watch(ours, ready, 1 | 1 << 31)  # edge-triggered: each is told once
            os.write(theirs, b"x")
        for _ in range(3):
            try:
                reactor.drain()
            except Mistake:
                assert len(heard) == 1
        assert sorted(heard) == [0, 1, 2]
    finally:
        reactor.close()
        for descriptor in (each for pipe in pipes for each in pipe):
            os.close(descriptor)


def test_an_answer_that_cannot_be_taken_ends_no_asking() -> None:
    async def work() -> None:
        told, broken = list[int](), list[dict[str, Any]]()
        over = asyncio.Event()

        def answered(answer: CheckAnswered) -> None:
            told.append(answer.number)
            if len(told) == 1:
                raise Mistake
            if told.count(1) > 1 and told.count(2) > 1:
                over.set()

        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        made = EngineInLoop(answered, lambda text, level: None)
        check = Check(FixedQuestion(True), Target("127.0.0.1"), interval=20 * MILLISECOND, timeout=SECOND)
        made.ask(Ask(((1, check), (2, check))))
        try:
            await asyncio.wait_for(over.wait(), 20)
        finally:
            made.close()
        assert [type(each["exception"]) for each in broken] == [Mistake], "it is told"

    asyncio.run(work())


class NoThreads(ThreadPoolExecutor):
    def submit(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")


def test_a_program_that_cannot_be_looked_at_just_then_keeps_no_other_of_its_key_waiting(tmp_path: Path) -> None:
    async def work() -> None:
        loop, said = asyncio.get_running_loop(), list[str]()
        teller = Teller(str(tmp_path), lambda text, level: said.append(text))

        def tell(word: str) -> None:
            teller.tell(Tell(Notice(("/bin/touch", str(tmp_path / word))), (), "web", f"{word} is up"))

        loop.set_default_executor(NoThreads())
        tell("one")
        await teller.drain(20 * SECOND)
        assert [text.partition(" is not run: ")[2] for text in said] == ["RuntimeError: can't start new thread"]
        loop.set_default_executor(ThreadPoolExecutor(1))
        tell("two")
        await teller.drain(20 * SECOND)
        assert (tmp_path / "two").exists()

    asyncio.run(work())
