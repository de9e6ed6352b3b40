"""A manager that was killed: the next one tells what nobody was told, waits for what still runs, and knows its FIFOs."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest
import uvloop
from router_parts import Ear, notified, router, script, until

from understudy.adapters.agent_proc import identify, read_record
from understudy.manager.router_fifo import Fifos
from understudy.manager.router_memory import Memory
from understudy.manager.router_notify import Notifier
from understudy.manager.router_told import Told
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import RouterFiles, RouterGlobals, SyncGroup

ME = pwd.getpwuid(os.geteuid()).pw_name
SETTINGS = RouterGlobals(script_user=ME)
MASTER = Told("INSTANCE", "VI_1", "MASTER", 150)
BACKUP = Told("INSTANCE", "VI_1", "BACKUP", 100)
FILES = RouterFiles((router("VI_1"), router("VI_2")), (SyncGroup("VG", ("VI_1", "VI_2")),))


def views(**states: str) -> list[dict[str, object]]:
    return [{"name": name, "state": state, "priority": 7} for name, state in states.items()]


def untold(memory: Memory, **states: str) -> list[tuple[str, str, bool, bool]]:
    return [(told.name, told.state, fifo, script_) for told, fifo, script_ in memory.untold(FILES, views(**states))]


def test_what_differs_from_the_record_was_told_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "told.json"
    assert not Memory(str(path)).found
    scripts = {"INSTANCE VI_1": "MASTER", "INSTANCE VI_2": "BACKUP", "GROUP VG": "BACKUP"}
    path.write_text(json.dumps({"scripts": scripts, "fifos": scripts | {"INSTANCE VI_2": "MASTER"}}))
    memory = Memory(str(path))
    assert memory.found
    assert untold(memory, VI_1="MASTER", VI_2="BACKUP") == [("VI_2", "BACKUP", True, False)]
    assert untold(memory, VI_1="MASTER", VI_2="MASTER") == [
        ("VI_2", "MASTER", False, True),
        ("VG", "MASTER", True, True),
    ]
    assert untold(memory, VI_1="INIT", VI_2="BACKUP") == [("VI_2", "BACKUP", True, False)], "INIT is told to nobody"
    memory.heard(Told("INSTANCE", "VI_2", "MASTER", 1))
    assert untold(memory, VI_1="MASTER", VI_2="BACKUP") == [], "who was heard since then is not told from the record"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"scripts": 3, "fifos": null, "running": 4}', '{"running": {"INSTANCE VI_1": 7}}']
)
def test_a_record_without_sense_is_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "told.json"
    path.write_text(text)
    memory = Memory(str(path))
    assert untold(memory, VI_1="MASTER")[0] == ("VI_1", "MASTER", True, True)
    assert memory.former_script("INSTANCE", "VI_1") is None


def test_a_state_counts_as_told_when_its_last_script_has_begun(tmp_path: Path) -> None:
    path, gate = tmp_path / "told.json", tmp_path / "gate"
    os.mkfifo(gate)
    waits = script(tmp_path, "waits", f"read x < {gate}")
    asked = notified(settings=SETTINGS, master=(waits,), any=(waits,))

    def kept(name: str) -> object:
        return (read_record(str(path)) or {}).get(name)

    async def work() -> None:
        memory = Memory(str(path))
        desk = Notifier(asked, str(tmp_path), Ear().say, memory=memory)
        desk.tell(BACKUP)
        await until("its only script has begun", lambda: kept("scripts") == {"INSTANCE VI_1": "BACKUP"})
        desk.tell(MASTER)
        for step, state in (("the first of MASTER", "BACKUP"), ("the second of MASTER", "MASTER")):
            before = kept("running")
            gate.write_text("go\n")
            await until(f"{step} runs", lambda before=before: kept("running") != before)  # type: ignore[misc]
            assert kept("scripts") == {"INSTANCE VI_1": state}
        gate.write_text("go\n")
        await desk.drain(20 * SECOND)
        memory.close()
        assert not path.exists(), "a clean end leaves nothing to tell"

    uvloop.run(work())


@pytest.mark.parametrize("ends", [True, False])
def test_the_script_of_a_killed_manager_is_waited_for_as_long_as_one_of_our_own(tmp_path: Path, ends: bool) -> None:
    log = tmp_path / "log"
    logs = script(tmp_path, "logs", f"echo new >> {log}")
    former = subprocess.Popen(
        ["sh", "-c", f"read x && echo old >> {log}"], stdin=subprocess.PIPE, start_new_session=True
    )
    who = identify(former.pid)
    assert who is not None
    running = {"INSTANCE VI_1": {"pid": who.pid, "started": who.started, "boot": who.boot}}
    (tmp_path / "told.json").write_text(json.dumps({"running": running}))

    async def work() -> None:
        ear, limit = Ear(), 3600 * SECOND if ends else 50 * MILLISECOND
        memory = Memory(str(tmp_path / "told.json"))
        desk = Notifier(notified(settings=SETTINGS, any=(logs,)), str(tmp_path), ear.say, limit, memory=memory)
        for told in (MASTER, BACKUP, MASTER):
            desk.tell(told)
        if ends:
            await until("they wait", lambda: desk.warnings())
            (text,) = desk.warnings()
            assert text.startswith(f"VI_1: the notify script process {who.pid}, which an earlier manager has started")
            assert text.endswith("and 3 wait for it")
            assert former.stdin is not None
            former.stdin.write(b"go\n")
            former.stdin.flush()
        await desk.drain(20 * SECOND)
        assert ear.told("which an earlier manager has started, is not done, and is ended") is not ends

    uvloop.run(work())
    former.wait()
    assert log.read_text().split() == (["old"] if ends else []) + 3 * ["new"]


def test_fifos_of_a_killed_manager_are_known_again(tmp_path: Path) -> None:
    kept, dropped, theirs = (str(tmp_path / name) for name in ("kept", "dropped", "theirs"))
    folder = str(tmp_path / "records")
    os.mkfifo(theirs)

    async def work() -> None:
        killed = Fifos(folder, Ear().say)
        await killed.follow(RouterGlobals(fifos=((kept, ()), (dropped, ()), (theirs, ()))))
        inode = os.stat(kept).st_ino
        next_one = Fifos(folder, Ear().say)
        await next_one.follow(RouterGlobals(fifos=((kept, ()), (theirs, ()))))
        assert not os.path.exists(dropped), "nobody wants it any more"
        assert os.stat(kept).st_ino == inode, "its readers go on"
        await next_one.close()
        assert not os.path.exists(kept)
        assert os.path.exists(theirs), "it was there before us"
        assert os.listdir(folder) == []

    uvloop.run(work())


def test_a_fifo_of_the_same_name_that_somebody_else_has_made_stays(tmp_path: Path) -> None:
    path, folder = str(tmp_path / "fifo"), str(tmp_path / "records")

    async def work() -> None:
        killed = Fifos(folder, Ear().say)
        await killed.follow(RouterGlobals(fifos=((path, ()),)))
        os.mkfifo(f"{path}.new")
        os.rename(f"{path}.new", path)
        next_one = Fifos(folder, Ear().say)
        await next_one.follow(RouterGlobals(fifos=((path, ()),)))
        await next_one.close()
        assert os.path.exists(path)

    uvloop.run(work())


def test_nobody_is_told_twice_of_a_deleted_router(tmp_path: Path) -> None:
    gone = script(tmp_path, "gone", "exit 0")

    async def work() -> None:
        memory = Memory(str(tmp_path / "told.json"))
        desk = Notifier(notified(settings=SETTINGS, deleted=(gone,)), str(tmp_path), Ear().say, memory=memory)
        desk.tell(Told("INSTANCE", "VI_1", "DELETED", 1))
        await desk.drain(20 * SECOND)
        assert (read_record(str(tmp_path / "told.json")) or {}).get("scripts") == {}

    uvloop.run(work())
