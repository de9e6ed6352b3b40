"""The native tables of virtual routers: any RouterFiles, written, reads back the same; what is wrong is told with its place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from config_helpers import CLUSTER, GROUP, MEMBERS
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.config.render import render
from understudy.config.router_words import OF, defaults
from understudy.config.routers_render import render_routers
from understudy.config.validate import Reading, read
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import (
    Announcing,
    Checksum,
    Notified,
    RouterAddress,
    RouterFiles,
    RouterGlobals,
    SecondPath,
    SyncGroup,
    Track,
    TrackedFile,
    TrackedProcess,
    TrackedScript,
    UnicastPeer,
    VirtualMac,
    VirtualRouter,
)

names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8).filter(
    str.isprintable
)
devices = st.from_regex(r"[a-z][a-z0-9.]{0,6}", fullmatch=True)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\"'\\"), max_size=6
)
words = texts.filter(lambda text: text != "")
argv = st.lists(texts, min_size=1, max_size=3).map(tuple)
spans = st.integers(0, 1000 * SECOND)
seconds = st.integers(1, 1000).map(lambda value: value * SECOND)
weights = st.integers(-253, 253)
flags = st.booleans()
users = st.sampled_from(["", "nobody", "nobody:nogroup"])

announcing = st.builds(
    Announcing,
    st.integers(0, 1000),
    spans,
    spans,
    st.integers(1, 1000),
    st.integers(0, 1000),
    *(spans, spans, spans),
)
maybe = st.just(()) | argv
notified = st.builds(
    Notified,
    *(maybe, maybe, maybe, maybe, maybe, maybe, maybe),
    users,
    *(flags, flags),
    st.lists(st.sampled_from(["master", "any", "stop"]), unique=True, max_size=2).map(
        lambda found: tuple((word, "nobody") for word in found)
    ),
)
counts = st.integers(1, 1000)
scripts = st.builds(TrackedScript, names, argv, seconds, seconds, weights, flags, counts, counts, flags, users)
files = st.builds(TrackedFile, names, words, weights, flags, st.none() | st.integers(-99, 99), flags)
processes = st.builds(
    TrackedProcess,
    *(names, argv, weights, flags, st.integers(1, 65535), st.integers(0, 65535), flags),
    st.sampled_from(["", "initial", "partial"]),
    *(spans, spans),
)
globals_ = st.builds(
    RouterGlobals,
    texts,
    users,
    flags,
    st.lists(st.tuples(words, maybe), max_size=2).map(tuple),
    *(flags, flags, flags),
    st.lists(texts, max_size=2).map(tuple),
    *(texts, texts, maybe, maybe, seconds, st.integers(0, 99), st.integers(-20, 19)),
)


@st.composite
def _forms(draw: st.DrawFn, six: bool) -> dict[str, object]:
    """Words that go with an address of that family."""
    options = draw(st.lists(st.sampled_from(["home", "-nodad", "noprefixroute"]), unique=True))
    if six:
        options += draw(st.sampled_from([[], ["preferred_lft", "0"], ["preferred_lft", "forever"]]))
        return {"peer": draw(st.sampled_from(["", "2001:db8::7"])), "options": tuple(options)}
    return {
        "label": draw(st.sampled_from(["", "eth0:vip", "é"])),
        "scope": draw(st.sampled_from(["", "link", "77"])),
        "broadcast": draw(st.sampled_from(["", "+", "-", "10.0.0.255"])),
        "peer": draw(st.sampled_from(["", "10.0.0.7"])),
        "options": tuple(options),
    }


@st.composite
def _addresses(draw: st.DrawFn, base: str, where: str) -> tuple[RouterAddress, ...]:
    return tuple(
        RouterAddress(
            f"{base}{each}",
            draw(st.integers(0, 32)),
            draw(st.just(where) | devices),
            draw(flags) if each > 1 else True,
            tracked=draw(flags),
            **draw(_forms(":" in base)),
        )
        for each in range(1, draw(st.integers(1, 3)) + 1)
    )


@st.composite
def _routers(draw: st.DrawFn, number: int, tracked: list[tuple[str, str]]) -> VirtualRouter:
    """One, different from every other by its number."""
    six = draw(flags)
    version = draw(st.sampled_from([2, 3]))
    device, mac = (
        draw(devices),
        draw(st.none() | st.builds(VirtualMac, st.just(f"v{number}"), st.just(""), flags, flags)),
    )
    where = device if mac is None else mac.name
    base = f"2001:db8::{number:x}:" if six else f"10.{number}.0."
    addresses = draw(_addresses(base, where))
    strict = draw(flags)
    priority = draw(st.integers(1, 255))
    auth = draw(st.sampled_from(["", "PASS", "AH"])) if version == 2 and not six and not strict else ""
    preempt = draw(flags) or priority == 255
    peers = tuple(
        UnicastPeer(f"{base}{each}", each, draw(st.integers(0, 255)))
        for each in range(100, draw(st.integers(100, 102)))
    )
    kinds = st.sampled_from([("interface", "eth9"), *tracked])
    tracks = tuple(Track(*draw(kinds), draw(weights), draw(flags)) for _ in range(draw(st.integers(0, 2))))
    return VirtualRouter(
        f"r{number}{draw(names)}",
        device,
        number,
        addresses,
        6 if six else 4,
        version,
        priority,
        draw(flags),
        draw(st.integers(1, 255)) * SECOND if version == 2 else draw(st.integers(1, 4095)) * 10 * MILLISECOND,
        auth,
        draw(st.text("abc#!\"'\\", min_size=1, max_size=8)) if auth else "",
        preempt,
        draw(spans) if preempt else 0,
        draw(flags),
        strict,
        draw(st.just("") | st.just(f"{base}99")),
        peers,
        draw(st.integers(0, 255)),
        "" if peers else draw(st.sampled_from(["ff02::12", "ff02::99"] if six else ["224.0.0.18", "224.0.0.99"])),
        *(draw(flags) for _ in range(2)),
        mac,
        draw(announcing | st.just(Announcing())),
        tracks,
        *(draw(flags) for _ in range(2)),
        draw(st.sampled_from(Checksum)),
        *(draw(flags) for _ in range(3)),
        draw(st.integers(1, 100)),
        draw(spans),
        *(tuple(draw(st.lists(st.lists(texts, min_size=1, max_size=3).map(tuple), max_size=2))) for _ in range(2)),
        draw(notified | st.just(Notified())),
        draw(st.just("") | devices),
    )


@st.composite
def router_files(draw: st.DrawFn) -> RouterFiles:
    found = {
        "script": tuple(draw(st.lists(scripts, max_size=2, unique_by=lambda item: item.name))),
        "file": tuple(draw(st.lists(files, max_size=2, unique_by=lambda item: item.name))),
        "process": tuple(draw(st.lists(processes, max_size=2, unique_by=lambda item: item.name))),
    }
    tracked = [(kind, item.name) for kind, items in found.items() for item in items]
    routers = tuple(draw(_routers(number, tracked)) for number in range(1, draw(st.integers(0, 3)) + 1))
    groups = ()
    if routers:
        members = tuple(router.name for router in routers)
        groups = (SyncGroup(draw(names), members, (), draw(flags), draw(notified)),)
    return RouterFiles(routers, groups, *found.values(), draw(globals_))


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True)
@given(router_files())
def test_what_is_written_reads_the_same(made) -> None:
    reading = read(render_routers(made), "routers.toml")
    assert reading.cluster is not None, [str(problem) for problem in reading.problems]
    assert reading.cluster.routers == made
    assert read(render(reading.cluster), "x").cluster == reading.cluster


def test_every_field_has_a_word() -> None:
    """But for those that have a table or a form of their own."""
    special = {
        "priorities second_path",
        "name addresses peers tracks virtual_mac announcing notified members users services fifos address prefix kind password",
    }
    apart = {word for words in special for word in words.split()}
    for kind, listed in OF.items():
        fields = set(defaults(kind)) | {setting.field for setting in listed}
        assert fields - {setting.field for setting in listed} - apart == set(), kind


GOOD = """
[virtual_routers.VI_1]
device = "eth0"
id = 51
addresses = ["192.0.2.9/24"]
"""


def test_a_small_file_has_the_defaults() -> None:
    reading = read(GOOD, "routers.toml", host="left")
    assert reading.problems == ()
    assert reading.cluster is not None
    assert (reading.cluster.name, reading.cluster.names, reading.cluster.key_file) == ("vrrp", ("left",), "")
    assert [group.addresses[0].address for group in reading.cluster.groups] == ["192.0.2.9"]
    assert reading.cluster.routers is not None
    assert reading.cluster.routers.routers == (
        VirtualRouter("VI_1", "eth0", 51, (RouterAddress("192.0.2.9", 24, "eth0"),), group="224.0.0.18"),
    )


def test_beside_a_cluster_the_groups_stay_its_own() -> None:
    text = CLUSTER + MEMBERS + GROUP + GOOD + 'lease_group = "site"\n'
    cluster = read(text, "c.toml").cluster
    assert cluster is not None
    assert [group.name for group in cluster.groups] == ["site"]
    assert cluster.routers is not None
    assert cluster.routers.routers[0].lease_group == "site"
    again = read(render(cluster), "c.toml").cluster
    assert again == cluster
    assert read(CLUSTER + MEMBERS + GROUP, "c.toml").cluster != replace(
        cluster, routers=None
    )  # the digest tells them apart


BELONG = '"authentication" and "password" belong together'
LONG = "the password is longer than 8 characters, which is all that is sent"
NONE = "there is no authentication in version 3, IPv6 and strict mode"
NEVER = "preempt = false does not go with priority 255 or a preempt_delay"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("prioritee = 3", ['4:1: unknown word "prioritee" in [virtual_routers.V]']),
        ('interval = "1.5s"', ["4:12: interval 1.5s: version 2 has steps of 1s"]),
        ('version = 3\ninterval = "1.005s"', ["5:12: interval 1.005s: version 3 has steps of 10ms"]),
        ('authentication = "PASS"', [f"4:18: {BELONG}"]),
        ('authentication = "PASS"\npassword = "123456789"', [f"5:12: {LONG}"]),
        ('authentication = "AH"\npassword = "x"\nversion = 3', [f"4:18: {NONE}"]),
        ("preempt = false\npriority = 255", [f"4:11: {NEVER}"]),
        ('track = [{ script = "x" }]', ['4:21: the script "x" is not there']),
        ("track = [{ weight = 3 }]", ["4:10: one thing at a time is tracked"]),
        ('lease_group = "x"', ["1:2: the lease_group of V is for the nodes of a cluster, and this file has none"]),
        ("priority = { a = 1 }", ["1:2: the priority of V is for the nodes of a cluster, and this file has none"]),
        ('source = "::1"', ['4:10: "source" is not right for IPv4']),
        ('peers = ["host"]', ["4:10: a unicast peer is an address"]),
        ("virtual_mac = {}", ['4:15: a virtual_mac needs "name", that of the device it makes']),
    ],
)
def test_refusals(more, told) -> None:
    reading = read(f'[virtual_routers.V]\ndevice = "eth0"\nid = 51\n{more}\naddresses = ["192.0.2.9/24"]\n', "r.toml")
    assert [f"{item.line}:{item.column}: {item.text}" for item in reading.problems] == told
    assert reading.cluster is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('address = "192.0.2.9/24", label = "a-label-of-16-xx"', "is longer than 15 characters"),
        ('address = "192.0.2.9/24", scope = "world"', 'unknown scope "world"'),
        (
            'address = "192.0.2.9/24", broadcast = "2001:db8::1"',
            '"broadcast" is "2001:db8::1", which is no IPv4 address',
        ),
        ('address = "192.0.2.9/24", peer = "somebody"', '"peer" is "somebody", which is no IPv4 address'),
        ('address = "192.0.2.9/24", options = ["preferred_lft", "0"]', 'unknown option "preferred_lft"'),
        ('address = "2001:db8::9/64", options = ["preferred_lft"]', '"preferred_lft" needs a number of seconds'),
        ('address = "2001:db8::9/64", options = ["nodad"]', 'unknown option "nodad" of an IPv6 address'),
        ('address = "2001:db8::9/64", label = "eth0:1"', "label, scope and broadcast are for IPv4 addresses"),
    ],
)
def test_refusals_of_addresses(written, told) -> None:
    """The kernel's side is given nothing that it could not write into a message."""
    text = f'[virtual_routers.V]\ndevice = "eth0"\nid = 51\naddresses = [{{ {written} }}]\n'
    reading = read(text, "r.toml")
    errors = [item for item in reading.problems if item.severity == "error"]
    assert [(item.line, told in item.text) for item in errors] == [(4, True)]


def test_a_password_shows_nowhere() -> None:
    reading = read(f'{GOOD}authentication = "AH"\npassword = "hunter2"\n', "r.toml")
    assert reading.cluster is not None
    assert "hunter2" not in repr(reading)


def test_a_second_path_is_on_another_device() -> None:
    path = 'second_path = {{ device = "{}", peers = ["{}"] }}\n'
    reading = read(GOOD + path.format("eth1", "198.51.100.2"), "r.toml")
    assert reading.cluster is not None
    assert reading.cluster.routers.routers[0].second_path == SecondPath("eth1", ("198.51.100.2",))  # type: ignore[union-attr]
    assert read(render(reading.cluster), "r.toml", host="localhost").cluster == reading.cluster
    for device, peer in (("eth0", "198.51.100.2"), ("eth1", "2001:db8::2"), ("eth1", "host")):
        assert read(GOOD + path.format(device, peer), "r.toml").cluster is None


OWN = '[virtual_routers.{}]\ndevice = "eth0"\nid = {}\naddresses = ["192.0.2.{}/24"]\n'
TWO = OWN.format("A", 51, 51) + "{}" + OWN.format("B", 52, 52) + "{}"


def beside(text: str) -> Reading:
    return read(CLUSTER + MEMBERS + GROUP + text, "c.toml")


def test_beside_a_cluster_each_has_a_group_of_its_own_or_its_sync_groups() -> None:
    text = TWO.format("priority = { ha02 = 150, ha01 = 100 }\npreempt = false\n", 'preempt_delay = "5s"\n')
    cluster = beside(text).cluster
    assert cluster is not None
    assert [(group.name, group.prefer) for group in cluster.groups[1:]] == [
        ("A", ("ha02", "ha01")),
        ("B", ("ha01", "ha02")),
    ]
    assert [group.failback.kind.value for group in cluster.groups[1:]] == ["never", "after"]
    assert [router.lease_group for router in cluster.routers.routers] == ["A", "B"]  # type: ignore[union-attr]
    assert cluster.routers_on("ha02").routers[0].priority == 150  # type: ignore[union-attr]
    assert cluster.routers_on("arbiter") is None
    assert read(render(cluster), "c.toml").cluster == cluster
    whole = beside(text + '[router_groups.both]\nmembers = ["A", "B"]\n').cluster
    assert whole is not None
    assert [group.name for group in whole.groups] == ["site", "both"]
    assert read(render(whole), "c.toml").cluster == whole


@pytest.mark.parametrize(
    ("first", "second", "rest", "told"),
    [
        ("priority = { ha01 = 150 }\n", "", "", "A has no priority for ha02"),
        ("priority = { ha01 = 150, ha2 = 3 }\n", "", "", 'A has a priority for "ha2", which is no node of this file'),
        ("priority = {}\n", "", "", "no node has a priority here"),
        ("priority = { ha01 = 1, ha02 = 300 }\n", "", "", '"ha02" is 300, but must be from 1 to 255'),
        (
            "priority = 255\n",
            "",
            "",
            "A has the priority 255: an owner is master in any case, and so nobody's lease counts",
        ),
        ('lease_group = "web"\n', "", "", 'A has the lease_group "web", which is no group of this file'),
        (
            'lease_group = "site"\n',
            "",
            '[router_groups.both]\nmembers = ["A", "B"]\n',
            "the members of both follow different groups, and would never be master together",
        ),
        ("", "", OWN.format("site", 53, 53), "site is a group and a virtual router: each has a lease of its own"),
        ("", "", OWN.format('"a b"', 53, 53), '"a b" cannot name a virtual router of a cluster'),
    ],
)
def test_refusals_beside_a_cluster(first: str, second: str, rest: str, told: str) -> None:
    reading = beside(TWO.format(first, second) + rest)
    assert reading.cluster is None
    assert told in [item.text for item in reading.problems]


def test_one_address_on_two_devices_is_refused_with_the_reason() -> None:
    other = GOOD.replace("VI_1", "VI_2").replace("eth0", "eth1").replace("51", "52")
    (problem,) = read(GOOD + other, "r.toml").problems
    assert problem.text == "the address 192.0.2.9 is in two virtual routers, VI_1 and VI_2, on eth0 and eth1"
    assert "kernel's lease" in problem.hint
