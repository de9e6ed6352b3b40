"""What differs between two configurations of virtual routers, in words, and what a reload does to what runs.

As ``difference``, which hands on what has virtual routers and nothing else. Passwords and commands are never shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ..model import Cluster
from ..vrrp_files import RouterFiles, VirtualRouter

Tree: TypeAlias = dict[str, Any]
Found: TypeAlias = tuple[str, str]
"""Where, and what: a sentence."""

_SECTIONS = {
    "virtual_routers": "virtual router",
    "router_groups": "sync group",
    "router_scripts": "script",
    "router_files": "file",
    "router_processes": "process",
}
_HIDDEN = frozenset({"password", "notify", "command", "process", "started", "stopped", "fifos", "mails"})


KEYWORDS: dict[str, dict[str, str]] = {
    "routing": {
        "script_security": "enable_script_security",
        "states_on_reload": "fifo_write_vrrp_states_on_reload",
        "log_unknown": "log_unknown_vrids",
        "mails": "notification_email",
        "mail_from": "notification_email_from",
        "mail_server": "smtp_server",
        "started": "startup_script",
        "stopped": "shutdown_script",
        "script_timeout": "startup_script_timeout",
        "realtime_priority": "vrrp_rt_priority",
        "nice": "vrrp_priority",
        "fifos": "vrrp_notify_fifo",
    },
    "virtual_routers": {
        "device": "interface",
        "id": "virtual_router_id",
        "version": "vrrp_version",
        "begins_as_master": "state MASTER",
        "interval": "advert_int",
        "authentication": "auth_type",
        "password": "auth_pass",
        "strict": "strict_mode",
        "source": "source address",
        "track_source": "track_src_ip",
        "skip_check_addresses": "skip_check_adv_addr",
        "lower_no_advert": "lower_prio_no_advert",
        "higher_send_advert": "higher_prio_send_advert",
        "down_adverts": "down_timer_adverts",
        "startup_delay": "vrrp_startup_delay",
        "addresses": "virtual_ipaddress",
        "peers": "unicast_peer",
        "routes": "virtual_routes",
        "rules": "virtual_rules",
        "virtual_mac": "use_vmac",
        "announce": "garp_ and gna_ words",
        "notify": "notify scripts",
    },
    "router_groups": {"members": "group", "own_weights": "sync_group_tracking_weight", "notify": "notify scripts"},
    "router_scripts": {"command": "script", "begins_failed": "init_fail"},
    "router_files": {"path": "file", "initial": "init_file"},
}
"""keepalived's word for what a native file calls otherwise, by the section of the native file."""


def router_changes(old: Tree, new: Tree, keepalived: bool = False) -> Iterator[Found]:
    """What differs between two rendered files. ``keepalived``: in the words of keepalived.conf."""
    said = KEYWORDS if keepalived else {}
    yield from _table("routing", "", old.get("routing", {}), new.get("routing", {}), said.get("routing", {}))
    for section, kind in _SECTIONS.items():
        before, after = old.get(section, {}), new.get(section, {})
        for name in dict.fromkeys((*before, *after)):
            where = f"{section}.{name}"
            if name not in before or name not in after:
                yield where, f"{kind} {name} is {'new' if name not in before else 'gone'}"
            else:
                yield from _table(where, f"{kind} {name}: ", before[name], after[name], said.get(section, {}))


def _table(where: str, what: str, old: Tree, new: Tree, said: Mapping[str, str]) -> Iterator[Found]:
    words = [word for word in dict.fromkeys((*old, *new)) if old.get(word) != new.get(word)]
    if words:
        yield where, what + ", ".join(_word(word, said.get(word, word), old.get(word), new.get(word)) for word in words)


def _word(native: str, word: str, old: Any, new: Any) -> str:
    """``word``: how it is called in the file that the administrator has."""
    if native in _HIDDEN:
        return f"other {word}"
    if isinstance(old, list | None) and isinstance(new, list | None):
        before, after = [_text(item) for item in old or ()], [_text(item) for item in new or ()]
        gone = [text for text in before if text not in after]
        more = [text for text in after if text not in before]
        if not gone and not more:
            return f"{word} in another order"
        parts = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(more)}"] * bool(more)
        return f"{word} {' and '.join(parts)}"
    return f"{word} {_text(new)} instead of {_text(old)}"


def _text(value: Any) -> str:
    if value is None:
        return "its default"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return " ".join(_text(item) for item in value.values())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def router_effects(before: Cluster, after: Cluster) -> Iterator[str]:
    """What a reload does to what runs here."""
    old, new = before.routers or RouterFiles(), after.routers or RouterFiles()
    former = {router.name: router for router in old.routers}
    names = {router.name for router in new.routers}
    for router in old.routers:
        if router.name not in names:
            yield f"{router.name} says goodbye where it is master, and its addresses are taken away"
    for router in new.routers:
        known = former.get(router.name)
        if known is None:
            yield f"{router.name} begins as a backup that listens first"
        elif _identity(known) != _identity(router):
            yield f"{router.name}, where it is master, says goodbye: the others know it by something else from now on"
        elif known != router:
            yield from _moved(known, router)
        if known is not None:
            yield from _together(known, router)


def _identity(router: VirtualRouter) -> tuple[object, ...]:
    """What others know it by (``core.vrrp.reload``)."""
    mac = router.virtual_mac
    kind = (router.vrid, router.family, router.version, router.device, router.source)
    return (*kind, bool(router.peers), mac, router.lease_group)


def _together(before: VirtualRouter, after: VirtualRouter) -> Iterator[str]:
    """What all routers of a VRID must agree about."""
    pairs = {
        "password": (before.auth, before.password) != (after.auth, after.password),
        "interval": before.interval != after.interval,
        "version": before.version != after.version,
        "addresses": before.advertised != after.advertised,
    }
    other = _listed(what for what, differs in pairs.items() if differs)
    if other:
        yield f"{after.name}: the other routers must have the same {other}, or there may be two masters: reload them as well"


def _moved(before: VirtualRouter, after: VirtualRouter) -> Iterator[str]:
    old, new = ([(item.address, item.prefix, item.device) for item in each.addresses] for each in (before, after))
    for some, others, word in ((old, new, "taken away from"), (new, old, "added to")):
        found = [address for address, prefix, device in some if (address, prefix, device) not in others]
        if found:
            yield f"{_listed(found)} {'is' if len(found) == 1 else 'are'} {word} {after.name}, where it is master"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
