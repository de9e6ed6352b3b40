"""The words of the native tables of services and their checks: one list to read, write and explain them by."""

from __future__ import annotations

from ..service_checks import (
    Check,
    HttpQuestion,
    Page,
    Pattern,
    PingQuestion,
    ProgramQuestion,
    SayQuestion,
    Service,
    ServiceQuestion,
    Target,
    Tls,
    UdpQuestion,
)
from ..services import (
    Forward,
    Mailing,
    OnFailure,
    Plane,
    RealServer,
    ServiceFiles,
    SyncDaemon,
    Timeouts,
    Tunnelling,
    VirtualService,
)
from ..units import HOUR, MILLISECOND
from .ldirectord_words import FACILITIES
from .table_words import Setting, enum, flag, notice, number, span, text

MOST = 2**31 - 1
LONGEST = 31 * 24 * HOUR
"""As long as IPVS takes for persistence."""

SERVICE = (
    text("scheduler"),
    Setting("flags", "flags", "texts"),
    span("persistence", 0, LONGEST),
    number("granularity", 0, 128),
    text("persistence_engine"),
    flag("one_packet"),
    flag("hashed"),
    enum("plane", Plane),
    flag("fallback_quiet"),
    number("quorum", 0, MOST),
    number("hysteresis", 0, MOST),
    flag("by_count"),
    flag("drop_without_quorum"),
    notice("fallback_command"),
    notice("quorum_up"),
    notice("quorum_down"),
    span("slow_start", 0, LONGEST),
    span("drain", 0, LONGEST),
    flag("clean_stop"),
    flag("down_at_stop"),
    flag("only_when_held"),
    flag("readd_quiet"),
    text("monitor_file"),
    text("comment"),
)
"""Beside what it is known by, ``group``, ``servers``, ``fallback``, ``mailing`` and what its servers may say (``SHARED``)."""

SHARED = (enum("forward", Forward), enum("on_failure", OnFailure), flag("starts_up"), flag("mail"))
"""Words of a server that may stand at the service for all of them, as ``tunnel`` and ``check``."""

SERVER = (
    *SHARED,
    number("weight", 0, 65535),
    number("upper", 0, MOST),
    number("lower", 0, MOST),
    notice("notify_up"),
    notice("notify_down"),
)
"""Beside ``address``, ``tunnel`` and ``check``."""

TUNNEL = (
    text("kind", choices=("ipip", "gue", "gre")),
    number("port", 0, 65535),
    text("checksum", choices=("csum", "remcsum")),
)

MAILING = (
    Setting("to", "to", "texts"),
    text("from", "sender"),
    span("repeat", 0, LONGEST),
    text("smtp"),
)
"""Beside ``when``."""
MOMENTS = ("starting", "running", "stopping", "reloading")

CHECK = (
    span("every", MILLISECOND, LONGEST, "interval"),
    span("timeout", MILLISECOND, LONGEST),
    number("rise", 1, MOST),
    number("fall", 1, MOST),
    span("retry", 0, LONGEST, "retry_delay"),
    span("warmup", 0, LONGEST),
    flag("starts_up"),
    flag("pause"),
    flag("log_all"),
)

TARGET = (
    text("address"),
    number("port", 0, 65535),
    text("source"),
    number("source_port", 0, 65535),
    text("device"),
    number("mark", 0, 2**32 - 1),
)

TLS = (text("name"), flag("verify"), text("ca"), text("certificate"), text("key"))

PATTERN = (
    text("pattern", "text"),
    flag("absent"),
    text("flags"),
    number("least", 0, MOST),
    number("most", -1, MOST),
)

PAGE = (
    text("host"),
    text("method", choices=("GET", "HEAD", "POST", "OPTIONS")),
    text("digest"),
    text("text"),
)
"""Beside ``path``, ``status`` and ``regex``."""

HTTP = (
    text("version", choices=("1.0", "1.0C", "1.1")),
    number("redirects", 0, 20),
    flag("proxy"),
)
"""Beside the pages, ``tls`` and ``each``."""

SAY = (flag("half_close"), flag("lines"))
"""Beside ``say`` or ``say_hex``, ``expect``, ``tls`` and ``each``."""

DIALOGUE = (
    text("login"),
    text("password"),
    text("database"),
    text("secret"),
    text("type", "kind"),
    text("helo"),
    flag("udp"),
)
"""Beside the protocol with what is asked for, ``expect``, ``tls`` and ``each``."""

DATAGRAM = (number("least", 0, 65535), number("most", 0, 65535))
"""Beside ``datagram`` and ``reply``."""

PROGRAM = (flag("dynamic"), text("user"), flag("perl"))

SYNC = (
    text("device"),
    text("router"),
    number("identifier", 0, 255),
    number("most_bytes", 0, 65535),
    number("port", 1, 65535),
    number("ttl", 1, 255),
    text("group"),
)

TIMEOUTS = (span("tcp", 0, LONGEST), span("tcp_fin", 0, LONGEST), span("udp", 0, LONGEST))

BALANCING = (
    text("maintenance"),
    flag("autoreload"),
    notice("callback"),
    flag("flush"),
    flag("flush_at_stop"),
    text("log_file"),
    text("log_facility", choices=FACILITIES),
)
"""Beside ``sync`` and ``timeouts``."""

OF: dict[type, tuple[Setting, ...]] = {
    VirtualService: SERVICE,
    RealServer: SERVER,
    Tunnelling: TUNNEL,
    Mailing: MAILING,
    Check: CHECK,
    Target: TARGET,
    Tls: TLS,
    Pattern: PATTERN,
    Page: PAGE,
    HttpQuestion: HTTP,
    SayQuestion: SAY,
    ServiceQuestion: DIALOGUE,
    PingQuestion: (number("tries", 1, 100),),
    UdpQuestion: DATAGRAM,
    ProgramQuestion: PROGRAM,
    SyncDaemon: SYNC,
    Timeouts: TIMEOUTS,
    ServiceFiles: BALANCING,
}

_TRIED = ("expect", "tls", "each")
KINDS: dict[str, tuple[str, ...]] = {
    "http": ("status", "regex", "tls", "each", *(each.word for each in (*PAGE, *HTTP))),
    "https": ("status", "regex", "tls", "each", *(each.word for each in (*PAGE, *HTTP))),
    "connect": (),
    "say": (*_TRIED, *(each.word for each in SAY)),
    "say_hex": (*_TRIED, *(each.word for each in SAY)),
    **{each.value: (*_TRIED, *(word.word for word in DIALOGUE)) for each in Service},
    "ping": ("tries",),
    "datagram": ("reply", *(each.word for each in DATAGRAM)),
    "program": tuple(each.word for each in PROGRAM),
    "file": ("factor",),
    "always": (),
}
"""What a check may ask, and the words that only it takes."""

PORTLESS = ("ping", "program", "file", "always")
"""Kinds whose question goes to no port, unless one is named."""
