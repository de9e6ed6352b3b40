"""ha.cf, directive by directive. What the settings mean together is judged in ``heartbeat_rules``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..heartbeat_files import AutoFailback, Medium, MediumKind
from ..units import Duration
from .addresses import NAME_RULE, Wrong, is_name, read_device
from .heartbeat_lines import BLANKS, Word, directives, split
from .heartbeat_media import read_multicast, read_unicast
from .heartbeat_programs import Programs, read_apiauth, read_env, read_respawn, read_stonith, read_stonith_host
from .heartbeat_words import (
    BOOLEANS,
    CHOICES,
    DIRECTIVES,
    LOGGING,
    NUMBERS,
    SWITCHES,
    TEXTS,
    TIMES,
    WHOLE_LINE,
    WITHOUT_EFFECT,
    old_time,
)
from .report import Report, suggestion
from .tree import Place

MOST_MEDIA = 64
MOST_NODES = 100


@dataclass(slots=True)
class PingDraft:
    """A ping node and where its name stands."""

    name: str
    hosts: tuple[str, ...]
    group: bool
    place: Place


@dataclass(slots=True)
class CfDraft:
    """What ha.cf says, defaults not filled in, with the places of everything that is judged later."""

    nodes: dict[str, Place] = field(default_factory=dict)
    media: list[tuple[Medium, Place]] = field(default_factory=list)
    times: dict[str, tuple[Duration, Place]] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)
    numbers: dict[str, tuple[int, Place]] = field(default_factory=dict)
    texts: dict[str, tuple[str, Place]] = field(default_factory=dict)
    """Choices too."""
    pings: list[PingDraft] = field(default_factory=list)
    programs: Programs = field(default_factory=Programs)
    auto_failback: tuple[AutoFailback, Place] | None = None
    logging: list[tuple[str, str]] = field(default_factory=list)
    given: list[tuple[str, str, Place]] = field(default_factory=list)
    """Every directive, with its value and where it stands."""

    def number(self, word: str, default: int) -> int:
        return self.numbers[word][0] if word in self.numbers else default

    def choice(self, word: str, default: str) -> str:
        return self.texts[word][0] if word in self.texts else default


def read_cf(report: Report, text: str, file: str, port: int) -> CfDraft:
    """Every directive, all problems reported. ``port``: what UDP media use while ``udpport`` says nothing."""
    reader = _Reader(report, port)
    for name, rest in directives(text, file):
        reader.directive(name, rest)
    return reader.draft


class _Reader:
    """Line after line; ``udpport`` and ``baud`` count for the media below them."""

    def __init__(self, report: Report, port: int) -> None:
        self.report = report
        self.draft = CfDraft()
        self.port = port
        self.baud = 19200
        self._special: dict[str, Callable[[Word, list[Word]], None]] = {
            "node": self._nodes,
            "bcast": self._broadcast,
            "serial": self._serial,
            "ping": self._ping,
            "ping6": self._ping,
            "ping_group": self._ping_group,
            "auto_failback": self._auto_failback,
            "nice_failback": self._nice_failback,
            "crm": self._crm,
            "pacemaker": self._crm,
        }

    def directive(self, name: Word, rest: Word) -> None:
        word = name.text
        if word not in DIRECTIVES:
            known = sorted(set(DIRECTIVES))
            hint = suggestion(word, known, "The directives are")
            if word.lower() in known:
                hint = f'Directives are in lower case: write "{word.lower()}".'
            self.report.error(name.place, f'unknown directive "{word}"', hint)
            return
        values = split(rest, BLANKS if word in WHOLE_LINE else f"{BLANKS},")
        if not values:
            self.report.error(name.place, f'"{word}" needs a value', _example(word))
            return
        if "\ufffd" in rest.text:
            hint = "Write it in plain letters; comments may be in any encoding."
            self.report.error(rest.place, f'the value of "{word}" is not UTF-8 text', hint)
            return
        self.draft.given.append((word, rest.text, name.place))
        before = len(self.report.problems)
        self._read(name, rest, values)
        if word in LOGGING:
            self.draft.logging.append((word, rest.text))
        if word in WITHOUT_EFFECT and not any(item.severity == "error" for item in self.report.problems[before:]):
            self.report.warning(name.place, f'"{word}" has no effect any more: {WITHOUT_EFFECT[word]}')

    def _read(self, name: Word, rest: Word, values: list[Word]) -> None:
        word = name.text
        if word in self._special:
            self._special[word](name, values)
        elif word in ("ucast", "ucast6"):
            self._medium(read_unicast(self.report, name, values, self.port), name.place)
        elif word in ("mcast", "mcast6"):
            self._medium(read_multicast(self.report, name, values), name.place)
        elif word in ("respawn", "failfast"):
            read_respawn(self.report, self.draft.programs, name, values)
        elif word == "apiauth":
            read_apiauth(self.report, self.draft.programs, values)
        elif word == "env":
            read_env(self.report, self.draft.programs, values)
        elif word == "stonith":
            read_stonith(self.report, self.draft.programs, name, values)
        elif word == "stonith_host":
            read_stonith_host(self.report, self.draft.programs, name, values)
        elif word not in ("hbaping", "rds", "tipc"):
            self._plain(name, rest, values)

    # -- settings of one value ----------------------------------------------------------------------------------------

    def _plain(self, name: Word, rest: Word, values: list[Word]) -> None:
        """Heartbeat takes each value in turn, so the last one stays."""
        word, draft = name.text, self.draft
        if word in TIMES:
            for value in values:
                span = old_time(value.text)
                if isinstance(span, str):
                    blank = len(values) > 1 and value is not values[0] and value.text.isalpha()
                    hint = f'Heartbeat takes no blank there: write "{values[0].text}{value.text}".' if blank else span
                    self.report.error(
                        value.place, f'"{word}": "{rest.text if blank else value.text}" is not a time', hint
                    )
                    return
                self._once(word, word in draft.times, draft.times.get(word, (0, name.place))[1], name)
                draft.times[word] = (span, value.place)
        elif word in SWITCHES:
            for value in values:
                state = BOOLEANS.get(value.text.lower())
                if state is None:
                    self.report.error(value.place, f'"{word}" is "{value.text}"', 'Write "on" or "off".')
                    return
                draft.switches[word] = state
        elif word in NUMBERS:
            for value in values:
                self._number(name, value)
        elif word in CHOICES:
            for value in values:
                self._choice(name, value)
        elif word in TEXTS:
            draft.texts[word] = (values[-1].text, values[-1].place)
        if len(values) > 1:
            text = f'"{word}" has {len(values)} values, and the last of them counts'
            self.report.warning(values[1].place, text, "Keep one of them.")

    def _once(self, word: str, given: bool, first: Place, name: Word) -> None:
        if given and first.line != name.place.line:
            text = f'"{word}" is given twice, first on line {first.line}; the later one counts'
            self.report.warning(name.place, text, "Keep one of them.")

    def _number(self, name: Word, value: Word) -> None:
        low, high = NUMBERS[name.text]
        good = value.text.isascii() and value.text.isdigit() and len(value.text) < 12 and low <= int(value.text) <= high
        if not good:
            self.report.error(value.place, f'"{name.text}" is "{value.text}"', f"Write a number from {low} to {high}.")
            return
        self.draft.numbers[name.text] = (int(value.text), value.place)
        if name.text == "udpport":
            self.port = int(value.text)
            early = [medium for medium, _ in self.draft.media if medium.kind in _ON_UDPPORT]
            if early:
                text = '"udpport" comes after media that use it: those keep the port they had'
                self.report.warning(name.place, text, f'Put it above the first "{early[0].kind.value}".')

    def _choice(self, name: Word, value: Word) -> None:
        word, known = name.text, CHOICES[name.text]
        if value.text not in known:
            hint = suggestion(value.text, known, "It may be")
            self.report.error(value.place, f'"{word}" is "{value.text}"', hint)
            return
        if word == "autojoin" and value.text != "none":
            text = '"autojoin" other than none does not go with haresources: Heartbeat does not start with it'
            self.report.error(value.place, text, 'Take it away, and name every machine by "node".')
            return
        if word == "baud":
            if "baud" in self.draft.texts:
                self.report.error(name.place, '"baud" may be given once', "All serial lines have one speed.")
                return
            self.baud = int(value.text)
            if any(medium.kind is MediumKind.SERIAL for medium, _ in self.draft.media):
                text = '"baud" comes after the serial lines, which keep the speed they had'
                self.report.warning(name.place, text, 'Put it above the first "serial".')
        self.draft.texts[word] = (value.text, value.place)

    def _auto_failback(self, name: Word, values: list[Word]) -> None:
        text = values[-1].text.lower()
        state = BOOLEANS.get(text)
        if state is None and text != "legacy":
            hint = suggestion(text, ("on", "off", "legacy"), "It may be")
            self.report.error(values[-1].place, f'"auto_failback" is "{values[-1].text}"', hint)
            return
        kind = AutoFailback.LEGACY if state is None else AutoFailback.ON if state else AutoFailback.OFF
        if self.draft.auto_failback is not None:
            self._once("auto_failback", True, self.draft.auto_failback[1], name)
        self.draft.auto_failback = (kind, values[-1].place)

    def _nice_failback(self, name: Word, values: list[Word]) -> None:
        state = BOOLEANS.get(values[-1].text.lower())
        if state is None:
            self.report.error(values[-1].place, f'"nice_failback" is "{values[-1].text}"', 'Write "auto_failback off".')
            return
        kind = AutoFailback.OFF if state else AutoFailback.LEGACY
        self.draft.auto_failback = (kind, values[-1].place)
        text = f'"nice_failback" is the old name of a setting; it is read as "auto_failback {kind.value}"'
        self.report.warning(name.place, text, f'Write "auto_failback {kind.value}".')

    def _crm(self, name: Word, values: list[Word]) -> None:
        value = values[-1].text.lower()
        if BOOLEANS.get(value) is False:
            return
        if value not in ("respawn", "manual", "minimal", "ccm-only", "valgrind") and value not in BOOLEANS:
            self.report.error(
                values[-1].place, f'"{name.text}" is "{values[-1].text}"', 'Write "off", or take it away.'
            )
            return
        text = f'"{name.text} {values[-1].text}" gives the resources to Pacemaker, and haresources counts for nothing'
        hint = (
            "Pacemaker's own configuration is not read: write the groups into haresources and take this line away, or write a "
            "native file (docs/configuration.md)."
        )
        self.report.error(values[-1].place, text, hint)

    # -- machines -----------------------------------------------------------------------------------------------------

    def _nodes(self, name: Word, values: list[Word]) -> None:
        for value in values:
            node = value.text.lower()
            if not is_name(node):
                self.report.error(value.place, f'"{value.text}" cannot name a machine', NAME_RULE)
            elif node in self.draft.nodes:
                first = self.draft.nodes[node].line
                self.report.warning(value.place, f"the node {node} is named twice, first on line {first}", "Keep one.")
            elif len(self.draft.nodes) == MOST_NODES:
                self.report.error(value.place, f"more than {MOST_NODES} nodes", "Heartbeat takes no more.")
            else:
                self.draft.nodes[node] = value.place

    def _ping(self, name: Word, values: list[Word]) -> None:
        for value in values:
            self._add_ping(value, (value.text,), False)

    def _ping_group(self, name: Word, values: list[Word]) -> None:
        if len(values) < 2:
            hint = 'Write its name and its addresses, as in "ping_group routers 10.0.0.1 10.0.0.2".'
            self.report.error(values[0].place, f'the ping_group "{values[0].text}" has no addresses', hint)
            return
        self._add_ping(values[0], tuple(value.text for value in values[1:]), True)

    def _add_ping(self, name: Word, hosts: tuple[str, ...], group: bool) -> None:
        if any(ping.name == name.text for ping in self.draft.pings):
            self.report.warning(name.place, f'the ping node "{name.text}" is named twice', "Keep one of them.")
            return
        self.draft.pings.append(PingDraft(name.text, hosts, group, name.place))

    # -- media --------------------------------------------------------------------------------------------------------

    def _broadcast(self, name: Word, values: list[Word]) -> None:
        for value in values:
            device = read_device(value.text)
            if isinstance(device, Wrong):
                self.report.error(value.place, device.text, device.hint)
                continue
            self._medium(Medium(MediumKind.BROADCAST, device, port=self.port), value.place)

    def _serial(self, name: Word, values: list[Word]) -> None:
        for value in values:
            if not value.text.startswith("/"):
                hint = f'Write "/dev/{value.text}", the full path of the device.'
                self.report.error(value.place, f'"{value.text}" is not the path of a serial line', hint)
                continue
            self._medium(Medium(MediumKind.SERIAL, value.text, baud=self.baud), value.place)

    def _medium(self, medium: Medium | None, place: Place) -> None:
        if medium is None:
            return
        twice = next((first for known, first in self.draft.media if known == medium), None)
        if twice is not None:
            text = f"the same path for heartbeats is on line {twice.line} already"
            self.report.warning(place, text, "Two paths need two cables: keep one of the lines.")
            return
        if len(self.draft.media) == MOST_MEDIA:
            self.report.error(place, f"more than {MOST_MEDIA} paths for heartbeats", "Heartbeat takes no more.")
            return
        self.draft.media.append((medium, place))


_ON_UDPPORT = (MediumKind.BROADCAST, MediumKind.UNICAST, MediumKind.UNICAST6)
_EXAMPLES: dict[str, str] = {
    "node": "node ha01 ha02",
    "bcast": "bcast eth1",
    "ucast": "ucast eth1 192.168.107.102",
    "mcast": "mcast eth1 239.0.0.1 694 1 0",
    "serial": "serial /dev/ttyS0",
    "ping": "ping 192.168.58.1",
    "ping_group": "ping_group routers 192.168.58.1 192.168.58.2",
    "respawn": "respawn hacluster /usr/lib/heartbeat/ipfail",
    "auto_failback": "auto_failback on",
}


def _example(word: str) -> str:
    if word in _EXAMPLES:
        return f'Write "{_EXAMPLES[word]}".'
    if word in TIMES:
        return f'Write "{word} 2", or take the line away.'
    return "Say what it shall be, or take the line away."
