"""The load balancer's nf_tables without a kernel: whose turn it is, what a service becomes, and the way back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from understudy.adapters import nft_balance_read as reading
from understudy.adapters import nft_expressions as nft
from understudy.adapters.netlink import nested
from understudy.adapters.nft_balance_rules import changed, made
from understudy.adapters.nft_balance_words import (
    TABLE,
    Standing,
    comment,
    mixed,
    server_key,
    service_key,
    suffix,
    turns,
)
from understudy.adapters.nft_expressions import Listed, flush_chain
from understudy.adapters.nftables import Family, flush_set
from understudy.balance import Place, TableServer, TableService
from understudy.services import Forward, ServiceKey
from understudy.units import SECOND
from work import calls_of

KEY = ServiceKey("tcp", "10.0.0.100", 80)
WEB = TableService(KEY, "wrr", persistence=300 * SECOND, granularity=24)


def servers(*weights: int, forward: Forward = Forward.NAT) -> dict[Place, TableServer]:
    places = [Place(f"10.0.0.{number}", 80) for number in range(1, len(weights) + 1)]
    return {place: TableServer(place, forward, weight) for place, weight in zip(places, weights, strict=True)}


def shares(scheduler: str, *weights: int) -> dict[str, int]:
    found: Counter[str] = Counter()
    for count, server in turns(list(servers(*weights).values()), scheduler):
        found[server.place.address] += count
    return dict(found)


def test_weights_are_exact_and_reduced() -> None:
    assert shares("wrr", 20, 50, 10) == {"10.0.0.1": 2, "10.0.0.2": 5, "10.0.0.3": 1}
    assert shares("sh", 65535, 65534) == {"10.0.0.1": 65535, "10.0.0.2": 65534}
    assert shares("rr", 20, 50, 10) == {"10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1}


def test_turns_are_spread() -> None:
    order = [server.place.address[-1] for _, server in turns(list(servers(2, 4, 1).values()), "wrr")]
    assert all("".join(order * 2).count(two) <= 2 for two in ("222", "11"))
    assert "222" not in "".join(order)


def test_a_rule_that_is_made_anew_begins_with_another_server() -> None:
    given = list(servers(1, 1, 1).values())
    first = {turns(given, "rr", start)[0][1].place for start in range(3)}
    assert len(first) == 3
    assert turns(given, "sh", 0) == turns(given, "sh", 1), "a client's server must not depend on it"


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        ServiceKey("udp", "fd00::1", 53, family=6),
        replace(KEY, port=0),
        ServiceKey(mark=7),
        ServiceKey(mark=1 << 31, family=6),
    ],
)
def test_a_service_is_read_as_it_was_written(key: ServiceKey) -> None:
    service = replace(WEB, key=key, flags=("sh-port", "sh-fallback"), one_packet=True, hashed=True)
    standing = Standing(12, service, {})
    found = reading.service(standing.family, suffix(key), Listed(service_key(key), comment(standing)))
    assert found == standing
    owned = replace(standing, owner="0badcafe")
    assert reading.service(owned.family, suffix(key), Listed(service_key(key), comment(owned))) == owned
    longest = replace(service, persistence=1 << 62, granularity=128)
    assert len(comment(Standing(99999999, longest, {}, owner="o" * 30))) < 128, "more nf_tables does not keep"


@pytest.mark.parametrize("text", ["", "somebody's note", "1 rr x 0 0 0 -", "1 rr 0 0 0 0 - more words"])
def test_elements_of_others_are_no_services(text: str) -> None:
    assert reading.service(Standing(1, WEB, {}).family, "", Listed(service_key(KEY), text)) is None


def test_servers_are_read_as_they_were_written() -> None:
    standing = Standing(
        12, WEB, {**servers(0, 65535), Place("10.0.0.9", 0): TableServer(Place("10.0.0.9", 0), Forward.DIRECT)}
    )
    told = [Listed(server_key(standing, server)) for server in standing.servers.values()]
    assert reading.servers(standing.family, told) == {12: standing.servers}


def test_a_change_says_only_what_changes() -> None:
    """A server whose weight goes from 0 to 0 or that stays needs nothing; one that goes does not rewrite the others' elements."""
    before = Standing(1, replace(WEB, persistence=0), servers(*[1] * 100))
    assert changed(before, before, 100, 0) == []
    quiet = replace(
        before, servers={**before.servers, Place("10.0.0.1", 80): TableServer(Place("10.0.0.1", 80), weight=0)}
    )
    gone = replace(
        before, servers={place: item for place, item in before.servers.items() if place.address != "10.0.0.1"}
    )
    whole = sum(map(len, made(before, 100, 0)))
    for after in (quiet, gone):
        assert sum(map(len, changed(before, after, 100, 0))) < whole / 2


def test_a_server_that_goes_is_little_work() -> None:
    """Of a service with a hundred: a thousand that go one after the other are as many batches. 2200; with rules that are made to
    be compared, and servers sorted again and again, 5600.
    """
    before = Standing(1, replace(WEB, scheduler="rr", persistence=0), servers(*[1] * 100))
    after = replace(before, servers={place: item for place, item in before.servers.items() if place.address[-1] != "7"})
    changed(before, after, 100, 0)
    assert calls_of(lambda: changed(before, after, 100, 0)) < 3000


def test_elements_are_read_as_they_were_written() -> None:
    """Those with nothing but a key, in one glance, and the others."""
    parts = [nft.element(b"\0\0\0\7"), nft.element(b"\0\0\0\1" * 9), nft.element(b"\1\2\3\4", comment="said")]
    parts += [nft.element(b"\1\2"), nft.element(b"\0\0\0\2", b"\0\0\0\3"), nft.element(b"\0\0\0\4", end=True)]
    found = list(nft.listed(bytes(4) + nested(3, *parts)))
    keys = [b"\0\0\0\7", b"\0\0\0\1" * 9, b"\1\2\3\4", b"\1\2", b"\0\0\0\2", b"\0\0\0\4"]
    assert found == [Listed(key, "said" if key == b"\1\2\3\4" else "") for key in keys]


@pytest.mark.parametrize(
    ("key", "forward"), [(ServiceKey(mark=7), Forward.DIRECT), (replace(KEY, port=0), Forward.NAT)]
)
def test_two_places_of_one_address_share_their_element(key: ServiceKey, forward: Forward) -> None:
    """It goes with the last of them, and comes with the first."""
    places = [Place("10.0.0.1", port) for port in (80, 443)]
    other = servers(1, 1, forward=forward)[Place("10.0.0.2", 80)]
    none = Standing(1, TableService(key), {other.place: other})
    one = replace(none, servers={**none.servers, places[1]: TableServer(places[1], forward)})
    both = replace(one, servers={**one.servers, places[0]: TableServer(places[0], forward)})
    named = (b"live_1\0", b"began_1\0")

    def about(before: Standing, after: Standing) -> list[int]:
        """How many messages change each set."""
        messages = changed(before, after, 100, 0)
        return [sum(name in message for message in messages) for name in named]

    assert about(both, one) == about(one, both) == [0, 0]
    assert about(one, none) == about(none, both) == about(both, none) == [1, 1]


def test_another_way_to_remember_clients_makes_the_rules_of_it_again() -> None:
    before = Standing(1, WEB, servers(1, 1, forward=Forward.DIRECT))

    def made_again(**what: object) -> tuple[bool, bool]:
        """Whether what remembers is made again, and whether the clients are forgotten."""
        after = replace(before, service=replace(WEB, **what))  # type: ignore[arg-type]
        messages = changed(before, after, 100, 0)
        return flush_chain(Family.IP, TABLE, "live_1") in messages, flush_set(Family.IP, TABLE, "stay_1") in messages

    assert made_again(persistence=60 * SECOND) == (True, False)
    assert made_again(granularity=32) == (True, True)
    assert made_again(one_packet=True) == (True, False)
    assert made_again(scheduler="rr") == (False, False)


def test_one_way_to_all_servers_but_to_this_machine() -> None:
    direct = servers(1, 1, forward=Forward.DIRECT)
    here = Place("127.0.0.1", 80)
    assert Standing(1, WEB, direct).direct
    assert not mixed(Standing(1, WEB, {**direct, here: TableServer(here)}))
    assert mixed(Standing(1, WEB, {**direct, Place("10.0.0.9", 80): TableServer(Place("10.0.0.9", 80))}))
    own = Standing(1, WEB, servers(1, forward=Forward.DIRECT), frozenset({"10.0.0.1"}))
    assert not own.direct, "the only server is this machine: nothing is sent on"
