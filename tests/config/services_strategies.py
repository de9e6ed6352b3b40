"""Services drawn by hypothesis, as the files can say them."""

from __future__ import annotations

from hypothesis import strategies as st

from understudy.config.ldirectord_words import FACILITIES
from understudy.service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FileQuestion,
    FixedQuestion,
    HttpQuestion,
    Page,
    Pattern,
    PingQuestion,
    ProgramQuestion,
    SayQuestion,
    Service,
    ServiceQuestion,
    Target,
    Tls,
    UdpQuestion,
)
from understudy.services import (
    Forward,
    Mailing,
    Notice,
    OnFailure,
    Plane,
    RealServer,
    ServiceFiles,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnelling,
    VirtualService,
)
from understudy.units import MILLISECOND, SECOND

flags = st.booleans()
ports = st.integers(1, 65535)
numbers = st.integers(0, 2**31 - 1)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\"'\\"), max_size=6
)
words = texts.filter(bool)
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8).filter(
    str.isprintable
)
argv = st.lists(texts, min_size=1, max_size=3).map(tuple)
spans = st.integers(0, 1000 * SECOND)
times = st.integers(MILLISECOND, 1000 * SECOND)
notices = st.just(Notice()) | st.builds(Notice, argv, st.sampled_from(["", "nobody", "nobody:nogroup"]))
v4 = st.integers(1, 254).map(lambda last: f"192.0.2.{last}")
v6 = st.integers(1, 9999).map(lambda last: f"2001:db8::{last}")
addresses = v4 | v6

tls = st.none() | st.builds(Tls, texts, flags, texts, texts, texts)
patterns = st.none() | st.builds(
    Pattern,
    st.sampled_from(["Test Page", "(?i)ok", "^2[0-9]+", "a'b\"c\\\\"]),
    flags,
    st.sampled_from(["", "i", "im", "sx"]),
    st.integers(0, 99),
    st.integers(-1, 99),
)
pages = st.builds(
    Page,
    st.sampled_from(["/", "/a?b=c", "/é"]),
    texts,
    st.sampled_from(["GET", "HEAD"]),
    st.lists(st.tuples(st.integers(100, 300), st.integers(300, 599)), min_size=1, max_size=3).map(tuple),
    st.sampled_from(["", "9b3a0c85a887a256d6939da88aabd8cd"]),
    texts,
    patterns,
)
https = st.builds(
    HttpQuestion,
    st.lists(pages, min_size=1, max_size=3).map(tuple),
    tls,
    st.sampled_from(["1.0", "1.0C", "1.1"]),
    st.integers(0, 20),
    flags,
)
says = st.builds(SayQuestion, st.binary(max_size=4) | words.map(str.encode), patterns, flags, flags, tls)
dialogues = st.builds(
    ServiceQuestion, st.sampled_from(Service), texts, patterns, *(texts, texts, texts, texts, texts, texts), tls, flags
)
datagrams = st.builds(
    UdpQuestion, st.binary(max_size=4), st.just(False), st.just(()), st.integers(0, 99), st.integers(0, 999)
) | st.builds(
    UdpQuestion,
    st.binary(max_size=4),
    st.just(True),
    st.lists(st.sampled_from([(0x41, 0xFF), (0x40, 0xF0), (0x01, 0x0F), (0, 0)]), max_size=3).map(tuple),
)
questions = st.one_of(
    https,
    says,
    dialogues,
    datagrams,
    st.just(ConnectQuestion()),
    st.builds(PingQuestion, st.integers(1, 100)),
    st.builds(ProgramQuestion, argv, flags, st.sampled_from(["", "nobody"]), flags),
    st.builds(FileQuestion, words, st.integers(-999, 999)),
    st.builds(CombinedQuestion, st.just(ConnectQuestion()), https | says | dialogues, st.integers(1, 99)),
    st.builds(FixedQuestion, flags),
)


@st.composite
def checks(draw: st.DrawFn, address: str, port: int) -> Check:
    target = st.builds(
        Target,
        st.just(address) | addresses,
        st.just(port) | st.integers(0, 65535),
        st.sampled_from(["", "192.0.2.99"]),
        st.integers(0, 65535),
        st.sampled_from(["", "eth1"]),
        st.integers(0, 2**32 - 1),
    )
    counts = st.integers(1, 99)
    return draw(st.builds(Check, questions, target, times, times, counts, counts, spans, spans, flags, flags, flags))


@st.composite
def servers(draw: st.DrawFn, address: str, likely: tuple[Forward, ...]) -> RealServer:
    port = draw(st.integers(0, 65535))
    forward = draw(st.sampled_from(likely))
    kinds = [Tunnelling(), Tunnelling("gre", 0, "csum"), Tunnelling("gue", 6080), Tunnelling("gre")]
    return RealServer(
        address,
        port,
        forward,
        *(draw(st.integers(0, 65535)), draw(numbers), draw(numbers)),
        draw(st.sampled_from(kinds)) if forward is Forward.TUNNEL else Tunnelling(),
        tuple(draw(st.lists(checks(address, port), max_size=2))),
        draw(st.sampled_from(OnFailure)),
        draw(flags),
        *(draw(notices), draw(notices), draw(flags)),
    )


@st.composite
def services(draw: st.DrawFn, number: int, group: str) -> VirtualService:
    """``number`` makes the keys its own."""
    six = draw(flags)
    protocol = draw(st.sampled_from(["tcp", "udp", "sctp"]))
    base = "2001:db8:1::" if six else "198.51.100."
    ends = draw(st.lists(st.tuples(st.integers(1, 200), ports), max_size=3, unique=True))
    of = 6 if six else 4
    keys = [ServiceKey(protocol, f"{base}{last}", port % 6000 + 6000 * number, 0, of) for last, port in ends]
    keys += [ServiceKey(mark=mark * 10 + number, family=of) for mark in draw(st.lists(ports, max_size=2, unique=True))]
    keys = list(dict.fromkeys(keys)) or [ServiceKey(mark=number, family=of)]
    of_servers = v6 if six else v4
    likely = tuple(draw(st.lists(st.sampled_from(Forward), min_size=1, max_size=2)))
    places = draw(st.lists(of_servers, max_size=3, unique=True))
    fallback = draw(st.none() | of_servers.flatmap(lambda address: servers(address, likely)))
    persistence = draw(spans)
    return VirtualService(
        draw(names) + str(number),
        tuple(keys),
        tuple(draw(servers(address, likely)) for address in places),
        group=group,
        scheduler=draw(st.sampled_from(["wlc", "rr", "mh"])),
        flags=tuple(draw(st.lists(st.sampled_from(["sh-port", "flag-1"]), max_size=2))),
        persistence=persistence,
        granularity=draw(st.integers(0, 32)) if persistence else 0,
        persistence_engine=draw(st.sampled_from(["", "sip"])),
        one_packet=protocol == "udp" and draw(flags),
        hashed=draw(flags),
        plane=draw(st.sampled_from(Plane)),
        fallback=fallback,
        fallback_quiet=fallback is not None and draw(flags),
        quorum=draw(numbers),
        hysteresis=draw(numbers),
        by_count=draw(flags),
        drop_without_quorum=fallback is not None and draw(flags),
        fallback_command=draw(notices),
        quorum_up=draw(notices),
        quorum_down=draw(notices),
        slow_start=draw(spans),
        drain=draw(spans),
        clean_stop=draw(flags),
        down_at_stop=draw(flags),
        only_when_held=draw(flags),
        readd_quiet=draw(flags),
        monitor_file=draw(texts),
        mailing=draw(
            st.builds(
                Mailing,
                st.lists(words, max_size=2).map(tuple),
                texts,
                spans,
                st.frozensets(st.sampled_from(["starting", "running", "stopping", "reloading"])),
                texts,
            )
        ),
        comment=draw(texts),
    )


@st.composite
def files(draw: st.DrawFn, groups: tuple[str, ...] = ()) -> ServiceFiles:
    count = draw(st.integers(0, 3))
    made = tuple(draw(services(number + 1, draw(st.sampled_from(["", *groups])))) for number in range(count))
    return ServiceFiles(
        made,
        draw(texts),
        draw(flags),
        draw(notices),
        draw(
            st.none()
            | st.builds(
                SyncDaemon,
                st.just("eth0"),
                st.sampled_from(["", *groups]),
                *(st.integers(0, 255), st.integers(0, 65535), ports, st.integers(1, 255)),
            )
        ),
        draw(st.builds(Timeouts, spans, spans, spans)),
        *(draw(flags), draw(flags), draw(texts), draw(st.sampled_from(["", *FACILITIES]))),
        draw(st.lists(texts, max_size=2).map(tuple)),
    )
