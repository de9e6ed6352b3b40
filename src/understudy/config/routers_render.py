"""``RouterFiles`` as native tables. What is written reads back the same; defaults are left out."""

from __future__ import annotations

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
from . import services_render
from .keepalived_globals import MULTICAST
from .render import inline, quoted, written_key, written_texts
from .router_leases import implied
from .router_words import OF
from .table_writer import lines_of, words_of


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
            lines += ["", f"[{section}.{written_key(item.name)}]", *lines_of(words_of(item, OF[type(item)], usual))]
    text = "\n".join(lines).strip("\n") + "\n" if lines else ""
    if files.services is None:
        return text
    owned = {item.address for router in files.routers for item in router.addresses}
    return "\n".join(part for part in (text, services_render.render(files.services, owned)) if part)


def _routing(files: RouterFiles, node: str) -> list[str]:
    words = words_of(files.settings, OF[type(files.settings)])
    if node:
        words.insert(0, ("node", quoted(node)))
    if files.settings.fifos:
        fifos = (
            inline([("path", quoted(path)), *([("program", written_texts(program))] if program else [])])
            for path, program in files.settings.fifos
        )
        words.append(("fifos", f"[{', '.join(fifos)}]"))
    # A file without any virtual router must still be known as one of routers.
    return ["[routing]", *lines_of(words)] if words or not (files.routers or files.services) else []


def _router(router: VirtualRouter, lease_group: str) -> list[str]:
    usual = usual_of(router)
    if router.lease_group == lease_group:
        usual["lease_group"] = lease_group
    if router.priorities:
        usual["priority"] = router.priority
    lines = ["", f"[virtual_routers.{written_key(router.name)}]", *lines_of(words_of(router, OF[type(router)], usual))]
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
        lines.append(f"virtual_mac = {inline(words_of(router.virtual_mac, OF[type(router.virtual_mac)]))}")
    if router.announcing != Announcing():
        lines.append(f"announce = {inline(words_of(router.announcing, OF[type(router.announcing)]))}")
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
    words = words_of(item, OF[type(item)], {"device": device})
    return inline([("address", quoted(text)), *words]) if words else quoted(text)


def _peer(peer: UnicastPeer) -> str:
    words = words_of(peer, OF[type(peer)])
    return inline(words) if len(words) > 1 else quoted(peer.address)


def _track(track: Track) -> str:
    return inline([(track.kind, quoted(track.name)), *words_of(track, OF[type(track)])])


def _notified(section: str, notified: Notified) -> list[str]:
    if notified == Notified():
        return []
    words = words_of(notified, OF[type(notified)])
    if notified.users:
        words.append(("users", inline([(word, quoted(user)) for word, user in notified.users])))
    return ["", f"[{section}.notify]", *lines_of(words)]


def _group(group: SyncGroup) -> list[str]:
    lines = ["", f"[router_groups.{written_key(group.name)}]", *lines_of(words_of(group, OF[type(group)]))]
    if group.tracks:
        lines.append(f"track = [{', '.join(_track(track) for track in group.tracks)}]")
    return lines + _notified(f"router_groups.{written_key(group.name)}", group.notified)
