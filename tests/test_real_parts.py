"""Which test with real parts covers each kind of resource, probe, failure policy and constraint: a table, and that it is whole.

Real parts: the kernel (name spaces, mounts, routes), Debian's own agents and programs, systemd's D-Bus interface, or daemons of
ours on machines of the lab. A new kind without a line here fails; so does a line whose test is gone.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import get_args

import pytest

from understudy.model import OnFailure, OnStopFailure, Resource
from understudy.probes import Check

TESTS = Path(__file__).resolve().parent

AGENTS, CLUSTER, PROBES = "agents/test_agents_", "cluster/test_cluster_", "manager/test_manager_probe_"

RESOURCES = {
    "AddressResource": (f"{CLUSTER}faults.py::test_power_off_and_fail_back", "adapters/test_addresses_kernel.py"),
    "CommandResource": (f"{CLUSTER}failures.py::test_each_policy", "lab/test_lab_probes.py"),
    "ScriptResource": (f"{CLUSTER}company.py::test_groups_go_where_the_others_let_them",),
    "OcfResource": (
        f"{AGENTS}ocf_kernel.py::test_apache",
        f"{AGENTS}services_kernel.py::test_postgresql_through_its_agent",
        f"{AGENTS}services_kernel.py::test_nginx_through_its_agent",
        f"{AGENTS}services_kernel.py::test_a_bind_mount_by_the_filesystem_agent_is_freed_of_who_holds_it",
    ),
    "MountResource": (
        f"{AGENTS}mount_kernel.py::test_who_does_not_heed_sigterm_is_killed",
        "agents/test_kinds_together_kernel.py::test_a_busy_group_moves_and_says_whom_it_ended",
    ),
    "LsbResource": (
        f"{AGENTS}real_scripts_kernel.py::test_an_init_script_of_debians_make",
        f"{AGENTS}services_kernel.py::test_a_stop_that_waits_for_a_client_takes_its_time",
    ),
    "ResourceDResource": (f"{AGENTS}real_scripts_kernel.py::test_ipaddr2_as_heartbeat_calls_it",),
    "SystemdResource": (
        f"{AGENTS}systemd.py::test_an_unexpected_end_is_told_at_once",  # a mock on a real D-Bus
        "vm/vm_systemd.py::test_the_package_and_a_unit_under_the_real_systemd",
    ),
    "RouteResource": (f"{AGENTS}routes_kernel.py::test_life_of_a_route",),
    "SourceAddressResource": (f"{AGENTS}routes_kernel.py::test_life_of_a_source_address",),
    "RealServerResource": (f"{AGENTS}real_server_kernel.py::test_life_of_a_real_server",),
    "NotifyResource": ("agents/test_kinds_together_kernel.py::test_a_busy_group_moves_and_says_whom_it_ended",),
}

CHECKS = {
    "HttpCheck": (
        f"{PROBES}servers_kernel.py::test_what_a_web_server_says",
        f"{PROBES}servers_kernel.py::test_certificates_that_are_not_good",
        "lab/test_lab_probes.py::test_a_site_that_answers_wrongly_is_restarted_and_then_moved",
    ),
    "TcpCheck": ("lab/test_lab_probes.py::test_a_site_that_answers_wrongly_is_restarted_and_then_moved",),
    "CommandCheck": (f"{PROBES}checks.py::test_a_command_that_hangs_is_killed_with_all_that_it_started",),
    "PingCheck": (f"{PROBES}checks.py::test_ping_in_a_network_of_its_own",),
}

POLICIES = {
    OnFailure.RESTART: f"{CLUSTER}failures.py::test_each_policy",
    OnFailure.MOVE: f"{CLUSTER}failures.py::test_each_policy",
    OnFailure.IGNORE: f"{CLUSTER}failures.py::test_each_policy",
    OnFailure.FENCE: f"{CLUSTER}failures.py::test_each_policy",
    OnStopFailure.GO_ON: f"{CLUSTER}failures.py::test_each_policy",
    OnStopFailure.FENCE: f"{CLUSTER}failures.py::test_what_does_not_stop_has_its_machine_switched_off",
}

CONSTRAINTS = {
    "after": f"{CLUSTER}company.py::test_groups_go_where_the_others_let_them",
    "with": f"{CLUSTER}company.py::test_groups_go_where_the_others_let_them",
    "apart": f"{CLUSTER}company.py::test_groups_go_where_the_others_let_them",
    "weight and capacity": f"{CLUSTER}company.py::test_groups_go_where_the_others_let_them",
    "prefer": f"{CLUSTER}faults.py::test_power_off_and_fail_back",
    "failback when-healthy": f"{CLUSTER}faults.py::test_power_off_and_fail_back",
    "failback never": f"{CLUSTER}failures.py::test_each_policy",
    "failback after a time": f"{CLUSTER}failback.py::test_it_goes_back_after_the_time_and_not_before",
    "failback at certain hours": f"{CLUSTER}failback.py::test_it_goes_back_within_the_hours_of_the_clock_of_who_has_it",
    "standby": f"{CLUSTER}faults.py::test_planned_move_standby_and_online",
}


def test_no_kind_is_forgotten() -> None:
    assert {kind.__name__ for kind in get_args(Resource)} == set(RESOURCES)
    assert {kind.__name__ for kind in get_args(Check)} == set(CHECKS)
    policies: tuple[type[Enum], ...] = (OnFailure, OnStopFailure)
    assert {policy for kind in policies for policy in kind} == set(POLICIES)


def named() -> set[str]:
    lists = [*RESOURCES.values(), *CHECKS.values()]
    return {place for places in lists for place in places} | set(POLICIES.values()) | set(CONSTRAINTS.values())


@pytest.mark.parametrize("place", sorted(named()))
def test_the_test_is_there(place: str) -> None:
    file, _, name = place.partition("::")
    text = (TESTS / file).read_text("utf-8")
    assert re.search(rf"^(?:async )?def {name or 'test_'}", text, re.MULTILINE), place
