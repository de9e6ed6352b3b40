"""IPVS's sync daemons: who tells connections and who takes them up, as an effect that follows the holder."""

from __future__ import annotations

from dataclasses import replace

from pool_rig import Rig, real, service

from understudy.balance import FilesChanged, HeldSeen, PoolNote, StopAsked, Synchronise, SyncRefused
from understudy.services import ServiceFiles, SyncDaemon
from understudy.units import SECOND

DAEMON = SyncDaemon("eth1", "site", 7)
FILES = ServiceFiles((service(real(1), group="site"),), sync=DAEMON)
HERE, AWAY = HeldSeen(frozenset({"site", "other"})), HeldSeen(frozenset({"other"}))
NEITHER = (None, False, False)


def asked(rig: Rig) -> list[tuple[SyncDaemon | None, bool, bool]]:
    """What was asked for since the last look: whose daemon, as master, as backup."""
    found = [each for each in rig.told if isinstance(each, Synchronise)]
    rig.told = [each for each in rig.told if not isinstance(each, Synchronise)]
    assert all(each.why for each in found)
    return [(each.daemon, each.master, each.backup) for each in found]


def notes(rig: Rig) -> list[str]:
    return [each.text for each in rig.told if isinstance(each, PoolNote)]


def test_the_holder_tells_connections_and_who_stands_by_takes_them_up() -> None:
    rig = Rig(files=FILES, before=(AWAY,))
    assert asked(rig) == [(DAEMON, False, True)], "only when the table was seen, and once"
    rig.tell(HERE)
    assert asked(rig) == [(DAEMON, True, False)]
    rig.tell(HeldSeen(frozenset({"site"})))
    assert asked(rig) == [], "nothing of it has changed"
    rig.tell(AWAY)
    assert asked(rig) == [(DAEMON, False, True)]
    assert notes(rig) == [
        "connections are taken up from others (backup) by eth1: the address of site is not here",
        "connections are told (master) by eth1: the address of site is here",
        "connections are taken up from others (backup) by eth1: the address of site is not here",
    ]


def test_without_a_holder_to_follow_both_run_and_without_the_word_neither() -> None:
    rig = Rig(files=replace(FILES, sync=SyncDaemon("eth1")), before=(AWAY,))
    assert asked(rig) == [(SyncDaemon("eth1"), True, True)]
    rig.tell(HERE)
    assert asked(rig) == []
    plain = Rig(files=replace(FILES, sync=None), before=(AWAY,))
    plain.tell(HERE)
    plain.tell(StopAsked())
    assert asked(plain) == [], "a daemon of somebody else is left alone"


def test_while_nobody_knows_who_holds_it_stays_as_it_is() -> None:
    rig = Rig(files=FILES)
    assert asked(rig) == []
    rig.tell(AWAY)
    assert asked(rig) == [(DAEMON, False, True)]


def test_it_follows_the_files_and_ends_with_the_process() -> None:
    rig = Rig(files=FILES, before=(HERE,))
    other = replace(DAEMON, identifier=8)
    rig.tell(FilesChanged(replace(FILES, sync=other)))
    assert asked(rig) == [(DAEMON, True, False), (other, True, False)]
    rig.tell(FilesChanged(replace(FILES, sync=None)))
    rig.tell(HERE)
    assert asked(rig) == [NEITHER]
    assert rig.pool.snapshot(rig.now).sync is None
    rig.tell(FilesChanged(FILES))
    rig.tell(StopAsked())
    assert asked(rig) == [(DAEMON, True, False), NEITHER]
    rig.tell(AWAY)
    rig.tell(SyncRefused("too late"))
    assert asked(rig) == []


def test_what_the_kernel_refuses_is_told_once_and_tried_again() -> None:
    rig = Rig(files=FILES, before=(HERE,))
    asked(rig)
    waits = []
    for _ in range(9):
        rig.tell(SyncRefused("no such device"))
        assert rig.pool.snapshot(rig.now).sync_trouble == "no such device"
        begun = rig.now
        while not (found := asked(rig)):
            rig.wait(SECOND)
        assert found == [(DAEMON, True, False)]
        waits.append((rig.now - begun) // SECOND)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert rig.pool.snapshot(rig.now).sync_trouble == "", "it was taken at last"
    assert [text for text in notes(rig) if "no such device" in text] == [
        "connections are not synchronised: no such device"
    ]
    rig.tell(AWAY)
    rig.tell(SyncRefused("no such device"))
    assert len([text for text in notes(rig) if "no such device" in text]) == 2, "a change that fails is news"


def test_it_is_asked_for_again_whenever_the_table_is_read_because_others_may_have_stopped_it() -> None:
    rig = Rig(files=FILES, before=(HERE,))
    asked(rig)
    rig.tell(rig.kernel.seen())
    assert asked(rig) == [(DAEMON, True, False)]
    plain = Rig(files=replace(FILES, sync=None), before=(HERE,))
    plain.tell(plain.kernel.seen())
    assert asked(plain) == []
