"""Addresses of ldirectord.cf: what is behind ``virtual``, ``real`` and ``fallback``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from ..services import Forward
from .addresses import Wrong
from .heartbeat_lines import Word
from .ldirectord_names import Names, address_of, port_of, refuse, told_of_name
from .report import Report, nearest
from .tree import Place

MOST_IN_RANGE = 16_384
FORWARD = {"gate": Forward.DIRECT, "masq": Forward.NAT, "ipip": Forward.TUNNEL}
_HOW = 'Write gate, masq or ipip behind the address, as in "real=192.0.2.11:80 gate".'
_PORT = r"[0-9A-Za-z_-]+"
_SERVER = re.compile(rf"([0-9A-Za-z._+-]+):({_PORT})", re.ASCII)
_SERVER6 = re.compile(rf"\[([0-9A-Fa-f:]+)\]:({_PORT})", re.ASCII)
_MARK = re.compile(r"[0-9]+")
_HOST = r"[A-Za-z0-9.-]*[A-Za-z0-9.]|\[[0-9A-Fa-f:.]+\]"
_REAL = re.compile(rf"({_HOST})(?:->({_HOST}))?(?::({_PORT}))?(?:\s+(.*))?", re.ASCII | re.DOTALL)
_METHOD = re.compile(r"(\w+)(.*)", re.ASCII | re.DOTALL)
_WEIGHT = re.compile(r"\s+([0-9]+)(.*)", re.ASCII | re.DOTALL)
_STRINGS = re.compile(r'\s+"(.*)"[, ]\s*"(.*)"(.*)', re.ASCII | re.DOTALL)
_LOWER = re.compile(r"\s+l:([0-9]+)(.*)", re.ASCII | re.DOTALL)
_UPPER = re.compile(r"\s+u:([0-9]+)(.*)", re.ASCII | re.DOTALL)
_MOST_WEIGHT = 65_535
_MOST_CONNECTIONS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Virtual:
    """An address and the text of its port, or a firewall mark. ``place``: of the value."""

    place: Place
    address: str = ""
    port: str = ""
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Real:
    """One real server as written; ``port`` 0: none. ``request`` None: those of the virtual server count."""

    place: Place
    address: str
    port: int
    forward: Forward
    weight: int = 1
    request: str | None = None
    receive: str = ""
    lower: int = 0
    upper: int = 0


@dataclass(frozen=True, slots=True)
class Fallback:
    """``port`` "": that of the virtual server. ``said``: the forwarding method was written."""

    place: Place
    address: str
    port: str
    forward: Forward
    said: bool


def read_virtual(report: Report, word: Word, family: int) -> Virtual | None:
    """What is behind ``virtual=`` (``family`` 4) or ``virtual6=``; None after an error. Its address is not looked up yet."""
    text = word.text.strip()
    found = _SERVER.match(text) or (_SERVER6.match(text) if family == 6 else None)
    if found is not None:
        if found.end() != len(text):
            behind = text[found.end() :].strip()
            report.warning(word.place, f'"{behind}" behind the port does not count', "A virtual server has one port.")
        return Virtual(word.place, found[1], found[2])
    mark = _MARK.match(text)
    if mark is not None:
        return _read_mark(report, word, text, mark)
    if _SERVER6.match(text):
        report.error(word.place, f'"{text}" is an IPv6 address', "Write virtual6=, and real6= and fallback6= below it.")
        return None
    hint = "Write ADDRESS:PORT, or the number of a firewall mark."
    if family == 6:
        hint = "Write [ADDRESS]:PORT, or the number of a firewall mark."
    report.error(word.place, f'"{text}" is no virtual server', hint)
    return None


def _read_mark(report: Report, word: Word, text: str, found: re.Match[str]) -> Virtual | None:
    """ldirectord takes the digits in front, so an address without a port becomes a mark."""
    if len(found[0]) > 10 or not 1 <= int(found[0]) < 2**32:
        report.error(word.place, f'"{found[0]}" is no firewall mark', "A mark is a number from 1 to 4294967295.")
        return None
    if found.end() != len(text):
        what = "An address needs its port" if "." in text else "Write nothing behind the mark"
        report.warning(word.place, f'"{text}" is read as the firewall mark {int(found[0])}', f"{what}: ADDRESS:PORT.")
    return Virtual(word.place, mark=int(found[0]))


def read_real(report: Report, word: Word, family: int, names: Names) -> list[Real]:
    """The real servers of one line, several for a range; [] after an error."""
    text = word.text.strip(" \t\r\v\f")
    found = _REAL.fullmatch(text)
    if found is None:
        hint = f"Write {'[ADDRESS]' if family == 6 else 'ADDRESS'}[:PORT] gate, masq or ipip."
        report.error(word.place, f'"{text}" is no real server', _double_colon(text) or hint)
        return []
    rest = _rest(report, word, found[4] or "")
    port = port_of(names, found[3] or "0", "")
    if port is None:
        close = nearest(found[3], [name for name, _ in names.ports])
        hint = f'Did you mean "{close}"?' if close else "Write its number, from 1 to 65535."
        report.error(word.place, f'nothing here knows the port "{found[3]}"', hint)
    addresses = _addresses(report, word, found[1], found[2], family, names)
    if rest is None or port is None or not addresses:
        return []
    if rest.weight == 0:
        text = "weight 0: the server is checked, and gets no new connections"
        report.warning(word.place, text, "Give it a weight from 1 to 65535 if it is to serve.")
    return [
        Real(word.place, address, port, rest.forward, rest.weight, rest.request, rest.receive, rest.lower, rest.upper)
        for address in addresses
    ]


def _double_colon(text: str) -> str:
    """The sample file of the old package has it, in comments."""
    return "There are two colons before the port: write one." if re.search(r"[0-9]::[0-9]+\s", text + " ") else ""


def _addresses(report: Report, word: Word, first: str, last: str | None, family: int, names: Names) -> list[str]:
    found = []
    for name in (first,) if last is None else (first, last):
        address = address_of(names, name, family)
        if isinstance(address, Wrong):
            refuse(report, word.place, address)
            return []
        told_of_name(report, word, name, address)
        found.append(address)
    if last is None:
        return found
    if family == 6:
        report.error(word.place, "there are no ranges of IPv6 addresses", "Write a line real6 for each server.")
        return []
    low, high = (int(IPv4Address(address)) for address in found)
    if low > high:
        report.error(word.place, f"the range {first}->{last} ends before it begins", "Write the lower address first.")
        return []
    if high - low >= MOST_IN_RANGE:
        text = f"the range {first}->{last} has {high - low + 1} addresses; {MOST_IN_RANGE} are the most"
        report.error(word.place, text, "Is the second address right?")
        return []
    return [str(IPv4Address(number)) for number in range(low, high + 1)]


@dataclass(slots=True)
class _Rest:
    forward: Forward
    weight: int = 1
    request: str | None = None
    receive: str = ""
    lower: int = 0
    upper: int = 0


def _rest(report: Report, word: Word, text: str) -> _Rest | None:
    """``gate|masq|ipip [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N]``; ldirectord passes over what stands between them."""
    method = _METHOD.search(text)
    if method is None or method[1] not in FORWARD:
        close = None if method is None else nearest(method[1], FORWARD)
        what = "has no forwarding method" if method is None else f'has "{method[1]}" for its forwarding method'
        report.error(word.place, f"the real server {what}", f'Did you mean "{close}"?' if close else _HOW)
        return None
    passed = [text[: method.start()]]
    rest = _Rest(FORWARD[method[1]])
    text = method[2]
    if found := _WEIGHT.search(text):
        passed.append(text[: found.start()])
        rest.weight, text = int(found[1][:12]), found[2]
    if found := _STRINGS.search(text):
        passed.append(text[: found.start()])
        rest.request, rest.receive, text = found[1], found[2], found[3]
    if found := _LOWER.search(text):
        passed.append(text[: found.start()])
        rest.lower, text = int(found[1][:12]), found[2]
    if found := _UPPER.search(text):
        passed.append(text[: found.start()])
        rest.upper, text = int(found[1][:12]), found[2]
    if text.strip():
        hint = (
            'It goes on: [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N], in this order, strings in double quotation marks.'
        )
        report.error(word.place, f'"{text.strip()}" at the end of the real server is not understood', hint)
        return None
    return rest if _is_good(report, word, rest, " ".join(item.strip() for item in passed).strip()) else None


def _is_good(report: Report, word: Word, rest: _Rest, passed: str) -> bool:
    if "u:" in passed and rest.lower:
        report.error(word.place, "u: stands before l:, and ldirectord loses it", "Write l: first: l:5 u:10.")
        return False
    if passed:
        report.warning(word.place, f'"{passed}" in the line of the real server does not count', "Take it away.")
    if rest.weight > _MOST_WEIGHT:
        report.error(
            word.place, f"the weight {rest.weight} is too large: ipvsadm refuses it", "It may be 65535 at most."
        )
        return False
    if max(rest.lower, rest.upper) > _MOST_CONNECTIONS:
        report.error(word.place, "the threshold is too large", f"It may be {_MOST_CONNECTIONS} at most.")
        return False
    if rest.lower > rest.upper:
        text = f"the lower threshold {rest.lower} is above the upper one {rest.upper}: the kernel refuses it"
        report.error(word.place, text, "Write l: with a number, and u: with one that is not smaller.")
        return False
    return True


def read_fallback(report: Report, word: Word, family: int, names: Names) -> Fallback | None:
    """The address is looked up, the port not: the protocol is known at the end of the block only."""
    words = word.text.split()
    if not words:
        report.error(
            word.place, "the fallback has no address", "Write ADDRESS[:PORT] [gate|masq|ipip], or take the line away."
        )
        return None
    if len(words) > 2:
        text = f'"{" ".join(words[:-2])}" before the fallback server does not count'
        report.warning(word.place, text, "A virtual server has one fallback.")
    server, method = words[-2:] if len(words) > 1 else (words[0], "")
    if method and method not in FORWARD:
        close = nearest(method, FORWARD)
        hint = f'Did you mean "{close}"?' if close else "Write gate, masq or ipip, and nothing behind it."
        report.error(word.place, f'"{method}" is no forwarding method', hint)
        return None
    found = re.fullmatch(rf"(.*?)(?::({_PORT}))?", server, re.ASCII)
    host, port = (server, "") if found is None else (found[1], found[2] or "")
    address = address_of(names, host, family)
    if isinstance(address, Wrong):
        refuse(report, word.place, address, "the fallback server: ")
        return None
    told_of_name(report, word, host, address)
    return Fallback(word.place, address, port, FORWARD.get(method, Forward.DIRECT), bool(method))
