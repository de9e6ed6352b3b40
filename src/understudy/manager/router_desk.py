"""What a manager does besides for virtual routers: tracking, notifications, mail, dumps. Joins the ``router_*`` modules.

``LAST``: the time that a clean stop leaves for the scripts of STOP; the supervisor gives the manager five seconds for everything.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..adapters.addresses import links_and_addresses
from ..adapters.channel import Packet
from ..adapters.mailer import Mailer
from ..effects import Level
from ..errors import NotRunning, TimedOut
from ..logline import wall_text
from ..units import SECOND, Duration
from ..vrrp_files import RouterFiles
from .router_dump import DATA, data_text, statistics_text, write_dump
from .router_fifo import Fifos
from .router_last import leave_last_words
from .router_memory import Memory
from .router_notify import Notifier
from .router_told import MAILED, STATES, Told, body, mail_of, notified_of, subject
from .router_tracks import Tracks

if TYPE_CHECKING:
    from .service import Manager

LAST: Duration = 3 * SECOND
KNOWN_PLACE = "/tmp"
"""Where administrators, and programs of others, look for keepalived's dumps; ``write_dump`` says what makes it safe."""


class RouterDesk:
    """The virtual routers of one manager. ``place``: where a second copy of each dump goes, "" for none."""

    def __init__(self, manager: Manager, runtime_dir: str, place: str = KNOWN_PLACE) -> None:
        self._manager = manager
        self._runtime_dir = runtime_dir
        self._place = place
        self._logs = os.path.join(runtime_dir, "log")
        self._files = RouterFiles()
        self._former: RouterFiles | None = None
        self._following = asyncio.Lock()
        self._ready = self._connected = False
        self._memory = Memory(os.path.join(runtime_dir, "router_told.json"))
        self._early: list[Told] = []
        """What a pulse said before FIFO and scripts were known."""
        self._last: dict[tuple[str, str], Told] = {}
        """The state of each virtual router and group as it was told last."""
        self.tracks = Tracks(self._logs, manager.say, manager.link.send)
        self.notifier = Notifier(self._files, self._logs, self._say, memory=self._memory)
        self.fifos = Fifos(os.path.join(runtime_dir, "fifo_scripts"), manager.say)
        self.mailer = Mailer(manager.say, counted=manager.tallies.router_mails)

    def _say(self, level: Level, text: str, router: str) -> None:
        self._manager.say(level, text, router)

    async def follow(self, files: RouterFiles | None) -> None:
        """Another configuration from now on; None: without virtual routers. What is the same goes on."""
        async with self._following:
            files = files or RouterFiles()
            self._former, self._files, self.notifier.files = self._files, files, files
            os.makedirs(self._logs, mode=0o755, exist_ok=True)
            await self.fifos.follow(files.settings)
            loop = asyncio.get_running_loop()
            if trouble := await loop.run_in_executor(None, leave_last_words, self._runtime_dir, files.settings):
                self._manager.say(Level.ERROR, trouble)
            if self._ready and files.settings.states_on_reload:
                for (what, name), told in self._last.items():
                    if notified_of(files, what, name) is not None:
                        self.fifos.write(told.line)
            self._ready = True
            early, self._early = self._early, []
            for told in early:
                self._told(told)
            self._look_back()
            await self.tracks.follow(files)
            await self.notifier.examine()

    def connected(self) -> None:
        """A new pulse: it is told everything again."""
        self.tracks.again()
        self._connected = True
        self._look_back()

    def _look_back(self) -> None:
        """Once: what an earlier manager, which was killed, has told nobody."""
        if self._ready and self._connected and self._memory.found:
            self._memory.found = False
            self._manager.background(self._tell_what_was_lost())

    async def _tell_what_was_lost(self) -> None:
        try:
            views = (await self._manager.status())["virtual_routers"]
        except (NotRunning, TimedOut):
            self._memory.found = True  # at the next connection
            return
        for told, fifo, script in self._memory.untold(self._files, views):
            if fifo:
                self.fifos.write(told.line)
                self._memory.written(told)
            if script:
                self.notifier.tell(told)

    def tell(self, packet: Packet) -> None:
        """A state has changed: FIFO first, which cannot wait, then scripts, then mail."""
        told = Told.of(packet)
        if told is None:
            return
        if self._ready:
            self._told(told)
        else:
            self._early.append(told)

    def _told(self, told: Told) -> None:
        self._manager.tallies.router_changes[told.what, told.name, told.state] += 1
        self._memory.heard(told)
        self.fifos.write(told.line)
        self._memory.written(told)
        if told.state in STATES:
            self._last[told.what, told.name] = told
        self.notifier.tell(told, self._former)
        notified = notified_of(self._files, told.what, told.name)
        if notified is not None and notified.mail and told.state in MAILED:
            router_id, me = self._files.settings.router_id or self._manager.me, self._manager.me
            text = body(told, me, wall_text(time.time_ns()))
            self.mailer.queue(mail_of(self._files.settings, subject(told, router_id), text, me))

    def warnings(self) -> list[str]:
        """For the status."""
        found: Iterable[list[str]] = (
            self.tracks.warnings(),
            self.notifier.warnings(),
            list(self.fifos.warnings()),
            self.mailer.warnings(),
        )
        return [text for part in found for text in part]

    async def close(self) -> None:
        """The daemon ends: the last states are told."""
        await asyncio.gather(
            self.notifier.drain(LAST), self.tracks.close(), self.mailer.drain(LAST), self.fifos.close()
        )
        self._memory.close()

    # -- dumps -------------------------------------------------------------------------------------------------------

    async def dump(self, name: str) -> None:
        """SIGUSR1 (``DATA``), SIGUSR2 (``STATISTICS``): into the runtime directory, and where keepalived would have put it."""
        manager = self._manager
        if not self._files.routers:
            manager.say(Level.INFO, f"{name} is not written: this node has no virtual routers")
            return
        views: list[dict[str, Any]] = []
        try:
            views = (await manager.status())["virtual_routers"]
        except (NotRunning, TimedOut) as error:
            manager.say(Level.WARNING, f"{name} has only what is configured: {error.text}")
        loop = asyncio.get_running_loop()
        if name == DATA:
            machine = await loop.run_in_executor(None, links_and_addresses)
            text = data_text(self._files, views, self.tracks.states(), machine)
        else:
            text = statistics_text((router.name for router in self._files.routers), views)
        paths = [os.path.join(self._runtime_dir, name)] + ([os.path.join(self._place, name)] if self._place else [])
        troubles = [await loop.run_in_executor(None, write_dump, path, text) for path in paths]
        written = [path for path, trouble in zip(paths, troubles, strict=True) if not trouble]
        if written:
            manager.say(Level.INFO, f"written: {' and '.join(written)}")
        for trouble in filter(None, troubles):
            manager.say(Level.WARNING, trouble)
