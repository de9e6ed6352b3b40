"""``virtual_server``, ``virtual_server_group`` and ``real_server`` to ``ServiceFiles``, as 2.2.7 takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any, TypeAlias

from ..service_checks import Check, Tls
from ..services import (
    SCHEDULERS,
    Forward,
    Mailing,
    Notice,
    OnFailure,
    RealServer,
    ServiceFiles,
    ServiceKey,
    VirtualService,
)
from ..units import SECOND, Duration
from ..vrrp_files import RouterFiles, TrackedFile
from .heartbeat_lines import Word
from .keepalived_balancing import Balancing, read_balancing
from .keepalived_checkers import Around, Inherited, inherit, read_checkers
from .keepalived_http import read_tls
from .keepalived_keys import end_of, grouped_keys, method_of
from .keepalived_tree import Statement
from .keepalived_values import boolean, choice, command, decimal, last, whole
from .report import Report
from .services import owner_of
from .services_checks import aimed

_Like: TypeAlias = tuple[tuple[str, ...] | None, int]
_Settings: TypeAlias = tuple[dict[str, Any], tuple[Check, ...]]
"""The fields of a real server, and its checks, not yet aimed."""

BLOCKS = ("virtual_server", "virtual_server_group", "SSL")
_LONGEST = 2_678_400
_USUAL_PERSISTENCE: Duration = 360 * SECOND
_MOST = 2**31 - 1
_FLAGS = {
    "flag-1": "",
    "flag-2": "",
    "flag-3": "",
    "sh-port": "sh",
    "sh-fallback": "sh",
    "mh-port": "mh",
    "mh-fallback": "mh",
}
"""Flags of schedulers, and which of them has each."""


def read_services(report: Report, tree: list[Statement], files: RouterFiles) -> ServiceFiles | None:
    """All of it, None when the file has nothing of it. ``files``: who has the addresses, and whom mails go to."""
    balancing = read_balancing(report, tree, files)
    reader = _Reader(report, balancing, files, read_tls(tree))
    groups = {block.words[1].text: block for block in tree if block.name == "virtual_server_group"}
    found: list[VirtualService] = []
    for block in tree:
        if block.name in ("track_file", "vrrp_track_file") and block.words[1].text in reader.tracked:
            reader.files[block.words[1].text] = reader.tracked[block.words[1].text]
        if block.name == "virtual_server":
            service = reader.service(block, groups)
            found += [] if service is None else [service]
    if not found and balancing.sync is None:
        return None
    return ServiceFiles(
        tuple(found),
        sync=balancing.sync,
        timeouts=balancing.timeouts,
        flush=balancing.flush,
        flush_at_stop=balancing.flush_at_stop,
    )


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a real server has unless it says otherwise."""

    weight: int = 1
    method: Mapping[str, Any] | None = None
    quiet: bool = False


class _Reader:
    def __init__(self, report: Report, balancing: Balancing, files: RouterFiles, tls: Tls) -> None:
        self._report, self._balancing = report, balancing
        self._owners = {item.address: router.name for router in files.routers for item in router.addresses}
        settings = files.settings
        self._mailing = Mailing(settings.mails, settings.mail_from, smtp=settings.mail_server)
        self.tracked = {item.name: item for item in files.files}
        self.files: dict[str, TrackedFile] = {}
        self._around = Around(self.files, tls)
        self._names: set[str] = set()
        self._fixed_port = False
        self._taken: dict[ServiceKey, str] = {}

    def service(self, block: Statement, groups: Mapping[str, Statement]) -> VirtualService | None:
        report, inner = self._report, block.block or []
        persistence = self._persistence(inner)
        keys, what = self._keys(block, inner, groups)
        if not keys:
            return None
        if any(key.address and not key.port for key in keys) and not persistence:
            persistence = _USUAL_PERSISTENCE
            text = "the virtual server has no port, so it is persistent (360 s); keepalived does the same"
            report.warning(block.place, text, "Write persistence_timeout, or the port.")
        said = self._settings(block, keys)
        if not persistence:
            said.pop("granularity", None)
        if said.get("only_when_held") and any(key.mark for key in keys):
            statement = last(inner, "ha_suspend")
            place = block.place if statement is None else statement.place
            text = (
                '"ha_suspend" does not go with a mark, which is no address that could be elsewhere; it does not count'
            )
            report.warning(place, text, "keepalived says so, and goes on.")
            del said["only_when_held"]
        usual = self._usual(block)
        given = inherit(report, inner, Inherited(log_all=self._balancing.log_all), bare=True)
        port, of = keys[0].port, self._family(inner, keys)
        self._fixed_port = len(keys) == 1 and bool(keys[0].address)
        reals = self._reals(inner, port, of, usual, given)
        if not reals:
            report.warning(block.place, "the virtual server has no real_server; keepalived leaves it out", "")
            return None
        sorry = self._sorry(inner, port, of, usual)
        said |= self._quorum(block, said, sum(server.weight for server in reals))
        keys = tuple(key if key.address else replace(key, family=of or 4) for key in keys)
        keys = self._first(block, keys, what)
        if not keys:
            return None
        found, owner = owner_of(keys, self._owners)
        if found and not owner:
            text = f"the addresses of {what} are not all of one instance, so every machine has it in its table always"
            report.warning(
                block.place, text, "As in keepalived. A virtual_server for each instance follows its master."
            )
        return VirtualService(
            self._name(what),
            keys,
            reals,
            owner,
            persistence=persistence,
            fallback=sorry,
            fallback_quiet=sorry is not None and any(item.name == "sorry_server_inhibit" for item in inner),
            drop_without_quorum=sorry is not None,
            mailing=self._mailing if any(server.mail for server in reals) else Mailing(),
            **said,
        )

    def _name(self, what: str) -> str:
        name, number = what, 1
        while name in self._names:
            number += 1
            name = f"{what} ({number})"
        self._names.add(name)
        return name

    # -- what the kernel knows it by ----------------------------------------------------------------------------------

    def _keys(
        self, block: Statement, inner: list[Statement], groups: Mapping[str, Statement]
    ) -> tuple[tuple[ServiceKey, ...], str]:
        """Its keys, () after a warning, and how the service is called."""
        report, first = self._report, block.words[1]
        protocol = self._protocol(block, inner, first.text == "fwmark")
        suffix = "" if protocol == "tcp" else f"/{protocol}"
        if first.text in ("fwmark", "group"):
            if len(block.words) < 3:
                report.warning(first.place, f'"{first.text}" lacks its value; keepalived leaves it out', "")
                return (), ""
            second = block.words[2]
            if first.text == "group":
                group = groups.get(second.text)
                if group is None:
                    text = f"there is no virtual_server_group {second.text}; keepalived leaves the virtual server out"
                    report.warning(second.place, text, "")
                    return (), ""
                return grouped_keys(report, group, protocol), second.text + suffix
            mark = decimal(second.text, 1, 2**32 - 1)
            if mark is None:
                text = f'"{second.text}" is no mark from 1 to 4294967295; the virtual server is left out'
                report.warning(second.place, text, "")
                return (), ""
            return (ServiceKey(mark=mark),), f"fwmark {mark}"
        end = end_of(report, block, "virtual server")
        if end is None:
            return (), ""
        key = ServiceKey(protocol, end[0], end[1] or 0, 0, 6 if ":" in end[0] else 4)
        shown = f"[{key.address}]" if key.family == 6 else key.address
        return (key,), (f"{shown}:{key.port}" if key.port else key.address) + suffix

    def _protocol(self, block: Statement, inner: list[Statement], marked: bool) -> str:
        statement = last(inner, "protocol")
        word = None if statement is None else statement.value()
        if marked:
            if word is not None:
                self._report.warning(word.place, "packets with a mark are of any protocol; it does not count", "")
            return "tcp"
        known = ("TCP", "UDP", "SCTP")
        if word is not None and word.text.upper() in known:
            return word.text.lower()
        if word is not None:
            choice(self._report, word, known, "protocol", "UDP is taken")
        else:
            text = "the virtual server has no protocol (protocol); keepalived takes UDP"
            self._report.warning(block.place, text, "A web server needs protocol TCP.")
        return "udp"

    def _first(self, block: Statement, keys: tuple[ServiceKey, ...], what: str) -> tuple[ServiceKey, ...]:
        """Those that no service before this one has, each once."""
        found = []
        for key in keys:
            if key in self._taken:
                text = f"{key} is of the virtual server {self._taken[key]} already; the second is left out"
                self._report.warning(
                    block.place, text, "The kernel knows one service of each address, port and protocol."
                )
                continue
            self._taken[key] = what
            found.append(key)
        return tuple(found)

    def _family(self, inner: list[Statement], keys: tuple[ServiceKey, ...]) -> int:
        """Of the addresses, else of the first real server that no tunnel reaches; 0 when both may be there."""
        families = {key.family for key in keys if key.address}
        if families:
            return families.pop() if len(families) == 1 else 0
        given = last(inner, "ip_family")
        word = None if given is None else given.value()
        if word is not None:
            found = choice(self._report, word, ("inet", "inet6"), "address family", "it does not count")
            if found is not None:
                return 6 if found == "inet6" else 4
        first = next((item.words[1].text for item in inner if item.name in ("real_server", "sorry_server")), "")
        return 6 if ":" in first else 4

    # -- settings -----------------------------------------------------------------------------------------------------

    def _persistence(self, inner: list[Statement]) -> Duration:
        statement = last(inner, "persistence_timeout")
        if statement is None:
            return 0
        word = statement.value()
        if word is None:
            return _USUAL_PERSISTENCE
        found = decimal(word.text, 1, _LONGEST)
        if found is not None:
            return found * SECOND
        text = f'"persistence_timeout {word.text}" is not from 1 to {_LONGEST} seconds: there is no persistence'
        self._report.warning(word.place, text, "To have none take the line away.")
        return 0

    def _settings(self, block: Statement, keys: tuple[ServiceKey, ...]) -> dict[str, Any]:
        """What has a field of its own."""
        report, inner = self._report, block.block or []
        said: dict[str, Any] = {"scheduler": self._scheduler(block)}
        flags: list[str] = []
        for item in inner:
            name = item.name
            if name in _FLAGS:
                if _FLAGS[name] not in ("", said["scheduler"]):
                    text = f'"{name}" is for the scheduler {_FLAGS[name]}; keepalived ignores it'
                    report.warning(item.place, text, "")
                elif name not in flags:
                    flags.append(name)
            elif name == "ops":
                said["one_packet"] = all(key.protocol == "udp" for key in keys if key.address)
                if not said["one_packet"]:
                    report.warning(item.place, '"ops" is for UDP; keepalived ignores it', "")
            elif name == "hashed":
                said["hashed"] = said["scheduler"] == "sh"
                if not said["hashed"]:
                    report.warning(item.place, '"hashed" is for the scheduler sh; keepalived ignores it', "")
            elif name in ("omega", "ha_suspend"):
                said["down_at_stop" if name == "omega" else "only_when_held"] = True
            elif name == "quorum":
                said["quorum"] = whole(report, item, 1, _MOST, "1 is taken") or 1
            elif name == "hysteresis":
                said["hysteresis"] = whole(report, item, 0, _MOST, "it does not count") or 0
            elif name in ("quorum_up", "quorum_down"):
                said[name] = self._told(item)
            elif name == "persistence_granularity" and (word := item.value()) is not None:
                said["granularity"] = self._granularity(word, keys)
            elif name == "persistence_engine" and (word := item.value()) is not None:
                said["persistence_engine"] = choice(report, word, ("sip",), "persistence engine", "none is taken") or ""
            elif name == "smtp_alert" and boolean(report, item, True):
                text = '"smtp_alert" of a virtual server has no effect: mails tell of real servers'
                report.warning(item.place, text, "quorum_up and quorum_down can send one.")
        return {**said, "flags": tuple(flags)}

    def _quorum(self, block: Statement, said: Mapping[str, Any], weights: int) -> dict[str, int]:
        """A quorum that can be reached, with a hysteresis below it. ``weights``: of all real servers."""
        found = {"quorum": said.get("quorum", 1), "hysteresis": said.get("hysteresis", 0)}
        for name, most, text in (
            ("quorum", max(weights, 1), f"the real servers weigh {weights} together, less than the quorum"),
            ("hysteresis", 0, "the hysteresis is not below the quorum"),
        ):
            most = most or found["quorum"] - 1
            statement = last(block.block or [], name)
            if statement is not None and found[name] > most:
                self._report.warning(
                    statement.place, f"{text} {found['quorum']}; {most} is taken", "keepalived says so, and goes on."
                )
                found[name] = most
        return found

    def _scheduler(self, block: Statement) -> str:
        found = [item for item in block.block or () if item.name in ("lb_algo", "lvs_sched")]
        if not found:
            self._report.warning(block.place, "the virtual server has no scheduler (lb_algo); keepalived takes wlc", "")
        scheduler = "wlc"
        for item in found:
            word = item.value()
            if word is not None:
                scheduler = choice(self._report, word, SCHEDULERS, "scheduler", f"{scheduler} is taken") or scheduler
        return scheduler

    def _granularity(self, word: Word, keys: tuple[ServiceKey, ...]) -> int:
        """A netmask or the length of a prefix."""
        most = 128 if any(key.family == 6 for key in keys if key.address) else 32
        if (found := decimal(word.text, 1, most)) is not None:
            return found
        try:
            length = ip_network(f"0.0.0.0/{word.text}").prefixlen if "." in word.text and most == 32 else 0
        except ValueError:
            length = 0
        if not length:
            text = f'"{word.text}" is no netmask, and no number from 1 to {most}; each client counts for itself'
            self._report.warning(word.place, text, "")
        return length

    def _told(self, item: Statement) -> Notice:
        made = command(self._report, item, users=True)
        return Notice() if made is None else Notice(*made)

    # -- real servers -------------------------------------------------------------------------------------------------

    def _usual(self, block: Statement) -> _Usual:
        report, usual, inner = self._report, _Usual(), block.block or []
        for item in inner:
            if item.name in ("lb_kind", "lvs_method"):
                method = method_of(report, item)
                usual = usual if method is None else replace(usual, method=method)
            elif item.name == "weight":
                usual = replace(usual, weight=self._weight(item, usual.weight))
            elif item.name == "inhibit_on_failure":
                usual = replace(usual, quiet=True)
        if not any(item.name in ("lb_kind", "lvs_method") for item in inner):
            text = "the virtual server has no forwarding method (lb_kind); keepalived takes NAT"
            report.warning(block.place, text, "")
        return usual

    def _weight(self, item: Statement, usual: int) -> int:
        """IPVS takes more, but nobody has servers that differ by more."""
        found = whole(self._report, item, 0, 65535, f"{usual} is taken")
        return usual if found is None else found

    def _reals(
        self, inner: list[Statement], port: int, of: int, usual: _Usual, given: Inherited
    ) -> tuple[RealServer, ...]:
        found: dict[tuple[str, int], RealServer] = {}
        known: dict[_Like, _Settings] = {}
        for item in inner:
            server = self._real(item, port, of, usual, given, known) if item.name == "real_server" else None
            if server is None:
                continue
            if (server.address, server.port) in found:
                text = f"the real server {server.name} is there already; keepalived leaves the second out"
                self._report.warning(item.place, text, "")
                continue
            found[server.address, server.port] = server
        return tuple(found.values())

    def _real(
        self, block: Statement, port: int, of: int, usual: _Usual, given: Inherited, known: dict[_Like, _Settings]
    ) -> RealServer | None:
        """``known``: what servers of this service have, by what stands in their blocks and their family."""
        end = end_of(self._report, block, "real server")
        if end is None:
            return None
        address, at = end[0], end[1] or port
        family = 6 if ":" in address else 4
        like = block.body, family
        settings = known.get(like)
        if settings is None:
            before = len(self._report.problems)
            settings = self._server(block, address, family, of, usual, given)
            if settings is None:
                return None
            if block.body is not None and len(self._report.problems) == before:
                known[like] = settings
        said, unaimed = settings
        checks = tuple([aimed(check, address, at) for check in unaimed])
        at = self._port(block, at, port, said, "the checkers keep theirs")
        return RealServer(address, at, checks=checks, **said)

    def _server(
        self, block: Statement, address: str, family: int, of: int, usual: _Usual, given: Inherited
    ) -> _Settings | None:
        """What a real server has besides its address, None when it is left out."""
        report, inner = self._report, block.block or []
        method, weight, quiet = usual.method or {}, usual.weight, usual.quiet
        said: dict[str, Any] = {"mail": self._balancing.mail}
        for item in inner:
            name = item.name
            if name == "lvs_method":
                method = method_of(report, item) or method
            elif name == "weight":
                weight = self._weight(item, weight)
            elif name == "inhibit_on_failure":
                quiet = boolean(report, item, quiet)
            elif name in ("uthreshold", "lthreshold"):
                field = "upper" if name == "uthreshold" else "lower"
                said[field] = whole(report, item, 0, _MOST, "there is none") or 0
            elif name in ("notify_up", "notify_down"):
                said[name] = self._told(item)
            elif name == "smtp_alert":
                said["mail"] = boolean(report, item, True)
        said["mail"] = said["mail"] and bool(self._mailing.to)
        if of and family != of and method.get("forward") is not Forward.TUNNEL:
            text = f"the real server {address} is of the other family than its virtual server; keepalived leaves it out"
            report.warning(block.place, text, "Only tunnels (lvs_method TUN) reach it.")
            return None
        if said.get("lower", 0) > said.get("upper", 0) and (lower := last(inner, "lthreshold")) is not None:
            text = f"lthreshold {said.pop('lower')} is above uthreshold {said.get('upper', 0)}; it does not count"
            hint = "The kernel refuses such a server, so keepalived never has it in the table."
            report.warning(lower.place, text, hint)
        checks = read_checkers(report, inner, inherit(report, inner, given), self._around, family)
        said |= method
        said["weight"], said["on_failure"] = weight, OnFailure.QUIET if quiet else OnFailure.REMOVE
        said["starts_up"] = all(check.starts_up for check in checks)
        return said, checks

    def _port(self, block: Statement, at: int, port: int, method: Mapping[str, Any], checkers: str = "") -> int:
        """``at``, or ``port``, the virtual server's, where nothing can change it."""
        if not self._fixed_port or at == port or method.get("forward", Forward.NAT) is Forward.NAT:
            return at
        text = f"{at} is not the port of the virtual server, which counts" + f"; {checkers}" * bool(checkers)
        self._report.warning(block.words[2].place, text, "Only NAT changes ports, in keepalived, too.")
        return port

    def _sorry(self, inner: list[Statement], port: int, of: int, usual: _Usual) -> RealServer | None:
        statement = last(inner, "sorry_server")
        if statement is None:
            return None
        end = end_of(self._report, statement, "sorry server")
        if end is None:
            return None
        chosen = last(inner, "sorry_server_lvs_method")
        method = dict(usual.method or {}) if chosen is None else method_of(self._report, chosen) or usual.method or {}
        if of and (6 if ":" in end[0] else 4) != of and method.get("forward") is not Forward.TUNNEL:
            text = f"the sorry server {end[0]} is of the other family than its virtual server; it is left out"
            self._report.warning(statement.place, text, "Only a tunnel reaches it.")
            return None
        at = self._port(statement, end[1] or port, port, method)
        return RealServer(end[0], at, **method, starts_up=True)
