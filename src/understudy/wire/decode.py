"""Bodies of datagrams into messages. Never raises, whatever the bytes. ``layout`` describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError
from typing import TypeAlias

from ..messages import (
    Answer,
    Ask,
    Bid,
    BidAnswer,
    Echo,
    GroupReport,
    Heard,
    Heartbeat,
    Hold,
    Inquiry,
    Message,
    NodeState,
    Page,
    Release,
    Unfinished,
    Vote,
    Wish,
)
from ..units import Duration
from .layout import (
    ANSWER_LAYOUT,
    ASK_LAYOUT,
    BID_ANSWER_LAYOUT,
    BID_LAYOUT,
    DRAIN_LAYOUT,
    ECHO_LAYOUT,
    FLAG_BIDDING,
    FLAG_FIT,
    FLAG_GRANTED,
    FLAG_HAS_SUCCESSOR,
    FLAG_OK,
    FLAG_QUIET,
    FLAG_STANDBY,
    FLAG_STOPPED,
    FLAG_SURE,
    HEARD_LAYOUT,
    HOLD_LAYOUT,
    INQUIRY_LAYOUT,
    KIND_ANSWER,
    KIND_ASK,
    KIND_BID,
    KIND_BID_ANSWER,
    KIND_ECHO,
    KIND_HEARTBEAT,
    KIND_INQUIRY,
    KIND_PAGE,
    KIND_RELEASE,
    LEAVING_LAYOUT,
    NAME_LAYOUT,
    PAGE_LAYOUT,
    PHASES,
    RANK_LAYOUT,
    RELEASE_LAYOUT,
    REPORT_LAYOUT,
    SECTION_DRAIN,
    SECTION_FIELDS,
    SECTION_GROUPS,
    SECTION_HEARD,
    SECTION_HOLDS,
    SECTION_LAST,
    SECTION_LAYOUT,
    SECTION_LEAVING,
    SECTION_NOT_UP,
    SECTION_RANKS,
    SECTION_REACHES,
    SECTION_RELAYED,
    SECTION_STATE,
    SECTION_UNFINISHED,
    SECTION_VOTERS,
    SECTION_VOTES,
    SECTION_WATCHDOG,
    SECTION_WISHES,
    STATE_LAYOUT,
    UNFINISHED_LAYOUT,
    VOTE_LAYOUT,
    VOTERS_LAYOUT,
    WATCHDOG_LAYOUT,
    WISH_LAYOUT,
    WISHES,
)
from .reject import Reason, Reject


class _Malformed(Exception):
    """Never leaves this file."""


_Sections: TypeAlias = dict[int, bytes]


def decode(body: bytes) -> Message | Reject:
    """The message of a body. Never raises, for any bytes.

    ``unknown-message``: a kind that a later version may have added. ``malformed``: anything that ``encode`` of any version
    would not write: a length past the end, bytes left over in a known section, an unknown flag or phase, bad UTF-8, a
    section that is missing or comes twice.
    """
    if not body:
        return _MALFORMED
    decoder = _DECODERS.get(body[0])
    if decoder is None:
        return _UNKNOWN_MESSAGE
    try:
        return decoder(body)
    except (_Malformed, StructError, UnicodeDecodeError):
        return _MALFORMED


_MALFORMED = Reject(Reason.MALFORMED)
_UNKNOWN_MESSAGE = Reject(Reason.UNKNOWN_MESSAGE)


def _split(data: bytes, at: int) -> list[tuple[int, bytes]]:
    """All sections from ``at`` to the end of ``data``, in their order, also those of unknown types."""
    found = []
    size = len(data)
    while at < size:
        kind, length = SECTION_LAYOUT.unpack_from(data, at)
        at += 3
        if at + length > size:
            raise _Malformed
        found.append((kind, data[at : at + length]))
        at += length
    return found


def _once(data: bytes, at: int) -> _Sections:
    """Sections of which each type may come once."""
    pairs = _split(data, at)
    sections = dict(pairs)
    if len(sections) != len(pairs):
        raise _Malformed
    return sections


def _fields(body: bytes) -> bytes:
    return _present(_once(body, 1))


def _present(sections: _Sections) -> bytes:
    content = sections.get(SECTION_FIELDS)
    if content is None:
        raise _Malformed
    return content


def _names(data: bytes, at: int, *sizes: int) -> list[str]:
    """Strings that fill the rest of ``data`` exactly."""
    names = []
    for size in sizes:
        names.append(str(data[at : at + size], "utf-8"))
        at += size
    if at != len(data):
        raise _Malformed
    return names


def _flags(value: int, known: int) -> int:
    if value & ~known:
        raise _Malformed
    return value


def _decode_heartbeat(body: bytes) -> Heartbeat:
    own: NodeState | None = None
    relayed = []
    for kind, content in _split(body, 1):
        if kind == SECTION_RELAYED:
            relayed.append(_decode_state(content))
        elif kind == SECTION_STATE:
            if own is not None:
                raise _Malformed
            own = _decode_state(content)
    if own is None:
        raise _Malformed
    return Heartbeat(own, tuple(relayed))


def _decode_state(data: bytes) -> NodeState:
    sections = _once(data, 0)
    fields = sections.get(SECTION_FIELDS)
    if fields is None:
        raise _Malformed
    incarnation, number, sent_at, dead_time, flags, *sizes = STATE_LAYOUT.unpack_from(fields)
    _flags(flags, FLAG_QUIET | FLAG_STANDBY)
    node, digest = _names(fields, STATE_LAYOUT.size, *sizes)
    leaving = _decode_leaving(sections.get(SECTION_LEAVING))
    # Most sections are absent from most states, and every heartbeat comes by here.
    return NodeState(
        node,
        incarnation,
        number,
        sent_at,
        dead_time,
        digest,
        flags & FLAG_QUIET != 0,
        flags & FLAG_STANDBY != 0 and leaving != 1,
        _decode_holds(sections[SECTION_HOLDS]) if SECTION_HOLDS in sections else (),
        _decode_votes(sections[SECTION_VOTES]) if SECTION_VOTES in sections else (),
        _decode_heard(sections[SECTION_HEARD]) if SECTION_HEARD in sections else (),
        _decode_reports(sections[SECTION_GROUPS]) if SECTION_GROUPS in sections else (),
        _decode_watchdog(sections.get(SECTION_WATCHDOG)),
        _decode_wishes(sections[SECTION_WISHES]) if SECTION_WISHES in sections else (),
        _decode_drain(sections.get(SECTION_DRAIN)),
        _decode_names(sections[SECTION_NOT_UP]) if SECTION_NOT_UP in sections else (),
        _decode_names(sections[SECTION_REACHES]) if SECTION_REACHES in sections else None,
        *_decode_voters(sections.get(SECTION_VOTERS)),
        leaving > 0,
        _decode_ranks(sections[SECTION_RANKS]) if SECTION_RANKS in sections else (),
    )


def _decode_watchdog(data: bytes | None) -> Duration:
    if data is None:
        return 0
    (timeout,) = WATCHDOG_LAYOUT.unpack_from(data)
    if timeout < 0:
        raise _Malformed
    return int(timeout)


def _decode_drain(data: bytes | None) -> bool:
    if data is None:
        return False
    (value,) = DRAIN_LAYOUT.unpack(data)
    if value > 1:
        raise _Malformed
    return bool(value)


def _decode_leaving(data: bytes | None) -> int:
    """0: it stays. 1: it is being stopped, and that is all that the flag for standby says. 2: it is in standby besides."""
    if data is None:
        return 0
    (value,) = LEAVING_LAYOUT.unpack(data)
    if value not in (1, 2):
        raise _Malformed
    return int(value)


def _decode_names(data: bytes) -> tuple[str, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        end = at + NAME_LAYOUT.size + data[at]
        if end > size:
            raise _Malformed
        found.append(str(data[at + NAME_LAYOUT.size : end], "utf-8"))
        at = end
    return tuple(found)


def _decode_ranks(data: bytes) -> tuple[tuple[str, int], ...]:
    return tuple((group, rank) for rank, group in _numbered(data, RANK_LAYOUT))


def _numbered(data: bytes, layout: Struct) -> Iterator[tuple[int, str]]:
    """A number and the length of the text behind it, as often as there are."""
    at, size = 0, len(data)
    while at < size:
        number, length = layout.unpack_from(data, at)
        at += layout.size
        end = at + length
        if end > size:
            raise _Malformed
        yield number, str(data[at:end], "utf-8")
        at = end


def _decode_voters(data: bytes | None) -> tuple[str, str, str]:
    if data is None:
        return "", "", ""
    joint, member, left = _names(data, VOTERS_LAYOUT.size, *VOTERS_LAYOUT.unpack_from(data))
    return joint, member, left


def _decode_holds(data: bytes) -> tuple[Hold, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        ballot, flags, length = HOLD_LAYOUT.unpack_from(data, at)
        at += HOLD_LAYOUT.size
        end = at + length
        if end > size or flags & ~FLAG_BIDDING:
            raise _Malformed
        found.append(Hold(str(data[at:end], "utf-8"), ballot, flags == FLAG_BIDDING))
        at = end
    return tuple(found)


def _decode_votes(data: bytes) -> tuple[Vote, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        incarnation, ballot, echo, group_length, holder_length = VOTE_LAYOUT.unpack_from(data, at)
        at += VOTE_LAYOUT.size
        middle = at + group_length
        end = middle + holder_length
        if end > size:
            raise _Malformed
        found.append(Vote(str(data[at:middle], "utf-8"), str(data[middle:end], "utf-8"), incarnation, ballot, echo))
        at = end
    return tuple(found)


def _decode_heard(data: bytes) -> tuple[Heard, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        incarnation, number, age, length = HEARD_LAYOUT.unpack_from(data, at)
        at += HEARD_LAYOUT.size
        end = at + length
        if end > size:
            raise _Malformed
        found.append(Heard(str(data[at:end], "utf-8"), incarnation, age, number))
        at = end
    return tuple(found)


def _decode_reports(data: bytes) -> tuple[GroupReport, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        code, flags, group_length, why_length = REPORT_LAYOUT.unpack_from(data, at)
        at += REPORT_LAYOUT.size
        middle = at + group_length
        end = middle + why_length
        phase = PHASES.get(code)
        if end > size or flags & ~FLAG_FIT or phase is None:
            raise _Malformed
        why = str(data[middle:end], "utf-8")
        found.append(GroupReport(str(data[at:middle], "utf-8"), phase, flags == FLAG_FIT, why))
        at = end
    return tuple(found)


def _decode_wishes(data: bytes) -> tuple[Wish, ...]:
    found = []
    at, size = 0, len(data)
    while at < size:
        number, code, flags, said_at, span, left, *sizes = WISH_LAYOUT.unpack_from(data, at)
        at += WISH_LAYOUT.size
        end = at + sum(sizes)
        kind = WISHES.get(code)
        if end > size or flags & ~FLAG_SURE or kind is None or span < 0 or left < 0:
            raise _Malformed
        group, by, reason = _names(data[at:end], 0, *sizes)
        found.append(Wish(group, number, kind, by, reason, said_at, span, left, flags == FLAG_SURE))
        at = end
    return tuple(found)


def _decode_echo(body: bytes) -> Echo:
    sections = _once(body, 1)
    fields = sections.get(SECTION_FIELDS)
    if fields is None:
        raise _Malformed
    incarnation, dead_time, length = ECHO_LAYOUT.unpack_from(fields)
    (voter,) = _names(fields, ECHO_LAYOUT.size, length)
    return Echo(voter, incarnation, dead_time, _decode_votes(sections.get(SECTION_VOTES, b"")))


def _decode_bid(body: bytes) -> Bid:
    fields = _fields(body)
    incarnation, ballot, after, sent_at, *sizes = BID_LAYOUT.unpack_from(fields)
    node, group = _names(fields, BID_LAYOUT.size, *sizes)
    return Bid(node, incarnation, group, ballot, sent_at, after)


def _decode_bid_answer(body: bytes) -> BidAnswer:
    sections = _once(body, 1)
    fields = _present(sections)
    (
        voter_incarnation,
        bidder_incarnation,
        ballot,
        highest,
        echo,
        dead_time,
        wait,
        flags,
        *sizes,
    ) = BID_ANSWER_LAYOUT.unpack_from(fields)
    voter, bidder, group, why = _names(fields, BID_ANSWER_LAYOUT.size, *sizes)
    granted = _flags(flags, FLAG_GRANTED) == FLAG_GRANTED
    unfinished = _decode_unfinished(sections.get(SECTION_UNFINISHED, b""))
    newest_only = granted and highest != 0 and not unfinished
    if newest_only:
        unfinished = (Unfinished(highest, str(sections.get(SECTION_LAST, b""), "utf-8")),)
    return BidAnswer(
        voter,
        voter_incarnation,
        bidder,
        bidder_incarnation,
        group,
        ballot,
        echo,
        granted,
        dead_time,
        wait,
        0 if granted else highest,
        why,
        unfinished if granted else (),
        newest_only,
    )


def _decode_unfinished(data: bytes) -> tuple[Unfinished, ...]:
    return tuple(Unfinished(ballot, holder) for ballot, holder in _numbered(data, UNFINISHED_LAYOUT))


def _decode_release(body: bytes) -> Release:
    fields = _fields(body)
    incarnation, ballot, flags, *sizes = RELEASE_LAYOUT.unpack_from(fields)
    _flags(flags, FLAG_STOPPED | FLAG_HAS_SUCCESSOR)
    node, group, name = _names(fields, RELEASE_LAYOUT.size, *sizes)
    successor = name if flags & FLAG_HAS_SUCCESSOR else None
    if name and successor is None:
        raise _Malformed
    return Release(node, incarnation, group, ballot, successor, bool(flags & FLAG_STOPPED))


def _decode_ask(body: bytes) -> Ask:
    fields = _fields(body)
    request, *sizes = ASK_LAYOUT.unpack_from(fields)
    node, to, verb, group, target, by = _names(fields, ASK_LAYOUT.size, *sizes)
    return Ask(node, to, request, verb, group, target, by)


def _decode_answer(body: bytes) -> Answer:
    fields = _fields(body)
    request, flags, *sizes = ANSWER_LAYOUT.unpack_from(fields)
    node, to, text = _names(fields, ANSWER_LAYOUT.size, *sizes)
    return Answer(node, to, request, _flags(flags, FLAG_OK) == FLAG_OK, text)


def _decode_inquiry(body: bytes) -> Inquiry:
    fields = _fields(body)
    request, *sizes = INQUIRY_LAYOUT.unpack_from(fields)
    to, topic, text = _names(fields, INQUIRY_LAYOUT.size, *sizes)
    return Inquiry(to, request, topic, text)


def _decode_page(body: bytes) -> Page:
    fields = _fields(body)
    request, flags, *sizes = PAGE_LAYOUT.unpack_from(fields)
    to, text = _names(fields, PAGE_LAYOUT.size, *sizes)
    return Page(to, request, _flags(flags, FLAG_OK) == FLAG_OK, text)


_DECODERS: dict[int, Callable[[bytes], Message]] = {
    KIND_HEARTBEAT: _decode_heartbeat,
    KIND_BID: _decode_bid,
    KIND_BID_ANSWER: _decode_bid_answer,
    KIND_RELEASE: _decode_release,
    KIND_ASK: _decode_ask,
    KIND_ANSWER: _decode_answer,
    KIND_ECHO: _decode_echo,
    KIND_INQUIRY: _decode_inquiry,
    KIND_PAGE: _decode_page,
}
