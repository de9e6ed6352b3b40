"""Messages for the tests: one good example of every kind, and strategies that draw any of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from understudy.messages import (
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
    Phase,
    Release,
    Unfinished,
    Vote,
    Wish,
    WishKind,
)

BALLOT = 1_700_000_000_000


def state(node: str = "ha01", incarnation: int = 7, why: str = "its first choice", groups: int = 1) -> NodeState:
    names = ["site", *(f"group-{number}" for number in range(1, groups))]
    return NodeState(
        node=node,
        incarnation=incarnation,
        number=1041,
        sent_at=987_654_321,
        dead_time=990_000_000,
        digest="0123456789abcdef",
        quiet=False,
        standby=True,
        holds=(Hold("site", BALLOT), Hold("mail", BALLOT + 1, bidding=True)),
        votes=(Vote("site", "ha01", incarnation, BALLOT, 987_654_000),),
        heard=(Heard("ha02", 99, 5_000_000, 1040), Heard("arbiter", 98, -1)),
        groups=tuple(GroupReport(name, Phase.STARTED, fit=True, why=why) for name in names),
    )


ASKED = (
    Wish("", 257, WishKind.MAINTENANCE, "anna at ha01", "new switches", 1_700_000_000_000, 3600, 1800, sure=False),
    Wish("site", 512, WishKind.STOPPED, "root at ha02", "", 1_700_000_000_001),
    Wish("mail", 513, WishKind.NONE, "root at ha02", "", 1_700_000_000_002),
)


GRANT = BidAnswer("ha02", 99, "ha01", 7, "site", BALLOT, 987_654_321, True, 990_000_000)

SAMPLES: tuple[Message, ...] = (
    Heartbeat(
        replace(state(), wishes=ASKED, not_up=("site",), reaches=("192.168.58.1",), ranks=(("VI_1", 150),)),
        (state("ha02", 99), replace(state("arbiter", 98), wishes=ASKED, reaches=(), leaving=True)),
    ),
    Bid("ha01", 7, "site", BALLOT, 987_654_321, after=BALLOT - 1),
    BidAnswer(
        "ha02", 99, "ha01", 7, "site", BALLOT, 987_654_321, False, 990_000_000, 25_000_000, 3, "promised to ha03"
    ),
    replace(GRANT, unfinished=(Unfinished(BALLOT - 1, "ha03"), Unfinished(BALLOT - 254, "ha02"))),
    Release("ha01", 7, "site", BALLOT, "ha02", stopped=True),
    Ask("ha01", "ha02", 17, "move", "site", "ha01", "root"),
    Answer("ha02", "ha01", 17, False, "site is not here"),
    Echo("ha02", 99, 990_000_000, (Vote("site", "ha01", 7, BALLOT, 987_654_321),)),
    Inquiry("ha02", 18, "history", '{"before": null}'),
    Page("ha01", 18, True, "eJyrVkrLz1eyUkpKLFKqBQAdegQQ"),
)

unsigned = st.integers(0, 2**64 - 1)
times = st.integers(-(2**63), 2**63 - 1)
# 60 characters are at most 240 bytes: what is longer may be cut, which has its own tests.
names = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
flags = st.booleans()

holds = st.builds(Hold, names, unsigned, flags)
votes = st.builds(Vote, names, names, unsigned, unsigned, times)
heard = st.builds(Heard, names, unsigned, times, unsigned)
reports = st.builds(GroupReport, names, st.sampled_from(Phase), flags, names)
spans = st.integers(0, 2**63 - 1)
wishes = st.builds(Wish, names, unsigned, st.sampled_from(WishKind), names, names, times, spans, spans, flags)


def several(items: st.SearchStrategy) -> st.SearchStrategy:  # type: ignore[type-arg]
    return st.lists(items, max_size=4).map(tuple)


states = st.builds(
    NodeState,
    names,
    unsigned,
    unsigned,
    times,
    times,
    names,
    flags,
    flags,
    several(holds),
    several(votes),
    several(heard),
    several(reports),
    wishes=several(wishes),
    not_up=several(names),
    reaches=st.none() | several(names),
    joint=names,
    member=names,
    left=names,
    leaving=flags,
    ranks=several(st.tuples(names, st.integers(0, 255))),
)
asked = (names, unsigned, names, unsigned, names, unsigned, times)
unfinished = st.builds(Unfinished, st.integers(1, 2**64 - 1), names)
messages = st.one_of(
    st.builds(Heartbeat, states, several(states)),
    st.builds(Bid, names, unsigned, names, unsigned, times, unsigned),
    st.builds(BidAnswer, *asked, st.just(False), times, times, unsigned, names),
    st.builds(BidAnswer, *asked, st.just(True), times, times, unfinished=several(unfinished)),
    st.builds(BidAnswer, *asked, st.just(True), times, unfinished=st.tuples(unfinished), newest_only=st.just(True)),
    st.builds(Release, names, unsigned, names, unsigned, st.none() | names, flags),
    st.builds(Ask, names, names, unsigned, names, names, names, names),
    st.builds(Answer, names, names, unsigned, flags, names),
    st.builds(Echo, names, unsigned, times, several(votes)),
    st.builds(Inquiry, names, unsigned, names, names),
    st.builds(Page, names, unsigned, flags, names),
)
