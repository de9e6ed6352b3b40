"""What operators ask: who decides it, what is refused and with which words, and requests that travel."""

from __future__ import annotations

import pytest
from core_parts import BEAT, Core, cluster, group, holding, messages, of, settled

from understudy.effects import Effect, Reply, SaveStandby, Send
from understudy.events import AdminRequest
from understudy.messages import Answer, Ask, Heartbeat, Hold
from understudy.units import SECOND

BALLOT = 1_800_000 << 8 | 2


def wish(core: Core, verb: str, node: str, group_name: str = "", op: int = 7) -> list[Effect]:
    return core.tell(AdminRequest(op, verb, group_name, node, "anna"))


def reply(effects: list[Effect]) -> Reply:
    found = of(Reply, effects)
    assert len(found) == 1, "each request ends in one reply"
    assert found[0].op == 7
    return found[0]


def waiting() -> Core:
    """ha02 holds the group."""
    core = Core(cluster(group("site", prefer=("ha02",))))
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.settle("ha02", "arbiter")
    core.beat_of("ha02")
    return core


@pytest.mark.parametrize(
    ("verb", "node", "name", "words"),
    [
        (
            "destroy",
            "ha01",
            "site",
            "unknown request 'destroy'; there is move, standby, drain, online, fence, confirm-off, stop, start, "
            "restart, cleanup, maintenance-on, maintenance-off",
        ),
        ("standby", "arbiter", "", "arbiter is not a node of this cluster (ha01, ha02)"),
        ("move", "ha09", "site", "ha09 is not a node of this cluster (ha01, ha02)"),
        ("move", "ha02", "mail", "there is no group mail (there is site)"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_there_is(verb: str, node: str, name: str, words: str) -> None:
    found = reply(wish(holding(), verb, node, name))
    assert (found.ok, found.text) == (False, words)


def test_a_group_that_nobody_holds_cannot_be_moved() -> None:
    found = reply(wish(settled(), "move", "ha02", "site"))
    assert not found.ok
    assert found.text.startswith("site is held by nobody now: ")


def test_a_move_of_what_we_hold_is_decided_here() -> None:
    core = holding()
    found = reply(wish(core, "move", "ha02", "site"))
    assert (found.ok, found.text) == (True, "site moves from ha01 to ha02")
    assert core.node.steward.charges["site"].moving_to == "ha02"


def test_a_move_to_where_it_is_pins_it_and_takes_another_move_back() -> None:
    core = holding()
    found = reply(wish(core, "move", "ha01", "site"))
    assert (found.ok, found.text) == (True, "site is on ha01 already and stays")
    charge = core.node.steward.charges["site"]
    assert (charge.pinned, charge.moving_to) == (True, None)


def test_a_move_to_a_node_that_cannot_is_refused_with_the_reason() -> None:
    core = holding()
    core.beat_of("ha02", standby=True)
    found = reply(wish(core, "move", "ha02", "site"))
    assert (found.ok, found.text) == (False, "ha02 cannot run site: it is in standby")


def test_standby_is_saved_told_at_once_and_taken_back() -> None:
    core = settled()
    found = wish(core, "standby", "ha01")
    assert (reply(found).ok, reply(found).text) == (True, "ha01 is in standby")
    assert [item.standby for item in of(SaveStandby, found)] == [True]
    assert messages(Heartbeat, found)[-1].state.standby
    again = wish(core, "standby", "ha01")
    assert reply(again).ok
    assert not of(SaveStandby, again), "nothing has changed"
    found = wish(core, "online", "ha01")
    assert reply(found).text == "ha01 is online"
    assert [item.standby for item in of(SaveStandby, found)] == [False]
    assert not messages(Heartbeat, found)[-1].state.standby


def test_online_says_that_this_node_is_well_again() -> None:
    core = holding()
    charge = core.node.steward.charges["site"]
    charge.refused("no nf_tables here", core.now)
    wish(core, "online", "ha01")
    assert charge.unfit_until == 0


# Requests that travel


def test_a_move_of_what_another_holds_is_carried_there() -> None:
    core = waiting()
    found = wish(core, "move", "ha01", "site")
    sent = next(item for item in of(Send, found) if isinstance(item.message, Ask))
    assert sent.to == "ha02"
    ask = messages(Ask, found)[0]
    assert (ask.node, ask.to, ask.verb, ask.group, ask.target, ask.by) == (
        "ha01",
        "ha02",
        "move",
        "site",
        "ha01",
        "anna",
    )
    assert not of(Reply, found)
    assert messages(Ask, core.pass_time(BEAT, "ha02", "arbiter")) == [ask], "until the answer comes"
    found = core.hear(Answer("ha02", "ha01", ask.request, True, "site moves from ha02 to ha01"), "ha02")
    assert (reply(found).ok, reply(found).text) == (True, "site moves from ha02 to ha01")
    assert not messages(Ask, core.pass_time(5 * BEAT, "ha02", "arbiter"))


def test_an_answer_for_another_is_not_ours() -> None:
    core = waiting()
    ask = messages(Ask, wish(core, "move", "ha01", "site"))[0]
    assert not of(Reply, core.hear(Answer("ha02", "arbiter", ask.request, True, ""), "ha02"))


def test_without_an_answer_the_outcome_is_unknown() -> None:
    core = waiting()
    wish(core, "standby", "ha02")
    found = reply(core.pass_time(2 * SECOND, "ha02", "arbiter"))
    assert not found.ok
    assert "ha02 did not answer within 1s: unknown outcome" in found.text


def test_who_is_lost_cannot_be_asked() -> None:
    core = settled()
    core.pass_time(3 * SECOND, "arbiter")
    found = reply(wish(core, "standby", "ha02"))
    assert (found.ok, found.text) == (False, "ha02 is lost: it cannot be asked")


def test_an_ask_of_another_is_done_once_and_answered_each_time() -> None:
    core = settled()
    ask = Ask("ha02", "ha01", 55, "standby", "", "ha01", "berta")
    found = core.hear(ask, "ha02")
    sent = next(item for item in of(Send, found) if isinstance(item.message, Answer))
    assert sent.to == "ha02"
    assert messages(Answer, found) == [Answer("ha01", "ha02", 55, True, "ha01 is in standby")]
    wish(core, "online", "ha01")
    found = core.hear(ask, "ha02")
    assert messages(Answer, found) == [Answer("ha01", "ha02", 55, True, "ha01 is in standby")]
    assert not core.node.standby, "a repeated ask is not done again"


@pytest.mark.parametrize(
    "ask",
    [
        Ask("ha02", "ha03", 55, "standby", "", "ha03", "berta"),
        Ask("arbiter", "ha01", 55, "standby", "", "ha01", "berta"),
    ],
    ids=["for another", "in another's name"],
)
def test_an_ask_that_is_not_for_us_or_not_of_its_sender_is_not_done(ask: Ask) -> None:
    core = settled()
    assert not messages(Answer, core.hear(ask, "ha02"))
    assert not core.node.standby


def test_a_move_asked_of_one_who_does_not_hold_it_any_more_is_refused() -> None:
    core = waiting()
    found = core.hear(Ask("ha02", "ha01", 56, "move", "site", "ha02", "berta"), "ha02")
    answer = messages(Answer, found)[0]
    assert (answer.ok, answer.text) == (False, "ha01 does not hold site")
