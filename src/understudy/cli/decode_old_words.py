"""What machines with Heartbeat 3 say to each other, in words. For people; unknown types and odd values are shown as they are."""

from __future__ import annotations

from collections.abc import Callable

from ..heartbeat3 import OldMessage

Words = Callable[[OldMessage], str]


def who(message: OldMessage) -> tuple[str, str]:
    """The sender and whom it is for, by their names."""
    if message.get("t") == "NS_st":
        return "", message.get("src", "?")
    return message.get("src", "?"), message.get("dest", "all")


def words(message: OldMessage) -> str:
    """One line, without line breaks of its own, except where a field has them."""
    kind = message.get("t")
    if not kind:
        return f"a message without a type: {_listed(message)}"
    tell = WORDS.get(kind)
    number = _number(message.get("seq"), 16)
    text = tell(message) if tell else f"{kind}: {_listed(message)}"
    return f"#{number} {text}" if number is not None else text


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base) if len(text) < 20 else None
    except ValueError:
        return None


def _hex(message: OldMessage, name: str) -> str:
    number = _number(message.get(name), 16)
    return message.get(name, "?") if number is None else str(number)


def _status(message: OldMessage) -> str:
    limit = _number(message.get("dt"), 16)
    after = "" if limit is None else f"; dead after {limit / 1000:g} s of silence"
    return f"heartbeat: {message.get('st', '?')}{after}"


def _resource(message: OldMessage) -> str:
    held = {
        "none": "holds nothing",
        "local": "holds its own groups",
        "foreign": "holds the other's groups",
        "all": "holds all groups",
    }
    said = message.get("rsc_hold")
    text = held.get(said, f"holds {said or '?'}")
    if message.get("rtype") != "full":
        text += " as well"
    if message.has("isstable"):
        text += ", stable" if message.get("isstable") == "1" else ", not stable yet"
    return text + _comment(message)


def _comment(message: OldMessage) -> str:
    return f" ({message.get('info')})" if message.get("info") else ""


def _groups(message: OldMessage) -> str:
    said = message.get("rsc_hold", "?")
    return {"all": "all groups", "local": "its own groups", "foreign": "the other's groups"}.get(
        said, f"groups: {said}"
    )


def _ask_resources(message: OldMessage) -> str:
    asked = _groups(message)
    match message.get("info"):
        case "me":
            return f"standby: would give up {asked}"
        case "other":
            return f"standby: will take them ({message.get('rsc_hold', '?')} of the one who asked)"
        case "done":
            return f"standby: done on this side ({message.get('rsc_hold', '?')})"
        case other:
            return f"standby of {asked}: {other or '?'}"


def _nodes(message: OldMessage) -> str:
    gone = message.get("delnodelist").strip()
    return f"the nodes are {message.get('nodelist').strip() or 'none'}" + (f", without {gone}" if gone else "")


def _answered(message: OldMessage) -> str:
    if message.get("weown") == "yes":
        return f"you may take {message.get('ipaddr', '?')}: it is not running here any more ({message.get('ok', '?')})"
    return f"about {message.get('ipaddr', '?')}: ours {message.get('weown', '?')}, {message.get('ok', '?')}"


def _stonith(message: OldMessage) -> str:
    results = {
        "OK": "was fenced",
        "n_stnth": "was not fenced: no device is configured",
        "unneeded": "need not be fenced",
        "bad": "could not be fenced",
        "badhost": "is unknown to its fence device",
    }
    result = message.get("result")
    return f"{message.get('node', '?')} {results.get(result, f'fencing: {result or chr(63)}')}"


def _client(message: OldMessage) -> str:
    what = {"join": "signs on", "leave": "signs off"}.get(message.get("st"), message.get("st", "?"))
    return f"program {message.get('from_id', '?')} {what}"


def _again(message: OldMessage) -> str:
    first, last = message.get("firstseq", "?"), message.get("lastseq")
    span = f"#{first}" if last in ("", first) else f"#{first} to #{last}"
    return f"please send {span} again"


def _ping(message: OldMessage) -> str:
    return (
        "asks whether it answers"
        if message.get("info") == "ping"
        else f"asks whether one of {message.get('info', 'it')} answers"
    )


WORDS: dict[str, Words] = {
    "status": _status,
    "NS_st": _ping,
    "NS_ackmsg": lambda message: f"has all up to #{_hex(message, 'ackseq')}",
    "NS_rexmit": _again,
    "NS_nak_rexmit": lambda message: f"cannot send #{_hex(message, 'firstseq')} again{_comment(message)}",
    "reqnodes": lambda message: "which nodes are there?",
    "repnodes": _nodes,
    "starting": lambda message: "has come up: what do you hold?",
    "resource": _resource,
    "ask_resources": _ask_resources,
    "hb_takeover": lambda message: f"takeover: the other side shall give up {_groups(message)}",
    "ip-request": lambda message: f"wants {message.get('ipaddr', '?')}",
    "ip-request-resp": _answered,
    "shutdone": lambda message: "has released everything and goes",
    "stonith": _stonith,
    "hbapi-clstat": _client,
    "query-cstatus": lambda message: f"is program {message.get('cn', '?')} there?",
    "respond-cstatus": lambda message: f"program {message.get('cn', '?')} is {message.get('cs', '?')}",
    "num_ping_nodes": lambda message: f"ipfail: reaches {message.get('num_ping', '?')} ping nodes",
    "you_are_dead": lambda message: "ipfail: you reach fewer ping nodes, give up",
    "abort_giveup": lambda message: "ipfail: do not give up, we are equal",
    "addnode": lambda message: f"adds the nodes {message.get('nodelist', message.get('node', '?')).strip()}",
    "delnode": lambda message: f"removes the nodes {message.get('nodelist', message.get('node', '?')).strip()}",
    "setweight": lambda message: f"weight of {message.get('node', '?')}: {message.get('weight', '?')}",
    "setsite": lambda message: f"site of {message.get('node', '?')}: {message.get('site', '?')}",
}
"""By the message's type. The meanings were observed on a real pair; docs/heartbeat.md has the fields."""

_COMMON = frozenset({"t", "src", "dest", "seq", "hg", "ts", "ld", "ttl", "auth"})


def _listed(message: OldMessage) -> str:
    shown = (
        f"{field.name}={field.value}"
        for field in message.fields
        if isinstance(field.value, str) and field.name not in _COMMON
    )
    return " ".join(shown)
