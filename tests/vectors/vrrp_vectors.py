"""Recorded frames of keepalived routers, and what the independent program that came with them read in each."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from understudy.units import SECOND
from understudy.vrrp import Advertisement, AuthType
from understudy.vrrp_files import Checksum, RouterAddress, UnicastPeer, VirtualRouter

HERE = Path(__file__).parent / "vrrp"

HABITS = {
    "no-pseudo-header": Checksum.PLAIN,
    "pseudo-header": Checksum.PSEUDO,
    "pseudo-header-with-224.0.0.18": Checksum.OLD_UNICAST,
    "ipv6-pseudo-header": Checksum.PSEUDO,
}


@dataclass(frozen=True)
class Vector:
    """One frame. ``kind``: vrrp, garp, na, or arp (ordinary resolution). ``told``: the whole object of its line."""

    scenario: str
    number: int
    since: float
    kind: str
    frame: bytes
    told: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.scenario}:{self.number}"

    @property
    def source(self) -> str:
        return str(self.told["ip"]["src"])

    @property
    def destination(self) -> str:
        return str(self.told["ip"]["dst"])

    @property
    def family(self) -> int:
        return 6 if ":" in self.source else 4

    @property
    def password(self) -> str:
        """Of the router that sent it; "" for none. One scenario has two."""
        if self.scenario == "v2-pass-mismatch":
            return {"192.0.2.11": "aaaa", "192.0.2.12": "bbbb"}[self.source]
        auth = scenarios()[self.scenario]["auth"]
        return str(auth[1]) if auth else ""

    @property
    def auth(self) -> AuthType:
        return AuthType(self.told["vrrp"].get("auth_type", 0))

    def advert(self) -> Advertisement:
        told = self.told["vrrp"]
        interval = told["advert_int_s"] * SECOND if told["version"] == 2 else told["max_advert_int_cs"] * SECOND // 100
        return Advertisement(
            told["version"], told["vrid"], told["priority"], tuple(told["addresses"]), interval, self.auth
        )

    def router(self, **more: Any) -> VirtualRouter:
        """The configuration of which this advert is, as far as it can be seen in it."""
        advert = self.advert()
        (habit,) = self.told["vrrp"]["checksum_valid_as"]
        multicast = self.destination.startswith(("224.", "239.", "ff"))
        return VirtualRouter(
            "VI_1",
            "eth0",
            advert.vrid,
            tuple(RouterAddress(address, 24, "eth0") for address in advert.addresses),
            **{
                "family": self.family,
                "version": advert.version,
                "interval": advert.interval,
                "auth": "" if self.auth is AuthType.NONE else self.auth.name,
                "password": self.password,
                "checksum": HABITS[habit],
                "peers": () if multicast else (UnicastPeer(self.source), UnicastPeer(self.destination)),
                "group": self.destination if multicast else "",
                **more,
            },
        )


def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(HERE / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@cache
def vectors() -> tuple[Vector, ...]:
    return tuple(
        Vector(line["scenario"], line["frame"], line["t"], line["kind"], bytes.fromhex(line["hex"]), line)
        for line in _lines("vectors.jsonl.gz")
    )


@cache
def scenarios() -> dict[str, dict[str, Any]]:
    return {line["scenario"]: line for line in _lines("scenarios.jsonl.gz")}


def of_kind(*kinds: str) -> tuple[Vector, ...]:
    return tuple(vector for vector in vectors() if vector.kind in kinds)
