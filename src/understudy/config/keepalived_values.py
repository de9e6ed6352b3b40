"""Single values of keepalived.conf, checked as 2.2.7 does: out of range is a warning and the default, a missing one an error."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from ..units import SECOND, Duration
from .addresses import Address
from .heartbeat_lines import Word
from .keepalived_text import arguments_of, command_words
from .keepalived_tree import Statement
from .report import Report, nearest

_TRUE = ("on", "true", "yes")
_FALSE = ("off", "false", "no")
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}", re.ASCII)
_DECIMAL = re.compile(r"([0-9]{0,9})(?:\.([0-9]{0,9}))?", re.ASCII)
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?", re.ASCII)


def whole(report: Report, statement: Statement, low: int, high: int, instead: str) -> int | None:
    """The number behind the keyword; None when there is none that is right. ``instead``: what then counts."""
    if len(statement.texts) < 2:
        return None
    said = statement.texts[1]
    if _WHOLE.fullmatch(said) and low <= int(said) <= high:
        return int(said)
    text = f'"{statement.name}" is "{said}", and must be a whole number from {low} to {high}; {instead}'
    report.warning(statement.words[1].place, text, "keepalived says so, and goes on.")
    return None


def seconds(report: Report, statement: Statement, low: Duration, high: Duration, instead: str) -> Duration | None:
    """Seconds with decimals; None when they are not right."""
    if len(statement.texts) < 2:
        return None
    said = statement.texts[1]
    found = span(said)
    if found is not None and low <= found <= high:
        return found
    limits = f"from {low / SECOND:g} to {high / SECOND:g}"
    text = f'"{statement.name}" is "{said}", and must be seconds {limits}; {instead}'
    report.warning(statement.words[1].place, text, "keepalived says so, and goes on.")
    return None


def decimal(text: str, low: int, high: int) -> int | None:
    """A number without a sign, however many zeros it begins with; None for anything else, and beyond ``low`` to ``high``."""
    digits = text.lstrip("0")
    if not text.isascii() or not text.isdecimal() or len(digits) > 12:
        return None
    number = int(digits or "0")
    return number if low <= number <= high else None


def span(text: str) -> Duration | None:
    """``1``, ``0.25`` or ``.5`` seconds as nanoseconds, None for anything else."""
    found = _DECIMAL.fullmatch(text)
    if found is None or text in ("", "."):
        return None
    return int(found.group(1) or 0) * SECOND + int((found.group(2) or "").ljust(9, "0"))


def boolean(report: Report, statement: Statement, default: bool) -> bool:
    """on/off; the keyword alone means on. What is neither is told, and the default counts."""
    word = statement.value()
    if word is None or word.text in _TRUE:
        return True
    if word.text in _FALSE:
        return False
    text = f'"{statement.name}" is "{word.text}", neither on nor off; it counts as {"on" if default else "off"}'
    report.warning(word.place, text, "Write on or off (or true, yes, false, no), in lower case.")
    return default


def flag(report: Report, statement: Statement) -> bool:
    """A keyword that is on wherever it stands, whatever is behind it."""
    word = statement.value()
    if word is not None:
        text = f'"{statement.name}" takes no value: keepalived ignores "{word.text}", and it is on'
        report.warning(word.place, text, "To have it off take the line away.")
    return True


def address_of(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def shown_address(text: str) -> str | None:
    """An address as it is shown, however it is written; None for anything else."""
    if _IPV4.fullmatch(text):
        return text  # it can be written in one way only
    found = address_of(text)
    return None if found is None else str(found)


def family(address: Address) -> int:
    return 6 if isinstance(address, IPv6Address) else 4


def address(report: Report, word: Word, what: str, of: int | None = None) -> Address | None:
    """An address of one family, or None after a warning."""
    found = address_of(word.text)
    if found is None or (of is not None and family(found) != of):
        kind = "IP" if of is None else f"IPv{of}"
        report.warning(word.place, f'{what} "{word.text}" is not an {kind} address; keepalived leaves it out', "")
        return None
    return found


def multicast(report: Report, word: Word, of: int) -> str | None:
    found = address(report, word, "the multicast group", of)
    if found is None:
        return None
    if not found.is_multicast:
        report.warning(word.place, f'"{word.text}" is not a multicast group; the usual one is taken', "")
        return None
    return str(found)


def user(report: Report, words: tuple[Word, ...] | list[Word]) -> str | None:
    """``user`` or ``user:group``, None after an error."""
    for word in words[:2]:
        if not _USER.fullmatch(word.text):
            report.warning(
                word.place, f'"{word.text}" cannot name a user or group', "keepalived leaves the script out."
            )
            return None
    return ":".join(word.text for word in words[:2]) if words else ""


def command(report: Report, statement: Statement, users: bool) -> tuple[tuple[str, ...], str] | None:
    """The command behind a keyword, and whom it runs as.

    The first word, in quotes or not, is the command with its arguments; with ``users`` the second is the user and the third the
    group. Whatever else stands on the line does not count there, so that is warned of.
    """
    words = command_words(statement.text)[1:]
    if not words:
        return None
    argv = tuple(word.text for word in arguments_of(words[0]))
    if not argv:
        report.warning(words[0].place, f'"{statement.name}" names no program', "Write its path.")
        return None
    who = ""
    if users and len(words) > 1:
        found = user(report, words[1:])
        if found is None:
            return None
        who = found
    beyond = words[3:] if users else words[1:]
    if beyond:
        text = (
            f'"{beyond[0].text}" does not belong to the command: keepalived takes one word, and the others do not count'
        )
        report.warning(beyond[0].place, text, "Put the program and its arguments together between quotation marks.")
    if not argv[0].startswith("/"):
        text = f'"{argv[0]}" is not a whole path; it is looked for in PATH when the daemon starts'
        report.warning(words[0].place, text, f"Write it as in /usr/bin/{argv[0]}.")
    return argv, who


def choice(report: Report, word: Word, known: tuple[str, ...], what: str, instead: str) -> str | None:
    """One of several words, None after a warning."""
    if word.text in known:
        return word.text
    close = word.text.upper() if word.text.upper() in known else nearest(word.text, known)
    hint = f'Did you mean "{close}"?' if close else f"It may be {', '.join(known)}."
    report.warning(word.place, f'unknown {what} "{word.text}"; {instead}', hint)
    return None


def last(statements: list[Statement], name: str) -> Statement | None:
    """The line that counts when a keyword stands there more than once: the last."""
    for item in reversed(statements):
        if item.name == name:
            return item
    return None
