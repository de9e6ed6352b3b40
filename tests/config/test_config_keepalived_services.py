"""Every keyword of virtual servers, real servers and checkers: a good value and its default, and a bad value with its place.

The defaults are those of 2.2.7: retry 1 (DNS 3, MISC 0), delay_before_retry 1 s (HTTP and SSL 3 s, DNS delay_loop), and so on.
"""

from __future__ import annotations

from typing import Any

import pytest
from found_parts import Found, Look, field
from keepalived_helpers import read_text

from understudy.config.keepalived_service_words import CHECKERS, SERVICES
from understudy.service_checks import HttpQuestion, Pattern, ServiceQuestion
from understudy.services import Forward, Notice, OnFailure, RealServer, Tunnelling
from understudy.units import MILLISECOND, SECOND

HEAD = """global_defs {
notification_email { ops@example.net
}
}
track_file load { file /run/load
weight 3
}
"""
NEEDED = {
    "HTTP_GET": "url { path /\n}\n",
    "SSL_GET": "url { path /\n}\n",
    "MISC_CHECK": "misc_path /bin/true\n",
    "FILE_CHECK": "track_file load\n",
}
"""What a checker must have."""
SOCKETED = [name for name in CHECKERS if name not in ("MISC_CHECK", "BFD_CHECK", "FILE_CHECK")]
RETRYING = [*SOCKETED, "MISC_CHECK"]


def text_of(block: str, line: str, checker: str = "TCP_CHECK") -> str:
    """A file with ``line`` in a ``block``."""
    put = {block: f"{line}\n"}
    checker = block if block in CHECKERS else {"url": "HTTP_GET", "host": "SMTP_CHECK"}.get(block, checker)
    inner = NEEDED.get(checker, "") + put.get(checker, "")
    if block == "url":
        inner = f"url {{\n{line}\n" + ("" if line.startswith("path") else "path /\n") + "}\n"
    if block == "host":
        inner = f"host {{\n{line}\n}}\n"
    real = f"{put.get('real_server', '')}{checker} {{\n{inner}}}\n"
    usual = {"lb_algo": "lb_algo rr", "lb_kind": "lb_kind NAT", "protocol": "protocol TCP"}
    for name, other in (("lb_algo", "lvs_sched"), ("lb_kind", "lvs_method")):
        if block == "virtual_server" and line.startswith((f"{name} ", f"{other} ")):
            del usual[name]
    if block == "virtual_server" and line.startswith("protocol"):
        del usual["protocol"]
    most = "".join(f"{text}\n" for text in usual.values())
    ssl = f"SSL {{\n{line}\n}}\n" if block == "SSL" else ""
    own = put.get("virtual_server", "")
    return f"{HEAD}{ssl}virtual_server 192.0.2.1 80 {{\n{most}{own}real_server 192.0.2.11 80 {{\n{real}}}\n}}\n"


ADDRESS = "192.0.2.11"

VS: list[tuple[str, Look, Any, Any]] = [
    ("lb_algo sed", field("service", "scheduler"), "sed", "rr"),
    ("lvs_sched mh", field("service", "scheduler"), "mh", "rr"),
    ("lb_kind DR", field("real", "forward"), Forward.DIRECT, Forward.NAT),
    ("lvs_method TUN type gre csum", field("real", "tunnelling"), Tunnelling("gre", 0, "csum"), Tunnelling()),
    ("protocol SCTP", lambda found: found.service.keys[0].protocol, "sctp", "tcp"),
    ("delay_loop 2.5", field("check", "interval"), 2500 * MILLISECOND, 60 * SECOND),
    ("persistence_timeout 300", field("service", "persistence"), 300 * SECOND, 0),
    ("persistence_timeout", field("service", "persistence"), 360 * SECOND, 0),
    ("persistence_granularity 24\npersistence_timeout 5", field("service", "granularity"), 24, 0),
    ("persistence_engine sip", field("service", "persistence_engine"), "sip", ""),
    ("ops\nprotocol UDP", field("service", "one_packet"), True, False),
    ("flag-1\nflag-2\nflag-3", field("service", "flags"), ("flag-1", "flag-2", "flag-3"), ()),
    ("sh-port\nsh-fallback\nlb_algo sh", field("service", "flags"), ("sh-port", "sh-fallback"), ()),
    ("mh-port\nmh-fallback\nlb_algo mh", field("service", "flags"), ("mh-port", "mh-fallback"), ()),
    ("hashed\nlb_algo sh", field("service", "hashed"), True, False),
    ("quorum 2\nweight 2", field("service", "quorum"), 2, 1),
    ("hysteresis 1\nquorum 2\nweight 2", field("service", "hysteresis"), 1, 0),
    ("quorum_up /bin/up", field("service", "quorum_up"), Notice(("/bin/up",)), Notice()),
    ('quorum_down "/bin/down now" nobody', field("service", "quorum_down"), Notice(("/bin/down", "now"), "nobody"), Notice()),
    ("sorry_server 192.0.2.9 81", field("service", "fallback"), RealServer("192.0.2.9", 81, starts_up=True), None),
    ("sorry_server 192.0.2.9", field("service", "drop_without_quorum"), True, False),
    ("sorry_server_inhibit\nsorry_server 192.0.2.9", field("service", "fallback_quiet"), True, False),
    ("sorry_server_lvs_method DR\nsorry_server 192.0.2.9",
     lambda found: found.service.fallback and found.service.fallback.forward, Forward.DIRECT, None),
    ("omega", field("service", "down_at_stop"), True, False),
    ("ha_suspend", field("service", "only_when_held"), True, False),
    ("inhibit_on_failure", field("real", "on_failure"), OnFailure.QUIET, OnFailure.REMOVE),
    ("alpha", field("real", "starts_up"), False, True),
    ("retry 4", field("check", "fall"), 5, 2),
    ("delay_before_retry 0.5", field("check", "retry_delay"), SECOND // 2, SECOND),
    ("connect_timeout 2", field("check", "timeout"), 2 * SECOND, 5 * SECOND),
    ("warmup 0", field("check", "warmup"), 0, 60 * SECOND),
    ("weight 7", field("real", "weight"), 7, 1),
]  # fmt: skip
RS: list[tuple[str, Look, Any, Any]] = [
    ("weight 0", field("real", "weight"), 0, 1),
    ("lvs_method DR", field("real", "forward"), Forward.DIRECT, Forward.NAT),
    ("uthreshold 9", field("real", "upper"), 9, 0),
    ("lthreshold 3\nuthreshold 9", field("real", "lower"), 3, 0),
    ("inhibit_on_failure", field("real", "on_failure"), OnFailure.QUIET, OnFailure.REMOVE),
    ("notify_up /bin/up", field("real", "notify_up"), Notice(("/bin/up",)), Notice()),
    ("notify_down /bin/down root wheel", field("real", "notify_down"), Notice(("/bin/down",), "root:wheel"), Notice()),
    ("smtp_alert off", field("real", "mail"), False, True),
    ("alpha", field("real", "starts_up"), False, True),
    ("retry 0", field("check", "fall"), 1, 2),
    ("delay_before_retry 7", field("check", "retry_delay"), 7 * SECOND, SECOND),
    ("connect_timeout 0.25", field("check", "timeout"), SECOND // 4, 5 * SECOND),
    ("warmup 3", field("check", "warmup"), 3 * SECOND, 60 * SECOND),
    ("delay_loop 3", field("check", "interval"), 3 * SECOND, 60 * SECOND),
]
HTTP: list[tuple[str, Look, Any, Any]] = [
    ("http_protocol 1.1", field("question", "version"), "1.1", "1.0"),
    ("http_protocol 1.0c", field("question", "version"), "1.0C", "1.0"),
    ("virtualhost www.example.net", field("page", "host"), "www.example.net", ""),
    ("url { path /two\n}", lambda found: len(found.question.pages), 2, 1),
]
URL: list[tuple[str, Look, Any, Any]] = [
    ("path /alive?x=1", field("page", "path"), "/alive?x=1", "/"),
    ("digest 9B3A0C85A887A256D6939DA88AABD8CD", field("page", "digest"), "9b3a0c85a887a256d6939da88aabd8cd", ""),
    ("status_code 200 301-302", field("page", "status"), ((200, 200), (301, 302)), ((200, 299),)),
    ("virtualhost www.example.net", field("page", "host"), "www.example.net", ""),
    ('regex "all (is|are) well"', field("page", "pattern"), Pattern("all (is|are) well"), None),
    ("regex_no_match\nregex bad", field("page", "pattern"), Pattern("bad", absent=True), None),
    ("regex_options caseless multiline\nregex a", field("page", "pattern"), Pattern("a", flags="im"), None),
    ("regex_min_offset 5\nregex a", field("page", "pattern"), Pattern("a", least=5), None),
    ("regex_max_offset 0\nregex a", field("page", "pattern"), Pattern("a", most=0), None),
    ("regex_stack 1000 2000\nregex a", field("page", "pattern"), Pattern("a"), None),
]
SOCKET: list[tuple[str, str, Any, Any]] = [
    ("connect_ip 192.0.2.99", "address", "192.0.2.99", ADDRESS),
    ("connect_port 8080", "port", 8080, 80),
    ("bindto 192.0.2.2", "source", "192.0.2.2", ""),
    ("bind_port 1024", "source_port", 1024, 0),
    ("bind_if eth1", "device", "eth1", ""),
    ("fwmark 8", "mark", 8, 0),
]
FALLS = {"DNS_CHECK": 4, "MISC_CHECK": 1}
PAUSES = {"HTTP_GET": 3 * SECOND, "SSL_GET": 3 * SECOND, "DNS_CHECK": 0}
OWN: dict[str, list[tuple[str, Look, Any, Any]]] = {
    "HTTP_GET": HTTP,
    "SSL_GET": [*HTTP, ("enable_sni\nvirtualhost a.example", lambda found: found.question.tls.name, "a.example", "")],
    "url": URL,
    "SMTP_CHECK": [("helo_name lb.example", field("question", "helo"), "lb.example", "smtpchecker.keepalived.org")],
    "DNS_CHECK": [
        ("type mx", field("question", "kind"), "MX", "SOA"),
        ("name www.example.net", field("question", "request"), "www.example.net", "."),
    ],
    "MISC_CHECK": [
        ('misc_path "/bin/check it"', field("question", "argv"), ("/bin/check", "it"), ("/bin/true",)),
        ("misc_timeout 4", field("check", "timeout"), 4 * SECOND, 60 * SECOND),
        ("misc_dynamic", field("question", "dynamic"), True, False),
        ("user nobody nogroup", field("question", "user"), "nobody:nogroup", ""),
    ],
    "UDP_CHECK": [
        ("payload Ab12f 3", field("question", "payload"), bytes.fromhex("ab120f03"), b""),
        ("require_reply", field("question", "reply"), True, False),
        ("require_reply 1x", field("question", "pattern"), ((0x10, 0xF0),), ()),
        ("min_reply_length 4", field("question", "least"), 4, 0),
        ("max_reply_length 9", field("question", "most"), 9, 255),
    ],
    "FILE_CHECK": [
        ("track_file load", field("question", "path"), "/run/load", "/run/load"),
        ("weight 5", field("question", "factor"), 5, 3),
        ("weight 5 reverse", field("question", "factor"), -5, 3),
    ],
    "virtual_server": [
        *VS,
        ("virtualhost www.example.net", lambda found: found.page.host, "www.example.net", ""),
        ("ip_family inet", field("service", "keys"), None, None),
    ],
    "real_server": [*RS, ("virtualhost www.example.net", lambda found: found.page.host, "www.example.net", "")],
}


def _rows() -> list[tuple[str, str, Look, Any, Any]]:
    rows = [(block, *row) for block, own in OWN.items() for row in own]
    for block in SOCKETED:
        ports = (0, 0) if block == "PING_CHECK" else None
        for line, name, good, usual in SOCKET:
            good, usual = ports if ports and name == "port" else (good, usual)
            rows.append((block, line, lambda found, name=name: getattr(found.check.target, name), good, usual))
        rows.append((block, "connect_timeout 2", field("check", "timeout"), 2 * SECOND, 5 * SECOND))
    for block in RETRYING:
        rows += [
            (block, "retry 6", field("check", "fall"), 7, FALLS.get(block, 2)),
            (block, "delay_before_retry 9", field("check", "retry_delay"), 9 * SECOND, PAUSES.get(block, SECOND)),
            (block, "warmup 2", field("check", "warmup"), 2 * SECOND, 60 * SECOND),
            (block, "delay_loop 2", field("check", "interval"), 2 * SECOND, 60 * SECOND),
            (block, "alpha", field("check", "starts_up"), False, True),
            (block, "log_all_failures", field("check", "log_all"), True, False),
        ]
    return rows


GOOD = _rows()


def _name(row: tuple[Any, ...]) -> str:
    return f"{row[0]}: {row[1]}".replace("\n", " ")


@pytest.mark.parametrize(("block", "line", "look", "good", "usual"), GOOD, ids=map(_name, GOOD))
def test_a_good_value_and_the_default(block: str, line: str, look: Look, good: Any, usual: Any) -> None:
    if line == "ip_family inet":
        families = [
            read_text(f"virtual_server fwmark 3 {{\nip_family {word}\nreal_server {address} 80 {{\n}}\n}}\n")
            for word, address in (("inet", ADDRESS), ("inet6", "2001:db8::1"))
        ]
        assert [Found(each).service.keys[0].family for each in families] == [4, 6]
        return
    checker = "HTTP_GET" if line.startswith("virtualhost") else "TCP_CHECK"
    reading = read_text(text_of(block, line, checker))
    assert reading.problems == ()
    assert look(Found(reading)) == good
    assert look(Found(read_text(text_of(block, "! nothing", checker)))) == usual


NUMBER = "must be a whole number from"
SPAN = "must be seconds from"
NEITHER = "neither on nor off"
SPANS = ("delay_loop 0", "connect_timeout 0", "delay_before_retry -1", "warmup x")
BAD: list[tuple[str, str, int, str]] = [
    ("virtual_server", "lb_algo wrrr", 9, 'unknown scheduler "wrrr"; wlc is taken'),
    ("virtual_server", "lvs_sched RR", 11, 'unknown scheduler "RR"; wlc is taken'),
    ("virtual_server", "lb_kind dr", 9, 'unknown forwarding method "dr"; it does not count'),
    ("virtual_server", "lvs_method TUN type gue", 1, "a gue tunnel needs a port"),
    ("virtual_server", "protocol ICMP", 10, 'unknown protocol "ICMP"; UDP is taken'),
    ("virtual_server", "persistence_timeout 0", 21, "is not from 1 to 2678400 seconds: there is no persistence"),
    ("virtual_server", "persistence_granularity 33", 25, "is no netmask, and no number from 1 to 32"),
    ("virtual_server", "persistence_engine smtp", 20, 'unknown persistence engine "smtp"'),
    ("virtual_server", "ops", 1, '"ops" is for UDP'),
    ("virtual_server", "hashed", 1, '"hashed" is for the scheduler sh'),
    *(("virtual_server", word, 1, f"is for the scheduler {word[:2]}")
      for word in ("sh-port", "sh-fallback", "mh-port", "mh-fallback")),
    ("virtual_server", "quorum 0", 8, NUMBER),
    ("virtual_server", "quorum 2", 1, "the real servers weigh 1 together, less than the quorum 2; 1 is taken"),
    ("virtual_server", "hysteresis -1", 12, NUMBER),
    ("virtual_server", "hysteresis 1", 1, "the hysteresis is not below the quorum 1; 0 is taken"),
    ("virtual_server", 'quorum_up "/bin/up" "a b"', 21, "cannot name a user or group"),
    ("virtual_server", "quorum_down down", 13, "is not a whole path"),
    ("virtual_server", "sorry_server nowhere", 14, 'the sorry server "nowhere" is not an IP address'),
    ("virtual_server", "sorry_server 2001:db8::1", 1, "is of the other family"),
    ("virtual_server", "sorry_server 192.0.2.9 0", 24, "is not a port"),
    ("virtual_server", "sorry_server_lvs_method gate\nsorry_server 192.0.2.9", 25, 'unknown forwarding method "gate"'),
    ("virtual_server", "smtp_alert", 1, "mails tell of real servers"),
    ("virtual_server", "ip_family inet5", 0, ""),
    ("virtual_server", "alpha off", 7, "takes no value"),
    *((block, line, line.index(" ") + 2, SPAN)
      for block in ("virtual_server", "real_server", *RETRYING) for line in SPANS
      if (block, line) != ("MISC_CHECK", "connect_timeout 0")),
    *((block, "retry -1", 7, NUMBER) for block in ("virtual_server", "real_server", *RETRYING)),
    *((block, "weight 65536", 8, NUMBER) for block in ("virtual_server", "real_server")),
    ("real_server", "lvs_method TUN type gre remcsum", 1, "a gre tunnel has no remcsum"),
    ("real_server", "uthreshold many", 12, NUMBER),
    ("real_server", "lthreshold -1", 12, NUMBER),
    ("real_server", "lthreshold 3", 1, "lthreshold 3 is above uthreshold 0; it does not count"),
    ("real_server", "notify_up up", 11, "is not a whole path"),
    ("real_server", 'notify_down "/bin/down" "a b"', 25, "cannot name a user or group"),
    *(("real_server", f"{word} maybe", len(word) + 2, NEITHER) for word in ("inhibit_on_failure", "smtp_alert", "alpha")),
    *((block, f"{word} maybe", len(word) + 2, NEITHER) for block in RETRYING for word in ("alpha", "log_all_failures")),
    *((block, "connect_ip here", 12, 'connect_ip "here" is not an IP address') for block in SOCKETED),
    *((block, "connect_port 0", 14, NUMBER) for block in SOCKETED),
    *((block, "bindto 2001:db8::1", 8, "is not an IPv4 address") for block in SOCKETED),
    *((block, "bind_port 65536", 11, NUMBER) for block in SOCKETED),
    *((block, "bind_if eth0/1", 9, "it does not count") for block in SOCKETED),
    *((block, "fwmark 4294967296", 8, NUMBER) for block in SOCKETED),
    *((block, "http_protocol 2", 15, "unknown HTTP version") for block in ("HTTP_GET", "SSL_GET")),
    *((block, "fast_recovery maybe", 15, NEITHER) for block in ("HTTP_GET", "SSL_GET")),
    *((block, "nb_get_retry -1", 14, NUMBER) for block in ("HTTP_GET", "SSL_GET")),
    *((block, "url {\ndigest 00\n}", 1, "the url has no path") for block in ("HTTP_GET", "SSL_GET")),
    ("SSL_GET", "enable_sni maybe", 12, NEITHER),
    ("url", "path alive", 0, "is not one that a server knows"),
    ("url", "digest 9b3a", 8, "is not a digest of 32 hexadecimal digits"),
    ("url", "status_code 99", 13, "is no status code from 100 to 699"),
    ("url", "regex_no_match", 1, "the url has no regex"),
    ("url", "regex_stack 1 2", 1, "the url has no regex"),
    ("url", "regex_options ungreedy\nregex a", 15, 'the option "ungreedy" of regex has no effect'),
    ("url", "regex_min_offset -1\nregex a", 18, NUMBER),
    ("url", "regex_max_offset x\nregex a", 18, NUMBER),
    ("host", "connect_ip here", 12, "is not an IP address"),
    ("DNS_CHECK", "type ANY", 6, 'unknown DNS type "ANY"'),
    ("DNS_CHECK", "name a..b", 6, "is not a domain name"),
    ("MISC_CHECK", "misc_path check", 11, "is not a whole path"),
    ("MISC_CHECK", "misc_timeout 1.5", 14, NUMBER),
    ("MISC_CHECK", 'user "a b"', 6, "cannot name a user or group"),
    ("UDP_CHECK", "payload 0g", 9, "other letters than hexadecimal digits"),
    ("UDP_CHECK", "require_reply 0y", 15, "other letters than hexadecimal digits or x"),
    ("UDP_CHECK", "min_reply_length 65536", 18, NUMBER),
    ("UDP_CHECK", "max_reply_length -1", 18, NUMBER),
    ("FILE_CHECK", "track_file lode", 12, "there is no track_file lode above"),
    ("FILE_CHECK", "weight much", 8, NUMBER),
]  # fmt: skip


@pytest.mark.parametrize(("block", "line", "column", "said"), BAD, ids=map(_name, BAD))
def test_a_bad_value_is_told_with_its_place(block: str, line: str, column: int, said: str) -> None:
    text = text_of(block, line)
    if line.startswith("ip_family"):
        text, column, said = (
            f"virtual_server fwmark 3 {{\n{line}\nreal_server {ADDRESS} 80 {{\n}}\n}}\n",
            11,
            "address family",
        )
    reading = read_text(text)
    at = text[: text.index(f"\n{line}\n")].count("\n") + 2
    found = [item for item in reading.problems if said in item.text]
    assert found, reading.problems
    if column:
        assert (found[0].line, found[0].column) == (at, column)
    assert found[0].severity == "warning"
    if block not in ("virtual_server", "host"):
        assert Found(reading).service.reals, "the rest counts all the same"


def test_a_regular_expression_that_cannot_be_read_is_an_error() -> None:
    """Without it the check would find less wrong."""
    reading = read_text(text_of("url", "regex (open"))
    (error,) = [item for item in reading.problems if item.severity == "error"]
    assert (reading.files, error.column, error.text) == (None, 7, 'the regex "(open" has a ( without its )')
    assert not error.survived


@pytest.mark.parametrize(
    ("lines", "text"), [("regex a b", ""), ("regex a\nregex b c", "a"), ("regex a b\nregex c", "c")]
)
def test_a_regex_of_several_words_is_left_out_as_keepalived_does(lines: str, text: str) -> None:
    """An error for ``check`` and a reload, and a start goes on. One before it or behind it counts."""
    reading = read_text(text_of("url", lines))
    (error,) = [item for item in reading.problems if item.severity == "error"]
    assert (error.survived, error.column, error.text.split(":")[0]) == (
        True,
        9,
        f'"{"c" if text == "a" else "b"}" does not belong to the regex, which is one word',
    )
    assert reading.files is None
    assert reading.partly is not None
    assert reading.partly.services is not None
    (check,) = reading.partly.services.services[0].reals[0].checks
    assert isinstance(check.question, HttpQuestion)
    pattern = check.question.pages[0].pattern
    assert (pattern.text if pattern else "") == text


@pytest.mark.parametrize(
    ("written", "text"),
    [('"a\\\\.b"', "a\\.b"), ('"a\\.b"', "a.b"), ("'a b'", "a b"), (r'"\\bx\\Z"', r"\bx(?=\n?\Z)"), ("\\x41", "A")],
)
def test_a_regular_expression_has_the_escapes_of_commands_and_pcres_words(written: str, text: str) -> None:
    assert Found(read_text(text_of("url", f"regex {written}"))).page.pattern == Pattern(text)


TESTED_ELSEWHERE = {"regex", "real_server", "certificate", "key"}
"""Below, and all over."""
WITH_OTHERS = {"flag-2", "flag-3", "sh-fallback", "mh-fallback", "nb_get_retry", "fast_recovery", "smtp_alert"}
"""Good in a row of another one, or of no effect."""
NEVER_BAD = {
    "virtualhost",
    "helo_name",
    "persistence_timeout",
    "flag-1",
    "flag-2",
    "flag-3",
    "sorry_server_inhibit",
    "omega",
}
NEVER_BAD |= {"ha_suspend", "inhibit_on_failure", "misc_dynamic"}
"""Any word will do, or none is looked at."""


@pytest.mark.parametrize("block", ["virtual_server", "real_server", "url", *RETRYING, "FILE_CHECK"])
def test_every_keyword_has_its_tests(block: str) -> None:
    words = {word for word, item in SERVICES[block].items() if item.done and (not item.opens or word == "url")}
    words -= TESTED_ELSEWHERE
    good, bad = ({line.split()[0] for name, line, *_ in rows if name == block} for rows in (GOOD, BAD))
    assert words - good - WITH_OTHERS == set()
    assert words - bad - NEVER_BAD == set()


UNRELATED = ("bfd_instance", "garp_group", "track_group")
NEEDING = [
    (block, word)
    for block, words in SERVICES.items()
    for word, item in words.items()
    if item.needs and not item.opens and block not in UNRELATED
]


@pytest.mark.parametrize(("block", "word"), NEEDING, ids=[f"{block}: {word}" for block, word in NEEDING])
def test_a_missing_value(block: str, word: str) -> None:
    """What ends keepalived is an error, what it passes over a warning."""
    text = text_of(block, word)
    reading = read_text(text)
    (found,) = [item for item in reading.problems if item.text.startswith(f'"{word}" lacks its value')]
    forgiven = SERVICES[block][word].forgiven
    assert (found.severity, found.column) == ("warning" if forgiven else "error", 1)
    assert (reading.files is None) is not forgiven


KEYS = [(block, word) for block, words in SERVICES.items() for word in words if block not in (*UNRELATED, "host")]


@pytest.mark.parametrize(("block", "word"), KEYS, ids=[f"{block}: {word}" for block, word in KEYS])
def test_a_misspelt_keyword_has_a_neighbour(block: str, word: str) -> None:
    wrong = (
        word.lower() if word.lower() != word else word[:-2] + word[-1] + word[-2] + "x" if len(word) > 4 else word + "s"
    )
    if wrong in SERVICES[block]:
        wrong = word + "x"
    text = text_of(block, f"{wrong} 1")
    found = [item for item in read_text(text).problems if item.text.startswith("unknown keyword")]
    assert [(item.line, item.column) for item in found] == [(text[: text.index(f"\n{wrong} 1\n")].count("\n") + 2, 1)]
    assert f'"{word}"' in found[0].hint or "Did you mean" in found[0].hint, found[0].hint


def test_what_a_server_says_comes_before_what_its_virtual_server_says() -> None:
    """And what a checker says before both."""
    words = "retry 1{0}\ndelay_before_retry 2{0}\nconnect_timeout 3{0}\nwarmup 4{0}\ndelay_loop 5{0}\n"
    for levels, last in (((1, 0, 0), 1), ((1, 2, 0), 2), ((1, 2, 3), 3), ((0, 2, 0), 2)):
        virtual, real, checker = (words.format(level) if level else "" for level in levels)
        text = (
            f"virtual_server 192.0.2.1 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{virtual}"
            f"real_server {ADDRESS} 80 {{\n{real}DNS_CHECK {{\n{checker}}}\n}}\n}}\n"
        )
        check = Found(read_text(text)).check
        assert (check.fall, check.retry_delay, check.timeout, check.warmup, check.interval) == (
            11 + last, *((10 * tens + last) * SECOND for tens in (2, 3, 4, 5)),
        )  # fmt: skip


def test_alpha_that_is_neither_on_nor_off_leaves_it_as_the_virtual_server_has_it() -> None:
    text = text_of("real_server", "alpha maybe").replace("protocol TCP", "protocol TCP\nalpha")
    assert not Found(read_text(text)).real.starts_up


def test_a_file_has_the_weight_of_its_definition() -> None:
    """And a checker of its own weight another one; ``reverse`` turns it round."""
    assert [Found(read_text(text_of("FILE_CHECK", line))).question.factor for line in ("", "weight 2 reverse")] == [
        3,
        -2,
    ]


def test_a_server_in_the_old_form_of_smtp_check() -> None:
    reading = read_text(text_of("host", "connect_ip 192.0.2.8\nconnect_port 2525"))
    question, target = Found(reading).question, Found(reading).check.target
    assert isinstance(question, ServiceQuestion)
    assert (target.address, target.port) == ("192.0.2.8", 2525)


def test_our_certificate_for_every_ssl_get() -> None:
    for line, name in (("certificate /etc/lb.pem", "certificate"), ("key /etc/lb.key", "key")):
        text = text_of("SSL", line).replace("TCP_CHECK {\n", "SSL_GET {\nurl { path /\n}\n")
        assert getattr(Found(read_text(text)).question.tls, name) == line.split()[1]


HUGE = "000000000001" + "9" * 20
ZEROS = "000000000000"


@pytest.mark.parametrize(
    ("line", "look", "usual"),
    [
        ("persistence_timeout {}", field("service", "persistence"), 0),
        ("persistence_timeout 9\npersistence_granularity {}", field("service", "granularity"), 0),
        ("sorry_server 192.0.2.9 {}", field("service", "fallback"), None),
    ],
)
def test_a_number_is_judged_by_all_of_its_digits(line: str, look: Look, usual: Any) -> None:
    """However many zeros it begins with."""
    assert look(Found(read_text(text_of("virtual_server", line.format(HUGE))))) == usual
    assert look(Found(read_text(text_of("virtual_server", line.format(f"{ZEROS}5"))))) != usual


@pytest.mark.parametrize("number", [HUGE, "0", "4294967296", "9" * 5000])
def test_a_mark_is_judged_by_all_of_its_digits(number: str) -> None:
    body = f"real_server {ADDRESS} 80 {{\n}}\n}}\n"
    group = f"virtual_server_group G {{\nfwmark {number}\n}}\nvirtual_server group G {{\n{body}"
    for text in (f"virtual_server fwmark {number} {{\n{body}", group):
        files = read_text(text).files
        assert files is not None
        assert files.services is None
