"""Every way in which two virtual routers can speak to each other, all at once: each twice, with either machine preferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from router_world import Steps

from understudy.lab import kernel
from understudy.lab.scene import Interface, Player
from understudy.lab.vrrp_pair import NODES, RouterRoom, definitions, instance, pair_scene
from understudy.units import MILLISECOND, SECOND, Duration, Instant

PREFERRED, OTHER = 150, 100

INTERVALS: dict[int, Duration] = {2: SECOND, 3: SECOND // 2}
"""Of adverts, by version. As long as the steps bear: at 0.1 s a busy machine makes masters late by Master_Down."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """``vrids``: with ha01 and with ha02 as the preferred one."""

    name: str
    version: int
    family: int
    auth: str
    unicast: bool
    vrids: tuple[int, int]

    def addresses(self, vrid: int) -> list[str]:
        if self.family == 4:
            return [f"192.168.58.{10 + vrid}"]
        return [f"fe80::58:{vrid}", f"fd58::1:{vrid}"]

    def text(self, node: str, vrid: int) -> str:
        own, other = (f"192.168.58.{NODES[name]}" for name in (node, _other(node)))
        if self.family == 6:
            own, other = (f"fd58::{NODES[name]}" for name in (node, _other(node)))
        more = [f"version {self.version}", f"advert_int {INTERVALS[self.version] / SECOND:g}"]
        if self.auth:
            more.append(f"authentication {{\n        auth_type {self.auth}\n        auth_pass pw{vrid}\n    }}")
        if self.unicast:
            more += [f"unicast_src_ip {own}", f"unicast_peer {{\n        {other}\n    }}"]
        priority = PREFERRED if node == self.preferred(vrid) else OTHER
        addresses = [f"{address}/{24 if self.family == 4 else 64} dev eth0" for address in self.addresses(vrid)]
        return instance(f"{self.name.replace('-', '_')}_{vrid}", vrid, priority, addresses, *more)

    def preferred(self, vrid: int) -> str:
        return list(NODES)[self.vrids.index(vrid)]


def _other(node: str) -> str:
    return next(name for name in NODES if name != node)


def _pairings() -> Iterator[Pairing]:
    forms = [(2, 4, ""), (2, 4, "PASS"), (2, 4, "AH"), (2, 6, ""), (3, 4, ""), (3, 6, "")]
    for number, (unicast, (version, family, auth)) in enumerate(
        (unicast, form) for unicast in (False, True) for form in forms
    ):
        name = f"v{version}-ipv{family}-{auth.lower() or 'none'}-{'unicast' if unicast else 'multicast'}"
        yield Pairing(name, version, family, auth, unicast, (2 * number + 1, 2 * number + 2))


PAIRINGS = tuple(_pairings())
ALL = tuple(vrid for pairing in PAIRINGS for vrid in pairing.vrids)
SHARED = {vrid: pairing.preferred(vrid) for pairing in PAIRINGS for vrid in pairing.vrids}
"""Who is master when both are there."""

STEPS: dict[str, dict[int, str]] = {
    "ha01 alone": dict.fromkeys(ALL, "ha01"),
    "ha02 joins": SHARED,
    "ha02 stops": dict.fromkeys(ALL, "ha01"),
    "ha02 starts again": SHARED,
    "ha01 loses power": dict.fromkeys(ALL, "ha02"),
    "ha01 is back": SHARED,
    "ha02 loses power": dict.fromkeys(ALL, "ha01"),
    "ha02 is back": SHARED,
    "ha01 stops": dict.fromkeys(ALL, "ha02"),
    "ha01 starts again": SHARED,
}


def room(programs: Sequence[str]) -> RouterRoom:
    files = {
        node: definitions("vrrp_garp_master_delay 1", version=2)
        + "".join(pairing.text(node, vrid) for pairing in PAIRINGS for vrid in pairing.vrids)
        for node in NODES
    }
    scene = pair_scene()
    players = tuple(_with_ipv6(player) for player in scene.players)
    interval = 20 * MILLISECOND
    return RouterRoom(files, dict(zip(NODES, programs, strict=True)), replace(scene, players=players), interval)


def _with_ipv6(player: Player) -> Player:
    first, *rest = player.interfaces
    addresses = (*first.addresses, f"fd58::{NODES[player.name]}/64")
    return replace(player, interfaces=(Interface(first.device, first.network, addresses), *rest))


def pairings(*programs: str) -> int:
    """Through ``STEPS``. Tells of each step also how long after the goodbye of a router the other one's first advert came."""
    world = room(programs)
    steps = Steps(world)
    goodbyes: dict[str, dict[int, float]] = {}

    def step(name: str) -> None:
        held = {
            address: STEPS[name][vrid]
            for pairing in PAIRINGS
            for vrid in pairing.vrids
            for address in pairing.addresses(vrid)
        }
        steps.take(name, STEPS[name], held=held)

    def stop_and_start(name: str) -> None:
        asked = world.stop(name)
        step(f"{name} stops")
        goodbyes[name] = _answers(world, asked, name)
        world.wait(f"{name}'s program has ended", lambda: not world.programs[name].everything(), 60.0)
        world.start(name)
        step(f"{name} starts again")

    def power(name: str) -> None:
        world.power_off(name)
        step(f"{name} loses power")
        world.power_on(name)
        world.start(name)
        step(f"{name} is back")

    world.start("ha01")
    step("ha01 alone")
    world.start("ha02")
    step("ha02 joins")
    stop_and_start("ha02")
    power("ha01")
    power("ha02")
    stop_and_start("ha01")
    return steps.tell(goodbyes=goodbyes)


def _answers(world: RouterRoom, asked: Instant, leaving: str) -> dict[int, float]:
    """In milliseconds, by VRID."""
    found = {}
    for goodbye in world.wire.since(asked, machine=leaving):
        if goodbye.priority == 0 and goodbye.vrid not in found:
            later = world.wire.since(goodbye.at, machine=_other(leaving), vrid=goodbye.vrid)
            found[goodbye.vrid] = ((later[0].at if later else kernel.now()) - goodbye.at) / MILLISECOND
    return found
