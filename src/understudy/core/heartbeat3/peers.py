"""Who is there: the other node with its links, and ping nodes. Silence is judged only in ``expire``, which ``TimerDue`` calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...effects import Level, Note
from ...heartbeat_files import PingNode
from ...old_pair import GENERATIONS, OldPair
from ...units import MILLISECOND, NEVER, Duration, Instant
from .states import Holding
from .tracking import Track

INIT, UP, ACTIVE, DEAD, PING = "init", "up", "active", "dead", "ping"


@dataclass(slots=True)
class Peer:
    """The other node. ``status``: the old program's word; ``init`` also before it was heard (``heard_at`` None).

    ``dead_time``: as it announced it itself. ``flow``: it takes part in acknowledgements. ``gone``: it said that it has released
    everything and stops. ``returning``: it began anew, so its groups go back to it with ``auto_failback on``.
    ``fresh``: it was seen to start while we ran, so it holds nothing of ours that it did not ask for.
    ``report``: the number of its newest word about what it holds, ``reported``: there was one since it, or we, began.
    ``refused_at``: when it was last heard with a generation that is over, and which one that was.
    ``version``: of Understudy, "" for an old program; ``hears_us``: None where nobody says.
    """

    name: str
    track: Track
    dead_time: Duration
    status: str = INIT
    heard_at: Instant | None = None
    said_at: Instant | None = None
    links: dict[str, Instant] = field(default_factory=dict)
    dead_links: set[str] = field(default_factory=set)
    uuid: bytes = b""
    flow: bool = True
    gone: bool = False
    returning: bool = False
    fresh: bool = False
    held: Holding = Holding.NONE
    took: Holding = Holding.NONE
    stable: bool = False
    report: int = 0
    reported: bool = False
    version: str = ""
    hears_us: bool | None = None
    refused_at: Instant | None = None
    refused_generation: int = 0

    @property
    def alive(self) -> bool:
        """Heard, not dead, and not on its way out."""
        return self.heard_at is not None and self.status != DEAD and not self.gone

    def silent_at(self, initdead: Instant) -> Instant:
        """When it counts as dead, unless it is heard before; ``initdead``: when a node never heard does."""
        if self.status == DEAD:
            return NEVER
        return initdead if self.heard_at is None else self.heard_at + self.dead_time

    def forget(self) -> None:
        """It began anew: nothing that it said of itself before holds."""
        self.gone = self.stable = self.reported = False
        self.held = self.took = Holding.NONE
        self.report = 0
        self.version, self.hears_us = "", None


@dataclass(slots=True)
class Ping:
    """A ping node or group. ``answered_at``: when any of its hosts did last."""

    node: PingNode
    answered_at: Instant
    up: bool = False


def one_uuid(peer: Peer, ours: bytes, me: str) -> str:
    """A sentence when the peer has our UUID, so that the old program takes one for the other; else ""."""
    if not ours or peer.uuid != ours:
        return ""
    return f"{peer.name} has the uuid of {me}: was one machine copied from the other? Remove its hb_uuid while it is stopped"


def out_of_date(peer: Peer, now: Instant) -> str:
    """A sentence while messages of the peer are refused that are from before its last start, by the generation; else ""."""
    if peer.refused_at is None or now >= peer.refused_at + peer.dead_time:
        return ""
    known = peer.track.generation
    return (
        f"{peer.name} is refused: its generation {peer.refused_generation} is below {known}, which was heard before. If it was "
        f"restored or replaced: stop it, write {known} into its hb_generation, start it; or stop this daemon, remove "
        f"{GENERATIONS} in its state directory, start it. If it was not, a recording is played back"
    )


def link_heard(peer: Peer, link: str, arrival: Instant) -> list[Note]:
    """Something came from ``peer`` by ``link``."""
    known = link in peer.links
    peer.links[link] = max(arrival, peer.links.get(link, arrival))
    if known and link not in peer.dead_links:
        return []
    peer.dead_links.discard(link)
    return [Note(f"Link {peer.name}:{link} up.", Level.INFO, "", peer.name)]


def links_silent(peer: Peer, now: Instant) -> list[Note]:
    """The links by which nothing has come for the peer's dead time."""
    found = []
    for link, at in peer.links.items():
        if link not in peer.dead_links and now >= at + peer.dead_time:
            peer.dead_links.add(link)
            found.append(Note(f"Link {peer.name}:{link} dead.", Level.WARNING, "", peer.name))
    return found


def late(peer: Peer, arrival: Instant, pair: OldPair) -> list[Note]:
    """A status has come; the old program warns when it came late."""
    before, peer.said_at = peer.said_at, max(arrival, peer.said_at or arrival)
    if before is None or peer.status == DEAD or arrival - before <= pair.warntime:
        return []
    interval = (arrival - before) // MILLISECOND
    worse = arrival - before > peer.dead_time
    text = f"Late heartbeat: Node {peer.name}: interval {interval} ms{' (> deadtime)' if worse else ''}"
    return [Note(text, Level.ERROR if worse else Level.WARNING, "", peer.name)]


def pinged(pings: list[Ping], answering: tuple[str, ...], now: Instant) -> list[Note]:
    """The ping targets that answered lately. Returns notes for those that came (back) up."""
    found = []
    for ping in pings:
        if not any(host in answering for host in ping.node.hosts):
            continue
        ping.answered_at = now
        if not ping.up:
            ping.up = True
            found.append(Note(f"Status update for node {ping.node.name}: status ping", Level.INFO, "", ping.node.name))
    return found


def pings_silent(pings: list[Ping], limit: Duration, now: Instant) -> list[Note]:
    """The ping nodes that have not answered for ``limit``."""
    found = []
    for ping in pings:
        if ping.up and now >= ping.answered_at + limit:
            ping.up = False
            found.append(Note(f"node {ping.node.name}: is dead", Level.WARNING, "", ping.node.name))
    return found


def next_deadline(peer: Peer | None, pings: list[Ping], pair: OldPair, initdead: Instant) -> Instant:
    """When somebody falls silent."""
    due = min((ping.answered_at + pair.deadping for ping in pings if ping.up), default=NEVER)
    if peer is None:
        return due
    links = (at + peer.dead_time for link, at in peer.links.items() if link not in peer.dead_links)
    return min(due, peer.silent_at(initdead), min(links, default=NEVER))
