"""The kinds ``route`` and ``source_address`` against the real kernel, in a network name space of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import InNetwork, Stage, ip, play, until

from understudy.events import Outcome
from understudy.model import RouteResource, SourceAddressResource

pytestmark = pytest.mark.kernel

OK, NOT_RUNNING, FAILED = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED
ROUTE = RouteResource("r", "198.51.100.0/24", "192.0.2.254", "eth0")
SIX = RouteResource("r", "2001:db8:2::/48", "2001:db8:1::fe", "eth0", metric=7)
SOURCE = SourceAddressResource("s", "192.0.2.50", "0.0.0.0/0")


def shown(*words: str) -> list[dict[str, Any]]:
    return list(json.loads(ip("-json", *words) or "[]"))


@pytest.mark.parametrize("route", [ROUTE, SIX], ids=["4", "6"])
def test_life_of_a_route(tmp_path: Path, in_network: InNetwork, route: RouteResource) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, route)
        assert await stage.run("monitor") == (NOT_RUNNING, "the route is not there")
        assert await stage.run("stop") == (OK, "was not there")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "was there already")
        (found,) = shown("-6" if ":" in route.destination else "-4", "route", "show", route.destination)
        assert (found["gateway"], found["dev"]) == (route.via, "eth0")
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert shown("-6" if ":" in route.destination else "-4", "route", "show", route.destination) == []
        assert await stage.run("stop") == (OK, "was not there")

    in_network(lambda: play(scene()))


def test_table_metric_source_and_no_router(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        resource = RouteResource("r", "203.0.113.0/24", None, "eth0", 1000, 42, "192.0.2.50")
        stage = Stage(tmp_path, resource)
        assert await stage.run("start") == (OK, "")
        (found,) = shown("-4", "route", "show", "table", "1000")
        words = {"dst": "203.0.113.0/24", "dev": "eth0", "metric": 42, "prefsrc": "192.0.2.50", "scope": "link"}
        assert words.items() <= found.items()
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert shown("-4", "route", "show", "table", "1000") == []

    in_network(lambda: play(scene()))


def test_a_route_of_somebody_else_stays(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        ip("route", "add", "198.51.100.0/24", "via", "192.0.2.253")
        stage = Stage(tmp_path, ROUTE)
        text = "there is another route to the same place: 198.51.100.0/24 via 192.0.2.253 dev eth0"
        assert await stage.run("monitor") == (NOT_RUNNING, "the route is not there")
        assert await stage.run("start") == (FAILED, text)
        assert await stage.run("stop") == (OK, "was not there")
        assert shown("-4", "route", "show", "198.51.100.0/24")[0]["gateway"] == "192.0.2.253"

    in_network(lambda: play(scene()))


def test_what_the_kernel_refuses_is_told(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        far = RouteResource("r", "198.51.100.0/24", "203.0.113.1", "eth0")
        outcome, text = await Stage(tmp_path, far).run("start")
        assert outcome is FAILED
        assert text.startswith("the kernel refuses the route: ")
        assert "gateway" in text
        gone = RouteResource("r", "198.51.100.0/24", None, "eth9")
        assert await Stage(tmp_path, gone).run("start") == (FAILED, "there is no network interface eth9")
        assert await Stage(tmp_path, gone).run("stop") == (OK, "was not there")

    in_network(lambda: play(scene()))


def test_a_route_whose_cable_is_out(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, ROUTE)
        await stage.run("start")
        ip("link", "set", "eth0p", "down")
        await until(lambda: "linkdown" in ip("route", "show", "198.51.100.0/24"), "the kernel has noticed")
        outcome, text = await stage.run("monitor")
        assert (outcome, text) == (FAILED, "the route leads nowhere: eth0 is down or has no carrier")

    in_network(lambda: play(scene()))


def default_route() -> dict[str, Any]:
    (found,) = shown("-4", "route", "show", "default")
    return found


def test_life_of_a_source_address(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SOURCE)
        assert await stage.run("start") == (FAILED, "there is no default route")
        ip("route", "add", "default", "via", "192.0.2.254", "mtu", "1400", "src", "192.0.2.1", "proto", "dhcp")
        before = default_route()
        assert await stage.run("monitor") == (NOT_RUNNING, "the default route has 192.0.2.1 preferred source")
        assert await stage.run("stop") == (OK, "was not set")
        assert await stage.run("start") == (OK, "")
        assert default_route() == {**before, "prefsrc": "192.0.2.50"}
        assert shown("route", "get", "203.0.113.9")[0]["prefsrc"] == "192.0.2.50"
        assert await stage.run("start") == (OK, "was set already")
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.again().run("stop") == (OK, "")
        assert default_route() == before
        assert await stage.run("stop") == (OK, "was not set")

    in_network(lambda: play(scene()))


def test_the_route_comes_back_when_the_address_has_taken_it_along(tmp_path: Path, in_network: InNetwork) -> None:
    """Addresses leave at once when a lease ends, and the kernel removes the route with its source."""

    async def scene() -> None:
        ip("route", "add", "default", "via", "192.0.2.254", "metric", "10")
        before = default_route()
        stage = Stage(tmp_path, SOURCE)
        await stage.run("start")
        ip("address", "del", "192.0.2.50/32", "dev", "eth0")
        assert shown("-4", "route", "show", "default") == [], "the kernel keeps it now: the note may be needless"
        outcome, text = await stage.again().run("monitor")
        assert (outcome, text) == (FAILED, "there is no default route"), "then nobody would put it back"
        assert await stage.again().run("stop") == (OK, "")
        assert default_route() == before

    in_network(lambda: play(scene()))


def test_a_route_made_meanwhile_is_left_alone(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        ip("route", "add", "default", "via", "192.0.2.254")
        stage = Stage(tmp_path, SOURCE)
        await stage.run("start")
        ip("route", "replace", "default", "via", "192.0.2.253")
        assert (await stage.run("monitor"))[0] is FAILED
        assert await stage.run("stop") == (OK, "")
        assert default_route()["gateway"] == "192.0.2.253"

    in_network(lambda: play(scene()))


def test_the_source_of_a_named_route(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth1p")
        ip("link", "set", "eth1", "up")
        for metric, device in (("5", "eth0"), ("9", "eth1")):
            ip("route", "add", "198.51.100.0/24", "dev", device, "metric", metric)
        stage = Stage(tmp_path, SourceAddressResource("s", "192.0.2.50", "198.51.100.0/24", "eth1"))
        assert await stage.run("start") == (OK, "")
        found = {item["dev"]: item.get("prefsrc") for item in shown("-4", "route", "show", "198.51.100.0/24")}
        assert found == {"eth0": None, "eth1": "192.0.2.50"}
        assert await stage.run("stop") == (OK, "")
        found = {item["dev"]: item.get("prefsrc") for item in shown("-4", "route", "show", "198.51.100.0/24")}
        assert found == {"eth0": None, "eth1": None}

    in_network(lambda: play(scene()))


def test_ipv6(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        ip("-6", "route", "add", "default", "via", "2001:db8:1::fe", "dev", "eth0")
        before = shown("-6", "route", "show", "default")
        stage = Stage(tmp_path, SourceAddressResource("s", "2001:db8:1::50", "::/0"))
        assert await stage.run("start") == (OK, "")
        assert shown("-6", "route", "show", "default")[0]["prefsrc"] == "2001:db8:1::50"
        assert len(shown("-6", "route", "show", "default")) == 1
        assert await stage.run("stop") == (OK, "")
        assert shown("-6", "route", "show", "default") == before

    in_network(lambda: play(scene()))


def test_an_address_that_the_machine_has_not(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        ip("route", "add", "default", "via", "192.0.2.254")
        before = default_route()
        stage = Stage(tmp_path, SourceAddressResource("s", "192.0.2.99", "0.0.0.0/0"))
        outcome, text = await stage.run("start")
        assert outcome is FAILED
        assert text.startswith("the kernel does not take 192.0.2.99 as the source of the default route: ")
        assert default_route() == before
        assert (await stage.run("monitor"))[0] is NOT_RUNNING

    in_network(lambda: play(scene()))
