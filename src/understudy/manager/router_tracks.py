"""Everything that virtual routers track and that the kernel does not tell the pulse: scripts, files and processes.

What each says goes to the pulse as it changes, and once more to every new pulse. Only what some router or sync group names is
watched, as in keepalived; each once, however many name it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..adapters.agent_log import ResourceLog
from ..adapters.channel import Packet
from ..adapters.track_files import FileWatch, Number, read_number, write_number
from ..adapters.track_process import ProcessWatch, Quorum
from ..adapters.track_users import Program, examine, user_of
from ..effects import Level
from ..units import MILLISECOND, SECOND
from ..vrrp_files import RouterFiles, TrackedFile, TrackedProcess, TrackedScript
from .router_scripts import ScriptWatch

SPREAD = 5 * MILLISECOND
"""Between the first runs of two scripts: routers wait for them, and a hundred forks at once would be felt."""

Say: TypeAlias = Callable[[Level, str], None]
Send: TypeAlias = Callable[[Packet], object]
Key: TypeAlias = tuple[str, str]


def tracked(files: RouterFiles) -> set[Key]:
    """(kind, name) of all that a router or a sync group names."""
    tracks = [track for router in files.routers for track in router.tracks]
    tracks += [track for group in files.sync_groups for track in group.tracks]
    return {(track.kind, track.name) for track in tracks}


def judged(files: RouterFiles, scripts: tuple[TrackedScript, ...]) -> dict[str, Program | str]:
    """Each script as it can be run, or why not. Asks the name service and the disk."""
    settings = files.settings
    security = settings.script_security
    return {
        item.name: examine(item.command, user_of(item.user, settings.script_user, security), security)
        for item in scripts
    }


@dataclass(slots=True)
class _Watched:
    """``of``: what it was made from; another one is watched anew."""

    of: TrackedScript | TrackedFile | TrackedProcess
    task: asyncio.Task[None] | None = None
    program: Program | str | None = None
    quorum: Quorum | None = None


class Tracks:
    """All of one node. ``folder``: for the output of scripts; ``say``: the history; ``send``: to the pulse."""

    def __init__(self, folder: str, say: Say, send: Send) -> None:
        self._folder = folder
        self._say = say
        self._send = send
        self._said: dict[Key, Packet] = {}
        self._watched: dict[Key, _Watched] = {}
        self._file_watch: FileWatch | None = None
        self._process_watch: ProcessWatch | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reading: dict[Key, asyncio.Task[None]] = {}
        self._once_more: set[Key] = set()
        self._scripts: dict[str, ScriptWatch] = {}
        self._troubles: dict[Key, str] = {}

    async def follow(self, files: RouterFiles) -> None:
        """These count from now on. What is the same goes on undisturbed, with what it has counted."""
        wanted = tracked(files)
        scripts = tuple(item for item in files.scripts if ("script", item.name) in wanted)
        programs = await asyncio.get_running_loop().run_in_executor(None, judged, files, scripts)
        items: dict[Key, TrackedScript | TrackedFile | TrackedProcess] = {("script", i.name): i for i in scripts}
        items |= {("file", item.name): item for item in files.files if ("file", item.name) in wanted}
        items |= {("process", item.name): item for item in files.processes if ("process", item.name) in wanted}
        for key, watched in list(self._watched.items()):
            same = items.get(key) == watched.of
            if not same or (key[0] == "script" and watched.program != programs[key[1]]):
                await self._drop(key)
        begun = 0
        for key, item in items.items():
            if key in self._watched:
                continue
            if isinstance(item, TrackedScript):
                self._add_script(item, programs[item.name], begun * SPREAD / SECOND)
                begun += 1
            elif isinstance(item, TrackedFile):
                await self._add_file(item)
            else:
                self._add_process(item)
        self._watch_files()
        self._watch_processes()

    def again(self) -> None:
        """A new pulse knows nothing."""
        for packet in self._said.values():
            self._send(packet)

    def warnings(self) -> list[str]:
        """What cannot be asked, or is not as it should be."""
        return list(self._troubles.values())

    def states(self) -> dict[Key, tuple[bool, int, str]]:
        """What each has said last: well or not, the number of a file, why."""
        return {key: (item["good"], item["value"], item["text"]) for key, item in self._said.items()}

    def script(self, name: str) -> ScriptWatch | None:
        """For the dump."""
        return self._scripts.get(name)

    async def close(self) -> None:
        """End everything, the scripts that run too."""
        for key in list(self._watched):
            await self._drop(key)
        self._watch_files()
        self._watch_processes()

    # -- what is said ------------------------------------------------------------------------------------------------

    def _tell(self, key: Key, good: bool, value: int = 0, text: str = "", counts: bool = True) -> None:
        kind, name = key
        packet: Packet = {"t": "track", "track": kind, "name": name, "good": good, "value": value, "text": text}
        packet |= {} if counts else {"counts": False}
        before = self._said.get(key)
        self._said[key] = packet
        self._send(packet)
        if before is not None and before["good"] == good and before["value"] == value:
            return
        word = f"says {value}" if kind == "file" else "is well" if good else "fails"
        if counts:
            level = Level.INFO if good else Level.WARNING
            self._say(level, f"{kind} {name} {word}" + (f": {text}" if text else ""))

    def _trouble(self, key: Key, text: str, level: Level = Level.WARNING) -> None:
        """Said when it is another one than before; "" when there is none any more."""
        if text and self._troubles.get(key) != text:
            self._say(level, text)
        if text:
            self._troubles[key] = text
        else:
            self._troubles.pop(key, None)

    async def _drop(self, key: Key) -> None:
        watched = self._watched.pop(key)
        self._said.pop(key, None)
        self._troubles.pop(key, None)
        if key[0] == "script":
            self._scripts.pop(key[1], None)
        if watched.quorum is not None:
            watched.quorum.close()
        if watched.task is not None:
            watched.task.cancel()
            await asyncio.gather(watched.task, return_exceptions=True)

    # -- each kind ---------------------------------------------------------------------------------------------------

    def _add_script(self, script: TrackedScript, program: Program | str, delay: float) -> None:
        key = ("script", script.name)
        watched = self._watched[key] = _Watched(script, program=program)
        if isinstance(program, str):
            self._trouble(key, f"script {script.name} is not run, as if nobody tracked it: {program}", Level.ERROR)
            self._tell(key, True, 0, program, counts=False)
            return
        self._trouble(key, program.remark)
        log = ResourceLog(self._folder, f"script-{script.name}")
        watch = ScriptWatch(script, program, log, lambda good, text: self._tell(key, good, 0, text), delay)
        self._scripts[script.name] = watch
        watched.task = asyncio.get_running_loop().create_task(watch.work())

    async def _add_file(self, file: TrackedFile) -> None:
        key, loop = ("file", file.name), asyncio.get_running_loop()
        self._watched[key] = _Watched(file)
        if file.initial is not None:
            text = await loop.run_in_executor(None, write_number, file.path, file.initial, file.overwrite)
            if text:
                self._say(Level.ERROR, f"file {file.name}: {text}")
        self._read(file)

    def _read(self, file: TrackedFile) -> None:
        """In a thread, since it may lie on a server; one at a time, and once more when it changed meanwhile."""
        key = ("file", file.name)
        if key in self._reading:
            self._once_more.add(key)
            return
        self._reading[key] = asyncio.get_running_loop().create_task(self._read_now(file))

    async def _read_now(self, file: TrackedFile) -> None:
        key, loop = ("file", file.name), asyncio.get_running_loop()
        try:
            while True:
                self._once_more.discard(key)
                number = await loop.run_in_executor(None, read_number, file.path)
                if key not in self._watched or self._watched[key].of != file:
                    return
                if key not in self._once_more:
                    break
        finally:
            self._reading.pop(key, None)
        self._heard_number(key, number)

    def _heard_number(self, key: Key, number: Number) -> None:
        self._trouble(key, f"file {key[1]}: {number.trouble}" if number.trouble else "")
        before = self._said.get(key)
        if before is None or (before["value"], before["text"]) != (number.value, number.trouble):
            self._tell(key, not number.trouble, number.value, number.trouble)

    def _watch_files(self) -> None:
        files = [item.of for item in self._watched.values() if isinstance(item.of, TrackedFile)]
        if self._file_watch is None and files:
            self._file_watch = FileWatch(self._file_changed)
            self._tasks["files"] = asyncio.get_running_loop().create_task(self._file_watch.run())
        if self._file_watch is not None:
            self._file_watch.follow(file.path for file in files)
            if not files:
                self._tasks.pop("files").cancel()
                self._file_watch.close()
                self._file_watch = None
        for file in files:  # what was written between the first reading and the watch
            self._read(file)

    def _file_changed(self, path: str) -> None:
        for item in tuple(self._watched.values()):
            if isinstance(item.of, TrackedFile) and item.of.path == path:
                self._read(item.of)

    def _add_process(self, process: TrackedProcess) -> None:
        key = ("process", process.name)
        quorum = Quorum(process, lambda good, text: self._tell(key, good, 0, text))
        self._watched[key] = _Watched(process, quorum=quorum)

    def _watch_processes(self) -> None:
        wanted = [item.of for item in self._watched.values() if isinstance(item.of, TrackedProcess)]
        if self._process_watch is None and wanted:
            self._process_watch = ProcessWatch(self._counted)
            self._process_watch.follow(wanted)
            self._tasks["processes"] = asyncio.get_running_loop().create_task(self._process_watch.run())
        elif self._process_watch is not None:
            self._process_watch.follow(wanted)
            if not wanted:
                self._tasks.pop("processes").cancel()
                self._process_watch.close()
                self._process_watch = None

    def _counted(self, name: str, number: int) -> None:
        item = self._watched.get(("process", name))
        if item is not None and item.quorum is not None:
            item.quorum.count(number)
