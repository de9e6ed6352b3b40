"""``check = { ... }`` of a service or a server to ``Check``."""

from __future__ import annotations

import re
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
from .keepalived_values import address_of
from .report import Report, Scope, nearest
from .services_words import KINDS, MOST, OF, PORTLESS
from .table_reader import TableReader
from .tree import Array, Place, Table, Value

THE_SERVERS = -1
"""The port of a check that goes to the port of its server."""

_STATUS = re.compile(r"([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SERVICES = {each.value: each for each in Service}
_ELSEWHERE = {
    "interval": "Write every.",
    "tcp": "Write connect = true.",
    "url": 'Write http = "/" for a path, and host for a name.',
    "path": 'Write http = "/the/path".',
    "retries": "Write fall: how many failures in a row make it down.",
    "command": 'Write program = ["/usr/local/bin/check"].',
}


_MORE_OF_TARGET = attrgetter(*[each.name for each in fields(Target)][2:])
_MORE_OF_CHECK = attrgetter(*[each.name for each in fields(Check)][2:])


def aimed(check: Check, address: str, port: int) -> Check:
    """A check that was read, for one server."""
    target = check.target
    to = target.address or address
    at = port if target.port == THE_SERVERS else target.port
    return Check(check.question, Target(to, at, *_MORE_OF_TARGET(target)), *_MORE_OF_CHECK(check))


class CheckReader(TableReader):
    """Reads checks, whose targets are still without the address and port of their server (``aimed``)."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._known: dict[Any, Check] = {}
        """Checks by how they are written: thousands of servers may have the same."""

    def checks(self, scope: Scope, word: str = "check") -> tuple[Check, ...] | None:
        """One, a list of them, or None when the table does not have the word."""
        value = scope.value(word)
        if value is None:
            return None
        items = value.data.items if isinstance(value.data, Array) else [value]
        made = [self._check(item, f"a check of {scope.name}") for item in items]
        return tuple(check for check in made if check is not None)

    def _check(self, item: Value, name: str) -> Check | None:
        written = _content(item)
        if written in self._known:
            return self._known[written]
        before = len(self.report.problems)
        made = self._read(item, name)
        if made is not None and len(self.report.problems) == before:
            self._known[written] = made
        return made

    def _read(self, item: Value, name: str) -> Check | None:
        inner = self.inline(item, name, "http")
        if inner is None:
            return None
        before = len(self.report.problems)
        kind = self._kind(inner)
        said = self.settings(inner, OF[Check])
        to = self._target(inner)
        question = None if kind is None else self._question(inner, kind)
        if kind is None:
            return None
        inner.finish(elsewhere=self._elsewhere(kind))
        if question is None or any(found.severity == "error" for found in self.report.problems[before:]):
            return None
        target = Target(**{"address": "", "port": 0 if kind in PORTLESS else THE_SERVERS, **to})
        return Check(question, target, **said)

    def _elsewhere(self, kind: str) -> dict[str, str]:
        own = {"http": "https", "https": "http"}.get(kind, kind)
        found = {word: f'It belongs to "{other}".' for other, words in KINDS.items() for word in words}
        return {word: hint for word, hint in (_ELSEWHERE | found).items() if word not in (*KINDS[kind], own)}

    def _kind(self, scope: Scope) -> str | None:
        kinds = [word for word in scope.table.entries if word in KINDS]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            entry = scope.table.entries[kinds[1]]
            text = f"a check asks one thing only, but this one has {' and '.join(kinds)}"
            self.report.error(entry.place, text, "Write check = [{ ... }, { ... }]; all must be up.")
            return None
        for word, entry in scope.table.entries.items():
            close = _ELSEWHERE.get(word) or ((found := nearest(word, KINDS)) and f'Did you mean "{found}"?')
            if close:
                self.report.error(entry.place, f'unknown word "{word}" in {scope.name}', close)
                return None
        text = f"{scope.name} does not say what it asks"
        self.report.error(scope.place, text, f"Write one of {', '.join(KINDS)}.")
        return None

    def _target(self, scope: Scope) -> dict[str, Any]:
        said = self.settings(scope, OF[Target])
        for word in ("address", "source"):
            if word not in said:
                continue
            found = address_of(said[word])
            if found is None:
                self.report.error(scope.at(word), f'"{said[word]}" is not an IP address', "Names are not looked up.")
            else:
                said[word] = str(found)
        return said

    # -- questions ----------------------------------------------------------------------------------------------------

    def _question(self, scope: Scope, kind: str) -> Question | None:
        if kind in ("http", "https"):
            return self._each(scope, self._http(scope, kind))
        if kind in ("say", "say_hex"):
            return self._each(scope, self._say(scope, kind))
        if kind in _SERVICES:
            return self._each(scope, self._dialogue(scope, kind))
        if kind in ("connect", "ping"):
            if scope.boolean(kind) is False:
                self.report.error(scope.at(kind), f'"{kind}" can only be true', "Take the check away.")
            return ConnectQuestion() if kind == "connect" else PingQuestion(**self.settings(scope, OF[PingQuestion]))
        if kind == "datagram":
            return self._datagram(scope)
        if kind == "program":
            made = self.notice(scope, "program")
            return None if made is None else ProgramQuestion(made.argv, **self.settings(scope, OF[ProgramQuestion]))
        if kind == "file":
            path, factor = scope.text("file"), scope.integer("factor", -MOST, MOST, 1)
            return None if path is None else FileQuestion(path, factor)
        return self._always(scope)

    def _always(self, scope: Scope) -> FixedQuestion | None:
        text = scope.text("always")
        if text is not None and text not in ("up", "down"):
            self.report.error(scope.at("always"), f'"always" is "{text}"', 'Write "up" or "down".')
            return None
        return None if text is None else FixedQuestion(text == "up")

    def _each(
        self, scope: Scope, seldom: HttpQuestion | SayQuestion | ServiceQuestion | None
    ) -> HttpQuestion | SayQuestion | ServiceQuestion | CombinedQuestion | None:
        each = scope.integer("each", 1, MOST, None)
        return seldom if each is None or seldom is None else CombinedQuestion(ConnectQuestion(), seldom, each)

    def _http(self, scope: Scope, kind: str) -> HttpQuestion | None:
        value = scope.value(kind)
        tls = self._tls(scope)
        if kind == "https" and tls is None:
            tls = Tls()
        said = self.settings(scope, OF[HttpQuestion])
        if value is not None and isinstance(value.data, Array):
            pages = [self._page(inner, "path") for item in value.data.items if (inner := self._listed(item))]
            for word in ("status", "regex", *(each.word for each in OF[Page])):
                if scope.value(word) is not None:
                    self.report.error(scope.at(word), f'"{word}" stands beside a list of pages', "Write it in a page.")
            if not value.data.items:
                self.report.error(value.place, f'"{kind}" lists no page', f'Write {kind} = "/".')
        else:
            pages = [self._page(scope, kind)]
        return HttpQuestion(tuple(page for page in pages if page is not None), tls, **said)

    def _listed(self, item: Value) -> Scope | None:
        return self.inline(item, "a page", "path")

    def _page(self, scope: Scope, word: str) -> Page | None:
        path = scope.text(word)
        said = self.settings(scope, OF[Page])
        status = self._status(scope)
        regex = self._pattern(scope, "regex")
        if word == "path":
            if "path" not in scope:
                scope.missing("path", 'Write path = "/".')
            scope.finish()
        if path is not None and (not path.startswith(("/", "*")) or not path.isprintable() or " " in path):
            hint = 'Write it as in "/alive.html"; the name of the site is host = "...".'
            self.report.error(scope.at(word), f'"{path}" is not a path', hint)
        if "digest" in said and not _DIGEST.fullmatch(said["digest"].lower()):
            hint = "It is the MD5 of the body, 32 hexadecimal digits."
            self.report.error(scope.at("digest"), f'"{said["digest"]}" is not a digest', hint)
        if "digest" in said:
            said["digest"] = said["digest"].lower()
        return None if path is None else Page(path, status=status, pattern=regex, **said)

    def _status(self, scope: Scope) -> tuple[tuple[int, int], ...]:
        """A number, a range as in "200-399", or a list of either."""
        value = scope.value("status")
        if value is None:
            return Page().status
        found = []
        items = value.data.items if isinstance(value.data, Array) else [value]
        for item in items:
            shown = str(item.data) if isinstance(item.data, int | str) and not isinstance(item.data, bool) else ""
            match = _STATUS.fullmatch(shown.strip())
            if match is None or int(match[2] or match[1]) < int(match[1]):
                hint = 'Write a number from 100 to 999, a range as in "200-399", or a list of them.'
                self.report.error(item.place, f'"status" cannot be {shown or item.kind}', hint)
            else:
                found.append((int(match[1]), int(match[2] or match[1])))
        if not items:
            self.report.error(value.place, '"status" is empty', "Nothing could ever be up: list what counts as good.")
        return tuple(found)

    def _pattern(self, scope: Scope, word: str) -> Pattern | None:
        entry = scope.table.entries.get(word)
        if entry is not None and isinstance(entry.value.data, Table):
            inner = Scope(self.report, entry.value.data, f'"{word}"', entry.value.place)
            scope.value(word)
            said = self.settings(inner, OF[Pattern])
            if "pattern" not in inner:
                inner.missing("pattern", 'Write { pattern = "..." }.')
            inner.finish()
        else:
            text = scope.text(word)
            said = {} if text is None else {"text": text}
        if "text" not in said:
            return None
        made = Pattern(**said)
        place = entry.value.place if entry is not None else scope.place
        return made if self._compiles(made, word, place) else None

    def _compiles(self, made: Pattern, word: str, place: Place) -> bool:
        if set(made.flags) - set("imsx"):
            self.report.error(place, f'the flags of "{word}" are "{made.flags}"', "They are letters of i, m, s and x.")
            return False
        try:
            re.compile(f"(?{made.flags}){made.text}" if made.flags else made.text)
        except (re.error, OverflowError, RecursionError) as error:
            hint = "Python's rules count; a literal string in single quotation marks needs no double backslashes."
            self.report.error(place, f'"{word}" is not a regular expression: {error}', hint)
            return False
        return True

    def _tls(self, scope: Scope) -> Tls | None:
        """``tls = true``, or a table."""
        entry = scope.table.entries.get("tls")
        if entry is None or not isinstance(entry.value.data, Table):
            return Tls() if scope.boolean("tls") else None
        inner = Scope(self.report, entry.value.data, '"tls"', entry.value.place)
        scope.value("tls")
        said = self.settings(inner, OF[Tls])
        inner.finish()
        return Tls(**said)

    def _say(self, scope: Scope, kind: str) -> SayQuestion | None:
        value = scope.value(kind)
        data = b""
        if value is None or not isinstance(value.data, str):
            if value is not None:
                scope.wrong(kind, "a string", value, "Put it in quotation marks.")
            return None
        if kind == "say":
            data = value.data.encode()
        else:
            made = _hexadecimal(value.data)
            if made is None:
                self.report.error(
                    value.place, f'"{value.data}" is not hexadecimal', 'Write pairs of digits, as in "0d0a".'
                )
                return None
            data = made
        said = self.settings(scope, OF[SayQuestion])
        return SayQuestion(data, self._pattern(scope, "expect"), tls=self._tls(scope), **said)

    def _dialogue(self, scope: Scope, kind: str) -> ServiceQuestion | None:
        value = scope.value(kind)
        request: str | None = ""
        if value is not None and value.data is False:
            self.report.error(value.place, f'"{kind}" cannot be false', "Take the check away.")
        elif value is not None and value.data is not True:
            request = scope.text(kind)
        said = {"udp": kind == "dns"} | self.settings(scope, OF[ServiceQuestion])
        expect, tls = self._pattern(scope, "expect"), self._tls(scope)
        return None if request is None else ServiceQuestion(_SERVICES[kind], request, expect, tls=tls, **said)

    def _datagram(self, scope: Scope) -> UdpQuestion | None:
        payload = self._hex_or_true(scope, "datagram")
        text = self._hex_or_true(scope, "reply", "xX")
        said = self.settings(scope, OF[UdpQuestion])
        data = None if payload is None else _hexadecimal(payload)
        return UdpQuestion(data or b"", text is not None, nibbles(text or ""), **said)

    def _hex_or_true(self, scope: Scope, word: str, more: str = "") -> str | None:
        value = scope.value(word)
        if value is None or value.data is True:
            return None if value is None else ""
        text = scope.text(word)
        if text is not None and (len(text) % 2 or set(text.lower()) - set("0123456789abcdef" + more)):
            self.report.error(value.place, f'"{text}" is not hexadecimal', 'Write pairs of digits, as in "0d0a".')
            return None
        return text


def _content(value: Value) -> Any:
    """What is written there, without its place; 1 and true differ."""
    data = value.data
    if isinstance(data, Table):
        return tuple([(word, _content(entry.value)) for word, entry in data.entries.items()])
    if isinstance(data, Array):
        return Array, tuple([_content(item) for item in data.items])
    return type(data), data


def nibbles(text: str) -> tuple[tuple[int, int], ...]:
    """(byte, mask) for each pair of hexadecimal digits; ``x`` stands for any digit."""
    found = []
    for high, low in zip(text[::2], text[1::2], strict=False):
        digits = [(0, 0) if digit in "xX" else (int(digit, 16), 15) for digit in (high, low)]
        found.append((digits[0][0] << 4 | digits[1][0], digits[0][1] << 4 | digits[1][1]))
    return tuple(found)


def _hexadecimal(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
