"""The words of the native tables of virtual routers: one list from which they are read, written and told in the manual."""

from __future__ import annotations

from ..units import HOUR, MILLISECOND, SECOND
from ..vrrp_files import (
    Announcing,
    Notified,
    RouterAddress,
    RouterGlobals,
    SyncGroup,
    Track,
    TrackedFile,
    TrackedProcess,
    TrackedScript,
    UnicastPeer,
    VirtualMac,
    VirtualRouter,
)
from .table_words import Setting, defaults
from .table_words import argv as _argv
from .table_words import flag as _flag
from .table_words import number as _number
from .table_words import span as _span
from .table_words import text as _text

__all__ = ["OF", "Setting", "defaults"]

MOST = 2**31 - 1
LONGEST = 24 * HOUR
_WEIGHT = (_number("weight", -253, 253), _flag("reverse"))

ADDRESS = (
    _text("device"),
    _flag("advertised"),
    _text("label"),
    _text("scope"),
    _text("broadcast"),
    _text("peer"),
    _flag("tracked"),
    Setting("options", "options", "texts"),
)
"""Beside ``address``, which holds the prefix length as well."""

TRACK = _WEIGHT
"""Beside the kind, whose value is the name: ``{ script = "check", weight = -20 }``."""

PEER = (_text("address"), _number("min_ttl", 0, 255), _number("max_ttl", 0, 255))

VIRTUAL_MAC = (_text("name"), _text("mac"), _flag("transmit_base", "xmit_base"), _flag("ipvlan"))

ANNOUNCE = (
    _number("repeat", 0, 1000),
    _span("delay", 0, 10**9 * SECOND),
    _span("refresh", 0, 10**9 * SECOND),
    _number("refresh_repeat", 1, 1000),
    _number("lower_repeat", 0, 1000),
    _span("lower_delay", 0, 10**9 * SECOND),
    _span("arp_interval", 0, 1000 * SECOND),
    _span("na_interval", 0, 1000 * SECOND),
)

NOTIFY = (
    _argv("master"),
    _argv("backup"),
    _argv("fault"),
    _argv("stop"),
    _argv("deleted"),
    _argv("lower_priority"),
    _argv("any"),
    _text("user"),
    _flag("priority_changes"),
    _flag("mail"),
)
"""Beside ``users``, a table from the words of scripts to who runs them."""

ROUTER = (
    _text("device"),
    _number("id", 1, 255, "vrid"),
    _number("version", 2, 3),
    _number("family", 4, 6),
    _number("priority", 1, 255),
    _flag("begins_as_master"),
    _span("interval", 10 * MILLISECOND, 255 * SECOND),
    _text("authentication", "auth", ("PASS", "AH")),
    _text("password"),
    _flag("preempt"),
    _span("preempt_delay", 0, 1000 * SECOND),
    _flag("accept"),
    _flag("strict"),
    _text("source"),
    _number("ttl", 0, 255),
    _text("multicast", "group"),
    _flag("check_source"),
    _flag("fault_without_peer"),
    _flag("track_device", "tracks_device"),
    _flag("track_source", "tracks_source"),
    _text("checksum", choices=("pseudo", "plain", "old-unicast")),
    _flag("skip_check_addresses"),
    _flag("lower_no_advert"),
    _flag("higher_send_advert"),
    _number("down_adverts", 1, 100),
    _span("startup_delay", 0, 10**6 * SECOND),
    Setting("routes", "routes", "lines"),
    Setting("rules", "rules", "lines"),
    _text("sync_daemon"),
    _text("lease_group"),
)
"""Beside ``addresses``, ``peers``, ``track``, ``virtual_mac``, ``announce`` and ``notify``."""

GROUP = (Setting("members", "members", "texts"), _flag("own_weights"))
"""Beside ``track`` and ``notify``."""

SCRIPT = (
    _argv("command"),
    _span("interval", SECOND, 10**6 * SECOND),
    _span("timeout", SECOND, 10**6 * SECOND),
    *_WEIGHT,
    _number("rise", 1, MOST),
    _number("fall", 1, MOST),
    _flag("begins_failed"),
    _text("user"),
)

FILE = (_text("path"), *_WEIGHT, _number("initial", -(10**6), 10**6), _flag("overwrite"))

PROCESS = (
    _argv("process"),
    *_WEIGHT,
    _number("quorum", 1, 65535),
    _number("quorum_max", 0, 65535),
    _flag("full_command"),
    _text("parameters", choices=("initial", "partial")),
    _span("terminate_delay", 0, HOUR),
    _span("fork_delay", 0, HOUR),
)

ROUTING = (
    _text("router_id"),
    _text("script_user"),
    _flag("script_security"),
    _flag("states_on_reload"),
    _flag("log_unknown"),
    _flag("dynamic_interfaces"),
    Setting("mails", "mails", "texts"),
    _text("mail_from"),
    _text("mail_server"),
    _argv("started"),
    _argv("stopped"),
    _span("script_timeout", SECOND, 1000 * SECOND),
    _number("realtime_priority", 0, 99),
    _number("nice", -20, 19),
)
"""Beside ``node`` and ``fifos``."""

OF: dict[type, tuple[Setting, ...]] = {
    RouterAddress: ADDRESS,
    Track: TRACK,
    UnicastPeer: PEER,
    VirtualMac: VIRTUAL_MAC,
    Announcing: ANNOUNCE,
    Notified: NOTIFY,
    VirtualRouter: ROUTER,
    SyncGroup: GROUP,
    TrackedScript: SCRIPT,
    TrackedFile: FILE,
    TrackedProcess: PROCESS,
    RouterGlobals: ROUTING,
}
