"""Scenario D, live: real daemons, real nginx, NAT and direct routing at once, and clients that never stop asking."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "cluster"))

from balanced_world import FALL, FEW, BalancedTrial, HeartbeatTrial, RouterTrial
from cluster_world import until
from web_farm import BALANCERS, CLIENT, PORTS, REALS, WRONG, Farm, address_of

from private_world import directed, made_test
from understudy.lab import kernel
from understudy.lab.netns import LabError, Process
from understudy.lab.trial import ADDRESS
from understudy.units import MILLISECOND, Instant

ENOUGH = 25
"""Questions of the client, half a second of them, after which it is clear who gets connections."""

READY = 400 * MILLISECOND
"""What a new connection may take longer than a datagram, on a busy machine, after a take-over."""

World = TypeVar("World", bound=Farm)


def live(make: Callable[[], World], program: str = "nginx") -> Callable[[Callable[[World], None]], Callable[[], None]]:
    """Make a test of a function that gets what ``make`` makes, in a world of its own."""

    def decorate(case: Callable[[World], None]) -> Callable[[], None]:
        body = directed(case, make, said, lambda world: world.stage.close())
        return made_test(case, body, 150.0, ("ip", "nft", "nsenter", "curl", program))

    return decorate


def said(world: Farm) -> None:
    """Print what the daemons said, for a test that fails."""
    for name in BALANCERS:
        print("\n".join(f"{name}: {line}" for line in world.stage.daemons[name].log_tail(40)))


def only(trial: Farm, start: Instant, *names: str) -> None:
    """From ``start`` on every question is answered, by each of these and by nobody else."""
    trial.until_answered_by(start, *names)
    for service in PORTS:
        trial.until_asked(service, start, ENOUGH)
    end = kernel.now()
    for service in PORTS:
        trial.until_all_answered(service, start, end)
        assert trial.who(service, start, end) == set(names), service


@live(BalancedTrial)
def test_servers_fail_in_every_way_and_a_balancer_loses_power(trial: BalancedTrial) -> None:
    one, two, three, four = (trial.webs[name] for name in REALS)
    failed = REALS[:3]
    only(trial, kernel.now(), *REALS)

    one.signal(signal.SIGKILL)
    two.signal(signal.SIGSTOP)
    three.write(WRONG)
    out = {**dict.fromkeys(failed, "down"), "real4": "up"}
    trial.until_states("ha01", out)
    start, begun = kernel.now(), trial.begun(*failed)
    only(trial, start, "real4")
    assert trial.begun(*failed) == begun, "a server that is out gets no new connection"
    for service in PORTS:
        said = [trial.server("ha01", service, real)["why"] for real in failed]
        for words, why in zip(("refused", "no answer", "test Page"), said, strict=True):
            assert words in why, said
        until("the wrong page is asked for again", lambda name=service: len(three.wrong(name, "ha01")) > FALL)  # type: ignore[misc]
        last = max(at for at, line in enumerate(three.asked()) if line[0] == CLIENT and three.is_of(line, service))
        assert last < three.wrong(service, "ha01")[FALL], (
            "it had a client after the probe behind the last that it may fail"
        )

    # All dead: the fallback on the balancer itself. The standby comes to the same by itself, and serves nobody.
    four.slow(True)
    trial.until_states("ha01", dict.fromkeys(REALS, "down"))
    start, begun = kernel.now(), trial.begun(*REALS)
    only(trial, start, "ha01")
    assert trial.begun(*REALS) == begun
    assert "no answer" in trial.server("ha01", "nat", "real4")["why"]
    trial.until_states("ha02", dict.fromkeys(REALS, "down"))

    one.start()
    two.signal(signal.SIGCONT)
    three.write("test Page again")
    four.slow(False)
    for balancer in ("ha01", "ha02"):
        trial.until_states(balancer, dict.fromkeys(REALS, "up"))
    only(trial, kernel.now(), *REALS)

    # The holder loses its power. The standby's table is full already, so that services are back with the address.
    for service in PORTS:
        shown = trial.pool("ha02", service)
        assert (shown["serving"], shown["plane"]) == (False, "nftables"), shown
        assert all(trial.server("ha02", service, real)["in_table"] for real in REALS), shown
    trial.stage.do("power ha01 off")
    off = trial.stage.moment
    trial.until_answered_by(off, *REALS)
    until("ha02 has the address", lambda: trial.stage.watchers.who() == "ha02")
    only(trial, kernel.now(), *REALS)
    address = trial.stage.watchers.seen(off, kernel.now()).address
    assert address is not None
    for service in PORTS:
        gap = trial.gap(service, off)
        print(f"{service}: {gap.length // MILLISECOND} ms, the address {address.length // MILLISECOND} ms")
        assert gap.length < address.length + READY, service
    assert not trial.stage.watchers.two(off, kernel.now()), "two machines answered"


def taken(trial: Farm, balancer: str) -> int:
    """How many connections a balancer has given to servers."""
    return sum(each["connections"] for name in PORTS for each in trial.pool(balancer, name)["servers"])


@live(RouterTrial)
def test_a_keepalived_conf_balances_and_only_the_master_serves(trial: RouterTrial) -> None:
    one = trial.webs["real1"]
    before = taken(trial, "ha02")  # it may have been master first
    only(trial, kernel.now(), *FEW)
    assert taken(trial, "ha02") == before
    one.signal(signal.SIGKILL)
    for balancer in BALANCERS:
        trial.until_states(balancer, {"real1": "down", "real2": "up"})
    only(trial, kernel.now(), "real2")
    one.start()
    for balancer in BALANCERS:
        trial.until_states(balancer, dict.fromkeys(FEW, "up"))
    for service in PORTS:
        assert trial.pool("ha01", service)["serving"]
        assert not trial.pool("ha02", service)["serving"]
        assert trial.server("ha02", service, "real1")["in_table"], "the backup is ready"

    trial.room.stop("ha01")
    trial.room.wait("ha02 serves", lambda: trial.room.serves() == "ha02")
    only(trial, kernel.now(), *FEW)
    until("ha01's table is gone", lambda: "pick_" not in trial.rules("ha01"))
    assert "pick_" in trial.rules("ha02")

    # The better one is back: the other keeps its table, and serves nobody any more.
    trial.room.start("ha01")
    trial.until_states("ha01", dict.fromkeys(FEW, "up"))
    trial.room.wait("ha01 serves", lambda: trial.room.serves() == "ha01")
    until("ha02 knows", lambda: not any(trial.pool("ha02", service)["serving"] for service in PORTS))
    start, before = kernel.now(), taken(trial, "ha02")
    only(trial, start, *FEW)
    assert taken(trial, "ha02") == before
    assert trial.server("ha02", "nat", "real1")["in_table"]


@live(HeartbeatTrial)
def test_a_line_of_haresources_moves_with_its_address_and_its_pool(trial: HeartbeatTrial) -> None:
    begun = kernel.now()
    only(trial, begun, *FEW)
    for service in PORTS:
        assert all(trial.server("ha02", service, real)["in_table"] for real in FEW), "the other node is ready"
    assert taken(trial, "ha02") == 0

    trial.hand_over("ha01")
    trial.until_moved("ha02")
    before = taken(trial, "ha01")
    only(trial, kernel.now(), *FEW)
    assert taken(trial, "ha01") == before, "it gives no more connections to servers"
    assert taken(trial, "ha02") > 0
    assert all(trial.server("ha01", service, real)["in_table"] for service in PORTS for real in FEW)

    # auto_failback is off, so ha02 has it until it loses its power.
    trial.stage.do("power ha02 off")
    trial.until_moved("ha01", "ha01")
    only(trial, kernel.now(), *FEW)
    assert taken(trial, "ha01") > before
    assert not trial.stage.watchers.two(begun, kernel.now()), "two machines answered"
    said = Path(trial.nodes["ha01"].balancer_log).read_text()
    assert f"{address_of('real1', 'nat')} of " in said, "the file's logfile is used"


@pytest.mark.long
@live(HeartbeatTrial)
def test_what_failed_on_one_node_of_haresources_has_failed_on_the_other(trial: HeartbeatTrial) -> None:
    """All servers are dead when the line moves, and one is back before it moves again, by a clean stop."""
    one, two = (trial.webs[name] for name in FEW)
    for web in (one, two):
        web.signal(signal.SIGKILL)
    for balancer in BALANCERS:
        trial.until_states(balancer, dict.fromkeys(FEW, "down"))
    only(trial, kernel.now(), "ha01")
    trial.hand_over("ha01")
    trial.until_moved("ha02")
    only(trial, kernel.now(), "ha02")
    one.start()
    for balancer in BALANCERS:
        trial.until_states(balancer, {"real1": "up", "real2": "down"})
    only(trial, kernel.now(), "real1")
    trial.stage.do("stop ha02")
    until("ha02's table is gone", lambda: "pick_" not in trial.rules("ha02"))
    trial.until_moved("ha01", "ha01")
    only(trial, kernel.now(), "real1")


@pytest.mark.long
@live(lambda: BalancedTrial("apache2"), "apache2")
def test_apache_fails_in_every_way(trial: BalancedTrial) -> None:
    one, two, three, four = (trial.webs[name] for name in REALS)
    one.signal(signal.SIGKILL)
    two.signal(signal.SIGSTOP)
    three.write(WRONG)
    trial.until_states("ha01", {**dict.fromkeys(REALS[:3], "down"), "real4": "up"})
    start, begun = kernel.now(), trial.begun(*REALS[:3])
    only(trial, start, "real4")
    assert trial.begun(*REALS[:3]) == begun
    four.signal(signal.SIGSTOP)
    trial.until_states("ha01", dict.fromkeys(REALS, "down"))
    only(trial, kernel.now(), "ha01")
    one.start()
    three.write("test Page again")
    for web in (two, four):
        web.signal(signal.SIGCONT)
    trial.until_states("ha01", dict.fromkeys(REALS, "up"))
    only(trial, kernel.now(), *REALS)


@pytest.mark.long
@live(BalancedTrial)
def test_a_frozen_balancer_gives_nobody_a_connection(trial: BalancedTrial) -> None:
    """Its table stands, its address too; the kernel's lease in front of them is over."""
    start = kernel.now()
    trial.stage.do("freeze ha01")
    until("ha02 has the address", lambda: trial.stage.watchers.who() == "ha02")
    only(trial, kernel.now(), *REALS)
    observer = trial.stage.room.machine("observer")
    mac = trial.stage.room.cable("ha01", "eth0").mac
    observer.run(["ip", "neighbour", "replace", ADDRESS, "lladdr", mac, "dev", "eth0", "nud", "permanent"])
    for port in PORTS.values():
        with pytest.raises(LabError):
            observer.run(["curl", "-sS", "--max-time", "1", f"http://{ADDRESS}:{port}/"])
    assert not trial.stage.watchers.two(start, kernel.now()), "two machines answered"

    trial.stage.do("thaw ha01")
    until("all is well", lambda: not trial.stage.well())
    trial.until_states("ha01", dict.fromkeys(REALS, "up"))
    trial.stage.do("move site ha01")
    until("ha01 has the address", lambda: trial.stage.watchers.who() == "ha01")
    only(trial, kernel.now(), *REALS)
    for port in PORTS.values():
        assert "served by" in observer.run(["curl", "-sS", "--max-time", "5", f"http://{ADDRESS}:{port}/"])
    assert not trial.stage.watchers.two(start, kernel.now()), "two machines answered"


@pytest.mark.long
@live(BalancedTrial)
def test_a_balancer_that_was_killed_is_started_again_and_no_client_notices(trial: BalancedTrial) -> None:
    machine = trial.stage.room.machine("ha01")

    def balancers() -> list[Process]:
        return [process for process in machine.processes() if process.is_module("understudy.balancer")]

    start, killed = kernel.now(), balancers()
    assert len(killed) == 1
    machine.signal(killed, signal.SIGKILL)
    until("there is another one", lambda: balancers() not in ([], killed))
    trial.until_states("ha01", dict.fromkeys(REALS, "up"))
    only(trial, start, *REALS)
    trial.webs["real1"].signal(signal.SIGKILL)
    trial.until_states("ha01", {"real1": "down", "real2": "up", "real3": "up", "real4": "up"})
    only(trial, kernel.now(), *REALS[1:])
