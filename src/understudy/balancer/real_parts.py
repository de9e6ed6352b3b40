"""What the balancer is made of on a real machine: the pool, the engine in asyncio's loop, and the kernel's planes."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from functools import partial

from ..adapters import nft_balance
from ..adapters.forwarding import not_forwarded
from ..adapters.ipvs import PlaneIpvs, lacking
from ..adapters.nft_balance import PlaneNft
from ..adapters.other_daemon import beside_balancer
from ..balance import Ask, CheckAnswered
from ..core.pools.planes import choose
from ..core.pools.pool import Pool
from ..service_checks import ServiceQuestion, Target
from ..services import Plane as PlaneName
from ..services import ServiceFiles, VirtualService
from ..units import NEVER, SECOND, Duration
from ..wire.dialogues.make import make
from ..wire.dialogues.shape import Dialogue
from .engine import Engine
from .parts import Plane
from .planes import Planes
from .service import Parts

OWN_DESCRIPTORS = 100
"""More than the balancer has open besides the connections of its checks."""


def parts(owner: str, trouble: str = "") -> Parts:
    """Looks at what this kernel has; nothing is opened for good before it is used.

    ``owner``: as in ``PlaneNft``. ``trouble``: what is to be said of it, "" for nothing.
    """
    has_ipvs, has_nft = not lacking(), not nft_balance.lacking()

    def chosen(service: VirtualService, synchronised: bool) -> PlaneName | str:
        plane, why = choose(service, has_ipvs, has_nft, synchronised)
        return "; ".join(why) if plane is None else plane

    planes = Planes({PlaneName.NFTABLES: partial(_nftables, owner), PlaneName.IPVS: _ipvs}, chosen)
    ours = Pool(ServiceFiles(), lambda service: planes.plane_of(service) is PlaneName.IPVS)
    return Parts(ours, planes, EngineInLoop, lacking=partial(_lacking, trouble), beside=beside_balancer)


def _lacking(trouble: str, files: ServiceFiles) -> list[str]:
    return [*not_forwarded(files), *few_descriptors(files), *filter(None, (trouble,))]


def allow_descriptors() -> None:
    """As many open files as this process may give itself (RLIMIT_NOFILE): each server that hangs holds a connection."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def few_descriptors(files: ServiceFiles) -> list[str]:
    """One sentence where not all servers could hang at once beside what the balancer itself has open."""
    may = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = sum(len(each.reals) for each in files.services) + OWN_DESCRIPTORS
    if may == resource.RLIM_INFINITY or may >= needed:
        return []
    return [
        f"the balancer may have {may} files open and may need {needed} when all servers hang at once; then some are not"
        f" checked: give LimitNOFILE={needed} or more (ulimit -Hn)"
    ]


def _nftables(owner: str) -> Plane:
    return PlaneNft(owner)


def _ipvs() -> Plane:
    return PlaneIpvs()


def _made(question: ServiceQuestion, target: Target) -> Dialogue:
    return make(question, target, os.urandom(32))


class EngineInLoop:
    """The engine has an epoll set of its own, which stands in the loop's: thousands of connections are one descriptor there."""

    def __init__(self, answered: Callable[[CheckAnswered], None], trouble: Callable[[str, str], None]) -> None:
        self._tell = answered
        self._say = trouble
        self._troubles: dict[int, str] = {}
        self._engine = Engine(self._answered, self._trouble, _made)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._engine.descriptor(), self._turn)

    def ask(self, ask: Ask) -> None:
        for number in ask.end:
            self._engine.end(number)
            self._troubles.pop(number, None)
        for number, check in ask.begin:
            self._engine.begin(number, check)
        self._arm()

    def close(self) -> None:
        self._loop.remove_reader(self._engine.descriptor())
        if self._timer is not None:
            self._timer.cancel()
        self._engine.close()

    def _turn(self) -> None:
        try:
            self._engine.turn()
        finally:  # a mistake of ours in one check, which the loop tells, ends no other
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._engine.next_deadline()
        if due < NEVER:
            self._timer = self._loop.call_later(max(due - self._engine.reactor.clock(), 0) / SECOND, self._turn)

    def _answered(self, number: int, failure: str, weight: int | None, took: Duration) -> None:
        self._troubles.pop(number, None)
        self._tell(CheckAnswered(number, failure, weight, took))

    def _trouble(self, number: int, text: str) -> None:
        """Said once for each check, until it is answered again."""
        if self._troubles.get(number) != text:
            self._troubles[number] = text
            self._say(f"a check cannot be asked: {text}", "warning")
