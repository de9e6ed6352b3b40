"""Strangers on the networks: garbage, forgeries, recordings. Nobody dies, nothing moves, and the counters tell."""

from __future__ import annotations

import os
import random
import secrets
from dataclasses import dataclass, field

import pytest
from cluster_world import holder, in_cluster, never_two, undisturbed, until, watch
from other_worlds import really_well
from stranger import PORT, Datagram, Stranger, Tap, ethernet, garbage, mutated, to_all

from understudy.adapters.udp import boot_clock
from understudy.config.load import load, load_keys
from understudy.lab import kernel
from understudy.lab.cluster import CONFIGURATION, PARTS
from understudy.lab.observer import arp_frame
from understudy.lab.trial import ADDRESS, Trial
from understudy.messages import Heartbeat, Hold, NodeState, Release
from understudy.wire import neighbour
from understudy.wire.native import Reason, Sealer

MEMBERS = ("ha01", "ha02", "arbiter")
LINKS = ("192.168.107.101", "192.168.107.102", "192.168.107.9")
COUNT = 10_000
A_SECOND = 15_000
WIRE = frozenset(str(reason) for reason in Reason)


@dataclass(frozen=True, slots=True)
class Watched:
    """What must be the same afterwards, and the counters as they were; ``Watched(trial)`` looks now."""

    trial: Trial
    start: int = field(default_factory=kernel.now)
    processes: dict[str, set[int]] = field(init=False)
    memory: dict[str, int] = field(init=False)
    ballot: int = field(init=False)
    rejected: dict[str, dict[str, int]] = field(init=False)
    overflowed: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        list(self.trial.stage.told())
        object.__setattr__(self, "processes", {name: _processes(self.trial, name) for name in MEMBERS})
        object.__setattr__(self, "memory", {name: _memory(self.trial, name) for name in MEMBERS})
        object.__setattr__(self, "ballot", _ballot(self.trial))
        object.__setattr__(self, "rejected", {name: rejected(self.trial, name) for name in MEMBERS})
        object.__setattr__(self, "overflowed", {name: _overflowed(self.trial, name) for name in MEMBERS})

    def grown(self, name: str) -> dict[str, int]:
        """By how much each reason's counter of a member has grown."""
        before = self.rejected[name]
        now = rejected(self.trial, name)
        return {reason: count - before.get(reason, 0) for reason, count in now.items() if count > before.get(reason, 0)}

    def all_counted(self, sent: int) -> None:
        """Each member was sent ``sent`` datagrams that nobody could take for real: it has refused every one that it got."""
        for name in MEMBERS:

            def counts(name: str = name) -> tuple[int, int]:
                refused = sum(count for reason, count in self.grown(name).items() if reason in WIRE)
                return refused, _overflowed(self.trial, name) - self.overflowed[name]

            try:
                until(f"{name} has counted all", lambda: sum(counts()) >= sent, 5.0)
            except AssertionError:
                raise AssertionError(f"{name} was sent {sent} and counts (refused, overflowed) {counts()}") from None
            refused, overflowed = counts()
            assert refused <= sent, f"{name} refused {refused} of {sent}: also what was real"
            assert overflowed <= sent // 10, f"{name} lost {overflowed} of {sent}: too fast a test"

    def nothing_happened(self) -> None:
        """Same processes, same lease, no complaint in log or history, and the client saw nothing."""
        undisturbed(watch(self.trial, self.start, 1.0))
        for name in MEMBERS:
            assert _processes(self.trial, name) == self.processes[name], f"processes of {name} have changed"
            more = _memory(self.trial, name) - self.memory[name]
            # The recorder's ring fills meanwhile, the fuller the slower the machine is; kept datagrams would take more.
            assert more < 8 << 20, f"the pulse of {name} has kept {more >> 10} KB of what strangers sent"
            daemon = self.trial.stage.daemons[name]
            assert not [file for file in os.listdir(daemon.runtime) if "crash" in file]
            assert not [line for line in daemon.log_tail(200) if "Traceback" in line or "bug of ours" in line]
            assert holder(self.trial, name) == "ha01"
        assert _ballot(self.trial) == self.ballot
        told = [f"{item.machine}: {item.text}" for item in self.trial.stage.told() if item.level != "info"]
        assert not told, "\n".join(told)


def _processes(trial: Trial, name: str) -> set[int]:
    daemon = trial.stage.daemons[name]
    found = {part: daemon.processes(part) for part in PARTS}
    assert found["supervisor"], f"no supervisor on {name}"
    assert found["pulse"], f"no pulse on {name}"
    assert found["manager"], f"no manager on {name}"
    return {process.pid for part in found.values() for process in part}


def _memory(trial: Trial, name: str) -> int:
    """Resident bytes of a member's pulse."""
    (pulse,) = trial.stage.daemons[name].processes("pulse")
    with open(f"/proc/{pulse.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ballot(trial: Trial) -> int:
    status = trial.stage.daemons["ha01"].status()
    assert status is not None
    return int(status["groups"][0]["ballot"])


def rejected(trial: Trial, name: str) -> dict[str, int]:
    """The counters as ``understudy status --json`` shows them."""
    status = trial.stage.daemons[name].status()
    assert status is not None, f"{name}'s daemon does not answer"
    return dict(status["rejected"])


def _overflowed(trial: Trial, name: str) -> int:
    """Datagrams that a machine's kernel threw away because a socket's buffer was full."""
    text = trial.stage.room.machine(name).run(["cat", "/proc/net/snmp"])
    words, numbers = (line.split() for line in text.splitlines() if line.startswith("Udp:"))
    return int(dict(zip(words, numbers, strict=True))["RcvbufErrors"])


def record(trial: Trial, names: tuple[str, ...], seconds: float) -> list[Datagram]:
    """What the daemons said on the heartbeat network from and to some machines, as a monitoring port shows it."""
    taps = [Tap(trial.stage.room.cable(name, "eth1").port) for name in names]
    watch(trial, kernel.now(), seconds)
    found = [datagram for tap in taps for datagram in tap.datagrams(PORT)]
    for tap in taps:
        tap.close()
    assert len(found) > 20 * seconds, f"only {len(found)} datagrams went by"
    return found


@in_cluster("60ms", "300ms")
def test_garbage_and_mutations(trial: Trial) -> None:
    stranger, dice = Stranger(trial.stage.room), random.Random(20)
    real = [datagram.data for datagram in record(trial, MEMBERS, 1.0)]
    before = Watched(trial)
    stranger.send(to_all(LINKS, garbage(dice, real, COUNT)), A_SECOND)
    before.all_counted(COUNT)
    stranger.send(to_all(LINKS, mutated(dice, real, COUNT)), A_SECOND)
    before.all_counted(2 * COUNT)
    before.nothing_happened()
    for name in MEMBERS:
        grown = before.grown(name)
        expected = {Reason.NOT_OURS, Reason.TOO_SHORT, Reason.UNKNOWN_VERSION, Reason.OTHER_CLUSTER}
        expected |= {Reason.UNKNOWN_KEY, Reason.UNKNOWN_MEMBER, Reason.BAD_SEAL}
        assert expected <= set(grown), f"{name} has no word for some of it: {grown}"
        assert grown[Reason.NOT_OURS] > COUNT // 3, grown


def _lies(sealer: Sealer, incarnation: int, count: int) -> list[bytes]:
    """ha01 holds everything with the highest ballots, and ha01 gives everything up: well made but for the seal."""
    found = []
    for number in range(count // 2):
        hold = Hold("site", 2**50 + number)
        state = NodeState("ha01", incarnation, number + 1, boot_clock(), 1, "", False, False, (hold,))
        found.append(sealer.seal(Heartbeat(state)))
        found.append(sealer.seal(Release("ha01", incarnation, "site", 2**50 + number, "ha02", True)))
    return found


@pytest.mark.long
@in_cluster("60ms", "300ms")
def test_wrong_keys_and_other_clusters(trial: Trial) -> None:
    stranger = Stranger(trial.stage.room)
    cluster = load(CONFIGURATION)
    (key,) = load_keys(cluster)
    incarnation = _incarnation(trial, "ha02", "ha01")
    before, count = Watched(trial), 1000
    forged = {
        Reason.UNKNOWN_KEY: _lies(
            Sealer(cluster.name, (secrets.token_bytes(32),), "ha01", incarnation), incarnation, count
        ),
        Reason.OTHER_CLUSTER: _lies(Sealer("another", (key,), "ha01", incarnation), incarnation, count),
        Reason.UNKNOWN_MEMBER: _lies(Sealer(cluster.name, (key,), "ha03", incarnation), incarnation, count),
    }
    # The same with the label of our cluster and of our key in the clear header: only the seal betrays them.
    label = Sealer(cluster.name, (key,), "ha01", incarnation).seal(Release("ha01", incarnation, "site", 1, None, True))[
        8:16
    ]
    forged[Reason.BAD_SEAL] = [
        lie[:8] + label + lie[16:] for reason in (Reason.UNKNOWN_KEY, Reason.OTHER_CLUSTER) for lie in forged[reason]
    ]
    for payloads in forged.values():
        stranger.send(to_all(LINKS, payloads), A_SECOND)
    total = sum(len(payloads) for payloads in forged.values())
    before.all_counted(total)
    before.nothing_happened()
    for name in MEMBERS:
        grown = {reason: count for reason, count in before.grown(name).items() if reason in WIRE}
        assert set(grown) == {str(reason) for reason in forged}
        for reason, payloads in forged.items():
            assert len(payloads) * 9 // 10 <= grown[reason] <= len(payloads), grown
            assert any(f"({reason}): " in text for text in _warnings(trial, name)), "people are told, too"


def _incarnation(trial: Trial, at: str, of: str) -> int:
    status = trial.stage.daemons[at].status() or {"nodes": []}
    return next(int(node["incarnation"], 16) for node in status["nodes"] if node["name"] == of)


@in_cluster("60ms", "300ms")
def test_recording_replayed(trial: Trial) -> None:
    """A recording of seconds, to its receivers, from its senders' addresses: all of it is old news."""
    stranger = Stranger(trial.stage.room)
    recorded = record(trial, MEMBERS, 3.0)
    before = Watched(trial)
    jobs = stranger.replayed(recorded, "eth1")
    for _ in range(3):
        stranger.send(jobs, A_SECOND)
    before.nothing_happened()
    for name, address in zip(MEMBERS, LINKS, strict=True):
        repeated = 3 * sum(datagram.target == address for datagram in recorded)
        grown = before.grown(name)
        assert not set(grown) & WIRE, f"well-sealed datagrams were refused for the wrong reason: {grown}"
        assert grown.get("copy", 0) + grown.get("replayed", 0) >= repeated * 9 // 10, (grown, repeated)
    # A dead machine does not live on in a recording.
    start = kernel.now()
    playing = stranger.keep_sending(jobs, A_SECOND)
    trial.stage.do("power ha01 off")
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02", 5.0)
    assert playing.poll() is None, "the recording was over before"
    never_two(watch(trial, start, 1.0))
    stranger.stop()


@pytest.mark.long
@in_cluster("60ms", "300ms")
def test_recording_from_before_a_restart(trial: Trial) -> None:
    """The receiver has forgotten which counters it has seen and who has died, and hears from the past while it starts."""
    stranger = Stranger(trial.stage.room)
    recorded = record(trial, ("ha02",), 3.0)
    jobs = stranger.replayed(recorded, "eth1")
    trial.stage.do("kill ha01 pulse")  # so the recording is of two incarnations: ha01's is dead, the witness's lives
    until("all is well", lambda: really_well(trial))
    pulse = {process.pid for process in trial.stage.daemons["ha02"].processes("pulse")}
    start = kernel.now()
    playing = stranger.keep_sending(jobs, A_SECOND // 5)
    trial.stage.do("kill ha02 pulse")
    until("all is well", lambda: really_well(trial))
    assert {process.pid for process in trial.stage.daemons["ha02"].processes("pulse")} != pulse
    undisturbed(watch(trial, start, 2.0))
    assert _incarnation(trial, "ha02", "ha01") == _incarnation(trial, "ha01", "ha01"), "ha02 listens to a dead one"
    assert rejected(trial, "ha02").get("unproven-incarnation", 0) >= 10, "it was not heard"
    trial.stage.do("power ha01 off")
    until("ha02 serves, whatever the recording says of ha01", lambda: trial.stage.watchers.who() == "ha02", 5.0)
    assert playing.poll() is None, "the recording was over before"
    never_two(watch(trial, start, 4.0))
    stranger.stop()


@in_cluster("60ms", "300ms")
def test_dead_machine_in_a_recording_from_before_a_restart(trial: Trial) -> None:
    """What ha02 heard in an earlier life must not keep ha01 alive for it when ha01 is dead."""
    stranger = Stranger(trial.stage.room)
    recorded = [item for item in record(trial, ("ha02",), 4.0) if (item.source, item.target) == (LINKS[0], LINKS[1])]
    trial.stage.do("kill ha02 pulse")
    until("all is well", lambda: really_well(trial))
    start = kernel.now()
    trial.stage.do("power ha01 off")
    # A datagram every 100 ms: as long as one of them counts as a sign of life, ha01 is never silent for the dead time.
    playing = stranger.keep_sending(stranger.replayed(recorded, "eth1"), 10, together=1)
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02", 3.0)
    assert playing.poll() is None, "the recording was over before"
    never_two(watch(trial, start, 1.0))


@pytest.mark.long
@in_cluster("60ms", "300ms")
def test_garbage_on_the_service_network(trial: Trial) -> None:
    """Broken ARP and neighbour frames are nothing; a false claim to the address is answered, named and survived."""
    stranger, dice = Stranger(trial.stage.room), random.Random(58)
    mac, everybody = stranger.mac("eth0"), "ff:ff:ff:ff:ff:ff"
    own, wanted = bytes.fromhex(mac.replace(":", "")), bytes([192, 168, 58, 100])
    before = Watched(trial)
    frames = []
    for _ in range(COUNT // 5):
        # ARP that names the address in the right place and lies about everything else, in lengths from nothing on.
        whole = bytearray(arp_frame(b"\xff" * 6, own, wanted, wanted)[14:])
        place = dice.choice((0, 1, 2, 3, 4, 5, 6, 7))
        whole[place] = dice.choice((0xFF, 0x7F, 0x10, 9))
        frames.append(ethernet(mac, everybody, 0x0806, bytes(whole)[: dice.choice((0, 7, 8, 14, 18, 27, 28, 28))]))
        frames.append(ethernet(mac, everybody, dice.choice((0x0806, 0x86DD)), dice.randbytes(dice.randrange(100))))
    stranger.send([{"device": "eth0", "frame": frame.hex()} for frame in frames], 4000)
    before.nothing_happened()
    claim = neighbour.announcement(own, ADDRESS)
    stranger.send([{"device": "eth0", "frame": claim.hex()}] * 200, 1000)
    said = f"{mac} claims {ADDRESS}"
    until("the status names the rival", lambda: any(said in text for text in _warnings(trial, "ha01")), 5.0)
    until("the client is back", lambda: trial.stage.watchers.who() == "ha01", 5.0)
    watched = watch(trial, kernel.now(), 1.0)
    assert watched.lost == 0, "the stranger's claim is still believed"
    told = [item.text for item in trial.stage.told() if said in item.text]
    assert 1 <= len(told) <= 3, f"200 claims of one machine are one thing to tell, not {len(told)}"
    assert {name: _processes(trial, name) for name in MEMBERS} == before.processes
    assert _ballot(trial) == before.ballot


def _warnings(trial: Trial, at: str) -> list[str]:
    return list((trial.stage.daemons[at].status() or {}).get("warnings", []))
