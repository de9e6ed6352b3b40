"""Under pair the service network is asked first: for how long, how often, and what an answer is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import BEAT, address, cluster

from understudy.core.probing import Question, limit
from understudy.effects import Level, Note, ProbeAddresses
from understudy.events import Outcome
from understudy.model import Quorum
from understudy.units import MILLISECOND, SECOND, Duration

PAIR = cluster(witnesses=(), quorum=Quorum.PAIR)
LIMIT = 100 * MILLISECOND


def question() -> Question:
    return Question("site", (address(100),))


def answered(found: Question, outcome: Outcome, text: str = "", now: int = 0) -> list[Note]:
    return [item for item in found.finished(PAIR, outcome, text, "ha02", "ha01", now) if isinstance(item, Note)]


@pytest.mark.parametrize(
    ("beat", "wait"), [(5, 20), (20, 20), (60, 60), (100, 100), (200, 100), (5000, 100)], ids=lambda item: f"{item}ms"
)
def test_the_question_lasts_a_heartbeat_within_bounds(beat: Duration, wait: Duration) -> None:
    assert limit(replace(PAIR, heartbeat=beat * MILLISECOND)) == wait * MILLISECOND


def test_it_is_asked_once_at_a_time_and_has_a_deadline() -> None:
    found = question()
    asked = found.ask(PAIR, lambda: 7, 50)
    assert len(asked) == 1
    effect = asked[0]
    assert isinstance(effect, ProbeAddresses)
    assert (effect.op, effect.group, effect.addresses, effect.limit) == (7, "site", (address(100),), LIMIT)
    assert effect.why
    assert found.deadline == 50 + LIMIT + SECOND
    assert found.ask(PAIR, lambda: 8, 60) == []
    assert found.op == 7


def test_nobody_answered_counts_for_a_short_time_only() -> None:
    found = question()
    found.ask(PAIR, lambda: 7, 0)
    assert not found.answered_well(0)
    assert answered(found, Outcome.OK, now=100) == []
    assert found.op is None
    assert found.answered_well(100 + LIMIT + BEAT - 1)
    assert not found.answered_well(100 + LIMIT + BEAT)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_RUNNING])
def test_any_other_answer_is_no(outcome: Outcome) -> None:
    found = question()
    found.ask(PAIR, lambda: 7, 0)
    notes = answered(found, outcome, "02:aa answers for 192.0.2.100")
    assert [(note.level, note.group, note.node) for note in notes] == [(Level.WARNING, "site", "ha01")]
    assert "ha02 is silent" in notes[0].why
    assert "02:aa answers for 192.0.2.100" in notes[0].why
    assert not found.answered_well(0)
    assert found.refusal
    assert found.ask(PAIR, lambda: 8, 1), "it may be asked again"


def test_the_same_refusal_is_said_once_another_one_again() -> None:
    found = question()
    assert len(answered(found, Outcome.FAILED, "somebody answers")) == 1
    assert answered(found, Outcome.FAILED, "somebody answers") == []
    assert len(answered(found, Outcome.UNKNOWN)) == 1
    assert answered(found, Outcome.OK) == []
    assert len(answered(found, Outcome.FAILED, "somebody answers")) == 1


def test_a_group_without_addresses_need_not_ask() -> None:
    assert Question("batch", ()).answered_well(0)
