"""Cuts of single links and of pairs of links, for every member: the part of the fault matrix that is counted out, not written.

A link is silent in both directions or in one, or its carrier is lost. ha01 serves. Where the service link of ha01 itself is cut
with its carrier kept, nobody but the clients can know; whether a policy moves the group then is told, not promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from .fault import POLICIES, Fault

_NETWORKS = {"eth0": "service", "eth1": "heartbeat"}
_WAYS = {"both": "is silent", "from": "sends nothing", "to": "receives nothing"}
_WITH_THIRD = ("majority", "witness")

Link = tuple[str, str]
_NODES: tuple[Link, ...] = (("ha01", "eth0"), ("ha01", "eth1"), ("ha02", "eth0"), ("ha02", "eth1"))


def _silence(link: Link, way: str = "both") -> str:
    return f"silence {link[0]} {link[1]} {way}"


def _says(link: Link) -> str:
    return f"the {_NETWORKS[link[1]]} link of {link[0]}"


def _expected(cut: frozenset[Link]) -> str:
    """Who serves when ``cut`` is silent: without the service link of ha01 its clients reach nobody, wherever the group is."""
    if ("ha01", "eth0") in cut:
        return "either"
    return "stays"


def _single() -> Iterator[Fault]:
    for link in _NODES:
        name = f"{link[0]}-{_NETWORKS[link[1]]}"
        for way, words in _WAYS.items():
            if (*link, way) != ("ha01", "eth1", "both"):  # heartbeat-cut
                yield Fault(
                    f"{name}-{way}", f"{_says(link)} {words}", (_silence(link, way),), _expected(frozenset((link,)))
                )
        if link[0] == "ha02":
            yield Fault(
                f"{name}-cable", f"{_says(link)} has lost its carrier", (f"cable {link[0]} {link[1]} out",), "stays"
            )


def _third(policy: str) -> tuple[Link, ...]:
    name = "ha03" if policy == "majority" else "arbiter"
    return (name, "eth0"), (name, "eth1")


def _of_third() -> Iterator[Fault]:
    for policy in _WITH_THIRD:
        for link in _third(policy):
            for way, words in _WAYS.items():
                yield Fault(
                    f"{link[0]}-{_NETWORKS[link[1]]}-{way}",
                    f"{_says(link)} {words}",
                    (_silence(link, way),),
                    "stays",
                    only=(policy,),
                )


def _pairs() -> Iterator[Fault]:
    for one, other in combinations(_NODES, 2):
        if one[0] == other[0] == "ha01":
            continue  # isolated
        yield _pair(one, other, ())
    for policy in _WITH_THIRD:
        third = _third(policy)
        for one in _NODES:
            for other in third:
                yield _pair(one, other, (policy,))
        for one, other in combinations(third, 2):
            yield _pair(one, other, (policy,))


def _pair(one: Link, other: Link, only: tuple[str, ...]) -> Fault:
    name = "+".join(f"{link[0]}-{_NETWORKS[link[1]]}" for link in (one, other))
    says = f"{_says(one)} and {_says(other)} are silent"
    do = (_silence(one), _silence(other))
    fault = Fault(name, says, do, _expected(frozenset((one, other))), watch=10.0, only=only or POLICIES)
    between = {link[1] for link in (one, other) if link in _NODES}
    if between != set(_NETWORKS):
        return fault
    # Nothing passes between the two any more: a pair cannot know, and who has a device may use it.
    return replace(fault, otherwise={"fence": "either", "pair": "either"}, not_promised=frozenset({"pair"}))


def link_faults() -> tuple[Fault, ...]:
    """All of them."""
    return (*_single(), *_of_third(), *_pairs())
