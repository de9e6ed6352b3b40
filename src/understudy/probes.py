"""What an administrator configured about probes: the questions that say whether what runs does what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .units import SECOND, Duration


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """One request, answered well when everything that is asked for holds. Redirects are not followed.

    ``url`` names an address, never a host name; ``host`` is the name sent along, and the one that the certificate must be for
    ("": the address). ``status``: ranges, both ends included. ``text``: stands in the body; ``regex``: is found there (Python's).
    ``expect_headers``: what their values contain. ``ca``: a PEM file with the only authorities that count, "" for the machine's.
    """

    url: str
    host: str = ""
    method: str = "GET"
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    text: str = ""
    regex: str = ""
    send_headers: tuple[tuple[str, str], ...] = ()
    expect_headers: tuple[tuple[str, str], ...] = ()
    verify: bool = True
    ca: str = ""


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A connection is accepted; with ``expect``, the answer to ``send`` (or the greeting) contains it."""

    address: str
    port: int
    send: str = ""
    expect: str = ""


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A program that ends with 0."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PingCheck:
    """An address that answers an ICMP echo request."""

    address: str


@dataclass(frozen=True, slots=True)
class Reach:
    """A group goes where more of the addresses ``ping`` answer than on its own node, once that has been so for ``damping``."""

    ping: tuple[str, ...]
    damping: Duration


Check: TypeAlias = HttpCheck | TcpCheck | CommandCheck | PingCheck


@dataclass(frozen=True, slots=True)
class Probe:
    """A question asked every ``interval`` while what it is about runs here; no answer within ``timeout`` is a failure.

    ``rise`` good answers in a row make it up, ``fall`` failures in a row make it down; failures within ``grace`` of the start
    do not count. ``resource`` is what it judges, "" for the group as a whole. ``name`` is unique in the group.
    """

    name: str
    check: Check
    resource: str = ""
    interval: Duration = 5 * SECOND
    timeout: Duration = 3 * SECOND
    rise: int = 1
    fall: int = 3
    grace: Duration = 10 * SECOND
