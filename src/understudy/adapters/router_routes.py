"""Routes and rules that a virtual router brings along (``virtual_routes``, ``virtual_rules``), by netlink.

In the words of ``ip route`` and ``ip rule``, as far as keepalived's users need them: for routes a destination (or ``default``),
``via`` (or ``gw``), ``dev``, ``src``, ``metric``, ``table``, ``scope``, ``blackhole``, ``unreachable``, ``prohibit``, ``onlink``,
``tos``, ``mtu``, ``advmss`` and the windows; for rules ``from``, ``to``, ``iif``, ``oif``, ``fwmark``, ``table`` (``lookup``) and
``priority``. ``inet6``, or an address of it, is IPv6. ``no_track`` is taken: none of them is watched. What is written otherwise
(``nexthop``, ``or``, tables by name) is said (``understood``) and left alone.

They are put there behind the addresses of their router, since the kernel refuses a preferred source that it has not, and taken
away before them. They carry keepalived's protocol number (18), so that another program's route to the same place is neither
replaced nor removed. Gone already is success.

Each is one system call that the kernel answers at once (some 20 µs), so the process that sends adverts makes them itself: they
come and go with the addresses, whether or not there is a manager.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from . import netlink
from .netlink import NetlinkSocket
from .udp import interface_index

_NEW_ROUTE, _DELETE_ROUTE, _NEW_RULE, _DELETE_RULE = 24, 25, 32, 33
_EXCLUSIVE = 0x200
_HEAD = struct.Struct("=BBBBBBBBI")
_NUMBER = struct.Struct("=I")
_R_TO, _R_DEVICE, _R_GATEWAY, _R_METRIC, _R_SOURCE, _R_METRICS, _R_TABLE = 1, 4, 5, 6, 7, 8, 15
_U_TO, _U_FROM, _U_IIF, _U_PRIORITY, _U_MARK, _U_TABLE, _U_OIF = 1, 2, 3, 6, 10, 15, 17
_KINDS = {"unicast": 1, "local": 2, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_SCOPES = {"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254}
_TABLES = {"main": 254, "local": 255, "default": 253}
_PROTOCOL_KEEPALIVED = 18
_COMPATIBLE, _ONLINK = 252, 4
_TO_TABLE = 1

Words = Sequence[str]
Index = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Extra:
    """A route or a rule, read. ``device`` "": none is needed."""

    text: str
    family: int
    is_rule: bool
    options: tuple[tuple[str, str], ...]
    network: str = ""
    kind: str = "unicast"

    def option(self, name: str) -> str:
        return dict(self.options).get(name, "")


def understood(words: Words, family: int, is_rule: bool) -> Extra | str:
    """What the words mean, or a sentence about the one that is not understood."""
    text = " ".join(words)
    what = "rule" if is_rule else "route"
    rest = [word for word in words if word not in _WITHOUT_MEANING]
    if "inet6" in words or any(":" in word for word in rest):
        family = 6
    kind = rest.pop(0) if not is_rule and rest and rest[0] in _KINDS else "unicast"
    network = ""
    known, same = (_OF_RULE, _SAME_OF_RULE) if is_rule else (_OF_ROUTE, _SAME_OF_ROUTE)
    options: list[tuple[str, str]] = []
    while rest:
        word = same.get(rest[0], rest[0])
        if word == "onlink" and not is_rule:
            options.append((word, "yes"))
            rest.pop(0)
        elif word == "to" and not is_rule and not network and len(rest) > 1:
            network = rest[1]
            del rest[:2]
        elif word in known and len(rest) > 1:
            options.append((word, rest[1]))
            del rest[:2]
        elif not is_rule and not network and word not in known:
            network = rest.pop(0)
        else:
            return f'the {what} "{text}" is not made: "{rest[0]}" in it is not understood'
    found = Extra(text, family, is_rule, tuple(options), network, kind)
    try:
        _message(found, adding=True, index_of=lambda _: 1)
    except (ValueError, struct.error):
        return f'the {what} "{text}" is not made: an address or a number in it is wrong'
    return found


_METRICS = {
    "mtu": 2,
    "window": 3,
    "ssthresh": 6,
    "cwnd": 7,
    "advmss": 8,
    "reordering": 9,
    "hoplimit": 10,
    "initcwnd": 11,
    "initrwnd": 14,
    "quickack": 15,
}
_OF_ROUTE = frozenset({"via", "dev", "src", "metric", "table", "scope", "tos", *_METRICS})
_OF_RULE = frozenset({"from", "to", "iif", "oif", "fwmark", "table", "priority"})
_SAME_OF_ROUTE = {"gw": "via", "priority": "metric", "preference": "metric", "dsfield": "tos"}
_SAME_OF_RULE = dict.fromkeys(("preference", "pref", "order", "prio"), "priority") | {"lookup": "table", "dev": "iif"}
_WITHOUT_MEANING = ("no_track", "inet", "inet6")


class RouterRoutes:
    """Puts them there and takes them away. Raises OSError when the kernel offers no NETLINK_ROUTE."""

    def __init__(self) -> None:
        self._link = NetlinkSocket(netlink.NETLINK_ROUTE)

    def close(self) -> None:
        self._link.close()

    def put(self, extras: Sequence[Extra]) -> list[str]:
        """Routes before rules that lead to their tables. Returns what the kernel refused, in sentences."""
        ordered = sorted(extras, key=lambda item: item.is_rule)
        return [text for item in ordered if (text := self._change(item, adding=True))]

    def take(self, extras: Sequence[Extra]) -> list[str]:
        ordered = sorted(extras, key=lambda item: not item.is_rule)
        return [text for item in ordered if (text := self._change(item, adding=False))]

    def _change(self, item: Extra, adding: bool) -> str:
        if adding:
            self._change(item, adding=False)  # what an earlier run left; and the kernel takes the same rule twice
        try:
            data = _message(item, adding, interface_index)
        except (ValueError, struct.error) as error:
            return f"{item.text}: {error}"
        failures = self._link.request(data)
        what = "rule" if item.is_rule else "route"
        if not failures or not adding:  # gone already is success, and what else is refused was not ours
            return ""
        if failures[0].number == errno.EEXIST:
            return f'the {what} "{item.text}" is not made: there is another one to the same place'
        return f'the kernel refuses the {what} "{item.text}": {failures[0]}'


def _message(item: Extra, adding: bool, index_of: Index) -> bytes:
    """Raises ValueError or struct.error for what is no address, no number, or no device."""
    parts = list(_rule_parts(item) if item.is_rule else _route_parts(item, index_of))
    table = _table(item.option("table") or "main")
    domain = socket.AF_INET6 if item.family == 6 else socket.AF_INET
    if item.is_rule:
        to, source = (_network(item.option(word), item.family) for word in ("to", "from"))
        head = _HEAD.pack(
            domain, to.prefixlen if to else 0, source.prefixlen if source else 0, 0, _short(table), 0, 0, _TO_TABLE, 0
        )
        kind = _NEW_RULE if adding else _DELETE_RULE
    else:
        network = _network(item.network, item.family)
        flags = _ONLINK if item.option("onlink") else 0
        scope = _SCOPES.get(item.option("scope") or "", 0 if item.option("via") or item.kind != "unicast" else 253)
        scope = 0 if item.family == 6 else scope
        length = network.prefixlen if network else 0
        tos, form = int(item.option("tos") or "0", 0), _KINDS[item.kind]
        head = _HEAD.pack(domain, length, 0, tos, _short(table), _PROTOCOL_KEEPALIVED, scope, form, flags)
        kind = _NEW_ROUTE if adding else _DELETE_ROUTE
    flags = netlink.REQUEST | netlink.ACK | (netlink.CREATE | _EXCLUSIVE if adding else 0)
    parts.append((_U_TABLE if item.is_rule else _R_TABLE, _NUMBER.pack(table)))
    return netlink.message(kind, flags, 1, head + b"".join(netlink.attribute(*part) for part in parts))


def _rule_parts(item: Extra) -> Iterator[tuple[int, bytes]]:
    for word, attribute in (("to", _U_TO), ("from", _U_FROM)):
        network = _network(item.option(word), item.family)
        if network is not None and network.prefixlen:
            yield attribute, network.network_address.packed
    for word, attribute in (("iif", _U_IIF), ("oif", _U_OIF)):
        if item.option(word):
            yield attribute, item.option(word).encode() + b"\0"
    for word, attribute in (("fwmark", _U_MARK), ("priority", _U_PRIORITY)):
        if item.option(word):
            yield attribute, _NUMBER.pack(int(item.option(word), 0))


def _route_parts(item: Extra, index_of: Index) -> Iterator[tuple[int, bytes]]:
    network = _network(item.network, item.family)
    if network is not None and network.prefixlen:
        yield _R_TO, network.network_address.packed
    for word, attribute in (("via", _R_GATEWAY), ("src", _R_SOURCE)):
        if item.option(word):
            yield attribute, ip_address(item.option(word)).packed
    if device := item.option("dev"):
        index = index_of(device)
        if not index:
            raise ValueError(f"there is no network interface {device}")
        yield _R_DEVICE, _NUMBER.pack(index)
    if item.option("metric"):
        yield _R_METRIC, _NUMBER.pack(int(item.option("metric"), 0))
    metrics = ((number, item.option(word)) for word, number in _METRICS.items())
    given = [netlink.attribute(number, _NUMBER.pack(int(text, 0))) for number, text in metrics if text]
    if given:
        yield _R_METRICS, b"".join(given)


def _network(text: str, family: int) -> IPv4Network | IPv6Network | None:
    """None for everything. Raises ValueError, for the wrong family as well."""
    if text in ("", "default", "all", "any"):
        return None
    found = ip_network(text, strict=False)
    if found.version != family:
        raise ValueError(f"{text} is of the other family")
    return found


def _table(text: str) -> int:
    return _TABLES.get(text) or int(text, 0)


def _short(table: int) -> int:
    return table if table < 256 else _COMPATIBLE
