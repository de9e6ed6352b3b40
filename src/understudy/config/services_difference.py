"""What differs between what two configurations balance, in words. Programs, checks and what they send are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import Any

from ..services import Mailing, Notice, RealServer, ServiceFiles, VirtualService
from ..units import format_duration
from .services_words import BALANCING, OF, SERVER, SERVICE

_SPANS = frozenset(setting.field for words in OF.values() for setting in words if setting.kind == "span")
_SHOWN = frozenset(setting.field for setting in (*SERVICE, *SERVER, *BALANCING)) | {"group"}


def service_changes(before: ServiceFiles | None, after: ServiceFiles | None) -> Iterator[tuple[str, str]]:
    """(where, sentence) for each service that is new, gone or other, and for what concerns all of them."""
    old, new = before or ServiceFiles(), after or ServiceFiles()
    words = [text for name in _names(old) if name not in ("services", "sources") and (text := _word(name, old, new))]
    if words:
        yield "balancing", ", ".join(words)
    had = {service.name: service for service in old.services}
    now = {service.name: service for service in new.services}
    for name in dict.fromkeys((*had, *now)):
        where = f"services.{name}"
        if name not in now or name not in had:
            yield where, f"service {name} is {'new' if name not in had else 'gone'}"
        elif had[name] != now[name]:
            yield where, f"service {name}: {', '.join(_service(had[name], now[name]))}"


def _names(item: Any) -> list[str]:
    return [each.name for each in fields(item)]


def _service(old: VirtualService, new: VirtualService) -> Iterator[str]:
    for name in _names(old):
        text = "" if name in ("reals", "keys") else _word(name, old, new)
        if text:
            yield text
    if old.keys != new.keys:
        yield f"known by {', '.join(map(str, new.keys))} instead of {', '.join(map(str, old.keys))}"
    had = {server.name: server for server in old.reals}
    now = {server.name: server for server in new.reals}
    more, gone = [name for name in now if name not in had], [name for name in had if name not in now]
    if more:
        yield f"with {', '.join(more)}"
    if gone:
        yield f"without {', '.join(gone)}"
    for name in had:
        if name in now and had[name] != now[name]:
            yield f"{name}: {' and '.join(_server(had[name], now[name]))}"
    if not more and not gone and list(had) != list(now):
        yield "its servers in another order"


def _server(old: RealServer, new: RealServer) -> Iterator[str]:
    for name in _names(old):
        text = _word(name, old, new)
        if text:
            yield text


def _word(name: str, old: Any, new: Any) -> str:
    """ "" when it is the same."""
    before, after = getattr(old, name), getattr(new, name)
    if before == after:
        return ""
    if name not in _SHOWN or isinstance(before, Notice | Mailing | RealServer):
        return f"other {name}"
    return f"{name} {_text(name, after)} instead of {_text(name, before)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in _SPANS:
        return format_duration(value) if value else "none"
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value) or "none"
