"""From a question to its dialogue: the one place that knows which protocol takes what of ``ServiceQuestion``."""

from __future__ import annotations

from ...errors import check
from ...service_checks import Service, ServiceQuestion, Target
from .dns import Dns, asked
from .ftp import Ftp
from .imap import Imap
from .ldap import Ldap
from .mysql import Mysql
from .nntp import Nntp
from .pgsql import Pgsql
from .pop import Pop
from .radius import MOST_PASSWORD, Radius
from .shape import Dialogue
from .sip import Sip
from .smtp import Smtp
from .talk import CannotAsk, octets

RANDOM_BYTES = 32
"""That a dialogue needs, from the system's source: numbers of questions, what hides a password, what proves a login."""

TLS_LATER = frozenset({Service.MYSQL, Service.PGSQL})
"""Services that begin in clear text and then ask for TLS (``wants_tls``). All others with ``question.tls`` begin with TLS."""

_LINES = frozenset({Service.SMTP, Service.SUBMISSION, Service.POP, Service.IMAP, Service.FTP, Service.SIP})


def over_udp(question: ServiceQuestion) -> bool:
    """Whether it is asked in datagrams: RADIUS always, DNS and SIP when they say so."""
    return question.service is Service.RADIUS or (question.service in (Service.DNS, Service.SIP) and question.udp)


def cannot_ask(question: ServiceQuestion) -> str:
    """Why nobody can ask this, for ``check`` and for the verdict; "" when it can be asked."""
    service = question.service
    texts = (question.request, question.login, question.password, question.database, question.secret, question.helo)
    try:
        joined = b"\n".join(map(octets, texts))
    except UnicodeEncodeError:
        return "the question holds letters that are none (lone surrogates)"
    if service is Service.ORACLE:
        return "Oracle cannot be asked: its protocol is not public; use an external program as the check"
    if b"\0" in joined or (service in _LINES and (b"\r" in joined or joined.count(b"\n") >= len(texts))):
        return f"what {service.value} is asked cannot hold line breaks or zero bytes"
    if service is Service.DNS and asked(question.request, question.kind) is None:
        return f"DNS cannot be asked for {question.kind or 'A'} of {question.request!r}"
    if service is Service.RADIUS and not 1 <= len(octets(question.login)) <= 253:
        return "RADIUS needs a login of at most 253 bytes"
    if service is Service.RADIUS and len(octets(question.password)) > MOST_PASSWORD:
        return f"RADIUS passwords have at most {MOST_PASSWORD} bytes"
    return ""


def make(question: ServiceQuestion, target: Target, random_bytes: bytes) -> Dialogue:
    """One asking. ``random_bytes``: ``RANDOM_BYTES`` fresh ones. What cannot be asked has its verdict already."""
    check(len(random_bytes) >= RANDOM_BYTES, "a dialogue needs random bytes")
    trouble = cannot_ask(question)
    return CannotAsk(trouble) if trouble else _make(question, target, random_bytes)


def _make(question: ServiceQuestion, target: Target, random: bytes) -> Dialogue:
    login, password, request, tls = question.login, question.password, question.request, question.tls is not None
    match question.service:
        case Service.SMTP | Service.SUBMISSION:
            return Smtp(question.helo)
        case Service.POP:
            return Pop(login, password)
        case Service.IMAP:
            return Imap(login, password)
        case Service.NNTP:
            return Nntp()
        case Service.FTP:
            return Ftp(target.address, login, password, request, question.expect is not None)
        case Service.LDAP:
            return Ldap(request, login, password)
        case Service.MYSQL:
            return Mysql(login, password, question.database, request, tls)
        case Service.PGSQL:
            return Pgsql(login, password, question.database, request, tls, random)
        case Service.SIP:
            address = f"[{target.address}]" if ":" in target.address else target.address
            return Sip(address, target.port, login, question.udp, random)
        case Service.RADIUS:
            return Radius(login, password, question.secret, random)
        case _:
            name, kind = asked(request, question.kind) or (b"\0", 1)
            return Dns(name, kind, question.kind != "", question.udp, random)
