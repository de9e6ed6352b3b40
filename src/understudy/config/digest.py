"""A short hash of what a configuration means, by which machines find out that their files differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from enum import Enum
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from ..model import Cluster, OnFailure
from ..units import SECOND

_SINCE: dict[str, object] = {
    "fences": (),
    "fence_delay": 2 * SECOND,
    "watchdog_timeout": 0,
    "init_dead_time": 0,
    "heartbeat3": False,
    "routers": None,
}
_SINCE_MEMBER: dict[str, object] = {"watchdog": "", "capacity": None}
_SINCE_GROUP: dict[str, object] = {
    "together": None,
    "apart": (),
    "after": (),
    "weight": 0,
    "probes": (),
    "stays_where": None,
    "stages": (),
    "ranks": (),
}
_SINCE_FAILBACK: dict[str, object] = {"hours": None}
_SINCE_FENCE: dict[str, object] = {"parameters_file": "", "resets": False}
_SINCE_RESTARTS: dict[str, object] = {"on_failure": OnFailure.RESTART, "on_stop": None}
_SINCE_ADDRESS: dict[str, object] = {"form": None}
"""Words that earlier versions do not know, with their defaults: left out then, so that versions agree on files without them."""

_OWN_MATTER = ("key_file", "source", "digest", "api", "services")
"""Where a machine keeps its files, and where it answers people, is its own matter. So is what it balances: no vote and no right
rests on it, each machine may have real servers of its own, and the pulse, which tells the digest, keeps nothing of it."""


def common(cluster: Cluster) -> dict[str, Any]:
    """All that machines must agree about, as plain tables; nothing that follows from the rest, and nobody's own matter."""
    derived = {each.name for each in fields(cluster) if not each.init}
    bare = replace(cluster, services=None)  # there may be ten thousand servers, which nobody wants copied
    found = {word: value for word, value in asdict(bare).items() if word not in derived and word not in _OWN_MATTER}
    if found["routers"] is not None:
        found["routers"]["services"] = ()  # as versions without services have it
    return found


def digest(cluster: Cluster) -> str:
    """Sixteen hexadecimal digits, of SHA-256: eight over who votes and how, eight over all that must agree.

    The first half stands for the cluster's name, its members with their roles, and the quorum policy: machines that differ
    there count different majorities, so they exchange no votes (``core.node``). Comments, layout, the order of words in a
    table and the way a value is written do not count; the order of members, groups and resources does, because it decides.
    """
    meaning = common(cluster)
    _shorten(meaning, _SINCE)
    for member in meaning["members"]:
        _shorten(member, _SINCE_MEMBER)
    for device in meaning.get("fences", ()):
        _shorten(device, _SINCE_FENCE)
    for group in meaning["groups"]:
        _shorten(group, _SINCE_GROUP)
        _shorten(group["failback"], _SINCE_FAILBACK)
        for resource in group["resources"]:
            _shorten(resource["restarts"], _SINCE_RESTARTS)
            _shorten(resource, _SINCE_ADDRESS)
    voters = [cluster.name, cluster.quorum, sorted((member.name, member.role.value) for member in cluster.members)]
    return _hash(voters) + _hash(meaning)


def _shorten(words: dict[str, Any], since: Mapping[str, object]) -> None:
    for word, default in since.items():
        if words.get(word, ...) == default:
            del words[word]


def _hash(meaning: object) -> str:
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), default=_plain)
    # Not hashlib: it would load a second OpenSSL into the pulse, 3.8 MB that stay locked in memory.
    sha256 = Hash(SHA256())
    sha256.update(text.encode())
    return sha256.finalize().hex()[:8]


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
