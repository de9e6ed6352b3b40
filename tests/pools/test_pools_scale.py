"""Ten thousand servers: what happens to some of them costs what they cost, whatever the others are."""

from __future__ import annotations

from pool_rig import Rig

from understudy.balance import CheckAnswered, SetServer
from understudy.core.pools.alarms import Alarms
from understudy.service_checks import Check, ConnectQuestion, Target
from understudy.services import RealServer, ServiceKey, VirtualService
from understudy.units import NEVER, SECOND


def farm(number: int) -> VirtualService:
    places = [f"10.{number}.0.{last}" for last in range(100)]
    reals = (RealServer(place, 80, checks=(Check(ConnectQuestion(), Target(place, 80)),)) for place in places)
    return VirtualService(f"farm{number}", (ServiceKey("tcp", f"192.0.2.{number}", 80),), tuple(reals))


def test_a_thousand_of_ten_thousand_change_one_entry_each() -> None:
    rig = Rig(*(farm(number) for number in range(100)))
    assert len(rig.asked) == 10_000
    for number in rig.asked:
        assert len([effect for effect in rig.tell(CheckAnswered(number)) if isinstance(effect, SetServer)]) == 1
    rig.changes.clear()
    for number in rig.asked:
        assert rig.tell(CheckAnswered(number)) == []
    for number in list(rig.asked)[:1000]:
        rig.tell(CheckAnswered(number, "refused"))
    assert len(rig.changes) == 1000


def test_a_thousand_of_ten_thousand_flap_and_the_table_is_right_after_one_round_each() -> None:
    rig = Rig(*(farm(number) for number in range(100)))
    for number in rig.asked:
        rig.tell(CheckAnswered(number))
    flapping = {number for number in rig.asked if number % 10 == 0}
    gone = {rig.asked[number].target.address for number in flapping}
    everybody = {check.target.address for check in rig.asked.values()}
    assert len(gone) == 1000
    assert len({address.split(".")[1] for address in gone}) == 100, "some of every service"
    for failure, there in (("refused", everybody - gone), ("", everybody), ("refused", everybody - gone)):
        rig.changes.clear()
        for number in rig.asked:
            assert len(rig.tell(CheckAnswered(number, failure if number in flapping else ""))) <= 3
        assert {place.address for _, servers in rig.kernel.table.values() for place in servers} == there
        assert len(rig.changes) == 1000, "nothing is written twice, and nobody else is touched"
    assert rig.pool.next_deadline() == NEVER


def test_deadlines_that_move_leave_nothing_behind() -> None:
    alarms = Alarms()
    for now in range(10_000):
        alarms.set(("slow", "one"), now + SECOND)
        alarms.set(("slow", "two"), NEVER)
    assert len(alarms._heap) < 100
    assert alarms.due(SECOND) == []
    assert alarms.due(2 * SECOND) == [("slow", "one")]
    assert alarms.next() == NEVER


def test_deadlines_come_in_order_and_once() -> None:
    alarms = Alarms()
    for at, name in ((3, "c"), (1, "a"), (2, "b")):
        alarms.set(("drain", name), at)
    alarms.set(("drain", "b"), 4)
    assert alarms.next() == 1
    assert [name for _, name in alarms.due(3)] == ["a", "c"]
    assert alarms.due(3) == []
    assert alarms.next() == 4
