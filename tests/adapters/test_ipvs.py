"""IPVS over generic netlink, against bytes and a stand-in for the kernel: there is no IPVS where these tests run.

``tests/vm/vm_ipvs.py`` has the real one.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipvs_stand_in import SCHEDULERS, StandIn

from understudy.adapters import ipvs, ipvs_messages
from understudy.adapters.ipvs_messages import Command, SyncState
from understudy.adapters.netlink import attribute, nested
from understudy.balance import (
    Counters,
    DropServer,
    DropService,
    Place,
    SetServer,
    SetService,
    Synchronise,
    TableRefused,
    TableServer,
    TableService,
    kept_by_ipvs,
    place_in_ipvs,
)
from understudy.services import Forward, ServiceKey, SyncDaemon, Timeouts, Tunnelling
from understudy.units import MILLISECOND, SECOND

WEB = ServiceKey("tcp", "192.0.2.100", 80)
WEB6 = ServiceKey("tcp", "2001:db8::100", 443, 0, 6)
WHY = "a test"


def plane() -> tuple[ipvs.PlaneIpvs, StandIn]:
    kernel = StandIn()
    return ipvs.PlaneIpvs(kernel), kernel


def test_a_service_is_these_bytes() -> None:
    """By hand from linux/ip_vs.h: a mark in network order would be another service."""
    wanted = TableService(WEB, "sh", ("sh-port",), 300 * SECOND, 24)
    body = (
        struct.pack("=HHH2x", 6, 1, 2)
        + struct.pack("=HHH2x", 6, 2, 6)
        + struct.pack("=HH", 20, 3)
        + bytes([192, 0, 2, 100])
        + bytes(12)
        + struct.pack("=HH", 6, 4)
        + struct.pack("!H2x", 80)
        + struct.pack("=HH", 7, 6)
        + b"sh\0\0"
        + struct.pack("=HHII", 12, 7, 0x1 | 0x10, 0x3D)
        + struct.pack("=HHI", 8, 8, 300)
        + struct.pack("=HH", 8, 9)
        + bytes([255, 255, 255, 0])
    )
    whole = struct.pack("=BBH", 1, 1, 0) + struct.pack("=HH", 4 + len(body), 1 | 0x8000) + body
    assert ipvs_messages.service(Command.NEW_SERVICE, wanted) == whole


def test_a_server_is_these_bytes() -> None:
    tunnel = Tunnelling("gue", 5555, "remcsum")
    wanted = TableServer(Place("2001:db8::1", 443), Forward.TUNNEL, 65535, 100, 50, tunnel)
    told = ipvs_messages.server(Command.NEW_SERVER, WEB6, wanted)
    address = bytes.fromhex("20010db8000000000000000000000001")
    body = (
        struct.pack("=HH", 20, 1)
        + address
        + struct.pack("=HH", 6, 2)
        + struct.pack("!H2x", 443)
        + struct.pack("=HHH2x", 6, 11, 10)
        + b"".join(struct.pack("=HHI", 8, kind, value) for kind, value in ((3, 2), (4, 65535), (5, 100), (6, 50)))
        + struct.pack("=HHB3x", 5, 13, 1)
        + struct.pack("=HH", 6, 14)
        + struct.pack("!H2x", 5555)
        + struct.pack("=HHH2x", 6, 15, 2)
    )
    assert told.startswith(struct.pack("=BBH", 5, 1, 0))
    assert told.endswith(struct.pack("=HH", 4 + len(body), 2 | 0x8000) + body)


addresses4 = st.ip_addresses(v=4).map(str)
addresses6 = st.ip_addresses(v=6).map(str)
ports = st.integers(1, 65535)
keys4 = st.builds(ServiceKey, st.sampled_from(["tcp", "udp", "sctp"]), addresses4, st.integers(0, 65535))
keys6 = st.builds(
    ServiceKey, st.sampled_from(["tcp", "udp", "sctp"]), addresses6, st.integers(0, 65535), family=st.just(6)
)
marks = st.builds(ServiceKey, mark=st.integers(1, 2**32 - 1), family=st.sampled_from([4, 6]))
FLAGS = ["flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"]
services = st.builds(
    TableService,
    keys4 | keys6 | marks,
    st.sampled_from(sorted(name.decode() for name in SCHEDULERS)),
    st.lists(st.sampled_from(FLAGS), max_size=3).map(tuple),
    st.integers(0, 2**31) | st.integers(0, 2_678_400).map(lambda value: value * SECOND),
    st.integers(0, 32),
    st.sampled_from(["", "sip"]),
    st.booleans(),
    st.booleans(),
)
tunnels = st.builds(Tunnelling, st.sampled_from(["gue", "gre"]), ports, st.sampled_from(["", "csum", "remcsum"]))
counts = st.integers(0, 2**32 - 1)
places = st.builds(Place, addresses4 | addresses6, st.integers(0, 65535))
servers = st.builds(
    TableServer, places, st.sampled_from([Forward.NAT, Forward.DIRECT]), st.integers(0, 65535), counts, counts
)
tunnelled = st.builds(
    TableServer, places, st.just(Forward.TUNNEL), st.integers(0, 65535), counts, counts, tunnels | st.just(Tunnelling())
)


@given(st.lists(st.tuples(services, st.lists(servers | tunnelled, max_size=4)), max_size=4))
def test_what_is_written_is_read_again(table: list[tuple[TableService, list[TableServer]]]) -> None:
    made, _ = plane()
    wanted: dict[ServiceKey, tuple[TableService, dict[Place, TableServer]]] = {}
    for service, rows in table:
        known = wanted.get(service.key)
        assert made.apply([SetService(service, known is None, WHY)]) == []
        kept = kept_by_ipvs(service)
        held = {} if known is None else known[1]
        wanted[service.key] = kept, held
        for row in rows:
            place = place_in_ipvs(service.key, row.place, row.forward)
            assert made.apply([SetServer(service.key, row, place not in held, WHY)]) == []
            held[place] = TableServer(place, row.forward, row.weight, row.upper, row.lower, row.tunnelling)
    seen = {service.key: (service, {row.place: row for row in rows}) for service, rows in made.read().services}
    assert seen == wanted
    assert {kept_by_ipvs(service) for service, _ in seen.values()} == {service for service, _ in seen.values()}


@given(st.binary(max_size=200))
def test_nonsense_is_no_service_and_no_server(data: bytes) -> None:
    for payload in (data, b"\1\1\0\0" + data, b"\1\1\0\0" + nested(1, data), b"\5\1\0\0" + nested(2, data)):
        ipvs_messages.read_service(payload)
        ipvs_messages.read_server(payload, 4)
        ipvs_messages.read_server(payload, 6)
        ipvs_messages.read_counters(payload)
        ipvs_messages.read_daemon(payload)
        ipvs_messages.family_of(payload)


def test_the_counters_are_the_64_bit_ones_where_there_are_any() -> None:
    made, _ = plane()
    row = TableServer(Place("192.0.2.1", 80))
    assert made.apply([SetService(TableService(WEB), True, WHY), SetServer(WEB, row, True, WHY)]) == []
    big = 1 << 33
    assert made.counters() == {(WEB, row.place): Counters(7, 8, 9, big, 2 * big, 3 * big, 4 * big, 5 * big)}
    old = b"".join(attribute(kind, struct.pack("=I", kind)) for kind in (1, 2, 3))
    old += b"".join(attribute(kind, struct.pack("=Q", kind * big)) for kind in (4, 5))
    body = attribute(1, bytes([192, 0, 2, 1]).ljust(16, b"\0")) + attribute(2, b"\0\x50") + nested(10, old)
    payload = b"\5\1\0\0" + nested(2, body)
    assert ipvs_messages.read_server(payload, 4) == TableServer(row.place, weight=0)
    assert ipvs_messages.read_counters(payload) == Counters(0, 0, 0, 1, 2, 3, 4 * big, 5 * big)


def test_ten_thousand_servers_in_a_few_calls_and_each_refusal_by_its_name() -> None:
    made, kernel = plane()
    rows = [TableServer(Place(f"10.0.{number >> 8}.{number & 255}", 80)) for number in range(10_000)]
    other = ServiceKey("udp", "192.0.2.9", 53)
    stray = [SetServer(other, rows[3], True, WHY), SetService(TableService(other, "best"), True, WHY)]
    adds = [SetServer(WEB, row, True, WHY) for row in rows]
    refused = made.apply([SetService(TableService(WEB), True, WHY), *adds[:7000], *stray, *adds[7000:]])
    assert refused == [
        TableRefused(other, rows[3].place, "the service is not in the kernel's table"),
        TableRefused(other, None, "the kernel has no scheduler best"),
    ]
    assert sum(kernel.sent) == 10_005, "the two refused ones are tried again"
    assert len(kernel.sent) == 22
    ((_, seen),) = made.read().services
    assert set(seen) == set(rows)


def test_a_table_that_somebody_else_changed_is_brought_right_all_the_same() -> None:
    """What is to be new is there already, what is to be changed or removed is gone."""
    made, _ = plane()
    row = TableServer(Place("192.0.2.1", 80), weight=3)
    for new in (False, True, True):
        assert made.apply([SetService(TableService(WEB, "rr"), new, WHY), SetServer(WEB, row, new, WHY)]) == []
        ((_, seen),) = made.read().services
        assert seen == (row,)
    for _ in range(2):
        assert made.apply([DropServer(WEB, row.place, WHY)]) == []
    for _ in range(2):
        assert made.apply([DropService(WEB, WHY), DropServer(WEB, row.place, WHY)]) == []
    assert made.read().services == ()


def test_without_the_right_to_it_every_change_says_so() -> None:
    made, kernel = plane()
    kernel.forbidden = True
    refused = made.apply([SetService(TableService(WEB), True, WHY), DropServer(WEB, Place("192.0.2.1", 80), WHY)])
    assert refused == [
        TableRefused(WEB, None, ipvs.NOT_PERMITTED),
        TableRefused(WEB, Place("192.0.2.1", 80), ipvs.NOT_PERMITTED),
    ]
    assert made.flush() == ipvs.NOT_PERMITTED


def test_a_kernel_without_ipvs_is_named() -> None:
    kernel = StandIn(present=False)
    with pytest.raises(OSError, match="has no IPVS: load the module ip_vs") as caught:
        ipvs.PlaneIpvs(kernel)
    assert caught.value.strerror == ipvs.MISSING
    assert kernel.closed


def test_timeouts_are_whole_seconds_and_flush_takes_all() -> None:
    made, kernel = plane()
    made.apply([SetService(TableService(WEB), True, WHY)])
    assert made.set_timeouts(Timeouts(tcp=900 * SECOND, udp=1500 * MILLISECOND)) == ""
    assert kernel.timeouts == {kind: struct.pack("=I", value) for kind, value in ((4, 900), (5, 0), (6, 2))}
    assert made.flush() == ""
    assert made.read().services == ()


def wish(daemon: SyncDaemon | None, master: bool, backup: bool) -> Synchronise:
    return Synchronise(daemon, master, backup, WHY)


def test_the_sync_daemons_run_as_they_are_wanted() -> None:
    made, kernel = plane()
    daemon = SyncDaemon("eth1", "VI_1", 7, 1400, 8850, 3, "239.1.2.3")
    told = SyncDaemon("eth1", "", 7, 1400, 8850, 3, "239.1.2.3")
    backup, master, both = (
        {SyncState.BACKUP: told},
        {SyncState.MASTER: told},
        {SyncState.MASTER: told, SyncState.BACKUP: told},
    )
    for states in (backup, master, both, backup):
        wanted = wish(daemon, SyncState.MASTER in states, SyncState.BACKUP in states)
        assert made.synchronise(wanted) == ""
        assert made.sync_daemons() == states
        before = len(kernel.sent)
        assert made.synchronise(wanted) == ""
        assert len(kernel.sent) == before, "what runs as wanted is left alone"
    other = wish(SyncDaemon("eth2", identifier=7), False, True)
    assert made.synchronise(other) == ""
    assert made.sync_daemons()[SyncState.BACKUP] == SyncDaemon("eth2", "", 7, 1472), "the kernel fills in the size"
    assert made.synchronise(other) == ""
    assert kernel.sent[-1] == 2, "stopped and started once, then left alone"
    for _ in range(2):
        assert made.synchronise(wish(None, False, False)) == ""
        assert made.sync_daemons() == {}
    usual = ipvs_messages.start_daemon(SyncDaemon("eth0"), SyncState.BACKUP)
    assert usual == b"\x09\1\0\0" + nested(
        3, struct.pack("=HHI", 8, 1, 2), struct.pack("=HH", 9, 2) + b"eth0\0\0\0\0", struct.pack("=HHI", 8, 3, 0)
    )
    kernel.forbidden = True
    assert made.synchronise(wish(daemon, True, False)) == f"IPVS's sync daemon on eth1: {ipvs.NOT_PERMITTED}"


def test_words_that_mean_the_same_are_the_same() -> None:
    plain = TableService(WEB, "sh", ("sh-fallback", "sh-port"))
    assert kept_by_ipvs(TableService(WEB, "sh", ("flag-2", "flag-1"), hashed=True)) == plain
    assert kept_by_ipvs(TableService(WEB, "rr", ("mh-port",))).flags == ("flag-2",)
    assert kept_by_ipvs(TableService(WEB, granularity=24)) == TableService(WEB)
    assert kept_by_ipvs(TableService(WEB, persistence=1, granularity=32)) == TableService(WEB, persistence=SECOND)
    assert place_in_ipvs(WEB, Place("192.0.2.1", 8080), Forward.DIRECT) == Place("192.0.2.1", 80)
    assert place_in_ipvs(WEB, Place("192.0.2.1", 8080), Forward.NAT) == Place("192.0.2.1", 8080)
    assert place_in_ipvs(ServiceKey(mark=3), Place("192.0.2.1", 8080), Forward.TUNNEL) == Place("192.0.2.1", 8080)
