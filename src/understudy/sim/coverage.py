"""What a run went through: every kind of trouble, and every branch of the code that decides about leases and proofs.

A search that never meets a case proves nothing about it. So what must be met is written down here (``EXPECTED``), and a
search says what it missed.
"""

from __future__ import annotations

from collections import Counter

from .. import effects as wish
from ..effects import Effect, FenceAction
from ..events import Event, LeaseRefused, Outcome, ProbeAnswered, RivalSeen, Stalled, Started
from ..events import Finished as FinishedEvent
from ..messages import Bid, BidAnswer, Message, Release
from .host import Host
from .world import Observer, World

NOTES = {
    "holds the lease": "lease: a bid won",
    "took up again what": "lease: adopted after a restart",
    "the lease ended": "lease: lapsed",
    "holds it too, with the higher ballot": "lease: the lower ballot gave way",
    "gave way": "lease: on two machines at once",
    "released ballot": "lease: released",
    "released although parts did not stop": "lease: released with parts left that may run twice",
    "failed: no majority answered": "bid failed: nobody answered",
    "promised to": "bid failed: a promise stood",
    "a higher ballot was granted": "bid failed: a higher ballot",
    "has just started and may have promised": "bid failed: a voter was quiet",
    "not taken over although": "pair: an address still answered",
    "exclusive parts wait: no proof": "proof: missing",
    "said itself that it has stopped": "proof: its own word",
    "the stop timeout has passed: that is the proof": "proof: the stop timeout",
    "its watchdog has reset it: that is the proof": "proof: its watchdog",
    "that is the proof of stop": "proof: a fence device or a human",
    "lives and has not said": "proof: not by time, it lives",
    "is to be fenced": "fence: wished",
    "need not be fenced any more": "fence: not needed any more",
    "fencing of": "fence: failed",
    "the next level follows": "fence: the next level",
    "all levels have failed": "fence: all levels failed",
    "came back while the device was": "fence: came back meanwhile",
    "is off: confirmed by": "fence: confirmed",
    "does not fence a": "fence: not one that it has not met",
    "does not stop on it": "fence: a stop that hangs",
    "needs its vote": "fence: for a vote",
    "did not say within the stop timeout": "fence: no word in time",
    "may still run on it, and nothing": "fence: lost with a group",
    "confirm that it is off": "fence: heard after off",
    "was late by": "membership: late itself",
    "is lost: silent": "membership: lost",
    "heard through": "membership: heard through another",
    "is here with a new incarnation": "membership: a new incarnation",
    "runs with another configuration": "membership: another file",
    "counts other voters": "membership: other voters",
    "until every member runs with the new voters": "voters: two sets are counted",
    "every member runs with the new voters:": "voters: the old set is dropped",
    "change of the voters is taken back": "voters: taken back",
    "change of the voters waits": "voters: waits",
    "was removed on": "address: put back",
    "claims": "address: a rival",
    "counts as stopped, although its stop failed": "stop: failed, and a look says that it is over",
    "did not stop (": "stop: failed",
    "this node gives up": "resource: gave up",
    "all its probes say so": "probe: all up",
    "restarted here": "resource: restarted",
    "it goes with": "placement: goes with another",
    "the two stay apart": "placement: stays apart",
    "leaves": "placement: leaves",
    "was asked to stop and hands": "operator: clean stop",
    "moves it from": "operator: move",
    "into standby": "operator: standby",
    "refuses its lease": "lease: the kernel refused",
}
"""Parts of the sentences that nodes say, and what they show; the first that fits counts."""

_DATAGRAMS = ("sent", "lost", "cut", "duplicated", "overtaken", "replayed")

KEPT_OUT = frozenset({"fence: heard after off", "address: a rival"})
"""Not to be met in the search: devices do not lie in it, and no stranger is there. Tests do these."""

RARE, SEEDS_FOR_RARE = frozenset({"proof: its watchdog"}), 5_000
"""Met once in some thousand seeds, as a machine must be reset while its group waits for just that: so many have to meet it."""

EXPECTED = frozenset(NOTES.values()) - KEPT_OUT | {
    "message: bid",
    "message: grant",
    "message: refusal: promised",
    "message: refusal: quiet",
    "message: refusal: higher ballot",
    "message: release",
    "message: release to a successor",
    "lease begins",
    "lease ends early",
    "start: with a kernel lease",
    "start: with a watchdog that ran",
    "probe: down",
    "operation: failed",
    "operation: unknown",
    "operation: not running",
    "fence: off",
    "fence: on",
    "watchdog: fed",
    "watchdog: fed by the kernel",
    "watchdog: closed",
    "watchdog: reset",
    "address: asked",
    "placement: no room",
    "stages: starts together",
    "stages: stops together",
    "stalled",
    "kernel lease refused",
    *(f"datagrams: {name}" for name in _DATAGRAMS),
}


class Coverage(Observer):
    """Counts, by name."""

    heeds = (
        wish.Note,
        wish.Send,
        wish.KernelLease,
        wish.ProbeAddresses,
        wish.Fence,
        wish.FeedWatchdog,
        wish.CloseWatchdog,
        wish.RunAgent,
    )

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str) -> None:
        """Once more."""
        self.counts[name] += 1

    def happened(self, host: Host | None, text: str) -> None:
        if text.startswith("power off by its watchdog"):
            self.counts["watchdog: reset"] += 1
        elif text.startswith("watchdog fed by the kernel"):
            self.counts["watchdog: fed by the kernel"] += 1

    def told(self, host: Host, event: Event) -> None:
        match event:
            case Started(kernel_leases=leases, watchdog_ran=ran):
                self.counts["start: with a kernel lease"] += bool(leases)
                self.counts["start: with a watchdog that ran"] += ran
            case Stalled():
                self.counts["stalled"] += 1
            case FinishedEvent(_, outcome) if outcome is not Outcome.OK:
                self.counts[f"operation: {outcome.value}"] += 1
            case LeaseRefused():
                self.counts["kernel lease refused"] += 1
            case ProbeAnswered(up=False):
                self.counts["probe: down"] += 1
            case RivalSeen():
                self.counts["address: a rival"] += 1
            case _:
                pass

    def wished(self, host: Host, effect: Effect) -> None:
        match effect:
            case wish.Note(why):
                self._note(why)
            case wish.Send(message):
                self._sent(message)
            case wish.KernelLease(group, until, _):
                runs = host.kernel.serves(group, host.reading)
                if until is not None and not runs:
                    self.counts["lease begins"] += 1
                elif until is None and runs:
                    self.counts["lease ends early"] += 1
            case wish.ProbeAddresses():
                self.counts["address: asked"] += 1
            case wish.Fence(action=action):
                self.counts["fence: off" if action is FenceAction.OFF else "fence: on"] += 1
            case wish.FeedWatchdog():
                self.counts["watchdog: fed"] += 1
            case wish.CloseWatchdog():
                self.counts["watchdog: closed"] += 1
            case wish.RunAgent(action=action):
                self.counts[f"agent: {action.value}"] += 1
            case _:
                pass

    def _sent(self, message: Message) -> None:
        match message:
            case Bid():
                self.counts["message: bid"] += 1
            case BidAnswer(granted=granted, why=why):
                self.counts["message: grant" if granted else f"message: refusal: {_reason(why)}"] += 1
            case Release(successor=successor):
                self.counts["message: release to a successor" if successor else "message: release"] += 1
            case _:
                pass

    def _note(self, why: str) -> None:
        for part, name in NOTES.items():
            if part in why:
                self.counts[name] += 1

    def finish(self, world: World) -> None:
        """Add what the world itself has counted."""
        for host in world.hosts.values():
            for reason, count in host.rejected.items():
                self.counts[f"datagrams: rejected, {reason}"] += count
        for name in _DATAGRAMS:
            self.counts[f"datagrams: {name}"] += getattr(world.network.counts, name)
        for kind, count in world.kinds.items():
            self.counts[f"trouble: {kind}"] += count
        for host in world.hosts.values():
            if host.core is not None:
                groups = host.core.snapshot(host.reading).groups
                reasons = (why for group in groups for why in group.not_on.values())
                self.counts["placement: no room"] += sum(why.startswith("no room") for why in reasons)


def _reason(why: str) -> str:
    if "promised to" in why:
        return "promised"
    return "quiet" if "has just started" in why else "higher ballot"


def missed(counts: dict[str, int], kinds: tuple[str, ...], seeds: int) -> list[str]:
    """What a search of so many seeds should have met and did not."""
    wanted = EXPECTED | {f"trouble: {kind}" for kind in kinds}
    if seeds < SEEDS_FOR_RARE:
        wanted -= RARE
    return sorted(name for name in wanted if not counts.get(name))
