"""Every directive of ldirectord.cf: a good value and the program's default, and a bad value with its place.

Whole files, and what is said of them in full, are in test_config_ldirectord.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from found_parts import Found, Look, field
from ldirectord_helpers import read_text

from understudy.config.ldirectord_words import DIRECTIVES, SERVICES
from understudy.service_checks import (
    CombinedQuestion,
    ConnectQuestion,
    FixedQuestion,
    HttpQuestion,
    Pattern,
    PingQuestion,
    ProgramQuestion,
    SayQuestion,
    Service,
    ServiceQuestion,
)
from understudy.services import Forward, Notice, OnFailure, RealServer
from understudy.units import SECOND


def whole(line: str) -> str:
    """A file with a global directive."""
    return f"{line}\nvirtual=192.0.2.1:80\n\treal=192.0.2.11:80 masq\n"


def own(line: str) -> str:
    """A file with lines in its virtual server."""
    inner = "".join(f"\t{each}\n" for each in line.split("\n"))
    return f"fork=yes\nvirtual=192.0.2.1:80\n\treal=192.0.2.11:80 masq\n{inner}"


Make = Callable[[str], str]


def mailing(name: str) -> Look:
    return lambda found: getattr(found.service.mailing, name)


ALL = frozenset({"starting", "running", "stopping", "reloading"})
BOTH: list[tuple[str, Look, Any, Any]] = [
    ("checktimeout=3", field("check", "timeout"), 3 * SECOND, 30 * SECOND),
    ("negotiatetimeout=9", field("check", "timeout"), 9 * SECOND, 30 * SECOND),
    ("checkinterval=4", field("check", "interval"), 4 * SECOND, 10 * SECOND),
    ("failurecount=5", field("check", "fall"), 5, 1),
    ("fallback=127.0.0.1:8080 masq", field("service", "fallback"), RealServer("127.0.0.1", 8080, Forward.NAT), None),
    ("fallbackcommand=/bin/told", field("service", "fallback_command"), Notice(("/bin/told",)), Notice()),
    ("quiescent=yes", field("real", "on_failure"), OnFailure.QUIET, OnFailure.REMOVE),
    ("cleanstop=no", field("service", "clean_stop"), False, True),
    ("emailalert=a@example.net, b@example.net", mailing("to"), ("a@example.net", "b@example.net"), ()),
    ("emailalertfreq=60", mailing("repeat"), 60 * SECOND, 0),
    ("emailalertstatus=starting,running,", mailing("when"), frozenset({"starting", "running"}), ALL),
    ("emailalertstatus=none", mailing("when"), frozenset(), ALL),
    ("smtp=mail.example.net", mailing("smtp"), "mail.example.net", ""),
]
WHOLE: list[tuple[str, Look, Any, Any]] = [
    ("autoreload=yes", field("files", "autoreload"), True, False),
    ('callback="/bin/changed"', field("files", "callback"), Notice(("/bin/changed",)), Notice()),
    ('logfile="/var/log/ld.log"', field("files", "log_file"), "/var/log/ld.log", "/var/log/ldirectord.log"),
    ('logfile="local3"', field("files", "log_facility"), "local3", ""),
    ("execute=other.cf", lambda found: [name for name, _ in found.reading.execute], ["other.cf"], []),
    ("emailalertfrom=lb@example.net", mailing("sender"), "lb@example.net", ""),
    ("readdquiescent=yes", field("service", "readd_quiet"), True, False),
    ("maintenancedir=/etc/ha.d/maintenance", field("files", "maintenance"), "/etc/ha.d/maintenance", ""),
]
OWN: list[tuple[str, Look, Any, Any]] = [
    ("real=192.0.2.12:81 gate 3 l:1 u:2", lambda found: found.service.reals[1:] and found.service.reals[1].upper, 2, ()),
    ("protocol=udp\nchecktype=ping", lambda found: found.service.keys[0].protocol, "udp", "tcp"),
    ("scheduler=sed", field("service", "scheduler"), "sed", "wrr"),
    ("persistent=600", field("service", "persistence"), 600 * SECOND, 0),
    ("netmask=255.255.255.0\npersistent=600", field("service", "granularity"), 24, 0),
    ("schedflags=sh-port,sh-fallback", field("service", "flags"), ("sh-port", "sh-fallback"), ()),
    ("ops=yes\nprotocol=udp\nchecktype=ping", field("service", "one_packet"), True, False),
    ("service=smtp", lambda found: getattr(found.question, "service", None), Service.SMTP, None),
    ("checktype=connect", field("check", "question"), ConnectQuestion(), HttpQuestion(redirects=7)),
    ("checkcommand=/bin/check\nchecktype=external", lambda found: getattr(found.question, "argv", ())[:1], ("/bin/check",), ()),
    ("checkport=8080", lambda found: found.check.target.port, 8080, 80),
    ('request="alive?x=1"', field("page", "path"), "/alive?x=1", "/"),
    ('receive="all (is|are) well"', field("page", "pattern"), Pattern("all (is|are) well"), None),
    ("httpmethod=head", field("page", "method"), "HEAD", "GET"),
    ("virtualhost=www.example.net", field("page", "host"), "www.example.net", ""),
    ('login="me"\nservice=imap', lambda found: getattr(found.question, "login", ""), "me", ""),
    ('passwd="mine"\nlogin="me"\nservice=imap', lambda found: getattr(found.question, "password", ""), "mine", ""),
    ('database="portal"\nlogin="me"\nrequest="SELECT 1"\nservice=pgsql',
     lambda found: getattr(found.question, "database", ""), "portal", ""),
    ('secret="shared"\nlogin="me"\nservice=radius', lambda found: getattr(found.question, "secret", ""), "shared", ""),
    ("monitorfile=/var/log/web.log", field("service", "monitor_file"), "/var/log/web.log", ""),
    ("servicename=Shop", field("service", "comment"), "Shop", ""),
    ("comment=of the main site", field("service", "comment"), "of the main site", ""),
]  # fmt: skip
GOOD: list[tuple[Make, str, Look, Any, Any]] = [
    *((make, *row) for row in BOTH for make in (whole, own)),
    *((whole, *row) for row in WHOLE),
    *((own, *row) for row in OWN),
]


def _name(row: tuple[Any, ...]) -> str:
    return f"{row[0].__name__}: {row[1]}".replace("\n", " ")


@pytest.mark.parametrize(("make", "line", "look", "good", "usual"), GOOD, ids=map(_name, GOOD))
def test_a_good_value_and_the_default(make: Make, line: str, look: Look, good: Any, usual: Any) -> None:
    reading = read_text(make(line))
    assert [item for item in reading.problems if item.severity == "error"] == []
    assert look(Found(reading)) == good
    assert look(Found(read_text(make("#")))) == usual


NUMBER, SWITCH, QUOTES, EMPTY = "Write a number from", "must be yes or no", "in double quotation marks", "is empty"
BOTH_BAD: list[tuple[str, str]] = [
    *((f"{word}=0", NUMBER) for word in ("checktimeout", "negotiatetimeout", "checkinterval", "checkcount", "failurecount")),
    ("emailalertfreq=often", NUMBER),
    *((f"{word}=true", SWITCH) for word in ("quiescent", "cleanstop")),
    ("fallback=127.0.0.1:80 nat", '"nat" is no forwarding method'),
    ("fallbackcommand=", EMPTY),
    ("emailalert=", EMPTY),
    ("emailalertstatus=always", '"emailalertstatus" has "always"'),
    ("smtp=[::1]", '"smtp" is "[::1]"'),
]  # fmt: skip
WHOLE_BAD: list[tuple[str, str]] = [
    *((f"{word}=On", SWITCH) for word in ("autoreload", "fork", "readdquiescent", "supervised")),
    ("callback=/bin/changed", QUOTES),
    ("logfile=local3", QUOTES),
    ("emailalertfrom=", EMPTY),
    ("maintenancedir=", EMPTY),
    ("fallback6=127.0.0.1", "is not an IPv6 address"),
    ("virtual=[::1]:80", "is an IPv6 address"),
    ("virtual6=here", "is no virtual server"),
]
OWN_BAD: list[tuple[str, str]] = [
    ("real=192.0.2.12:80", "has no forwarding method"),
    ("real6=[::1]:80 masq", '"real6" does not go with virtual'),
    ("fallback6=[::1]:80", '"fallback6" does not go with virtual'),
    ("protocol=sctp", 'unknown protocol "sctp"'),
    ("protocol=fwm", "goes with a firewall mark only"),
    ("scheduler=WRR", '"scheduler" is "WRR"'),
    ("persistent=forever", NUMBER),
    ("netmask=24", '"netmask" is "24"'),
    ("schedflags=port", 'unknown flag "port"'),
    ("ops=1", SWITCH),
    ("service=htpt", 'unknown service "htpt"'),
    ("checktype=negotiated", 'unknown checktype "negotiated"'),
    ("checkcommand=", EMPTY),
    ("checkport=65536", NUMBER),
    *((f"{word}=text", QUOTES) for word in ("request", "receive", "login", "passwd", "database", "secret", "load")),
    *((f'{word}=""', EMPTY) for word in ("request", "receive", "login", "passwd", "database", "secret")),
    ("httpmethod=PUT", 'unknown httpmethod "PUT"'),
    ("monitorfile=", EMPTY),
]
BAD: list[tuple[Make, str, str]] = [
    *((make, *row) for row in BOTH_BAD for make in (whole, own)),
    *((whole, *row) for row in WHOLE_BAD),
    *((own, *row) for row in OWN_BAD),
]
NEVER_BAD = {"servicename", "comment", "virtualhost", "execute"}
"""Any text will do; empty ones are warned of."""


@pytest.mark.parametrize(("make", "line", "said"), BAD, ids=map(_name, BAD))
def test_a_bad_value_ends_ldirectord_and_is_told_with_its_place(make: Make, line: str, said: str) -> None:
    text = make(line)
    reading = read_text(text)
    assert reading.files is None
    found = [item for item in reading.problems if item.severity == "error" and said in item.text + item.hint]
    assert found, reading.problems
    number = 1 if make is whole else 4
    at = text.split("\n")[number - 1].index("=") + 2
    named = "does not go with" in said
    assert (found[0].line, found[0].column) == (number, 2 if named else at)


def test_every_directive_has_its_tests() -> None:
    for make, where in ((whole, "globally"), (own, "virtually")):
        words = {word for word, item in DIRECTIVES.items() if getattr(item, where)}
        good, bad = ({line.partition("=")[0] for made, line, *_ in rows if made is make} for rows in (GOOD, BAD))
        # Read in whole files: test_config_ldirectord.py.
        assert words - good <= {"virtual", "virtual6", "real6", "fallback6", "fork", "supervised", "load", "checkcount"}
        assert words - bad - NEVER_BAD == set()


KINDS: list[tuple[str, Any]] = [
    ("connect", ConnectQuestion()),
    ("negotiate", HttpQuestion(redirects=7)),
    ("ping", PingQuestion()),
    ("on", FixedQuestion(True)),
    ("off", FixedQuestion(False)),
    ("external\ncheckcommand=/c", ProgramQuestion(("/c", "192.0.2.1", "80", "192.0.2.11", "80"))),
    ("external-perl\ncheckcommand=/c", ProgramQuestion(("/c", "192.0.2.1", "80", "192.0.2.11", "80"), perl=True)),
    ("5", CombinedQuestion(ConnectQuestion(), HttpQuestion(redirects=7), 5)),
    ("0", HttpQuestion(redirects=7)),
]


@pytest.mark.parametrize(("kind", "question"), KINDS, ids=[kind for kind, _ in KINDS])
def test_every_kind_of_check(kind: str, question: Any) -> None:
    """The limit of a number is that of the whole check; others but negotiate have checktimeout."""
    found = Found(read_text(own(f"checktimeout=3\nnegotiatetimeout=9\nchecktype={kind}")))
    assert found.question == question
    assert found.check.timeout == (9 if kind in ("negotiate", "0", "5") else 3) * SECOND


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_asked_in_its_way(service: str) -> None:
    lines = 'request="http://a/"\nreceive="x"\nlogin="a"\npasswd="b"\ndatabase="c"\nsecret="d"'
    question = Found(read_text(own(f"{lines}\nservice={service}"))).question
    names = {"https": "http", "http_proxy": "http", "pops": "pop", "imaps": "imap", "ldaps": "ldap"}
    if service == "none":
        assert question == FixedQuestion(True)
    elif service == "simpletcp":
        assert isinstance(question, SayQuestion)
    elif names.get(service, service) == "http":
        assert isinstance(question, HttpQuestion)
        assert question.proxy is (service == "http_proxy")
    else:
        assert isinstance(question, ServiceQuestion)
        assert question.service is Service(names.get(service, service))
    if service != "none":
        assert (question.tls is not None) is (service in ("https", "pops", "imaps", "ldaps"))


@pytest.mark.parametrize(("protocol", "udp"), [("tcp", False), ("udp", True)])
def test_dns_is_asked_by_the_protocol_of_the_service(protocol: str, udp: bool) -> None:
    lines = f'protocol={protocol}\nservice=dns\nrequest="www.example.net"\nreceive="192"'
    assert Found(read_text(own(lines))).question.udp is udp


def test_a_whole_url_keeps_to_the_scheme_of_the_service_and_names_the_real_server() -> None:
    """As there: another scheme makes it a path, and Host is the real server's address."""
    asked = {}
    for scheme in ("http", "https"):
        head = f'virtual=192.0.2.1:80\n\treal=192.0.2.11:80 masq 1 "{scheme}://192.0.2.99:81/x", "ok"\n\tservice=http\n'
        found = Found(read_text(head))
        asked[scheme] = (found.check.target.address, found.check.target.port, found.page.path, found.page.host)
    assert asked == {
        "http": ("192.0.2.99", 81, "/x", "192.0.2.11"),
        "https": ("192.0.2.11", 80, "/https://192.0.2.99:81/x", ""),
    }


def test_two_ports_of_one_address_are_two_servers_also_with_gate() -> None:
    """Each is checked for itself, and a maintenance file names either; the kernel has one entry for both."""
    text = "virtual=192.0.2.1:80\n\treal=192.0.2.11:81 gate\n\treal=192.0.2.11:82 gate\n\treal=192.0.2.12 gate\n"
    assert [real.name for real in Found(read_text(text)).service.reals] == [
        "192.0.2.11:81",
        "192.0.2.11:82",
        "192.0.2.12:80",
    ]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "tcp, of course"])
def test_a_mark_has_no_protocol_of_its_own(protocol: str) -> None:
    reading = read_text(f"virtual=7\n\treal=192.0.2.11:80 masq\n\tprotocol={protocol}\n")
    assert ("a firewall mark has the protocol fwm", 3, 11) in [
        (item.text, item.line, item.column) for item in reading.problems
    ]
    assert reading.files is None
