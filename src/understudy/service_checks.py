"""What is asked of a real server: the words of checks, whatever file they were written in.

Built only by ``config``. Durations are nanoseconds. ``probes`` are about a group of ours, and asked where it runs; these
are asked by every machine that may balance, of hundreds of servers, in the ways of ldirectord and keepalived.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from .units import SECOND, Duration


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a question goes to. ``source``, ``source_port``, ``device``, ``mark``: from where, "" and 0 for what the kernel takes.

    ``port`` 0: the question has none (ping, programs).
    """

    address: str
    port: int = 0
    source: str = ""
    source_port: int = 0
    device: str = ""
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS from the first byte. ``name``: sent as SNI, and what the certificate must be for; "" sends none.

    ``verify``: neither ldirectord nor keepalived does. ``ca``: a PEM file, "" for the machine's. ``certificate``, ``key``: ours.
    """

    name: str = ""
    verify: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that is to be found in an answer, as Python understands it (``config`` says where that differs).

    ``absent``: it must not be found. ``flags``: letters of ``re`` (imsx). ``least``, ``most``: where a match may begin, ``most``
    -1 for anywhere.
    """

    text: str
    absent: bool = False
    flags: str = ""
    least: int = 0
    most: int = -1


@dataclass(frozen=True, slots=True)
class Page:
    """One request. ``host``: the Host header, "" for the address. ``status``: ranges, both ends included.

    ``digest``: MD5 of the body, 32 hexadecimal digits, "" for any. ``text``: stands in the body.
    """

    path: str = "/"
    host: str = ""
    method: str = "GET"
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    digest: str = ""
    text: str = ""
    pattern: Pattern | None = None


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """Pages asked for one after the other, each on a connection of its own; all must be right.

    ``version``: "1.0", "1.0C" (1.0 with ``Connection: close``) or "1.1". ``redirects``: how many are followed, to the same server
    only. ``proxy``: the request names the whole URL.
    """

    pages: tuple[Page, ...] = (Page(),)
    tls: Tls | None = None
    version: str = "1.1"
    redirects: int = 0
    proxy: bool = False


@dataclass(frozen=True, slots=True)
class ConnectQuestion:
    """A TCP connection is accepted."""


@dataclass(frozen=True, slots=True)
class SayQuestion:
    """``send`` is said when connected (nothing when empty), and the answer must hold ``expect`` (None: any byte; see ``close``).

    ``half_close``: the sending side is closed after ``send`` (ldirectord's simpletcp). ``lines``: the pattern is tried on each
    line. With neither ``send`` nor ``expect`` this is a connection.
    """

    send: bytes = b""
    expect: Pattern | None = None
    half_close: bool = False
    lines: bool = False
    tls: Tls | None = None


class Service(Enum):
    """Protocols whose dialogue is known; the value is ldirectord's word where it has one."""

    SMTP = "smtp"
    SUBMISSION = "submission"
    POP = "pop"
    IMAP = "imap"
    NNTP = "nntp"
    FTP = "ftp"
    LDAP = "ldap"
    MYSQL = "mysql"
    PGSQL = "pgsql"
    SIP = "sip"
    RADIUS = "radius"
    DNS = "dns"
    ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class ServiceQuestion:
    """A dialogue of ``service``. What a protocol has no use for is "".

    ``login``, ``password``, ``database``, ``secret``: as in ldirectord.cf. ``request``: the file (FTP), the DN (LDAP), the
    statement (SQL), the name (DNS), the password's user is ``login``. ``kind``: the DNS type, "" for A. ``expect``: found in
    what comes back; None: nothing is looked for. ``helo``: what SMTP says it is. ``udp``: over UDP (DNS, SIP; RADIUS always is).
    """

    service: Service
    request: str = ""
    expect: Pattern | None = None
    login: str = ""
    password: str = ""
    database: str = ""
    secret: str = ""
    kind: str = ""
    helo: str = ""
    tls: Tls | None = None
    udp: bool = False


@dataclass(frozen=True, slots=True)
class PingQuestion:
    """An ICMP echo request is answered. ``tries``: how many are sent, each with the whole time limit."""

    tries: int = 1


@dataclass(frozen=True, slots=True)
class UdpQuestion:
    """A datagram draws no ICMP error; with ``reply`` there must be an answer of ``least`` to ``most`` bytes.

    ``pattern``: (byte, mask) for the beginning of the answer, () for any.
    """

    payload: bytes = b""
    reply: bool = False
    pattern: tuple[tuple[int, int], ...] = ()
    least: int = 0
    most: int = 255


@dataclass(frozen=True, slots=True)
class ProgramQuestion:
    """A program of the administrator's. Exit status 0: up. ``dynamic``: 0 up, 1 down, 2 to 255 up with the weight status - 2.

    ``user``: ``user`` or ``user:group``, "" for ours. ``perl``: ldirectord's external-perl, run as ``perl FILE ARGUMENTS``.
    """

    argv: tuple[str, ...]
    dynamic: bool = False
    user: str = ""
    perl: bool = False


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """The number in a file: the weight it adds, times ``factor``; -2147483648 and below is down. ``factor`` 0: not 0 is down."""

    path: str
    factor: int = 1


@dataclass(frozen=True, slots=True)
class CombinedQuestion:
    """ldirectord's ``checktype=N``: ``seldom`` is asked, then ``each`` times ``often``, and so on; after a failure ``seldom``."""

    often: ConnectQuestion
    seldom: HttpQuestion | ServiceQuestion | SayQuestion
    each: int


@dataclass(frozen=True, slots=True)
class FixedQuestion:
    """Nothing is asked: ``up`` always (``checktype=on``) or never (``off``)."""

    up: bool


Question: TypeAlias = (
    HttpQuestion
    | ConnectQuestion
    | SayQuestion
    | ServiceQuestion
    | PingQuestion
    | UdpQuestion
    | ProgramQuestion
    | FileQuestion
    | CombinedQuestion
    | FixedQuestion
)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to one target, again and again. Equal ones are asked once, however many services use them.

    ``interval``: between the beginnings of two askings (keepalived) or, with ``pause``, from the end of one to the next
    (ldirectord). ``fall`` failures in a row make it down, ``rise`` good answers make it up. After a failure of one that is not
    down the next try comes after ``retry_delay`` (0: after the interval). ``warmup``: the first asking comes after a random part
    of it. ``starts_up``: up until it fails; otherwise down until its first good answer.
    """

    question: Question
    target: Target
    interval: Duration = 10 * SECOND
    timeout: Duration = 5 * SECOND
    rise: int = 1
    fall: int = 1
    retry_delay: Duration = 0
    warmup: Duration = 0
    starts_up: bool = False
    pause: bool = False
    log_all: bool = False
