"""``virtual_server`` and its like: checked as far as keepalived checks them, and kept as text for who serves them."""

from __future__ import annotations

from ..units import SECOND
from .heartbeat_lines import Word
from .keepalived_service_words import CHECKERS
from .keepalived_text import Text
from .keepalived_tree import Statement
from .keepalived_values import address_of, choice, seconds, span, whole
from .report import Report

BLOCKS = ("virtual_server", "virtual_server_group", "SSL")
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos")
_FORWARDING = ("NAT", "DR", "TUN")
_MONTH = 31 * 24 * 3600
_NUMBERS = {
    "weight": (0, 65535),
    "retry": (0, 2**31 - 1),
    "nb_get_retry": (0, 2**31 - 1),
    "uthreshold": (0, 2**31 - 1),
    "lthreshold": (0, 2**31 - 1),
    "connect_port": (1, 65535),
    "bind_port": (1, 65535),
    "quorum": (1, 2**31 - 1),
    "hysteresis": (0, 2**31 - 1),
    "min_reply_length": (0, 65535),
    "max_reply_length": (0, 65535),
}
_TIMES = ("delay_loop", "delay_before_retry", "connect_timeout", "warmup", "misc_timeout")


def read_services(report: Report, tree: list[Statement]) -> tuple[str, ...]:
    """Every block as written, definitions put in; one warning says that nothing serves them yet."""
    found: list[str] = []
    first: Statement | None = None
    for block in tree:
        if block.name not in BLOCKS:
            continue
        found.append(written(block))
        if block.name == "virtual_server":
            first = first or block
            _server(report, block)
    if first is not None:
        count = sum(1 for block in tree if block.name == "virtual_server")
        what = "1 virtual server is" if count == 1 else f"{count} virtual servers are"
        text = (
            f"{what} checked and kept, and not served yet: nothing is balanced over real servers, and none is checked"
        )
        report.warning(first.place, text, "Virtual routers of the same file do their work.")
    return tuple(found)


def written(block: Statement) -> str:
    """A block as text that reads the same: one line for each, indented by its depth. A password of SSL stays in it."""
    lines = [block.text.chars]
    depth = 1
    pieces: list[Text] = [*block.lines]
    opened = " {"
    lines[0] += opened
    for piece in pieces:
        if piece.chars == "}":
            depth -= 1
            lines.append(f"{'    ' * max(depth, 0)}}}")
        elif piece.chars == "{":
            lines[-1] += opened
            depth += 1
        else:
            lines.append(f"{'    ' * max(depth, 0)}{piece.chars}")
    return "\n".join(lines)


def _server(report: Report, block: Statement) -> None:
    _end(
        report, block.words[1:], "virtual server", any(item.name == "persistence_timeout" for item in block.block or ())
    )
    given = {item.name for item in block.block or ()}
    for words, default, what in (
        (("lb_algo", "lvs_sched"), "wlc", "scheduler"),
        (("lb_kind", "lvs_method"), "NAT", "forwarding method"),
        (("protocol",), "UDP", "protocol"),
    ):
        if not given & set(words) and (block.words[1].text != "fwmark" or what != "protocol"):
            text = f"the virtual server has no {what} ({words[0]}); keepalived takes {default}"
            hint = "A web server needs protocol TCP." if what == "protocol" else ""
            report.warning(block.place, text, hint)
    if "real_server" not in given and "sorry_server" not in given:
        report.warning(block.place, "the virtual server has no real_server", "")
    for statement in block.block or ():
        _setting(report, statement)
        if statement.name == "real_server":
            _real(report, statement)


def _real(report: Report, block: Statement) -> None:
    _end(report, block.words[1:], "real server", True)
    for statement in block.block or ():
        _setting(report, statement)
        if statement.name in CHECKERS:
            _checker(report, statement)


def _checker(report: Report, block: Statement) -> None:
    needed = {
        "MISC_CHECK": "misc_path",
        "BFD_CHECK": "name",
        "FILE_CHECK": "track_file",
        "HTTP_GET": "url",
        "SSL_GET": "url",
    }
    given = {item.name for item in block.block or ()}
    word = needed.get(block.name, "")
    if word and word not in given:
        report.warning(block.place, f"{block.name} has no {word}; keepalived leaves the checker out", "")
    for statement in block.block or ():
        _setting(report, statement)
        if statement.name == "url" and "path" not in {item.name for item in statement.block or ()}:
            report.warning(statement.place, "the url has no path; keepalived takes /", "")


def _end(report: Report, words: tuple[Word, ...], what: str, may_lack_port: bool) -> None:
    """``ADDRESS [PORT]``, ``fwmark N`` or ``group NAME``."""
    first = words[0]
    if first.text in ("fwmark", "group") and what == "virtual server":
        if len(words) < 2:
            report.warning(first.place, f'"{first.text}" lacks its value; keepalived leaves the {what} out', "")
        return
    if address_of(first.text) is None:
        report.warning(first.place, f'the {what} "{first.text}" is not an IP address; keepalived leaves it out', "")
    if len(words) < 2:
        if not may_lack_port:
            text = "the virtual server has no port, which only a persistent one may lack; keepalived leaves it out"
            report.warning(first.place, text, "")
    elif not words[1].text.isascii() or not words[1].text.isdecimal() or not 0 < int(words[1].text[:9]) <= 65535:
        report.warning(
            words[1].place, f'"{words[1].text}" is not a port from 1 to 65535; keepalived leaves the {what} out', ""
        )
    for word in words[2:3]:
        report.warning(word.place, f'"{word.text}" behind the port does not count', "")


def _setting(report: Report, statement: Statement) -> None:
    name, word = statement.name, statement.value()
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        whole(report, statement, low, high, "the default counts")
    elif name in _TIMES:
        seconds(report, statement, 0, _MONTH * SECOND, "the default counts")
    elif word is None:
        return
    elif name in ("lb_algo", "lvs_sched"):
        choice(report, word, SCHEDULERS, "scheduler", "wlc is taken")
    elif name in ("lb_kind", "lvs_method", "sorry_server_lvs_method"):
        choice(report, word, _FORWARDING, "forwarding method", "NAT is taken")
    elif name == "protocol":
        choice(report, word, ("TCP", "UDP", "SCTP"), "protocol", "UDP is taken")
    elif name == "persistence_timeout" and (span(word.text) is None or not 1 <= span(word.text) / SECOND <= _MONTH):  # type: ignore[operator]
        text = f'"persistence_timeout {word.text}" is not from 1 to {_MONTH} seconds: there is no persistence'
        report.warning(word.place, text, "To have none take the line away.")
    elif name in ("connect_ip", "bindto") and address_of(word.text) is None:
        report.warning(word.place, f'"{word.text}" is not an IP address; it does not count', "")
