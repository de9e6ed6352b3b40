"""Five hundred virtual routers in one node: no turn looks at all of them, and no advertisement is missed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vrrp_parts import START, Segment, address, files, router

from understudy.core.vrrp.node import RouterNode
from understudy.core.vrrp.router import Router
from understudy.events import Started, TimerDue
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import AdvertHeard, SendAdvert, SourceKnown

COUNT = 500


def specs(priority: int = 100) -> list[Any]:
    return [
        router(
            f"VI_{n}",
            priority,
            vrid=n % 255 + 1,
            device=f"eth{n // 255}",
            addresses=(address(f"10.1.{n // 250}.{n % 250}"),),
        )
        for n in range(COUNT)
    ]


def test_every_advertisement_leaves_in_time() -> None:
    segment = Segment()
    segment.add("a", "192.0.2.11", *specs())
    segment.start()
    segment.run(5 * SECOND)
    before = segment.now
    segment.run(10 * SECOND)
    sent = [at for at, _, _ in segment.hosts["a"].sent if at > before]
    assert len(sent) == 10 * COUNT


class Counting(Router):
    """A virtual router that counts how often its deadline is looked at."""

    __slots__ = ()
    looked = 0

    def due(self) -> int:
        Counting.looked += 1
        return super().due()


def test_an_event_looks_at_the_one_that_it_is_about() -> None:
    """Cost by counting, not by the clock: a heard advertisement touches one virtual router, and a turn those that are due."""
    node = RouterNode(files(*specs()), "a")
    for r in node.routers:
        r.__class__ = Counting
    node.handle(Started(1, 1, 1), START)
    for r in list(node.routers):
        node.handle(SourceKnown(r.name, "192.0.2.11"), START)
    now = START + SECOND
    Counting.looked = 0
    for n, r in enumerate(node.routers[:100]):
        heard = AdvertHeard(r.name, r.advert(200), "192.0.2.99", now + n)
        node.handle(heard, now + n)
        node.next_deadline()
    assert Counting.looked == 100
    Counting.looked = 0
    now = node.next_deadline()
    due = sum(r.deadline <= now for r in node.routers)
    effects = node.handle(TimerDue(), now)
    assert sum(isinstance(effect, SendAdvert) for effect in effects) == due
    assert Counting.looked == due
    assert len(node.heap) < 3 * COUNT


def test_the_heap_does_not_grow_with_what_is_heard() -> None:
    node = RouterNode(files(*specs()), "a")
    node.handle(Started(1, 1, 1), START)
    for r in node.routers:
        node.handle(SourceKnown(r.name, "192.0.2.11"), START)
    now = START
    for _ in range(200):
        now += 20 * MILLISECOND
        for r in node.routers[:50]:
            node.handle(AdvertHeard(r.name, r.advert(200), "192.0.2.99", now), now)
        while node.next_deadline() <= now:
            node.handle(TimerDue(), now)
    assert len(node.heap) < 30 * COUNT


def test_advertisements_of_many_are_spread() -> None:
    """Five hundred that became master at the same moment would leave, and arrive, in one burst for ever. They leave in portions,
    a quarter of the interval long, whose leases are renewed together.
    """
    segment = Segment()
    segment.add("a", "192.0.2.11", *specs())
    segment.start()
    segment.run(8 * SECOND)
    begun = segment.now
    segment.run(SECOND)
    moments = Counter(at for at, _, _ in segment.hosts["a"].sent if at > begun)
    assert max(moments.values()) <= COUNT // 15
    assert max(at for at in moments) - min(at for at in moments) >= 200 * MILLISECOND
