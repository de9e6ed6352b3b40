"""A scene: machines, networks, a cluster, who watches it, and what is done to it. Read from TOML.

    [scene]      title, story
    [networks]   name = "prefix"                     one switch each; the prefix is for the reader
    [machines.ha01]
    role = "node"                                    or "witness"
    eth0 = ["service", "192.168.58.101/24"]          network, then addresses
    [cluster]    [groups.NAME]                       as in the daemon's own configuration, without key_file and links
    [client]     network, address, asks, page        ``asks`` is the address under test, ``page`` a URL (optional)
    [observer]   network, address
    [[faults]]   name, says, do, watch, expect, most, mend, mend_says, mend_expect

Words unknown here are refused; what is inside ``[cluster]`` and ``[groups]`` the daemon itself checks.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import UsageError
from ..units import MILLISECOND, SECOND, Duration, parse_duration

SCENES = os.path.join(os.path.dirname(__file__), "scenes")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a machine. ``addresses`` have prefix lengths."""

    device: str
    network: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Player:
    """A machine that takes part in the cluster; ``role`` is "node" or "witness"."""

    name: str
    role: str
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True, slots=True)
class Watcher:
    """The client or the observer. ``page`` "" means that no pages are asked for."""

    network: str
    address: str
    asks: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something done to the cluster, and what must come of it.

    ``do`` and ``mend`` are commands of ``stage``. ``expect``: who answers afterwards ("" anybody, "nobody" nobody).
    ``most``: the longest outage allowed (None: not judged). ``watch``: how long it is looked at, at least.
    """

    name: str
    do: tuple[str, ...]
    says: str = ""
    watch: Duration = 3 * SECOND
    expect: str = ""
    most: Duration | None = None
    mend: tuple[str, ...] = ()
    mend_says: str = ""
    mend_expect: str = ""
    mend_most: Duration | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """``cluster``, ``groups`` and ``devices`` (whole sections, such as "fence.strip") are the daemon's configuration."""

    title: str
    networks: tuple[str, ...]
    players: tuple[Player, ...]
    cluster: Mapping[str, Any]
    groups: Mapping[str, Any]
    client: Watcher
    observer: Watcher
    story: str = ""
    faults: tuple[Fault, ...] = ()
    devices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(player.name for player in self.players if player.role == "node")

    @property
    def has_site(self) -> bool:
        """Whether the client asks for pages, so that machines need the web server's files."""
        return bool(self.client.page)

    def configuration(self, key_file: str) -> str:
        """The daemon's configuration file, the same on every machine."""
        lines = _table("cluster", {"name": "lab", "key_file": key_file, **self.cluster})
        for player in self.players:
            kind = "nodes" if player.role == "node" else "witness"
            links = [
                {"address": interface.addresses[0].split("/")[0], "network": interface.network}
                for interface in player.interfaces
            ]
            lines += _table(f"{kind}.{player.name}", {"links": links})
        for name, values in self.groups.items():
            lines += _table(f"groups.{name}", values)
        for name, values in self.devices.items():
            lines += _table(name, values)
        return "\n".join(lines) + "\n"


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items()), ""]


def toml_value(value: object) -> str:
    """A plain value as TOML: text, numbers, truth, lists and inline tables. Raises TypeError for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"{value!r} has no TOML form")


def find(name: str) -> str:
    """The path of a scene: a file, or the name of one that comes with the program. Raises UsageError."""
    if os.path.exists(name):
        return name
    packaged = os.path.join(SCENES, name if name.endswith(".toml") else name + ".toml")
    if os.path.exists(packaged):
        return packaged
    raise UsageError(f"there is no scene {name!r}", f"give a file, or one of: {', '.join(packaged_scenes())}")


def packaged_scenes() -> list[str]:
    """The names of the scenes that come with the program."""
    return sorted(file.removesuffix(".toml") for file in os.listdir(SCENES) if file.endswith(".toml"))


def load(path: str) -> Scene:
    """Read a scene. Raises UsageError with what is wrong and where."""
    try:
        with open(path, "rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    return _Reader(path).scene(tree)


class _Reader:
    """Checks and turns the tree of one file into a Scene."""

    def __init__(self, path: str) -> None:
        self._path = path

    def scene(self, tree: dict[str, Any]) -> Scene:
        known = ("scene", "networks", "machines", "cluster", "groups", "client", "observer", "faults")
        self._words("the scene", tree, known)
        networks = tuple(self._need(tree, "networks"))
        players = tuple(self._player(name, table) for name, table in self._need(tree, "machines").items())
        for player in players:
            for interface in player.interfaces:
                if interface.network not in networks:
                    self._wrong(f"{player.name} {interface.device}: there is no network {interface.network!r}")
        about = tree.get("scene", {})
        self._words("[scene]", about, ("title", "story"))
        return Scene(
            title=str(about.get("title", os.path.basename(self._path))),
            story=str(about.get("story", "")),
            networks=networks,
            players=players,
            cluster=self._need(tree, "cluster"),
            groups=tree.get("groups", {}),
            client=self._watcher("client", self._need(tree, "client")),
            observer=self._watcher("observer", self._need(tree, "observer")),
            faults=tuple(self._fault(table) for table in tree.get("faults", [])),
        )

    def _player(self, name: str, table: dict[str, Any]) -> Player:
        role = str(table.get("role", "node"))
        if role not in ("node", "witness"):
            self._wrong(f'{name}: the role is "node" or "witness", not {role!r}')
        interfaces = []
        for device, value in table.items():
            if device == "role":
                continue
            if not isinstance(value, list) or len(value) < 2 or not all(isinstance(item, str) for item in value):
                self._wrong(f'{name}.{device}: write ["network", "address/prefix"]')
            for address in value[1:]:
                self._address(f"{name}.{device}", address)
            interfaces.append(Interface(device, value[0], tuple(value[1:])))
        if not interfaces:
            self._wrong(f'{name} has no interface; write eth0 = ["network", "address/prefix"]')
        return Player(name, role, tuple(interfaces))

    def _watcher(self, name: str, table: dict[str, Any]) -> Watcher:
        self._words(f"[{name}]", table, ("network", "address", "asks", "page"))
        self._address(name, self._need(table, "address"))
        return Watcher(
            str(self._need(table, "network")), table["address"], str(table.get("asks", "")), str(table.get("page", ""))
        )

    def _fault(self, table: dict[str, Any]) -> Fault:
        words = ("name", "do", "says", "watch", "expect", "most", "mend", "mend_says", "mend_expect", "mend_most")
        self._words("[[faults]]", table, words)
        return Fault(
            name=str(self._need(table, "name")),
            do=tuple(self._need(table, "do")),
            says=str(table.get("says", "")),
            watch=self._duration(table, "watch") or 3 * SECOND,
            expect=str(table.get("expect", "")),
            most=self._duration(table, "most"),
            mend=tuple(table.get("mend", ())),
            mend_says=str(table.get("mend_says", "")),
            mend_expect=str(table.get("mend_expect", "")),
            mend_most=self._duration(table, "mend_most"),
        )

    def _duration(self, table: dict[str, Any], key: str) -> Duration | None:
        if key not in table:
            return None
        try:
            return max(parse_duration(str(table[key])), MILLISECOND)
        except ValueError as error:
            self._wrong(f"{key}: {error}")

    def _address(self, where: str, text: object) -> None:
        try:
            ipaddress.ip_interface(str(text))
        except ValueError:
            self._wrong(f"{where}: {text!r} is not an address with a prefix length, as in 192.168.58.101/24")

    def _need(self, table: dict[str, Any], key: str) -> Any:
        if key not in table:
            self._wrong(f"{key!r} is missing")
        return table[key]

    def _words(self, where: str, table: dict[str, Any], known: Sequence[str]) -> None:
        for word in table:
            if word not in known:
                near = difflib.get_close_matches(word, known, 1)
                self._wrong(f"{where} does not know {word!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def _wrong(self, text: str) -> NoReturn:
        raise UsageError(f"{self._path}: {text}")
