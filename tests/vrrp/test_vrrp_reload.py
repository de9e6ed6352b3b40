"""Another configuration while everything runs: nothing moves that need not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from vrrp_parts import VIP, Segment, address, files, pair, router

from understudy.changes import either
from understudy.effects import AddAddresses, RemoveAddresses
from understudy.events import AddressGone
from understudy.model import Cluster, Quorum
from understudy.pulse import vrrp_places
from understudy.pulse.vrrp_reload import each_once
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import Advertisement, RoutersChanged, SourceKnown, TrackSaid
from understudy.vrrp_files import Announcing, Notified, RouterFiles, SyncGroup, Track, TrackedScript, VirtualRouter


def reload(segment: Segment, name: str, *routers: VirtualRouter, **changes: Any) -> None:
    host = segment.hosts[name]
    host.files = files(*routers, **changes)
    segment.tell(name, RoutersChanged(host.files))


def first(segment: Segment, name: str) -> VirtualRouter:
    return segment.hosts[name].files.routers[0]


def test_what_is_the_same_goes_on() -> None:
    segment = pair()
    before = {name: (len(host.told), len(host.sent)) for name, host in segment.hosts.items()}
    moment = segment.now
    for name in "ab":
        reload(segment, name, first(segment, name))
    assert {name: (len(host.told), len(host.sent)) for name, host in segment.hosts.items()} == before
    segment.run(5 * SECOND)
    assert len(segment.sent("a", moment)) == 5, "not even the phase of the advertisements"


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 120},
        {"password": "other", "auth": "PASS"},
        {"announcing": Announcing(repeat=1)},
        {"notified": Notified(any=("/bin/true",))},
        {"preempt": False},
        {"tracks": (Track("interface", "eth9"),)},
        {"tracks": (Track("script", "chk"),)},
        {"addresses": (address(), address("192.0.2.101", advertised=False))},
        {"addresses": (replace(address(), label="eth0:vip"),)},
    ],
)
def test_what_is_only_ours_is_changed_in_place(changes: dict[str, Any]) -> None:
    segment = pair()
    reload(segment, "a", replace(first(segment, "a"), **changes))
    assert segment.state("a") == "MASTER"
    assert VIP in segment.hosts["a"].addresses
    segment.run(10 * SECOND)
    assert segment.masters() == "a"
    assert segment.states("a") == ["BACKUP", "MASTER"]
    assert segment.states("b") == ["BACKUP"]


def test_addresses_come_and_go_and_the_others_are_not_touched() -> None:
    segment = pair(addresses=(address(), address("192.0.2.101", advertised=False)))
    segment.run(5 * SECOND)
    host, moment = segment.hosts["a"], segment.now
    host.effects.clear()
    changed = (address(), address("192.0.2.102", advertised=False))
    reload(segment, "a", replace(first(segment, "a"), addresses=changed))
    segment.run(SECOND)
    assert host.addresses == {VIP, "192.0.2.102"}
    changes = [effect for _, effect in host.effects if isinstance(effect, AddAddresses | RemoveAddresses)]
    assert [[item.address for item in effect.addresses] for effect in changes] == [["192.0.2.101"], ["192.0.2.102"]]
    assert "192.0.2.102" in {text for at, text in host.announced if at >= moment}
    host.addresses.discard("192.0.2.102")
    segment.tell("a", AddressGone("192.0.2.102"))
    assert "192.0.2.102" in host.addresses


def test_what_is_removed_says_goodbye_and_is_told_deleted() -> None:
    segment = pair()
    reload(segment, "a")
    assert [priority for _, priority in segment.sent("a")][-2:] == [0, 0]
    assert not segment.hosts["a"].addresses
    assert segment.states("a")[-1] == "DELETED"
    segment.run(5 * MILLISECOND)
    assert segment.masters() == "b"
    assert segment.snapshot("a").virtual_routers == ()
    reload(segment, "a", router(priority=150))
    segment.tell("a", SourceKnown("VI_1", "192.0.2.11"))
    segment.run(5 * SECOND)
    assert segment.masters() == "a"


@pytest.mark.parametrize(
    "changes", [{"vrid": 52}, {"version": 3}, {"device": "eth1", "addresses": (address(device="eth1"),)}]
)
def test_what_others_know_it_by_begins_anew(changes: dict[str, Any]) -> None:
    segment = pair()
    reload(segment, "a", replace(first(segment, "a"), **changes))
    assert segment.hosts["a"].sent[-1][2].priority == 0
    assert segment.hosts["a"].sent[-1][2].vrid == 51, "under what it was"
    assert segment.state("a") == "BACKUP"
    segment.run(5 * MILLISECOND)
    assert segment.masters() == "b"
    segment.run(4 * SECOND)
    assert segment.state("a") == "MASTER"
    assert segment.hosts["a"].sent[-1][2].vrid == changes.get("vrid", 51)


def test_a_new_one_begins_as_at_a_start() -> None:
    segment = pair()
    reload(segment, "a", first(segment, "a"), router("VI_2", vrid=52, addresses=(address("192.0.2.110"),)))
    segment.tell("a", SourceKnown("VI_2", "192.0.2.11"))
    assert segment.state("a", "VI_2") == "BACKUP"
    segment.run(5 * SECOND)
    assert segment.masters() == "a"
    assert segment.masters("VI_2") == "a"


def test_a_new_interval_takes_effect_at_once() -> None:
    segment = pair(version=3)
    for name in "ab":
        reload(segment, name, replace(first(segment, name), interval=100 * MILLISECOND))
    moment = segment.now
    segment.run(2 * SECOND)
    assert len(segment.sent("a", moment)) >= 19
    segment.crash("a")
    segment.run(370 * MILLISECOND)
    assert segment.masters() == "b"


def test_a_sync_group_that_is_new_has_no_mixture() -> None:
    segment = Segment()
    routers = (router("VI_1"), router("VI_2", vrid=52, addresses=(address("192.0.2.110"),)))
    segment.add("a", "192.0.2.11", *routers)
    segment.start()
    segment.run(5 * SECOND)
    advert = replace(segment.hosts["a"].sent[-1][2], priority=200)
    spec = segment.hosts["a"].files.routers[1]
    segment.hear("a", replace(advert, vrid=52, addresses=spec.advertised), "192.0.2.99")
    assert (segment.state("a"), segment.state("a", "VI_2")) == ("MASTER", "BACKUP")
    reload(segment, "a", *routers, sync_groups=(SyncGroup("VG", ("VI_1", "VI_2")),))
    assert (segment.state("a"), segment.state("a", "VI_2")) == ("BACKUP", "BACKUP")
    segment.run(9 * SECOND)
    assert (segment.masters("VI_1"), segment.masters("VI_2")) == ("a", "a")


def test_a_script_that_begins_failed_does_not_fail_again_at_a_reload() -> None:
    segment = pair()
    spec = replace(first(segment, "a"), tracks=(Track("script", "chk"),))
    scripts = (TrackedScript("chk", ("/bin/true",), begins_failed=True),)
    segment.tell("a", TrackSaid("script", "chk", True))
    reload(segment, "a", spec, scripts=scripts)
    assert segment.state("a") == "MASTER"


def test_a_reload_while_leaving_changes_nothing() -> None:
    segment = pair()
    segment.address_time = 10 * SECOND
    segment.stop("a")
    segment.tell("a", RoutersChanged(RouterFiles()))
    segment.run(2 * SECOND)
    assert segment.hosts["a"].quit_at is not None
    assert segment.states("a")[-1] == "STOP"


@pytest.mark.parametrize(
    "changes",
    [
        {"addresses": (address(), address("192.0.2.101"))},
        {"addresses": (address(),), "skip_check_addresses": True},
        {"interval": 2 * SECOND},
        {"interval": 5 * SECOND},
    ],
)
@pytest.mark.parametrize("first_one", ["a", "b"])
def test_a_rolling_reload_makes_no_second_master(changes: dict[str, Any], first_one: str) -> None:
    """One machine has the new file half a minute before the other. Each says that the other one is configured otherwise."""
    segment = pair(addresses=(address(), address("192.0.2.102")))
    changed = {name: replace(first(segment, name), **changes) for name in "ab"}
    reload(segment, first_one, changed[first_one])
    segment.run(30 * SECOND)
    assert segment.masters() == "a"
    assert any("is configured otherwise for VRID 51" in text for text in segment.snapshot("b").warnings)
    reload(segment, "b" if first_one == "a" else "a", changed["b" if first_one == "a" else "a"])
    segment.run(30 * SECOND)
    assert segment.masters() == "a"
    assert not segment.doubles
    assert segment.states("b") == ["BACKUP"]
    segment.freeze("a", 60 * SECOND)
    segment.run(30 * SECOND)
    assert segment.masters() == "b"
    assert not segment.doubles


@pytest.mark.parametrize(("one", "other"), [(SECOND, 5 * SECOND), (5 * SECOND, SECOND)])
def test_a_master_with_another_interval_that_freezes_has_stopped_before_the_other_serves(one: int, other: int) -> None:
    """Of version 2: Master_Down is no shorter than the right of a master that is heard with a longer interval."""
    segment = pair()
    for name, interval in (("a", one), ("b", other)):
        reload(segment, name, replace(first(segment, name), interval=interval))
    segment.run(30 * SECOND)
    assert segment.masters() == "a"
    segment.freeze("a", 60 * SECOND)
    segment.run(30 * SECOND)
    assert segment.masters() == "b"
    assert not segment.doubles


MOVED = "192.0.2.200"


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("other_is_master", [True, False])
def test_an_address_goes_from_one_virtual_router_to_another(last_first: bool, other_is_master: bool) -> None:
    """In whichever order they stand in the file; and it does not stay where its new router is no master."""
    segment = Segment()
    one = router("VI_1", 150, addresses=(address(), address(MOVED)))
    other = router("VI_2", 150, vrid=52, addresses=(address("192.0.2.101"),))
    segment.add("a", "192.0.2.11", *((other, one) if last_first else (one, other)))
    segment.start()
    if not other_is_master:
        for _ in range(6):
            segment.run(SECOND)
            segment.hear("a", Advertisement(2, 52, 200, ("192.0.2.101",)), "192.0.2.99")
    else:
        segment.run(6 * SECOND)
    one = replace(one, addresses=(address(),))
    other = replace(other, addresses=(address("192.0.2.101"), address(MOVED)))
    host = segment.hosts["a"]
    host.effects.clear()
    reload(segment, "a", *((other, one) if last_first else (one, other)))
    assert (MOVED in host.addresses) == other_is_master
    removed = [effect for _, effect in host.effects if isinstance(effect, RemoveAddresses)]
    assert bool(removed) is not other_is_master, "what stays on this machine is not even taken off for a moment"


def test_in_between_the_kernel_s_lease_has_one_owner_for_an_address_that_moves() -> None:
    one = router("VI_1", addresses=(address(), address(MOVED)))
    other = router("VI_2", vrid=52, addresses=(address("192.0.2.101"),))
    before = vrrp_places.groups(files(one, other))
    after = vrrp_places.groups(files(replace(one, addresses=(address(),)), replace(other, addresses=(address(MOVED),))))
    empty = Cluster("vrrp", "", SECOND, SECOND, Quorum.MAJORITY, (), ())
    known = each_once(either(replace(empty, groups=before), replace(empty, groups=after)), replace(empty, groups=after))
    assert {group.name: {item.address for item in group.addresses} for group in known} == {
        "VI_1": {VIP},
        "VI_2": {MOVED, "192.0.2.101"},
    }


def test_what_was_deleted_is_forgotten_at_the_next_reload() -> None:
    """And the deadlines of those that moved up are their own."""
    segment = pair()
    kept = first(segment, "a")
    for n in range(20):
        other = router(f"VI_{n + 2}", vrid=60 + n, addresses=(address(f"198.51.100.{n + 1}"),))
        reload(segment, "a", other, kept)
        segment.tell("a", SourceKnown(other.name, "192.0.2.11"))
        segment.run(5 * SECOND)
        assert segment.masters(other.name) == "a"
    assert len(segment.node("a").routers) <= 3
    before = segment.now
    segment.run(5 * SECOND)
    assert len(segment.sent("a", before)) == len(segment.sent("a", before, "VI_21")) == 5
    assert segment.states("a") == ["BACKUP", "MASTER"]
    assert segment.masters() == "a"
