"""The checkers of a real_server to ``Check``, with the defaults of 2.2.7.

What a virtual_server says is the default of its real servers, and what they say that of their checkers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..service_checks import (
    Check,
    ConnectQuestion,
    FileQuestion,
    PingQuestion,
    ProgramQuestion,
    Question,
    Service,
    ServiceQuestion,
    Target,
    Tls,
    UdpQuestion,
)
from ..units import MILLISECOND, SECOND, Duration
from ..vrrp_files import TrackedFile
from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .keepalived_http import read_http
from .keepalived_tree import Statement
from .keepalived_values import address, boolean, choice, command, flag, last, seconds, user, whole
from .report import Report
from .services_checks import THE_SERVERS, nibbles

MOST = 2**31 - 1
LONGEST: Duration = 999_999 * SECOND
_PORT = (1, 65535)
_DNS = ("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA")
_RETRIES = {"DNS_CHECK": 3, "MISC_CHECK": 0}
_PAUSES: dict[str, Duration] = {"HTTP_GET": 3 * SECOND, "SSL_GET": 3 * SECOND, "DNS_CHECK": 0}
"""``delay_before_retry`` where it is not a second; 0: as long as the usual interval."""

_HELO = "smtpchecker.keepalived.org"
"""As which 2.2.7 introduces itself without ``helo_name``."""
_HEX = re.compile(r"[0-9A-Fa-fxX]+", re.ASCII)


class Inherited(NamedTuple):
    """What checkers have unless they say otherwise; None: it depends on the kind."""

    delay_loop: Duration = 60 * SECOND
    retry: int | None = None
    pause: Duration | None = None
    timeout: Duration = 5 * SECOND
    warmup: Duration | None = None
    alpha: bool = False
    host: str = ""
    log_all: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What a checker may refer to: files that are tracked, and the SSL block. ``known``: those that were read, and good."""

    files: Mapping[str, TrackedFile]
    tls: Tls
    known: dict[tuple[object, ...], list[Check]] = field(default_factory=dict)


def inherit(report: Report, block: list[Statement], given: Inherited, bare: bool = False) -> Inherited:
    """With what the statements of a block say. ``bare``: ``alpha`` takes no value there (in a virtual_server)."""
    for statement in block:
        name = statement.name
        if name in ("delay_loop", "connect_timeout"):
            span = seconds(report, statement, MILLISECOND, LONGEST, "it does not count")
            field = "delay_loop" if name == "delay_loop" else "timeout"
            given = given if span is None else given._replace(**{field: span})  # type: ignore[arg-type]
        elif name in ("delay_before_retry", "warmup"):
            span = seconds(report, statement, 0, LONGEST, "it does not count")
            field = "warmup" if name == "warmup" else "pause"
            given = given if span is None else given._replace(**{field: span})  # type: ignore[arg-type]
        elif name in ("retry", "nb_get_retry"):
            number = whole(report, statement, 0, MOST - 1, "it does not count")
            given = given if number is None else given._replace(retry=number)
            if name == "nb_get_retry":
                report.warning(statement.place, '"nb_get_retry" is the old name of "retry"', "It counts all the same.")
        elif name == "alpha":
            alpha = flag(report, statement) if bare else boolean(report, statement, given.alpha)
            given = given._replace(alpha=alpha)
        elif name == "log_all_failures":
            given = given._replace(log_all=boolean(report, statement, given.log_all))
        elif name == "virtualhost" and (word := statement.value()) is not None:
            given = given._replace(host=word.text)
    return given


def read_checkers(
    report: Report, block: list[Statement], given: Inherited, around: Around, family: int
) -> tuple[Check, ...]:
    """All checkers of a real server, in the order of the file; whom they ask is still without its address and port (``aimed``).

    ``family``: of its address.
    """
    found: list[Check] = []
    for statement in block:
        if statement.name in _QUESTIONS:
            like = (statement.name, statement.body, given, family)
            made = around.known.get(like)
            if made is None:
                before = len(report.problems)
                made = _checker(report, statement, given, around, family)
                if statement.body is not None and len(report.problems) == before:
                    around.known[like] = made
            found += made
    return tuple(found)


def _checker(report: Report, statement: Statement, given: Inherited, around: Around, family: int) -> list[Check]:
    kind, block = statement.name, statement.block or []
    said = inherit(report, block, given)
    question = _QUESTIONS[kind](report, statement, said, around)
    if question is None:
        return []
    # keepalived is told of changes by the kernel, and has no words for when to ask.
    if isinstance(question, FileQuestion):
        return [Check(question, Target(""), interval=SECOND, starts_up=True)]
    timeout = said.timeout
    if kind == "MISC_CHECK":
        limit = last(block, "misc_timeout")
        number = None if limit is None else whole(report, limit, 0, MOST, "delay_loop is taken")
        timeout = number * SECOND if number else said.delay_loop
    retry = _RETRIES.get(kind, 1) if said.retry is None else said.retry
    check = Check(
        question,
        _target(report, kind, block, family),
        interval=said.delay_loop,
        timeout=timeout,
        fall=1 + retry,
        retry_delay=_PAUSES.get(kind, SECOND) if said.pause is None else said.pause,
        warmup=said.delay_loop if said.warmup is None else said.warmup,
        starts_up=not said.alpha,
        log_all=said.log_all,
    )
    hosts = list(statement.inner("host")) if kind == "SMTP_CHECK" else []
    if hosts:
        report.warning(hosts[0].place, "host {} is the old form: each is a checker of its own", "Write connect_ip.")
    targets = [_target(report, kind, host.block or [], family) for host in hosts]
    return [replace(check, target=target) for target in targets] or [check]


def _target(report: Report, kind: str, block: list[Statement], family: int) -> Target:
    """``connect_ip`` and its like. Programs, files and pings have no port."""
    to, port, source, device, numbers = "", THE_SERVERS, "", "", {"bind_port": 0, "fwmark": 0}
    bindto = None
    for statement in block:
        name = statement.name
        word = statement.value() if name in ("connect_ip", "bindto", "bind_if") else None
        if name == "connect_ip" and word is not None:
            found = address(report, word, "connect_ip")
            to = to if found is None else str(found)
        elif name == "connect_port":
            port = whole(report, statement, *_PORT, "it does not count") or port
        elif name == "bindto":
            bindto = word
        elif name == "bind_if" and word is not None:
            wrong = read_device(word.text)
            if isinstance(wrong, Wrong):
                report.warning(word.place, f"{wrong.text}; it does not count", wrong.hint)
            else:
                device = word.text
        elif name in numbers:
            low, high = _PORT if name == "bind_port" else (0, 2**32 - 1)
            numbers[name] = whole(report, statement, low, high, "it does not count") or 0
    if bindto is not None:
        own = address(report, bindto, "bindto", family if not to else 6 if ":" in to else 4)
        source = "" if own is None else str(own)
    if kind in ("MISC_CHECK", "PING_CHECK"):
        port = 0
    return Target(to, port, source, numbers["bind_port"], device, numbers["fwmark"])


# -- what each of them asks -------------------------------------------------------------------------------------------


def _http(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    return read_http(report, statement, given.host, around.tls)


def _connect(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    return ConnectQuestion()


def _ping(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    return PingQuestion()


def _smtp(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    named = last(statement.block or [], "helo_name")
    word = None if named is None else named.value()
    return ServiceQuestion(Service.SMTP, helo=_HELO if word is None else word.text)


def _dns(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    kind, name = "SOA", "."
    for item in statement.block or ():
        word = item.value()
        if item.name == "type" and word is not None:
            upper = Word(word.text.upper(), word.place)
            kind = choice(report, upper, _DNS, "DNS type", "it does not count") or kind
        elif item.name == "name" and word is not None:
            labels = word.text.removesuffix(".").split(".")
            if (word.text != "." and any(not 0 < len(label) <= 63 for label in labels)) or len(word.text) > 253:
                report.warning(word.place, f'"{word.text}" is not a domain name; it does not count', "")
            else:
                name = word.text
    return ServiceQuestion(Service.DNS, name, kind=kind, udp=True)


def _misc(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    argv: tuple[str, ...] = ()
    dynamic, who = False, ""
    for item in statement.block or ():
        if item.name == "misc_path":
            made = command(report, item, users=False)
            argv = () if made is None else made[0]
        elif item.name == "misc_dynamic":
            dynamic = True
        elif item.name == "user":
            named = user(report, list(item.words[1:]))
            if named is None:
                return None
            who = named
    if not argv:
        report.warning(statement.place, "MISC_CHECK has no misc_path; keepalived leaves the checker out", "")
        return None
    return ProgramQuestion(argv, dynamic, who)


def _udp(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    payload, pattern, reply, least, most = b"", "", False, 0, 255
    for item in statement.block or ():
        if item.name == "payload":
            payload = bytes.fromhex(_digits(report, item, False))
        elif item.name == "require_reply":
            reply, pattern = True, _digits(report, item, True)
        elif item.name == "min_reply_length":
            least = whole(report, item, 0, 65535, "0 is taken") or 0
        elif item.name == "max_reply_length":
            found = whole(report, item, 0, 65535, "255 is taken")
            most = 255 if found is None else found
    if least > most:
        text = f"no answer has at least {least} and at most {most} bytes: the server is never up"
        report.warning(statement.place, text, "Give max_reply_length the larger number.")
    return UdpQuestion(payload, reply, nibbles(pattern), least, most)


def _digits(report: Report, statement: Statement, wild: bool) -> str:
    """Hexadecimal digits in words; a word with an odd number of them ends in a byte of one digit."""
    found = ""
    for word in statement.words[1:]:
        if not _HEX.fullmatch(word.text) or (not wild and "x" in word.text.lower()):
            more = " or x" if wild else ""
            text = f'"{word.text}" has other letters than hexadecimal digits{more}; the whole line does not count'
            report.warning(word.place, text, "")
            return ""
        whole_bytes = len(word.text) // 2 * 2
        found += word.text[:whole_bytes] + "".join(f"0{digit}" for digit in word.text[whole_bytes:])
    return found


def _file(report: Report, statement: Statement, given: Inherited, around: Around) -> Question | None:
    found: TrackedFile | None = None
    factor = None
    for item in statement.block or ():
        word = item.value()
        if item.name == "track_file" and word is not None:
            found = around.files.get(word.text)
            if found is None:
                report.warning(word.place, f"there is no track_file {word.text} above", "Define it before the server.")
        elif item.name == "weight":
            number = whole(report, item, -MOST, MOST, "that of the file counts")
            reverse = (item.value(2) or item.words[0]).text == "reverse"
            factor = factor if number is None else -number if reverse else number
    if found is None:
        report.warning(statement.place, "FILE_CHECK has no track_file; keepalived leaves the checker out", "")
        return None
    own = -found.weight if found.reverse else found.weight
    return FileQuestion(found.path, own if factor is None else factor)


_QUESTIONS: dict[str, Callable[[Report, Statement, Inherited, Around], Question | None]] = {
    "TCP_CHECK": _connect,
    "HTTP_GET": _http,
    "SSL_GET": _http,
    "SMTP_CHECK": _smtp,
    "DNS_CHECK": _dns,
    "MISC_CHECK": _misc,
    "PING_CHECK": _ping,
    "UDP_CHECK": _udp,
    "FILE_CHECK": _file,
}
