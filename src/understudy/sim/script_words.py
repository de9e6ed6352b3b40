"""Reading the words of a scenario's line into what the model has."""

from __future__ import annotations

from ..model import Failback, FailbackKind, PingCheck, Probe
from ..units import parse_duration


def options_in(words: list[str], known: tuple[str, ...]) -> dict[str, list[str]]:
    """Split ``a b key c d key e`` into lists; what stands before the first key is under the empty name."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for word in words:
        if word in known:
            current = word
            found.setdefault(word, [])
        else:
            found[current].append(word)
    return found


def failback_of(word: str) -> Failback:
    if word == "never":
        return Failback(FailbackKind.NEVER)
    if word == "when-healthy":
        return Failback(FailbackKind.WHEN_HEALTHY)
    return Failback(FailbackKind.AFTER, parse_duration(word))


def probe_of(word: str) -> Probe:
    """``web`` is a probe of the group, ``web:httpd`` one of the resource httpd."""
    name, _, resource = word.partition(":")
    return Probe(name, PingCheck("192.0.2.1"), resource)
