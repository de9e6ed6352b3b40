"""``[services.NAME]`` and ``[balancing]`` of a native file to ``ServiceFiles``: what ``services_render`` writes, and people do.

The addresses of services and servers are addresses: names are not looked up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ..service_checks import Check
from ..services import (
    IPIP,
    SCHEDULERS,
    Forward,
    Mailing,
    OnFailure,
    Protocol,
    RealServer,
    ServiceFiles,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnelling,
    VirtualService,
)
from .addresses import Wrong, read_device
from .keepalived_values import address_of
from .report import Report, Scope, one_of, suggestion
from .services_checks import CheckReader, aimed
from .services_words import MOMENTS, OF, SHARED
from .tree import Array, Table, Value

_END = re.compile(r"\[([^\[\]]+)\](?::([0-9]{1,5}))?|([^:\[\]]+)(?::([0-9]{1,5}))?", re.ASCII)
_SCHEDULER = re.compile(r"[a-z0-9_-]{1,16}", re.ASCII)
_ELSEWHERE = {
    "port": 'It belongs to the address: address = "192.0.2.1:80".',
    "virtual": 'Write address = "192.0.2.1:80".',
    "real": 'Write servers = ["192.0.2.11:80"].',
    "checks": "Write check = { ... }, or a list of them.",
    "mark": "Write fwmark = 1.",
    "sorry_server": 'Write fallback = "192.0.2.9:80".',
    "persistent": 'Write persistence, a duration such as "300s".',
    "quiescent": 'Write on_failure = "quiet".',
    "inhibit_on_failure": 'Write on_failure = "quiet".',
    "delay_loop": 'Write every = "6s" in the check.',
    "checkinterval": 'Write every = "10s" in the check.',
    "checktimeout": 'Write timeout = "5s" in the check.',
    "connect_timeout": 'Write timeout = "5s" in the check.',
}


def read_services(report: Report, top: Scope, owners: Mapping[str, str], groups: Collection[str]) -> ServiceFiles:
    """What the file says of services.

    ``owners``: virtual addresses, and the group or virtual router that has each. ``groups``: the names of all of them.
    """
    reader = _Reader(report, owners, groups)
    services = tuple(reader.services(top))
    return ServiceFiles(services, **reader.balancing(top))


def end_of(text: str) -> tuple[str, int | None] | None:
    """``192.0.2.1:80``, ``[2001:db8::1]:80`` or either without a port (None); None for anything else."""
    found = _END.fullmatch(text)
    host, port = (found[1] or found[3], found[2] or found[4]) if found else (text, None)
    address = address_of(host)
    if address is None or "%" in host or (port is not None and int(port) > 65535):
        return None
    return str(address), None if port is None else int(port)


class _Reader(CheckReader):
    def __init__(self, report: Report, owners: Mapping[str, str], groups: Collection[str]) -> None:
        super().__init__(report)
        self._owners, self._groups = owners, groups
        self._taken: dict[ServiceKey, str] = {}

    def services(self, top: Scope) -> list[VirtualService]:
        found = []
        for name, table, place, at in top.tables("services"):
            scope = Scope(self.report, table, f"[services.{name}]", at)
            service = self._service(scope, name)
            scope.finish(elsewhere=_ELSEWHERE)
            if self.is_name(name, place) and service is not None:
                found.append(service)
        return found

    def _service(self, scope: Scope, name: str) -> VirtualService | None:
        said = self.settings(scope, OF[VirtualService])
        keys = self._keys(scope)
        group = self._group(scope, keys)
        shared = self.settings(scope, SHARED)
        tunnelling = self._tunnelling(scope)
        if tunnelling is not None:
            shared["tunnelling"] = tunnelling
        checks = self.checks(scope) or ()
        port = keys[0].port if keys else 0
        servers = [
            server
            for item in self.items(scope, "servers", "servers")
            if (server := self._server(item, port, shared, checks))
        ]
        fallback = scope.value("fallback")
        sorry = None if fallback is None else self._server(fallback, port, shared, ())
        mailing = self._mailing(scope)
        service = VirtualService(name, keys, tuple(servers), group, fallback=sorry, mailing=mailing, **said)
        self._judge(scope, service)
        return service

    # -- what the kernel knows it by ----------------------------------------------------------------------------------

    def _keys(self, scope: Scope) -> tuple[ServiceKey, ...]:
        protocol = scope.choice("protocol", Protocol) or Protocol.TCP
        of = scope.integer("family", 4, 6, 4)
        if of == 5:
            self.report.error(scope.at("family"), '"family" is 4 or 6', "")
            of = 4
        keys = [
            ServiceKey(protocol.value, address, port or 0, 0, 6 if ":" in address else 4)
            for address, port in self._ends(scope, "address")
        ]
        value = scope.value("fwmark")
        for item in [] if value is None else value.data.items if isinstance(value.data, Array) else [value]:
            if isinstance(item.data, bool) or not isinstance(item.data, int) or not 0 < item.data < 2**32:
                self.report.error(item.place, '"fwmark" is a whole number from 1 to 4294967295', "Write fwmark = 1.")
            else:
                keys.append(ServiceKey(mark=item.data, family=of))
        if "address" not in scope and "fwmark" not in scope:
            scope.missing("address", 'Write address = "192.0.2.1:80", or fwmark = 1.')
        if "family" in scope and "fwmark" not in scope:
            self.report.error(scope.at("family"), '"family" is for a fwmark; an address says its own', "Take it away.")
        if "protocol" in scope and "address" not in scope:
            self.report.error(scope.at("protocol"), "packets with a mark are of any protocol", "Take it away.")
        return tuple(keys)

    def _ends(self, scope: Scope, word: str) -> list[tuple[str, int | None]]:
        value = scope.value(word)
        found = []
        for item in [] if value is None else value.data.items if isinstance(value.data, Array) else [value]:
            end = end_of(item.data) if isinstance(item.data, str) else None
            if end is None:
                shown = f'"{item.data}"' if isinstance(item.data, str) else item.kind
                hint = 'Write it as in "192.0.2.1:80" or "[2001:db8::1]:80"; names are not looked up.'
                self.report.error(item.place, f'"{word}" cannot be {shown}', hint)
            else:
                found.append(end)
        if value is not None and isinstance(value.data, Array) and not value.data.items:
            self.report.error(value.place, f'"{word}" is empty', f"Take {word} away, or list addresses.")
        return found

    def _group(self, scope: Scope, keys: tuple[ServiceKey, ...]) -> str:
        """As it is written, or whoever has the address. ``false``: nobody's, whoever has it."""
        value = scope.value("group")
        if value is not None and value.data is False:
            return ""
        text = scope.text("group")
        if text is not None:
            if text not in self._groups:
                hint = suggestion(text, list(self._groups), "There are") or "This file has none: take it away."
                self.report.error(scope.at("group"), f'"{text}" is no group or virtual router of this file', hint)
            return text
        found, owner = owner_of(keys, self._owners)
        if not found and any(key.address for key in keys) and self._groups:
            hint = "Write group = NAME for the group whose holder serves, or group = false for every machine."
            shown = ", ".join(key.address for key in keys if key.address)
            self.report.warning(
                scope.at("address"), f"no group of this file has the address {shown}: it is always served", hint
            )
        elif found and not owner:
            text = "its addresses are in several groups, so every machine serves it always"
            self.report.warning(scope.at("address"), text, "Make a service for each group, or write group = NAME.")
        return owner

    # -- servers ------------------------------------------------------------------------------------------------------

    def _server(
        self, item: Value, port: int, shared: Mapping[str, Any], checks: tuple[Check, ...]
    ) -> RealServer | None:
        said: dict[str, Any] = {}
        own: tuple[Check, ...] | None = None
        text: object = item.data
        place = item.place
        if isinstance(item.data, Table):
            inner = Scope(self.report, item.data, "a server", item.place)
            text, place = inner.text("address"), inner.at("address")
            said = self.settings(inner, OF[RealServer])
            tunnelling = self._tunnelling(inner)
            if tunnelling is not None:
                said["tunnelling"] = tunnelling
            own = self.checks(inner)
            inner.finish(elsewhere=_OF_SERVERS)
        end = end_of(text) if isinstance(text, str) else None
        if end is None:
            hint = 'Write "192.0.2.11:80", or { address = "192.0.2.11:80", weight = 2 }; names are not looked up.'
            self.report.error(place, "a server is an address with its port", hint)
            return None
        address, at = end[0], port if end[1] is None else end[1]
        made = tuple(aimed(check, address, at) for check in (checks if own is None else own))
        server = RealServer(address, at, **{**shared, **said}, checks=made)
        if server.tunnelling != IPIP and server.forward is not Forward.TUNNEL:
            self.report.error(
                place, f'{server.name} has a "tunnel" and is not reached by one', 'Write forward = "tunnel".'
            )
        return server

    def _tunnelling(self, scope: Scope) -> Tunnelling | None:
        """``tunnel = "gre"``, or a table."""
        entry = scope.table.entries.get("tunnel")
        if entry is None or not isinstance(entry.value.data, Table):
            kind = self.settings(scope, (OF[Tunnelling][0].called("tunnel"),))
            made = None if not kind else Tunnelling(**kind)
        else:
            inner = Scope(self.report, entry.value.data, '"tunnel"', entry.value.place)
            scope.value("tunnel")
            made = Tunnelling(**self.settings(inner, OF[Tunnelling]))
            inner.finish()
        if made is not None and (made.kind == "gue") is not bool(made.port):
            self.report.error(scope.at("tunnel"), "a gue tunnel has a port, and the others have none", "")
        return made

    # -- the rest -----------------------------------------------------------------------------------------------------

    def _mailing(self, scope: Scope) -> Mailing:
        inner = self.table(scope, "mailing")
        if inner is None:
            return Mailing()
        said = self.settings(inner, OF[Mailing])
        moments = inner.texts("when", "moments")
        for text, place in moments or ():
            if text not in MOMENTS:
                self.report.error(place, f'"when" cannot be "{text}"', suggestion(text, MOMENTS, "It may be"))
        if moments is not None:
            said["when"] = frozenset(text for text, _ in moments)
        inner.finish()
        return Mailing(**said)

    def balancing(self, top: Scope) -> dict[str, Any]:
        """What concerns all services."""
        scope = self.table(top, "balancing")
        if scope is None:
            return {}
        scope.name = "[balancing]"
        said = self.settings(scope, OF[ServiceFiles])
        inner = self.table(scope, "timeouts")
        if inner is not None:
            said["timeouts"] = Timeouts(**self.settings(inner, OF[Timeouts]))
            inner.finish()
        inner = self.table(scope, "sync")
        if inner is not None:
            words = self.settings(inner, OF[SyncDaemon])
            if "device" not in inner:
                inner.missing("device", "It names the interface by which connections are told.")
            found = read_device(words.get("device", "eth0"))
            if isinstance(found, Wrong):
                self.report.error(inner.at("device"), found.text, found.hint)
            if "router" in words and words["router"] not in self._groups:
                hint = (
                    suggestion(words["router"], list(self._groups), "There are") or "This file has none: take it away."
                )
                self.report.error(inner.at("router"), f'"{words["router"]}" is no group or virtual router', hint)
            inner.finish()
            said["sync"] = SyncDaemon(**{"device": "", **words})
        scope.finish()
        return said

    def _judge(self, scope: Scope, service: VirtualService) -> None:
        """What the settings mean together. Native files are judged, not corrected."""
        report = self.report
        if not _SCHEDULER.fullmatch(service.scheduler):
            report.error(
                scope.at("scheduler"), f'"{service.scheduler}" cannot name a scheduler', 'Write "wlc" or "rr".'
            )
        elif service.scheduler not in (*SCHEDULERS, "random"):
            text = f'no scheduler "{service.scheduler}" is known: a kernel without it refuses the service'
            report.warning(scope.at("scheduler"), text, suggestion(service.scheduler, SCHEDULERS, "IPVS has"))
        for key in service.keys:
            other = self._taken.setdefault(key, service.name)
            if other != service.name or service.keys.count(key) > 1:
                text = f"{key} is the service {other} already" if other != service.name else f"{key} is there twice"
                report.error(scope.at("address" if key.address else "fwmark"), text, "Keep it once.")
            if key.address and not key.port and not service.persistence:
                text = f"{key} has no port: only a service with persistence is for every port"
                report.error(scope.at("address"), text, f'Write address = "{key.address}:80".')
        self._servers_agree(scope, service)
        if any(key.protocol != "udp" for key in service.keys if key.address) and service.one_packet:
            report.error(scope.at("one_packet"), '"one_packet" is for UDP', "Take it away.")
        if service.granularity and not service.persistence:
            report.error(scope.at("granularity"), '"granularity" is about persistence', 'Write persistence = "300s".')
        if service.granularity > 32 and any(key.family == 4 for key in service.keys):
            report.error(scope.at("granularity"), "IPv4 addresses have 32 bits", "Write 32 or less.")
        if service.fallback is None and (service.fallback_quiet or service.drop_without_quorum):
            word = "fallback_quiet" if service.fallback_quiet else "drop_without_quorum"
            report.error(scope.at(word), f'"{word}" is about a fallback, and there is none', 'Write fallback = "...".')
        if not service.reals and service.fallback is None:
            report.warning(scope.place, f"{service.name} has no servers", 'Write servers = ["192.0.2.11:80"].')

    def _servers_agree(self, scope: Scope, service: VirtualService) -> None:
        places = {server.name for server in service.reals}
        if len(places) < len(service.reals):
            names = [server.name for server in service.reals]
            twice = next(name for name in names if names.count(name) > 1)
            self.report.error(scope.at("servers"), f"the server {twice} is there twice", "Give it more weight instead.")
        families = {key.family for key in service.keys}
        for server in (*service.reals, *(() if service.fallback is None else (service.fallback,))):
            of = 6 if ":" in server.address else 4
            if families and server.forward is not Forward.TUNNEL and families != {of}:
                text = f"{server.name} is of the other family than {service.name}: only a tunnel reaches it"
                self.report.error(scope.at("servers"), text, one_of([item.value for item in Forward]))
                return


_OF_SERVERS = {
    "port": 'It belongs to the address: address = "192.0.2.11:80".',
    "checks": "Write check = { ... }, or a list of them.",
    "quiescent": f'Write on_failure = "{OnFailure.QUIET.value}".',
}


def owner_of(keys: Collection[ServiceKey], owners: Mapping[str, str]) -> tuple[bool, str]:
    """Whether anybody has one of the addresses, and who has all of them, "" when they are not one."""
    found = {owners.get(key.address, "") for key in keys if key.address}
    return bool(found - {""}), next(iter(found)) if len(found) == 1 else ""
