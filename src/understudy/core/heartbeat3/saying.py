"""The messages of the old protocol, each as its own fields in the order in which the old program writes them."""

from __future__ import annotations

from ...heartbeat3 import Field, OldMessage, text_fields
from ...messages import Inquiry, Page
from ...units import MILLISECOND, Duration
from .states import Holding

Own = tuple[Field, ...]
"""Fields of one message, without those that all have (``outbox.Outbox.finish``)."""

UNDERSTUDY = "understudy"
"""The field by which two of us recognise each other; an old peer passes over what it does not know. Its value is a version."""

HEARS = "hears"
"""The generation of the other node as long as it is heard, else 0. Ours only, as ``TOOK``."""

TOOK = "took"
"""What of the groups held was taken because the other node was silent."""

STANDBY = "standby"
"""The state of a hand-over, as its sender sees it; ours only."""

ACCEPTS = "accepts"
"""The indices of authkeys with which the other node may sign."""

IPFAIL = "ipfail"

BETWEEN_MANAGERS = "understudy"
"""The type of a message from one manager to the other. Only one of us ever gets any."""


def status(word: str, dead_time: Duration, version: str, hears: int, accepts: tuple[int, ...] = ()) -> Own:
    own = text_fields(t="status", st=word, dt=f"{dead_time // MILLISECOND:x}", protocol="1")
    keys = {ACCEPTS: " ".join(map(str, accepts))} if accepts else {}
    return own + text_fields(**{UNDERSTUDY: version, HEARS: f"{hears:x}", **keys})


def acknowledgement(dest: str, number: int) -> Own:
    return text_fields(t="NS_ackmsg", dest=dest, ackseq=f"{number:x}")


def please_resend(dest: str, number: int) -> Own:
    return text_fields(t="NS_rexmit", dest=dest, firstseq=str(number), lastseq=str(number))


def cannot_resend(dest: str, number: int, why: str) -> Own:
    return text_fields(t="NS_nak_rexmit", dest=dest, firstseq=f"{number:x}", info=why)


def ask_for_nodes(dest: str) -> Own:
    return text_fields(t="reqnodes", dest=dest)


def nodes(dest: str, names: tuple[str, ...]) -> Own:
    listed = "".join(f"{name} " for name in names) or " "
    return text_fields(dest=dest, t="repnodes", nodelist=listed, delnodelist=" ")


def starting() -> Own:
    return text_fields(t="starting")


def resource(held: Holding, stable: bool, info: str, ours: dict[str, str]) -> Own:
    """``ours``: fields of our own behind those of the old program."""
    own = text_fields(t="resource", rsc_hold=held.word, rtype="full", isstable="1" if stable else "0")
    if info:
        own += text_fields(info=info)
    return own + text_fields(**ours)


def taken_over() -> Own:
    """What the old script says last, after a dead node's groups were taken."""
    return text_fields(t="resource", rsc_hold="foreign", info="mach_down")


def standby(what: Holding, info: str) -> Own:
    return text_fields(t="ask_resources", rsc_hold=what.word, info=info)


def takeover(what: Holding) -> Own:
    return text_fields(t="hb_takeover", rsc_hold=what.word)


def shut_down() -> Own:
    return text_fields(t="shutdone", st="dead")


def stonith(node: str, result: str) -> Own:
    return text_fields(t="stonith", node=node, result=result)


def give_me(key: str) -> Own:
    return text_fields(t="ip-request", ipaddr=key)


def given(dest: str, key: str, owned: bool) -> Own:
    return text_fields(t="ip-request-resp", dest=dest, ipaddr=key, weown="yes" if owned else "no", ok="OK")


def client(status_word: str, info: str) -> Own:
    """ipfail signs on or off."""
    return text_fields(t="hbapi-clstat", st=status_word, from_id=IPFAIL, to_id=IPFAIL, info=info, client_gen="0")


def client_status(dest: str, name: str, asker: str, online: bool) -> Own:
    state = "online" if online else "offline"
    return text_fields(t="respond-cstatus", dest=dest, result="OK", cn=name, to_id=asker, cs=state)


def ping_count(dest: str, count: int) -> Own:
    return text_fields(t="num_ping_nodes", num_ping=str(count), dest=dest, from_id=IPFAIL, to_id=IPFAIL, client_gen="0")


def to_ipfail(kind: str, dest: str) -> Own:
    """``you_are_dead`` or ``abort_giveup``."""
    return text_fields(t=kind, dest=dest, from_id=IPFAIL, to_id=IPFAIL, client_gen="0")


def between_managers(message: Inquiry | Page) -> Own:
    """Numbered as all others: what was lost is sent again, and a recording of it is refused."""
    own = text_fields(t=BETWEEN_MANAGERS, dest=message.to, request=str(message.request))
    if isinstance(message, Page):
        return own + text_fields(ok="yes" if message.ok else "no", text=message.text)
    return own + text_fields(topic=message.topic, text=message.text)


def from_manager(message: OldMessage, me: str) -> Inquiry | Page | None:
    """What ``between_managers`` wrote; None when it makes no sense."""
    request = message.get("request")
    if not (request.isascii() and request.isdigit() and len(request) < 20):
        return None
    if message.has("topic"):
        return Inquiry(me, int(request), message.get("topic"), message.get("text"))
    return Page(me, int(request), message.get("ok") == "yes", message.get("text"))
