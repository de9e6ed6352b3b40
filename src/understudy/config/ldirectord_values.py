"""Single values of ldirectord.cf, as ldirectord reads them: it takes the first number of a text, and of a word what it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from ..services import SCHEDULERS
from .heartbeat_lines import Word
from .ldirectord_lines import Line
from .ldirectord_words import (
    CHECK_TYPES,
    FACILITIES,
    FLAGS,
    MAY_BE_QUOTED,
    MOMENTS,
    NUMBERS,
    QUOTED,
    SERVICES,
    SWITCHES,
)
from .report import Report, nearest, one_of, suggestion
from .tree import Place

_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"\w+", re.ASCII)
_SMTP = re.compile(r"[0-9A-Za-z._+-]+")
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)
_BLANKS = " \t\r\v\f"
WRITTEN_ELSEWHERE = frozenset({"real", "real6", "fallback", "fallback6", "virtual", "virtual6"})
"""Read by ``ldirectord_servers``."""


@dataclass(slots=True)
class Settings:
    """What is given, globally or by a virtual server; defaults are not filled in."""

    numbers: dict[str, int] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    moments: frozenset[str] | None = None
    execute: dict[str, Place] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def read_value(report: Report, settings: Settings, line: Line, value: Word, virtually: bool) -> None:
    """Take one directive that is known here. What ldirectord refuses is an error, what it forgives a warning."""
    name = line.name.text
    if "\ufffd" in value.text:
        hint = "Write it in plain letters, or save the file as UTF-8; comments may be in any encoding."
        report.error(value.place, f'the value of "{name}" is not UTF-8 text', hint)
        return
    if any(character < " " and character not in "\t\r\v\f" for character in value.text):
        report.error(value.place, f'the value of "{name}" has a control character', "Take it away.")
        return
    if name in settings.places and name not in ("execute", *WRITTEN_ELSEWHERE):
        first = settings.places[name].line
        report.warning(
            line.name.place, f'"{name}" is given twice, first on line {first}; the later one counts', "Keep one."
        )
    settings.places[name] = value.place
    if name in NUMBERS:
        _number(report, settings, name, value)
    elif name in SWITCHES:
        _switch(report, settings, name, value)
    elif name in QUOTED:
        _quoted(report, settings, name, value, line.cut)
    elif name in _WORDS:
        _WORDS[name](report, settings, value)
    else:
        _text(report, settings, name, value, virtually)


def _number(report: Report, settings: Settings, name: str, value: Word) -> None:
    low, high = NUMBERS[name]
    found = _NUMBER.search(value.text)
    if name == "emailalertfreq" and (found is None or found.start() > 0):
        found = None
    if found is None or len(found[0]) > 12 or not low <= int(found[0]) <= high:
        report.error(value.place, f'"{name}" is "{value.text.strip(_BLANKS)}"', f"Write a number from {low} to {high}.")
        return
    settings.numbers[name] = int(found[0])
    _told_of_rest(report, value, found, f"{name} {int(found[0])}")


def _told_of_rest(report: Report, value: Word, found: re.Match[str], read: str) -> None:
    """Of what ldirectord passes over. A comment behind the value is no surprise."""
    before, behind = value.text[: found.start()], value.text[found.end() :].strip(_BLANKS)
    if before.strip(_BLANKS) or (behind and not behind.startswith("#")):
        report.warning(value.place, f'"{value.text.strip(_BLANKS)}" is read as {read}', "Write nothing else there.")


def _switch(report: Report, settings: Settings, name: str, value: Word) -> None:
    if value.text in ("yes", "no"):
        settings.switches[name] = value.text == "yes"
        return
    bare = value.text.partition("#")[0].strip(_BLANKS)
    hint = "Write yes or no, in lower case."
    if bare in ("yes", "no"):
        hint = f"Nothing may stand behind it, not even a blank{' or a comment' if '#' in value.text else ''}."
        if "\r" in value.text:
            hint = "The lines end as on Windows, and the carriage return counts: save the file with plain line ends."
    report.error(value.place, f'"{name}" must be yes or no, and nothing else; it is "{_shown(value.text)}"', hint)


def _shown(text: str) -> str:
    return text.replace("\r", "\\r")


def _quoted(report: Report, settings: Settings, name: str, value: Word, cut: bool) -> None:
    found = _QUOTED.match(value.text)
    if found is None:
        hint = f'Write {name}="{value.text.strip(_BLANKS).strip(chr(34))}".'
        if cut and value.text.count('"') == 1:
            hint = 'A "#" begins a comment also between quotation marks: write \\x23 for it in receive, and do without elsewhere.'
        report.error(value.place, f'"{name}" needs its value in double quotation marks', hint)
        return
    if found[1] == "" and name not in ("callback", "logfile"):
        report.error(value.place, f'"{name}" is empty', "Say what it shall be, or take the line away.")
        return
    if name == "load" and _WORD.search(found[1]) is None:
        report.error(value.place, '"load" has no letter in it', "Take the line away: it has no effect.")
        return
    _told_of_more(report, name, value, found)
    settings.texts[name] = found[1]
    if name == "logfile" and not found[1].startswith("/") and found[1] not in FACILITIES:
        hint = suggestion(found[1], FACILITIES, "A file is given by its whole path; the facilities of syslog are")
        report.warning(value.place, f'"{found[1]}" is no facility of syslog; daemon is taken', hint)


def _told_of_more(report: Report, name: str, value: Word, found: re.Match[str]) -> None:
    behind = value.text[found.end() :].strip(_BLANKS)
    if behind and not behind.startswith("#"):
        report.warning(
            value.place, f'"{behind}" behind the quotation marks of "{name}" does not count', "Take it away."
        )


# -- words ------------------------------------------------------------------------------------------------------------


def _first_word(report: Report, name: str, value: Word, known: tuple[str, ...]) -> str | None:
    """The first word, when it is known; ldirectord passes over what is around it."""
    found = _WORD.search(value.text)
    if found is not None and found[0] in known:
        _told_of_rest(report, value, found, f"{name} {found[0]}")
        return found[0]
    bare = value.text.strip(_BLANKS)
    close = nearest(bare, known)
    hint = f'Did you mean "{close}"?' if close else f"Write {one_of(known)}."
    report.error(value.place, f'unknown {name} "{bare}"', hint)
    return None


def _service(report: Report, settings: Settings, value: Word) -> None:
    word = _first_word(report, "service", value, SERVICES)
    if word is not None:
        settings.texts["service"] = word


def _protocol(report: Report, settings: Settings, value: Word) -> None:
    word = _first_word(report, "protocol", value, ("tcp", "udp", "fwm"))
    if word is not None:
        settings.texts["protocol"] = word


def _method(report: Report, settings: Settings, value: Word) -> None:
    word = _first_word(report, "httpmethod", Word(value.text.upper(), value.place), ("GET", "HEAD"))
    if word is not None:
        settings.texts["httpmethod"] = word


def _check_type(report: Report, settings: Settings, value: Word) -> None:
    bare = value.text.strip(_BLANKS)
    found = _NUMBER.search(bare)
    if found is not None:
        if len(found[0]) > 6:
            report.error(value.place, f'"checktype" is "{bare}"', "Write a number up to 999999.")
            return
        settings.texts["checktype"] = str(int(found[0]))
        if found[0] != bare:
            text = f'"checktype={bare}" is read as its number: {int(found[0])} connections between two whole checks'
            report.warning(value.place, text, f"Write {one_of(CHECK_TYPES)}, or the number alone.")
        return
    word = re.search(r"[\w-]+", bare, re.ASCII)
    if word is not None and word[0] in CHECK_TYPES:
        settings.texts["checktype"] = word[0]
        _told_of_rest(report, Word(bare, value.place), word, f"checktype {word[0]}")
        return
    close = nearest(bare, CHECK_TYPES)
    hint = f'Did you mean "{close}"?' if close else f"Write {one_of(CHECK_TYPES)}, or a number."
    report.error(value.place, f'unknown checktype "{bare}"', hint)


def _scheduler(report: Report, settings: Settings, value: Word) -> None:
    found = re.search(r"[a-z]+", value.text)
    if found is None:
        report.error(
            value.place, f'"scheduler" is "{value.text.strip(_BLANKS)}"', "Schedulers are words of lower-case letters."
        )
        return
    settings.texts["scheduler"] = found[0]
    _told_of_rest(report, value, found, f"scheduler {found[0]}")
    if found[0] not in SCHEDULERS:
        hint = suggestion(found[0], SCHEDULERS, "It has")
        report.warning(
            value.place, f'the kernel may have no scheduler "{found[0]}", and then refuses the service', hint
        )


def _flags(report: Report, settings: Settings, value: Word) -> None:
    found = re.search(r"\S+", value.text, re.ASCII)
    if found is None:
        report.error(value.place, '"schedflags" is empty', f"Write {one_of(FLAGS)}, with commas between them.")
        return
    flags = tuple(dict.fromkeys(flag for flag in found[0].split(",") if flag))
    for flag in flags:
        if flag not in FLAGS:
            hint = suggestion(flag, FLAGS, "The flags are")
            report.error(value.place, f'unknown flag "{flag}": ipvsadm refuses the service', hint)
            return
    _told_of_rest(report, value, found, f"schedflags {found[0]}")
    settings.flags = flags


def _netmask(report: Report, settings: Settings, value: Word) -> None:
    """A prefix length or a dotted quad; which of them is right is judged with the service."""
    settings.texts["netmask"] = value.text


def prefix_of(text: str, family: int) -> int | str:
    """The prefix length of a ``netmask``, or how to write it."""
    if family == 6:
        good = text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 128
        return int(text) if good else "In virtual6 it is a prefix length from 1 to 128."
    try:
        mask = int(IPv4Address(text))
    except ValueError:
        return 'In virtual it is a dotted quad, such as "255.255.255.0", with nothing behind it.'
    inverse = mask ^ 0xFFFFFFFF
    if mask == 0 or inverse & (inverse + 1):
        return "Its ones must be on the left, and there must be one, as in 255.255.255.0."
    return 32 - inverse.bit_length()


def _moments(report: Report, settings: Settings, value: Word) -> None:
    words = re.split(r"\s*,\s*", value.text)
    while words and not words[-1]:  # Perl's split leaves them out
        del words[-1]
    found: frozenset[str] = frozenset()
    for word in words:
        if word not in ("none", "all", *MOMENTS):
            hint = suggestion(word.strip(_BLANKS), ("all", "none", *MOMENTS), "It may be")
            if word.strip(_BLANKS) in ("none", "all", *MOMENTS):
                hint = "Nothing may stand behind it, not even a blank."
            report.error(value.place, f'"emailalertstatus" has "{_shown(word)}"', hint)
            return
        found |= frozenset(MOMENTS if word == "all" else () if word == "none" else (word,))
    if "none" in words and found:
        report.error(value.place, '"emailalertstatus" has none, and something else', "Write none alone.")
        return
    if not words:
        report.warning(value.place, '"emailalertstatus" is empty: no mail is ever sent', 'Write "none" or "all".')
    settings.moments = found


def _execute(report: Report, settings: Settings, value: Word) -> None:
    name = value.text.strip(_BLANKS)
    if not name:
        report.warning(value.place, '"execute" names nothing', "Name the other configuration, or take the line away.")
        return
    settings.execute.setdefault(name, value.place)


def _smtp(report: Report, settings: Settings, value: Word) -> None:
    found = _SMTP.match(value.text)
    if found is None:
        hint = "Write the name or the IPv4 address of the mail server."
        report.error(value.place, f'"smtp" is "{value.text.strip(_BLANKS)}"', hint)
        return
    _told_of_rest(report, value, found, f"smtp {found[0]}")
    settings.texts["smtp"] = found[0]


def _text(report: Report, settings: Settings, name: str, value: Word, virtually: bool) -> None:
    """The rest of the line. Blanks at its end are nobody's wish."""
    text = value.text.strip(_BLANKS)
    found = _QUOTED.match(text)
    if name == "virtualhost":
        text = text.removeprefix('"').partition('"')[0].strip(_BLANKS)
        if not text:
            report.warning(
                value.place, '"virtualhost" is empty; the address of each server is taken', "Take the line away."
            )
            return
    elif found is not None and name in MAY_BE_QUOTED and (virtually or name == "emailalert"):
        _told_of_more(report, name, value, found)
        text = found[1]
    if not text and name not in ("servicename", "comment"):
        report.error(value.place, f'"{name}" is empty', "Say what it shall be, or take the line away.")
        return
    settings.texts[name] = text
    if name == "fallbackcommand" and not virtually and found is not None and " " in found[1].strip():
        text = "globally the quotation marks of fallbackcommand go to the shell, which looks for a program of that whole name"
        report.warning(value.place, text, "Write it without quotation marks.")


_WORDS = {
    "service": _service,
    "protocol": _protocol,
    "httpmethod": _method,
    "checktype": _check_type,
    "scheduler": _scheduler,
    "schedflags": _flags,
    "netmask": _netmask,
    "emailalertstatus": _moments,
    "execute": _execute,
    "smtp": _smtp,
}
