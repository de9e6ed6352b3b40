"""Every directive of ldirectord.cf (1.186-ha): where it may stand, and what becomes of it.

docs/ldirectord.md has the same table for people; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Directive:
    """``note``: what should be known. ``effect`` False: it is read and changes nothing; ``note`` says why."""

    globally: bool
    virtually: bool
    default: str
    note: str = ""
    effect: bool = True


def _both(default: str, note: str = "") -> Directive:
    return Directive(True, True, default, note)


def _global(default: str, note: str = "", effect: bool = True) -> Directive:
    return Directive(True, False, default, note, effect)


def _virtual(default: str, note: str = "", effect: bool = True) -> Directive:
    return Directive(False, True, default, note, effect)


DIRECTIVES: dict[str, Directive] = {
    "checktimeout": _both(
        "5", "seconds, of connect, ping, ldap, radius and external checks; where unset, negotiatetimeout"
    ),
    "negotiatetimeout": _both("30", "seconds, of negotiate checks; where unset, checktimeout"),
    "checkinterval": _both(
        "10", "seconds from the end of a check to the next; of a virtual server only with `fork=yes`, as there"
    ),
    "checkcount": _both("1", "how often a ping is tried"),
    "failurecount": _both("1", "failures in a row until a server is down"),
    "autoreload": _global("no", "yes or no; the content of the file counts, and a mistake in it changes nothing"),
    "callback": _global("none", "a path, without arguments; run with the path of the file that has changed"),
    "fallback": _both("none", "`gate` unless it says otherwise"),
    "fallback6": _both("none", "as `fallback`, for `virtual6`"),
    "fallbackcommand": _both("none", "run with start or stop, ADDRESS:PORT and protocol"),
    "logfile": _global("/var/log/ldirectord.log", "a file, or a facility of syslog; the journal has it all too"),
    "emailalert": _both("none"),
    "emailalertfreq": _both("0", "seconds; 0: one mail for each change"),
    "emailalertstatus": _both("all"),
    "emailalertfrom": _global("none"),
    "smtp": _both("none", "else the mailer of the system"),
    "execute": _global("none", "another file, balanced by the same balancer; it must be there and without errors"),
    "supervised": _global(
        "no", "the program runs under its own supervisor, and tells its log to the journal", effect=False
    ),
    "fork": _global("no", "no check waits for another in any case; with it `checkinterval` counts in virtual servers"),
    "quiescent": _both("no", "the manual page says yes, and the program takes no; so do we, and `check` says it"),
    "readdquiescent": _global("no"),
    "cleanstop": _both("yes"),
    "maintenancedir": _global(
        "none",
        "no check waits for a name; a folder that cannot be read any more, or a name without an answer, ends no maintenance",
    ),
    "virtual": _global("", "`ADDRESS:PORT`, `NAME:SERVICE` or a firewall mark"),
    "virtual6": _global("", "`[ADDRESS]:PORT` or a firewall mark"),
    "real": _virtual("", '`ADDRESS[->ADDRESS][:PORT] gate\\|masq\\|ipip [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N]`'),
    "real6": _virtual("", "as `real`, in `virtual6`"),
    "protocol": _virtual("tcp", "udp for port 53; fwm for marks"),
    "scheduler": _virtual("wrr"),
    "persistent": _virtual("none", "seconds"),
    "netmask": _virtual("none", "only with `persistent`"),
    "schedflags": _virtual("none"),
    "ops": _virtual("no", "only of udp"),
    "service": _virtual("by port"),
    "checktype": _virtual("negotiate", "connect, external, external-perl, negotiate, off, on, ping, or a number"),
    "checkcommand": _virtual("/bin/true", "one path, without arguments"),
    "checkport": _virtual("of the server"),
    "request": _virtual("/"),
    "receive": _virtual("none", "a Perl regular expression; see below"),
    "httpmethod": _virtual("GET"),
    "virtualhost": _virtual("the address"),
    "login": _virtual("none"),
    "passwd": _virtual("none"),
    "database": _virtual("none"),
    "secret": _virtual("none"),
    "load": _virtual("none", "ldirectord reads it and does not use it either", effect=False),
    "monitorfile": _virtual("none"),
    "servicename": _virtual("none", "in mails and in `understudy pool`"),
    "comment": _virtual("none", "in mails and in `understudy pool`"),
}
"""By name, as in the file."""

REMOVED = {
    "connecttimeout": 'Write "negotiatetimeout".',
    "timeout": 'Write "checktimeout" and "negotiatetimeout".',
}
"""Directives that ldirectord refuses by name."""

NUMBERS: dict[str, tuple[int, int]] = {
    "checktimeout": (1, 86_400),
    "negotiatetimeout": (1, 86_400),
    "checkinterval": (1, 2_678_400),
    "checkcount": (1, 1_000),
    "failurecount": (1, 1_000_000),
    "emailalertfreq": (0, 31_536_000),
    "persistent": (1, 2_678_400),
    "checkport": (1, 65_535),
}
SWITCHES = frozenset({"autoreload", "fork", "quiescent", "readdquiescent", "cleanstop", "ops", "supervised"})
QUOTED = frozenset({"request", "receive", "login", "passwd", "database", "secret", "load", "callback", "logfile"})
"""Directives whose value must stand in double quotation marks."""
MAY_BE_QUOTED = frozenset({"checkcommand", "monitorfile", "fallbackcommand", "emailalert"})

PORTS: dict[str, int] = {
    "ftp": 21,
    "smtp": 25,
    "dns": 53,
    "http": 80,
    "pop": 110,
    "nntp": 119,
    "imap": 143,
    "ldap": 389,
    "https": 443,
    "submission": 587,
    "ldaps": 636,
    "imaps": 993,
    "pops": 995,
    "oracle": 1521,
    "radius": 1812,
    "http_proxy": 3128,
    "mysql": 3306,
    "sip": 5060,
    "pgsql": 5432,
}
"""The service that a port stands for, and where a service is asked when nothing names a port."""
SERVICES = (*PORTS, "simpletcp", "none")
CHECK_TYPES = ("connect", "external", "external-perl", "negotiate", "off", "on", "ping")
FLAGS = ("sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3")
MOMENTS = ("starting", "running", "stopping", "reloading")
"""Of ``emailalertstatus``; all of them by default."""
FACILITIES = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp", "security"),
    *(f"local{number}" for number in range(8)),
)
