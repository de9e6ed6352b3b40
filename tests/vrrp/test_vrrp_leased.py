"""Virtual routers of a cluster: who may be master is leased, so no cut of any network makes a second one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from leased_parts import ROUTER, cluster, running

from understudy.events import AdminRequest, LinkChanged, Reconfigured
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import Advertisement, SourceKnown


def test_the_higher_priority_has_the_lease_and_is_master() -> None:
    machines = running()
    assert machines.masters() == "ha01"
    assert machines.group("ha02").holder == "ha01"
    assert machines.state("ha02") == "BACKUP"
    assert not machines.doubles


def test_a_cut_of_the_advertisements_alone_makes_no_second_master() -> None:
    machines = running()
    machines.part("ha01", "ha02")
    for _ in range(60):
        machines.run(SECOND)
        assert machines.masters() == "ha01"
    view = machines.hosts["ha02"].view("VI_1", machines.now)
    assert view.state == "BACKUP"
    assert view.why.startswith("the cluster gives the right to ha01"), view.why
    assert any(
        "hears no master and waits: the cluster gives the right to ha01" in text
        for text in machines.snapshot("ha02").warnings
    )


def test_a_cut_of_the_links_moves_it_and_a_cut_of_both_makes_no_second_master() -> None:
    machines = running()
    machines.unlink("ha01")
    assert machines.run_until(lambda: machines.masters() == "ha02", 6 * SECOND)
    machines.part("ha01", "ha02")
    machines.run(10 * SECOND)
    assert machines.masters() == "ha02"
    machines.join()
    machines.run(10 * SECOND)
    assert machines.masters() == "ha01"
    machines.part("ha01", "ha02")
    machines.unlink("ha01")
    assert machines.run_until(lambda: machines.masters() == "ha02", 6 * SECOND)
    assert not machines.doubles


def test_a_lost_master_is_taken_over_from_and_comes_back() -> None:
    machines = running()
    machines.crash("ha01")
    assert machines.run_until(lambda: machines.masters() == "ha02", 6 * SECOND)
    machines.start("ha01")
    assert machines.run_until(lambda: machines.masters() == "ha01", 6 * SECOND)
    assert machines.group("ha02").why == "ha01 has the highest priority and can run it"
    assert not machines.doubles


def test_a_handover_takes_no_longer_than_its_messages() -> None:
    machines = running()
    start = machines.now
    machines.stop("ha01")
    assert machines.run_until(lambda: machines.masters() == "ha02", SECOND)
    assert machines.now - start < 10 * MILLISECOND
    assert machines.run_until(lambda: machines.hosts["ha01"].quit_at is not None, 2 * SECOND)
    assert not machines.doubles


def test_an_operator_moves_it_although_the_other_priority_is_higher() -> None:
    machines = running()
    machines.tell("ha01", AdminRequest(1, "move", "VI_1", "ha02", "root"))
    assert machines.run_until(lambda: machines.masters() == "ha02", SECOND)
    machines.run(20 * SECOND)
    assert machines.masters() == "ha02", "it stays where an operator put it"
    assert "an operator moved it here" in machines.hosts["ha01"].view("VI_1", machines.now).why
    assert not machines.doubles


def test_the_lease_goes_where_the_priority_is_highest_now() -> None:
    machines = running(cluster(ROUTER + 'track = [{ interface = "eth9", weight = -60 }]\n'))
    machines.tell("ha01", LinkChanged("eth9", False))
    assert machines.run_until(lambda: machines.masters() == "ha02", SECOND), "90 is less than 100"
    assert machines.group("ha01").preferred == "ha02"
    machines.tell("ha02", LinkChanged("eth9", False))
    assert machines.run_until(lambda: machines.masters() == "ha01", 6 * SECOND), "90 is more than 40"
    assert not machines.doubles


def test_of_equals_the_holder_stays() -> None:
    machines = running(cluster(ROUTER.replace("{ ha01 = 150, ha02 = 100 }", "100")))
    first = machines.masters()
    other = "ha02" if first == "ha01" else "ha01"
    machines.crash(first)
    assert machines.run_until(lambda: machines.masters() == other, 6 * SECOND)
    machines.start(first)
    machines.run(30 * SECOND)
    assert machines.masters() == other
    assert not machines.doubles


def test_what_cannot_serve_does_not_keep_the_lease() -> None:
    machines = running()
    machines.tell("ha01", LinkChanged("eth0", False))
    assert machines.run_until(lambda: machines.masters() == "ha02", SECOND)
    assert machines.group("ha02").not_on["ha01"] == "VI_1 is in FAULT: eth0 has no carrier"
    machines.tell("ha02", LinkChanged("eth0", False))
    machines.run(SECOND)
    machines.tell("ha01", LinkChanged("eth0", True))
    assert machines.run_until(lambda: machines.masters() == "ha01", 6 * SECOND)
    assert not machines.doubles


def test_preempt_false_stays() -> None:
    machines = running(cluster(ROUTER + "preempt = false\n"))
    machines.crash("ha01")
    machines.run(6 * SECOND)
    machines.start("ha01")
    machines.run(30 * SECOND)
    assert machines.masters() == "ha02"


def test_preempt_delay_is_waited_for() -> None:
    machines = running(cluster(ROUTER + 'preempt_delay = "20s"\n'))
    machines.crash("ha01")
    machines.run(6 * SECOND)
    machines.start("ha01")
    start = machines.now
    assert machines.run_until(lambda: machines.masters() == "ha01", 60 * SECOND)
    assert 20 * SECOND <= machines.now - start < 30 * SECOND


@pytest.mark.parametrize("back", [True, False])
def test_a_killed_daemon_that_is_back_in_time_goes_on(back: bool) -> None:
    machines = running()
    machines.kill("ha01")
    machines.run(200 * MILLISECOND)
    left = machines.hosts["ha01"].leases["VI_1"] - machines.now
    assert 0 < left < SECOND, "the kernel serves no longer than the lease of the cluster"
    if back:
        machines.start("ha01", kernel_leases=(("VI_1", left),))
        machines.run(20 * SECOND)
        assert machines.masters() == "ha01"
        assert machines.states("ha02").count("MASTER") == 0
    else:
        assert machines.run_until(lambda: machines.masters() == "ha02", 6 * SECOND)
    assert not machines.doubles


def test_a_frozen_daemon_has_stopped_serving_before_the_other_begins() -> None:
    machines = running()
    machines.freeze("ha01", 20 * SECOND)
    assert machines.run_until(lambda: machines.masters() == "ha02", 6 * SECOND)
    machines.run(30 * SECOND)
    assert machines.masters() == "ha01"
    assert not machines.doubles


def test_a_better_router_that_is_not_of_the_cluster_is_master() -> None:
    machines = running()
    foreign = Advertisement(2, 51, 200, ("192.0.2.100",))
    for _ in range(5):
        for name in ("ha01", "ha02"):
            machines.hear(name, foreign, "192.0.2.13")
        machines.run(SECOND)
    assert machines.masters() == ""
    assert machines.group("ha02").holder == "ha01", "the right is there, and not used"
    assert machines.run_until(lambda: machines.masters() == "ha01", 5 * SECOND)


def test_a_sync_group_moves_as_a_whole() -> None:
    second = (
        ROUTER.replace("VI_1", "VI_2")
        .replace("id = 51", "id = 52")
        .replace("eth0", "eth1")
        .replace(".100/24", ".101/24")
    )
    together = '[router_groups.both]\nmembers = ["VI_1", "VI_2"]\n'
    machines = running(cluster(ROUTER + second + together))
    assert [item.name for item in machines.cluster.groups] == ["both"]
    assert (machines.masters("VI_1"), machines.masters("VI_2")) == ("ha01", "ha01")
    machines.tell("ha01", LinkChanged("eth1", False))
    assert machines.run_until(lambda: machines.masters("VI_1") == machines.masters("VI_2") == "ha02", 6 * SECOND)
    assert not machines.doubles


def test_a_router_that_follows_another_group_is_master_where_that_runs() -> None:
    group = '\n[groups.site]\nprefer = ["ha02"]\nresources = [{ address = "192.0.2.200/24", device = "eth0" }]\n'
    machines = running(cluster(ROUTER + 'lease_group = "site"\n' + group))
    assert machines.masters() == "ha02"
    assert "192.0.2.200" in machines.hosts["ha02"].addresses
    assert machines.hosts["ha02"].leases["site"] > machines.now
    machines.crash("ha02")
    assert machines.run_until(lambda: machines.masters() == "ha01", 6 * SECOND)


def test_two_alone_keep_one_master_while_they_hear_each_other_by_any_path() -> None:
    machines = running(cluster(more='quorum = "pair"', members=""))
    machines.part("ha01", "ha02")
    machines.run(30 * SECOND)
    assert machines.masters() == "ha01", "by the links"
    machines.join()
    machines.run(5 * SECOND)
    machines.unlink("ha01")
    machines.run(30 * SECOND)
    assert machines.masters() == "ha01", "by the advertisements"
    machines.join()
    machines.run(10 * SECOND)
    assert machines.masters() == "ha01"
    assert not machines.doubles


def test_a_reload_changes_both() -> None:
    machines = running()
    other = cluster(
        ROUTER.replace("ha01 = 150", "ha01 = 50")
        + ROUTER.replace("VI_1", "VI_2").replace("51", "52").replace(".100/", ".101/")
    )
    for name in ("ha02", "ha01"):
        host = machines.hosts[name]
        assert other.routers is not None
        host.files = other.routers.on(name)
        machines.tell(name, Reconfigured(replace(other, routers=host.files), carriers=(("eth0", True),)))
        machines.tell(name, SourceKnown("VI_2", host.source))
    assert machines.run_until(lambda: machines.masters() == "ha02" and machines.masters("VI_2") == "ha01", 8 * SECOND)
    assert not machines.doubles


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_cut_two_never_serve(seed: int) -> None:
    machines = running(seed=seed)
    for _ in range(40):
        match machines.rng.randrange(6):
            case 0:
                machines.part("ha01", "ha02")
            case 1:
                machines.unlink(machines.rng.choice(("ha01", "ha02", "arbiter")))
            case 2:
                machines.join()
            case 3:
                machines.freeze(machines.rng.choice(("ha01", "ha02")), machines.rng.randrange(3 * SECOND))
            case 4:
                name = machines.rng.choice(("ha01", "ha02"))
                machines.crash(name)
                machines.run(machines.rng.randrange(SECOND))
                machines.start(name)
            case _:
                machines.loss = machines.rng.choice((0.0, 0.3))
        machines.run(machines.rng.randrange(8 * SECOND))
    assert not machines.doubles
    machines.join()
    machines.loss = 0.0
    machines.run(20 * SECOND)
    assert machines.masters() == "ha01"
