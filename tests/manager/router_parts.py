"""A virtual router's scripts, and somebody who listens to what becomes of them. Shared by tests/manager/test_manager_router_*."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understudy.effects import Level
from understudy.vrrp_files import Notified, RouterFiles, RouterGlobals, SyncGroup, Track, VirtualRouter

PATIENCE = 20.0


async def until(what: str, happened: Callable[[], Any]) -> None:
    """Look until it has happened; the bound only keeps a broken test from hanging."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.003)


def script(folder: Path, name: str, text: str) -> str:
    """An executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def router(name: str = "VI_1", **changes: Any) -> VirtualRouter:
    return VirtualRouter(name, "eth0", 51, (), **changes)


def files(*routers: VirtualRouter, groups: tuple[SyncGroup, ...] = (), **changes: Any) -> RouterFiles:
    return RouterFiles(routers or (router(),), groups, **changes)


def tracking(*tracks: tuple[str, str], **changes: Any) -> RouterFiles:
    """One router that tracks these (kind, name)."""
    return files(router(tracks=tuple(Track(kind, name) for kind, name in tracks)), **changes)


def notified(name: str = "VI_1", settings: RouterGlobals | None = None, **scripts: Any) -> RouterFiles:
    return files(router(name, notified=Notified(**scripts)), settings=settings or RouterGlobals())


class Ear:
    """What was said and sent."""

    def __init__(self) -> None:
        self.said: list[tuple[Level, str]] = []
        self.sent: list[dict[str, Any]] = []

    def say(self, level: Level, text: str, router: str = "") -> None:
        self.said.append((level, text))

    def send(self, packet: dict[str, Any]) -> bool:
        self.sent.append(packet)
        return True

    def about(self, name: str) -> list[tuple[bool, int]]:
        """(good, value) of each time that this tracked object has said something."""
        return [(item["good"], item["value"]) for item in self.sent if item["name"] == name]

    def told(self, text: str) -> bool:
        return any(text in said for _, said in self.said)
