"""What the pool makes of a table that stands already, of an address elsewhere, of refusals, and of the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pool_rig import FALLBACK, KEY, ONE, TWO, Kernel, Rig, check, real, service

from understudy.balance import (
    CheckAnswered,
    DropServer,
    DropService,
    FilesChanged,
    HeldSeen,
    Place,
    PoolNote,
    PoolTimer,
    ServerWish,
    SetServer,
    StopAsked,
    TableRefused,
    TableServer,
    TableService,
    Tell,
)
from understudy.core.pools import Pool
from understudy.services import Forward, Notice, OnFailure, ServiceFiles, ServiceKey, SyncDaemon
from understudy.units import SECOND

QUIET = OnFailure.QUIET


def standing(**weights: int) -> Kernel:
    """A table that stands before the pool comes: ``_1=3``."""
    places = {Place(f"10.0.0.{name[1:]}", 80): weight for name, weight in weights.items()}
    servers = {place: TableServer(place, weight=weight) for place, weight in places.items()}
    return Kernel({KEY: (TableService(KEY), servers)})


# -- adoption


def test_who_is_in_the_table_stays_until_its_check_fails() -> None:
    rig = Rig(service(real(1, checks=(check(ONE, fall=2),)), real(2), fallback=FALLBACK), kernel=standing(_1=1, _2=1))
    assert rig.changes == []
    rig.bad(TWO)
    assert rig.table() == {"1": 1}
    rig.bad(ONE)
    assert rig.table() == {"1": 1}
    rig.bad(ONE)
    assert rig.table() == {"99": 1}


def test_who_was_taken_out_before_us_must_be_good_first_even_where_servers_start_up() -> None:
    checks = [(check(f"10.0.0.{n}", starts_up=True),) for n in (1, 2)]
    config = service(real(1, checks=checks[0], starts_up=True), real(2, checks=checks[1], starts_up=True))
    assert Rig(config).table() == {"1": 1, "2": 1}
    rig = Rig(config, kernel=standing(_1=1))
    assert rig.table() == {"1": 1}
    rig.good(TWO)
    assert rig.table() == {"1": 1, "2": 1}


def test_strangers_in_our_services_go_and_other_entries_become_as_configured() -> None:
    rig = Rig(service(real(1, 7, upper=9)), kernel=standing(_1=1, _55=3))
    assert rig.table() == {"1": 7}
    assert rig.kernel.table[KEY][1][Place(ONE, 80)].upper == 9


def test_a_fallback_that_serves_is_adopted() -> None:
    rig = Rig(service(real(1), fallback=FALLBACK), kernel=standing(_99=1))
    assert rig.changes == []


def test_a_fallback_that_is_a_server_too_is_not_taken_for_it() -> None:
    rig = Rig(service(real(1, 5), real(2), fallback=replace(FALLBACK, address=ONE)), kernel=standing(_1=1))
    assert rig.changes == []
    assert rig.state(ONE) == "starting"


def test_trust_ends_with_the_first_failure() -> None:
    rig = Rig(service(real(1, checks=(check(ONE), check(TWO)))), kernel=standing(_1=1))
    rig.bad(ONE)
    rig.good(ONE)
    assert rig.table() == {}, "of the other check nothing is known yet"
    rig.good(TWO)
    assert rig.table() == {"1": 1}


def test_what_somebody_else_changes_is_put_right() -> None:
    rig = Rig(service(real(1), real(2)))
    rig.good(ONE, TWO)
    rig.kernel.table[KEY][1].pop(Place(ONE, 80))
    rig.kernel.table[KEY][1][Place("10.0.0.66", 80)] = TableServer(Place("10.0.0.66", 80))
    rig.tell(rig.kernel.seen())
    assert rig.table() == {"1": 1, "2": 1}
    rig.kernel.table.clear()
    rig.tell(rig.kernel.seen())
    assert rig.table() == {"1": 1, "2": 1}


@pytest.mark.parametrize("readd", [False, True])
def test_a_quiet_server_that_somebody_takes_out(readd: bool) -> None:
    rig = Rig(service(real(1, on_failure=QUIET), readd_quiet=readd))
    rig.kernel.table[KEY][1].clear()
    rig.tell(rig.kernel.seen())
    assert rig.table() == ({"1": 0} if readd else {})
    rig.good(ONE)
    rig.bad(ONE)
    assert rig.table() == {"1": 0}


def test_flush_takes_strangers_too() -> None:
    stranger = ServiceKey("udp", "192.0.2.9", 53)
    kernel = Kernel({stranger: (TableService(stranger), {})})
    rig = Rig(kernel=kernel, files=ServiceFiles((service(real(1)),), flush=True))
    assert list(kernel.table) == [KEY]
    rig.tell(StopAsked())
    assert not kernel.table


def test_what_is_left_over_of_our_own_goes_with_a_reason_and_strangers_stay() -> None:
    """Such as a service that was taken out of the file while no balancer ran."""
    stranger, old, late = (ServiceKey("tcp", "192.0.2.9", port) for port in (53, 80, 443))
    kernel = Kernel({key: (TableService(key), {}) for key in (stranger, old)})
    rig = Rig(service(real(1)), kernel=kernel, seen=replace(kernel.seen(), own=frozenset({KEY, old})))
    assert list(kernel.table) == [stranger, KEY]
    said = f"{old} is left over from before: no service of the configuration has it, so it goes"
    assert [note.text for note in rig.of(PoolNote) if isinstance(note, PoolNote)] == [said]

    kernel.table[old] = (TableService(old), {})
    rig.tell(TableRefused(old, None, "busy"))
    kernel.table[late] = (TableService(late), {})
    rig.tell(replace(kernel.seen(), own=frozenset({KEY, old, late})))
    assert list(kernel.table) == [stranger, KEY, old], "what comes later goes, too, and what was refused waits"
    rig.wait(2 * SECOND)
    assert list(kernel.table) == [stranger, KEY]


# -- whose address is here


def test_a_table_that_stands_only_while_held() -> None:
    rig = Rig(service(real(1), group="site"), before=(HeldSeen(frozenset()),), needs_holder=lambda _: True)
    rig.good(ONE)
    assert rig.table() is None
    rig.tell(HeldSeen(frozenset({"site"})))
    assert rig.table() == {"1": 1}
    rig.tell(HeldSeen(frozenset()))
    assert rig.table() is None


def test_who_takes_up_connections_has_the_table_unless_the_address_is_on_its_loopback_device() -> None:
    """IPVS ties a connection that it is told of to a server that it knows. A silent address would be served, again and again."""
    site, nobody = frozenset({"site"}), frozenset[str]()
    synchronised = ServiceFiles((service(real(1), group="site"),), sync=SyncDaemon("eth1", "site"))
    rig = Rig(files=synchronised, before=(HeldSeen(nobody, site),), needs_holder=lambda _: True)
    rig.good(ONE)
    assert rig.table() == {"1": 1}
    rig.changes.clear()
    rig.tell(HeldSeen(site, nobody))
    rig.tell(HeldSeen(nobody, site))
    assert rig.changes == [], "a take-over changes nothing of it"
    rig.tell(HeldSeen(nobody, nobody))
    assert rig.table() is None
    rig.tell(HeldSeen(nobody, site))
    assert rig.table() == {"1": 1}
    rig.tell(FilesChanged(replace(synchronised, sync=None)))
    assert rig.table() is None


def test_a_table_is_ready_on_the_standby() -> None:
    rig = Rig(service(real(1), group="site"), before=(HeldSeen(frozenset()),))
    rig.good(ONE)
    assert rig.table() == {"1": 1}


def test_a_table_that_stands_is_left_until_it_is_known_who_holds() -> None:
    rig = Rig(service(real(1), group="site"), kernel=standing(_1=1), needs_holder=lambda _: True)
    assert rig.changes == []
    rig.tell(HeldSeen(frozenset({"site"})))
    assert rig.changes == []
    rig.tell(HeldSeen(frozenset()))
    assert rig.table() is None


def test_no_checks_while_the_address_is_elsewhere() -> None:
    rig = Rig(service(real(1), group="site", only_when_held=True))
    assert not rig.asked
    rig.tell(HeldSeen(frozenset({"site"})))
    rig.good(ONE)
    assert rig.table() == {"1": 1}
    rig.tell(HeldSeen(frozenset()))
    assert not rig.asked
    assert rig.table() == {"1": 1}


# -- what the kernel refuses


def test_a_refusal_is_tried_again_ever_later() -> None:
    rig = Rig(service(real(1), real(2)))
    rig.good(TWO)
    place = Place(ONE, 80)
    waits, notes = [], []
    effects = rig.tell(CheckAnswered(next(n for n, c in rig.asked.items() if c.target.address == ONE)))
    for text in ["no memory"] * 6 + ["busy"] * 2:
        assert [type(effect) for effect in effects if not isinstance(effect, PoolNote)] == [SetServer]
        rig.kernel.table[KEY][1].pop(place)
        notes += [effect.text for effect in rig.tell(TableRefused(KEY, place, text)) if isinstance(effect, PoolNote)]
        assert rig.pool.snapshot(rig.now).services[0].trouble == text
        rig.good(TWO)
        waits.append((rig.pool.next_deadline() - rig.now) // SECOND)
        rig.now = rig.pool.next_deadline()
        effects = rig.tell(PoolTimer())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [note.rpartition(": ")[2] for note in notes] == ["no memory", "busy"], "each is said once"
    assert rig.table() == {"1": 1, "2": 1}
    assert rig.pool.snapshot(rig.now).services[0].trouble == ""


def test_a_refused_service_comes_with_its_servers() -> None:
    rig = Rig()
    rig.tell(FilesChanged(ServiceFiles((service(real(1, checks=())),))))
    rig.kernel.table.clear()
    rig.tell(TableRefused(KEY, None, "no such scheduler"))
    rig.tell(TableRefused(KEY, Place(ONE, 80), "no such service"))
    rig.wait(2 * SECOND)
    assert rig.table() == {"1": 1}


def test_a_refused_removal_is_tried_again() -> None:
    rig = Rig(service(real(1)))
    rig.good(ONE)
    kept = rig.kernel.table[KEY]
    rig.tell(FilesChanged(ServiceFiles(())))
    rig.kernel.table[KEY] = kept
    rig.tell(TableRefused(KEY, None, "busy"))
    rig.tell(rig.kernel.seen())
    rig.wait(2 * SECOND)
    assert rig.table() is None


def test_a_removal_that_is_refused_of_a_service_written_long_ago_is_tried_again() -> None:
    rig = Rig(service(real(1, checks=()), real(2, checks=())))
    kept = rig.kernel.table[KEY][1][Place(ONE, 80)]
    rig.tell(FilesChanged(ServiceFiles((service(real(2, checks=())),))))
    rig.kernel.table[KEY][1][kept.place] = kept
    rig.tell(TableRefused(KEY, kept.place, "busy"))
    rig.changes.clear()
    rig.wait(2 * SECOND)
    assert [type(change) for change in rig.changes] == [DropServer]
    assert rig.table() == {"2": 1}


def test_a_refusal_does_not_hold_up_another_wish() -> None:
    rig = Rig(service(real(1, 3)))
    rig.good(ONE)
    rig.kernel.table[KEY][1].clear()
    rig.tell(TableRefused(KEY, Place(ONE, 80), "too heavy"))
    rig.tell(ServerWish(1, "web", "10.0.0.1:80", "weight", 2))
    assert rig.table() == {"1": 2}


# -- the kernel's ways, the end


def test_without_nat_the_port_is_the_services() -> None:
    marked = ServiceKey(mark=7)
    reals = (replace(real(1, checks=()), port=8080, forward=Forward.DIRECT), replace(real(2, checks=()), port=8080))
    rig = Rig(service(*reals, keys=(KEY, marked)))
    assert sorted(place.port for place in rig.kernel.table[KEY][1]) == [80, 8080]
    assert [place.port for place in rig.kernel.table[marked][1]] == [8080, 8080]


def test_two_servers_of_one_place_are_the_better_one() -> None:
    first = replace(real(1, 2), forward=Forward.DIRECT)
    rig = Rig(service(first, replace(real(1, 5), port=8080, forward=Forward.DIRECT, checks=(check(TWO),))))
    rig.good(ONE, TWO)
    assert rig.table() == {"1": 5}
    rig.bad(TWO)
    assert rig.table() == {"1": 2}
    rig.bad(ONE)
    assert rig.table() == {}


def test_what_means_nothing_is_no_difference() -> None:
    kernel = Kernel({KEY: (TableService(KEY, granularity=32, persistence_engine="sip"), {})})
    assert Rig(service(), kernel=kernel).changes == []
    kernel = Kernel({KEY: (TableService(KEY, granularity=32, persistence=SECOND), {})})
    assert Rig(service(persistence=SECOND), kernel=kernel).changes == []


def test_a_clean_stop_takes_the_table_and_asks_nothing() -> None:
    rig = Rig(
        service(real(1)), service(real(2), name="kept", keys=(ServiceKey("tcp", "192.0.2.2", 80),), clean_stop=False)
    )
    rig.good(ONE, TWO)
    rig.tell(StopAsked())
    assert rig.table() is None
    assert rig.table(ServiceKey("tcp", "192.0.2.2", 80)) == {"2": 1}
    assert not rig.asked
    assert rig.tell(rig.kernel.seen()) == []


def test_the_last_word_at_a_stop() -> None:
    gone, down = Notice(("/gone",)), Notice(("/down",))
    rig = Rig(service(real(1, notify_down=gone), real(2, notify_down=gone), quorum_down=down, down_at_stop=True))
    rig.good(ONE)
    rig.of(Tell)
    rig.tell(StopAsked())
    assert [tell.notice for tell in rig.of(Tell)] == [gone, down]


def test_nothing_is_done_before_the_table_was_seen() -> None:
    pool = Pool(ServiceFiles((service(real(1)),)))
    assert pool.handle(StopAsked(), 0) == ()
    assert pool.handle(Kernel().seen(), 0) == ()
    assert DropService not in [type(effect) for effect in pool.handle(PoolTimer(), 0)]


def test_the_snapshot_says_all() -> None:
    rig = Rig(service(real(1, 3), real(2), fallback=FALLBACK))
    rig.good(ONE)
    rig.bad(TWO)
    rig.wait(5 * SECOND)
    (state,) = rig.pool.snapshot(rig.now).services
    assert (state.quorum, state.serving, state.fallback) == (True, True, False)
    one, two, last = state.servers
    assert (one.state, one.weight, one.wanted, one.in_table, one.since) == ("up", 3, 3, True, 5 * SECOND)
    assert (two.state, two.in_table, two.why) == ("down", False, "http to 10.0.0.2:80: refused")
    assert two.probes == (("http to 10.0.0.2:80", False, "refused"),)
    assert (last.state, last.in_table) == ("fallback", False)
