"""A name that nobody knew at the boot: asked for until somebody does, and the pulse is told, also the one that comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from understudy.heartbeat_files import Medium, MediumKind
from understudy.manager.old_names import tell_names
from understudy.pulse.manager_link import HostsKnown, understand

MEDIA = (
    Medium(MediumKind.UNICAST, "eth0", "peer", 694),
    Medium(MediumKind.UNICAST, "eth1", "known", 694),
    Medium(MediumKind.UNICAST, "eth2", "10.0.0.9", 694),
)


def test_a_name_is_asked_for_until_it_is_known() -> None:
    asked: list[tuple[str, ...]] = []
    sent: list[dict[str, Any]] = []

    def look(media: Iterable[Medium]) -> dict[str, str]:
        asked.append(tuple(medium.peer for medium in media))
        return {"peer": "10.0.0.2"} if len(asked) == 3 else {}

    async def scene() -> None:
        task = asyncio.ensure_future(tell_names(MEDIA, {"known": "10.1.0.2"}, sent.append, again=0, look=look))
        async with asyncio.timeout(10):
            while len(sent) < 2:
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(scene())
    assert asked == [("peer",)] * 3
    assert sent[0] == sent[1], "a pulse that came anew would not know it"
    assert understand(sent[0]) == HostsKnown((("peer", "10.0.0.2"),))


def test_where_all_are_known_nothing_runs() -> None:
    asyncio.run(tell_names(MEDIA, {"known": "10.1.0.2", "peer": "10.0.0.2"}, lambda _: None))


def test_the_pulse_takes_addresses_only() -> None:
    """A name would be looked up where heartbeats are sent."""
    for wrong in ([["peer", "other"]], [["peer"]], [[1, "10.0.0.2"]], "peer", None):
        assert understand({"t": "hosts", "hosts": wrong}) is None
