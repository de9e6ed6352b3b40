"""A manager with virtual routers beside a pulse: what it is told, what it tells, dumps, metrics, and its end."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import pwd
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from manager_helpers import FakePulse, RunningManager, a_cluster, a_snapshot, ask, until
from prometheus_client.parser import text_string_to_metric_families
from router_parts import script
from router_parts import until as loop_until

from understudy.adapters import channel
from understudy.adapters.track_run import PATIENCE, run_and_wait
from understudy.adapters.track_users import Program, ScriptUser, find_user
from understudy.cli.edge_scripts import run_startup, shutdown_arguments
from understudy.manager.pulse_link import PulseLink
from understudy.manager.router_dump import DATA, STATISTICS
from understudy.manager.service import Manager
from understudy.model import Cluster
from understudy.supervisor.last_script import run_last
from understudy.supervisor.place import forget_last_script, last_script
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import RouterView
from understudy.vrrp_files import Notified, RouterFiles, RouterGlobals, Track, TrackedFile, TrackedScript, VirtualRouter

ME = pwd.getpwuid(os.geteuid()).pw_name
VIEW = RouterView(
    "VI_1",
    "MASTER",
    65 * SECOND,
    "so",
    51,
    4,
    2,
    "eth0",
    150,
    100,
    counters=(
        ("sent", 7),
        ("heard", 2),
        ("became_master", 1),
        ("goodbyes_sent", 3),
        ("refused_ttl", 4),
        ("refused", 1),
    ),
)


def told(state: str) -> dict[str, object]:
    packet = {"what": "INSTANCE", "name": "VI_1", "state": state, "priority": 150}
    return {"t": "router_tell", **packet, "why": "the test wants it", "ballot": 0}


class World:
    """A cluster with one virtual router, whose scripts write into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard = folder / "heard"
        notify = script(folder, "notify", f"echo $* >> {self.heard}")
        checks = script(folder, "check", f"test ! -e {folder}/bad")
        router = VirtualRouter(
            "VI_1",
            "eth0",
            51,
            (),
            tracks=(Track("script", "chk"), Track("file", "load")),
            notified=Notified(any=(notify,), mail=True),
        )
        files = RouterFiles(
            (router,),
            scripts=(TrackedScript("chk", (checks,), 20 * MILLISECOND, SECOND),),
            files=(TrackedFile("load", str(folder / "load"), initial=3),),
            settings=RouterGlobals(script_user=ME, fifos=((str(folder / "fifo"), ()),)),
        )
        self.cluster: Cluster = replace(a_cluster(), routers=files)
        (folder / "run").mkdir()
        (folder / "state").mkdir()
        (folder / "tmp").mkdir()
        self.pulse = FakePulse(folder / "run")
        self.pulse.snapshot = replace(a_snapshot(), virtual_routers=(VIEW,))

    def start(self) -> RunningManager:
        def prepare(manager: Manager) -> None:
            manager.routers._place = str(self.folder / "tmp")

        return RunningManager(self.cluster, self.folder / "run", self.folder / "state", prepare)

    def words(self) -> list[str]:
        return self.heard.read_text().splitlines() if self.heard.exists() else []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.pulse.die()


def test_what_is_tracked_is_told_to_every_pulse(world: World) -> None:
    manager = world.start()
    world.pulse.wait_for("track", name="chk", good=True)
    world.pulse.wait_for("track", name="load", value=3)
    (world.folder / "bad").touch()
    world.pulse.wait_for("track", name="chk", good=False, text="exit code 1")
    world.pulse.die()
    world.pulse.come_back()
    world.pulse.wait_for("track", name="chk", good=False)
    world.pulse.wait_for("track", name="load", value=3)
    manager.stop()


def test_a_change_is_told_to_scripts_and_fifo_and_the_last_one_is_not_lost(world: World) -> None:
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    reader = os.open(world.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    world.pulse.send(told("MASTER"))
    until(lambda: world.words() == ["INSTANCE VI_1 MASTER 150"], "the script has run")
    assert os.read(reader, 4096) == b'INSTANCE "VI_1" MASTER 150\n'
    world.pulse.send({"t": "router_tell", "what": 7})
    world.pulse.send(told("STOP"))
    world.pulse.die()
    manager.stop()
    assert world.words()[-1] == "INSTANCE VI_1 STOP 150"
    assert os.read(reader, 4096) == b'INSTANCE "VI_1" STOP 150\n'
    os.close(reader)
    assert not (world.folder / "fifo").exists()


@pytest.mark.parametrize("state", ["BACKUP", "MASTER"])
def test_what_a_killed_manager_told_nobody_is_told_by_the_next_one(world: World, state: str) -> None:
    """The pulse says that VI_1 is MASTER; ``state`` is what its scripts were told last."""
    record = world.folder / "run" / "router_told.json"
    record.write_text(json.dumps({"scripts": {"INSTANCE VI_1": state}, "fifos": {"INSTANCE VI_1": "MASTER"}}))
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    reader = os.open(world.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    if state == "BACKUP":
        until(world.words, "the script has run")
    world.pulse.send(told("FAULT"))
    until(lambda: world.words()[-1:] == ["INSTANCE VI_1 FAULT 150"], "what the pulse says now comes after it")
    assert world.words()[:-1] == (["INSTANCE VI_1 MASTER 150"] if state == "BACKUP" else [])
    assert os.read(reader, 4096) == b'INSTANCE "VI_1" FAULT 150\n', "the FIFO was told before"
    os.close(reader)
    manager.stop()
    assert not record.exists()


def test_what_is_told_before_the_fifo_is_open_waits_for_it(world: World) -> None:
    """A pulse speaks as soon as it is connected, while the name service is still asked who may read the FIFO."""

    def prepare(manager: Manager) -> None:
        manager.routers.tell(told("BACKUP"))

    manager = RunningManager(world.cluster, world.folder / "run", world.folder / "state", prepare)
    until(world.words, "the script has run")
    world.pulse.send(told("MASTER"))
    reader = os.open(world.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    until(lambda: len(world.words()) == 2, "the other one, too")
    assert os.read(reader, 4096) == b'INSTANCE "VI_1" BACKUP 150\nINSTANCE "VI_1" MASTER 150\n'
    os.close(reader)
    manager.stop()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_reload_writes_the_states_again_where_that_is_asked_for(world: World, wanted: bool) -> None:
    """``fifo_write_vrrp_states_on_reload``; scripts are not called again."""
    files = world.cluster.routers
    assert files is not None
    settings = replace(files.settings, states_on_reload=wanted, router_id="another")
    after = replace(world.cluster, routers=replace(files, settings=settings))
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    reader = os.open(world.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    world.pulse.send(told("MASTER"))
    until(world.words, "the script has run")
    asyncio.run_coroutine_threadsafe(manager.manager.follow(after, world.cluster), manager._loop).result(20)
    assert os.read(reader, 4096) == b'INSTANCE "VI_1" MASTER 150\n' * (2 if wanted else 1)
    os.close(reader)
    manager.stop()
    assert world.words() == ["INSTANCE VI_1 MASTER 150"]


def test_the_last_words_of_a_pulse_that_is_gone_are_read(tmp_path: Path) -> None:
    """The supervisor ends the manager as soon as the pulse has ended, which may be before the event loop has turned once more."""
    heard: list[object] = []
    path = str(tmp_path / "pulse.sock")
    listener = channel.Listener(path)

    async def work() -> None:
        link = PulseLink(path, lambda packet, _: heard.append(packet["state"]), lambda _: None)
        running = asyncio.ensure_future(link.run())
        await loop_until("connected", lambda: link.connected)
        peer = listener.accept()
        assert peer is not None
        peer.send(told("STOP"))
        peer.close()
        link.read_now()
        assert heard == ["STOP"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    uvloop.run(work())
    listener.close()


def test_mail_that_cannot_leave_is_a_warning(world: World) -> None:
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    files = world.cluster.routers
    assert files is not None
    settings = replace(files.settings, mails=("a@example.org",), mail_server="127.0.0.1 1")
    wanted = replace(world.cluster, routers=replace(files, settings=settings))
    asyncio.run_coroutine_threadsafe(manager.manager.follow(wanted, world.cluster), manager._loop).result(20)
    world.pulse.send(told("MASTER"))

    def warned() -> bool:
        _, status = ask(world.folder / "run", "GET", "/v1/status")
        return any("mail of virtual routers is not sent" in text for text in status["warnings"])

    until(warned, "the status warns of it")
    manager.stop()


def test_the_dumps_lie_in_both_places(world: World) -> None:
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    for name in (DATA, STATISTICS):
        asyncio.run_coroutine_threadsafe(manager.manager.routers.dump(name), manager._loop).result(20)
        first, second = (world.folder / place / name for place in ("run", "tmp"))
        assert first.read_text() == second.read_text() != ""
    assert "   State = MASTER\n" in (world.folder / "tmp" / DATA).read_text()
    assert "    Sent: 7\n" in (world.folder / "tmp" / STATISTICS).read_text()
    trap = world.folder / "tmp" / DATA
    trap.unlink()
    trap.symlink_to(world.folder / "precious")
    asyncio.run_coroutine_threadsafe(manager.manager.routers.dump(DATA), manager._loop).result(20)
    assert not (world.folder / "precious").exists()
    texts = [entry["text"] for entry in manager.manager.history.last(5)]
    assert f"written: {world.folder}/run/{DATA}" in texts
    manager.stop()


def test_the_metrics_of_virtual_routers(world: World) -> None:
    manager = world.start()
    world.pulse.wait_for("track", name="chk")
    world.pulse.send(told("MASTER"))
    until(world.words, "the script has run")
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(world.folder / "run" / "control.sock"))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {
        (sample.name.removeprefix("understudy_router_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("understudy_router_")
    }
    manager.stop()
    assert found["state", "MASTER", "VI_1"] == 1
    assert found["state", "BACKUP", "VI_1"] == 0
    assert found["priority", "VI_1"] == 150
    assert found["base_priority", "VI_1"] == 100
    assert found["state_age_seconds", "VI_1"] == 65
    assert found["master_known", "VI_1"] == 1
    assert found["adverts_total", "VI_1", "sent"] == 7
    assert found["adverts_total", "VI_1", "received"] == 2
    assert found["goodbyes_total", "VI_1", "sent"] == 3
    assert found["refused_total", "VI_1", "ttl"] == 4
    assert found["refused_total", "VI_1", "other"] == 1
    assert found["transitions_total", "MASTER", "VI_1"] == 1
    assert found["notifications_total", "INSTANCE", "MASTER", "VI_1"] == 1


def with_edges(cluster: Cluster, started: str, stopped: str) -> Cluster:
    settings = RouterGlobals(script_user=ME, started=(started,), stopped=(stopped, "now"))
    return replace(cluster, routers=RouterFiles(settings=settings))


def test_the_first_and_the_last_script(tmp_path: Path) -> None:
    first = script(tmp_path, "first", f"echo first >> {tmp_path}/order")
    last = script(tmp_path, "last", f"echo last $* >> {tmp_path}/order")
    said: list[str] = []
    cluster = with_edges(a_cluster(), first, last)
    run_startup(cluster, said.append)
    option, words = shutdown_arguments(cluster, said.append)
    assert option == "--last-script"
    run_last(words)
    assert (tmp_path / "order").read_text() == "first\nlast now\n"
    assert said == []
    run_last("")
    assert shutdown_arguments(a_cluster(), said.append) == []


def test_after_a_reload_another_last_script_counts(world: World, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    old, new = (script(tmp_path, name, f"echo {name} >> {tmp_path}/order") for name in ("old", "new"))
    assert world.cluster.routers is not None

    def stopped_by(*argv: str) -> Cluster:
        settings = replace(world.cluster.routers.settings, stopped=argv)  # type: ignore[union-attr]
        return replace(world.cluster, routers=replace(world.cluster.routers, settings=settings))  # type: ignore[type-var]

    given = shutdown_arguments(stopped_by(old), print)[1]
    forget_last_script(run)
    assert last_script(run, given) == given, "until a manager has said something else"
    manager = world.start()
    before = world.cluster
    for argv in ((old,), (new, "now"), ()):
        wanted = stopped_by(*argv)
        asyncio.run_coroutine_threadsafe(manager.manager.follow(wanted, before), manager._loop).result(20)
        before = wanted
        run_last(last_script(run, given))
    manager.stop()
    assert (tmp_path / "order").read_text() == "old\nnew\n"
    forget_last_script(run)
    assert last_script(run, "") == ""


def test_a_first_script_that_fails_hinders_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    cluster = with_edges(a_cluster(), script(tmp_path, "first", "exit 3"), str(tmp_path / "missing"))
    run_startup(cluster, said.append)
    assert shutdown_arguments(cluster, said.append) == []
    assert "failed: exit code 3; the start goes on" in said[0]
    assert "shutdown_script will not be run" in said[1]


def test_a_script_that_is_waited_for_has_a_limit(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs", f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1000; done")
    user = find_user(ME)
    assert isinstance(user, ScriptUser)
    end = run_and_wait(Program((hangs,), user), 300 * MILLISECOND, min(PATIENCE, 50 * MILLISECOND))
    assert (end.good, end.late) == (False, True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
