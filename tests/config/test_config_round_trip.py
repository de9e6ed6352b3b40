"""Any Cluster, written as TOML, is read as the same Cluster; and no text at all makes the reader raise."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from config_helpers import GOOD, HERE
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.config.digest import digest
from understudy.config.render import render
from understudy.config.resources import EXCLUSIVE_AGENTS, KINDS, SIGNALS, derived_name
from understudy.config.toml import decode, parse
from understudy.config.validate import read
from understudy.errors import Problem
from understudy.hours import Hours
from understudy.model import (
    AddressResource,
    Cluster,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    KillHolders,
    Limits,
    Link,
    LinkKind,
    LsbResource,
    Member,
    MountCheck,
    MountResource,
    NotifyResource,
    OcfResource,
    OnFailure,
    OnStopFailure,
    Quorum,
    RealServerResource,
    Resource,
    ResourceDResource,
    Restarts,
    Role,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
    stages_of,
)
from understudy.probes import CommandCheck, HttpCheck, PingCheck, Probe, Reach, TcpCheck
from understudy.units import HOUR, MILLISECOND, MINUTE, SECOND

pytestmark = pytest.mark.slow

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True)
devices = st.from_regex(r"[a-z][a-z0-9.-]{0,14}", fullmatch=True)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\"'\\"), max_size=10
)
words = texts.filter(lambda text: text != "")
paths = st.from_regex(r"/[a-z/._-]{0,12}[a-z]", fullmatch=True)
spans = st.one_of(
    st.integers(10 * MILLISECOND, 24 * HOUR),
    st.integers(1, 1000).map(lambda value: value * SECOND),
    st.integers(10, 5000).map(lambda value: value * MILLISECOND),
)


def _pairs(name_pattern: str) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    keys = st.from_regex(name_pattern, fullmatch=True)
    return st.dictionaries(keys, texts, max_size=3).map(lambda found: tuple(sorted(found.items())))


limits = st.builds(Limits, spans, spans, spans, st.just(0) | spans.filter(lambda span: span >= 100 * MILLISECOND))
restarts = st.builds(
    Restarts,
    st.integers(0, 1000),
    st.integers(SECOND, 30 * 24 * HOUR),
    st.sampled_from(OnFailure),
    st.sampled_from((None, OnStopFailure.FENCE)),
)


def _mounts(number: int) -> st.SearchStrategy[MountResource]:
    """Different disks at directories that do not lie in each other."""
    option = st.from_regex(r"[a-z][a-z0-9=_-]{0,8}", fullmatch=True).filter(
        lambda text: text not in ("ro", "bind", "rbind", "move", "remount")
    )
    where = (st.just("x"), st.just(f"/dev/sd{number}"), st.just(f"/srv/{number}"), st.sampled_from(["ext4", "iso9660"]))
    options = st.lists(option, max_size=3).map(tuple)
    return st.builds(
        MountResource, *where, options, st.booleans(), st.sampled_from(KillHolders), st.sampled_from(MountCheck)
    )


def _lsb(number: int) -> st.SearchStrategy[LsbResource]:
    script = st.sampled_from([f"/etc/init.d/s{number}", f"/opt/{number}/postgresql"])
    process = st.none() | st.from_regex(r"[a-z]{1,15}", fullmatch=True)
    return st.builds(LsbResource, st.just("x"), script, st.none() | paths, process)


def _resource_d(number: int) -> st.SearchStrategy[ResourceDResource]:
    script = st.sampled_from([f"r{number}", f"/opt/{number}/drbddisk", f"Filesystem.{number}"])
    return st.builds(ResourceDResource, st.just("x"), script, st.lists(texts, max_size=3).map(tuple))


def _systemd(number: int) -> st.SearchStrategy[SystemdResource]:
    units = [f"u{number}.service", f"a-b@{number}.timer", f"srv-{number}.mount", f"postgresql@{number}.service"]
    return st.builds(SystemdResource, st.just("x"), st.sampled_from(units))


def _routes(number: int) -> st.SearchStrategy[RouteResource]:
    table, metric = st.integers(1, 2**32 - 1), st.none() | st.integers(1, 2**32 - 1)
    four = (
        st.just(f"10.{number}.0.0/16"),
        st.none() | st.just("10.0.0.1"),
        devices,
        table,
        metric,
        st.just("10.0.0.2"),
    )
    six = (st.just(f"fd00:{number}::/32"), st.just("fe80::1"), devices, table, metric, st.none())
    default = (st.just("::/0"), st.just("fd00::1"), st.none(), st.just(number), metric, st.none())
    return st.one_of(*(st.builds(RouteResource, st.just("x"), *words) for words in (four, six, default)))


def _sources(number: int) -> st.SearchStrategy[SourceAddressResource]:
    four = (st.just(f"10.0.0.{number}"), st.just(f"10.{number}.0.0/16"), st.none() | devices)
    six = (st.just(f"fd00::{number}"), st.just("::/0"), st.just(f"eth{number}"))
    return st.one_of(*(st.builds(SourceAddressResource, st.just("x"), *words) for words in (four, six)))


def _real_servers(number: int) -> st.SearchStrategy[RealServerResource]:
    address = st.sampled_from([f"10.0.1.{number}", f"fd00:1::{number}"])
    return st.builds(RealServerResource, st.just("x"), address, st.just("lo") | devices)


def _notify(number: int) -> st.SearchStrategy[NotifyResource]:
    argv = st.tuples(paths.map(lambda path: f"{path}{number}"), texts)
    return st.builds(NotifyResource, st.just("x"), argv, st.booleans())


MORE_KINDS = {
    "notify": _notify,
    "mount": _mounts,
    "lsb": _lsb,
    "resource_d": _resource_d,
    "systemd": _systemd,
    "route": _routes,
    "source_address": _sources,
    "realserver": _real_servers,
}


@st.composite
def _resources(draw: st.DrawFn, number: int):
    """One resource, different from every other by its number."""
    common = {"exclusive": draw(st.booleans()), "limits": draw(limits), "restarts": draw(restarts)}
    kind = draw(st.sampled_from(["address4", "address6", "command", "script", "ocf", *MORE_KINDS]))
    if kind == "address4":
        address = str(IPv4Address(0xC0A83A00 + 10 + number))
        resource = AddressResource("x", address, draw(st.integers(8, 24)), draw(devices), **common)
    elif kind == "address6":
        address = str(IPv6Address(0xFD << 120 | 0x10 + number))
        resource = AddressResource("x", address, draw(st.integers(1, 96)), draw(devices), **common)
    elif kind == "command":
        argv = (f"{draw(paths)}{number}", *draw(st.lists(texts, max_size=3)))
        common["limits"] = draw(st.just(Limits(interval=0)) | limits)
        resource = CommandResource(
            "x",
            argv,
            draw(st.just("/") | paths),
            draw(st.none() | st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)),
            draw(_pairs(r"[A-Z_][A-Z0-9]{0,5}")),
            draw(st.sampled_from(SIGNALS)),
            draw(st.just(0) | st.integers(1, common["limits"].start - 1)),
            **common,
        )
    elif kind in MORE_KINDS:
        resource = replace(draw(MORE_KINDS[kind](number)), **common)
    elif kind == "script":
        resource = ScriptResource("x", f"{draw(paths)}{number}", tuple(draw(st.lists(texts, max_size=3))), **common)
    else:
        agent = draw(st.sampled_from(sorted(EXCLUSIVE_AGENTS)) | names)
        parameters = (*draw(_pairs(r"[a-y][a-z0-9_-]{0,5}")), ("zz", str(number)))
        resource = OcfResource("x", draw(names), agent, parameters, **common)
    name = derived_name(resource) if kind.startswith("address") and draw(st.booleans()) else f"r{number}"
    return replace(resource, id=name)


statuses = st.lists(st.tuples(st.integers(100, 599), st.integers(0, 50)), min_size=1, max_size=3).map(
    lambda found: tuple((low, min(low + more, 599)) for low, more in found)
)
ports = st.integers(1, 65535)
checks = st.one_of(
    st.builds(
        HttpCheck,
        st.builds("http://10.0.0.{}:{}/{}".format, st.integers(1, 254), ports, st.sampled_from(["", "a?b=c#d", "%20"])),
        st.sampled_from(["", "www.example.org"]),
        st.sampled_from(["GET", "POST"]),
        statuses,
        texts,
        st.sampled_from(["", r"^a\d+ \"x\"$"]),
        _pairs(r"[A-Z][a-z]{1,5}-X"),
        _pairs(r"[A-Z][a-z]{1,5}"),
    ).filter(lambda check: not any("\n" in value for _, value in check.send_headers)),
    st.builds(HttpCheck, st.just("https://[fd00::1]/"), verify=st.just(False)),
    st.builds(HttpCheck, st.just("https://10.0.0.1/"), ca=paths),
    st.builds(
        TcpCheck, st.sampled_from(["10.0.0.1", "fd00::1", "fe80::1%eth0"]), ports, texts | st.just("QUIT\r\n"), texts
    ),
    st.builds(CommandCheck, st.builds(lambda path, more: (path, *more), paths, st.lists(texts, max_size=2))),
    st.builds(PingCheck, st.sampled_from(["10.0.0.1", "fe80::1%eth0"])),
)


@st.composite
def _probes(draw: st.DrawFn, resources: list[Resource]):
    """Of resources in their order, then of the group."""
    times = st.integers(100 * MILLISECOND, HOUR)
    counts = st.integers(1, 1000)
    judged = [item.id for item in resources if draw(st.booleans())]
    own = draw(st.lists(names, max_size=2, unique=True)) if resources else []
    return tuple(
        Probe(
            name, draw(checks), resource, *(draw(item) for item in (times, times, counts, counts, st.just(0) | times))
        )
        for name, resource in [*((name, name) for name in judged), *((f"p{name}"[:60], "") for name in own)]
    )


@st.composite
def _hours(draw: st.DrawFn):
    opens, closes = draw(st.lists(st.integers(0, 24 * 60 - 1), min_size=2, max_size=2, unique=True))
    return Hours(opens, closes, tuple(sorted(draw(st.sets(st.integers(0, 6), max_size=6)))))


@st.composite
def _groups(draw: st.DrawFn, nodes: list[str]):
    group_names = draw(st.lists(names, unique=True, max_size=3))
    number = 0
    groups = []
    for name in group_names:
        resources = []
        for _ in range(draw(st.integers(0, 3))):
            number += 1
            resources.append(draw(_resources(number)))
        failback = draw(
            st.sampled_from([Failback(), Failback(FailbackKind.NEVER)])
            | st.integers(100 * MILLISECOND, 24 * HOUR).map(lambda after: Failback(FailbackKind.AFTER, after))
            | _hours().map(lambda hours: Failback(FailbackKind.WITHIN, hours=hours))
        )
        prefer = tuple(draw(st.permutations(nodes))[: draw(st.integers(0, len(nodes)))])
        stages = stages_of(sorted(draw(st.integers(0, 2)) for _ in resources)) if draw(st.booleans()) else ()
        stop = draw(st.integers(SECOND, 24 * HOUR))
        groups.append(Group(name, tuple(resources), prefer, failback, stop, stages=stages))
        reach = st.builds(
            Reach, st.sampled_from([("192.168.9.1",), ("192.168.9.1", "2001:db8::9")]), st.integers(SECOND, HOUR)
        )
        groups[-1] = replace(groups[-1], probes=draw(_probes(resources)), stays_where=draw(st.none() | reach))
    return tuple(groups)


@st.composite
def _networks(draw: st.DrawFn, count: int):
    """For each network one link of every member."""
    found = []
    for index, name in enumerate(draw(st.lists(names, unique=True, min_size=1, max_size=3))):
        kind = draw(st.sampled_from(LinkKind))
        six = kind is not LinkKind.BROADCAST and draw(st.booleans())
        device = draw(devices) if six and kind is LinkKind.MULTICAST else draw(st.none() | devices)
        group = {LinkKind.UNICAST: None, LinkKind.MULTICAST: "ff02::5694" if six else "239.1.2.3"}.get(
            kind, "10.255.255.255"
        )
        port = draw(st.sampled_from([5694, 1, 65535]))
        base = 0xFE80 << 112 if six and device and draw(st.booleans()) else 0xFD << 120 | 1 << 64
        links = []
        for member in range(count):
            offset = index * 256 + member + 1
            address = IPv6Address(base + offset) if six else IPv4Address(0x0A000000 + offset)
            links.append(Link(name, str(address), kind, group, device, port))
        found.append(links)
    return found


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    pair = draw(st.booleans())
    member_names = draw(st.lists(names, unique=True, min_size=2 if pair else 3, max_size=2 if pair else 6))
    witnesses = 0 if pair else draw(st.integers(0, len(member_names) - 1))
    roles = [Role.NODE] * (len(member_names) - witnesses) + [Role.WITNESS] * witnesses
    networks = draw(_networks(len(member_names)))
    members = tuple(
        Member(name, role, tuple(links[index] for links in networks))
        for index, (name, role) in enumerate(zip(member_names, roles, strict=True))
    )
    heartbeat = draw(st.integers(2 * MILLISECOND, MINUTE))
    cluster = Cluster(
        name=draw(names),
        key_file=draw(words.filter(lambda text: "\n" not in text)),
        heartbeat=heartbeat,
        dead_time=draw(st.integers(max(3 * heartbeat, 20 * MILLISECOND), 4 * MINUTE)),
        quorum=Quorum.PAIR if pair else Quorum.MAJORITY,
        members=members,
        groups=draw(_groups([member.name for member in members if member.role is Role.NODE])),
        ping=tuple(draw(st.lists(st.sampled_from(["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]), unique=True))),
        source=draw(st.just("") | paths),
        init_dead_time=draw(st.sampled_from([0, SECOND, 30 * SECOND])),
        admin_group=draw(st.none() | st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)),
    )
    return replace(cluster, digest=digest(cluster))


@settings(max_examples=100)
@given(clusters())
def test_rendered_clusters_are_read_again(cluster) -> None:
    reading = read(render(cluster), "again.toml", cluster.source)
    assert [str(problem) for problem in reading.problems if problem.severity == "error"] == []
    assert reading.cluster == cluster


@settings(max_examples=20)
@given(clusters())
def test_rendering_is_stable(cluster) -> None:
    text = render(cluster)
    again = read(text, "again.toml").cluster
    assert again is not None
    assert render(again) == text


# -- no text makes it raise -------------------------------------------------------------------------------------------


def _judge(text: str) -> bool:
    """Whether the text is accepted; any exception fails the test that calls this."""
    reading = read(text, "f.toml")
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    assert (reading.cluster is None) == bool(errors)
    for problem in reading.problems:
        assert isinstance(problem, Problem)
        assert problem.text
        assert problem.severity in ("error", "warning")
        assert problem.line <= text.count("\n") + 1
        assert (problem.line == 0) == (problem.column == 0)
    if reading.cluster is not None:
        assert read(render(reading.cluster), "again.toml").cluster == reading.cluster
    return reading.cluster is not None


@given(st.binary(max_size=200))
def test_random_bytes(data) -> None:
    text = decode(data, "f.toml")
    if isinstance(text, str):
        _judge(text)


_any_value = st.recursive(
    st.sampled_from(
        [
            '""',
            '"x"',
            '"1s"',
            '"10.0.0.1"',
            '"fe80::1%a"',
            '"10.0.0.9/24"',
            "3",
            "-1",
            "1.5",
            "true",
            "2024-01-01",
            '"\\u0000"',
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from([*KINDS, *(word for words in KINDS.values() for word in words), "name", "links", "x"]),
            inner,
            max_size=4,
        ).map(lambda found: "{" + ", ".join(f"{word} = {value}" for word, value in found.items()) + "}")
    ),
    max_leaves=8,
)
_CLUSTER_WORDS = ["name", "key_file", "heartbeat", "dead_time", "quorum", "port", "ping", "admin_group"]
_OTHER_WORDS = ["links", "prefer", "failback", "stop_timeout", "resources"]
_any_setting = st.sampled_from(_CLUSTER_WORDS + _OTHER_WORDS)


@given(
    st.dictionaries(
        st.sampled_from(["cluster", "nodes.a", "nodes.b", "witness.w", "groups.g", "nodes", "groups", "stray"]),
        st.dictionaries(_any_setting, _any_value, max_size=5),
        max_size=6,
    )
)
def test_every_word_with_every_kind_of_value(sections) -> None:
    lines = []
    for section, pairs in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{word} = {value}" for word, value in pairs.items()]
    _judge("\n".join(lines))


def test_mutated_good_files() -> None:
    """A few characters of good files lost, added, doubled or exchanged; a fixed seed, so that a failure can be repeated."""
    source = random.Random(31)
    good = [GOOD, *(path.read_text() for path in sorted((HERE / "samples/good").glob("*.toml")))]
    judged = 0
    for _ in range(2000):
        text = source.choice(good)
        for _ in range(source.randrange(1, 4)):
            start = source.randrange(len(text))
            end = min(len(text), start + source.randrange(1, 12))
            how = source.randrange(4)
            if how == 0:
                text = text[:start] + text[end:]
            elif how == 1:
                text = text[:start] + source.choice('"[]{}=#\\\n.,:/%0129aé\x00\x7f') + text[start:]
            elif how == 2:
                text = text[:end] + text[start:end] + text[end:]
            else:
                other = source.randrange(len(text))
                text = text[:start] + text[other : other + end - start] + text[end:]
        _judge(text)
        judged += not isinstance(parse(text, "f.toml"), Problem)
    assert judged > 300, "nearly all were errors of syntax: the judge saw little"
