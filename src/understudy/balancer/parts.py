"""What the balancer is joined from: shapes of its parts, so that tests and other planes can stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from ..balance import (
    Ask,
    CheckAnswered,
    Counters,
    Place,
    PoolEffect,
    PoolEvent,
    PoolSnapshot,
    Synchronise,
    TableEffect,
    TableRefused,
    TableSeen,
)
from ..services import ServiceFiles, ServiceKey
from ..units import Instant


class Pool(Protocol):
    """The one that decides (``core/pools``)."""

    def handle(self, event: PoolEvent, now: Instant) -> Sequence[PoolEffect]: ...

    def next_deadline(self) -> Instant: ...

    def snapshot(self, now: Instant) -> PoolSnapshot: ...


class Plane(Protocol):
    """What writes the kernel's table."""

    def read(self) -> TableSeen: ...

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]: ...

    def counters(self) -> Mapping[tuple[ServiceKey, Place], Counters]: ...

    def close(self) -> None: ...


class ManyPlanes(Plane, Protocol):
    """All planes of this machine as one (``planes.py``)."""

    @property
    def trouble(self) -> str: ...

    def follow(self, files: ServiceFiles) -> bool: ...

    def judge(self, files: ServiceFiles) -> list[tuple[str, str]]: ...

    def name_of(self, key: ServiceKey) -> str: ...

    def flush(self) -> str: ...

    def settle(self, files: ServiceFiles) -> str: ...

    def synchronise(self, wanted: Synchronise) -> str: ...


class Engine(Protocol):
    """Asks the checks. What it was made with is called with each answer."""

    def ask(self, ask: Ask) -> None: ...

    def close(self) -> None: ...


MakeEngine: TypeAlias = Callable[[Callable[[CheckAnswered], None], Callable[[str, str], None]], Engine]
"""It is given whom to tell answers, and to whom it says, as (sentence, level), what cannot be asked for a trouble of our own."""
