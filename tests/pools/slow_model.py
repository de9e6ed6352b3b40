"""What the table should hold, worked out anew after each event from everything that ever happened. Slow, and simple.

It knows nothing of differences, numbers or marks: it has the answers that each check gave, and a few facts about each server.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from understudy.balance import Place, ServerWish, TableServer, TableService
from understudy.service_checks import Check
from understudy.services import OnFailure, RealServer, ServiceFiles, ServiceKey, VirtualService

Table = dict[ServiceKey, tuple[TableService, dict[Place, TableServer]]]


@dataclass
class Facts:
    """``after``: for checks that must be good again, how many answers there were then."""

    real: RealServer
    trusted: bool = False
    after: dict[Check, int] = field(default_factory=dict)
    wish: str = ""
    wished: int | None = None
    drained_at: int | None = None
    left_out: bool = False
    up: bool = False


class Model:
    """Services never share a key here, and no two servers a place; nothing starts slowly."""

    def __init__(self, files: ServiceFiles, table: Table, now: int) -> None:
        self.now = now
        self.files = ServiceFiles()
        self.answers: dict[Check, list[tuple[bool, int | None]]] = {}
        self.facts: dict[tuple[str, str], Facts] = {}
        self.quorum: dict[str, bool] = {}
        self.held: frozenset[str] = frozenset()
        self.maintenance: frozenset[tuple[str, str]] = frozenset()
        self.reload(files, table, begin=True)

    # -- what happens

    def reload(self, files: ServiceFiles, table: Table, begin: bool = False) -> None:
        old, self.facts, self.files = self.facts, {}, files
        for service in files.services:
            for real in service.reals:
                name = (service.name, real.name)
                known = old.get(name)
                if known is None:
                    self.facts[name] = self._new(service, real, table, begin)
                    continue
                if known.real.checks != real.checks:
                    known.trusted = known.up
                    known.after = {check: count for check, count in known.after.items() if check in real.checks}
                    if not known.up and not real.starts_up:
                        self._doubt(known, real)
                known.real = real
                self.facts[name] = known
        trusted = {name for (name, _), facts in self.facts.items() if facts.trusted}
        names = [service.name for service in files.services]
        self.quorum = {name: self.quorum.get(name, name in trusted) for name in names}
        used = {check for facts in self.facts.values() for check in facts.real.checks}
        self.answers = {check: found for check, found in self.answers.items() if check in used}
        self.think()

    def _new(self, service: VirtualService, real: RealServer, table: Table, begin: bool) -> Facts:
        facts = Facts(real)
        standing = [table[key][1] for key in service.keys if key in table]
        place = Place(real.address, real.port)
        entries = [found[place] for found in standing if place in found]
        facts.trusted = any(entry.weight > 0 or real.weight == 0 for entry in entries)
        if not facts.trusted and ((begin and standing) or not real.starts_up):
            self._doubt(facts, real)
        return facts

    def _doubt(self, facts: Facts, real: RealServer) -> None:
        for check in real.checks:
            if self.state(check) and not self.answers.get(check) and check not in facts.after:
                facts.after[check] = 0

    def answer(self, check: Check, good: bool, weight: int | None) -> None:
        self.answers.setdefault(check, []).append((good, weight))
        self.think()

    def maintain(self, servers: frozenset[tuple[str, str]]) -> None:
        for name in self.maintenance - servers:
            if name in self.facts:
                facts = self.facts[name]
                for check in facts.real.checks:
                    if check not in facts.after or self._good_since(check, facts.after[check]):
                        facts.after[check] = len(self.answers.get(check, []))
        self.maintenance = servers
        self.think()

    def wish(self, event: ServerWish, drain: dict[str, int]) -> None:
        for (service, server), facts in self.facts.items():
            if service != event.service or server != event.server:
                continue
            if event.verb == "weight":
                facts.wished = event.value
                continue
            facts.wish = "" if event.verb == "enable" else event.verb
            facts.drained_at = self.now + drain[service] if event.verb == "drain" and drain[service] else None
            facts.wished = None if event.verb == "enable" else facts.wished
        self.think()

    def seen(self, table: Table) -> None:
        """Somebody else may have changed the table."""
        for service in self.files.services:
            standing = [table[key][1] for key in service.keys if key in table]
            for real in service.reals:
                facts = self.facts[(service.name, real.name)]
                gone = standing and not any(Place(real.address, real.port) in found for found in standing)
                if gone and not facts.up and real.on_failure is OnFailure.QUIET and not service.readd_quiet:
                    facts.left_out = True
        self.think()

    # -- what follows

    def state(self, check: Check) -> bool | None:
        up: bool | None = True if check.starts_up else None
        good = bad = 0
        for answer, _ in self.answers.get(check, ()):
            good, bad = (good + 1, 0) if answer else (0, bad + 1)
            if bad >= check.fall:
                up = False
            elif answer and (up is None or good >= check.rise):
                up = True
        return up

    def _good_since(self, check: Check, count: int) -> bool:
        kept = self.answers.get(check, [])
        try:
            for end in range(count + 1, len(kept) + 1):
                self.answers[check] = kept[:end]
                if kept[end - 1][0] and self.state(check):
                    return True
            return False
        finally:
            self.answers[check] = kept

    def _up(self, name: tuple[str, str], facts: Facts) -> bool:
        if name in self.maintenance or not all(self._good_since(check, n) for check, n in facts.after.items()):
            return False
        states = [self.state(check) for check in facts.real.checks]
        return all(state or (state is None and facts.trusted) for state in states)

    def weight(self, facts: Facts) -> int:
        if facts.wished is not None:
            return facts.wished
        weight = facts.real.weight
        for check in dict.fromkeys(facts.real.checks):
            last = next((weight for good, weight in reversed(self.answers.get(check, [])) if good), None)
            weight += last - facts.real.weight if last is not None else 0
        return max(0, weight)

    def think(self) -> None:
        for name, facts in self.facts.items():
            facts.up = self._up(name, facts)
            facts.trusted = facts.trusted and facts.up
            facts.left_out = facts.left_out and not facts.up
            if facts.drained_at is not None and facts.drained_at <= self.now:
                facts.wish, facts.drained_at = "disable", None
        for service in self.files.services:
            able = [
                self.weight(facts)
                for (name, _), facts in self.facts.items()
                if name == service.name and facts.up and not facts.wish
            ]
            amount = len(able) if service.by_count else sum(able)
            if self.quorum[service.name]:
                self.quorum[service.name] = amount > 0 and amount >= service.quorum - service.hysteresis
            else:
                self.quorum[service.name] = amount >= service.quorum + service.hysteresis

    def table(self) -> Table:
        found: Table = {}
        for service in self.files.services:
            if service.group and service.group not in self.held:
                continue
            fallback = service.fallback is not None and not self.quorum[service.name]
            servers = {}
            for real in service.reals:
                weight = self._weight_in(service, real, fallback)
                if weight is not None:
                    place = Place(real.address, real.port)
                    servers[place] = TableServer(place, weight=weight)
            if service.fallback is not None and (fallback or service.fallback_quiet):
                place = Place(service.fallback.address, service.fallback.port)
                servers[place] = TableServer(place, weight=service.fallback.weight if fallback else 0)
            for key in service.keys:
                found[key] = (TableService(key, service.scheduler), dict(servers))
        return found

    def _weight_in(self, service: VirtualService, real: RealServer, fallback: bool) -> int | None:
        facts = self.facts[(service.name, real.name)]
        if facts.wish == "disable":
            return None
        if not facts.up or (fallback and service.drop_without_quorum):
            quiet = real.on_failure is OnFailure.QUIET and not facts.left_out
            return 0 if quiet else None
        return 0 if facts.wish else self.weight(facts)
