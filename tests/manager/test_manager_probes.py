"""Which questions are asked how often, who shares them, and what the core hears."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from hypothesis import given
from hypothesis import strategies as st
from manager_helpers import FakePulse, a_cluster, a_manager, until
from probe_servers import page, serving

from understudy.manager.probes import Probes, next_due
from understudy.model import Cluster, Group
from understudy.probes import Check, CommandCheck, HttpCheck, Probe, TcpCheck
from understudy.units import HOUR, MILLISECOND, SECOND

OFTEN = 20 * MILLISECOND
"""Shorter than a file may say, so that the tests need not wait."""


def cluster(**groups: tuple[Probe, ...]) -> Cluster:
    plain = a_cluster()
    return replace(
        plain, groups=tuple(Group(name, plain.groups[0].resources, probes=own) for name, own in groups.items())
    )


def probe(name: str, check: Check, **words: Any) -> Probe:
    return Probe(name, check, **{"interval": OFTEN, "timeout": 20 * SECOND, "grace": 0, **words})


class Listener:
    """The core's side: everything that was told, as (group, probe, number, up, text)."""

    def __init__(self, found: Cluster) -> None:
        self.told: list[tuple[str, str, int, bool | None, str]] = []
        self._news = asyncio.Event()
        self.probes = Probes(found, "ha01", self._tell)

    def _tell(self, *said: Any) -> None:
        self.told.append(said)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def states(self) -> dict[str, bool | None]:
        return {f"{group}.{name}": up for group, name, _, up, _ in self.told}


def scene(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    uvloop.run(bounded())


def test_rise_and_fall_reach_the_core_with_reasons() -> None:
    async def work() -> None:
        bodies = ["ok", "bad", "ok", "bad", "bad", "bad", "ok", "ok"]
        async with serving(lambda heard: page(bodies.pop(0) if bodies else "ok")(heard)) as server:
            check = HttpCheck(f"http://127.0.0.1:{server.port}/", text="ok")
            listener = Listener(cluster(site=(probe("web", check, rise=2, fall=3),)))
            listener.probes.want("site", [("web", 7)])
            await listener.until(lambda: bool(listener.told) and listener.told[-1][3] is True)
            await listener.probes.close()
        reason = "the text 'ok' is not in the body, which begins 'bad'"
        assert listener.told == [
            ("site", "web", 7, None, reason),
            ("site", "web", 7, None, reason),
            ("site", "web", 7, None, reason),
            ("site", "web", 7, False, reason),
            ("site", "web", 7, True, ""),
        ]

    scene(work)


def test_who_asks_the_same_shares_the_question_and_counts_for_himself() -> None:
    async def work() -> None:
        async with serving(lambda _: b"no") as server:
            check = TcpCheck("127.0.0.1", server.port, "x", "yes")
            hourly = {"interval": HOUR, "fall": 1}
            found = cluster(
                one=(probe("a", check, **hourly), probe("b", check, **(hourly | {"fall": 2}))),
                two=(probe("a", check, **hourly), probe("later", check, **(hourly | {"timeout": SECOND}))),
            )
            listener = Listener(found)
            listener.probes.want("one", [("a", 1), ("b", 2)])
            listener.probes.want("two", [("a", 3), ("later", 4)])
            await listener.until(lambda: len(listener.told) == 4)
            assert server.connections == 2, "with another time-out it is another question"
            await listener.probes.close()
        assert sorted(item[:4] for item in listener.told) == [
            ("one", "a", 1, False),
            ("one", "b", 2, None),
            ("two", "a", 3, False),
            ("two", "later", 4, False),
        ]

    scene(work)


def test_hanging_questions_delay_nobody() -> None:
    async def work() -> None:
        async with serving(lambda _: None) as mute, serving(page()) as good:
            silent = tuple(probe(f"mute{i}", TcpCheck("127.0.0.1", mute.port, "x", f"{i}")) for i in range(40))
            program = probe("program", CommandCheck(("/bin/sleep", "86395")))
            web = probe("web", HttpCheck(f"http://127.0.0.1:{good.port}/"), rise=5)
            listener = Listener(cluster(site=(*silent, program, web)))
            listener.probes.want("site", [(item.name, number) for number, item in enumerate((*silent, program, web))])
            await listener.until(lambda: listener.states().get("site.web") is True)
            assert set(listener.states()) == {"site.web"}, "the others have neither answered nor ended"
            await listener.probes.close()

    scene(work)


def test_a_number_that_stays_goes_on_and_a_new_one_begins_anew() -> None:
    async def work() -> None:
        async with serving(lambda _: b"no") as server:
            check = TcpCheck("127.0.0.1", server.port, "x", "yes")
            own = (probe("a", check, fall=3), probe("b", check, fall=1000))
            tick = probe("tick", CommandCheck(("/bin/false",)), interval=2 * OFTEN)
            listener = Listener(cluster(site=own, clock=(tick,)))
            listener.probes.want("site", [("a", 1)])
            await listener.until(lambda: len(listener.told) == 2)
            listener.probes.want("site", [("a", 1), ("b", 2)])
            await listener.until(lambda: len(listener.told) == 3 or listener.told[-1][1] == "b")
            assert ("site", "a", 1, False) in [item[:4] for item in listener.told], "two failures before, one now"
            listener.probes.want("site", [("a", 3), ("b", 2)])
            count = len(listener.told)
            await listener.until(lambda: any(item[:3] == ("site", "a", 3) for item in listener.told))
            assert next(item[3] for item in listener.told[count:] if item[2] == 3) is None
            assert all(item[2] != 1 for item in listener.told[count:])
            listener.probes.want("site", [])
            count = len(listener.told)
            listener.probes.want("clock", [("tick", 4)])
            await listener.until(lambda: len(listener.told) == count + 5)
            assert {item[0] for item in listener.told[count:]} == {"clock"}
            await listener.probes.close()

    scene(work)


def test_an_answer_to_a_question_from_before_the_start_does_not_count() -> None:
    """Another reader's question is under way when this one begins: its answer may be about a service that was still down."""

    async def work() -> None:
        asked: list[bytes] = []
        gate = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.read(10))
            await gate.wait()
            writer.close()

        listener_socket = await asyncio.start_server(talk, "127.0.0.1", 0)
        check = TcpCheck("127.0.0.1", listener_socket.sockets[0].getsockname()[1], "x", "yes")
        found = cluster(one=(probe("a", check, fall=1),), two=(probe("a", check, fall=1),))
        listener = Listener(found)
        listener.probes.want("one", [("a", 1)])
        while not asked:
            await asyncio.sleep(0.001)
        listener.probes.want("two", [("a", 2)])
        gate.set()
        await listener.until(lambda: bool(listener.told))
        assert [item[:4] for item in listener.told] == [("one", "a", 1, False)]
        await listener.until(lambda: ("two", "a", 2, False) in [item[:4] for item in listener.told])
        await listener.probes.close()
        listener_socket.close()

    scene(work)


def test_who_has_left_hears_no_more() -> None:
    """One of two readers goes while their question is under way."""

    async def work() -> None:
        gate = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await gate.wait()
            writer.close()

        asked = asyncio.Event()
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        check = TcpCheck("127.0.0.1", server.sockets[0].getsockname()[1], "x", "yes")
        listener = Listener(cluster(one=(probe("a", check),), two=(probe("a", check),)))
        listener.probes.want("one", [("a", 1)])
        listener.probes.want("two", [("a", 2)])
        await asked.wait()
        listener.probes.want("two", [])
        gate.set()
        await listener.until(lambda: bool(listener.told))
        assert [item[0] for item in listener.told] == ["one"]
        await listener.probes.close()
        server.close()

    scene(work)


def test_failures_in_the_grace_time_are_shown_and_do_not_count() -> None:
    async def work() -> None:
        async with serving(lambda _: b"no") as server:
            check = TcpCheck("127.0.0.1", server.port, "x", "yes")
            listener = Listener(cluster(site=(probe("slow", check, fall=1, grace=HOUR),)))
            listener.probes.want("site", [("slow", 1)])
            await listener.until(lambda: len(listener.told) == 4)
            await listener.probes.close()
        assert {item[3] for item in listener.told} == {None}
        assert listener.told[0][4] == "'no' instead of 'yes'"

    scene(work)


def test_first_questions_are_spread() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        begun: list[float] = []

        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            begun.append(loop.time())
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        probes = tuple(probe(f"p{i}", TcpCheck("127.0.0.1", port, f"{i}"), interval=HOUR) for i in range(10))
        listener = Listener(cluster(site=probes))
        at = loop.time()
        listener.probes.want("site", [(item.name, number) for number, item in enumerate(probes)])
        await listener.until(lambda: len(listener.told) == 10)
        while len(begun) < 10:
            await asyncio.sleep(0.001)
        # The loop's clock counts whole milliseconds: less than one step is lost by that.
        assert max(begun) - at > 8 * 0.02, "the last of ten begins nine steps of 20 ms later at the earliest"
        await listener.probes.close()
        server.close()

    scene(work)


def test_a_slow_question_costs_only_its_own_beats() -> None:
    assert [next_due(10.0, now, 1.0) for now in (10.0, 10.3, 11.0, 11.1, 14.5)] == [11.0, 11.0, 11.0, 12.0, 15.0]


@given(st.integers(0, 1000), st.integers(0, 100_000), st.integers(1, 500))
def test_beats_stay_on_their_grid(due: int, late: int, interval: int) -> None:
    found = next_due(due, due + late, interval)
    assert found >= due + late
    assert found < due + late + interval or found == due + interval
    assert (found - due) % interval == 0


def test_closing_ends_the_commands_that_run(tmp_path: Path) -> None:
    path = tmp_path / "check"
    path.write_text(f"#!/bin/sh\nsleep 86394 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait\n")
    path.chmod(0o755)

    async def work() -> None:
        listener = Listener(cluster(site=(probe("p", CommandCheck((str(path),))),)))
        listener.probes.want("site", [("p", 1)])
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.001)
        await listener.probes.close()

    scene(work)
    process = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    end = time.monotonic() + 10  # killed, but a busy machine lets it die a moment later
    while process.exists() and process.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < end


def test_the_manager_asks_for_the_pulse_and_forgets_with_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    mark = tmp_path / "mark"
    check = CommandCheck(("/bin/sh", "-c", f"test -e {mark} || (echo no mark; exit 1)"))
    web = Probe("web", check, interval=100 * MILLISECOND, fall=2, grace=0)
    pulse = FakePulse(tmp_path / "run")
    try:
        with a_manager(cluster(site=(web,)), tmp_path):
            pulse.send({"t": "run_probes", "group": "site", "probes": [["web", 5], ["nobody", 6], ["web", True], 7]})
            down = pulse.wait_for("probed", up=False)
            assert down == {
                "t": "probed",
                "group": "site",
                "probe": "web",
                "number": 5,
                "up": False,
                "text": "exit code 1: no mark",
            }
            mark.touch()
            assert pulse.wait_for("probed", up=True)["text"] == ""
            pulse.die()
            mark.unlink()
            pulse.come_back()
            until(lambda: pulse.connections > 1, "it is back")
            pulse.send({"t": "run_probes", "group": "site", "probes": [["web", 5]]})
            pulse.wait_for("probed", up=None, number=5)
            pulse.send({"t": "run_probes", "group": "site", "probes": "nonsense"})
    finally:
        pulse.die()


def test_what_could_not_be_asked_is_a_warning_and_no_failure() -> None:
    """The manager stands still while a question is under way, for much longer than the question may take."""

    async def work() -> None:
        async with serving(lambda _: None) as mute:
            check = TcpCheck("127.0.0.1", mute.port, "x", "y")
            listener = Listener(cluster(site=(probe("p", check, timeout=300 * MILLISECOND, fall=1, interval=HOUR),)))
            listener.probes.want("site", [("p", 1)])
            while not mute.connections:
                await asyncio.sleep(0)
            signal.sigtimedwait([], 1.0)
            while not listener.probes.warnings():
                await asyncio.sleep(0.001)
            (said,) = listener.probes.warnings()
            assert said.startswith("the probe p of site could not be asked: the manager itself was late by ")
            assert said.endswith("; last 0s ago")
            assert listener.told == []
            await listener.probes.close()

    scene(work)
