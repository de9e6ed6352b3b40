"""What the performer does for virtual routers: an advert that did not leave gives no right, and renewals go together."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pulse_parts import HandClock, Rig, rig

from understudy.effects import AddAddresses, KernelLease, RemoveAddresses
from understudy.events import AddressGone, Finished, LeaseRefused, Outcome
from understudy.model import AddressResource
from understudy.pulse.loop import OWN_NEWS
from understudy.units import SECOND
from understudy.vrrp import Advertisement, AdvertUnsent, AnnounceSource, SendAdvert


@dataclass
class PretendAdverts:
    refused: set[str] = field(default_factory=set)

    def advertise(self, effect: SendAdvert) -> str:
        return "network is down" if effect.router in self.refused else ""

    def announce_source(self, effect: AnnounceSource) -> None:
        """Nobody asks."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[Rig]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.bind(("127.0.0.1", 0))
        port = int(handle.getsockname()[1])
    made = rig(str(tmp_path), port, clock)
    made.loop.performer.adverts = PretendAdverts()
    yield made
    made.close()


def advert(router: str) -> SendAdvert:
    return SendAdvert(router, Advertisement(3, 1, 100, ("192.0.2.1",)))


def renew(parts: Rig, clock: HandClock, *routers: str) -> None:
    for router in routers:
        parts.loop.performer.perform(advert(router), clock.now)
        parts.loop.performer.perform(KernelLease(router, clock.now + SECOND, "an advertisement was sent"), clock.now)
    parts.loop.performer.flush(clock.now)


def test_the_renewals_of_one_event_go_to_the_kernel_together(parts: Rig, clock: HandClock) -> None:
    renew(parts, clock, "one", "two")
    assert parts.kernel.done == [("hold all", ("one", SECOND), ("two", SECOND))]


def test_without_an_advert_there_is_no_right(parts: Rig, clock: HandClock) -> None:
    parts.loop.performer.adverts = PretendAdverts({"one"})
    renew(parts, clock, "one", "two")
    assert parts.kernel.done == [("hold", "two", SECOND)]
    assert list(parts.loop.performer.results) == [AdvertUnsent("one", "network is down")]


def test_the_next_advert_that_leaves_gives_it_again(parts: Rig, clock: HandClock) -> None:
    parts.loop.performer.adverts = PretendAdverts({"one"})
    renew(parts, clock, "one")
    parts.loop.performer.adverts = PretendAdverts()
    renew(parts, clock, "one")
    assert parts.kernel.done == [("hold", "one", SECOND)]


def test_a_lease_is_there_before_the_addresses_and_gone_when_it_is_ended(parts: Rig, clock: HandClock) -> None:
    item = AddressResource("192.0.2.1", "192.0.2.1", 24, "eth0")
    performer = parts.loop.performer
    performer.perform(advert("one"), clock.now)
    performer.perform(KernelLease("one", clock.now + SECOND, "sent"), clock.now)
    performer.perform(AddAddresses(1, "one", (item,), "master"), clock.now)
    performer.perform(KernelLease("one", clock.now + SECOND, "sent"), clock.now)
    performer.perform(KernelLease("one", None, "not master any more"), clock.now)
    performer.flush(clock.now)
    assert parts.kernel.done == [("hold", "one", SECOND), ("add", "192.0.2.1"), ("hold", "one", SECOND), ("end", "one")]


def test_all_goodbyes_leave_before_the_first_address_is_taken_away_and_that_is_looked_at_once(
    parts: Rig, clock: HandClock
) -> None:
    performer, names = parts.loop.performer, ("one", "two", "three")
    items = {name: AddressResource(f"192.0.2.{n}", f"192.0.2.{n}", 24, "eth0") for n, name in enumerate(names, 1)}
    parts.kernel.refusals = {"192.0.2.2": "comes back as often as it is removed"}
    for number, name in enumerate(names, 1):
        performer.perform(KernelLease(name, None, "the daemon stops"), clock.now)
        performer.perform(advert(name), clock.now)
        performer.perform(RemoveAddresses(number, name, (items[name],), "the daemon stops"), clock.now)
    assert parts.kernel.done == [("end", name) for name in names]
    assert performer.busy
    while performer.changing:
        performer.work(clock.now)
    assert parts.kernel.done[3:] == [("remove", item.address) for item in items.values()]
    assert parts.kernel.removals == 1
    outcomes = [Outcome.OK, Outcome.FAILED, Outcome.OK]
    found = [item for item in performer.results if isinstance(item, Finished)]
    assert [(item.op, item.outcome) for item in found] == list(enumerate(outcomes, 1))


def test_an_addition_after_a_removal_does_not_overtake_it(parts: Rig, clock: HandClock) -> None:
    performer, item = parts.loop.performer, AddressResource("192.0.2.1", "192.0.2.1", 24, "eth0")
    performer.perform(RemoveAddresses(1, "one", (item,), "not master any more"), clock.now)
    performer.perform(AddAddresses(2, "one", (item,), "master"), clock.now)
    performer.perform(RemoveAddresses(3, "one", (item,), "not master any more"), clock.now)
    while performer.changing:
        performer.work(clock.now)
    assert [entry[0] for entry in parts.kernel.done] == ["remove", "add", "remove"]


def test_a_refusal_of_all_is_told_of_each(parts: Rig, clock: HandClock) -> None:
    parts.kernel.lease_refusal = "no such table"
    renew(parts, clock, "one", "two")
    refused = [item for item in parts.loop.performer.results if isinstance(item, LeaseRefused)]
    assert [item.group for item in refused] == ["one", "two"]


def test_a_process_that_was_stopped_in_between_takes_all_of_them_back(parts: Rig, clock: HandClock) -> None:
    clock.step = SECOND // 2
    performer = parts.loop.performer
    for router in ("one", "two"):
        performer.perform(advert(router), clock.now)
        performer.perform(KernelLease(router, clock.now + SECOND, "sent"), clock.now)
    performer.flush(clock.now)
    assert parts.kernel.done[-2:] == [("end", "one"), ("end", "two")]


def test_a_thousand_addresses_are_put_there_before_the_kernel_s_news_of_them_are_read(
    parts: Rig, clock: HandClock
) -> None:
    parts.core.deadline = parts.loop.armed = clock.now + SECOND
    parts.loop.turn()
    some = tuple(AddressResource(f"192.0.2.{n}", f"192.0.2.{n}", 24, "eth0") for n in range(1, 9))
    parts.loop.performer.perform(AddAddresses(1, "web", some, "take over"), clock.now)
    parts.kernel.pending_facts.append(AddressGone("192.0.2.1"))
    parts.loop.turn()
    assert parts.loop.performer.changing
    assert parts.core.kinds == []
    clock.now += OWN_NEWS  # but not for long
    parts.loop.turn()
    assert parts.loop.performer.changing
    assert parts.core.kinds == ["AddressGone"]
    parts.loop.turn()
    parts.kernel.pending_facts.append(AddressGone("192.0.2.2"))
    parts.loop.turn()
    assert parts.core.kinds == ["AddressGone", "Finished", "AddressGone"]
