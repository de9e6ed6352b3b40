"""Every effect ends where it must, with a pretend kernel and a real channel."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pulse_parts import HandClock, PretendCore, Rig, address, heartbeat, rig

from understudy.adapters import channel
from understudy.adapters.channel import Peer
from understudy.core import saved_wishes
from understudy.effects import (
    Action,
    AddAddresses,
    Announce,
    KernelLease,
    Level,
    Note,
    ProbeAddresses,
    Quit,
    RemoveAddresses,
    Reply,
    RunAgent,
    RunProbes,
    SaveStandby,
    SaveWishes,
    Send,
)
from understudy.events import Event, Finished, ManagerChanged, Outcome
from understudy.messages import Wish, WishKind
from understudy.pulse.perform import DEFENCE_PAUSE, SLICE
from understudy.units import MILLISECOND, NEVER, SECOND
from understudy.wire.native import Envelope, Opener


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[Rig]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.bind(("127.0.0.1", 0))
        port = int(handle.getsockname()[1])
    made = rig(str(tmp_path), port, clock, PretendCore())
    yield made
    made.close()


@pytest.fixture
def manager(parts: Rig) -> Iterator[Peer]:
    peer = channel.connect(parts.path)
    assert parts.manager.receive() == [ManagerChanged(True)]
    yield peer
    peer.close()


def results(parts: Rig) -> list[Event]:
    found = list(parts.loop.performer.results)
    parts.loop.performer.results.clear()
    return found


def test_a_message_is_sealed_once_for_all_links(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.perform(Send(heartbeat("a")), clock.now)
    performer.perform(Send(heartbeat("a"), to="b", link="net1"), clock.now)
    performer.perform(Send(heartbeat("a"), to="nobody"), clock.now)
    datagrams, _ = parts.sender.drain(parts.sender.clock())
    opener = Opener("c", (bytes(range(32)),), ("a", "b"))
    envelopes = [opener.open(item.data) for item in datagrams]
    assert [(item.sender, item.counter) for item in envelopes if isinstance(item, Envelope)] == [("a", 1), ("a", 2)]


def test_a_kernel_lease_lasts_from_the_moment_of_the_call(parts: Rig, clock: HandClock) -> None:
    performer, now = parts.loop.performer, clock.now
    clock.now += 30 * MILLISECOND  # we were stopped between the turn's reading and here
    performer.perform(KernelLease("web", now + 100 * MILLISECOND, "right"), now)
    performer.perform(KernelLease("web", now + 30 * MILLISECOND, "just over"), now)
    performer.perform(KernelLease("web", None, "released"), now)
    assert parts.kernel.done == [("hold", "web", 70 * MILLISECOND), ("end", "web"), ("end", "web")]


def test_a_refused_kernel_lease_is_noted_once_and_shown_while_it_lasts(
    parts: Rig, clock: HandClock, manager: Peer
) -> None:
    performer = parts.loop.performer
    parts.kernel.lease_refusal = "no such table"
    for _ in range(3):
        performer.perform(KernelLease("web", clock.now + SECOND, "right"), clock.now)
    (note,) = manager.receive()
    assert (note["level"], note["group"]) == ("error", "web")
    assert note["why"] == "the kernel refused the lease of web: no such table"
    assert "the kernel refused the lease of web: no such table" in parts.loop.snapshot(clock.now).warnings
    parts.kernel.lease_refusal = None
    performer.perform(KernelLease("web", clock.now + SECOND, "right"), clock.now)
    assert parts.loop.snapshot(clock.now).warnings == ("from the core",)


def test_addresses_are_done_at_once_when_they_fit_one_slice(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.perform(AddAddresses(4, "web", (address(1), address(2)), "take over"), clock.now)
    performer.perform(Announce((address(1), address(2)), "take over"), clock.now)
    assert parts.kernel.done == [("add", "192.0.2.1"), ("add", "192.0.2.2"), ("announce", 2)]
    assert results(parts) == [Finished(4, Outcome.OK)]
    assert not performer.busy


def test_an_address_is_announced_only_while_its_lease_runs(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.groups = {"192.0.2.1": "web", "192.0.2.2": "mail"}
    both = (address(1), address(2))
    performer.perform(Announce(both, "never held"), clock.now)
    performer.perform(KernelLease("web", clock.now + 50 * MILLISECOND, "right"), clock.now)
    performer.perform(KernelLease("mail", clock.now + 50 * MILLISECOND, "right"), clock.now)
    performer.perform(KernelLease("mail", None, "released"), clock.now)
    performer.perform(Announce(both, "one of two is held"), clock.now)
    performer.perform(Announce(both[:1], "we are stopped before we send"), clock.now)
    turn = clock.now
    clock.now += 50 * MILLISECOND
    performer.perform(Announce(both[:1], "told with the reading of a turn before the stop"), turn)
    assert [entry for entry in parts.kernel.done if entry[0] == "announce"] == [("announce", 1), ("announce", 1)]
    assert performer.unannounced == 4


def test_big_batches_go_in_slices_and_keep_their_order(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    some = tuple(address(number) for number in range(1, 6))
    performer.perform(AddAddresses(1, "web", some, "take over"), clock.now)
    performer.perform(Announce(tuple(address(1) for _ in range(SLICE + 1)), "take over"), clock.now)
    performer.perform(RemoveAddresses(2, "web", some[:1], "give up"), clock.now)
    assert parts.kernel.done == [("add", "192.0.2.1"), ("add", "192.0.2.2")]
    turns = 0
    while performer.busy:
        assert not any(event == Finished(2, Outcome.OK) for event in performer.results)
        performer.work(clock.now)
        turns += 1
        if results(parts) == [Finished(2, Outcome.OK)]:
            break
    assert turns == 5
    assert [entry[0] for entry in parts.kernel.done] == ["add"] * 5 + ["announce"] * 2 + ["remove"]


def test_each_slice_of_addresses_is_announced_before_the_next_one_is_added(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    parts.kernel.refusals = {"192.0.2.2": "there is no device eth0 on this machine"}
    some = tuple(address(number) for number in range(1, 6))
    performer.perform(AddAddresses(1, "web", some, "take over", announce=True), clock.now)
    while performer.changing:
        performer.work(clock.now)
    kinds = [entry[0] for entry in parts.kernel.done]
    assert kinds == ["add", "add", "announce", "add", "add", "announce", "add", "announce"]
    assert [entry[1] for entry in parts.kernel.done if entry[0] == "announce"] == [1, 2, 1]


def test_what_the_kernel_refuses_is_told_with_its_words(parts: Rig, clock: HandClock) -> None:
    parts.kernel.refusals = {"192.0.2.2": "there is no device eth0 on this machine"}
    parts.loop.performer.perform(AddAddresses(4, "web", (address(1), address(2)), "take over"), clock.now)
    assert results(parts) == [Finished(4, Outcome.FAILED, "there is no device eth0 on this machine")]


def test_a_probe_asks_three_times_and_silence_is_ok(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    began = clock.now
    performer.perform(ProbeAddresses(7, "web", (address(1),), 90 * MILLISECOND, "pair"), clock.now)
    asked = [0]
    while not performer.results:
        clock.now = performer.next_deadline()
        before = parts.kernel.done.count(("probe", 1))
        performer.work(clock.now)
        if parts.kernel.done.count(("probe", 1)) > before:
            asked.append((clock.now - began) // MILLISECOND)
    assert asked == [0, 30, 60]
    assert clock.now == began + 90 * MILLISECOND
    assert results(parts) == [Finished(7, Outcome.OK)]


def test_a_probe_that_is_answered_fails_at_once_and_names_who(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.perform(ProbeAddresses(7, "web", (address(1),), 90 * MILLISECOND, "pair"), clock.now)
    performer.claimed("192.0.2.9", "eth0", "02:00:00:00:00:09")
    assert results(parts) == []
    performer.claimed("192.0.2.1", "eth0", "02:00:00:00:00:01")
    performer.claimed("192.0.2.1", "eth0", "02:00:00:00:00:01")
    assert results(parts) == [
        Finished(7, Outcome.FAILED, "192.0.2.1 is in use by 02:00:00:00:00:01 on eth0"),
    ]


def test_a_question_about_an_address_is_answered_while_its_group_is_held(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.groups = {"192.0.2.1": "web"}
    performer.defend("192.0.2.1")
    assert parts.kernel.done == [], "not held"
    performer.perform(KernelLease("web", clock.now + SECOND, "won"), clock.now)
    performer.defend("192.0.2.9")
    performer.defend("192.0.2.1")
    performer.defend("192.0.2.1")
    assert parts.kernel.done.count(("defend", "192.0.2.1")) == 1, "two that answer each other would never end"
    clock.now += DEFENCE_PAUSE
    performer.defend("192.0.2.1")
    assert parts.kernel.done.count(("defend", "192.0.2.1")) == 2
    clock.now += SECOND
    performer.defend("192.0.2.1")
    assert parts.kernel.done.count(("defend", "192.0.2.1")) == 2, "the right is over"
    assert ("defend", "192.0.2.9") not in parts.kernel.done


def test_a_probe_that_cannot_be_sent_is_unknown(parts: Rig, clock: HandClock) -> None:
    parts.kernel.probe_refusal = "cannot send on eth0: Network is down"
    parts.loop.performer.perform(ProbeAddresses(7, "web", (address(1),), 90 * MILLISECOND, "pair"), clock.now)
    assert results(parts) == [Finished(7, Outcome.UNKNOWN, "could not ask: cannot send on eth0: Network is down")]


def test_after_a_stall_a_probe_asks_once_more_before_it_believes_the_silence(parts: Rig, clock: HandClock) -> None:
    performer = parts.loop.performer
    performer.perform(ProbeAddresses(7, "web", (address(1),), 90 * MILLISECOND, "pair"), clock.now)
    clock.now += SECOND
    performer.work(clock.now)
    assert parts.kernel.done.count(("probe", 1)) == 2
    assert results(parts) == [], "nobody had time to answer this question"
    clock.now = performer.next_deadline()
    performer.work(clock.now)
    assert results(parts) == [Finished(7, Outcome.OK)]


def test_what_the_manager_is_for_goes_to_the_manager(parts: Rig, clock: HandClock, manager: Peer) -> None:
    performer = parts.loop.performer
    performer.perform(RunAgent(9, "web", "httpd", Action.STOP, 5 * SECOND, 77, "moves"), clock.now)
    performer.perform(RunProbes("web", (("all", 10), ("disk", 12)), "it runs here"), clock.now)
    performer.perform(Reply(3, False, "no"), clock.now)
    performer.perform(Reply(4, False, "b did not answer", unknown=True), clock.now)
    performer.perform(Note("it moved", Level.WARNING, "web", "b"), clock.now)
    performer.perform(SaveStandby(True), clock.now)
    assert manager.receive() == [
        {
            "t": "run_agent",
            "op": 9,
            "group": "web",
            "resource": "httpd",
            "action": "stop",
            "limit_ns": 5 * SECOND,
            "ballot": 77,
            "why": "moves",
            "until_ns": NEVER,
        },
        {"t": "run_probes", "group": "web", "probes": [["all", 10], ["disk", 12]]},
        {"t": "reply", "op": 3, "ok": False, "text": "no"},
        {"t": "reply", "op": 4, "ok": False, "text": "b did not answer", "unknown": True},
        {"t": "note", "level": "warning", "why": "it moved", "group": "web", "node": "b", "at_ns": clock.now},
        {"t": "save_standby", "standby": True},
    ]
    assert results(parts) == []


def test_wishes_are_kept_by_the_manager(parts: Rig, clock: HandClock, manager: Peer) -> None:
    wish = Wish("web", 257, WishKind.STOPPED, "root", "disks", 17)
    parts.loop.performer.perform(SaveWishes((wish,)), clock.now)
    (packet,) = manager.receive()
    assert packet["t"] == "save_wishes"
    assert saved_wishes.read(packet["text"], 17) == (replace(wish, sure=False),)


def test_without_a_manager_an_agents_outcome_is_unknown(parts: Rig, clock: HandClock) -> None:
    parts.loop.performer.perform(RunAgent(9, "web", "httpd", Action.START, SECOND, 1, "x"), clock.now)
    assert results(parts) == [Finished(9, Outcome.UNKNOWN, "no manager")]


def test_a_start_whose_right_is_over_is_not_passed_on(parts: Rig, clock: HandClock, manager: Peer) -> None:
    order = RunAgent(9, "web", "httpd", Action.START, SECOND, 1, "x", until=clock.now + 1)
    parts.loop.performer.perform(order, clock.now)
    assert [packet["op"] for packet in manager.receive()] == [9]
    clock.now += 1
    parts.loop.performer.perform(order, clock.now - 1)
    assert manager.receive() == []
    assert results(parts) == [Finished(9, Outcome.NOT_RUNNING, "not begun: the right to it may be over")]


def test_quit_keeps_its_reason(parts: Rig, clock: HandClock) -> None:
    parts.loop.performer.perform(Quit("asked by root"), clock.now)
    assert parts.loop.performer.quit == "asked by root"
