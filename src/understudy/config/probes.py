"""Probes: ``probe = { ... }`` of a resource and [groups.NAME.probes.NAME], with the same words."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..probes import Check, CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck
from ..units import HOUR, MILLISECOND, Duration
from .addresses import NAME_RULE, Wrong, is_name, read_host
from .parts import read_arguments
from .report import Report, Scope, nearest, suggestion
from .resources import ResourceDraft, read_strings
from .tree import Array, Place, Table, Value

PROBE_KINDS: dict[str, tuple[str, ...]] = {
    "http": ("status", "text", "regex", "method", "host", "send_headers", "expect_headers", "verify", "ca"),
    "tcp": ("send", "expect"),
    "command": (),
    "ping": (),
}
"""Each kind of probe and the words that only it takes."""

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
ANY_SUCCESS = (200, 299)

_SHORTEST: Duration = 10 * MILLISECOND
_SHORTEST_INTERVAL: Duration = 100 * MILLISECOND
_LONGEST: Duration = 24 * HOUR

_URL = re.compile(r"(https?)://([^/?#\s]+)([/?]\S*)?", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*\.?", re.ASCII
)
_STATUS = re.compile(r"([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?", re.ASCII)
_ELSEWHERE = {
    "every": "Write interval.",
    "url": 'Write http = "http://192.168.58.100/".',
    "header": "Write expect_headers for what the answer shall have, send_headers for what is sent.",
    "headers": "Write expect_headers for what the answer shall have, send_headers for what is sent.",
    "start_delay": "Write grace: failures within that time of the start do not count.",
}


def read_probes(
    report: Report, scope: Scope, group: str, resources: list[tuple[Value, ResourceDraft | None]]
) -> tuple[Probe, ...]:
    """All probes of a group: those of its resources in their order, then its own."""
    found: dict[str, Probe] = {}
    for item, draft in resources:
        entry = item.data.entries.get("probe") if isinstance(item.data, Table) else None
        if entry is None:
            continue
        if not isinstance(entry.value.data, Table):
            hint = 'Write probe = { http = "http://192.168.58.100/" }, or tcp, command, ping.'
            report.error(entry.value.place, f'"probe" must be a table, not {entry.value.kind}', hint)
            continue
        name = draft.resource.id if draft is not None else ""
        probe = _probe(report, entry.value.data, f"the probe of {name or 'a resource'} in {group}", entry.value.place)
        if probe is not None and draft is not None:
            found[name] = _named(probe, name, name)
    for name, table, place, value_place in _own(scope, group):
        if not is_name(name):
            report.error(place, f'"{name}" cannot name a probe', NAME_RULE)
        probe = _probe(report, table, f"[groups.{group}.probes.{name}]", value_place)
        if not resources:
            text = f"the group {group} has no resources that the probe {name} could judge"
            report.error(place, text, "List what it runs, or take the probe away.")
        elif name in found:
            text = f'two probes of {group} are called "{name}"'
            report.error(place, text, "A resource's own probe is called like the resource: choose another name.")
        elif probe is not None:
            found[name] = _named(probe, name, "")
    return tuple(found.values())


def _own(scope: Scope, group: str) -> list[tuple[str, Table, Place, Place]]:
    value = scope.value("probes")
    if value is None or isinstance(value.data, Table):
        return scope.tables("probes")
    scope.wrong("probes", "a section", value, f"Write [groups.{group}.probes.NAME], with its settings below.")
    return []


def _named(probe: Probe, name: str, resource: str) -> Probe:
    return Probe(name, probe.check, resource, probe.interval, probe.timeout, probe.rise, probe.fall, probe.grace)


def _probe(report: Report, table: Table, name: str, place: Place) -> Probe | None:
    """One probe, still without a name; None after reporting what is wrong with it."""
    before = len(report.problems)
    scope = Scope(report, table, name, place)
    kind = _kind(report, scope)
    default = Probe("", PingCheck(""))
    interval = scope.duration("interval", _SHORTEST_INTERVAL, _LONGEST)
    timeout = scope.duration("timeout", _SHORTEST, HOUR)
    rise = scope.integer("rise", 1, 1000, default.rise)
    fall = scope.integer("fall", 1, 1000, default.fall)
    grace = scope.duration("grace", 0, _LONGEST)
    if kind is None:
        return None
    check = _READERS[kind](report, scope)
    elsewhere = {
        word: f'It belongs to "{other}".' for other, words in PROBE_KINDS.items() for word in words if other != kind
    }
    scope.finish(elsewhere=_ELSEWHERE | elsewhere)
    if check is None or any(problem.severity == "error" for problem in report.problems[before:]):
        return None
    return Probe(
        "",
        check,
        "",
        default.interval if interval is None else interval,
        default.timeout if timeout is None else timeout,
        rise,
        fall,
        default.grace if grace is None else grace,
    )


def _kind(report: Report, scope: Scope) -> str | None:
    kinds = [word for word in scope.table.entries if word in PROBE_KINDS]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        text = f"a probe asks one thing only, but this one is {' and '.join(kinds)}"
        report.error(scope.table.entries[kinds[1]].place, text, "Write [groups.NAME.probes.NAME] for each of them.")
        return None
    for word, entry in scope.table.entries.items():
        close = nearest(word, PROBE_KINDS)
        if close is not None:
            report.error(entry.place, f'unknown word "{word}" in {scope.name}', f'Did you mean "{close}"?')
            return None
    report.error(
        scope.place, f"{scope.name} does not say what it asks", f"Begin it with one of {', '.join(PROBE_KINDS)}."
    )
    return None


# -- the kinds --------------------------------------------------------------------------------------------------------


def _http(report: Report, scope: Scope) -> Check | None:
    url = _url(report, scope)
    host = scope.text("host")
    if host is not None and not _HOST.fullmatch(host):
        report.error(
            scope.at("host"), f'"{host}" is not a host name', 'Write it alone, as in host = "www.example.org".'
        )
    method = (scope.text("method") or "GET").upper()
    if method not in METHODS:
        report.error(scope.at("method"), f'unknown method "{method}"', suggestion(method, METHODS, "Methods are"))
    text, regex = scope.text("text"), scope.text("regex")
    if regex is not None:
        try:
            re.compile(regex)
        except re.error as error:
            hint = "Python's rules count; a literal string in single quotation marks needs no double backslashes."
            report.error(scope.at("regex"), f'"regex" is not a regular expression: {error}', hint)
    for word in ("text", "regex"):
        if method == "HEAD" and word in scope:
            report.error(scope.at(word), f'"{word}" looks at the body, but the answer to HEAD has none', "Write GET.")
    check = HttpCheck(
        url or "",
        host or "",
        method,
        _statuses(report, scope),
        text or "",
        regex or "",
        read_strings(report, scope, "send_headers", _HEADER, "the name of a header"),
        read_strings(report, scope, "expect_headers", _HEADER, "the name of a header"),
        _verify(report, scope, url or ""),
        _ca(report, scope, url or ""),
    )
    for word, value in check.send_headers:
        if "\n" in value:
            report.error(scope.at("send_headers"), f'the header "{word}" has a line break in it', "Take it away.")
        if word.lower() == "host":
            report.error(scope.at("send_headers"), '"Host" has a word of its own', 'Write host = "...".')
    return check if url is not None else None


def _url(report: Report, scope: Scope) -> str | None:
    text = scope.text("http")
    if text is None:
        return None
    place = scope.at("http")
    found = _URL.fullmatch(text)
    if found is None:
        report.error(place, f'"{text}" is not a URL', 'Write http = "http://192.168.58.100/", or https://...')
        return None
    scheme, authority, rest = found.groups()
    if "@" in authority:
        hint = 'Write send_headers = { Authorization = "Basic ..." }.'
        report.error(place, "a URL with a user and password in it would show them in status and the log", hint)
        return None
    host, port, wrong = _split_port(authority)
    if wrong or (port is not None and not 1 <= port <= 65535):
        report.error(place, f'"{authority}" is not an address, with or without a port', "A port is from 1 to 65535.")
        return None
    address = _address(report, place, host, "host")
    if address is None:
        return None
    shown = f"[{address}]" if ":" in address else address
    return f"{scheme}://{shown}{'' if port is None else f':{port}'}{rest or '/'}"


def _split_port(authority: str) -> tuple[str, int | None, bool]:
    """Host, port, and whether it makes no sense: ``192.0.2.1:80``, ``[fd00::1]:80``, either without a port."""
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", authority, re.ASCII)
    if found is None:
        return "", None, True
    return found[1] or found[2], int(found[3]) if found[3] else None, False


def _address(report: Report, place: Place, host: str, word: str = "") -> str | None:
    """An address, because a name server that is away must not look like a service that is down."""
    if re.fullmatch(r"[0-9.]+", host) or ":" in host:
        found = read_host(host)
        if not isinstance(found, Wrong):
            address, device = found
            if device is not None and word:
                report.error(place, f'"{host}" names a device, which a URL cannot', "Use an address that needs none.")
                return None
            return str(address) if device is None else f"{address}%{device}"
        report.error(place, found.text, found.hint)
        return None
    if host == "localhost":
        report.error(place, '"localhost" is a name, and names are not looked up', "Write 127.0.0.1 or [::1].")
        return None
    also = f', and {word} = "{host}"' if word else ""
    report.error(place, f'"{host}" is a name, and names are not looked up', f"Write the address{also}.")
    return None


def _statuses(report: Report, scope: Scope) -> tuple[tuple[int, int], ...]:
    """A number, a range as in "200-399", or a list of either."""
    value = scope.value("status")
    if value is None:
        return (ANY_SUCCESS,)
    found = []
    for item in value.data.items if isinstance(value.data, Array) else [value]:
        text = str(item.data) if isinstance(item.data, int | str) and not isinstance(item.data, bool) else ""
        match = _STATUS.fullmatch(text.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            hint = 'Write a number from 100 to 599, a range as in "200-399", or a list of them.'
            report.error(item.place, f'"status" cannot be {text or item.kind}', hint)
        else:
            found.append((int(match[1]), int(match[2] or match[1])))
    if isinstance(value.data, Array) and not value.data.items:
        report.error(value.place, '"status" is empty', "Nothing could ever be up: list what counts as good.")
    return tuple(found)


def _verify(report: Report, scope: Scope, url: str) -> bool:
    verify = scope.boolean("verify")
    if verify is None:
        return True
    if url.startswith("http://"):
        report.error(scope.at("verify"), '"verify" is about TLS, but the URL is http', "Write https, or take it away.")
    return verify


def _ca(report: Report, scope: Scope, url: str) -> str:
    path = scope.text("ca")
    if path is None:
        return ""
    if not path.startswith("/"):
        report.error(scope.at("ca"), f'"ca" is "{path}", which does not begin with /', "Write the full path.")
    if url.startswith("http://"):
        report.error(scope.at("ca"), '"ca" is about TLS, but the URL is http', "Write https, or take it away.")
    elif "verify" in scope and scope.table.entries["verify"].value.data is False:
        report.error(scope.at("ca"), '"ca" has no effect with verify = false', "Take one of them away.")
    return path


def _tcp(report: Report, scope: Scope) -> Check | None:
    text = scope.text("tcp")
    send, expect = (_words(report, scope, word) for word in ("send", "expect"))
    if text is None:
        return None
    host, port, wrong = _split_port(text)
    if wrong or port is None or not 1 <= port <= 65535:
        hint = 'Write tcp = "192.168.58.100:5432", or "[fd00::5]:5432".'
        report.error(scope.at("tcp"), f'"{text}" is not an address with a port', hint)
        return None
    address = _address(report, scope.at("tcp"), host)
    return None if address is None else TcpCheck(address, port, send, expect)


def _words(report: Report, scope: Scope, word: str) -> str:
    """What is sent or expected: with any character in it, because line ends are part of most protocols."""
    value = scope.value(word)
    if value is None:
        return ""
    if not isinstance(value.data, str):
        scope.wrong(word, "a string", value, "Put it in quotation marks.")
        return ""
    if not value.data:
        report.error(value.place, f'"{word}" is empty', f"Take {word} away, or say what it should be.")
    return value.data


def _command(report: Report, scope: Scope) -> Check | None:
    argv = read_arguments(report, scope, "command")
    if argv is not None and not argv[0].startswith("/"):
        report.error(scope.at("command"), f'"{argv[0]}" does not begin with /', "Write the full path of the program.")
        return None
    return None if argv is None else CommandCheck(argv)


def _ping(report: Report, scope: Scope) -> Check | None:
    text = scope.text("ping")
    address = None if text is None else _address(report, scope.at("ping"), text)
    return None if address is None else PingCheck(address)


_READERS: dict[str, Callable[[Report, Scope], Check | None]] = {
    "http": _http,
    "tcp": _tcp,
    "command": _command,
    "ping": _ping,
}


def is_secret(probe: Probe) -> bool:
    """Whether it sends what proves who asks."""
    if not isinstance(probe.check, HttpCheck):
        return False
    return any(word.lower() in ("authorization", "cookie", "x-api-key") for word, _ in probe.check.send_headers)
