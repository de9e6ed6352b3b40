"""Which state of each virtual router scripts and FIFO were told last: kept in the runtime directory for the next manager.

A manager that is killed takes with it what waited for a script. The record outlives it, and a clean end removes it: so who finds
one at its start compares it with what the pulse says, and tells what nobody was told. Told twice is possible, not told is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from ..adapters.agent_proc import Identity, read_record, recorded_identity, remove_record, write_record
from ..vrrp_files import RouterFiles
from .router_told import STATES, Told

_WORST_FIRST = ("STOP", "FAULT", "BACKUP", "MASTER")
"""A sync group is in the worst state of its members, as the core has it."""

WHY = "an earlier manager of this node ended before its scripts had been told"


class Memory:
    """``path``: of the record. Keys are "INSTANCE name" and "GROUP name"."""

    def __init__(self, path: str) -> None:
        self._path = path
        record = read_record(path)
        self.found = record is not None
        """Whether an earlier manager ended without cleaning up."""
        self._scripts: dict[str, str] = _texts(record, "scripts")
        self._fifos: dict[str, str] = _texts(record, "fifos")
        running = (record or {}).get("running")
        self._running: dict[str, Any] = running if isinstance(running, dict) else {}
        self._told: set[str] = set()
        """Of whom this manager has heard from the pulse itself."""
        self._due = False

    def heard(self, told: Told) -> None:
        """The pulse says so: from now on this manager knows more than the record."""
        self._told.add(_key(told))

    def written(self, told: Told) -> None:
        """It stands in the FIFOs."""
        self._note(self._fifos, told)

    def begun(self, told: Told, who: Identity | None, last: bool) -> None:
        """Its script ``who`` has been started. ``last``: no other script has to be told of the same change."""
        if who is not None:
            self._running[_key(told)] = {"pid": who.pid, "started": who.started, "boot": who.boot}
        if last:
            self._note(self._scripts, told)
        self._save_soon()

    def former_script(self, what: str, name: str) -> Identity | None:
        """What an earlier manager has started for it last, asked once: later scripts have to wait for its end."""
        found = self._running.pop(f"{what} {name}", None)
        return recorded_identity(found) if isinstance(found, dict) else None

    def _note(self, states: dict[str, str], told: Told) -> None:
        if told.state not in STATES:
            return
        if told.state == "DELETED":
            states.pop(_key(told), None)
        else:
            states[_key(told)] = told.state
        self._save_soon()

    def _save_soon(self) -> None:
        """Once for everything that happens in one turn: hundreds of routers may move together."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._save)

    def _save(self) -> None:
        self._due = False
        # A record that cannot be written is as none: then the next manager tells what the pulse tells it, and no more.
        write_record(self._path, {"scripts": self._scripts, "fifos": self._fifos, "running": self._running})

    def untold(self, files: RouterFiles, views: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Told, bool, bool]]:
        """(what to tell, whether the FIFOs lack it, whether the scripts lack it). ``views``: of the status, as it is now."""
        now = {view["name"]: view for view in views}
        wanted = [Told("INSTANCE", name, view["state"], view["priority"], WHY) for name, view in now.items()]
        for group in files.sync_groups:
            states = {now[name]["state"] for name in group.members if name in now}
            joint = next((state for state in _WORST_FIRST if state in states), "INIT")
            wanted.append(Told("GROUP", group.name, joint, 0, WHY))
        for told in wanted:
            if told.state not in STATES or _key(told) in self._told:
                continue
            fifo, script = (states.get(_key(told)) != told.state for states in (self._fifos, self._scripts))
            if fifo or script:
                yield told, fifo, script

    def close(self) -> None:
        """A clean end: everything was told."""
        self._due = True  # nothing is written any more
        remove_record(self._path)


def _key(told: Told) -> str:
    return f"{told.what} {told.name}"


def _texts(record: Mapping[str, Any] | None, name: str) -> dict[str, str]:
    found = (record or {}).get(name)
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}
