"""The loop's order and its honesty about its own lateness, with a pretend core."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from pulse_parts import DEAD_TIME, KEY, HandClock, PretendCore, Rig, Way, free_port, heartbeat, rig

from understudy.adapters import channel
from understudy.adapters.udp import UdpLinks, boot_clock
from understudy.effects import Action as AgentAction
from understudy.effects import Effect, Note, Quit, RunAgent
from understudy.errors import InternalError
from understudy.events import (
    AddressGone,
    AdminRequest,
    Event,
    Finished,
    ManagerChanged,
    Outcome,
    PingsSeen,
    ProbeAnswered,
    Received,
    ResourceFailed,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    TimerDue,
)
from understudy.pulse.keys import Rekeyer
from understudy.pulse.senders import RECENT
from understudy.units import MILLISECOND, SECOND
from understudy.wire.native import Envelope, Opener, Sealer, key_name

HERE = Path(__file__).parent


def arm(parts: Rig, clock: HandClock, ahead: int = 10 * MILLISECOND) -> None:
    """Sleep with a deadline ``ahead``; returns at once because something waits on the manager's socket or the links."""
    parts.core.deadline = clock.now + ahead
    parts.loop.armed = parts.core.deadline


def test_what_waits_is_told_before_time_expires_anything(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.say(3)
    clock.now += 11 * MILLISECOND
    parts.loop.turn()
    assert parts.core.kinds == ["Received", "Received", "Received", "TimerDue"]
    first = parts.core.told[0]
    assert isinstance(first, Received)
    assert (first.link, first.sender, first.incarnation, first.counter) == ("net1", "b", 7, 1)
    assert first.message == heartbeat()


def test_before_its_deadline_nothing_expires(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    clock.now += 9 * MILLISECOND
    parts.loop.turn()
    assert parts.core.told == []


def test_kernel_and_manager_are_heard_before_time_expires_anything(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.kernel.pending_facts.append(AddressGone("192.0.2.1"))
    parts.kernel.pending_claims.append((RivalSeen("192.0.2.1", "eth0", "02:00:00:00:00:01"), False))
    manager = channel.connect(parts.path)
    parts.loop.turn()
    manager.send({"t": "pings", "answering": ["192.0.2.9"]})
    clock.now += 11 * MILLISECOND
    parts.loop.turn()
    assert parts.core.kinds == ["AddressGone", "RivalSeen", "ManagerChanged", "PingsSeen", "TimerDue"]
    manager.close()


def test_a_wish_to_stop_comes_before_the_kernel_and_the_manager(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.kernel.pending_facts.append(AddressGone("192.0.2.1"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts.loop.wake_on_signals(pipe[0])
        parts.say(1)
        signal.raise_signal(signal.SIGTERM)
        parts.loop.turn()
        assert parts.core.kinds == ["Received", "ShutdownAsked", "AddressGone"]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for descriptor in pipe:
            os.close(descriptor)


def test_who_was_late_himself_says_so_before_he_looks_at_the_time(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.say(2)
    clock.now += 10 * MILLISECOND + DEAD_TIME // 3 + 1
    parts.loop.turn()
    assert parts.core.kinds == ["Stalled", "Received", "Received", "TimerDue"]
    assert parts.core.told[0] == Stalled(DEAD_TIME // 3 + 1)
    assert parts.loop.lateness.stalls == 1


def test_late_by_less_than_a_third_of_the_dead_time_is_no_stall(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    clock.now += 10 * MILLISECOND + DEAD_TIME // 3
    parts.loop.turn()
    assert parts.core.kinds == ["TimerDue"]
    assert parts.loop.lateness.over[2] == 1


def test_with_sockets_that_are_not_empty_nothing_expires(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.say(100)
    clock.now += 10 * MILLISECOND
    clock.step = DEAD_TIME // 4 + 1  # whatever we do takes long
    before = clock.now + clock.step
    clock.now -= clock.step
    parts.loop.turn()
    assert set(parts.core.kinds) == {"Received"}
    assert 0 < len(parts.core.told) < 100
    assert parts.core.deadline < before
    clock.step = 0
    clock.now = parts.core.deadline + MILLISECOND
    parts.loop.turn()
    assert len(parts.core.told) == 101
    assert parts.core.kinds[-1] == "TimerDue"


def test_a_flood_does_not_silence_us(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.say(200)
    clock.now += 10 * MILLISECOND + DEAD_TIME // 3
    clock.step = DEAD_TIME // 4 + 1
    parts.loop.turn()
    assert parts.core.kinds[0] == "Stalled"
    assert parts.core.kinds[-1] == "TimerDue"
    assert len(parts.core.told) < 202


def test_what_no_member_sealed_is_counted_by_reason_and_forgotten(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    for data in (b"", b"x", b"USDY" + bytes(60), Sealer("c", (bytes(reversed(KEY)),), "b", 7).seal(heartbeat())):
        parts.sender.send(data)
    parts.loop.turn()
    assert parts.core.told == []
    snapshot = parts.loop.snapshot(clock.now)
    assert snapshot.rejected == {"replay": 1} | parts.ear.rejected
    assert sum(parts.ear.rejected.values()) == 4
    assert set(parts.ear.rejected) >= {"not-ours", "unknown-key"}
    text = "the newest datagram that was refused as unknown-key came from 127.0.0.2 on network net1"
    assert text in snapshot.warnings, "another cluster with our name has an address"
    assert text not in parts.loop.snapshot(clock.now + RECENT).warnings


def test_the_snapshot_has_what_only_the_daemon_knows(parts: Rig, clock: HandClock) -> None:
    parts.loop.warnings = ("no real-time priority",)
    parts.kernel.warnings = ("no packet sockets",)
    parts.loop.performer.lease_troubles["web"] = "no such table"
    manager = channel.connect(parts.path)
    parts.loop.turn()
    manager.send({"t": "snapshot", "id": 4})
    parts.loop.turn()
    packets = [packet for packet in manager.receive() if packet["t"] == "snapshot"]
    assert [packet["id"] for packet in packets] == [4]
    shown = packets[0]["snapshot"]
    assert shown["warnings"] == [
        "from the core",
        "the kernel refused the lease of web: no such table",
        "no real-time priority",
        "no packet sockets",
    ]
    assert shown["counters"]["x"] == 1
    assert shown["counters"]["sent.net1"] == 0
    assert "latest_wakeup_us" in shown["counters"]
    manager.close()


def test_what_ends_at_once_is_told_in_the_same_turn(parts: Rig, clock: HandClock) -> None:
    def answers(event: Event) -> list[Effect]:
        if isinstance(event, AddressGone):
            return [RunAgent(9, "web", "httpd", AgentAction.START, SECOND, 3, "because")]
        return []

    parts.core.answers = answers
    arm(parts, clock)
    parts.kernel.pending_facts.append(AddressGone("192.0.2.1"))
    parts.loop.turn()
    assert parts.core.told[1] == Finished(9, Outcome.UNKNOWN, "no manager")


def test_other_keys_are_taken_up_and_only_their_names_are_said(parts: Rig, clock: HandClock, tmp_path: Path) -> None:
    fresh, file = bytes(range(1, 33)), tmp_path / "running.key"
    file.touch(0o600)
    file.write_text(f"{fresh.hex()}\n{KEY.hex()}\n")
    parts.loop.rekeyer = Rekeyer(str(file), (KEY,), parts.ear, parts.mouth)
    manager = channel.connect(parts.path)
    parts.mouth.sealer.seal(heartbeat("a"))

    def answer(number: int) -> dict[str, object]:
        end = time.monotonic() + 10
        while not (found := [packet for packet in manager.receive() if packet.get("id") == number]):
            assert time.monotonic() < end
            parts.loop.turn()
        return found[0]

    manager.send({"t": "keys", "id": 1})
    assert answer(1) == {"t": "keys", "id": 1, "ok": True, "text": "", "names": [key_name(KEY)]}
    manager.send({"t": "keys", "id": 2, "take": True})
    assert answer(2)["names"] == [key_name(fresh), key_name(KEY)]
    # The same life goes on under the new key, and both keys open.
    sealer = parts.mouth.sealer
    opened = Opener("c", (fresh,), ("a",)).open(sealer.seal(heartbeat("a")))
    assert isinstance(opened, Envelope)
    assert (opened.incarnation, opened.counter) == (5, 2)
    for key in (KEY, fresh):
        assert isinstance(parts.ear.opener.open(Sealer("c", (key,), "b", 7).seal(heartbeat())), Envelope)
    # A file that cannot be used changes nothing.
    file.write_text("nonsense\n")
    manager.send({"t": "keys", "id": 3, "take": True})
    said = answer(3)
    assert (said["ok"], said["names"]) == (False, [key_name(fresh), key_name(KEY)])
    assert "this line is not a key" in str(said["text"])
    assert parts.mouth.sealer is sealer
    manager.close()


def test_an_address_that_is_known_later_goes_to_the_media_and_not_to_the_core(parts: Rig, clock: HandClock) -> None:
    known: list[Mapping[str, str]] = []
    parts.loop.know = known.append
    manager = channel.connect(parts.path)
    manager.send({"t": "hosts", "hosts": [["peer", "10.0.0.2"]]})
    end = time.monotonic() + 10
    while not known:
        assert time.monotonic() < end
        parts.loop.turn()
    assert known == [{"peer": "10.0.0.2"}]
    assert all("10.0.0.2" not in repr(event) for event in parts.core.told)
    manager.close()


def test_packets_of_the_manager_become_events(parts: Rig, clock: HandClock) -> None:
    manager = channel.connect(parts.path)
    for packet in (
        {"t": "finished", "op": 3, "outcome": "not running", "text": "x"},
        {"t": "resource_failed", "group": "web", "resource": "httpd", "text": "died"},
        {"t": "admin", "op": 1, "verb": "move", "group": "web", "node": "b", "by": "root"},
        {"t": "admin", "op": 2, "verb": "standby", "group": None, "node": "a", "by": "root"},
        {"t": "probed", "group": "web", "probe": "p", "number": 7, "up": False, "text": "refused"},
        {"t": "probed", "group": "web", "probe": "p", "number": 7, "up": None, "text": ""},
        {"t": "probed", "group": "web", "probe": "p", "number": 7, "up": 1, "text": ""},
        {"t": "probed", "group": "web", "probe": "p", "number": 7},
        {"t": "admin", "op": 4, "verb": "stop", "group": "web", "by": "root", "reason": "disks", "wall_clock_ms": 17},
        {"t": "admin", "op": 5, "verb": "stop", "group": "web", "by": "root", "reason": 3},
        {"t": "shutdown"},
        {"t": "finished", "op": True, "outcome": "ok"},
        {"t": "finished", "op": 3, "outcome": "splendid"},
        {"t": "pings", "answering": [1]},
        {"t": "pings"},
        {"t": "nonsense"},
    ):
        manager.send(packet)
    arm(parts, clock)
    parts.loop.turn()
    parts.loop.turn()
    assert parts.core.told == [
        ManagerChanged(True),
        Finished(3, Outcome.NOT_RUNNING, "x"),
        ResourceFailed("web", "httpd", "died"),
        AdminRequest(1, "move", "web", "b", "root"),
        AdminRequest(2, "standby", "", "a", "root"),
        ProbeAnswered("web", "p", 7, False, "refused"),
        ProbeAnswered("web", "p", 7, None, ""),
        AdminRequest(4, "stop", "web", "", "root", "disks", 17),
        ShutdownAsked(),
    ]
    assert parts.manager.malformed == 8
    manager.close()
    parts.loop.turn()
    assert parts.core.told[-1] == ManagerChanged(False)


def test_a_new_manager_replaces_the_old_one_and_gets_the_notes_of_the_time_between(
    parts: Rig, clock: HandClock
) -> None:
    arm(parts, clock)
    first = channel.connect(parts.path)
    parts.loop.turn()
    first.close()
    parts.loop.turn()
    parts.manager.note(Note("nobody was there"), 17)
    parts.manager.save_standby(True)
    second = channel.connect(parts.path)
    third = channel.connect(parts.path)
    parts.loop.turn()
    assert parts.core.told == [ManagerChanged(True), ManagerChanged(False), ManagerChanged(True)]
    assert third.receive() == [
        {"t": "save_standby", "standby": True},
        {"t": "note", "level": "info", "why": "nobody was there", "group": "", "node": "", "at_ns": 17},
    ]
    assert second.receive() == []
    assert second.lost
    third.close()


def test_the_recorder_is_sent_in_parts(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    parts.say(40)
    parts.loop.turn()
    manager = channel.connect(parts.path)
    parts.loop.turn()
    manager.send({"t": "dump", "id": 5})
    packets: list[channel.Packet] = []
    for _ in range(10):
        parts.loop.turn()
        packets += manager.receive()
    assert packets[-1] == {"t": "dump", "id": 5}
    parts_sent = packets[:-1]
    assert len(parts_sent) > 1, "one big packet would delay a heartbeat"
    lines = [json.loads(line) for packet in parts_sent for line in packet["lines"]]
    assert len(lines) == 42
    assert lines[0]["recording"] == 1
    assert lines[1]["event"]["type"] == "Received"
    assert lines[1]["event"]["message"]["state"]["node"] == "b"
    manager.close()


def test_a_clean_stop_ends_with_0(parts: Rig, tmp_path: Path) -> None:
    parts.core.answers = lambda event: [Quit("asked")]
    assert parts.loop.run(ShutdownAsked(), str(tmp_path / "crash")) == 0
    assert not os.path.exists(parts.path)
    assert not (tmp_path / "crash").exists()


def test_our_own_bug_leaves_the_recorder_and_ends_with_70(
    parts: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(event: Event) -> list[Effect]:
        if isinstance(event, TimerDue):
            raise InternalError("impossible")
        return []

    parts.core.answers = answers
    parts.core.deadline = 1
    crash = tmp_path / "crash"
    assert parts.loop.run(AddressGone("192.0.2.1"), str(crash)) == 70
    lines = [json.loads(line) for line in crash.read_text().splitlines()]
    assert lines[1]["event"] == {"type": "AddressGone", "address": "192.0.2.1"}
    assert lines[-2]["event"] == {"type": "TimerDue"}, "what it was told last is what one wants to know"
    assert lines[-2]["effects"] is None
    assert "impossible" in lines[-1]["crash"]
    assert crash.stat().st_mode & 0o777 == 0o600
    assert "a bug of ours" in capsys.readouterr().err


def test_a_core_that_leaves_its_deadline_in_the_past_is_our_bug(parts: Rig, tmp_path: Path) -> None:
    parts.core.deadline = 1
    parts.core.next = lambda now: 1
    assert parts.loop.run(AddressGone("192.0.2.1"), str(tmp_path / "crash")) == 70
    assert "deadline" in (tmp_path / "crash").read_text().splitlines()[-1]


def test_turns_leave_nothing_for_the_garbage_collector(parts: Rig, clock: HandClock) -> None:
    arm(parts, clock)
    manager = channel.connect(parts.path)
    parts.loop.turn()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            parts.say(3)
            parts.sender.send(b"strange")
            manager.send({"t": "snapshot", "id": 1})
            manager.send({"t": "nonsense"})
            clock.now += 20 * MILLISECOND
            parts.loop.turn()
            manager.receive()
        assert len(parts.core.told) > 60
        assert gc.collect() == 0
    finally:
        gc.enable()
        manager.close()


def test_a_stopped_process_accuses_nobody(tmp_path: Path) -> None:
    port = free_port()
    b = UdpLinks((Way("a", "net1", "127.0.0.2", "127.0.0.1", port),))
    sealer = Sealer("c", (KEY,), "b", 7)
    command = [sys.executable, str(HERE / "stopped_pulse.py"), str(tmp_path), str(port)]
    # The helper opens both ends' sockets for a moment, so ours comes after its first word.
    b.close()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().split() == ["AddressGone"]
        b = UdpLinks((Way("a", "net1", "127.0.0.2", "127.0.0.1", port),))
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        stopped = boot_clock()
        for number in range(5):
            b.send(sealer.seal(heartbeat(number=number + 1)))
        while boot_clock() < stopped + DEAD_TIME:  # the stop must last this long: that is what is tested
            select.select([], [], [], 0.05)
        child.send_signal(signal.SIGCONT)
        lines = [line.split() for line in child.communicate(timeout=20)[0].splitlines()]
    finally:
        child.kill()
        child.wait()
        b.close()
    assert [line[0] for line in lines] == ["Stalled", *["Received"] * 5, "TimerDue"]
    assert int(lines[0][1]) > DEAD_TIME // 2
    assert child.returncode == 0


def test_a_timer_wakes_a_loop_that_hears_nothing(tmp_path: Path) -> None:
    def answers(event: Event) -> list[Effect]:
        return [Quit("enough")] if isinstance(event, TimerDue) else []

    core = PretendCore(deadline=boot_clock() + 30 * MILLISECOND, answers=answers)
    made = rig(str(tmp_path), free_port(), core=core)
    try:
        began = boot_clock()
        assert made.loop.run(PingsSeen(()), str(tmp_path / "crash")) == 0
        assert core.kinds[-1] == "TimerDue"
        assert boot_clock() >= began + 20 * MILLISECOND
    finally:
        made.close()
