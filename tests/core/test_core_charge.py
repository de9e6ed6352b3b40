"""What a node keeps for one group: when it cannot run here, for how long after giving up, and how that is ended."""

from __future__ import annotations

import pytest
from core_parts import address, group, program

from understudy.core.charge import MOST_DOUBLINGS, REFUSED_PAUSE, Charge
from understudy.core.execution import Execution
from understudy.model import Group
from understudy.units import MINUTE

SITE = group("site", address(1), program("httpd"))
FINE = {"eth0": True}


def charge(of: Group = SITE) -> Charge:
    return Charge(of, Execution(of, lambda: 1, frozenset()))


@pytest.mark.parametrize(
    ("carriers", "can_run", "why"),
    [
        (FINE, True, ""),
        ({}, True, "there is no device eth0"),
        ({"eth1": True}, True, "there is no device eth0"),
        ({"eth0": False}, True, "eth0 has no carrier"),
        (FINE, False, "its manager is not there to run programs"),
    ],
)
def test_why_it_cannot_run_here(carriers: dict[str, bool], can_run: bool, why: str) -> None:
    assert charge().unfit(carriers, can_run) == why


def test_addresses_alone_need_no_manager() -> None:
    assert charge(group("site", address(1))).unfit(FINE, can_run=False) == ""


def test_giving_up_takes_twice_as_long_each_time_up_to_a_day_or_two() -> None:
    found, now = charge(), 1000
    spans = []
    for _ in range(MOST_DOUBLINGS + 2):
        found.give_up(10 * MINUTE, "httpd died", now)
        spans.append(found.unfit_until - now)
        assert found.unfit(FINE, True) == "failed there: httpd died"
        found.unfit_until = 0
        now += 1
    assert spans[:4] == [10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 80 * MINUTE]
    assert spans[-1] == spans[-2] == spans[MOST_DOUBLINGS - 1] == 10 * MINUTE << (MOST_DOUBLINGS - 1)


def test_failures_while_it_has_given_up_are_not_counted_again() -> None:
    found = charge()
    found.give_up(10 * MINUTE, "httpd died", 0)
    found.give_up(10 * MINUTE, "httpd did not stop", 5)
    assert (found.gave_up, found.unfit_until, found.unfit_why) == (1, 10 * MINUTE, "failed there: httpd died")


def test_an_operator_ends_it() -> None:
    found = charge()
    found.give_up(10 * MINUTE, "httpd died", 0)
    found.execution.parts[0].start_again_at = 10 * MINUTE
    found.forget_failures()
    assert found.unfit(FINE, True) == ""
    assert found.execution.parts[0].start_again_at == 0
    found.give_up(10 * MINUTE, "httpd died", 0)
    assert found.unfit_until == 10 * MINUTE, "counted from the beginning"


def test_a_lease_that_the_kernel_refuses_makes_another_machine_better_for_a_while() -> None:
    found = charge()
    found.refused("no nf_tables here", 7)
    assert found.unfit_until == 7 + REFUSED_PAUSE
    assert found.unfit(FINE, True) == "the kernel there refuses its lease: no nf_tables here"
