"""Exclusive programs: never on two machines, never started on a guess, and nobody says "stopped" of what is there.

Three checks, from outside the core and by what really happened:

1. *Two programs.* A program is started while another machine runs it, as part of whatever group.
   Forgiven only if that machine was unable to stop it lately: frozen, starved, without its daemon or manager, or an agent of it
   failed or did not answer; and only if it has neither a fence device nor a watchdog: with one of them there is always proof, and
   nothing is forgiven. What ended well forgives nothing.
2. *Started too early.* A machine that became the holder of a group gives every machine that ran the program the group's
   ``stop_timeout`` (where it has neither device nor watchdog), unless that machine has said, after its program ended, that
   everything of the group has stopped
   (DESIGN, "Proof of stop"). Nothing forgives this: neither a restart of the starter's daemon during the wait, nor that
   the other machine was frozen, nor that by luck its program was not running any more. The time counts from when the
   starter became a holder of the group; letting go and taking again with nobody between does not begin it anew, as
   nobody else got the right to start anything.
3. *A false word.* A release, or a heartbeat, says "stopped" while an address or a program of the group is there.
"""

from __future__ import annotations

from collections.abc import Callable

from ..changes import same_run
from ..effects import Action, Send
from ..events import Outcome
from ..messages import Heartbeat, NodeState, Phase, Release
from ..model import AddressResource, Cluster, Quorum, Resource
from ..units import Duration
from .host import Host
from .world import World, WorldTime

DISABLING = ("freeze", "thaw", "starv", "flood", "kill", "the pulse", "manager", "addresses were not")
"""How it begins, what is told of a machine that may be unable for a while to stop what it runs."""


def disables(text: str) -> bool:
    """Whether a machine of which ``text`` is told may be unable for a while to stop a program.

    What an agent did well, or did not begin, hinders nothing; nor does a loss of power, which leaves nothing that runs.
    """
    if text.startswith(DISABLING):
        return True
    stop_failed = text.startswith("stop ") and not text.endswith(": ok")
    asked = text.startswith(tuple(f"{action.value} " for action in Action))
    return stop_failed or (asked and text.endswith((f": {Outcome.UNKNOWN.value}", "(the answer is lost)")))


class Stops:
    """``report`` takes a kind and a sentence."""

    def __init__(self, report: Callable[[World, str, str], None]) -> None:
        self._report = report
        self._runs: dict[tuple[str, str], dict[str, bool]] = {}
        self._unable: dict[str, WorldTime] = {}
        self._ran: dict[tuple[str, str], WorldTime] = {}
        self._said: dict[tuple[str, str], WorldTime] = {}
        self._since: dict[str, dict[str, WorldTime]] = {}

    def happened(self, host: Host, text: str) -> None:
        if disables(text):
            self._unable[host.name] = host.world.now

    def lease_begins(self, host: Host, group: str) -> None:
        """The machine's kernel serves the group from now on, after it did not."""
        since = self._since.setdefault(group, {})
        since.setdefault(host.name, host.world.now)
        for name in [name for name in since if name != host.name and not host.world.hosts[name].serves(group)]:
            del since[name]

    def programs_changed(self, host: Host, group: str, resource: str, running: bool) -> None:
        now = host.world.now
        item = next(item for item in host.world.known[group].resources if item.id == resource)
        places = self._runs.setdefault((group, resource), {})
        places[host.name] = running
        if not item.exclusive:
            return
        if not running:
            self._ran[group, host.name] = now
            return
        for name, other in self._elsewhere(host, group, item):
            if not self._was_unable(host.world, name, other):
                of = "" if other == group else f" as part of {other}"
                text = f"{group}: {host.name} starts {resource} while {name} runs it{of}"
                self._report(host.world, "two-programs", text)
        self._too_early(host, group, resource, places)

    def _elsewhere(self, host: Host, group: str, item: Resource) -> list[tuple[str, str]]:
        """Machines that run the same program, and as part of which group. A file may have moved it from one to another."""
        found = []
        for (other, resource), places in self._runs.items():
            theirs = next(each for each in host.world.known[other].resources if each.id == resource)
            same = resource == item.id or (theirs.exclusive and same_run(theirs, item))
            if (other == group and resource == item.id) or (other != group and same):
                found += [(name, other) for name, runs in places.items() if runs and name != host.name]
        return found

    def _was_unable(self, world: World, name: str, group: str) -> bool:
        if provable(world.everybody, name):
            return False
        host, unable = world.hosts[name], self._unable.get(name)
        grace = 2 * world.known[group].stop_timeout
        if not host.awake or not host.manager.up or (unable is not None and world.now - unable < grace):
            return True
        return apart_lately(world, grace)

    def _too_early(self, host: Host, group: str, resource: str, places: dict[str, bool]) -> None:
        now = host.world.now
        waited = now - self._since.get(group, {}).get(host.name, now)
        # The machine waits by its own clock, which may run faster than the world's by as much as ``Cluster.margin`` covers.
        if waited >= host.world.known[group].stop_timeout * 99 // 100:
            return
        for name, runs in places.items():
            if name == host.name or provable(host.world.everybody, name):
                continue
            ended, said = self._ran.get((group, name)), self._said.get((group, name))
            if runs or (ended is not None and (said is None or said < ended)):
                text = f"{group}: {host.name} starts {resource} and {name} has not said that its own has stopped"
                self._report(host.world, "started-too-early", text)

    def wished(self, host: Host, effect: Send) -> None:
        message = effect.message
        if isinstance(message, Heartbeat):
            self._heartbeat(host, message.state)
        elif isinstance(message, Release) and message.stopped:
            self._stopped(host, message.group)

    def _heartbeat(self, host: Host, state: NodeState) -> None:
        if not state.groups:
            return
        held = {hold.group for hold in state.holds if not hold.bidding}
        for report in state.groups:
            if report.phase is Phase.STOPPED and report.group not in held:
                self._stopped(host, report.group)

    def _stopped(self, host: Host, group: str) -> None:
        self._said[group, host.name] = host.world.now
        if host.catching_up:
            return
        for item in host.world.known[group].resources:
            if isinstance(item, AddressResource):
                there = item.address in host.kernel.addresses
            else:
                there = host.manager.running.get((group, item.id), False)
            if there:
                self._report(
                    host.world, "false-word", f"{host.name} says that {group} has stopped, but {item.id} has not"
                )


def provable(cluster: Cluster, name: str) -> bool:
    """Whether there is proof of stop for that machine even when it cannot speak: a fence device, or a watchdog."""
    return bool(cluster.fence_levels(name)) or bool(cluster.member(name).watchdog and cluster.watchdog_timeout)


def settle_time(cluster: Cluster) -> Duration:
    """How long after two machines of a pair can reach each other again both may still serve a group.

    A machine that lives lets go at the first heartbeat of the other (at most two are needed if one has restarted); one
    that does not live serves to the end of its kernel lease, at most a dead time.
    """
    return cluster.dead_time + 2 * cluster.heartbeat


def apart_lately(world: World, within: Duration) -> bool:
    """Whether the two machines of a pair could not reach each other at some time within the last ``within``."""
    if world.cluster.quorum is not Quorum.PAIR:
        return False
    apart = world.network.last_apart()
    return apart is not None and world.now - apart < within
