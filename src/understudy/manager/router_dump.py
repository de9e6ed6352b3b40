"""What keepalived writes at SIGUSR1 (data) and SIGUSR2 (statistics), with the same words in the same places.

Tools of others read these files: names and indentation are those of keepalived 2.2.7 as it wrote them. What it has and we have
not is left out; passwords are never written. Plain functions but for ``write_dump``, which touches the disk.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ..adapters.addresses import SeenAddress, SeenLink
from ..core.vrrp.timing import master_down
from ..units import MICROSECOND, SECOND, Duration
from ..vrrp_files import RouterAddress, RouterFiles, SyncGroup, TrackedScript, VirtualRouter
from ..wire.vrrp_packet import VrrpReason

DATA = "keepalived.data"
STATISTICS = "keepalived.stats"

Machine: TypeAlias = tuple[tuple[SeenLink, ...], tuple[SeenAddress, ...]]
"""Devices and addresses, as ``adapters.addresses.links_and_addresses`` tells them."""

States = Mapping[tuple[str, str], tuple[bool, int, str]]
"""What each tracked object has said last: ``router_tracks.Tracks.states``."""

_REFUSED = (
    ("Packet Errors", "Length", (VrrpReason.LENGTH, VrrpReason.TOTAL_LENGTH)),
    ("Packet Errors", "TTL", (VrrpReason.TTL,)),
    ("Packet Errors", "Invalid Type", (VrrpReason.TYPE, VrrpReason.VERSION)),
    ("Packet Errors", "Advertisement Interval", (VrrpReason.INTERVAL,)),
    ("Packet Errors", "Address List", (VrrpReason.COUNT, VrrpReason.ADDRESSES)),
    ("Authentication Errors", "Invalid Type", (VrrpReason.AUTH_UNKNOWN,)),
    ("Authentication Errors", "Type Mismatch", (VrrpReason.AUTH_OTHER,)),
    ("Authentication Errors", "Failure", (VrrpReason.PASSWORD,)),
)
"""Head, name, and what the core counts under it."""


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _seconds(span: Duration) -> str:
    return f"{span / SECOND:g}"


def data_text(
    files: RouterFiles, views: Iterable[Mapping[str, Any]], states: States, machine: Machine = ((), ())
) -> str:
    """The data: what is configured, and how it is now. ``views``: ``virtual_routers`` of the status."""
    known = {view["name"]: view for view in views}
    lines = ["------< Global definitions >------", *_globals(files), "------< VRRP Topology >------"]
    for router in files.routers:
        lines += _router(router, known.get(router.name, {}), files)
    lines += _pool(files)
    if files.sync_groups:
        lines.append("------< VRRP Sync groups >------")
        for group in files.sync_groups:
            lines += _group(group, known)
    lines += _tracked(files, states)
    lines += _interfaces(files, *machine)
    return "\n".join(lines) + "\n"


def _globals(files: RouterFiles) -> Iterator[str]:
    settings = files.settings
    yield f" Router ID = {settings.router_id}"
    if settings.mail_server:
        yield f" Smtp server = {settings.mail_server}"
    if settings.mail_from:
        yield f" Email notification from = {settings.mail_from}"
    yield from (f" Email notification = {address}" for address in settings.mails)
    yield f" Dynamic interfaces = {_yes(settings.dynamic_interfaces)}"
    yield from (f" VRRP notify fifo = {path}" for path, _ in settings.fifos)
    yield from (f" VRRP notify fifo script = {' '.join(command)}" for _, command in settings.fifos if command)
    yield f" FIFO write vrrp states on reload = {_yes(settings.states_on_reload)}"
    yield f" VRRP process priority = {settings.nice}"
    yield f" VRRP realtime priority = {settings.realtime_priority}"
    yield f" Script security {'enabled' if settings.script_security else 'disabled'}"
    yield f" Default script user = {settings.script_user or '(keepalived_script, or root)'}"


def _router(router: VirtualRouter, view: Mapping[str, Any], files: RouterFiles) -> list[str]:
    company = next((group.name for group in files.sync_groups if router.name in group.members), "")
    announcing = router.announcing
    found = [f" VRRP Instance = {router.name}", f"   VRRP Version = {router.version}"]
    found += [f"   Sync group = {company}"] if company else []
    found += [
        f"   State = {view.get('state', 'INIT')}",
        f"   Why = {view.get('why', 'the daemon has not said it yet')}",
        *_master(view),
        f"   Number of interface and track script faults = {len(view.get('faults', ()))}",
        *(f"     {fault}" for fault in view.get("faults", ())),
        *([f"   Last transition = {view['since']}"] if view.get("since") else []),
        f"   Master down timer = {_master_down(router, view)} usecs",
        f"   Interface = {router.device}",
        *([f"   Using src_ip = {router.source}"] if router.source else []),
        *([f"   Multicast address {router.group}"] if router.group and not router.peers else []),
        f"   Gratuitous ARP delay = {_seconds(announcing.delay)}",
        f"   Gratuitous ARP repeat = {announcing.repeat}",
        f"   Gratuitous ARP refresh = {_seconds(announcing.refresh)}",
        f"   Gratuitous ARP refresh repeat = {announcing.refresh_repeat}",
        f"   Gratuitous ARP lower priority delay = {_seconds(announcing.lower_delay)}",
        f"   Gratuitous ARP lower priority repeat = {announcing.lower_repeat}",
        f"   Down timer adverts = {router.down_adverts}",
        f"   Send advert after receive lower priority advert = {_yes(not router.lower_no_advert)}",
        f"   Send advert after receive higher priority advert = {_yes(router.higher_send_advert)}",
        f"   Virtual Router ID = {router.vrid}",
        f"   Priority = {router.priority}",
        f"   Effective priority = {view.get('priority', router.priority)}",
        f"   Total priority = {view.get('priority', router.priority)}",
        f"   Advert interval = {_interval(router)}",
        f"   Accept = {'enabled' if router.accept else 'disabled'}",
        f"   Preempt = {'enabled' if router.preempt else 'disabled'}",
        *([f"   Preempt delay = {_seconds(router.preempt_delay)} secs"] if router.preempt_delay else []),
        *([f"   Authentication type = {_AUTH[router.auth]}"] if router.auth else []),
    ]
    return found + _places(router, view)


def _master(view: Mapping[str, Any]) -> list[str]:
    """Of another machine only."""
    if not view.get("master") or view["state"] == "MASTER":
        return []
    return [f"   Master router = {view['master']}", f"   Master priority = {view['master_priority']}"]


def _master_down(router: VirtualRouter, view: Mapping[str, Any]) -> int:
    """Of our own interval and priority; a backup of version 3 waits by its master's interval, which is to be the same."""
    return master_down(router, view.get("priority", router.priority), router.interval) // MICROSECOND


_AUTH = {"PASS": "SIMPLE_PASSWORD", "AH": "IPSEC_AH"}


def _interval(router: VirtualRouter) -> str:
    whole = router.version == 2
    return f"{router.interval // SECOND} sec" if whole else f"{router.interval * 1000 // SECOND} milli-sec"


def _places(router: VirtualRouter, view: Mapping[str, Any]) -> list[str]:
    here = view.get("state") == "MASTER"
    found = []
    for title, advertised in (("Virtual IP", True), ("Virtual IP Excluded", False)):
        items = [item for item in router.addresses if item.advertised is advertised]
        if items:
            found.append(f"   {title} ({len(items)}):")
            found += [f"     {_address(item)}{' set' if here else ''}" for item in items]
    if router.peers:
        found.append("   Unicast Peer :")
        found += [f"     {peer.address}" for peer in router.peers]
    for title, kind in (
        ("scripts", "script"),
        ("files", "file"),
        ("processes", "process"),
        ("interfaces", "interface"),
    ):
        tracks = [track for track in router.tracks if track.kind == kind]
        if tracks:
            found.append(f"   Tracked {title} :")
            found += [f"     {each.name} weight {each.weight}{' reverse' if each.reverse else ''}" for each in tracks]
    notified = router.notified
    for word, argv in (("Master", notified.master), ("Backup", notified.backup), ("Fault", notified.fault)):
        found += [f"   {word} state transition script = {' '.join(argv)}"] if argv else []
    found += [f"   Stop state transition script = {' '.join(notified.stop)}"] if notified.stop else []
    found += [f"   Generic state transition script = {' '.join(notified.any)}"] if notified.any else []
    found.append(f"   Using smtp notification = {'yes' if notified.mail else 'no'}")
    found.append(f"   Notify priority changes = {_yes(notified.priority_changes)}")
    return found


def _address(item: RouterAddress) -> str:
    words = [f"{item.address}/{item.prefix}", *(["peer", item.peer] if item.peer else []), f"dev {item.device}"]
    words.append(f"scope {item.scope or 'global'}")
    return " ".join(words + ([f"label {item.label}"] if item.label else []))


def _pool(files: RouterFiles) -> Iterator[str]:
    """Virtual routers that share their sockets."""
    pool: dict[tuple[str, int, bool], list[VirtualRouter]] = {}
    for router in files.routers:
        pool.setdefault((router.advert_device, router.family, router.auth == "AH"), []).append(router)
    if pool:
        yield "------< VRRP Sockpool >------"
    for (device, family, signed), routers in pool.items():
        yield f" Interface = {device}"
        yield f"   Family = IPv{family}"
        yield f"   Protocol = {'AH' if signed else 'VRRP'}"
        kinds = ["Unicast" if router.peers else "Multicast" for router in routers]
        yield f"   Type = {' and '.join(dict.fromkeys(sorted(kinds)))}"
        yield "   VRRP instances"
        yield from (f"     {router.name} vrid {router.vrid}" for router in routers)


def _interfaces(files: RouterFiles, links: Iterable[SeenLink], addresses: Iterable[SeenAddress]) -> Iterator[str]:
    """All of the machine, and who tracks them; a virtual router tracks its own unless it says otherwise."""
    own: dict[int, list[bytes]] = {}
    for address in addresses:
        own.setdefault(address.index, []).append(address.packed)
    for number, link in enumerate(links):
        if number == 0:
            yield "------< Interfaces >------"
        yield f" Name = {link.name}"
        yield f"   index = {link.index}"
        for family, size, title in ((socket.AF_INET, 4, "IPv4"), (socket.AF_INET6, 16, "IPv6")):
            texts = [socket.inet_ntop(family, packed) for packed in own.get(link.index, ()) if len(packed) == size]
            yield from (f"   {title} address = {text}" for text in texts or ["(none)"])
        yield from [f"   MAC = {link.mac}"] if link.mac else []
        yield f"   State = {'UP' if link.up else 'not UP'}, {'RUNNING' if link.carrier else 'not RUNNING'}"
        yield f"   MTU = {link.mtu}"
        found = [
            (router, track.weight)
            for router in files.routers
            for track in router.tracks
            if (track.kind, track.name) == ("interface", link.name)
        ]
        found += [(router, 0) for router in files.routers if router.tracks_device and router.device == link.name]
        if found:
            yield "   Tracking VRRP instances :"
        yield from (f"     {router.name}, weight {weight}" for router, weight in found)


def _group(group: SyncGroup, known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    states = {str(known.get(name, {}).get("state", "INIT")) for name in group.members}
    yield f" VRRP Sync Group = {group.name}, {states.pop() if len(states) == 1 else 'INIT'}"
    yield "   VRRP member instances :"
    yield from (f"     {name}" for name in group.members)
    yield f"   Using smtp notification = {'yes' if group.notified.mail else 'no'}"


def _tracked(files: RouterFiles, states: States) -> Iterator[str]:
    if files.scripts:
        yield "------< VRRP Scripts >------"
    for script in files.scripts:
        yield from _script(script, states.get(("script", script.name)))
        yield from _trackers(files, "script", script.name)
    if files.processes:
        yield "------< VRRP Track processes >------"
    for process in files.processes:
        said = states.get(("process", process.name))
        yield f" Track process = {process.name}"
        yield f"   Process = {' '.join(process.process)}"
        yield f"   Quorum = {process.quorum}"
        yield f"   Have quorum = {_yes(said is not None and said[0])}"
        yield f"   Weight = {process.weight}"
        yield from _trackers(files, "process", process.name)
    if files.files:
        yield "------< VRRP Track files >------"
    for file in files.files:
        said = states.get(("file", file.name))
        yield f" Track file = {file.name}"
        yield f"   File = {file.path}"
        yield f"   Status = {said[1] if said is not None else 0}"
        yield f"   Weight = {file.weight}"
        yield from _trackers(files, "file", file.name)


def _script(script: TrackedScript, said: tuple[bool, int, str] | None) -> Iterator[str]:
    yield f" VRRP Script = {script.name}"
    yield f"   Command = '{' '.join(script.command)}'"
    yield f"   Interval = {_seconds(script.interval)} sec"
    yield f"   Timeout = {_seconds(script.timeout)} sec"
    yield f"   Weight = {script.weight}"
    yield f"   Rise = {script.rise}"
    yield f"   Fall = {script.fall}"
    yield f"   Init state = {'failed' if script.begins_failed else 'unknown'}"
    yield f"   Status = {'INIT' if said is None else 'GOOD' if said[0] else 'BAD'}"
    if said is not None and said[2]:
        yield f"   Why = {said[2]}"


def _trackers(files: RouterFiles, kind: str, name: str) -> Iterator[str]:
    found = [(r.name, t) for r in files.routers for t in r.tracks if (t.kind, t.name) == (kind, name)]
    if found:
        yield "   Tracking instances :"
    yield from (f"     {who}, weight {track.weight}" for who, track in found)


def statistics_text(names: Iterable[str], views: Iterable[Mapping[str, Any]]) -> str:
    """What each router has counted since it began; ``names`` in their order."""
    known = {view["name"]: view for view in views}
    return "".join(_statistics(name, known.get(name, {})) for name in names)


def _statistics(name: str, view: Mapping[str, Any]) -> str:
    counted: Mapping[str, int] = view.get("counters", {})
    became = counted.get("became_master", 0)
    lines = [
        f"VRRP Instance: {name}",
        "  Advertisements:",
        f"    Received: {counted.get('heard', 0)}",
        f"    Sent: {counted.get('sent', 0)}",
        f"  Became master: {became}",
        f"  Released master: {max(became - (view.get('state') == 'MASTER'), 0)}",
    ]
    head = ""
    for group, title, reasons in _REFUSED:
        lines += [] if group == head else [f"  {group}:"]
        head = group
        lines.append(f"    {title}: {sum(counted.get(f'refused_{reason}', 0) for reason in reasons)}")
    lines += [
        "  Priority Zero:",
        f"    Received: {counted.get('goodbyes_heard', 0)}",
        f"    Sent: {counted.get('goodbyes_sent', 0)}",
    ]
    return "\n".join(lines) + "\n"


def write_dump(path: str, text: str) -> str:
    """Write ``path`` anew, readable for its owner alone; what is wrong, or "".

    Safe in a folder that everybody may write: no symbolic link is followed, and what is there must be a plain file of our own
    with this one name, so that nobody has us write into another one.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        return f"{path} is not written: {error.strerror}"
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_nlink != 1:
            return f"{path} is not written: what is there is not a plain file of this daemon's user"
        os.ftruncate(descriptor, 0)
        view = memoryview(text.encode("utf-8", "surrogateescape"))
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        return f"{path} is not written: {error.strerror}"
    finally:
        os.close(descriptor)
    return ""
