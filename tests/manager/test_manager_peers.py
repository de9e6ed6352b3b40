"""Histories and clocks of several managers: what one asks the others, over links that lose and clocks that are wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import FakePulse, a_cluster, a_manager, ask, until

from understudy.adapters.channel import Packet, Peer
from understudy.effects import Level, Mark
from understudy.errors import TimedOut, UsageError
from understudy.manager.entry import Entry
from understudy.manager.peers import FAR_OFF, Peers, apart
from understudy.manager.wanted import PAGE_LIMIT, Wanted, page, read_page, wanted
from understudy.units import MINUTE, SECOND, Duration

HOUR = 3600 * SECOND
NOON = 1_800_000_000 * SECOND
EVERYBODY = {"a": True, "b": True, "w": True}


class Wire:
    """Carries what managers say to each other, as their pulses would; loses the first ``losses`` questions."""

    def __init__(self) -> None:
        self.peers: dict[str, Peers] = {}
        self.losses = 0
        self.asked = 0
        self.spoil: Callable[[Packet], Packet] = lambda packet: packet

    def link(self, name: str) -> Any:
        return WireEnd(self, name)


class WireEnd:
    """What ``Peers`` asks of a link to a pulse."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire = wire
        self.name = name
        self.answers: dict[int, Packet] = {}

    def send(self, packet: Packet, over: Peer | None = None) -> bool:
        other = self.wire.peers[packet["to"]]._link
        assert isinstance(other, WireEnd)
        assert len(packet["text"].encode()) <= PAGE_LIMIT
        other.answers[packet["id"]] = self.wire.spoil({**packet, "from": self.name})
        return True

    async def ask(self, packet: Packet, answer: str, number: int, limit: Duration) -> Packet:
        self.wire.asked += 1
        if self.wire.losses or packet["to"] not in self.wire.peers:
            self.wire.losses -= 1
            raise TimedOut("lost")
        self.wire.peers[packet["to"]].answer({**packet, "t": "inquiry", "from": self.name})
        found = self.answers.pop(number, None)
        if found is None:
            raise TimedOut("no answer")
        return found


def entry(number: int, text: str, at: int, stamp: tuple[Mark, ...] = (), group: str = "site") -> dict[str, Any]:
    return Entry(at, Level.INFO, text, group, "a", stamp).whole(number)


def a_wire(
    logs: dict[str, list[dict[str, Any]]], clocks: dict[str, int] | None = None
) -> tuple[Wire, list[tuple[str, str]]]:
    wire, said = Wire(), []
    for name, log in logs.items():
        others = tuple(other for other in logs if other != name)
        now = (clocks or {}).get(name, NOON)

        def say(level: Level, text: str, name: str = name) -> None:
            said.append((name, f"{level.value}: {text}"))

        wire.peers[name] = Peers(
            name,
            others,
            wire.link(name),
            iter(range(1, 100_000)).__next__,
            lambda log=log: log,  # type: ignore[misc]
            say,
            lambda now=now: now,  # type: ignore[misc]
        )
    return wire, said


def histories(wire: Wire, want: Wanted | None = None, me: str = "a") -> tuple[list[dict[str, Any]], dict[str, str]]:
    entries, parts = asyncio.run(wire.peers[me].histories(want or Wanted(), EVERYBODY))
    return entries, {name: part.trouble for name, part in parts.items() if part.trouble}


def test_the_cause_comes_first_on_every_node_although_clocks_differ_by_hours() -> None:
    lost = entry(1, "a let go of it", NOON + 9 * HOUR, (Mark("a", 1, 40, 99),))
    taken = entry(7, "b holds the lease", NOON - 9 * HOUR, (Mark("b", 2, 7, 12), Mark("a", 1, 41, 100)))
    wire, _ = a_wire({"a": [lost], "b": [taken], "w": []}, {"a": NOON + 9 * HOUR, "b": NOON - 9 * HOUR})
    for name in ("a", "b", "w"):
        entries, missing = histories(wire, me=name)
        assert [(item["origin"], item["text"]) for item in entries] == [
            ("a", "a let go of it"),
            ("b", "b holds the lease"),
        ]
        assert missing == {}
        assert set(entries[0]) == {"at", "level", "text", "group", "node", "origin"}


def test_what_is_not_connected_is_ordered_by_clocks_that_are_set_right_by_the_answer() -> None:
    first = entry(1, "first", NOON - 3 * MINUTE)
    second = entry(1, "second", NOON + 5 * HOUR - 2 * MINUTE)
    third = entry(2, "third", NOON - 1 * MINUTE)
    wire, _ = a_wire({"a": [first, third], "b": [second]}, {"b": NOON + 5 * HOUR})
    assert [item["text"] for item in histories(wire)[0]] == ["first", "second", "third"]


def test_a_long_history_comes_page_by_page_and_whole_also_when_questions_are_lost() -> None:
    log = [entry(number, f"event {number} of a long night", NOON + number) for number in range(1, 1001)]
    wire, _ = a_wire({"a": [], "b": log})
    wire.losses = 2
    entries, missing = histories(wire, Wanted(lines=600))
    assert [item["text"] for item in entries] == [f"event {number} of a long night" for number in range(401, 1001)]
    assert missing == {}
    assert 600 / 64 < wire.asked < 600


def test_an_entry_that_fits_no_page_is_cut_and_the_rest_still_comes() -> None:
    noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(4000))
    log = [entry(1, "before", NOON), entry(2, noise, NOON), entry(3, "behind", NOON)]
    wire, _ = a_wire({"a": [], "b": log})
    texts = [item["text"] for item in histories(wire)[0]]
    assert (texts[0], texts[2]) == ("before", "behind")
    assert noise.startswith(texts[1].removesuffix("..."))


def test_who_does_not_answer_or_sends_rubbish_is_named_and_the_others_are_shown() -> None:
    wire, _ = a_wire({"a": [entry(1, "mine", NOON)], "b": [entry(1, "his", NOON)]})
    wire.losses = 3
    assert histories(wire)[1] == {"b": "b does not answer (silent, without a manager, or an older version)"}
    wire.spoil = lambda packet: {**packet, "text": "AAAA"}
    entries, missing = histories(wire)
    assert missing == {"b": "b sent something that is no page of a history"}
    assert [item["text"] for item in entries] == ["mine"]
    wire.spoil = lambda packet: {**packet, "ok": False, "text": "no such topic"}
    assert histories(wire)[1] == {"b": "b: no such topic"}
    wire.spoil = lambda packet: {**packet, "from": "w"}
    assert histories(wire)[1] == {"b": "b does not answer"}
    asked = wire.asked
    entries, parts = asyncio.run(wire.peers["a"].histories(Wanted(), {}))
    assert parts["b"].trouble == "b is not heard"
    assert wire.asked == asked, "nobody waits for a machine that is gone"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"before": -1}', '{"lines": "x", "before": null}', "nonsense"])
def test_a_question_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        page([], text, "a", NOON)


@pytest.mark.parametrize("text", ["", "AAAA", "€", "eJwDAAAAAAE=", "eJyrVkrLz1eyUkpKLFKqBQAdegQQ"])
def test_a_page_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        read_page(text)


def test_filters() -> None:
    cluster = a_cluster()
    fields = {"lines": 5, "group": "", "node": "", "level": "info", "since": ""}
    assert wanted(cluster, fields, NOON) == Wanted(5)
    assert wanted(cluster, {**fields, "since": "90m"}, NOON).age == 90 * MINUTE
    noon = {**fields, "since": "2027-01-15T07:00"}
    assert wanted(cluster, noon, NOON).age == HOUR
    assert wanted(cluster, {**noon, "since": "2027-01-15T08:00:00+01:00"}, NOON).age == HOUR
    for wrong, hint in (
        ({"group": "sitte"}, "did you mean 'site'?"),
        ({"node": "c"}, "known: a, b, w"),
        ({"level": "warn"}, "did you mean 'warning'?"),
        ({"since": "yesterday"}, "write a length of time such as 90m or 2h, or a time such as 2026-01-31T12:00 (UTC)"),
    ):
        with pytest.raises(UsageError) as caught:
            wanted(cluster, {**fields, **wrong}, NOON)
        assert caught.value.hint == hint
    form = Entry(NOON - HOUR, Level.WARNING, "w is lost", "site", "w").whole(1)
    for want, fits in (
        (Wanted(), True),
        (Wanted(group="db"), False),
        (Wanted(node="w"), True),
        (Wanted(node="a"), True),
        (Wanted(node="b"), False),
        (Wanted(level="error"), False),
        (Wanted(level="warning", age=HOUR), True),
        (Wanted(age=HOUR - 1), False),
    ):
        assert want.fits(form, "a", NOON) is fits, want
    assert not Wanted(age=HOUR).fits({"text": "old", "at": "2026-01-31T12:00:00Z"}, "a", NOON)


# Clocks


@pytest.mark.parametrize(
    ("ahead", "text"),
    [(2_500_000_000, "2s ahead of"), (-40 * SECOND, "40s behind"), (3 * HOUR + 5 * MINUTE, "3h5m ahead of")],
)
def test_how_far_clocks_are_apart(ahead: int, text: str) -> None:
    assert apart(ahead) == text


def test_a_clock_that_is_far_off_is_a_warning_once_until_it_is_right_again() -> None:
    clocks = {"b": NOON + 3 * HOUR, "w": NOON + FAR_OFF}
    wire, said = a_wire({"a": [], "b": [], "w": []}, clocks)
    for _ in range(2):
        asyncio.run(wire.peers["a"].compare_clocks(EVERYBODY))
    assert said == [("a", "warning: the clock of b is 3h0m ahead of that of a")]
    (text,) = wire.peers["a"].warnings()
    assert text.startswith("the clock of b is 3h0m ahead of that of a: leases do not depend on clocks")
    wire.peers["b"]._wall = lambda: NOON
    asyncio.run(wire.peers["a"].compare_clocks({"w": True}))
    assert len(said) == 1, "b was not asked"
    asyncio.run(wire.peers["a"].compare_clocks(EVERYBODY))
    assert said[1:] == [("a", "info: the clock of b agrees with that of a again")]
    assert wire.peers["a"].warnings() == []


# A whole manager


@pytest.fixture
def pulse(tmp_path: Path) -> Any:
    (tmp_path / "run").mkdir()
    fake = FakePulse(tmp_path / "run")
    yield fake
    fake.die()


def test_a_manager_answers_others_and_survives_its_restart_with_numbers_going_on(
    pulse: FakePulse, tmp_path: Path
) -> None:
    stamp = [["a", "00000000000000ff", 3, 9], ["b", "0000000000000001", 5, -1], "garbage"]
    with a_manager(a_cluster(), tmp_path):
        pulse.send({"t": "note", "level": "info", "why": "a holds it", "group": "site", "node": "a", "stamp": stamp})
        until(lambda: "a holds it" in (tmp_path / "state" / "history.jsonl").read_text(), "the note is on disk")
    with a_manager(a_cluster(), tmp_path) as running:
        question = Wanted(group="site").question(None)
        pulse.send({"t": "inquiry", "from": "b", "id": 5, "topic": "history", "text": question})
        answer = pulse.wait_for("page", id=5)
        assert (answer["to"], answer["ok"]) == ("b", True)
        _, (found,), before = read_page(answer["text"])
        assert (found["text"], found["stamp"], before) == ("a holds it", stamp[:2], None)
        kept = running.manager.history.kept()
        numbers = [form["number"] for form in kept]
        assert numbers == sorted(set(numbers))
        assert kept[-1]["number"] > found["number"]
        pulse.send({"t": "inquiry", "from": "b", "id": 6, "topic": "weather", "text": ""})
        assert pulse.wait_for("page", id=6)["ok"] is False
        pulse.send({"t": "inquiry", "from": "stranger", "id": 7, "topic": "clock", "text": ""})
        pulse.send({"t": "inquiry", "from": "b", "id": 8, "topic": "clock", "text": ""})
        assert int(pulse.wait_for("page", id=8)["text"]) > NOON // 2
        assert not [packet for packet in pulse.received if packet.get("id") == 7]


def test_the_request_for_the_cluster_s_history_names_who_does_not_answer(pulse: FakePulse, tmp_path: Path) -> None:
    with a_manager(a_cluster(), tmp_path) as running:
        status, answer = ask(running.runtime_dir, "GET", "/v1/history?scope=cluster&lines=3")
        assert status == 200
        silent = "does not answer (silent, without a manager, or an older version)"
        assert answer["missing"] == {"b": f"b {silent}", "w": f"w {silent}"}
        assert {item["origin"] for item in answer["entries"]} == {"a"}
        status, answer = ask(running.runtime_dir, "GET", "/v1/history?scope=clustre")
        assert (status, answer["hint"]) == (400, "did you mean 'cluster'?")
        status, answer = ask(running.runtime_dir, "GET", "/v1/history?group=sitte")
        assert (status, answer["hint"]) == (400, "did you mean 'site'?")


def test_without_a_pulse_the_own_history_is_still_there(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with a_manager(a_cluster(), tmp_path) as running:
        status, answer = ask(running.runtime_dir, "GET", "/v1/history?scope=cluster")
        assert status == 200
        assert "manager started" in json.dumps(answer["entries"])
