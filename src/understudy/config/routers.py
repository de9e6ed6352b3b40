"""The native tables of virtual routers to ``RouterFiles``: what ``routers_render`` writes, and what people write by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..units import MILLISECOND, SECOND, format_duration
from ..vrrp_files import (
    Announcing,
    Checksum,
    Notified,
    RouterAddress,
    RouterFiles,
    RouterGlobals,
    SecondPath,
    SyncGroup,
    Track,
    TrackedFile,
    TrackedProcess,
    TrackedScript,
    UnicastPeer,
    VirtualMac,
    VirtualRouter,
)
from .addresses import Wrong, read_device
from .keepalived_address import prefix_of
from .keepalived_globals import MULTICAST
from .keepalived_values import address_of, family
from .report import Report, Scope, suggestion
from .router_address import wrong_word
from .router_tables import TABLES
from .router_words import ADDRESS, OF
from .table_reader import TableReader
from .tree import Place, Table

KINDS = ("interface", "script", "file", "process")
LONGEST_V3 = 40_950 * MILLISECOND


@dataclass(slots=True)
class Routers:
    """What was read. ``node``: the machine, "" where the host name says it. ``place``: of the first table."""

    files: RouterFiles
    node: str
    place: Place


def read_routers(report: Report, top: Scope) -> Routers:
    """The tables of virtual routers; the file has one of them at least."""
    reader = _Reader(report)
    settings, node = reader.routing(top)
    scripts = tuple(reader.named(top, "router_scripts", TrackedScript, ("command",)))
    files = tuple(reader.named(top, "router_files", TrackedFile, ("path",)))
    processes = tuple(reader.named(top, "router_processes", TrackedProcess, ("process",)))
    reader.known = {
        "script": [item.name for item in scripts],
        "file": [item.name for item in files],
        "process": [item.name for item in processes],
    }
    routers = tuple(reader.routers(top))
    groups = tuple(reader.groups(top, [router.name for router in routers]))
    made = RouterFiles(routers, groups, scripts, files, processes, settings)
    return Routers(made, node, top.at(next((word for word in TABLES if word in top), "services")))


class _Reader(TableReader):
    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.known: dict[str, list[str]] = {}

    def _inner(self, scope: Scope, word: str, kind: type) -> Any:
        """A table that is one field, None when it is not there."""
        inner = self.table(scope, word)
        if inner is None:
            return None
        said = self.settings(inner, OF[kind])
        if kind is Notified:
            users = self.table(inner, "users")
            words = [setting.word for setting in OF[Notified] if setting.kind == "argv"]
            if users is not None:
                said["users"] = tuple(
                    (each, who) for each in users.table.entries if each in words and (who := users.text(each))
                )
                users.finish()
        inner.finish()
        return said

    # -- tables -------------------------------------------------------------------------------------------------------

    def routing(self, top: Scope) -> tuple[RouterGlobals, str]:
        scope = self.table(top, "routing")
        if scope is None:
            return RouterGlobals(), ""
        scope.name = "[routing]"
        said = self.settings(scope, OF[RouterGlobals])
        node = scope.text("node") or ""
        fifos = []
        for item in self.items(scope, "fifos", "tables"):
            inner = self.inline(item, "a FIFO", "path")
            if inner is None:
                continue
            path, program = inner.text("path"), inner.texts("program", "words")
            inner.finish()
            if path is None:
                continue
            fifos.append((path, tuple(text for text, _ in program or ())))
        scope.finish()
        return RouterGlobals(**said, fifos=tuple(fifos)), node

    def named(self, top: Scope, section: str, kind: type, needed: tuple[str, ...]) -> list[Any]:
        """The tables of one kind of tracked things."""
        found = []
        for name, table, place, at in top.tables(section):
            scope = Scope(self.report, table, f"[{section}.{name}]", at)
            said = self.settings(scope, OF[kind])
            scope.finish()
            missing = [word for word in needed if word not in scope]
            for word in missing:
                scope.missing(word, "Without it there is nothing to look at.")
            if missing or any(setting.field not in said for setting in OF[kind] if setting.word in needed):
                continue
            if not self.is_name(name, place):
                continue
            if kind is TrackedScript:
                said.setdefault("timeout", said.get("interval", SECOND))
            found.append(kind(name, **said))
        return found

    def _tracks(self, scope: Scope) -> tuple[Track, ...]:
        found: list[Track] = []
        for item in self.items(scope, "track", "tables"):
            inner = self.inline(item, "what is tracked", "interface")
            if inner is None:
                continue
            given = [(kind, text) for kind in KINDS if (text := inner.text(kind)) is not None]
            said = self.settings(inner, OF[Track])
            inner.finish()
            if len(given) != 1:
                hint = 'Write { script = "NAME" }, or interface, file, process.'
                self.report.error(item.place, "one thing at a time is tracked", hint)
                continue
            kind, name = given[0]
            if kind != "interface" and name not in self.known.get(kind, []):
                text = f'the {kind} "{name}" is not there'
                self.report.error(inner.at(kind), text, suggestion(name, self.known.get(kind, []), "There are"))
                continue
            found.append(Track(kind, name, **said))
        return tuple(found)

    # -- virtual routers ----------------------------------------------------------------------------------------------

    def routers(self, top: Scope) -> list[VirtualRouter]:
        found = []
        for name, table, place, at in top.tables("virtual_routers"):
            scope = Scope(self.report, table, f"[virtual_routers.{name}]", at)
            before = len(self.report.problems)
            router = self._router(scope, name)
            scope.finish()
            if router is not None and self.is_name(name, place):
                found.append(router)
                if len(self.report.problems) == before:
                    self._judge(scope, router)
        self._together(found, top)
        return found

    def _router(self, scope: Scope, name: str) -> VirtualRouter | None:
        priorities = self._priorities(scope)
        settings = [each for each in OF[VirtualRouter] if not priorities or each.field != "priority"]
        said = self.settings(scope, settings)
        if priorities:
            said["priority"] = max(priorities.values())
        for word, hint in (
            ("device", "It names the network interface."),
            ("id", "The virtual router's number, 1 to 255."),
        ):
            if word not in scope:
                scope.missing(word, hint)
        peers = self._peers(scope)
        tracks = self._tracks(scope)
        second = self._second_path(scope)
        mac = self._inner(scope, "virtual_mac", VirtualMac)
        announce = self._inner(scope, "announce", Announcing)
        notify = self._inner(scope, "notify", Notified)
        if mac is not None and "name" not in mac:
            self.report.error(scope.at("virtual_mac"), 'a virtual_mac needs "name", that of the device it makes', "")
            mac = None
        device = said.get("device", "")
        addresses = self._addresses(scope, device if mac is None else mac["name"])
        if not device or "vrid" not in said:
            return None
        advertised = next((item.address for item in addresses if item.advertised), "")
        of = said.get("family", 6 if ":" in advertised else 4)
        strict, priority = said.get("strict", False), said.get("priority", 100)
        usual = {
            "family": of,
            "version": 3 if of == 6 else 2,
            "begins_as_master": priority == 255,
            "accept": not strict or priority == 255,
            "group": "" if peers else MULTICAST.get(of, ""),
            "lower_no_advert": strict,
        }
        if "checksum" in said:
            said["checksum"] = Checksum(said["checksum"])
        return VirtualRouter(
            name=name,
            addresses=addresses,
            peers=peers,
            tracks=tracks,
            virtual_mac=None if mac is None else VirtualMac(**mac),
            announcing=Announcing(**(announce or {})),
            notified=Notified(**(notify or {})),
            priorities=tuple(priorities.items()),
            second_path=second,
            **{**usual, **said},
        )

    def _second_path(self, scope: Scope) -> SecondPath | None:
        inner = self.table(scope, "second_path")
        if inner is None:
            return None
        device, peers = inner.text("device"), inner.texts("peers", "addresses") or []
        inner.finish()
        found = [str(address) for text, _ in peers if (address := address_of(text)) is not None]
        wrong = None if device is None else read_device(device)
        if device is None or isinstance(wrong, Wrong) or not found or len(found) != len(peers):
            hint = 'Write second_path = { device = "eth1", peers = ["192.168.107.102"] }.'
            self.report.error(
                scope.at("second_path"), "a second path needs a device and the addresses of the others", hint
            )
            return None
        return SecondPath(device, tuple(found))

    def _priorities(self, scope: Scope) -> dict[str, int]:
        """Of each node its own, {} where one number is for all."""
        value = scope.table.entries.get("priority")
        if value is None or not isinstance(value.value.data, Table):
            return {}
        inner = self.table(scope, "priority")
        found = {} if inner is None else {name: inner.integer(name, 1, 255, 0) for name in inner.table.entries}
        if not found:
            self.report.error(scope.at("priority"), "no node has a priority here", "Write { ha01 = 150, ha02 = 100 }.")
        return {name: number for name, number in found.items() if number}

    def _addresses(self, scope: Scope, device: str) -> tuple[RouterAddress, ...]:
        found: list[RouterAddress] = []
        for item in self.items(scope, "addresses", "addresses"):
            said: dict[str, Any] = {}
            text = item.data if isinstance(item.data, str) else None
            if isinstance(item.data, Table):
                inner = Scope(self.report, item.data, "a virtual address", item.place)
                text = inner.text("address")
                said = self.settings(inner, ADDRESS)
                inner.finish()
            body, slash, length = (text or "").partition("/")
            address = address_of(body)
            prefix = None if address is None or not slash else prefix_of(length, family(address))
            if address is None or prefix is None:
                hint = 'Write "10.0.0.5/24", or { address = "10.0.0.5/24", device = "eth0" }.'
                self.report.error(item.place, "this is no address with a prefix length", hint)
                continue
            made = RouterAddress(str(address), prefix, **{"device": device, **said})
            text, hint = wrong_word(made)
            if text:
                self.report.error(item.place, text, hint)
            found.append(made)
        return tuple(found)

    def _peers(self, scope: Scope) -> tuple[UnicastPeer, ...]:
        found: list[UnicastPeer] = []
        for item in self.items(scope, "peers", "addresses"):
            said: dict[str, Any] = {"address": item.data}
            if isinstance(item.data, Table):
                inner = Scope(self.report, item.data, "a unicast peer", item.place)
                said = self.settings(inner, OF[UnicastPeer])
                inner.finish()
            address = address_of(said["address"]) if isinstance(said.get("address"), str) else None
            if address is None:
                self.report.error(item.place, "a unicast peer is an address", 'Write "10.0.0.2".')
                continue
            found.append(UnicastPeer(**{**said, "address": str(address)}))
        return tuple(found)

    def _judge(self, scope: Scope, router: VirtualRouter) -> None:
        """What the settings mean together. Native files are judged, not corrected."""
        report, name = self.report, router.name
        step, longest = (SECOND, 255 * SECOND) if router.version == 2 else (10 * MILLISECOND, LONGEST_V3)
        if router.interval % step or not step <= router.interval <= longest:
            text = f"interval {format_duration(router.interval)}: version {router.version} has steps of {format_duration(step)}"
            report.error(scope.at("interval"), text, f"It may be at most {format_duration(longest)}.")
        if router.family not in (4, 6):
            report.error(scope.at("family"), '"family" is 4 or 6', "")
        for item in router.addresses:
            if item.advertised and (":" in item.address) is not (router.family == 6):
                hint = "Write advertised = false for it, or give it to a router of its own."
                report.error(scope.at("addresses"), f"{item.address} is not of the family of {name}", hint)
        for word, text in (("source", router.source), ("multicast", router.group)):
            address = address_of(text) if text else None
            if text and (
                address is None or family(address) != router.family or address.is_multicast is not (word == "multicast")
            ):
                report.error(scope.at(word), f'"{word}" is not right for IPv{router.family}', "")
        second = () if router.second_path is None else router.second_path.peers
        if any((":" in address) is not (router.family == 6) for address in second):
            report.error(scope.at("second_path"), f"a peer is not of the family of {name}, IPv{router.family}", "")
        if router.second_path is not None and router.second_path.device == router.device:
            report.error(
                scope.at("second_path"), f"a second path by {router.device} fails with the first", "Name another."
            )
        if router.auth and (router.version == 3 or router.family == 6 or router.strict):
            report.error(
                scope.at("authentication"), "there is no authentication in version 3, IPv6 and strict mode", ""
            )
        if bool(router.auth) is not bool(router.password):
            report.error(scope.at("authentication"), '"authentication" and "password" belong together', "")
        if len(router.password.encode("utf-8", "replace")) > 8:
            report.error(
                scope.at("password"), "the password is longer than 8 characters, which is all that is sent", ""
            )
        if not router.preempt and (router.priority == 255 or router.preempt_delay):
            report.error(scope.at("preempt"), "preempt = false does not go with priority 255 or a preempt_delay", "")
        if not router.advertised:
            tell = report.error if router.version == 3 else report.warning
            tell(scope.place, f"{name} advertises no address", "List them: addresses = [ ... ].")
        if sum(1 for item in router.addresses if item.advertised) > 255:
            report.error(scope.at("addresses"), f"{name} has more than the 255 addresses of an advertisement", "")
        devices = [router.device, *(item.device for item in router.addresses)]
        devices += [track.name for track in router.tracks if track.kind == "interface"]
        for device in dict.fromkeys(devices):
            found = read_device(device)
            if isinstance(found, Wrong):
                report.error(scope.at("device"), found.text, found.hint)

    def _together(self, routers: list[VirtualRouter], top: Scope) -> None:
        numbers: dict[tuple[str, int, int], list[VirtualRouter]] = {}
        owners: dict[str, tuple[str, str]] = {}
        for one in routers:
            for other in numbers.setdefault((one.device, one.family, one.vrid), []):
                mine, theirs = ({peer.address for peer in each.peers} for each in (one, other))
                if not mine or not theirs or mine & theirs:
                    text = f"{one.name} and {other.name} both have the id {one.vrid} on {one.device}"
                    self.report.error(top.at("virtual_routers"), text, "Give one of them another, on every router.")
            numbers[one.device, one.family, one.vrid].append(one)
            for item in one.addresses:
                owner, device = owners.setdefault(item.address, (one.name, item.device))
                if owner != one.name:
                    text = f"the address {item.address} is in two virtual routers, {owner} and {one.name}"
                    hint = "Two machines could answer for it: keep it in one."
                    if device != item.device:
                        text += f", on {device} and {item.device}"
                        hint = "The kernel's lease knows an address whatever its device: give each one of its own."
                    self.report.error(top.at("virtual_routers"), text, hint)

    def groups(self, top: Scope, routers: list[str]) -> list[SyncGroup]:
        found: list[SyncGroup] = []
        taken: dict[str, str] = {}
        for name, table, place, at in top.tables("router_groups"):
            scope = Scope(self.report, table, f"[router_groups.{name}]", at)
            said = self.settings(scope, OF[SyncGroup])
            tracks = self._tracks(scope)
            notify = self._inner(scope, "notify", Notified)
            scope.finish()
            members = said.pop("members", ())
            if not members:
                scope.missing("members", "They name virtual routers.")
            for member in members:
                if member not in routers:
                    hint = suggestion(member, routers, "There are")
                    self.report.error(scope.at("members"), f'"{member}" is no virtual router', hint)
                elif taken.setdefault(member, name) != name or members.count(member) > 1:
                    text = f"{member} is in the group {taken[member]} already"
                    self.report.error(scope.at("members"), text, "It can be in one group only.")
            if self.is_name(name, place):
                found.append(SyncGroup(name, members, tracks, notified=Notified(**(notify or {})), **said))
        return found
