"""A pool with a pretend kernel behind it, which takes no effect that changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from understudy.balance import (
    Ask,
    CheckAnswered,
    DropServer,
    DropService,
    Place,
    PoolEffect,
    PoolEvent,
    PoolTimer,
    SetServer,
    SetService,
    TableSeen,
    TableServer,
    TableService,
)
from understudy.core.pools import Pool
from understudy.service_checks import Check, HttpQuestion, Target
from understudy.services import RealServer, ServiceFiles, ServiceKey, VirtualService
from understudy.units import SECOND

KEY = ServiceKey("tcp", "192.0.2.1", 80)


@dataclass
class Kernel:
    """The table. ``apply`` fails the test at an effect that would change nothing or cannot be done."""

    table: dict[ServiceKey, tuple[TableService, dict[Place, TableServer]]] = field(default_factory=dict)

    def apply(self, effects: Iterable[PoolEffect]) -> None:
        for effect in effects:
            if isinstance(effect, SetService):
                key = effect.service.key
                assert effect.new == (key not in self.table), effect
                assert effect.new or self.table[key][0] != effect.service, effect
                self.table[key] = (effect.service, {} if effect.new else self.table[key][1])
            elif isinstance(effect, DropService):
                del self.table[effect.key]
            elif isinstance(effect, SetServer):
                servers = self.table[effect.key][1]
                assert effect.new == (effect.server.place not in servers), effect
                assert servers.get(effect.server.place) != effect.server, effect
                servers[effect.server.place] = effect.server
            elif isinstance(effect, DropServer):
                del self.table[effect.key][1][effect.place]
            assert not isinstance(effect, SetService | DropService | SetServer | DropServer) or effect.why

    def seen(self) -> TableSeen:
        return TableSeen(tuple((service, tuple(servers.values())) for service, servers in self.table.values()))


class Rig:
    """A pool that has begun. ``told``: all effects so far that are not the table's; ``changes``: those that are."""

    def __init__(
        self,
        *services: VirtualService,
        kernel: Kernel | None = None,
        files: ServiceFiles | None = None,
        before: tuple[PoolEvent, ...] = (),
        needs_holder: Callable[[VirtualService], bool] = lambda _: False,
        seen: TableSeen | None = None,
    ) -> None:
        self.kernel = kernel or Kernel()
        self.pool = Pool(files or ServiceFiles(services), needs_holder)
        self.now = 1000 * SECOND
        self.asked: dict[int, Check] = {}
        self.told: list[PoolEffect] = []
        self.changes: list[PoolEffect] = []
        for event in before:
            self.tell(event)
        self.tell(seen or self.kernel.seen())

    def tell(self, event: PoolEvent) -> list[PoolEffect]:
        effects = list(self.pool.handle(event, self.now))
        self.kernel.apply(effects)
        for effect in effects:
            if isinstance(effect, Ask):
                for number in effect.end:
                    del self.asked[number]
                for number, check in effect.begin:
                    assert number not in self.asked
                    self.asked[number] = check
            table = isinstance(effect, SetService | DropService | SetServer | DropServer)
            (self.changes if table else self.told).append(effect)
        return effects

    def answer(self, address: str, failure: str = "", weight: int | None = None) -> None:
        """All checks of one address answer."""
        numbers = [number for number, check in self.asked.items() if check.target.address == address]
        assert numbers, f"nobody asks {address}"
        for number in numbers:
            self.tell(CheckAnswered(number, failure, weight))

    def good(self, *addresses: str) -> None:
        for address in addresses:
            self.answer(address)

    def bad(self, *addresses: str) -> None:
        for address in addresses:
            self.answer(address, "refused")

    def wait(self, span: int) -> None:
        """Time goes by, and every deadline in it comes."""
        end = self.now + span
        while self.pool.next_deadline() <= end:
            self.now = max(self.now, self.pool.next_deadline())
            before = self.pool.next_deadline()
            self.tell(PoolTimer())
            assert self.pool.next_deadline() > before or self.now > before, "a deadline that does not go away"
        self.now = end

    def table(self, key: ServiceKey = KEY) -> dict[str, int] | None:
        """Weights by the last number of the address, None when the service does not stand."""
        if key not in self.kernel.table:
            return None
        servers = self.kernel.table[key][1].values()
        return {server.place.address.rpartition(".")[2]: server.weight for server in servers}

    def of(self, kind: type) -> list[PoolEffect]:
        """What was told of one kind since the last time."""
        found = [effect for effect in self.told if isinstance(effect, kind)]
        self.told = [effect for effect in self.told if not isinstance(effect, kind)]
        return found

    def state(self, address: str) -> str:
        servers = [server for service in self.pool.snapshot(self.now).services for server in service.servers]
        return next(server.state for server in servers if server.name.startswith(f"{address}:"))


def check(address: str, **more: object) -> Check:
    return Check(HttpQuestion(), Target(address, 80), **more)  # type: ignore[arg-type]


def real(last: int, weight: int = 1, checks: tuple[Check, ...] | None = None, **more: object) -> RealServer:
    """10.0.0.LAST with one check of its own."""
    address = f"10.0.0.{last}"
    own = (check(address),) if checks is None else checks
    return RealServer(address, 80, weight=weight, checks=own, **more)  # type: ignore[arg-type]


def service(*reals: RealServer, **more: object) -> VirtualService:
    more = {"name": "web", "keys": (KEY,)} | more
    return VirtualService(reals=reals, **more)  # type: ignore[arg-type]


ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
FALLBACK = RealServer("10.0.0.99", 80)
