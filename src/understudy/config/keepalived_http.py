"""HTTP_GET and SSL_GET to ``HttpQuestion``, and the block SSL.

PCRE's expressions are read as Perl's, and said as Python's; what cannot be is an error.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..service_checks import HttpQuestion, Page, Pattern, Tls
from .heartbeat_lines import Word
from .keepalived_text import command_words
from .keepalived_tree import Statement
from .keepalived_values import boolean, choice, whole
from .perl_pattern import python_pattern
from .report import Report

_STATUS = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?", re.ASCII)
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)
_MOST = 2**31 - 1
_FLAGS = {"caseless": "i", "multiline": "m", "dotall": "s", "extended": "x"}
_SAME = frozenset(
    {"auto_callout", "dupnames", "never_ucp", "never_utf", "no_auto_capture", "no_auto_possess", "no_dotstar_anchor"}
    | {"no_start_optimize", "ucp", "utf", "never_backslash_c", "alt_verbnames", "use_offset_limit"}
)
"""Options of PCRE without which the same is found in what servers answer."""


def read_tls(tree: list[Statement]) -> Tls:
    """What the SSL block gives to every SSL_GET: our certificate and its key."""
    made = Tls()
    for block in tree:
        for item in (block.block or ()) if block.name == "SSL" else ():
            word = item.value()
            if word is not None and item.name in ("certificate", "key"):
                made = replace(made, **{item.name: word.text})  # type: ignore[arg-type]
    return made


def read_http(report: Report, statement: Statement, host: str, tls: Tls) -> HttpQuestion | None:
    """``host``: the virtualhost that counts for urls without one. None after a warning."""
    block = statement.block or []
    secure = statement.name == "SSL_GET"
    version, sni = "1.0", False
    for item in block:
        word = item.value()
        if item.name == "http_protocol" and word is not None:
            version = (
                choice(
                    report, Word(word.text.upper(), word.place), ("1.0", "1.0C", "1.1"), "HTTP version", "1.0 is taken"
                )
                or "1.0"
            )
        elif item.name == "enable_sni":
            sni = boolean(report, item, True)
        elif item.name == "fast_recovery":
            boolean(report, item, False)  # nothing to do: all pages are asked at each asking
    pages = [page for item in block if item.name == "url" and (page := _page(report, item, host)) is not None]
    if not pages:
        report.warning(statement.place, f"{statement.name} has no url; keepalived leaves the checker out", "")
        return None
    names = {page.host for page in pages}
    if sni and len(names) > 1:
        text = "its urls have several virtualhosts, and the first is told as server name (enable_sni) for all of them"
        report.warning(statement.place, text, "Make a checker for each of them.")
    made = replace(tls, name=pages[0].host if sni else "") if secure else None
    return HttpQuestion(tuple(pages), made, version)


def _page(report: Report, statement: Statement, host: str) -> Page | None:
    block = statement.block or []
    status: list[tuple[int, int]] = []
    digest, path = "", ""
    for item in block:
        word = item.value()
        if item.name == "path" and word is not None:
            path = word.text
        elif item.name == "virtualhost" and word is not None:
            host = word.text
        elif item.name == "status_code":
            status += [found for each in item.words[1:] if (found := _status(report, each)) is not None]
        elif item.name == "digest" and word is not None:
            if _DIGEST.fullmatch(word.text):
                digest = word.text.lower()
            else:
                text = f'"{word.text}" is not a digest of 32 hexadecimal digits; it does not count'
                report.warning(word.place, text, "genhash computes it.")
    if not path:
        report.warning(statement.place, "the url has no path; keepalived leaves it out", "Write path /.")
        return None
    if not path.startswith("/") or not path.isprintable() or " " in path:
        place = statement.place
        report.warning(place, f'the path "{path}" is not one that a server knows; / is put before it', "Write path /.")
        path = "/" + "".join(each for each in path.lstrip("/") if each.isprintable() and each != " ")
    return Page(path, host, status=tuple(status) or Page().status, digest=digest, pattern=_pattern(report, block))


def _status(report: Report, word: Word) -> tuple[int, int] | None:
    match = _STATUS.fullmatch(word.text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if 100 <= low <= high <= 699:
        return low, high
    report.warning(
        word.place, f'"{word.text}" is no status code from 100 to 699 or range of them; it does not count', ""
    )
    return None


def _pattern(report: Report, block: list[Statement]) -> Pattern | None:
    """The regular expression with its options. One that cannot be used is an error: a check without it would be laxer."""
    word = _last_regex(report, block)
    if word is None or not word.text:
        for item in block:
            if item.name.startswith("regex_"):
                report.warning(item.place, f'"{item.name}" has no effect: the url has no regex', "")
                break
        return None
    flags, least, most = "", 0, -1
    for item in block:
        if item.name == "regex_options":
            flags += "".join(_option(report, each) for each in item.words[1:])
        elif item.name == "regex_min_offset":
            least = whole(report, item, 0, _MOST, "it does not count") or 0
        elif item.name == "regex_max_offset":
            found = whole(report, item, 0, _MOST, "it does not count")
            most = most if found is None else found
    if 0 <= most < least:
        text = f"regex_min_offset {least} is more than regex_max_offset {most}; neither counts"
        report.warning(word.place, text, "")
        least, most = 0, -1
    flags = "".join(dict.fromkeys(flags))
    expression = _expression(report, word, flags)
    absent = any(item.name == "regex_no_match" for item in block)
    return None if expression is None else Pattern(expression, absent, flags, least, most)


def _last_regex(report: Report, block: list[Statement]) -> Word | None:
    """The last that counts, as keepalived splits it: like a command, with both kinds of quotation marks, and escapes."""
    found = None
    for item in block:
        words = command_words(item.text)[1:] if item.name == "regex" else []
        if len(words) == 1:
            found = words[0]
        elif words:
            text = f'"{words[1].text}" does not belong to the regex, which is one word: keepalived checks the url without it'
            report.lost(words[1].place, text, "Put it between quotation marks, and write each backslash twice.")
    return found


def _expression(report: Report, word: Word, flags: str) -> str | None:
    """As Python understands it."""
    found = word.text if "x" in flags else python_pattern(word.text)
    wrong = "" if isinstance(found, str) else found.text
    try:
        if isinstance(found, str):
            re.compile(f"(?{flags}){found}" if flags else found)
            return found
    except (re.error, OverflowError, RecursionError) as error:
        wrong = f"is no regular expression that can be read: {error}"
    hint = "docs/ldirectord.md says what is read of PCRE, which is Perl's. Without it the check would find less wrong."
    report.error(word.place, f'the regex "{word.text}" {wrong}', hint)
    return None


def _option(report: Report, word: Word) -> str:
    if word.text not in _FLAGS and word.text not in _SAME:
        text = f'the option "{word.text}" of regex has no effect: Python\'s expressions do not have it'
        report.warning(word.place, text, f"There are {', '.join(_FLAGS)}.")
    return _FLAGS.get(word.text, "")
