"""Which datagrams count: replay windows, freshness by incarnation, copies over several links, who hears whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import BEAT, OURS, state
from hypothesis import given
from hypothesis import strategies as st

from understudy.core.links import WINDOW, Drop, Links, Standing, Verdict, Window
from understudy.messages import Heard, NodeState
from understudy.units import MILLISECOND, Instant

OLD, NEW = 51, 52
"""Two incarnations of ha02."""


def links() -> Links:
    return Links("ha01", OURS, ("ha02", "arbiter"), BEAT)


def said(incarnation: int = OLD, names: int | None = OURS, number: int = 1, node: str = "ha02") -> NodeState:
    return state(node, number, incarnation=incarnation, names=names)


def receive(
    links: Links, counter: int, word: NodeState | None, arrival: Instant = 0, link: str = "red", incarnation: int = OLD
) -> Verdict:
    return links.receive(link, "ha02", incarnation, counter, word, arrival)


def known(incarnation: int = OLD) -> Links:
    """ha02 is current, its datagram number 10 arrived at 0 by the red link."""
    found = links()
    assert receive(found, 10, said(incarnation), incarnation=incarnation).fresh
    return found


# The window


def test_window_tells_new_copy_and_too_old() -> None:
    window = Window()
    assert window.admit(WINDOW) is None
    assert window.admit(1) is None, "the oldest counter that still fits"
    assert window.admit(1) is Drop.COPY
    assert window.admit(0) is Drop.REPLAYED, "one older than fits"
    assert window.admit(WINDOW) is Drop.COPY
    assert window.admit(WINDOW + 1) is None
    assert window.admit(1) is Drop.REPLAYED


def test_window_after_a_jump_remembers_nothing_older() -> None:
    window = Window()
    window.admit(5)
    window.admit(5 + 100 * WINDOW)
    assert window.admit(5) is Drop.REPLAYED
    assert window.admit(5 + 100 * WINDOW - 1) is None
    assert window.seen < 1 << WINDOW, "a window must not grow without end"


@given(st.lists(st.one_of(st.integers(0, 40), st.integers(0, 3 * WINDOW), st.integers(0, 2**63)), max_size=60))
def test_window_is_a_set_of_what_was_seen(counters: list[int]) -> None:
    window, seen = Window(), set[int]()
    for counter in counters:
        newest = max(seen, default=-1)
        if counter <= newest - WINDOW:
            expected: Drop | None = Drop.REPLAYED
        else:
            expected = Drop.COPY if counter in seen else None
        assert window.admit(counter) is expected
        seen.add(counter)


# Freshness


def test_only_a_message_that_names_our_incarnation_makes_its_sender_current() -> None:
    found = links()
    assert receive(found, 1, said(names=None)) == Verdict(Standing.GREET, Drop.UNPROVEN)
    assert receive(found, 2, said(names=OURS + 1), BEAT) == Verdict(Standing.GREET, Drop.UNPROVEN)
    assert found.current("ha02") is None
    assert receive(found, 3, said(), BEAT) == Verdict(Standing.ACCEPTED, fresh=True)
    assert found.current("ha02") == OLD
    assert receive(found, 4, said(), BEAT) == Verdict(Standing.ACCEPTED)


def test_another_machine_of_that_number_is_not_us() -> None:
    word = state("ha02", incarnation=OLD, reader="arbiter")
    assert receive(links(), 1, word).standing is Standing.GREET


def test_a_message_without_a_state_proves_nothing_and_is_not_greeted() -> None:
    found = links()
    assert receive(found, 1, None) == Verdict(Standing.DROPPED, Drop.UNPROVEN)
    assert found.current("ha02") is None


def test_greetings_are_at_least_half_a_heartbeat_apart() -> None:
    found = links()
    assert receive(found, 1, said(names=None), 0).standing is Standing.GREET
    assert receive(found, 2, said(names=None), BEAT // 2 - 1).standing is Standing.DROPPED
    assert receive(found, 3, said(names=None), BEAT // 2).standing is Standing.GREET


def test_changing_incarnations_do_not_make_us_greet_more_often() -> None:
    """Else two recordings played in turn would be answered each time."""
    found = links()
    assert receive(found, 1, said(names=None), 0).standing is Standing.GREET
    assert receive(found, 1, said(NEW, None), 1, incarnation=NEW).standing is Standing.DROPPED
    assert receive(found, 2, said(NEW, None), BEAT // 2, incarnation=NEW).standing is Standing.GREET


def test_copies_of_an_unproven_incarnation_are_dropped() -> None:
    found = links()
    receive(found, 7, said(names=None))
    assert receive(found, 7, said(names=None), BEAT, "blue") == Verdict(Standing.DROPPED, Drop.COPY)


def test_a_newer_incarnation_retires_the_older_for_ever() -> None:
    found = known()
    assert receive(found, 1, said(NEW), incarnation=NEW) == Verdict(Standing.ACCEPTED, fresh=True)
    assert found.current("ha02") == NEW
    assert receive(found, 99, said()) == Verdict(Standing.DROPPED, Drop.RETIRED)
    assert found.current("ha02") == NEW


def test_a_recording_of_an_earlier_life_does_not_replace_the_living_one() -> None:
    found = known()
    assert receive(found, 1, said(77, names=OURS + 1), incarnation=77).standing is Standing.GREET
    assert found.current("ha02") == OLD
    assert receive(found, 11, said()).standing is Standing.ACCEPTED


def of_two_lives(knows: int) -> tuple[Links, Verdict]:
    """We had said 40 when OLD was last heard; now a NEW one comes that has heard our state ``knows``."""
    found = known()
    found.said = 40
    receive(found, 11, said())
    found.said = 41
    state_of_new = state("ha02", 1, incarnation=NEW, knows=knows)
    return found, receive(found, 1, state_of_new, incarnation=NEW)


def test_which_of_two_lives_is_the_newer_shows_in_what_it_has_heard_of_us() -> None:
    """After two quick restarts a delayed heartbeat of the first names us too."""
    found, verdict = of_two_lives(knows=40)
    assert verdict.standing is Standing.GREET
    assert found.current("ha02") == OLD
    found, verdict = of_two_lives(knows=41)
    assert verdict == Verdict(Standing.ACCEPTED, fresh=True)


def test_a_relayed_word_must_show_it_as_well() -> None:
    found = known()
    found.said = 40
    assert found.news(said(number=2), relayed=False).standing is Standing.ACCEPTED
    found.said = 41
    late = state("ha02", 9, incarnation=NEW, knows=40)
    assert found.news(late, relayed=True).drop is Drop.UNPROVEN
    assert found.news(state("ha02", 10, incarnation=NEW, knows=41), relayed=True).fresh


def test_what_we_say_we_heard_grows_with_the_states_of_that_life() -> None:
    found = links()
    receive(found, 1, said(names=None, number=7))
    receive(found, 2, said(names=None, number=5))
    assert found.heard(0) == (Heard("ha02", OLD, -1, 7),)
    receive(found, 3, said(number=8))
    assert found.heard(0) == (Heard("ha02", OLD, 0, 8),)
    found.news(said(number=8), relayed=False)
    found.news(said(number=9), relayed=True)
    found.news(said(number=4), relayed=True)
    assert found.heard(0) == (Heard("ha02", OLD, 0, 9),)
    receive(found, 1, said(NEW, None, number=3), incarnation=NEW)
    assert found.heard(0)[1] == Heard("ha02", NEW, -1, 3)


def test_windows_of_relayed_recordings_do_not_pile_up_either() -> None:
    found = known()
    for incarnation in range(100, 200):
        found.news(said(incarnation, names=None), relayed=True)
    assert len(found.peers["ha02"].windows) == 2


def test_windows_of_recordings_do_not_pile_up() -> None:
    found = known()
    for incarnation in range(100, 200):
        receive(found, 1, said(incarnation, names=None), incarnation=incarnation)
    assert len(found.peers["ha02"].windows) == 2


def test_own_name_from_a_stranger_is_a_rival_but_our_own_echo_is_not() -> None:
    found = links()
    assert found.receive("red", "ha01", OURS, 1, None, 0) == Verdict(Standing.DROPPED, Drop.OWN)
    assert found.rival_name_at is None
    assert found.receive("red", "ha01", OURS + 1, 1, None, 0) == Verdict(Standing.DROPPED, Drop.OWN)
    assert found.rival_name_at is not None
    found.receive("red", "ha01", OURS, 2, None, 0)
    assert found.rival_name_at is not None


def test_unknown_member_is_dropped() -> None:
    assert links().receive("red", "mallory", 1, 1, None, 0) == Verdict(Standing.DROPPED, Drop.STRANGER)


def test_drops_are_counted_by_reason() -> None:
    found = known()
    for _ in range(3):
        receive(found, 10, said())
    found.receive("red", "mallory", 1, 1, None, 0)
    receive(found, 1, said(NEW, None), incarnation=NEW)
    assert found.dropped == {Drop.COPY: 3, Drop.STRANGER: 1, Drop.UNPROVEN: 1}


# Copies over several links


def test_a_copy_is_dropped_but_shows_that_its_link_lives() -> None:
    found = known()
    assert receive(found, 10, said(), 5 * MILLISECOND, "blue") == Verdict(Standing.DROPPED, Drop.COPY)
    assert found.peers["ha02"].link_arrival == {"red": 0, "blue": 5 * MILLISECOND}


def test_a_replay_does_not_keep_a_dead_link_looking_up() -> None:
    found = known()
    receive(found, 11, said(), BEAT, "blue")
    receive(found, 10, said(), 5 * BEAT, "red")
    assert found.peers["ha02"].link_arrival["red"] == 0, "number 10 came by red before"
    receive(found, 10 + 2 * WINDOW, said(), 6 * BEAT, "blue")
    receive(found, 12, said(), 7 * BEAT, "red")
    assert found.peers["ha02"].link_arrival["red"] == 0, "older than the window"


def test_a_replay_is_no_sign_of_life() -> None:
    found = known()
    receive(found, 10, said(), 5 * BEAT, "blue")
    assert found.peers["ha02"].direct_at == 0


def test_a_late_packet_never_turns_the_time_back() -> None:
    found = known()
    receive(found, 12, said(), BEAT)
    receive(found, 11, said(), BEAT // 2, "blue")
    receive(found, 13, said(), BEAT - 1)
    peer = found.peers["ha02"]
    assert peer.direct_at == BEAT
    assert peer.link_arrival == {"red": BEAT, "blue": BEAT // 2}


def test_a_restarted_member_begins_with_clean_links() -> None:
    found = known()
    receive(found, 10, said(), 3, "blue")
    receive(found, 1, said(NEW), BEAT, incarnation=NEW)
    peer = found.peers["ha02"]
    assert peer.link_arrival == {"red": BEAT}
    assert peer.link_newest == {"red": 1}
    assert peer.direct_at == BEAT
    assert list(peer.windows) == [NEW], "the window of the old incarnation is given back"


# States, direct and relayed


def test_only_newer_states_are_news() -> None:
    found = known()
    assert found.news(said(number=5), relayed=False) == Verdict(Standing.ACCEPTED)
    assert found.news(said(number=5), relayed=True) == Verdict(Standing.DROPPED, Drop.OLD_NEWS)
    assert found.news(said(number=4), relayed=False) == Verdict(Standing.DROPPED, Drop.OLD_NEWS)
    assert found.news(said(number=6), relayed=True) == Verdict(Standing.ACCEPTED)


def test_a_relayed_state_proves_its_incarnation_in_the_same_way() -> None:
    found = links()
    assert found.news(said(names=None), relayed=True) == Verdict(Standing.DROPPED, Drop.UNPROVEN)
    assert found.current("ha02") is None
    assert found.heard(0) == (Heard("ha02", OLD, -1, 1),), "so that it can name us after it has heard of us"
    assert found.news(said(), relayed=True) == Verdict(Standing.ACCEPTED, fresh=True)
    assert found.current("ha02") == OLD
    assert receive(found, 1, said(number=2)).standing is Standing.ACCEPTED


def test_after_a_relayed_introduction_only_what_was_said_since_is_a_sign_of_life() -> None:
    found = links()
    found.said = 41
    assert found.news(state("ha02", 1, incarnation=NEW, knows=40), relayed=True).fresh
    recording = state("ha02", 1, incarnation=NEW, knows=41)
    assert receive(found, 5, recording, incarnation=NEW).drop is Drop.UNPROVEN
    assert receive(found, 6, None, incarnation=NEW).drop is Drop.UNPROVEN
    assert found.peers["ha02"].direct_at is None
    alive = state("ha02", 2, incarnation=NEW, knows=42)
    assert receive(found, 7, alive, incarnation=NEW).standing is Standing.ACCEPTED
    assert receive(found, 8, None, incarnation=NEW).standing is Standing.ACCEPTED
    assert receive(found, 6, None, incarnation=NEW).drop is Drop.COPY, "sent before what we know to be fresh"


def test_what_was_sent_before_the_proof_counts_as_seen() -> None:
    found = links()
    assert receive(found, 9, said()).fresh
    assert receive(found, 8, said()).drop is Drop.COPY, "it may be a recording of this life"
    assert receive(found, 10, said()).standing is Standing.ACCEPTED


def test_a_direct_state_of_another_incarnation_is_not_news() -> None:
    found = known()
    assert found.news(said(NEW), relayed=False) == Verdict(Standing.DROPPED, Drop.UNPROVEN)
    assert found.current("ha02") == OLD
    assert found.peers["ha02"].candidate is None


def test_relayed_news_of_a_retired_incarnation_ourselves_or_a_stranger_are_dropped() -> None:
    found = known()
    receive(found, 1, said(NEW), incarnation=NEW)
    assert found.news(said(), relayed=True).drop is Drop.RETIRED
    assert found.news(said(node="ha01"), relayed=True).drop is Drop.OWN
    assert found.news(said(node="mallory"), relayed=True).drop is Drop.STRANGER


def test_a_new_incarnation_begins_its_state_numbers_again() -> None:
    found = known()
    found.news(said(number=500), relayed=False)
    assert found.news(said(NEW, number=1), relayed=True) == Verdict(Standing.ACCEPTED, fresh=True)


# Who hears whom


@pytest.mark.parametrize(("arrival", "now", "age"), [(0, 0, 0), (0, BEAT, BEAT), (BEAT, 0, 0)])
def test_what_is_heard_carries_its_age(arrival: Instant, now: Instant, age: int) -> None:
    found = links()
    receive(found, 1, said(), arrival)
    assert found.heard(now) == (Heard("ha02", OLD, age, 1),)


def test_heard_only_through_others_has_no_age() -> None:
    found = links()
    found.news(said(), relayed=True)
    assert found.heard(BEAT) == (Heard("ha02", OLD, -1, 1),)


def test_current_comes_before_the_one_that_is_not_proven() -> None:
    found = known()
    receive(found, 1, said(NEW, None), incarnation=NEW)
    assert found.heard(0) == (Heard("ha02", OLD, 0, 1), Heard("ha02", NEW, -1, 1))


def test_current_of_a_stranger_is_unknown() -> None:
    assert links().current("mallory") is None


def naming(ours: int, number: int) -> NodeState:
    """A state of ha02 that has heard our number ``ours``; we are ha01."""
    return replace(said(number=number), heard=(Heard("ha01", OURS, 0, ours),))


def test_after_a_relayed_introduction_a_recording_is_no_sign_of_life() -> None:
    """The relay shows which incarnation lives; only a heartbeat that names what we said since then shows that it is heard."""
    found = links()
    found.said = 3
    assert found.news(naming(3, number=1000), relayed=True).standing is Standing.ACCEPTED
    assert receive(found, 12, said(names=None)).drop is Drop.UNPROVEN
    assert receive(found, 13, None).drop is Drop.UNPROVEN
    assert found.peers["ha02"].direct_at is None
    found.said = 4
    assert receive(found, 500, naming(4, number=1001), 7).standing is Standing.ACCEPTED
    assert receive(found, 499, None, 8).drop is Drop.COPY, "sent before what is known to be fresh"
    assert found.peers["ha02"].direct_at == 7
