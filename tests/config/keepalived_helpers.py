"""What the tests of keepalived.conf share: reading a text, and its meaning as lines that people can review."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from understudy.config.keepalived import KeepalivedReading, read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.config.router_words import defaults
from understudy.config.services_render import render as render_services
from understudy.vrrp_files import RouterFiles, VirtualRouter


def read_text(text: str, config_id: str = "main") -> KeepalivedReading:
    return read_keepalived(Source("keepalived.conf", text), config_id=config_id)


def one(lines: str) -> VirtualRouter:
    """The virtual router of a file with these lines in its only instance."""
    head = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.9/24\n}\n"
    files = read_text(f"{head}{lines}\n}}\n").files
    if files is None:
        raise AssertionError("refused")
    return files.routers[0]


def meaning(files: RouterFiles) -> str:
    """Every field that is not at its default, a line each."""
    lines = [f"settings {_shown(files.settings)}"]
    for what in ("scripts", "files", "processes", "sync_groups"):
        lines += [f"{what} {_shown(item)}" for item in getattr(files, what)]
    for router in files.routers:
        usual = defaults(VirtualRouter)
        lines.append(f"router {router.name}")
        for each in fields(router):
            value = getattr(router, each.name)
            if each.name in ("name", "addresses", "password") or (each.name in usual and usual[each.name] == value):
                continue
            lines.append(f"  {each.name} {_shown(value)}")
        lines += [f"  address {_shown(item)}" for item in router.addresses]
    lines += [] if files.services is None else render_services(files.services).split("\n")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
        return "; ".join(_shown(item) for item in value)
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    usual = defaults(type(value))
    words = ((each.name, getattr(value, each.name)) for each in fields(value))
    return " ".join(f"{name}={item!r}" for name, item in words if name not in usual or usual[name] != item)
