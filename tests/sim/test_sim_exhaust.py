"""The exhaustive search finds what is broken, and nothing where nothing is."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from understudy.cli.exhaust import command
from understudy.core.leases import Claim, Claims
from understudy.core.votes import Ruling, Voter
from understudy.sim.exhaust import START, Bounds, Search, wrong
from understudy.sim.exhaust_run import Found, explore
from understudy.units import Instant


class Forgetful(Voter):
    """Grants at once after a start."""

    def quiet(self, now: Instant) -> bool:
        return False


class Generous(Voter):
    """Grants to whoever asks."""

    def bid(
        self, group: str, bidder: str, incarnation: int, ballot: int, echo: Instant, now: Instant, after: int = 0
    ) -> Ruling:
        self.promises.pop(group, None)
        return super().bid(group, bidder, incarnation, ballot, echo, now, after)


class Greedy(Claims):
    """Counts its right to the very end of the promises."""

    def count(self, claim: Claim, votes: int) -> Instant:
        self.margin = 0
        return super().count(claim, votes)


def search(bounds: Bounds, voter: type[Voter] = Voter, claims: type[Claims] = Claims, states: int = 700_000) -> Found:
    return explore(Search(bounds, voter, claims), states, 60)


def test_nothing_bad_nearby() -> None:
    found = search(Bounds(), states=60_000)
    assert found.states >= 60_000
    assert not found.bad


def test_a_small_world_is_searched_to_its_end() -> None:
    found = search(Bounds(dead=3, bids=1, crashes=0, in_flight=3), states=400_000)
    assert found.complete
    assert not found.bad
    assert found.states > 1000


def test_a_voter_that_is_not_exclusive_is_found() -> None:
    found = search(Bounds(), Generous)
    assert found.bad == "a and b both serve"
    assert "b bids" in found.path


def test_a_voter_without_quiet_time_is_found() -> None:
    found = search(Bounds(), Forgetful)
    assert found.bad
    assert [step for step in found.path if "starts again" in step], found.path


@pytest.mark.slow
def test_a_right_without_its_margin_is_found_by_a_clock_that_runs_differently() -> None:
    bounds = Bounds(dead=3, crashes=0, skews=1, bids=2, in_flight=4)
    found = search(bounds, claims=Greedy, states=1_500_000)
    assert found.bad
    assert [step for step in found.path if "clock" in step], found.path


def test_the_start_is_good_and_two_that_serve_are_not() -> None:
    assert wrong(START) == ""
    one, two, three = START.nodes
    both = START._replace(nodes=(one._replace(kernel=2), two, three._replace(kernel=1)))
    assert wrong(both) == "a and c both serve"


def test_the_command_says_how_far_it_looked() -> None:
    result = CliRunner().invoke(command, ["--states", "3000", "--scope", "crashes", "--json"])
    found = json.loads(result.stdout)["crashes"]
    assert result.exit_code == 0
    assert found["states"] >= 3000
    assert found["bad"] == ""
    text = CliRunner().invoke(command, ["--states", "3000", "--scope", "releases"]).stdout
    assert "releases: none bad" in text
