"""``vrrp_instance``, keyword by keyword. What the settings mean together is decided in ``keepalived_rules``."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..units import SECOND, Duration
from ..vrrp_files import Notified, Track, UnicastPeer
from .addresses import Address, Wrong, read_device
from .keepalived_address import AddressDraft, read_addresses, read_peers
from .keepalived_globals import LONGEST_WAIT, announced
from .keepalived_track import KINDS, Tracked, read_tracks
from .keepalived_tree import Statement
from .keepalived_values import address, address_of, boolean, choice, command, family, flag, multicast, seconds, whole
from .report import Report
from .tree import Place

_IPVLAN_MODES = ("bridge", "private", "vepa")

NOTIFIED = {
    "notify_master": "master",
    "notify_backup": "backup",
    "notify_fault": "fault",
    "notify_stop": "stop",
    "notify_deleted": "deleted",
    "notify_master_rx_lower_pri": "lower_priority",
    "notify": "any",
}
"""Keywords of scripts, and the field that each fills."""

_FLAGS = {
    "vmac_xmit_base": "xmit_base",
    "dont_track_primary": "untracked",
    "native_ipv6": "native_ipv6",
    "track_src_ip": "tracks_source",
}
_SWITCHES = {
    "skip_check_adv_addr": "skip_check",
    "lower_prio_no_advert": "lower_no_advert",
    "higher_prio_send_advert": "higher_send_advert",
    "strict_mode": "strict",
    "check_unicast_src": "check_source",
    "unicast_fault_no_peer": "fault_without_peer",
}


@dataclass(slots=True)
class InstanceDraft:
    """What an instance says, defaults not filled in. ``places``: where each keyword stands that was understood."""

    name: str
    place: Place
    places: dict[str, Place] = field(default_factory=dict)
    device: str = ""
    vrid: int | None = None
    state: str = ""
    priority: int | None = None
    interval: Duration | None = None
    version: int | None = None
    auth: str = ""
    password: str = field(default="", repr=False)
    addresses: list[AddressDraft] = field(default_factory=list)
    routes: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)
    preempt: bool = True
    preempt_delay: Duration = 0
    notified: dict[str, tuple[str, ...]] = field(default_factory=dict)
    users: list[tuple[str, str]] = field(default_factory=list)
    priority_changes: bool | None = None
    mail: bool | None = None
    source: Address | None = None
    peers: list[tuple[UnicastPeer, Place]] = field(default_factory=list)
    unicast_words: bool = False
    ttl: int = 0
    group: str = ""
    old_checksum: bool = False
    vmac: tuple[str, str] | None = None
    accept: bool | None = None
    announcing: dict[str, int] = field(default_factory=dict)
    down_adverts: int | None = None
    sync_daemon: str = ""
    flags: set[str] = field(default_factory=set)
    switches: dict[str, bool] = field(default_factory=dict)
    family: int | None = None

    def at(self, keyword: str) -> Place:
        return self.places.get(keyword, self.place)

    def notifies(self, mail: bool, priority_changes: bool) -> Notified:
        return Notified(
            **self.notified,  # type: ignore[arg-type]
            mail=mail if self.mail is None else self.mail,
            priority_changes=priority_changes if self.priority_changes is None else self.priority_changes,
            users=tuple(self.users),
        )


def read_instance(report: Report, block: Statement, tracked: Tracked) -> InstanceDraft:
    """All lines of one block."""
    draft = InstanceDraft(block.words[1].text, block.words[1].place)
    reader = _Reader(report, draft, tracked)
    for statement in block.block or ():
        draft.places[statement.name] = statement.place
        reader.read(statement)
    return draft


class _Reader:
    def __init__(self, report: Report, draft: InstanceDraft, tracked: Tracked) -> None:
        self._report = report
        self._draft = draft
        self._tracked = tracked

    def read(self, statement: Statement) -> None:
        name, draft = statement.name, self._draft
        if statement.keyword is not None and not statement.keyword.done and name != "lvs_sync_daemon_interface":
            return
        if name in _FLAGS:
            flag(self._report, statement)
            draft.flags.add(_FLAGS[name])
        elif name in _SWITCHES:
            draft.switches[_SWITCHES[name]] = boolean(self._report, statement, True)
        elif name in NOTIFIED:
            read_notify(self._report, statement, draft.notified, draft.users)
        elif name.startswith("garp_"):
            word, value = announced(self._report, statement, name.removeprefix("garp_"))
            draft.announcing |= {} if value is None else {word: value}
        elif name in KINDS:
            draft.tracks += read_tracks(self._report, statement, self._tracked, draft.name)
        else:
            for read in (self._who, self._when, self._how, self._where):
                if read(statement, name):
                    return

    def _who(self, statement: Statement, name: str) -> bool:
        report, draft, word = self._report, self._draft, statement.value()
        if name == "state" and word is not None:
            draft.state = choice(report, word, ("MASTER", "BACKUP"), "state", "it counts as BACKUP") or "BACKUP"
        elif name in ("interface", "lvs_sync_daemon_interface") and word is not None:
            device = read_device(word.text)
            if isinstance(device, Wrong):
                report.error(word.place, device.text, device.hint)
            elif name == "interface":
                draft.device = device
            else:
                draft.sync_daemon = device
        elif name == "virtual_router_id":
            draft.vrid = whole(report, statement, 1, 255, "it does not count")
        elif name == "priority":
            draft.priority = whole(report, statement, 1, 255, "100 is taken") or 100
        elif name == "version":
            draft.version = whole(report, statement, 2, 3, "it does not count")
        elif name == "authentication":
            self._authentication(statement)
        elif name in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
            draft.addresses += self._fitting(read_addresses(report, statement))
        elif name in ("virtual_routes", "virtual_rules"):
            found = [tuple(item.text for item in line.words) for line in statement.block or ()]
            draft.routes.setdefault(name, []).extend(found)
        else:
            return False
        return True

    def _fitting(self, found: list[AddressDraft]) -> list[AddressDraft]:
        """Those that the instance can have: advertised ones are of one family, that of the first."""
        kept: list[AddressDraft] = []
        for item in found:
            if item.advertised and self._draft.family is None:
                self._draft.family = item.family
            if item.advertised and item.family != self._draft.family:
                text = f"{item.address} is of another family than {self._draft.name}; keepalived leaves it out"
                self._report.warning(
                    item.place, text, "Put it into virtual_ipaddress_excluded, or into an instance of its own."
                )
            elif any(
                other.address == item.address and other.device == item.device
                for other in (*self._draft.addresses, *kept)
            ):
                text = f"{self._draft.name} lists {item.address} twice; the second does not count"
                self._report.warning(item.place, text, "Keep one of them.")
            else:
                kept.append(item)
        return kept

    def _authentication(self, block: Statement) -> None:
        report, draft = self._report, self._draft
        for statement in block.block or ():
            word = statement.value()
            if word is None:
                continue
            if statement.name == "auth_type":
                draft.auth = choice(report, word, ("PASS", "AH"), "auth_type", "there is no authentication") or ""
                continue
            draft.password = word.text
            draft.places["auth_pass"] = word.place
            if len(statement.words) > 2:
                text = "more than one word behind auth_pass: only the first is the password"
                report.warning(statement.words[2].place, text, "Put a password with blanks between double quotes.")

    def _when(self, statement: Statement, name: str) -> bool:
        report, draft = self._report, self._draft
        if name == "advert_int":
            draft.interval = seconds(report, statement, SECOND // 100, 255 * SECOND, "1 is taken") or SECOND
        elif name in ("preempt", "nopreempt"):
            flag(report, statement)
            draft.preempt = name == "preempt"
        elif name == "preempt_delay":
            draft.preempt_delay = seconds(report, statement, 0, LONGEST_WAIT, "there is no delay") or 0
        elif name == "down_timer_adverts":
            draft.down_adverts = whole(report, statement, 1, 100, "it does not count")
        elif name in ("accept", "no_accept"):
            flag(report, statement)
            draft.accept = name == "accept"
        elif name == "notify_priority_changes":
            draft.priority_changes = boolean(report, statement, True)
        elif name == "smtp_alert":
            draft.mail = boolean(report, statement, True)
        else:
            return False
        return True

    def _how(self, statement: Statement, name: str) -> bool:
        report, draft, word = self._report, self._draft, statement.value()
        if name in ("unicast_src_ip", "mcast_src_ip") and word is not None:
            draft.unicast_words |= name == "unicast_src_ip"
            found = address(report, word, "the source", draft.family)
            if found is not None:
                draft.source = found
                draft.family = draft.family or family(found)
        elif name == "unicast_peer":
            peers, checked = read_peers(report, statement, draft.family)
            draft.unicast_words = True
            draft.peers += peers
            if peers and draft.family is None:
                draft.family = 6 if ":" in peers[0][0].address else 4
            if checked:
                draft.switches["check_source"] = True
        elif name == "unicast_ttl":
            draft.unicast_words = True
            draft.ttl = whole(report, statement, 0, 255, "the usual is taken") or 0
        elif name == "mcast_dst_ip" and word is not None:
            found = address(report, word, "the multicast group")
            if found is not None:
                draft.group = multicast(report, word, family(found)) or ""
        elif name == "old_unicast_checksum":
            never = word is not None and word.text == "never"
            if word is not None and not never:
                report.warning(
                    word.place, f'unknown word "{word.text}" behind old_unicast_checksum', 'It may be "never".'
                )
            draft.old_checksum = not never
        else:
            return False
        return True

    def _where(self, statement: Statement, name: str) -> bool:
        report, draft = self._report, self._draft
        if name not in ("use_vmac", "use_ipvlan"):
            return False
        ipvlan = name == "use_ipvlan"
        device = mac = ""
        if ipvlan:
            draft.flags.add("ipvlan")
        for word in statement.words[1:]:
            if ipvlan and (address_of(word.text.partition("/")[0]) is not None or word.text in _IPVLAN_MODES):
                text = f'"{word.text}" behind use_ipvlan has no effect'
                hint = "The device is a bridging one, and advertisements have the address of the interface beneath."
                report.warning(word.place, text, hint if word.text != "bridge" else "")
                continue
            if not ipvlan and word.text.count(":") in (4, 5):
                mac = _mac(report, word.text, word.place)
                continue
            found = read_device(word.text)
            if isinstance(found, Wrong):
                report.error(word.place, found.text, found.hint)
            else:
                device = found
        if device or not ipvlan:
            draft.vmac = (device, mac)
        return True


def _mac(report: Report, text: str, place: Place) -> str:
    parts = text.split(":")
    if not all(len(part) in (1, 2) and all(c in "0123456789abcdefABCDEF" for c in part) for part in parts):
        report.warning(place, f'"{text}" is not a MAC; the usual one of the virtual router is taken', "")
        return ""
    if int(parts[0], 16) & 1:
        report.warning(
            place, f'"{text}" is the MAC of a group, which no interface can have; the usual one is taken', ""
        )
        return ""
    return ":".join(part.lower().rjust(2, "0") for part in parts)  # of five octets: the router's number is the sixth


def read_notify(
    report: Report, statement: Statement, notified: dict[str, tuple[str, ...]], users: list[tuple[str, str]]
) -> None:
    """One ``notify_*`` line. The first of a kind counts, as there."""
    word = NOTIFIED[statement.name]
    if word in notified:
        text = f'"{statement.name}" is given twice; keepalived ignores the later one'
        report.warning(statement.place, text, "Keep one, and call both programs from it.")
        return
    made = command(report, statement, users=True)
    if made is None:
        return
    notified[word] = made[0]
    if made[1]:
        users.append((word, made[1]))
