"""One line of text for everything that acts; shared by the scenario files and ``understudy sim --story``.

Heartbeats, echoes and renewals of a lease that runs already are left out: they are the background in which the rest
happens. Ballots are long numbers, so each gets a short name in the order of appearance (b1, b2 ...).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from .. import effects as wish
from ..effects import Effect, Level
from ..messages import Answer, Ask, Bid, BidAnswer, Echo, Heartbeat, Inquiry, Message, Page, Release
from ..model import AddressResource
from ..snapshot import NodeStatus, Snapshot
from ..units import MILLISECOND, SECOND, Duration, format_duration
from .host import Host
from .world import Observer, WorldTime


def short(value: Duration) -> str:
    """A duration rounded to a tenth of a millisecond."""
    return format_duration(round(value, -5))


def moment(when: WorldTime) -> str:
    """Seconds since the beginning, to the millisecond."""
    return f"{when // SECOND}.{when % SECOND // MILLISECOND:03d}"


class Wording:
    """Says effects and messages, with short names for ballots."""

    def __init__(self) -> None:
        self._ballots: dict[int, str] = {}

    def ballot(self, number: int) -> str:
        return self._ballots.setdefault(number, f"b{len(self._ballots) + 1}")

    def message(self, message: Message) -> str | None:
        """What a message says, or None for the background."""
        match message:
            case Heartbeat() | Echo():
                return None
            case Bid():
                after = f" after {self.ballot(message.after)}" if message.after else ""
                return f"bid for {message.group} with {self.ballot(message.ballot)}{after}"
            case BidAnswer():
                ballot = self.ballot(message.ballot)
                if message.granted:
                    return f"grant {message.group} {ballot} to {message.bidder}"
                wait = f", wait {short(message.wait)}" if message.wait else ""
                return f"refuse {message.group} {ballot} to {message.bidder}: {message.why}{wait}"
            case Release():
                successor = f" to {message.successor}" if message.successor else ""
                state = "stopped" if message.stopped else "not yet stopped"
                return f"release {message.group} {self.ballot(message.ballot)}{successor}, {state}"
            case Ask():
                return f"ask {message.to}: {' '.join(filter(None, (message.verb, message.group, message.target)))}"
            case Inquiry() | Page():
                return f"{type(message).__name__.lower()} to {message.to}"
            case Answer():
                return f"answer {message.to}: {'yes' if message.ok else 'no'}, {message.text}"
            case _:
                assert_never(message)

    def effect(self, effect: Effect, renewal: bool, left: Duration) -> str | None:
        """What an effect does, or None for the background. ``renewal``: the kernel lease ran already; ``left``: how long now."""
        match effect:
            case wish.Send(message, to, link):
                said = self.message(message)
                target = f" -> {to or 'all'}{f' by {link}' if link else ''}"
                return None if said is None else said + target
            case wish.KernelLease(group, until, why):
                if until is not None and left > 0:
                    return None if renewal else f"kernel lease {group} for {short(left)}: {why}"
                return f"kernel lease {group} ends: {why}"
            case wish.AddAddresses(_, _, addresses, why):
                return f"add {_names(addresses)}: {why}"
            case wish.RemoveAddresses(_, _, addresses, why):
                return f"remove {_names(addresses)}: {why}"
            case wish.Announce(addresses, why):
                return f"announce {_names(addresses)}: {why}"
            case wish.ProbeAddresses(_, _, addresses, limit, why):
                return f"probe {_names(addresses)} for {short(limit)}: {why}"
            case wish.RunAgent(_, _, resource, action, _, ballot, why, _, former):
                resource = f"the former {resource}" if former else resource
                return f"{action.value} {resource} ({self.ballot(ballot) if ballot else 'no ballot'}): {why}"
            case wish.RunProbes(_, probes, why):
                return f"ask {' '.join(name for name, _ in probes) or 'no probes'}: {why}"
            case wish.Fence(_, node, devices, action, _, why):
                return f"fence {node} {action.value} with {' '.join(devices)}: {why}"
            case wish.FeedWatchdog():
                return None
            case wish.CloseWatchdog(why):
                return f"watchdog closed: {why}"
            case wish.Reply(_, ok, text):
                return f"reply {'yes' if ok else 'no'}: {text}"
            case wish.Note(why, level):
                return f"{'note' if level is Level.INFO else level.value}: {why}"
            case wish.Deliver(sender, message):
                return f"{type(message).__name__.lower()} of {sender} for the manager"
            case wish.SaveStandby(standby, draining):
                return f"save standby {'on' if standby else 'off'}{', draining' if draining else ''}"
            case wish.Settled():
                return "forget the former configuration"
            case wish.SaveWishes(wishes):
                words = [f"{item.group or 'all groups'} {item.kind.value}" for item in wishes]
                return f"save wishes: {', '.join(words)}"
            case wish.Quit(why):
                return f"quit: {why}"
            case _:
                assert_never(effect)


def _names(addresses: tuple[AddressResource, ...]) -> str:
    return " ".join(item.address for item in addresses)


class Story(Observer):
    """Writes everything that acts as lines ``TIME NODE TEXT``; what no core decided is marked by ``*``."""

    def __init__(self, write: Callable[[str], None], width: int = 7) -> None:
        self._write = write
        self._width = width
        self._wording = Wording()

    def happened(self, host: Host | None, text: str) -> None:
        if host is not None:
            self._line(host, f"* {text}")

    def wished(self, host: Host, effect: Effect) -> None:
        renewal, left = False, 0
        if isinstance(effect, wish.KernelLease):
            now = host.reading
            renewal = host.kernel.serves(effect.group, now)
            left = 0 if effect.until is None else effect.until - now
            if not renewal and left <= 0:
                return
        text = self._wording.effect(effect, renewal, left)
        if text is not None:
            self._line(host, text)

    def _line(self, host: Host, text: str) -> None:
        self._write(f"{moment(host.world.now):>8} {host.name:<{self._width}} {text}")


def status_lines(found: Snapshot) -> list[str]:
    """What one node says of the cluster."""
    lines = [f"quorum: {found.quorum.text}"]
    lines += [f"node {n.name}: {n.state}{f' via {n.via}' if n.via else ''}{_standing(n)}" for n in found.nodes]
    for group in found.groups:
        lines.append(f"group {group.name}: {group.state} on {group.holder or 'nobody'}: {group.why}")
        lines += [f"  not on {name}: {why}" for name, why in group.not_on.items()]
        lines += [f"  {r.id}: {r.state}{f', {r.text}' if r.text else ''}" for r in group.resources]
        lines += [f"  probe {p.name}: {p.state}{f', {p.failure}' if p.failure else ''}" for p in group.probes]
    return lines + [f"warning: {text}" for text in found.warnings]


def _standing(node: NodeStatus) -> str:
    standing = ", draining" if node.draining else ", standby" if node.standby else ""
    return f"{standing}, {'being stopped' if node.state == 'up' else 'stopped'}" if node.leaving else standing
