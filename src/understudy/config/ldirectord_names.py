"""Addresses and ports of the names in ldirectord.cf. Nobody is asked here: whoever reads the file brings what is known."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .addresses import Wrong
from .heartbeat_lines import Word
from .report import Report
from .tree import Place

WELL_KNOWN: dict[str, int] = {
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "http": 80,
    "www": 80,
    "pop3": 110,
    "nntp": 119,
    "imap2": 143,
    "ldap": 389,
    "https": 443,
    "submission": 587,
    "ldaps": 636,
    "imaps": 993,
    "pop3s": 995,
    "radius": 1812,
    "mysql": 3306,
    "sip": 5060,
    "postgresql": 5432,
}
"""Where /etc/services is missing; over TCP."""
WELL_KNOWN_UDP = {"domain": 53, "radius": 1812, "sip": 5060}


NO_SUCH = ""
"""In place of an address: the name service says that there is none. None: there is no answer."""


def nobody(name: str, family: int) -> str | None:
    """Knows no name."""
    return None


@dataclass(frozen=True, slots=True)
class Names:
    """``look_up(name, family)`` gives an address of family 4 or 6, ``NO_SUCH`` or None. ``ports``: by (name, "tcp" or "udp").

    ``host``: this machine's name, which FTP and SIP checks give as their own.
    """

    look_up: Callable[[str, int], str | None] = nobody
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class NoAnswer(Wrong):
    """A name that nobody knows now. Another try may do: at boot a name server may be there only later, and a name may be new."""


def refuse(report: Report, place: Place, wrong: Wrong, where: str = "") -> None:
    """The error for an address that cannot be used, with the words that stand before it."""
    passing = isinstance(wrong, NoAnswer)
    report.lacking(place, f"{where}{wrong.text}", wrong.hint, passing=passing)


def services_of(text: str) -> dict[tuple[str, str], int]:
    """What /etc/services says, aliases too; the first line of a name counts."""
    found: dict[tuple[str, str], int] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        number, _, protocol = words[1].partition("/")
        if number.isascii() and number.isdigit() and len(number) < 6:
            for name in (words[0], *words[2:]):
                found.setdefault((name, protocol), int(number))
    return found


def hosts_of(text: str) -> dict[tuple[str, int], str]:
    """What /etc/hosts says, by name in lower case and family; the first line of a name counts."""
    found: dict[tuple[str, int], str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            address = ipaddress.ip_address(words[0]) if words else None
        except ValueError:
            continue
        if address is not None and "%" not in words[0]:
            for name in words[1:]:
                found.setdefault((name.lower(), address.version), str(address))
    return found


def address_of(names: Names, text: str, family: int) -> str | Wrong:
    """The address that a word stands for, in its usual form, or what is wrong with it. Brackets do not count."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return _named(names, bare, family)
    if address.version != family:
        word = "virtual6, real6 and fallback6" if address.version == 6 else "virtual, real and fallback"
        return Wrong(f'"{text}" is not an IPv{family} address', f"IPv{address.version} has the directives {word}.")
    if "%" in bare:
        return Wrong(f'"{text}" is for one link only', "Take an address that others can be reached by, without %.")
    return str(address)


def _named(names: Names, name: str, family: int) -> str | Wrong:
    if name == "":
        return Wrong("there is no address", "Write ADDRESS:PORT.")
    if ":" in name or all(character in "0123456789." for character in name):
        return Wrong(f'"{name}" is not an address', "An IPv4 address has four numbers from 0 to 255.")
    found = names.look_up(name, family)
    if found:
        return found
    if found == NO_SUCH:
        hint = "Is it misspelt? Write it as it is in the name service or in /etc/hosts, or write the address."
        return NoAnswer(f'the name service says that "{name}" has no IPv{family} address', hint)
    hint = "Write the address, or put the name into /etc/hosts: ldirectord asks a name server, and does not start without it."
    return NoAnswer(f'nothing here knows the IPv{family} address of "{name}"', hint)


def told_of_name(report: Report, word: Word, name: str, address: str) -> None:
    """A warning when an address came from a name."""
    if name.strip("[]").lower() == address or _is_address(name):
        return
    text = f'"{name}" is a name, looked up once, when the file is read: {address}'
    report.warning(
        word.place, text, "Without an answer nothing is balanced: write the address, or put it into /etc/hosts."
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def port_of(names: Names, text: str, protocol: str) -> int | None:
    """The number of a port, or of a service of ``protocol`` ("": of any); None when there is none."""
    if text.isascii() and text.isdigit():
        return int(text) if len(text) < 7 and int(text) <= 65535 else None
    for each in (protocol,) if protocol else ("tcp", "udp"):
        found = names.ports.get((text, each))
        if found is None and not names.ports:
            found = (WELL_KNOWN_UDP if each == "udp" else WELL_KNOWN).get(text)
        if found is not None:
            return found
    return None
