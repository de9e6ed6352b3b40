"""The names in ``ucast`` lines of which nobody knew an address when this node started, as at a boot without a name server.

The manager asks again, beside its event loop; the pulse never asks anybody, and is told. It is told again and again, for it may
be a new one, which knows only what the copy of the files says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..adapters.host_names import beside
from ..adapters.old_media import host_names, look_up
from ..heartbeat_files import Medium
from .ping import LOOK_AGAIN


async def tell_names(
    media: Iterable[Medium],
    hosts: Mapping[str, str],
    send: Callable[[dict[str, Any]], object],
    again: float = LOOK_AGAIN,
    look: Callable[[Iterable[Medium]], dict[str, str]] = look_up,
) -> None:
    """Until cancelled; at once when no name was unknown. ``hosts``: what the pulse knows; ``again``: seconds."""
    left = [medium for medium in host_names(media) if medium.peer not in hosts]
    known: dict[str, str] = {}
    while left or known:
        known |= await _found(left, look) if left else {}
        left = [medium for medium in left if medium.peer not in known]
        if known:
            send({"t": "hosts", "hosts": [list(item) for item in known.items()]})
        await asyncio.sleep(again)


async def _found(left: list[Medium], look: Callable[[Iterable[Medium]], dict[str, str]]) -> dict[str, str]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[dict[str, str]] = loop.create_future()

    def settle(found: dict[str, str]) -> None:
        if not answer.done():
            answer.set_result(found)

    media = tuple(left)
    beside(loop, lambda: look(media), settle)
    return await answer
