"""The words of routes and rules: what is understood, and that the rest is said and not guessed."""

from __future__ import annotations

import pytest

from understudy.adapters.router_routes import Extra, understood


@pytest.mark.parametrize(
    ("text", "network", "kind", "options"),
    [
        ("default via 192.0.2.1", "default", "unicast", {"via": "192.0.2.1"}),
        ("to 198.51.100.0/24 dev eth1 table 300", "198.51.100.0/24", "unicast", {"dev": "eth1", "table": "300"}),
        ("blackhole 203.0.113.0/24 metric 5", "203.0.113.0/24", "blackhole", {"metric": "5"}),
        (
            "src 192.0.2.9 to 198.51.100.0/24 gw 192.0.2.1",
            "198.51.100.0/24",
            "unicast",
            {"src": "192.0.2.9", "via": "192.0.2.1"},
        ),
        ("198.51.100.0/24 dev eth1 no_track mtu 1400", "198.51.100.0/24", "unicast", {"dev": "eth1", "mtu": "1400"}),
        (
            "198.51.100.0/24 dev eth1 priority 7 tos 0x10",
            "198.51.100.0/24",
            "unicast",
            {"dev": "eth1", "metric": "7", "tos": "0x10"},
        ),
        ("198.51.100.0/24 via 192.0.2.1 onlink", "198.51.100.0/24", "unicast", {"via": "192.0.2.1", "onlink": "yes"}),
    ],
)
def test_routes_as_ip_route_has_them(text: str, network: str, kind: str, options: dict[str, str]) -> None:
    found = understood(text.split(), 4, is_rule=False)
    assert isinstance(found, Extra)
    assert (found.network, found.kind, dict(found.options)) == (network, kind, options)


def test_a_rule_may_say_lookup() -> None:
    found = understood(["from", "192.0.2.100", "lookup", "300", "preference", "5", "no_track"], 4, is_rule=True)
    assert isinstance(found, Extra)
    assert dict(found.options) == {"from": "192.0.2.100", "table": "300", "priority": "5"}


def test_a_route_of_the_other_family_is_known_by_its_addresses() -> None:
    families = {
        text: found.family
        for text in ("2001:db8:1::/48 dev eth1", "default dev eth1 inet6", "default dev eth1")
        if isinstance(found := understood(text.split(), 4, is_rule=False), Extra)
    }
    assert list(families.values()) == [6, 6, 4]


@pytest.mark.parametrize(
    ("text", "is_rule", "what"),
    [
        ("default via 192.0.2.1 nexthop dev eth1", False, "nexthop"),
        ("default via nowhere", False, "wrong"),
        ("from 2001:db8::1 to 192.0.2.9 table 300", True, "wrong"),
        ("from 192.0.2.1 table mine", True, "wrong"),
        ("default via 192.0.2.1 or 192.0.2.2 dev eth1", False, '"or"'),
        ("198.51.100.0/24 via", False, "via"),
    ],
)
def test_what_is_not_understood_is_said(text: str, is_rule: bool, what: str) -> None:
    found = understood(text.split(), 4, is_rule)
    assert isinstance(found, str)
    assert what in found
