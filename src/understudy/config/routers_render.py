"""``RouterFiles`` as native tables. What is written reads back the same; defaults are left out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..vrrp_files import (
    Announcing,
    Notified,
    RouterAddress,
    RouterFiles,
    SyncGroup,
    Track,
    TrackedScript,
    UnicastPeer,
    VirtualRouter,
)
from .keepalived_globals import MULTICAST
from .render import inline, quoted, written_key, written_span, written_texts
from .router_leases import implied
from .router_words import OF, defaults

Words = list[tuple[str, str]]


def render_routers(files: RouterFiles, node: str = "") -> str:
    """The whole of it as TOML. ``node``: the machine, "" where the host name says it."""
    lines = _routing(files, node)
    for router in files.routers:
        lines += _router(router, implied(files, router))
    for group in files.sync_groups:
        lines += _group(group)
    for section, items in (
        ("router_scripts", files.scripts),
        ("router_files", files.files),
        ("router_processes", files.processes),
    ):
        for item in items:
            usual = {"timeout": item.interval} if isinstance(item, TrackedScript) else None
            lines += ["", f"[{section}.{written_key(item.name)}]", *_lines(_words(item, usual))]
    return "\n".join(lines).strip("\n") + "\n"


def _lines(words: Words) -> list[str]:
    return [f"{word} = {value}" for word, value in words]


def _words(item: Any, given: Mapping[str, object] | None = None) -> Words:
    """The settings that differ from their defaults. ``given``: other defaults of this item."""
    usual = {**defaults(type(item)), **(given or {})}
    found: Words = []
    for setting in OF[type(item)]:
        value = getattr(item, setting.field)
        if setting.field in usual and value == usual[setting.field]:
            continue
        found.append((setting.word, _value(setting.kind, value)))
    return found


def _value(kind: str, value: Any) -> str:
    if isinstance(value, Enum):
        return quoted(str(value.value))
    if kind == "flag":
        return "true" if value else "false"
    if kind == "number":
        return str(value)
    if kind == "span":
        return written_span(value)
    if kind == "text":
        return quoted(value)
    if kind == "lines":
        return "[" + ", ".join(written_texts(line) for line in value) + "]"
    return written_texts(value)


def _routing(files: RouterFiles, node: str) -> list[str]:
    words = _words(files.settings)
    if node:
        words.insert(0, ("node", quoted(node)))
    if files.settings.fifos:
        fifos = (
            inline([("path", quoted(path)), *([("program", written_texts(program))] if program else [])])
            for path, program in files.settings.fifos
        )
        words.append(("fifos", f"[{', '.join(fifos)}]"))
    if files.services:
        blocks = ",\n".join(_block(text) for text in files.services)
        words.append(("services", f"[\n{blocks},\n]"))
    # A file without any virtual router must still be known as one of routers.
    return ["[routing]", *_lines(words)] if words or not files.routers else []


def _block(text: str) -> str:
    """A text of several lines, as it is read by people."""
    return '"""\n' + "\n".join(quoted(line)[1:-1] for line in text.split("\n")) + '"""'


def _router(router: VirtualRouter, lease_group: str) -> list[str]:
    usual = usual_of(router)
    if router.lease_group == lease_group:
        usual["lease_group"] = lease_group
    if router.priorities:
        usual["priority"] = router.priority
    lines = ["", f"[virtual_routers.{written_key(router.name)}]", *_lines(_words(router, usual))]
    if router.priorities:
        lines.append(f"priority = {inline([(written_key(name), str(number)) for name, number in router.priorities])}")
    if router.addresses:
        lines += ["addresses = [", *(f"    {_address(item, router.address_device)}," for item in router.addresses), "]"]
    if router.peers:
        lines.append(f"peers = [{', '.join(_peer(peer) for peer in router.peers)}]")
    if router.second_path is not None:
        words = [("device", quoted(router.second_path.device)), ("peers", written_texts(router.second_path.peers))]
        lines.append(f"second_path = {inline(words)}")
    if router.tracks:
        lines.append(f"track = [{', '.join(_track(track) for track in router.tracks)}]")
    if router.virtual_mac is not None:
        lines.append(f"virtual_mac = {inline(_words(router.virtual_mac))}")
    if router.announcing != Announcing():
        lines.append(f"announce = {inline(_words(router.announcing))}")
    return lines + _notified(f"virtual_routers.{written_key(router.name)}", router.notified)


def usual_of(router: VirtualRouter) -> dict[str, object]:
    """What a router has when nothing is written, where that depends on its other settings."""
    advertised = router.advertised
    family = (6 if ":" in advertised[0] else 4) if advertised else 4
    return {
        "family": family,
        "version": 3 if router.family == 6 else 2,
        "begins_as_master": router.priority == 255,
        "accept": not router.strict or router.priority == 255,
        "group": "" if router.peers else MULTICAST[router.family],
        "lower_no_advert": router.strict,
    }


def _address(item: RouterAddress, device: str) -> str:
    text = f"{item.address}/{item.prefix}"
    words = _words(item, {"device": device})
    return inline([("address", quoted(text)), *words]) if words else quoted(text)


def _peer(peer: UnicastPeer) -> str:
    words = _words(peer)
    return inline(words) if len(words) > 1 else quoted(peer.address)


def _track(track: Track) -> str:
    return inline([(track.kind, quoted(track.name)), *_words(track)])


def _notified(section: str, notified: Notified) -> list[str]:
    if notified == Notified():
        return []
    words = _words(notified)
    if notified.users:
        words.append(("users", inline([(word, quoted(user)) for word, user in notified.users])))
    return ["", f"[{section}.notify]", *_lines(words)]


def _group(group: SyncGroup) -> list[str]:
    lines = ["", f"[router_groups.{written_key(group.name)}]", *_lines(_words(group))]
    if group.tracks:
        lines.append(f"track = [{', '.join(_track(track) for track in group.tracks)}]")
    return lines + _notified(f"router_groups.{written_key(group.name)}", group.notified)
