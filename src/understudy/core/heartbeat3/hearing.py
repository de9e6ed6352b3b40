"""What arrives: the checks in the order of the old program, then each kind of message to the part that it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import Level
from ...heartbeat3 import OldMessage
from ...old_pair import OldReceived, RememberGeneration, SendOld
from ...units import MILLISECOND, Instant
from . import beginning, healing, ipfail, legacy, operators, peers, saying, standby, succession, upgrade
from .peers import ACTIVE, DEAD, INIT, UP, Peer
from .states import WORDS, Holding, Stage
from .tracking import MOST_NUMBER, Standing

if TYPE_CHECKING:
    from .node import OldNode

LONGEST_DEAD_TIME_MS = 10 * 24 * 3600 * 1000
"""An announced dead time beyond this is an error, or an attempt to be immortal; ours counts instead."""


def number(text: str, base: int) -> int | None:
    """A number as the old program writes it, or None."""
    if not text or len(text) > 16 or not text.isascii() or not text.isalnum():
        return None
    try:
        value = int(text, base)
    except ValueError:
        return None
    return value if value < MOST_NUMBER else None


def received(node: OldNode, event: OldReceived, now: Instant) -> None:
    """One message whose signature holds."""
    message = event.message
    sender, kind = message.get("src").lower(), message.get("t")
    generation = number(message.get("hg", "0"), 16)
    count = number(message.get("seq"), 16)
    unnumbered = kind.startswith("NS_")
    if not sender or not kind or not message.has("ts") or generation is None or (not unnumbered and not count):
        _refuse(node, "incomplete")
        return
    peer = node.peer
    if sender == node.me:
        _from_ourselves(node, message, generation, count or 0)
        return
    if peer is None or sender != peer.name:
        if _refuse(node, "unknown sender"):
            node.note(f"{sender} is not in the configuration, yet it signs with our key", Level.WARNING)
        return
    if unnumbered:
        if not peer.track.unnumbered(generation):
            _refuse(node, "replay")
        elif message.get("dest", node.me).lower() == node.me:
            _protocol(node, peer, kind, message, now)
        return
    _numbered(node, peer, event, (generation, count or 0), now)


def _refuse(node: OldNode, reason: str) -> bool:
    """Counted. Returns whether it is the first of its kind, which is noted."""
    node.rejected[reason] = node.rejected.get(reason, 0) + 1
    return node.rejected[reason] == 1


def _from_ourselves(node: OldNode, message: OldMessage, generation: int, count: int) -> None:
    """Broadcasts come back; but another machine may have our name."""
    ours = generation <= node.outbox.generation and count <= node.outbox.number
    uuid = message.raw("srcuuid")
    if (not ours or (uuid and node.pair.uuid and uuid != node.pair.uuid)) and _refuse(node, "our own name"):
        node.note(f"another machine says that it is {node.me}: two nodes must not have one name", Level.ERROR)


def _numbered(node: OldNode, peer: Peer, event: OldReceived, numbers: tuple[int, int], now: Instant) -> None:
    message = event.message
    generation, count = numbers
    is_status = message.get("t") == "status"
    verdict = peer.track.receive(count, generation, is_status, peer.status == DEAD, now)
    if verdict.standing is Standing.STALE:
        _refuse(node, "replay" if verdict.replay else "old number")
        if verdict.replay:
            known = peers.out_of_date(peer, now)
            peer.refused_at, peer.refused_generation = now, generation
            if not known:
                node.note(peers.out_of_date(peer, now), Level.WARNING, peer.name)
        return
    node.notes(peers.link_heard(peer, event.link, event.arrival))
    if verdict.restarted or peer.heard_at is None:
        _anew(node, peer, message, generation, verdict.restarted, now)
    if verdict.standing is Standing.COPY:
        return
    acknowledge = peer.track.to_acknowledge() if peer.flow else None
    if acknowledge is not None:
        node.say(saying.acknowledgement(peer.name, acknowledge), now)
    if is_status:
        if count == peer.track.status:
            _status(node, peer, event, verdict.returned, verdict.skipped, now)
        else:  # an older one, sent again: it lives, and what it says is over
            peer.heard_at = max(event.arrival, peer.heard_at or event.arrival)
    elif peer.status != DEAD and _for_us(node, message):
        _act(node, peer, message, count, now)


def _anew(node: OldNode, peer: Peer, message: OldMessage, generation: int, restarted: bool, now: Instant) -> None:
    """The peer is heard for the first time, or began anew."""
    node.emit(RememberGeneration(peer.name, generation))
    peer.uuid = message.raw("srcuuid")
    if shared := peers.one_uuid(peer, node.pair.uuid, node.me):
        node.note(shared, Level.ERROR)
    peer.flow = True
    peer.said_at = None
    # Before anything else that we say: an old program that hears another word of ours first takes us for one that has only just
    # started, and with auto_failback legacy it then takes its groups without asking for them.
    node.beat(now)
    if not restarted:
        return
    node.note(f"Heartbeat restart on node {peer.name}", node=peer.name)
    if peer.status != DEAD and not peer.gone:
        standby.cancel(node, f"{peer.name} began anew", now)
    peer.forget()
    node.outbox.forget(peer.name)
    node.fencing.returned(peer.name, now)
    if peer.status == DEAD:
        succession.off(node)
        peer.status = INIT


def _for_us(node: OldNode, message: OldMessage) -> bool:
    uuid = message.raw("destuuid")
    if uuid and any(uuid) and node.pair.uuid:
        return uuid == node.pair.uuid
    return not message.has("dest") or message.get("dest").lower() == node.me


def _status(node: OldNode, peer: Peer, event: OldReceived, returned: bool, skipped: int, now: Instant) -> None:
    message = event.message
    node.notes(peers.late(peer, event.arrival, node.pair))
    silent = event.arrival - peer.heard_at if peer.heard_at is not None else 0
    peer.heard_at = max(event.arrival, peer.heard_at or event.arrival)
    announced = number(message.get("dt"), 16)
    if announced is not None and 0 < announced <= LONGEST_DEAD_TIME_MS:
        peer.dead_time = announced * MILLISECOND
    peer.flow = message.get("protocol") != ""
    _recognise(node, peer, message)
    before, word = peer.status, message.get("st")
    if word not in (INIT, UP, ACTIVE):
        return
    peer.status = word
    peer.fresh = peer.fresh or word != ACTIVE
    if before != word:
        node.note(f"Status update for node {peer.name}: status {word}", node=peer.name)
    if returned:
        node.outbox.forget(peer.name)
        succession.off(node)
        if word == ACTIVE:
            healing.returned(node, peer, skipped, silent, now)


def _recognise(node: OldNode, peer: Peer, message: OldMessage) -> None:
    version = message.get(saying.UNDERSTUDY)
    if not version and message.get("rtype") != "full" and message.get("t") != "status":
        return
    if version and not peer.version:
        node.note(
            f"{peer.name} runs Understudy {version}, too: the pair can go over to the native protocol", node=peer.name
        )
    peer.version = version
    hears = number(message.get(saying.HEARS), 16)
    peer.hears_us = hears == node.outbox.generation if version and hears is not None else None


def _protocol(node: OldNode, peer: Peer, kind: str, message: OldMessage, now: Instant) -> None:
    """Messages without a number: acknowledgements, requests to send again, refusals."""
    if kind == "NS_ackmsg":
        heard = number(message.get("ackseq"), 16)
        if heard is None or not node.outbox.heard_by(peer.name, heard):
            _refuse(node, "impossible acknowledgement")
        else:
            node.outbox.free((peer.name,))
    elif kind == "NS_rexmit":
        first, last = number(message.get("firstseq"), 10), number(message.get("lastseq"), 10)
        if first is None or last is None or peer.status == DEAD:
            return
        _again(node, peer, first, last, now)
    elif kind == "NS_nak_rexmit":
        lost = number(message.get("firstseq"), 16)
        if lost is not None and peer.track.refused(lost):
            node.note(f"{peer.name} no longer has its message {lost:x}, which was lost", Level.WARNING, peer.name)


def _again(node: OldNode, peer: Peer, first: int, last: int, now: Instant) -> None:
    found = node.outbox.asked(peer.name, first, last, now)
    for message in found.messages:
        node.emit(SendOld(message))
    for gone in found.gone:
        node.say(saying.cannot_resend(peer.name, gone, "seqno not found"), now)
    if found.never is not None and _refuse(node, "request for what was never sent"):
        node.note(f"{peer.name} asks for message {found.never:x}, which was never sent", Level.WARNING, peer.name)


def _act(node: OldNode, peer: Peer, message: OldMessage, count: int, now: Instant) -> None:
    kind = message.get("t")
    match kind:
        case "reqnodes":
            node.say(saying.nodes(peer.name, node.pair.nodes), now)
        case "repnodes":
            beginning.listed(node, message, now)
        case "starting":
            peer.report = count
            if not node.legacy:
                beginning.peer_starts(node, peer, now)
        case "resource":
            _reported(node, peer, message, count, now)
        case "ask_resources":
            if node.legacy:
                operators.only_modern(node)
            else:
                standby.heard(node, peer, message, count, now)
        case "hb_takeover":
            operators.taken(node, message, now)
        case "shutdone":
            succession.gone(node, peer, now)
        case "ip-request":
            legacy.requested(node, peer, message.get("ipaddr"), now)
        case "ip-request-resp":
            legacy.answered(node, message, now)
        case "query-cstatus":
            name = message.get("cn")
            online = name == saying.IPFAIL and ipfail.runs(node)
            node.say(saying.client_status(peer.name, name, message.get("from_id"), online), now)
        case "num_ping_nodes" | "you_are_dead" | "abort_giveup":
            ipfail.heard(node, peer, kind, message, now)
        case "hbapi-clstat":
            ipfail.joined(node, peer, message, now)
        case saying.BETWEEN_MANAGERS:
            upgrade.heard(node, peer, message)
        case _:
            pass  # stonith, setweight and others: for people and scripts


def _reported(node: OldNode, peer: Peer, message: OldMessage, count: int, now: Instant) -> None:
    """What the peer holds. An older word than the newest that we know is a message that had to be sent again."""
    held = WORDS.get(message.get("rsc_hold"))
    if node.legacy or held is None or count < peer.report:
        return
    _recognise(node, peer, message)
    if message.get("rtype") == "full":
        peer.report = count
        peer.held, peer.reported = held, True
        peer.took = WORDS.get(message.get(saying.TOOK), Holding.NONE)
    else:
        peer.held |= held
    if message.has("isstable"):
        peer.stable = message.get("isstable") == "1"
    if message.get("info") == "shutdown":
        peer.stable = False
        healing.restarts(node)
    if message.get("rtype") == "full":
        standby.reported(node, peer, message.get(saying.STANDBY), count, now)
    if node.stage in (Stage.STARTING, Stage.WAITING):
        beginning.heard_report(node, peer, message.get("info"), now)
    else:
        healing.compare(node, peer, now)


def dead(node: OldNode, peer: Peer, now: Instant) -> None:
    """The peer was silent for its dead time."""
    never = peer.heard_at is None
    peer.status = DEAD
    peer.track.reset()
    node.outbox.forget(peer.name)
    node.note(f"node {peer.name}: is dead", Level.WARNING, peer.name)
    if not never:
        node.notes(peers.links_silent(peer, now))
    standby.cancel(node, f"{peer.name} is dead", now)
    ipfail.cancel(node)
    succession.died(node, peer, now)
