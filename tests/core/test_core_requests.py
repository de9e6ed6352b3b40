"""Operators' requests that another member decides: repeated until answered, answered once, given up in time."""

from __future__ import annotations

from core_parts import BEAT

from understudy.core.requests import REMEMBERED, Requests
from understudy.messages import Answer, Ask
from understudy.units import NEVER, SECOND


def requests() -> Requests:
    found = Requests("ha01", BEAT, SECOND)
    found.start(5000)
    return found


def asked(found: Requests, op: int = 3, now: int = 0) -> Ask:
    return found.ask(op, "ha02", "move", "site", "ha01", "anna", now)


def test_an_ask_names_everything_and_has_a_number_of_its_own() -> None:
    found = requests()
    assert asked(found) == Ask("ha01", "ha02", 5001, "move", "site", "ha01", "anna")
    assert asked(found).request == 5002


def test_it_is_repeated_each_heartbeat_until_the_answer_comes() -> None:
    found = requests()
    ask = asked(found)
    assert found.next_deadline() == BEAT
    assert found.expire(BEAT - 1) == ([], [])
    assert found.expire(BEAT) == ([ask], [])
    assert found.next_deadline() == 2 * BEAT
    assert found.answered(Answer("ha02", "ha01", ask.request, True, "done")) == 3
    assert found.next_deadline() == NEVER
    assert found.expire(10 * SECOND) == ([], [])


def test_after_the_limit_the_outcome_is_unknown() -> None:
    found = requests()
    ask = asked(found)
    assert found.expire(SECOND - 1) == ([ask], [])
    assert found.next_deadline() == SECOND, "not the next repetition, which would come later"
    again, over = found.expire(SECOND)
    assert again == []
    assert [op for op, _ in over] == [3]
    assert "ha02 did not answer within 1s" in over[0][1]
    assert "unknown" in over[0][1]
    assert found.answered(Answer("ha02", "ha01", ask.request, True, "done")) is None, "too late to be told twice"


def test_an_answer_counts_only_from_the_one_who_was_asked() -> None:
    found = requests()
    ask = asked(found)
    assert found.answered(Answer("arbiter", "ha01", ask.request, True, "done")) is None
    assert found.answered(Answer("ha02", "ha01", ask.request + 1, True, "done")) is None
    assert found.answered(Answer("ha02", "ha01", ask.request, False, "no")) == 3
    assert found.answered(Answer("ha02", "ha01", ask.request, False, "no")) is None


def test_several_requests_run_beside_each_other() -> None:
    found = requests()
    first, second = asked(found, 1, 0), asked(found, 2, 50)
    assert found.next_deadline() == BEAT
    assert found.expire(BEAT + 50) == ([first, second], [])
    assert found.answered(Answer("ha02", "ha01", second.request, True, "")) == 2
    assert found.expire(SECOND + 49)[1] != []
    assert found.next_deadline() == NEVER


def test_a_repeated_ask_finds_the_answer_that_was_given() -> None:
    found = requests()
    ask = Ask("ha02", "ha01", 77, "standby", "", "ha01", "anna")
    assert found.remembered(ask) is None
    given = found.answer(ask, True, "ha01 is in standby")
    assert given == Answer("ha01", "ha02", 77, True, "ha01 is in standby")
    assert found.remembered(ask) == given
    assert found.remembered(Ask("ha03", "ha01", 77, "standby", "", "ha01", "anna")) is None, "each asker counts alone"


def test_only_the_last_answers_are_remembered() -> None:
    found = requests()
    asks = [Ask("ha02", "ha01", number, "standby", "", "ha01", "anna") for number in range(REMEMBERED + 1)]
    for ask in asks:
        found.answer(ask, True, "yes")
    assert found.remembered(asks[0]) is None
    assert found.remembered(asks[1]) is not None
    assert found.remembered(asks[-1]) is not None
