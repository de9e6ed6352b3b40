"""How many votes a right needs under each policy, as a table."""

from __future__ import annotations

import pytest
from core_parts import cluster

from understudy.core.quorum import Surroundings, alone, needed
from understudy.core.surroundings import PINGS_FRESH, PINGS_KEPT
from understudy.model import Quorum
from understudy.supervisor.silence import LOOK_INTERVAL, SILENT_LOOKS
from understudy.units import SECOND

PAIR = cluster(witnesses=(), quorum=Quorum.PAIR)

TAKE = [
    # silent quiet  ping   votes
    (False, False, True, 2),
    (False, False, False, 2),
    (True, False, True, 1),
    (False, True, True, 1),
    (True, True, True, 1),
    (True, False, False, 3),
    (False, True, False, 3),
    (True, True, False, 3),
]


@pytest.mark.parametrize(("silent", "quiet", "ping", "votes"), TAKE)
def test_pair_to_take(silent: bool, quiet: bool, ping: bool, votes: int) -> None:
    around = Surroundings(silent, quiet, ping)
    assert needed(PAIR, around) == votes
    assert alone(PAIR, around) == (votes == 1), "alone exactly when the right would rest on one vote"


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("ping", [False, True])
def test_pair_to_keep_needs_only_that_it_is_not_known_to_be_cut_off(silent: bool, quiet: bool, ping: bool) -> None:
    assert needed(PAIR, Surroundings(silent, quiet, ping), holding=True) == 1
    assert needed(PAIR, Surroundings(silent, quiet, ping, cut_off=True), holding=True) == 2


def test_a_right_outlasts_the_manager_that_hangs_until_the_supervisor_has_put_another_in_its_place() -> None:
    # It is looked at every few seconds, has moved at most one look before it hung, and its successor needs a moment.
    ended = (SILENT_LOOKS + 1) * LOOK_INTERVAL
    assert ended * SECOND + 5 * SECOND < PINGS_KEPT
    assert PINGS_FRESH < PINGS_KEPT, "who takes must know more than who keeps"


@pytest.mark.parametrize(
    ("nodes", "witnesses", "votes"),
    [(1, 0, 1), (2, 0, 2), (2, 1, 2), (3, 0, 2), (3, 1, 3), (2, 3, 3), (5, 0, 3), (4, 2, 4)],
)
def test_majority_is_more_than_half_of_all_whatever_is_around(nodes: int, witnesses: int, votes: int) -> None:
    names = [f"n{index}" for index in range(nodes)]
    voters = [f"w{index}" for index in range(witnesses)]
    found = cluster(nodes=names, witnesses=voters)
    for around in (Surroundings(), Surroundings(True, True, False)):
        assert needed(found, around) == needed(found, around, holding=True) == votes
        assert not alone(found, around)
    assert 2 * votes > nodes + witnesses, "two majorities always share a voter"
