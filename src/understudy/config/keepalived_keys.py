"""Addresses with ports, ranges of them and forwarding methods, as virtual and real servers of keepalived.conf have them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from ..services import Forward, ServiceKey, Tunnelling
from .heartbeat_lines import Word
from .keepalived_tree import Statement
from .keepalived_values import address_of, choice, decimal, shown_address
from .report import Report

MOST_KEYS = 4096
"""More services than that of one group would take the kernel minutes."""

_METHODS = {"NAT": Forward.NAT, "DR": Forward.DIRECT, "TUN": Forward.TUNNEL}
_OPTIONS = ("type", "nocsum", "csum", "remcsum")


def port_of(report: Report, word: Word, what: str) -> int | None:
    """None after a warning."""
    found = decimal(word.text, 1, 65535)
    if found is None:
        report.warning(word.place, f'"{word.text}" is not a port from 1 to 65535; keepalived leaves the {what} out', "")
    return found


def end_of(report: Report, statement: Statement, what: str) -> tuple[str, int | None] | None:
    """``ADDRESS [PORT]`` behind a keyword, None after a warning. What stands behind the port does not count."""
    texts = statement.texts
    address = shown_address(texts[1])
    if address is None or "%" in texts[1]:
        text = f'the {what} "{texts[1]}" is not an IP address; keepalived leaves it out'
        report.warning(statement.words[1].place, text, "")
        return None
    if len(texts) < 3:
        return address, None
    for word in statement.words[3:4] if len(texts) > 3 else ():
        report.warning(word.place, f'"{word.text}" behind the port does not count', "")
    if what == "real server" and texts[2] == "0":
        return address, None
    found = decimal(texts[2], 1, 65535)
    port = port_of(report, statement.words[2], what) if found is None else found
    return None if port is None else (address, port)


def grouped_keys(report: Report, group: Statement, protocol: str) -> tuple[ServiceKey, ...]:
    """Everything in a ``virtual_server_group``: addresses and ranges of them, then marks."""
    ends: list[ServiceKey] = []
    marks: list[ServiceKey] = []
    for line in group.block or ():
        words = line.words
        _beyond(report, words)
        if words[0].text == "fwmark":
            number = words[1].text if len(words) > 1 else ""
            of = 6 if len(words) > 2 and words[2].text == "inet6" else 4
            mark = decimal(number, 1, 2**32 - 1)
            if mark is not None:
                marks.append(ServiceKey(mark=mark, family=of))
            else:
                text = f'"fwmark {number}" is no mark from 1 to 4294967295; it is left out'
                report.warning(words[0].place, text, "")
            continue
        port = port_of(report, words[1], "line") if len(words) > 1 else 0
        found = None if port is None else _range(words[0].text)
        if found is None or len(ends) + len(found) > MOST_KEYS:
            what = "no address or range" if found is None else f"more than {MOST_KEYS} addresses"
            if port is not None:
                report.warning(words[0].place, f'"{words[0].text}" is {what}; it is left out', "")
            continue
        ends += [ServiceKey(protocol, address, port or 0, 0, 6 if ":" in address else 4) for address in found]
    if not ends and not marks:
        report.warning(group.place, f"the virtual_server_group {group.words[1].text} is empty", "")
    return (*ends, *marks)


def _beyond(report: Report, words: tuple[Word, ...]) -> None:
    """What stands behind an address with its port: keepalived says nothing, and a second address is lost."""
    most = 3 if words[0].text == "fwmark" and len(words) > 2 and words[2].text == "inet6" else 2
    for word in words[most:]:
        if word.text == "fwmark" or _range(word.text) is not None:
            text = f'"{word.text}" stands behind another on the same line: keepalived ignores it, and it is lost'
            report.lost(word.place, text, "Begin a new line before it.")


def _range(text: str) -> list[str] | None:
    """``A``, ``A-LAST``, ``A-B`` or ``A/LENGTH``; None for anything else, or more than anybody means."""
    if "/" in text:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            return None
        many = network.num_addresses > MOST_KEYS
        return [str(network[0] + number) for number in range(MOST_KEYS + 1 if many else network.num_addresses)]
    first, dash, end = text.partition("-")
    begin = address_of(first)
    if begin is None:
        return None
    if not dash:
        return [str(begin)]
    last = address_of(end) or address_of(_same_network(first, end))
    if last is None or last.version != begin.version or int(last) < int(begin):
        return None
    return list(_between(int(begin), int(last), begin.version))


def _same_network(first: str, end: str) -> str:
    """``10-20`` of ``192.0.2.10-20``: the last part of the address changes."""
    mark = ":" if ":" in first else "."
    return first.rpartition(mark)[0] + mark + end


def _between(first: int, last: int, version: int) -> Iterator[str]:
    for number in range(first, min(last, first + MOST_KEYS) + 1):
        yield str(ip_address(number.to_bytes(4 if version == 4 else 16, "big")))


def method_of(report: Report, statement: Statement) -> dict[str, Any] | None:
    """``NAT``, ``DR`` or ``TUN [type ipip|gue port N|gre] [csum]`` as fields of a server; None after a warning."""
    word = statement.value()
    name = None if word is None else choice(report, word, tuple(_METHODS), "forwarding method", "it does not count")
    if name is None:
        return None
    kind, port, checksum = "ipip", 0, ""
    words = list(statement.words[2:])
    while words:
        option = words.pop(0)
        if option.text in ("type", "port") and words:
            value = words.pop(0)
            if option.text == "type":
                kind = choice(report, value, ("ipip", "gue", "gre"), "kind of tunnel", "ipip is taken") or "ipip"
            else:
                port = port_of(report, value, "method") or 0
        elif option.text in ("csum", "remcsum"):
            checksum = option.text
        elif option.text != "nocsum":
            report.warning(
                option.place, f'"{option.text}" does not count behind {name}', "There are type, port and csum."
            )
    wrong = _wrong(kind, port, checksum) if name == "TUN" else "only tunnels have options" if port or checksum else ""
    if wrong:
        report.warning(statement.place, f"{wrong}; the method does not count", "keepalived says so, and goes on.")
        return None
    return {
        "forward": _METHODS[name],
        "tunnelling": Tunnelling(kind, port, checksum) if name == "TUN" else Tunnelling(),
    }


def _wrong(kind: str, port: int, checksum: str) -> str:
    if (kind == "gue") is not bool(port):
        return "a gue tunnel needs a port, and the others have none"
    if checksum and kind == "ipip":
        return "an ipip tunnel has no checksum"
    return "a gre tunnel has no remcsum" if checksum == "remcsum" and kind == "gre" else ""
