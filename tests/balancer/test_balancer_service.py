"""The balancer's process with pretended parts: what it tells the pool, what it does of what the pool wants, what people get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from balancer_parts import COPIED, KEY, ONE, WEB, Bench

from understudy.balance import (
    Ask,
    CheckAnswered,
    Counters,
    DropServer,
    DropService,
    FilesChanged,
    HeldSeen,
    MaintenanceSeen,
    Monitored,
    Place,
    PoolNote,
    PoolTimer,
    ServerWish,
    SetServer,
    SetService,
    StopAsked,
    Synchronise,
    SyncRefused,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
    Tell,
)
from understudy.balancer.copied import COPY
from understudy.balancer.service import boot_clock
from understudy.balancer.wishes import Wish
from understudy.config.service_copy import ServiceCopy
from understudy.core.pools import Pool
from understudy.service_checks import Check, ConnectQuestion, Target
from understudy.services import Notice, ServiceFiles, SyncDaemon

CHECK = Check(ConnectQuestion(), Target("10.0.0.2", 80))
PLACE = Place("10.0.0.2", 80)
SERVER = SetServer(KEY, TableServer(PLACE), True, "it is up")


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def test_it_begins_with_files_addresses_and_the_table_that_is_there(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, addresses=(("site", ("10.9.9.9",)), ("other", ("10.9.9.8",)))))
        bench.plane.table[KEY] = (TableService(KEY), {PLACE: TableServer(PLACE)})
        bench.watch.addresses = frozenset({bytes((10, 9, 9, 9))})
        async with bench.running():
            kinds = [type(each) for each in bench.pool.told[:3]]
            assert kinds == [HeldSeen, FilesChanged, TableSeen]
            assert bench.pool.heard(HeldSeen)[0] == HeldSeen(frozenset({"site"}), frozenset({"other"}))
            assert bench.pool.heard(TableSeen)[0].services[0][0].key == KEY
            bench.watch.change(bytes((10, 9, 9, 8)))
            await bench.wait(lambda: bench.pool.heard(HeldSeen)[-1].groups == {"other"})
            assert bench.pool.heard(HeldSeen)[-1].absent == {"site"}
            bench.watch.silent = frozenset({bytes((10, 9, 9, 9))})
            bench.watch.change()
            await bench.wait(lambda: bench.pool.heard(HeldSeen)[-1] == HeldSeen(frozenset(), frozenset({"other"})))

    run(work())


def test_what_is_wanted_in_one_turn_is_one_batch_and_refusals_go_back(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.pool.says[TableSeen] = lambda _: [
            SetService(TableService(KEY), True, "it is configured"),
            Ask(((1, CHECK),)),
        ]
        bench.pool.says[CheckAnswered] = lambda _: [SERVER]
        bench.plane.refuses[PLACE] = "no room"
        async with bench.running():
            await bench.wait(lambda: bench.engines[0].asked)
            for number in range(3):
                bench.engines[0].answered(CheckAnswered(number))
            await bench.wait(lambda: bench.pool.heard(TableRefused))
            assert [len(each) for each in bench.plane.batches] == [1, 3]
            assert bench.pool.heard(TableRefused)[0] == TableRefused(KEY, PLACE, "no room")
        assert bench.engines[0].closed

    run(work())


def test_what_is_shown_or_confirmed_stands_in_the_table_already(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.pool.says[TableSeen] = lambda _: [SetService(TableService(KEY), True, "it is configured")]
        bench.pool.says[CheckAnswered] = lambda _: [SERVER]
        bench.pool.says[ServerWish] = lambda _: [DropServer(KEY, PLACE, "an operator disabled it")]
        async with bench.running():
            bench.engines[0].answered(CheckAnswered(1))
            bench.balancer.answer("")
            assert PLACE in bench.plane.table[KEY][1]
            assert (await bench.balancer.wish(Wish("", ONE.name, "disable"), "root"))[0]
            assert PLACE not in bench.plane.table[KEY][1]

    run(work())


def test_what_the_machine_lacks_is_said_and_shown_until_it_is_there(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.lacks = ["it does not forward"]
        async with bench.running():
            assert "it does not forward" in bench.log.getvalue()
            assert bench.balancer.answer("")["warnings"] == ["it does not forward"]
            bench.lacks = []
            assert bench.balancer.answer("")["warnings"] == []

    run(work())


def test_a_clean_stop_writes_what_the_pool_wants_last(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.pool.says[StopAsked] = lambda _: [SetService(TableService(KEY), True, "last")]
        async with bench.running():
            pass
        assert KEY in bench.plane.table

    run(work())


def test_the_sync_daemon_runs_as_the_pool_wants_it_and_what_the_kernel_refuses_goes_back(tmp_path: Path) -> None:
    daemon = SyncDaemon("eth1", "site", 7)
    master, backup = Synchronise(daemon, True, False, "it is here"), Synchronise(daemon, False, True, "it is away")
    stopped = Synchronise(None, False, False, "a clean stop")

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.pool.says = {
            TableSeen: lambda _: [master],
            CheckAnswered: lambda _: [backup],
            StopAsked: lambda _: [stopped],
        }
        async with bench.running():
            assert (bench.plane.synchronised, bench.pool.heard(SyncRefused)) == ([master], [])
            assert (await bench.ask(do="pool"))["sync"] is None
            bench.engines[0].answered(CheckAnswered(1))
            assert bench.pool.heard(SyncRefused) == [SyncRefused("no such device")]
            bench.pool.sync = backup
            answer = await bench.ask(do="pool")
            said = {"device": "eth1", "identifier": 7, "master": False, "backup": True, "why": "it is away"}
            assert answer["sync"] == {**said, "trouble": "no such device"}
            assert answer["warnings"] == ["no such device"]
        assert bench.plane.synchronised == [master, backup, stopped]

    run(work())


def test_the_timer_comes_when_the_pool_wants_it(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.pool.says[CheckAnswered] = lambda _: setattr(bench.pool, "deadline", boot_clock() + 1_000_000) or ()
            bench.engines[0].answered(CheckAnswered(1))
            await bench.wait(lambda: bench.pool.heard(PoolTimer))

    run(work())


def test_programs_of_one_key_run_in_order_and_a_bad_one_is_said(tmp_path: Path) -> None:
    script, seen = tmp_path / "told.sh", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\necho "$@" >> {seen}\n')
    script.chmod(0o755)

    async def work() -> None:
        bench = Bench(tmp_path)
        notice = Notice((str(script),))
        bench.pool.says[CheckAnswered] = lambda event: [
            Tell(notice, (str(event.number),), "web", "a test"),
            Tell(Notice((str(tmp_path / "none"),)), (), "other", "a test"),
            Monitored(str(tmp_path / "monitor"), "10.0.0.2:80", False, "refused"),
        ]
        async with bench.running():
            for number in range(5):
                bench.engines[0].answered(CheckAnswered(number))
            await bench.wait(lambda: seen.exists() and len(seen.read_text().split()) == 5)
        assert seen.read_text().split() == ["0", "1", "2", "3", "4"]
        assert "none" in bench.log.getvalue()
        assert "is not run" in bench.log.getvalue()
        assert (tmp_path / "monitor").read_text().count("10.0.0.2:80 [down] refused\n") == 5

    run(work())


def test_one_that_comes_after_a_balancer_that_died_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        for clean in (True, False):
            bench = Bench(tmp_path)
            async with bench.running():
                await bench.wait(partial(bench.pool.heard, FilesChanged))
            assert ("ended without a clean stop" in bench.log.getvalue()) is not clean
            (tmp_path / "balancer.begun").touch()

    run(work())


def test_what_a_plane_does_not_do_is_said_once_and_not_at_each_reload(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.plane.judged = [("web is served otherwise", "warning")]
        async with bench.running():
            bench.write(replace(COPIED, node="another"))
            assert await bench.balancer.reload() != (True, "nothing has changed")
        assert bench.log.getvalue().count("web is served otherwise") == 1

    run(work())


def test_another_copy_is_taken_up_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            other = replace(COPIED, files=ServiceFiles((replace(WEB, scheduler="rr"),)))
            bench.write(other)
            assert (await bench.ask(do="reload"))["ok"] is True
            assert bench.pool.heard(FilesChanged)[-1].files == other.files
            (tmp_path / COPY).write_text("{")
            answer = await bench.ask(do="reload")
            assert answer["ok"] is False
            assert len(bench.pool.heard(FilesChanged)) == 2
            assert "the services are as they were" in (await bench.ask(do="pool"))["warnings"][0]

    run(work())


def test_a_group_that_a_reload_renames_keeps_its_services_in_the_table(tmp_path: Path) -> None:
    def copy(group: str) -> ServiceCopy:
        files = ServiceFiles((replace(WEB, group=group),))
        return replace(COPIED, files=files, addresses=((group, ("10.9.9.9",)), (f"{group}-idle", ("10.9.9.8",))))

    async def work() -> None:
        bench = Bench(tmp_path, copy("site"))
        bench.watch.addresses = frozenset({bytes((10, 9, 9, 9))})
        async with bench.running():
            begun = list(bench.pool.told)
            bench.write(copy("shop"))
            assert (await bench.ask(do="reload"))["ok"] is True
            told = [each for each in bench.pool.told[len(begun) :] if isinstance(each, HeldSeen | FilesChanged)]
            assert [type(each) for each in told] == [HeldSeen, FilesChanged, HeldSeen]
            assert told[0] == HeldSeen(frozenset({"site", "shop"}), frozenset({"site-idle", "shop-idle"}))
            assert told[2] == HeldSeen(frozenset({"shop"}), frozenset({"shop-idle"}))
            pool = Pool(ServiceFiles(), lambda _: True)
            for event in begun:
                pool.handle(event, 0)
            kinds = {type(effect) for event in told for effect in pool.handle(event, 0)}
            assert not kinds & {SetService, DropService, SetServer, DropServer}

    run(work())


def test_a_copy_that_changed_by_itself_is_noticed(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.write(ServiceCopy(node="ha01"))
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            assert bench.pool.heard(FilesChanged)[-1].files == ServiceFiles()

    run(work())


def test_what_stands_from_before_in_a_plane_that_was_not_chosen_is_taken_out_at_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.plane.table[KEY] = (TableService(KEY), {})
        bench.plane.misplaced = KEY
        async with bench.running():
            assert bench.pool.heard(TableSeen) == [TableSeen(())]

    run(work())


def test_a_look_that_fails_is_said_once_and_ends_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.watch.fails = OSError(105, "No buffer space available")
            await bench.wait(lambda: "a look at this machine failed" in bench.log.getvalue())
            bench.watch.fails = None
            bench.write(replace(COPIED, node="other"))
            await bench.wait(lambda: len(bench.pool.heard(FilesChanged)) == 2)
            assert bench.log.getvalue().count("No buffer space available") == 1

    run(work())


def test_wishes_are_answered_kept_and_told_again_at_the_next_start(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            good = await bench.ask(do="wish", verb="weight", server=ONE.name, value=7, by="root")
            bad = await bench.ask(do="wish", verb="drain", server="10.0.0.9:80", by="root")
            wrong = await bench.ask(do="wish", verb="weight", server=ONE.name, value=-1)
            assert (good["ok"], bad["ok"], wrong["ok"]) == (True, False, False)
            assert bad["text"] == "there is no server 10.0.0.9:80"
            assert wrong["wrong"] is True
        assert f"root: weight {ONE.name} 7" in bench.log.getvalue()
        (tmp_path / "balancer.sock").unlink()
        again = Bench(tmp_path)
        async with again.running():
            assert [(each.server, each.verb, each.value) for each in again.pool.heard(ServerWish)] == [
                (ONE.name, "weight", 7)
            ]

    run(work())


def test_a_server_that_was_out_of_the_file_comes_back_with_what_was_asked_of_it(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            assert (await bench.ask(do="wish", verb="weight", server=ONE.name, value=0, by="root"))["ok"]
            assert (await bench.ask(do="wish", verb="drain", server=ONE.name, service="other", by="root"))["ok"]
            for services in ((), (replace(WEB, scheduler="rr"),), (replace(WEB, scheduler="wrr"),)):
                bench.write(replace(COPIED, files=ServiceFiles(services)))
                assert (await bench.ask(do="reload"))["ok"]
            told = bench.pool.heard(ServerWish)[2:]
            assert told == [ServerWish(0, "web", ONE.name, "weight", 0)], "once, and what is about it alone"

    run(work())


@pytest.mark.parametrize("name", [ONE.name, ONE.address])
def test_what_is_kept_for_a_server_out_of_the_file_is_shown_and_can_be_taken_back(tmp_path: Path, name: str) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            assert (await bench.ask(do="wish", verb="weight", server=ONE.name, value=0, service="web", by="root"))["ok"]
            assert (await bench.ask(do="pool"))["warnings"] == []
            bench.write(replace(COPIED, files=ServiceFiles(())))
            assert (await bench.ask(do="reload"))["ok"]
            (warning,) = (await bench.ask(do="pool"))["warnings"]
            assert f"not in the file: weight {ONE.name} of web 0; it holds when they come back" in warning
            bench.write(COPIED)
            assert (await bench.ask(do="reload"))["ok"]
            assert f"weight {ONE.name} of web 0 holds again" in bench.log.getvalue()
            bench.write(replace(COPIED, files=ServiceFiles(())))
            assert (await bench.ask(do="reload"))["ok"]
            taken = await bench.ask(do="wish", verb="enable", server=name, service="web", by="root")
            assert (taken["ok"], "is not in the file; what was kept for it is taken back" in taken["text"]) == (
                True,
                True,
            )
            assert (await bench.ask(do="pool"))["warnings"] == []
            assert f"root: enable {name} of web" in bench.log.getvalue()
        assert json.loads((tmp_path / "pool_wishes.json").read_text()) == []

    run(work())


def test_who_is_named_by_the_address_alone_is_kept_by_the_whole_name(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            assert (await bench.ask(do="wish", verb="drain", server=ONE.name, by="root"))["ok"]
            assert (await bench.ask(do="wish", verb="enable", server=ONE.address, by="root"))["ok"]
        (tmp_path / "balancer.sock").unlink()
        again = Bench(tmp_path)
        async with again.running():
            assert again.pool.heard(ServerWish) == []

    run(work())


def test_people_see_states_probes_connections_and_rates(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            bench.plane.counted = {(KEY, PLACE): Counters(active=3, connections=100, bytes_in=10, bytes_out=20)}
            answer = await bench.ask(do="pool")
            (service,) = answer["services"]
            (server,) = service["servers"]
            assert (service["name"], service["keys"], service["plane"]) == ("web", ["tcp 10.9.9.9:80"], "nftables")
            assert (server["state"], server["active"], server["connections"]) == ("down", 3, 100)
            assert server["probes"] == [{"asks": "tcp 10.0.0.2:80", "up": False, "failure": "connection refused"}]
            assert server["connections_per_second"] is None
            assert (await bench.ask(do="pool", service="other"))["services"] == []

    run(work())


def test_a_listener_gets_what_was_said_before_it_came_and_what_is_said_then(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        bench.pool.says[TableSeen] = lambda _: [PoolNote("10.0.0.2:80 is down", "warning", "web", ONE.name)]
        async with bench.running():
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "balancer.sock"))
            writer.write(b'{"do": "notes"}\n')
            first = json.loads(await reader.readline())
            assert (first["text"], first["level"], first["service"]) == ("10.0.0.2:80 is down", "warning", "web")
            printed = bench.log.getvalue()
            bench.balancer.notes.say("again")
            assert json.loads(await reader.readline())["text"] == "again"
            assert bench.log.getvalue() == printed, "the manager prints it"
            writer.close()
            await bench.wait(lambda: bench.balancer.notes.listener is None)
            bench.balancer.notes.say("alone")
            assert "alone" in bench.log.getvalue()

    run(work())


def test_a_listener_that_stays_does_not_outlive_the_balancer(tmp_path: Path) -> None:
    """What the loop's end has to cancel is printed with a traceback."""

    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            _, writer = await asyncio.open_unix_connection(str(tmp_path / "balancer.sock"))
            writer.write(b'{"do": "notes"}\n')
            await bench.wait(lambda: bench.balancer.notes.listener is not None)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        writer.close()

    run(work())


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b'{"do": 3}\n', b"\xff\n", b'{"do": "wish", "verb": "explode"}\n'])
def test_nonsense_is_answered(tmp_path: Path, line: bytes) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        async with bench.running():
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "balancer.sock"))
            writer.write(line)
            assert json.loads(await reader.readline())["ok"] is False
            writer.close()

    run(work())


def test_a_maintenance_file_is_seen_and_its_removal_too(tmp_path: Path) -> None:
    folder = tmp_path / "maintenance"
    folder.mkdir()
    (folder / "10.0.0.2").touch()

    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=ServiceFiles((WEB,), str(folder))))
        async with bench.running():
            await bench.wait(lambda: bench.pool.heard(MaintenanceSeen))
            assert bench.pool.heard(MaintenanceSeen)[-1].servers == {("web", ONE.name)}
            (folder / "10.0.0.2").unlink()
            await bench.wait(lambda: bench.pool.heard(MaintenanceSeen)[-1].servers == frozenset())

    run(work())
