"""What ldirectord asks of a real server, as our questions. What it asks and can never be answered well is told."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from ..service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FixedQuestion,
    HttpQuestion,
    Page,
    Pattern,
    PingQuestion,
    ProgramQuestion,
    Question,
    SayQuestion,
    Service,
    ServiceQuestion,
    Target,
    Tls,
)
from ..units import SECOND
from .addresses import Wrong
from .ldirectord_names import Names, address_of, refuse
from .ldirectord_servers import Real
from .ldirectord_words import PORTS
from .perl_pattern import Unread, python_pattern
from .report import Report
from .tree import Place

MOST_REDIRECTS = 7
"""LWP's own limit."""
_WHOLE_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^/:\s\[\]]+)(?::([0-9]{1,5}))?(/.*)?", re.ASCII)
_SECURE = {"https": "http", "pops": "pop", "imaps": "imap", "ldaps": "ldap"}
_SQL = ("mysql", "pgsql", "oracle")
_NO_PATTERN = ("smtp", "submission", "pop", "pops", "imap", "imaps", "nntp", "radius", "sip", *_SQL)
"""Services whose answer is not compared with ``receive``."""


@dataclass(slots=True)
class Asking:
    """What a virtual server says of its checks, defaults filled in. Times in seconds. ``virtual``, ``port``: for programs."""

    kind: str
    service: str
    protocol: str
    place: Place
    virtual: str
    port: int
    check_timeout: int = 5
    negotiate_timeout: int = 30
    interval: int = 10
    tries: int = 1
    failures: int = 1
    command: str = "/bin/true"
    check_port: int = 0
    request: str = ""
    receive: str = ""
    method: str = "GET"
    virtual_host: str = ""
    login: str = ""
    password: str = ""
    database: str = ""
    secret: str = ""
    places: dict[str, Place] = field(default_factory=dict)

    def at(self, word: str) -> Place:
        return self.places.get(word, self.place)


class Asker:
    """The checks of one virtual server. A trouble that all of its real servers share is told once."""

    def __init__(self, report: Report, asking: Asking, names: Names) -> None:
        self.report = report
        self.asking = asking
        self.names = names
        self._told: set[tuple[int, str]] = set()
        self._patterns: dict[str, Pattern | None] = {}

    def check(self, real: Real) -> Check:
        """The one check of a real server."""
        asking = self.asking
        question, limit = self._question(real)
        port = self._port(real)
        target = self._own_target(real) or Target(real.address, port)
        if isinstance(question, FixedQuestion | PingQuestion | ProgramQuestion):
            target = Target(real.address)
        elif target.port == 0:
            text = "there is no port to ask at, so the server is never up"
            self._warn(asking.place, text, 'Write a port behind the address, or "checkport".')
            question, target = FixedQuestion(False), Target(real.address)
        return Check(
            question,
            target,
            interval=asking.interval * SECOND,
            timeout=limit * SECOND,
            fall=asking.failures,
            pause=True,
        )

    def _port(self, real: Real) -> int:
        return self.asking.check_port or real.port or PORTS.get(self.asking.service, 0)

    def _warn(self, place: Place, text: str, hint: str) -> None:
        if (place.line, text) not in self._told:
            self._told.add((place.line, text))
            self.report.warning(place, text, hint)

    # -- kinds --------------------------------------------------------------------------------------------------------

    def _question(self, real: Real) -> tuple[Question, int]:
        """The question, and its time limit in seconds."""
        asking = self.asking
        match asking.kind:
            case "on" | "off":
                return FixedQuestion(asking.kind == "on"), asking.check_timeout
            case "ping":
                return PingQuestion(asking.tries), asking.check_timeout
            case "connect" if asking.protocol == "udp":
                hint = "It asks for nothing of the service: name a service, and take checktype=negotiate."
                self._warn(asking.at("checktype"), "over UDP checktype connect is a ping, as with ldirectord", hint)
                return PingQuestion(asking.tries), asking.check_timeout
            case "connect":
                return ConnectQuestion(), asking.check_timeout
            case "external" | "external-perl":
                return self._program(real), asking.check_timeout
            case "negotiate":
                return self._negotiate(real)
        return self._combined(real, int(asking.kind))

    def _combined(self, real: Real, between: int) -> tuple[Question, int]:
        seldom, limit = self._negotiate(real)
        place = self.asking.at("checktype")
        if between == 0:
            return seldom, limit
        if isinstance(seldom, FixedQuestion):
            if seldom.up:
                self._warn(place, "without a service only connections are asked for", 'Name one by "service".')
                return ConnectQuestion(), self.asking.check_timeout
            return seldom, limit
        if self.asking.protocol == "udp":
            self._warn(
                place, "over UDP a connection says nothing: the whole check is made each time", "Write negotiate."
            )
            return seldom, limit
        if self.asking.check_timeout != self.asking.negotiate_timeout:
            text = f"checktype={between}: connections, too, have the time of negotiatetimeout, {limit} s"
            self._warn(place, text, "ldirectord gives them checktimeout. Set both to the same.")
        if isinstance(seldom, HttpQuestion | ServiceQuestion | SayQuestion):
            return CombinedQuestion(ConnectQuestion(), seldom, between), limit
        return seldom, limit

    def _program(self, real: Real) -> Question:
        asking = self.asking
        if any(blank in asking.command for blank in " \t"):
            text = f'"{asking.command}" has blanks, and ldirectord runs no program of that name: no server is ever up'
            self._warn(asking.at("checkcommand"), text, "It passes its own four arguments; write a script for others.")
            return FixedQuestion(False)
        if asking.command == "/bin/true":
            self._warn(asking.at("checktype"), "without a checkcommand every server is up", "Name your program by it.")
        arguments = (asking.virtual, str(asking.port), _host(real), str(real.port))
        return ProgramQuestion((asking.command, *arguments), perl=asking.kind == "external-perl")

    # -- negotiate ----------------------------------------------------------------------------------------------------

    def _negotiate(self, real: Real) -> tuple[Question, int]:
        service = self.asking.service
        limit = self.asking.negotiate_timeout
        if service == "none":
            return self._none(), limit
        if service in ("http", "https"):
            return self._page(real), limit
        if service == "http_proxy":
            return self._proxy(real), limit
        if service == "simpletcp":
            return self._say(real), limit
        if service in ("ldap", "ldaps", "radius"):
            limit = self.asking.check_timeout
        return self._dialogue(real), limit

    def _none(self) -> Question:
        if "service" not in self.asking.places or self.asking.kind != "negotiate":
            what = "a firewall mark" if self.asking.protocol == "fwm" else f"port {self.asking.port}"
            text = f"{what} stands for no service: nothing is asked, and every server is up"
            hint = "Name one by service=, or write checktype=connect; checktype=on says that it is meant."
            self._warn(self.asking.place, text, hint)
        return FixedQuestion(True)

    def _strings(self, real: Real) -> tuple[str, str, Place]:
        """Request, receive and where they stand. The request has no leading slash."""
        if real.request is not None:
            return real.request.removeprefix("/"), real.receive, real.place
        return self.asking.request.removeprefix("/"), self.asking.receive, self.asking.at("receive")

    def _pattern(self, text: str, place: Place) -> Pattern | None:
        """What is to be found, None for anything."""
        if text == "":
            return None
        if text not in self._patterns:
            found = python_pattern(text)
            if isinstance(found, Unread):
                hint = "docs/ldirectord.md says what is read of Perl's regular expressions."
                self.report.error(place, f'the pattern "{text}" {found.text}', hint)
                self._patterns[text] = None
            else:
                self._patterns[text] = Pattern(found)
        return self._patterns[text]

    def _page(self, real: Real) -> Question:
        request, receive, place = self._strings(real)
        path = "/" + request
        host, whole = self.asking.virtual_host, self._whole_url(real)
        if whole is not None:
            path, host = whole[4] or "/", host or _host(real)
        elif "://" in request:
            where = self.asking.at("request") if real.request is None else place
            text = f'"{request}" is taken for a path on the server'
            self._warn(where, text, "A whole URL counts in the line of a real server only, and must begin the request.")
        pattern = self._pattern(receive, place)
        if self.asking.method == "HEAD" and pattern is not None:
            text = "HEAD brings no page in which receive could be found: no server is ever up"
            self._warn(self.asking.at("httpmethod"), text, "Take httpmethod or receive away.")
        page = Page(path, host, self.asking.method, pattern=pattern)
        tls = Tls() if self.asking.service == "https" else None
        return HttpQuestion((page,), tls, redirects=MOST_REDIRECTS)

    def _whole_url(self, real: Real) -> re.Match[str] | None:
        """Of a real server's own request, in the scheme of the service."""
        found = None if real.request is None else _WHOLE_URL.fullmatch(real.request.removeprefix("/"))
        return found if found is not None and found[1] == self.asking.service else None

    def _own_target(self, real: Real) -> Target | None:
        """Another server that a real server's own request names by a whole URL."""
        found = self._whole_url(real)
        if found is None or self.asking.kind in ("connect", "ping", "external", "external-perl", "on", "off"):
            return None
        host = found[2]
        address = address_of(self.names, host, 6 if ":" in host else 4)
        if isinstance(address, Wrong):
            refuse(self.report, real.place, address, "the URL of the request: ")
            return None
        port = int(found[3] or (443 if found[1] == "https" else 80))
        if not 1 <= port <= 65535:
            self.report.error(real.place, f"the URL of the request has the port {port}", "It may be 1 to 65535.")
            return None
        self._warn(real.place, f"{address}:{port} is asked, and not the real server", "The request is a whole URL.")
        return Target(address, port)

    def _proxy(self, real: Real) -> Question:
        request, receive, place = self._strings(real)
        pattern = self._pattern(receive, place)
        if real.request is not None and not request.startswith("http://"):
            request = f"http://{_host(real)}:{self._port(real)}/{request}"
        if not request.startswith("http://"):
            text = "http_proxy asks for a whole URL, and there is none: no server is ever up"
            self._warn(self.asking.at("request"), text, 'Write request="http://www.example.net/".')
            return FixedQuestion(False)
        host, _, path = request.removeprefix("http://").partition("/")
        if not host:
            self._warn(self.asking.at("request"), f'"{request}" names no server', 'Write "http://www.example.net/".')
            return FixedQuestion(False)
        page = Page(f"/{path}", host, self.asking.method, pattern=pattern)
        return HttpQuestion((page,), redirects=MOST_REDIRECTS, proxy=True)

    def _say(self, real: Real) -> Question:
        request, receive, place = self._strings(real)
        if self.asking.protocol == "udp":
            self._warn(
                self.asking.at("service"), "simpletcp is asked over TCP, also of a UDP service", "Take another check."
            )
        pattern = self._pattern(receive, place) or Pattern("^")  # any line will do, but there must be one
        return SayQuestion(request.replace("\\n", "\n").encode(), pattern, half_close=True, lines=True)

    def _dialogue(self, real: Real) -> Question:
        asking = self.asking
        request, receive, place = self._strings(real)
        pattern = self._pattern(receive, place)
        service = Service(_SECURE.get(asking.service, asking.service))
        if asking.service in _NO_PATTERN and pattern is not None:
            text = f"receive does not count with {asking.service}, as with ldirectord"
            self._warn(place, text, "Take it away, or take a service whose answer is compared.")
            pattern = None
        kind = ""
        match service:
            case Service.DNS:
                if pattern is None or not request:
                    return self._never("dns", "request (a name) and receive (its address)")
                request, kind = _dns(request)
            case Service.MYSQL | Service.PGSQL | Service.ORACLE:
                if not (asking.login and request):
                    return self._never(asking.service, "login and request")
            case Service.FTP:
                request = self._ftp(request, receive, place)
        nameless = service is Service.LDAP and not (asking.login and asking.password)  # else it binds as nobody
        return ServiceQuestion(
            service,
            request=request if service in _WITH_REQUEST else "",
            expect=pattern,
            login="" if nameless else asking.login,
            password="" if nameless else asking.password,
            database=asking.database,
            secret=asking.secret,
            kind=kind,
            tls=Tls() if asking.service in _SECURE else None,
            udp=_over_udp(service, asking.protocol),
        )

    def _never(self, service: str, what: str) -> Question:
        self._warn(self.asking.place, f"{service} needs {what}: without them no server is ever up", "Write them.")
        return FixedQuestion(False)

    def _ftp(self, request: str, receive: str, place: Place) -> str:
        if not receive:
            text = "without receive ldirectord takes every FTP server for up, even one that is away; here it must let us in"
            self._warn(self.asking.place, text, "Write request and receive.")
        elif not request:
            self._warn(place, "without a request no file is fetched in which receive could be found", "Write request.")
        return f"/{request}" if request else ""


def _host(real: Real) -> str:
    return f"[{real.address}]" if ":" in real.address else real.address


_WITH_REQUEST = (
    Service.DNS,
    Service.FTP,
    Service.LDAP,
    Service.MYSQL,
    Service.PGSQL,
    Service.ORACLE,
)


def _over_udp(service: Service, protocol: str) -> bool:
    match service:
        case Service.RADIUS:
            return True
        case Service.DNS:
            return protocol != "tcp"
        case Service.SIP:
            return protocol == "udp"
    return False


def _dns(name: str) -> tuple[str, str]:
    """An address is asked for its name, as Net::DNS does."""
    try:
        return ipaddress.ip_address(name).reverse_pointer, "PTR"
    except ValueError:
        return name, ""
