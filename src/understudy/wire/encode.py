"""Messages into bodies of datagrams. ``layout`` describes the bytes."""

from __future__ import annotations

from struct import error as StructError
from typing import assert_never

from ..errors import InternalError
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
    HARD_LIMIT,
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
    NAME_LIMIT,
    PAGE_LAYOUT,
    PAGE_LIMIT,
    PHASE_CODES,
    RANK_LAYOUT,
    RELEASE_LAYOUT,
    REPORT_LAYOUT,
    REPORT_TEXT_LIMITS,
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
    TEXT_LIMIT,
    UNFINISHED_LAYOUT,
    VOTE_LAYOUT,
    VOTERS_LAYOUT,
    WATCHDOG_LAYOUT,
    WISH_CODES,
    WISH_LAYOUT,
)


def encode(message: Message, limit: int = HARD_LIMIT, turn: int = 0) -> bytes:
    """The body of a datagram for ``message``, at most 60 000 bytes.

    ``limit`` (bytes) is the wished length. Only heartbeats can do something about it: they shorten explanations and leave
    out relayed states, which the receivers then go on asking for. At least one relayed state always goes, also past
    ``limit``, and ``turn`` (any number that changes from call to call) rotates which come first: so each state gets its
    turn however little room there is.

    Texts that are too long are cut at a whole character; what UTF-8 cannot express becomes a question mark. Raises
    InternalError for a number outside its field and for a message that cannot be made to fit 60 000 bytes.
    """
    try:
        body = _encode_heartbeat(message, limit, turn) if isinstance(message, Heartbeat) else _encode_other(message)
    except StructError as problem:
        raise InternalError(f"{type(message).__name__} cannot be encoded: {problem}") from problem
    if len(body) > HARD_LIMIT:
        raise InternalError(f"{type(message).__name__} would need {len(body)} bytes, {HARD_LIMIT} are possible")
    return body


def _encode_heartbeat(message: Heartbeat, limit: int, turn: int) -> bytes:
    own = _own_state(message.state, limit)
    used = 1 + len(own)
    states = message.relayed
    chosen = [b""] * len(states)
    for step in range(len(states)):
        index = (turn + step) % len(states)
        section = _section(SECTION_RELAYED, _encode_state(states[index], REPORT_TEXT_LIMITS[0]))
        if used + len(section) <= (limit if step else HARD_LIMIT):
            chosen[index] = section
            used += len(section)
    return bytes((KIND_HEARTBEAT,)) + own + b"".join(chosen)


def _own_state(state: NodeState, limit: int) -> bytes:
    for text_limit in REPORT_TEXT_LIMITS[:-1]:
        try:
            section = _section(SECTION_STATE, _encode_state(state, text_limit))
        except StructError:  # a section beyond 64 KiB; with shorter texts it may fit
            continue
        if 1 + len(section) <= limit:
            return section
    shortest = REPORT_TEXT_LIMITS[-1]
    try:
        section = _section(SECTION_STATE, _encode_state(state, shortest))
        if 1 + len(section) <= HARD_LIMIT:
            return section
    except StructError:
        pass
    return _section(SECTION_STATE, _encode_state(state, shortest, wish_texts=0))


def _section(kind: int, content: bytes) -> bytes:
    return SECTION_LAYOUT.pack(kind, len(content)) + content


def _text(value: str, limit: int = NAME_LIMIT) -> bytes:
    data = value.encode("utf-8", "replace")
    if len(data) <= limit:
        return data
    return data[:limit].decode("utf-8", "ignore").encode()


def _encode_state(state: NodeState, text_limit: int, wish_texts: int = NAME_LIMIT) -> bytes:
    node, digest = _text(state.node), _text(state.digest)
    flags = (FLAG_QUIET if state.quiet else 0) | (FLAG_STANDBY if state.standby or state.leaving else 0)
    fixed = STATE_LAYOUT.pack(
        state.incarnation, state.number, state.sent_at, state.dead_time, flags, len(node), len(digest)
    )
    parts = [_section(SECTION_FIELDS, fixed + node + digest)]
    if state.holds:
        parts.append(_section(SECTION_HOLDS, b"".join([_encode_hold(hold) for hold in state.holds])))
    if state.votes:
        parts.append(_section(SECTION_VOTES, b"".join([_encode_vote(vote) for vote in state.votes])))
    if state.heard:
        parts.append(_section(SECTION_HEARD, b"".join([_encode_heard(heard) for heard in state.heard])))
    if state.groups:
        reports = [_encode_report(report, text_limit) for report in state.groups]
        parts.append(_section(SECTION_GROUPS, b"".join(reports)))
    if state.watchdog:
        parts.append(_section(SECTION_WATCHDOG, WATCHDOG_LAYOUT.pack(state.watchdog)))
    if state.wishes:
        wishes = [_encode_wish(wish, wish_texts) for wish in state.wishes]
        parts.append(_section(SECTION_WISHES, b"".join(wishes)))
    if state.draining:
        parts.append(_section(SECTION_DRAIN, DRAIN_LAYOUT.pack(1)))
    if state.not_up:
        parts.append(_section(SECTION_NOT_UP, _encode_names(state.not_up)))
    if state.reaches is not None:
        parts.append(_section(SECTION_REACHES, _encode_names(state.reaches)))
    if state.joint or state.member or state.left:
        names = [_text(name) for name in (state.joint, state.member, state.left)]
        parts.append(_section(SECTION_VOTERS, VOTERS_LAYOUT.pack(*map(len, names)) + b"".join(names)))
    if state.leaving:
        parts.append(_section(SECTION_LEAVING, LEAVING_LAYOUT.pack(2 if state.standby else 1)))
    if state.ranks:
        found = [(rank, _text(group)) for group, rank in state.ranks]
        ranks = b"".join([RANK_LAYOUT.pack(rank, len(group)) + group for rank, group in found])
        parts.append(_section(SECTION_RANKS, ranks))
    return b"".join(parts)


def _encode_names(names: tuple[str, ...]) -> bytes:
    found = [_text(name) for name in names]
    return b"".join([NAME_LAYOUT.pack(len(name)) + name for name in found])


def _encode_hold(hold: Hold) -> bytes:
    group = _text(hold.group)
    return HOLD_LAYOUT.pack(hold.ballot, FLAG_BIDDING if hold.bidding else 0, len(group)) + group


def _encode_vote(vote: Vote) -> bytes:
    group, holder = _text(vote.group), _text(vote.holder)
    return VOTE_LAYOUT.pack(vote.incarnation, vote.ballot, vote.echo, len(group), len(holder)) + group + holder


def _encode_heard(heard: Heard) -> bytes:
    node = _text(heard.node)
    return HEARD_LAYOUT.pack(heard.incarnation, heard.number, heard.age, len(node)) + node


def _encode_report(report: GroupReport, text_limit: int) -> bytes:
    group, why = _text(report.group), _text(report.why, text_limit)
    flags = FLAG_FIT if report.fit else 0
    return REPORT_LAYOUT.pack(PHASE_CODES[report.phase], flags, len(group), len(why)) + group + why


def _encode_wish(wish: Wish, text_limit: int) -> bytes:
    """Its texts are for people, and left out when nothing else helps; a receiver that knows them keeps them."""
    group, by, reason = _text(wish.group), _text(wish.by, text_limit), _text(wish.reason, text_limit)
    fixed = WISH_LAYOUT.pack(
        wish.number,
        WISH_CODES[wish.kind],
        FLAG_SURE if wish.sure else 0,
        wish.said_at,
        wish.span,
        wish.left,
        len(group),
        len(by),
        len(reason),
    )
    return fixed + group + by + reason


def _encode_other(message: Bid | BidAnswer | Release | Ask | Answer | Echo | Inquiry | Page) -> bytes:
    if isinstance(message, Echo):
        voter = _text(message.voter)
        fields = ECHO_LAYOUT.pack(message.incarnation, message.dead_time, len(voter)) + voter
        votes = b"".join([_encode_vote(vote) for vote in message.votes])
        return _body(KIND_ECHO, fields) + (_section(SECTION_VOTES, votes) if votes else b"")
    if isinstance(message, Bid):
        node, group = _text(message.node), _text(message.group)
        fixed = BID_LAYOUT.pack(
            message.incarnation, message.ballot, message.after, message.sent_at, len(node), len(group)
        )
        return _body(KIND_BID, fixed + node + group)
    if isinstance(message, BidAnswer):
        newest = _newest(message)
        last = _section(SECTION_LAST, _text(newest.holder)) if newest is not None and newest.holder else b""
        every = b"" if message.newest_only else b"".join([_encode_unfinished(item) for item in message.unfinished])
        rest = last + (_section(SECTION_UNFINISHED, every) if every else b"")
        return _body(KIND_BID_ANSWER, _encode_bid_answer(message)) + rest
    if isinstance(message, Release):
        return _body(KIND_RELEASE, _encode_release(message))
    if isinstance(message, Ask):
        names = [_text(name) for name in (message.node, message.to, message.verb, message.group, message.target)]
        names.append(_text(message.by))
        return _body(KIND_ASK, ASK_LAYOUT.pack(message.request, *map(len, names)) + b"".join(names))
    if isinstance(message, Answer):
        node, to, text = _text(message.node), _text(message.to), _text(message.text, TEXT_LIMIT)
        flags = FLAG_OK if message.ok else 0
        fixed = ANSWER_LAYOUT.pack(message.request, flags, len(node), len(to), len(text))
        return _body(KIND_ANSWER, fixed + node + to + text)
    if isinstance(message, Inquiry):
        to, topic, text = _text(message.to), _text(message.topic), _text(message.text, PAGE_LIMIT)
        return _body(
            KIND_INQUIRY, INQUIRY_LAYOUT.pack(message.request, len(to), len(topic), len(text)) + to + topic + text
        )
    if isinstance(message, Page):
        to, text = _text(message.to), _text(message.text, PAGE_LIMIT)
        flags = FLAG_OK if message.ok else 0
        return _body(KIND_PAGE, PAGE_LAYOUT.pack(message.request, flags, len(to), len(text)) + to + text)
    assert_never(message)


def _body(kind: int, fields: bytes) -> bytes:
    return bytes((kind,)) + _section(SECTION_FIELDS, fields)


def _newest(message: BidAnswer) -> Unfinished | None:
    """All that a member of an earlier version reads of ``unfinished``."""
    return max(message.unfinished, key=lambda item: item.ballot, default=None)


def _encode_unfinished(item: Unfinished) -> bytes:
    holder = _text(item.holder)
    return UNFINISHED_LAYOUT.pack(item.ballot, len(holder)) + holder


def _encode_bid_answer(message: BidAnswer) -> bytes:
    voter, bidder, group = _text(message.voter), _text(message.bidder), _text(message.group)
    why = _text(message.why, TEXT_LIMIT)
    newest = _newest(message)
    fixed = BID_ANSWER_LAYOUT.pack(
        message.voter_incarnation,
        message.bidder_incarnation,
        message.ballot,
        message.highest if newest is None else newest.ballot,
        message.echo,
        message.dead_time,
        message.wait,
        FLAG_GRANTED if message.granted else 0,
        len(voter),
        len(bidder),
        len(group),
        len(why),
    )
    return fixed + voter + bidder + group + why


def _encode_release(message: Release) -> bytes:
    node, group = _text(message.node), _text(message.group)
    successor = b"" if message.successor is None else _text(message.successor)
    flags = (FLAG_STOPPED if message.stopped else 0) | (0 if message.successor is None else FLAG_HAS_SUCCESSOR)
    fixed = RELEASE_LAYOUT.pack(message.incarnation, message.ballot, flags, len(node), len(group), len(successor))
    return fixed + node + group + successor
