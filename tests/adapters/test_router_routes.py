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
        ("198.51.100.0/24 via 192.0.2.1 onlink", "198.51.100.0/24", "unicast", {"via": "192.0.2.1", "onlink": "yes"}),
    ],
)
def test_routes_as_ip_route_has_them(text: str, network: str, kind: str, options: dict[str, str]) -> None:
    found = understood(text.split(), 4, is_rule=False)
    assert isinstance(found, Extra)
    assert (found.network, found.kind, dict(found.options)) == (network, kind, options)


def test_a_rule_may_say_lookup() -> None:
    found = understood(["from", "192.0.2.100", "lookup", "300", "pref", "5"], 4, is_rule=True)
    assert isinstance(found, Extra)
    assert dict(found.options) == {"from": "192.0.2.100", "table": "300", "priority": "5"}


@pytest.mark.parametrize(
    ("text", "is_rule", "what"),
    [
        ("default via 192.0.2.1 nexthop dev eth1", False, "nexthop"),
        ("default via nowhere", False, "wrong"),
        ("from 2001:db8::1 table 300", True, "wrong"),
        ("198.51.100.0/24 via", False, "via"),
    ],
)
def test_what_is_not_understood_is_said(text: str, is_rule: bool, what: str) -> None:
    found = understood(text.split(), 4, is_rule)
    assert isinstance(found, str)
    assert what in found
