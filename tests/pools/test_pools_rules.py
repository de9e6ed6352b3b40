"""Each rule of the pool, one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pool_rig import FALLBACK, ONE, THREE, TWO, Kernel, Rig, check, real, service

from understudy.balance import (
    Answered,
    CheckAnswered,
    FilesChanged,
    Mail,
    MaintenanceSeen,
    Monitored,
    PoolNote,
    ServerWish,
    SetServer,
    TableService,
    Tell,
)
from understudy.service_checks import Check, FileQuestion, FixedQuestion, ProgramQuestion, Target
from understudy.services import Mailing, Notice, OnFailure, ServiceFiles, ServiceKey
from understudy.units import NEVER, SECOND

QUIET = OnFailure.QUIET


# -- checks


def test_a_server_is_in_after_its_first_good_answer() -> None:
    rig = Rig(service(real(1, 3), real(2)))
    assert rig.table() == {}
    rig.good(ONE)
    assert rig.table() == {"1": 3}


def test_a_server_that_never_answered_well_is_not_in() -> None:
    rig = Rig(service(real(1)))
    rig.bad(ONE)
    assert rig.table() == {}
    assert rig.state(ONE) == "down"


def test_fall_failures_in_a_row_take_it_out_and_a_success_begins_anew() -> None:
    rig = Rig(service(real(1, checks=(check(ONE, fall=3),))))
    rig.good(ONE)
    rig.bad(ONE, ONE)
    rig.good(ONE)
    rig.bad(ONE, ONE)
    assert rig.table() == {"1": 1}
    rig.bad(ONE)
    assert rig.table() == {}


def test_answers_and_changes_are_counted_whether_they_change_anything_or_not() -> None:
    rig = Rig(service(real(1), real(2, checks=(check(ONE),))))
    rig.good(ONE, ONE, ONE)
    rig.bad(ONE)
    rig.good(ONE)
    found = rig.pool.snapshot(rig.now).services[0].servers
    assert [(each.checks, each.failed, each.ups, each.downs) for each in found] == [(5, 1, 2, 1)] * 2


def test_rise_good_answers_bring_back_what_was_down() -> None:
    rig = Rig(service(real(1, checks=(check(ONE, rise=2),))))
    rig.good(ONE)
    assert rig.table() == {"1": 1}, "of what nothing was known the first one is enough"
    rig.bad(ONE)
    rig.good(ONE)
    rig.bad(ONE)
    rig.good(ONE)
    assert rig.table() == {}
    rig.good(ONE)
    assert rig.table() == {"1": 1}


def test_all_checks_must_be_up() -> None:
    other = check("10.0.1.1")
    rig = Rig(service(real(1, checks=(check(ONE), other))))
    rig.good(ONE)
    assert rig.table() == {}
    rig.good("10.0.1.1")
    assert rig.table() == {"1": 1}
    rig.bad("10.0.1.1")
    assert rig.table() == {}


def test_without_a_check_a_server_is_up_and_what_is_fixed_is_not_asked() -> None:
    on, off = (Check(FixedQuestion(up), Target("")) for up in (True, False))
    rig = Rig(service(real(1, checks=()), real(2, checks=(on,)), real(3, checks=(off,))))
    assert rig.table() == {"1": 1, "2": 1}
    assert not rig.asked


def test_the_same_check_is_asked_once() -> None:
    other = ServiceKey("tcp", "192.0.2.2", 80)
    rig = Rig(service(real(1)), service(real(1, 5), name="more", keys=(other,)))
    assert len(rig.asked) == 1
    rig.good(ONE)
    assert (rig.table(), rig.table(other)) == ({"1": 1}, {"1": 5})
    rig.tell(FilesChanged(ServiceFiles((service(real(1)),))))
    assert len(rig.asked) == 1
    rig.tell(FilesChanged(ServiceFiles(())))
    assert not rig.asked


def test_numbers_are_not_used_again_and_late_answers_are_passed_over() -> None:
    rig = Rig(service(real(1)))
    (old,) = rig.asked
    rig.tell(FilesChanged(ServiceFiles(())))
    rig.tell(FilesChanged(ServiceFiles((service(real(1)),))))
    (new,) = rig.asked
    assert new > old
    assert rig.tell(CheckAnswered(old)) == []


def test_weight_zero_is_legal() -> None:
    rig = Rig(service(real(1, 0), fallback=FALLBACK, by_count=True))
    rig.good(ONE)
    assert rig.table() == {"1": 0}


def test_a_quiet_server_stays_with_weight_zero() -> None:
    rig = Rig(service(real(1, 3, on_failure=QUIET)))
    assert rig.table() == {"1": 0}
    rig.good(ONE)
    rig.bad(ONE)
    assert rig.table() == {"1": 0}


# -- weights


def test_a_program_names_the_weight_and_a_file_adds_to_it() -> None:
    program = Check(ProgramQuestion(("w",), dynamic=True), Target(ONE))
    file = Check(FileQuestion("w"), Target(TWO))
    rig = Rig(service(real(1, 10, checks=(program, file)), quorum=1))
    rig.answer(ONE, weight=40)
    rig.answer(TWO, weight=-5)
    assert rig.table() == {"1": 35}
    rig.answer(ONE)
    assert rig.table() == {"1": 5}, "status 0: the weight is that of the file again"
    rig.answer(TWO, weight=-200)
    assert rig.table() == {"1": 0}


def test_slow_start_only_for_who_is_back() -> None:
    rig = Rig(service(real(1, 4), real(2, 4), slow_start=8 * SECOND))
    rig.good(ONE, TWO)
    assert rig.table() == {"1": 4, "2": 4}
    rig.bad(TWO)
    rig.good(TWO)
    seen = [rig.table()["2"]]
    for _ in range(4):
        rig.wait(2 * SECOND)
        seen.append(rig.table()["2"])
    assert seen == [1, 2, 3, 4, 4]
    assert rig.pool.next_deadline() == NEVER


def test_slow_start_of_a_heavy_server_is_a_few_changes() -> None:
    rig = Rig(service(real(1, 60000), slow_start=10 * SECOND))
    rig.good(ONE)
    rig.bad(ONE)
    rig.changes.clear()
    rig.good(ONE)
    rig.wait(20 * SECOND)
    assert rig.table() == {"1": 60000}
    assert len(rig.changes) == 20


# -- quorum and fallback


def test_the_fallback_serves_until_a_server_is_up_without_a_gap() -> None:
    rig = Rig(service(real(1), fallback=FALLBACK))
    assert rig.table() == {"99": 1}
    rig.changes.clear()
    rig.good(ONE)
    assert rig.table() == {"1": 1}
    assert isinstance(rig.changes[0], SetServer), "the server comes before the fallback goes"


def test_quorum_by_weight_with_hysteresis() -> None:
    rig = Rig(service(*(real(n, 2) for n in (1, 2, 3)), quorum=4, hysteresis=1, fallback=FALLBACK))
    rig.good(ONE, TWO)
    assert "99" in rig.table(), "4 is less than the 5 that are needed"
    rig.good(THREE)
    assert rig.table() == {"1": 2, "2": 2, "3": 2}
    rig.bad(THREE)
    assert rig.table() == {"1": 2, "2": 2}, "4 is not less than 3"
    rig.bad(TWO)
    assert rig.table() == {"1": 2, "99": 1}


def test_nothing_at_all_is_never_a_quorum() -> None:
    rig = Rig(service(real(1), quorum=1, hysteresis=1, fallback=FALLBACK))
    assert rig.table() == {"99": 1}


def test_quorum_by_count_takes_no_notice_of_weights() -> None:
    rig = Rig(service(real(1, 100), real(2, 0), quorum=2, by_count=True, fallback=FALLBACK))
    rig.good(ONE)
    assert "99" in rig.table()
    rig.good(TWO)
    assert rig.table() == {"1": 100, "2": 0}


def test_without_quorum_the_servers_that_are_left_go() -> None:
    config = service(real(1), real(2, on_failure=QUIET), quorum=2, drop_without_quorum=True, fallback=FALLBACK)
    rig = Rig(config)
    rig.good(ONE, TWO)
    assert rig.table() == {"1": 1, "2": 1}
    rig.bad(TWO)
    assert rig.table() == {"2": 0, "99": 1}
    rig.good(TWO)
    assert rig.table() == {"1": 1, "2": 1}
    alone = Rig(replace(config, fallback=None))
    alone.good(ONE)
    assert alone.table() == {"1": 1, "2": 0}, "without a fallback they stay"


def test_a_quiet_fallback_stays_with_weight_zero() -> None:
    rig = Rig(service(real(1), fallback=FALLBACK, fallback_quiet=True))
    rig.good(ONE)
    assert rig.table() == {"1": 1, "99": 0}
    rig.bad(ONE)
    assert rig.table() == {"99": 1}


def test_a_fallback_that_is_a_server_too() -> None:
    rig = Rig(service(real(1, 5), real(2, 5), quorum=6, fallback=replace(FALLBACK, address=ONE)))
    assert rig.table() == {"1": 1}
    rig.good(ONE, TWO)
    assert rig.table() == {"1": 5, "2": 5}
    rig.bad(ONE)
    assert rig.table() == {"1": 1, "2": 5}


def test_notices_of_quorum_and_servers() -> None:
    up, down, back, gone = (Notice((f"/{word}",)) for word in ("up", "down", "back", "gone"))
    rig = Rig(service(real(1, notify_up=back, notify_down=gone), quorum_up=up, quorum_down=down))
    assert rig.of(Tell) == [], "that nothing is there yet is no change"
    rig.good(ONE)
    assert [tell.notice for tell in rig.of(Tell)] == [back, up]
    rig.good(ONE)
    rig.bad(ONE, ONE)
    assert [tell.notice for tell in rig.of(Tell)] == [gone, down]


def test_the_fallback_command_is_told_what_changed() -> None:
    rig = Rig(service(real(1), fallback=FALLBACK, fallback_command=Notice(("/fb",))))
    assert [tell.more for tell in rig.of(Tell)] == [("start", "192.0.2.1:80", "tcp")]
    rig.good(ONE)
    assert [tell.more[0] for tell in rig.of(Tell)] == ["stop"]
    rig.good(ONE)
    assert rig.of(Tell) == []


def test_mails_and_the_monitor_file() -> None:
    mailing = Mailing(("admin",), repeat=60 * SECOND, when=frozenset({"running"}))
    rig = Rig(service(real(1, mail=True), real(2), mailing=mailing, monitor_file="/log"))
    rig.good(ONE)
    assert rig.of(Mail) == [], "not while starting"
    rig.good(TWO)
    rig.bad(ONE)
    rig.wait(150 * SECOND)
    rig.good(ONE)
    rig.wait(150 * SECOND)
    subjects = [mail.subject.split(" real")[0] for mail in rig.of(Mail)]
    assert subjects == ["Deleted", "Inaccessible", "Inaccessible", "Added"]
    assert [(line.server, line.up) for line in rig.of(Monitored)] == [
        ("10.0.0.1:80", True),
        ("10.0.0.2:80", True),
        ("10.0.0.1:80", False),
        ("10.0.0.1:80", True),
    ]


# -- maintenance and wishes


def test_maintenance_ends_with_the_next_good_answer() -> None:
    rig = Rig(service(real(1), real(2)))
    rig.good(ONE, TWO)
    rig.tell(MaintenanceSeen(frozenset({("web", "10.0.0.1:80")})))
    assert rig.table() == {"2": 1}
    assert rig.state(ONE) == "maintenance"
    rig.good(ONE)
    assert rig.table() == {"2": 1}
    rig.tell(MaintenanceSeen(frozenset()))
    assert rig.table() == {"2": 1}
    rig.good(ONE)
    assert rig.table() == {"1": 1, "2": 1}


def test_drain_keeps_connections_for_a_while() -> None:
    rig = Rig(service(real(1), real(2), drain=30 * SECOND))
    rig.good(ONE, TWO)
    rig.tell(ServerWish(7, "web", "10.0.0.1:80", "drain"))
    assert rig.table() == {"1": 0, "2": 1}
    assert rig.state(ONE) == "draining"
    rig.wait(31 * SECOND)
    assert rig.table() == {"2": 1}
    rig.tell(ServerWish(8, "", "10.0.0.1:80", "enable"))
    assert rig.table() == {"1": 1, "2": 1}
    assert [(answer.op, answer.ok) for answer in rig.of(Answered)] == [(7, True), (8, True)]


def test_disable_takes_out_at_once_also_a_quiet_one_and_counts_for_the_quorum() -> None:
    rig = Rig(service(real(1, on_failure=QUIET), fallback=FALLBACK))
    rig.good(ONE)
    rig.tell(ServerWish(1, "web", "10.0.0.1:80", "disable"))
    assert rig.table() == {"99": 1}
    rig.tell(ServerWish(2, "web", "10.0.0.1:80", "enable"))
    assert rig.table() == {"1": 1}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (ServerWish(1, "web", "10.0.0.7:80", "drain"), "web has no server 10.0.0.7:80; understudy pool lists them"),
        (ServerWish(1, "", "10.0.0.7:80", "drain"), "no service has a server 10.0.0.7:80; understudy pool lists them"),
        (ServerWish(1, "mail", "10.0.0.1:80", "drain"), "there is no service mail; understudy pool lists them"),
        (ServerWish(1, "web", "10.0.0.1:80", "weight", 70000), "a weight is 0 to 65535, not 70000"),
        (ServerWish(1, "web", "10.0.0.1:80", "kill"), "'kill' is not known; there are drain, disable, enable, weight"),
    ],
)
def test_a_wish_that_cannot_be(wish: ServerWish, words: str) -> None:
    rig = Rig(service(real(1)))
    rig.tell(wish)
    assert rig.of(Answered) == [Answered(1, False, words)]


def test_a_wished_weight_is_shown_as_an_operators_and_lasts_until_it_is_ended() -> None:
    rig = Rig(service(real(1, 3)))
    rig.good(ONE)
    rig.tell(ServerWish(1, "web", "10.0.0.1:80", "weight", 50))
    rig.bad(ONE)
    rig.good(ONE)
    rig.tell(FilesChanged(ServiceFiles((service(real(1, 3), real(2)),))))
    assert rig.table() == {"1": 50}
    rig.tell(FilesChanged(ServiceFiles((service(real(1, 4)),))))
    assert rig.table() == {"1": 50}
    rig.tell(ServerWish(2, "web", "10.0.0.1:80", "weight", 0))
    (one,) = rig.pool.snapshot(rig.now).services[0].servers
    assert (rig.table(), one.state, one.wished) == ({"1": 0}, "up", 0)
    assert one.why == "its weight of 0 is set by an operator"
    rig.tell(ServerWish(3, "web", "10.0.0.1:80", "enable"))
    (one,) = rig.pool.snapshot(rig.now).services[0].servers
    assert (rig.table(), one.wished, one.why) == ({"1": 4}, None, "its checks are good")


def test_a_drain_lasts_over_a_reload() -> None:
    rig = Rig(service(real(1, 3)))
    rig.good(ONE)
    rig.tell(ServerWish(1, "web", "10.0.0.1:80", "drain"))
    rig.tell(FilesChanged(ServiceFiles((service(real(1, 4)),))))
    assert rig.table() == {"1": 0}


# -- reload


def test_reload_keeps_what_stays() -> None:
    rig = Rig(service(real(1), real(2)))
    rig.good(ONE, TWO)
    asked = set(rig.asked)
    rig.changes.clear()
    rig.tell(FilesChanged(ServiceFiles((service(real(2), real(3), scheduler="rr"),)), 5))
    assert rig.table() == {"2": 1}
    assert len(rig.changes) == 2, "the scheduler, and the server that is gone"
    assert len(asked & set(rig.asked)) == 1
    assert rig.of(Answered) == [Answered(5, True, "1 service with 2 servers")]


def test_a_service_that_a_reload_takes_away_goes_and_strangers_stay() -> None:
    stranger = ServiceKey("udp", "192.0.2.9", 53)
    kernel = Kernel({stranger: (TableService(stranger), {})})
    rig = Rig(service(real(1)), kernel=kernel)
    rig.tell(FilesChanged(ServiceFiles(())))
    assert list(kernel.table) == [stranger]


def test_other_checks_do_not_take_out_who_is_up() -> None:
    rig = Rig(service(real(1)))
    rig.good(ONE)
    rig.changes.clear()
    rig.tell(FilesChanged(ServiceFiles((service(real(1, checks=(check(ONE, fall=2),))),))))
    assert rig.changes == []
    rig.bad(ONE)
    assert rig.table() == {"1": 1}
    rig.bad(ONE)
    assert rig.table() == {}


def test_a_key_that_goes_to_another_service_flaps_nothing() -> None:
    rig = Rig(service(real(1)))
    rig.good(ONE)
    rig.changes.clear()
    rig.tell(FilesChanged(ServiceFiles((service(real(1), name="renamed"),))))
    assert rig.changes == []


def test_who_is_renamed_or_gone_is_not_judged_any_more() -> None:
    more = {
        "fallback": FALLBACK,
        "quorum_down": Notice(("lost",)),
        "fallback_command": Notice(("command",)),
    }
    for name, drops in (("www", True), ("www", False), ("", True)):
        rig = Rig(service(real(1), real(2), drop_without_quorum=drops, **more))
        rig.good(ONE, TWO)
        rig.changes.clear()
        rig.of(Tell)
        left = (service(real(1), real(2), drop_without_quorum=drops, name=name, **more),) if name else ()
        rig.tell(FilesChanged(ServiceFiles(left)))
        assert rig.table() == ({"1": 1, "2": 1} if name else None)
        assert len(rig.changes) == (0 if name else 1)
        words = [each.more for each in rig.of(Tell) if isinstance(each, Tell)]
        assert not any("start" in each for each in words)
        assert len(words) == (1 if name else 0), "who is new tells its command that it has its quorum"


def test_a_key_of_two_services_is_the_first_ones() -> None:
    rig = Rig(service(real(1)), service(real(2), name="second"))
    assert any("belongs to web already" in note.text for note in rig.of(PoolNote))
    rig.good(ONE, TWO)
    assert rig.table() == {"1": 1}
