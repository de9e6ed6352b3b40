"""Ours and Debian's keepalived as one virtual router, in every way in which they can speak to each other.

UNDERSTUDY_LONG=1: also keepalived on both machines, which shows that what is expected of ours is what keepalived does.
"""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from live_worlds import World
from pairing_world import INTERVALS, OTHER, PAIRINGS, SHARED, STEPS, Pairing

from understudy.lab.vrrp_pair import NODES, OLD, UNDERSTUDY
from understudy.units import MILLISECOND

pytestmark = pytest.mark.kernel

TWO_OLD = World("pairing_world.py", "pairings", (OLD, OLD), long=True)
BESIDE = World("pairing_world.py", "pairings", (OLD, UNDERSTUDY))
SKEWS = {version: (256 - OTHER) / 256 * interval / MILLISECOND for version, interval in INTERVALS.items()}
"""Of the backup, in milliseconds, by version."""


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda pairing: pairing.name)
@pytest.mark.parametrize("world", [BESIDE, TWO_OLD], ids=str)
def test_election_and_take_over_in_both_directions(told: dict[str, Any], pairing: Pairing) -> None:
    for step, expected in STEPS.items():
        found = told[step]
        for vrid in pairing.vrids:
            assert found["masters"].get(str(vrid)) == [expected[vrid]], f"{step}, VRID {vrid}"
            for address in pairing.addresses(vrid):
                having = [name for name, addresses in found["addresses"].items() if address in addresses]
                assert having == [expected[vrid]], f"{step}, {address}"


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda pairing: pairing.name)
@pytest.mark.parametrize("world", [BESIDE], ids=str)
def test_a_goodbye_is_answered_at_once_where_keepalived_waits_its_skew(told: dict[str, Any], pairing: Pairing) -> None:
    own, other = pairing.vrids
    skew = SKEWS[pairing.version]
    theirs, ours = told["goodbyes"]["ha02"][str(other)], told["goodbyes"]["ha01"][str(own)]
    print(
        f"keepalived answered our goodbye after {theirs:.1f} ms, ours its goodbye after {ours:.1f} ms; skew {skew:.0f} ms"
    )
    assert theirs > 0.9 * skew
    assert ours < theirs / 2


@pytest.mark.parametrize("world", [TWO_OLD], ids=str)
def test_keepalived_answers_no_goodbye_before_its_skew(told: dict[str, Any]) -> None:
    answered = [time for leaving in NODES for time in told["goodbyes"][leaving].values()]
    assert len(answered) == len(SHARED)
    assert min(answered) > 0.9 * min(SKEWS.values())
    assert statistics.median(answered) > 0.9 * max(SKEWS.values())
