"""Every directive of ha.cf (Heartbeat 3.0.6): how it is read, and why some have no effect any more.

docs/heartbeat.md has the same table for people; a test compares them.
"""

from __future__ import annotations

from ..units import MICROSECOND, MILLISECOND, SECOND, Duration

BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "off", "no", "n", "0"), False),
}
"""In any case of letters."""

BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800)

_LOG = "the log goes to standard error, which systemd keeps in its journal"
_MEMORY = "the program locks what it has in memory by itself"
_PACEMAKER = "it is about Pacemaker, which this is not"
_EXOTIC = "nobody builds Heartbeat with it any more"
_DUMPS = "what a crash leaves is the recorder's file in the state directory"

WITHOUT_EFFECT: dict[str, str] = {
    "logfacility": _LOG,
    "logfile": _LOG,
    "debugfile": _LOG,
    "use_logd": _LOG,
    "conn_logd_time": _LOG,
    "syslogmsgfmt": _LOG,
    "debug": "the recorder always keeps the last minutes in full",
    "log_badpack": "refused packets are always counted and shown in status",
    "coredumps": _DUMPS,
    "coreroot": _DUMPS,
    "realtime": "the part that keeps time always runs at real-time priority where it may",
    "rtprio": "the part that keeps time chooses its real-time priority itself",
    "memreserve": _MEMORY,
    "crm_daemon_dir": _PACEMAKER,
    "crmd_spawns_pengine": _PACEMAKER,
    "record_config_changes": _PACEMAKER,
    "record_pengine_inputs": _PACEMAKER,
    "enable_config_writes": _PACEMAKER,
    "quorum_server": "there is no such server any more; a witness does its work",
    "use_apphbd": "the supervisor watches the processes itself",
    "normalpoll": "it chose between two ways of waiting in the old program",
    "hbaping": _EXOTIC,
    "rds": _EXOTIC,
    "tipc": _EXOTIC,
}
"""Directives that are accepted, and why they change nothing."""

WHOLE_LINE = frozenset(
    {"stonith", "stonith_host", "apiauth", "respawn", "failfast", "ucast", "mcast", "ping_group", "ucast6", "mcast6"}
)
"""Directives to which the rest of the line is one argument; in the others commas separate values too."""

TIMES = ("keepalive", "deadtime", "warntime", "initdead", "deadping", "conn_logd_time")
SWITCHES = (
    *("use_logd", "syslogmsgfmt", "log_badpack", "coredumps", "realtime", "traditional_compression", "use_apphbd"),
    *("normalpoll", "crmd_spawns_pengine", "record_config_changes", "record_pengine_inputs", "enable_config_writes"),
)
NUMBERS: dict[str, tuple[int, int]] = {
    "udpport": (1, 65535),
    "debug": (0, 255),
    "rtprio": (1, 99),
    "memreserve": (0, 2**31 - 1),
    "compression_threshold": (0, 2**31 - 1),
    "max_rexmit_delay": (1, 2**31 - 1),
    "hopfudge": (0, 255),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "hbgenmethod": ("file", "time"),
    "uuidfrom": ("file", "nodename"),
    "msgfmt": ("classic", "netstring"),
    "compression": ("zlib", "bz2"),
    "autojoin": ("none", "other", "any"),
    "baud": tuple(str(speed) for speed in BAUDS),
}
TEXTS = ("logfacility", "logfile", "debugfile", "coreroot", "cluster", "crm_daemon_dir", "quorum_server", "watchdog")
SPECIAL = (
    *("node", "bcast", "ucast", "mcast", "ucast6", "mcast6", "serial", "ping", "ping6", "ping_group"),
    *("hbaping", "rds", "tipc", "auto_failback", "nice_failback", "stonith", "stonith_host", "respawn", "failfast"),
    *("apiauth", "crm", "pacemaker", "env"),
)
DIRECTIVES = (*SPECIAL, *TIMES, *SWITCHES, *NUMBERS, *CHOICES, *TEXTS)
"""All of them."""

LOGGING = ("logfacility", "logfile", "debugfile", "use_logd", "conn_logd_time", "syslogmsgfmt", "debug", "log_badpack")

_UNITS = {"": SECOND, "ms": MILLISECOND, "msec": MILLISECOND, "us": MICROSECOND, "usec": MICROSECOND}


def old_time(text: str) -> Duration | str:
    """``2``, ``0.3``, ``500ms``, ``1500us``: seconds unless a unit follows without a blank; rounded to milliseconds.

    Else a sentence about how to mend it.
    """
    digits = "".join(character for character in text if character in "0123456789.")
    unit = text[len(digits) :].lower()
    whole, _, fraction = digits.partition(".")
    if not text.startswith(digits) or not (whole or fraction) or "." in fraction or len(digits) > 20:
        return 'Write seconds, as in "2" or "0.3", or a unit directly behind the number: "200ms".'
    if unit not in _UNITS:
        if unit in ("s", "sec", "second", "seconds"):
            return f'A number without unit means seconds, and Heartbeat knows no "{unit}": write "{digits}".'
        return "The units are ms and us; a number without unit means seconds."
    scale = _UNITS[unit]
    value = int(whole or "0") * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
    return (value + MILLISECOND // 2) // MILLISECOND * MILLISECOND


def written_time(value: Duration) -> str:
    """As ha.cf has it: ``2``, ``1500ms``."""
    return str(value // SECOND) if value % SECOND == 0 else f"{value // MILLISECOND}ms"
