"""Sequences of events for virtual servers of keepalived.conf, as keepalived 2.2.7 goes through them (manual, observation)."""

from __future__ import annotations

from dataclasses import replace

from pool_rig import FALLBACK, KEY, ONE, THREE, TWO, Kernel, Rig, check, real, service

from understudy.balance import FilesChanged, HeldSeen, Place, StopAsked, TableServer, TableService, Tell
from understudy.service_checks import Check, HttpQuestion, PingQuestion, ProgramQuestion, Target
from understudy.services import Notice, OnFailure, RealServer, ServiceFiles
from understudy.units import SECOND

UP, DOWN, QUORUM_UP, QUORUM_DOWN = (Notice((f"/etc/keepalived/{word}",)) for word in ("up", "down", "gained", "lost"))


def server(last: int, weight: int = 1, retry: int = 1, alpha: bool = False, **more: object) -> RealServer:
    """A real_server with an HTTP_GET: without alpha it is in at once, and it is out after 1 + retry failures."""
    address = f"10.0.0.{last}"
    own = Check(HttpQuestion(), Target(address, 80), fall=1 + retry, retry_delay=3 * SECOND, starts_up=not alpha)
    more = {"checks": (own,), "notify_up": UP, "notify_down": DOWN} | more
    return RealServer(address, 80, weight=weight, starts_up=not alpha, **more)  # type: ignore[arg-type]


def told(rig: Rig) -> list[Notice]:
    return [tell.notice for tell in rig.of(Tell)]


def test_servers_are_in_at_once_and_go_after_their_retries() -> None:
    rig = Rig(service(server(1, 3), server(2, 1, retry=3)))
    assert rig.table() == {"1": 3, "2": 1}
    rig.bad(ONE, TWO)
    assert rig.table() == {"1": 3, "2": 1}
    rig.bad(ONE, TWO)
    assert rig.table() == {"2": 1}
    rig.bad(TWO, TWO)
    assert rig.table() == {}
    rig.good(ONE)
    assert rig.table() == {"1": 3}, "one success is enough"
    assert told(rig) == [DOWN, DOWN, UP]


def test_alpha_begins_as_down_and_tells_the_first_up() -> None:
    rig = Rig(service(server(1, alpha=True), server(2), quorum_up=QUORUM_UP))
    assert rig.table() == {"2": 1}
    rig.bad(ONE)
    assert told(rig) == [], "that it is down is no news"
    rig.good(ONE)
    assert rig.table() == {"1": 1, "2": 1}
    assert told(rig) == [UP]


def test_alpha_of_the_service_alone() -> None:
    mixed = replace(server(1), starts_up=False)
    rig = Rig(service(mixed))
    assert rig.table() == {}
    rig.good(ONE)
    assert rig.table() == {"1": 1}


def test_inhibit_on_failure() -> None:
    rig = Rig(service(server(1, 5, on_failure=OnFailure.QUIET), server(2)))
    rig.bad(ONE, ONE)
    assert rig.table() == {"1": 0, "2": 1}
    rig.good(ONE)
    assert rig.table() == {"1": 5, "2": 1}


def test_all_checkers_of_a_server() -> None:
    ping = Check(PingQuestion(), Target("10.0.9.1"), starts_up=True, fall=2)
    own = server(1).checks[0]
    rig = Rig(service(server(1, checks=(own, ping))))
    assert rig.table() == {"1": 1}
    rig.bad("10.0.9.1", "10.0.9.1", ONE, ONE)
    assert rig.table() == {}
    rig.good(ONE)
    assert rig.table() == {}
    rig.good("10.0.9.1")
    assert rig.table() == {"1": 1}
    assert told(rig) == [DOWN, UP], "told once each"


def test_quorum_with_hysteresis_and_sorry_server() -> None:
    """quorum 5, hysteresis 2: lost below 3, gained again at 7; then all real servers are taken out beside the sorry server."""
    config = service(
        *(server(n, 3) for n in (1, 2, 3)),
        quorum=5,
        hysteresis=2,
        drop_without_quorum=True,
        fallback=FALLBACK,
        quorum_up=QUORUM_UP,
        quorum_down=QUORUM_DOWN,
    )
    rig = Rig(config)
    assert rig.table() == {"1": 3, "2": 3, "3": 3}
    assert told(rig) == [], "at the start the quorum is judged without notifiers"
    rig.bad(ONE, ONE, TWO, TWO)
    assert rig.table() == {"3": 3}, "3 is not less than 3"
    rig.bad(THREE, THREE)
    assert rig.table() == {"99": 1}
    assert told(rig) == [DOWN, DOWN, DOWN, QUORUM_DOWN]
    rig.good(ONE, TWO)
    assert rig.table() == {"99": 1}, "6 is less than 7"
    rig.good(THREE)
    assert rig.table() == {"1": 3, "2": 3, "3": 3}
    assert told(rig) == [UP, UP, UP, QUORUM_UP]


def test_the_quorum_is_lost_at_the_start_in_silence() -> None:
    rig = Rig(service(server(1, alpha=True), fallback=FALLBACK, quorum_up=QUORUM_UP, quorum_down=QUORUM_DOWN))
    assert rig.table() == {"99": 1}
    assert told(rig) == []
    rig.good(ONE)
    assert told(rig) == [UP, QUORUM_UP]


def test_weight_zero_of_all_is_no_quorum() -> None:
    rig = Rig(service(server(1, 0), fallback=FALLBACK))
    assert rig.table() == {"1": 0, "99": 1}


def test_misc_dynamic() -> None:
    """Exit 1 fails, 0 is the configured weight, 2 to 255 the weight less 2; 2 is weight 0 and no failure."""
    own = Check(ProgramQuestion(("/check",), dynamic=True), Target(ONE), starts_up=True)
    rig = Rig(service(server(1, 10, checks=(own,)), server(2, 10), quorum=15))
    rig.answer(ONE, weight=38)
    assert rig.table() == {"1": 38, "2": 10}
    rig.answer(ONE, weight=0)
    assert rig.table() == {"1": 0, "2": 10}
    assert not rig.pool.snapshot(rig.now).services[0].quorum, "a dynamic weight counts for the quorum"
    rig.answer(ONE)
    assert rig.table() == {"1": 10, "2": 10}
    rig.answer(ONE, "exit status 1")
    assert rig.table() == {"2": 10}
    assert told(rig) == [DOWN]


def test_omega_runs_the_notifiers_at_stop() -> None:
    rig = Rig(service(server(1), server(2), down_at_stop=True, quorum_down=QUORUM_DOWN))
    rig.bad(TWO, TWO)
    told(rig)
    rig.tell(StopAsked())
    assert told(rig) == [DOWN, QUORUM_DOWN]
    assert rig.table() is None


def test_ha_suspend() -> None:
    config = service(server(1), group="VI_1", only_when_held=True)
    rig = Rig(config, before=(HeldSeen(frozenset({"VI_1"})),))
    rig.bad(ONE, ONE)
    rig.tell(HeldSeen(frozenset()))
    assert not rig.asked
    assert rig.table() == {}, "what is known stays"
    rig.tell(HeldSeen(frozenset({"VI_1"})))
    rig.good(ONE)
    assert rig.table() == {"1": 1}


def test_a_reload_keeps_who_is_down_and_takes_in_who_is_new() -> None:
    rig = Rig(service(server(1), server(2)))
    rig.bad(ONE, ONE)
    told(rig)
    rig.tell(FilesChanged(ServiceFiles((service(server(1), server(2), server(3)),))))
    assert rig.table() == {"2": 1, "3": 1}
    assert told(rig) == []


def test_a_daemon_that_comes_back_does_not_take_in_who_was_out() -> None:
    """keepalived itself would: it begins with all servers in. Here nothing that was out comes in unasked."""
    places = {Place(TWO, 80): TableServer(Place(TWO, 80))}
    rig = Rig(service(server(1), server(2)), kernel=Kernel({KEY: (TableService(KEY), places)}))
    assert rig.changes == []
    rig.good(ONE)
    assert rig.table() == {"1": 1, "2": 1}


def test_a_check_of_another_address() -> None:
    """connect_ip: what is asked is not the server's own address, and two servers may share the answer."""
    shared = check("10.0.9.9", fall=2)
    rig = Rig(service(real(1, checks=(shared,)), real(2, checks=(shared,))))
    assert len(rig.asked) == 1
    rig.good("10.0.9.9")
    assert rig.table() == {"1": 1, "2": 1}
    rig.bad("10.0.9.9", "10.0.9.9")
    assert rig.table() == {}
