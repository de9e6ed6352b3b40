"""The kind ``realserver`` against the real kernel, in a network name space of the test's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_helpers import InNetwork, Stage, ip, play

from understudy.events import Outcome
from understudy.model import RealServerResource

pytestmark = pytest.mark.kernel

OK, NOT_RUNNING, FAILED = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED
FIRST = RealServerResource("first", "203.0.113.10")
SECOND = RealServerResource("second", "203.0.113.11")
SIX = RealServerResource("six", "2001:db8:9::10")
CONF = Path("/proc/sys/net/ipv4/conf")
NAMES = ("all/arp_ignore", "all/arp_announce", "lo/arp_ignore", "lo/arp_announce")


def settings() -> tuple[str, ...]:
    return tuple((CONF / name).read_text().strip() for name in NAMES)


def on_lo() -> dict[str, tuple[int, str]]:
    (device,) = json.loads(ip("-json", "address", "show", "dev", "lo"))
    found = {item["local"]: (item["prefixlen"], item["scope"]) for item in device["addr_info"]}
    return {address: form for address, form in found.items() if address not in ("127.0.0.1", "::1")}


def local_routes(address: str) -> list[tuple[str, int]]:
    found = json.loads(ip("-json", "route", "show", "table", "local", address))
    return [(item["dev"], item.get("metric", 0)) for item in found]


QUIET = ("1", "2", "1", "2")
LOUD = ("0", "1", "0", "0")


def make_loud() -> None:
    for name, value in zip(NAMES, LOUD, strict=True):
        (CONF / name).write_text(value)


def test_life_of_a_real_server(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        make_loud()
        stage = Stage(tmp_path, FIRST)
        assert await stage.run("monitor") == (NOT_RUNNING, "the address is not there")
        assert await stage.run("stop") == (OK, "was not there")
        assert await stage.run("start") == (OK, "")
        assert on_lo() == {FIRST.realserver: (32, "host")}
        assert settings() == QUIET
        assert await stage.again().run("start") == (OK, "was there already")
        assert await stage.again().run("monitor") == (OK, "")
        (CONF / "all" / "arp_ignore").write_text("0")
        text = "the machine may tell its neighbours of the address: all/arp_ignore was set back"
        assert await stage.run("monitor") == (FAILED, text)
        assert await stage.run("start") == (OK, "was there already")
        assert settings() == QUIET
        ip("address", "del", f"{FIRST.realserver}/32", "dev", "lo")
        assert await stage.run("monitor") == (FAILED, f"{FIRST.realserver} is not on lo any more")
        assert await stage.run("start") == (OK, "")
        assert await stage.again().run("stop") == (OK, "")
        assert (on_lo(), settings(), local_routes(FIRST.realserver)) == ({}, LOUD, [])
        assert await stage.run("stop") == (OK, "was not there")

    in_network(lambda: play(scene()))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_one_puts_the_settings_back(tmp_path: Path, in_network: InNetwork, order: tuple[int, int]) -> None:
    async def scene() -> None:
        make_loud()
        stage = Stage(tmp_path, FIRST, SECOND)
        for resource in (FIRST, SECOND):
            assert await stage.run("start", resource.id) == (OK, "")
        first, last = ((FIRST, SECOND)[number] for number in order)
        assert await stage.run("stop", first.id) == (OK, "")
        assert settings() == QUIET
        assert await stage.run("monitor", last.id) == (OK, "")
        assert await stage.run("stop", last.id) == (OK, "")
        assert (on_lo(), settings()) == ({}, LOUD)

    in_network(lambda: play(scene()))


def test_what_an_administrator_has_set_stays(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        make_loud()
        ip("address", "add", f"{FIRST.realserver}/32", "dev", "lo")
        (CONF / "all" / "arp_ignore").write_text("2")
        stage = Stage(tmp_path, FIRST)
        assert await stage.run("monitor") == (NOT_RUNNING, "the address is there, but not by us")
        assert await stage.run("start") == (OK, "was there already")
        assert settings() == ("2", *QUIET[1:])
        assert await stage.run("stop") == (OK, "")
        assert (on_lo(), settings()) == ({FIRST.realserver: (32, "global")}, ("2", *LOUD[1:]))

    in_network(lambda: play(scene()))


def test_on_a_balancer_the_address_is_that_of_the_group_first(tmp_path: Path, in_network: InNetwork) -> None:
    """Whichever of the two comes first: rules that ask by which device an address is ours must hear the group's."""

    async def scene() -> None:
        stage = Stage(tmp_path, FIRST)
        assert await stage.run("start") == (OK, "")
        assert local_routes(FIRST.realserver) == [("lo", 65000)]
        ip("address", "add", f"{FIRST.realserver}/32", "dev", "eth0")
        assert local_routes(FIRST.realserver) == [("eth0", 0), ("lo", 65000)]
        ip("address", "del", f"{FIRST.realserver}/32", "dev", "eth0")
        assert local_routes(FIRST.realserver) == [("lo", 65000)]
        ip("address", "add", f"{FIRST.realserver}/32", "dev", "eth0")
        assert await stage.run("stop") == (OK, "")
        assert local_routes(FIRST.realserver) == [("eth0", 0)]
        assert await stage.run("start") == (OK, "")
        assert local_routes(FIRST.realserver) == [("eth0", 0), ("lo", 65000)]

    in_network(lambda: play(scene()))


def test_ipv6_and_a_device_that_is_not_there(tmp_path: Path, in_network: InNetwork) -> None:
    async def scene() -> None:
        before = settings()
        stage = Stage(tmp_path, SIX)
        assert await stage.run("start") == (OK, "")
        assert on_lo().keys() == {SIX.realserver}
        assert settings() == before
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert on_lo() == {}
        gone = Stage(tmp_path, RealServerResource("r", "203.0.113.9", "eth9"))
        assert await gone.run("start") == (FAILED, "there is no network interface eth9")
        assert await gone.run("stop") == (OK, "was not there")

    in_network(lambda: play(scene()))
