"""``ServiceFiles`` as native tables. What is written reads back the same; defaults are left out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from ..service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FileQuestion,
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
    UdpQuestion,
)
from ..services import (
    IPIP,
    Mailing,
    RealServer,
    ServiceFiles,
    ServiceKey,
    Timeouts,
    Tunnelling,
    VirtualService,
)
from .render import inline, quoted, written_key, written_texts
from .services_words import MOMENTS, OF, PORTLESS, SHARED
from .table_writer import Words, lines_of, words_of

_SHARED = tuple(setting.word for setting in SHARED)
_OF_SERVER = attrgetter(*[each.name for each in fields(RealServer) if each.name not in ("address", "port", "checks")])
_OF_TARGET = attrgetter(*[each.name for each in fields(Target)][2:])
_OF_CHECK = attrgetter(*[each.name for each in fields(Check) if each.name != "target"])


class _Known:
    """What was written already: most of ten thousand servers are alike but for their addresses, and so are their checks."""

    def __init__(self) -> None:
        self._servers: dict[object, tuple[Words, Words]] = {}
        self._checks: dict[object, str] = {}

    def said(self, server: RealServer) -> tuple[Words, Words]:
        like = _OF_SERVER(server)
        found = self._servers.get(like)
        if found is None:
            found = self._servers[like] = _said(server)
        return found

    def check(self, check: Check, server: RealServer) -> str:
        target = check.target
        if target.address != server.address:
            return inline(_check(check, server))
        like = (target.port, target.port == server.port, _OF_TARGET(target), _OF_CHECK(check))
        found = self._checks.get(like)
        if found is None:
            found = self._checks[like] = inline(_check(check, server))
        return found


def render(files: ServiceFiles, owned: Collection[str] = ()) -> str:
    """The whole of it as TOML: sections only, to be put behind others. ``owned``: addresses that groups or routers have."""
    lines, known = _balancing(files), _Known()
    for service in files.services:
        lines += ["", *_service(service, owned, known)]
    return "\n".join(lines).strip("\n") + "\n"


def _balancing(files: ServiceFiles) -> list[str]:
    words = words_of(files, OF[ServiceFiles])
    if files.sync is not None:
        words.append(("sync", inline(_own(files.sync))))
    if files.timeouts != Timeouts():
        words.append(("timeouts", inline(_own(files.timeouts))))
    # A file without any service must still be known as one that balances.
    return ["[balancing]", *lines_of(words)] if words or not files.services else []


def _own(item: Any) -> Words:
    return words_of(item, OF[type(item)])


def _service(service: VirtualService, owned: Collection[str], known: _Known) -> list[str]:
    lines = [f"[services.{written_key(service.name)}]", *lines_of(_keys(service.keys))]
    if service.group:
        lines.append(f"group = {quoted(service.group)}")
    elif any(key.address in owned for key in service.keys):
        lines.append("group = false")
    lines += lines_of(_own(service))
    everybody = [*service.reals, *([] if service.fallback is None else [service.fallback])]
    said = [known.said(server) for server in everybody]
    shared = _common([of_all for of_all, _ in said])
    checks = [_checks(server, known) for server in service.reals]
    common = checks[0] if len(set(checks)) == 1 else ""
    lines += lines_of(shared)
    if common:
        lines.append(f"check = {common}")
    if service.reals:
        own = checks if not common else [""] * len(checks)
        servers = map(_server, service.reals, said, itertools.repeat(shared), own)
        lines += ["servers = [", *(f"    {server}," for server in servers), "]"]
    if service.fallback is not None:
        lines.append(f"fallback = {_server(service.fallback, said[-1], shared, _checks(service.fallback, known))}")
    if service.mailing != Mailing():
        lines.append(f"mailing = {inline(_mailing(service.mailing))}")
    return lines


def _keys(keys: tuple[ServiceKey, ...]) -> Words:
    """Addresses stand before marks; all have one protocol, and all marks one family."""
    ends = [quoted(_end(key.address, key.port)) for key in keys if not key.mark]
    marks = [key for key in keys if key.mark]
    words = [("address", _one_or_list(ends))] if ends else []
    protocol = next((key.protocol for key in keys if not key.mark), "tcp")
    words += [("protocol", quoted(protocol))] if protocol != "tcp" else []
    words += [("fwmark", _one_or_list([str(key.mark) for key in marks]))] if marks else []
    return [*words, ("family", "6")] if any(key.family == 6 for key in marks) else words


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _one_or_list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"[{', '.join(items)}]"


# -- servers ----------------------------------------------------------------------------------------------------------


def _said(server: RealServer) -> tuple[Words, Words]:
    """What may stand at the service for all servers, and what is of this one alone."""
    words = _own(server)
    of_all = [word for word in words if word[0] in _SHARED]
    if server.tunnelling != IPIP:
        of_all.append(("tunnel", _tunnel(server.tunnelling)))
    return of_all, [word for word in words if word[0] not in _SHARED]


def _common(servers: list[Words]) -> Words:
    first = servers[0] if servers else []
    return [word for word in first if all(word in words for words in servers)]


def _server(server: RealServer, said: tuple[Words, Words], shared: Words, check: str) -> str:
    """``said``: of this server. ``shared``: what the service says for all. ``check``: its own, "" for none."""
    of_all, own = said
    words = [*(word for word in of_all if word not in shared), *own]
    if check:
        words.append(("check", check))
    text = quoted(server.name)
    return inline([("address", text), *words]) if words else text


def _tunnel(tunnelling: Tunnelling) -> str:
    return inline(_own(tunnelling)) if tunnelling.port or tunnelling.checksum else quoted(tunnelling.kind)


def _mailing(mailing: Mailing) -> Words:
    words = _own(mailing)
    whens = [moment for moment in MOMENTS if moment in mailing.when]
    return words if mailing.when == frozenset(MOMENTS) else [*words, ("when", written_texts(whens))]


# -- checks -----------------------------------------------------------------------------------------------------------


def _checks(server: RealServer, known: _Known) -> str:
    """All checks of a server, as far as they do not follow from its address: "" for none."""
    made = [known.check(check, server) for check in server.checks]
    return _one_or_list(made) if made else ""


def _check(check: Check, server: RealServer) -> Words:
    words = _question(check.question)
    port = 0 if words[0][0] in PORTLESS else server.port
    usual = {"address": server.address, "port": port}
    return [*words, *words_of(check.target, OF[Target], usual), *words_of(check, OF[Check])]


def _question(question: Question) -> Words:
    match question:
        case HttpQuestion():
            return _http(question)
        case ConnectQuestion():
            return [("connect", "true")]
        case SayQuestion():
            return _say(question)
        case ServiceQuestion():
            asked = quoted(question.request) if question.request else "true"
            words = [(question.service.value, asked), *_own(question)]
            if question.service is Service.DNS and not question.udp:
                words.append(("udp", "false"))
            return [*words, *_expected(question.expect, question.tls)]
        case PingQuestion():
            return [("ping", "true"), *_own(question)]
        case UdpQuestion():
            words = [("datagram", quoted(question.payload.hex()) if question.payload else "true")]
            if question.reply:
                words.append(("reply", quoted(_nibbles(question.pattern)) if question.pattern else "true"))
            return [*words, *_own(question)]
        case ProgramQuestion():
            return [("program", written_texts(question.argv)), *_own(question)]
        case FileQuestion():
            factor = [("factor", str(question.factor))] if question.factor != 1 else []
            return [("file", quoted(question.path)), *factor]
        case CombinedQuestion():
            return [*_question(question.seldom), ("each", str(question.each))]
        case FixedQuestion():
            return [("always", quoted("up" if question.up else "down"))]


def _http(question: HttpQuestion) -> Words:
    kind = "https" if question.tls is not None else "http"
    if len(question.pages) == 1:
        words = [(kind, quoted(question.pages[0].path)), *_page(question.pages[0])]
    else:
        pages = (inline([("path", quoted(page.path)), *_page(page)]) for page in question.pages)
        words = [(kind, f"[{', '.join(pages)}]")]
    words += _own(question)
    tls = [] if question.tls in (None, Tls()) else [("tls", _tls(question.tls))]
    return [*words, *tls]


def _page(page: Page) -> Words:
    words = _own(page)
    if page.status != Page().status:
        ranges = [str(low) if low == high else quoted(f"{low}-{high}") for low, high in page.status]
        words.append(("status", _one_or_list(ranges)))
    return words if page.pattern is None else [*words, ("regex", _pattern(page.pattern))]


def _say(question: SayQuestion) -> Words:
    try:
        words = [("say", quoted(question.send.decode()))]
    except UnicodeDecodeError:
        words = [("say_hex", quoted(question.send.hex()))]
    return [*words, *_own(question), *_expected(question.expect, question.tls)]


def _expected(expect: Pattern | None, tls: Tls | None) -> Words:
    words = [] if expect is None else [("expect", _pattern(expect))]
    return words if tls is None else [*words, ("tls", _tls(tls))]


def _pattern(pattern: Pattern) -> str:
    words = _own(pattern)
    return inline(words) if len(words) > 1 else quoted(pattern.text)


def _tls(tls: Tls | None) -> str:
    return "true" if tls is None or tls == Tls() else inline(_own(tls))


def _nibbles(pattern: Iterable[tuple[int, int]]) -> str:
    return "".join(
        f"{value >> shift & 15:x}" if mask >> shift & 15 else "x" for value, mask in pattern for shift in (4, 0)
    )
