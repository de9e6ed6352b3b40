"""What the settings of instances and groups mean together: keepalived's defaults, its corrections, and what makes it exit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..units import MILLISECOND, SECOND, Duration, format_duration
from ..vrrp_files import Announcing, Checksum, RouterAddress, VirtualMac, VirtualRouter
from .addresses import Wrong, read_device
from .keepalived_globals import Defaults
from .keepalived_instance import InstanceDraft
from .report import Report
from .tree import Place

LONGEST_V2: Duration = 255 * SECOND
LONGEST_V3: Duration = 40_950 * MILLISECOND
MOST_ADDRESSES = 255
"""The number of addresses is one byte of the advertisement."""
LONGEST_PASSWORD = 8


@dataclass(slots=True)
class RouterDraft:
    """A finished virtual router and where it stands."""

    router: VirtualRouter
    draft: InstanceDraft


def finish_instance(report: Report, draft: InstanceDraft, defaults: Defaults) -> RouterDraft | None:
    """The virtual router with every default, or None after an error."""
    judge = _Judge(report, draft, defaults)
    before = sum(1 for problem in report.problems if problem.severity == "error")
    router = judge.router()
    if sum(1 for problem in report.problems if problem.severity == "error") > before or router is None:
        return None
    return RouterDraft(router, draft)


class _Judge:
    """One instance. The order of the corrections is that of keepalived: version, strictness, priority, the rest."""

    def __init__(self, report: Report, draft: InstanceDraft, defaults: Defaults) -> None:
        self._report = report
        self._draft = draft
        self._defaults = defaults
        self._family = draft.family or (6 if "native_ipv6" in draft.flags else 4)
        self._version = draft.version or (3 if self._family == 6 else defaults.version)
        self._strict = draft.switches.get("strict", defaults.strict)

    def router(self) -> VirtualRouter | None:
        draft, defaults, report = self._draft, self._defaults, self._report
        device = draft.device or defaults.device
        if not device:
            report.error(
                draft.place, f"{draft.name} has no interface", "keepalived does not start. Write interface NAME."
            )
        if draft.vrid is None:
            hint = "keepalived does not start without it. Write a number from 1 to 255 that no other router there has."
            report.error(draft.place, f"{draft.name} has no virtual_router_id", hint)
        if not device or draft.vrid is None:
            return None
        peers = self._peers()
        priority, master = self._priority()
        preempt, delay = self._preempting(priority, master)
        auth, password = self._authentication()
        vmac = self._virtual_mac(draft.vrid)
        addresses = self._addresses(device if vmac is None else vmac.name)
        group = draft.group or defaults.groups[self._family]
        down = self._down_adverts()
        return VirtualRouter(
            name=draft.name,
            device=device,
            vrid=draft.vrid,
            addresses=addresses,
            family=self._family,
            version=self._version,
            priority=priority,
            begins_as_master=master,
            interval=self._interval(),
            auth=auth,
            password=password,
            preempt=preempt,
            preempt_delay=delay,
            accept=self._accept(priority),
            strict=self._strict,
            source="" if draft.source is None else str(draft.source),
            peers=peers,
            ttl=draft.ttl,
            group="" if peers else group,
            check_source=draft.switches.get("check_source", defaults.check_source) and bool(peers),
            fault_without_peer=draft.switches.get("fault_without_peer", False) and draft.unicast_words and not peers,
            virtual_mac=vmac,
            announcing=self._announcing(),
            tracks=tuple(draft.tracks),
            tracks_device="untracked" not in draft.flags,
            tracks_source="tracks_source" in draft.flags and draft.source is not None,
            checksum=self._checksum(bool(peers)),
            skip_check_addresses=draft.switches.get("skip_check", defaults.skip_check),
            lower_no_advert=self._strict or draft.switches.get("lower_no_advert", defaults.lower_no_advert),
            higher_send_advert=draft.switches.get("higher_send_advert", defaults.higher_send_advert),
            down_adverts=down,
            startup_delay=defaults.startup_delay,
            routes=tuple(draft.routes.get("virtual_routes", ())),
            rules=tuple(draft.routes.get("virtual_rules", ())),
            notified=draft.notifies(defaults.mail, defaults.priority_changes),
            sync_daemon=draft.sync_daemon,
        )

    # -- what is corrected --------------------------------------------------------------------------------------------

    def _down_adverts(self) -> int:
        draft, report = self._draft, self._report
        if "tracks_source" in draft.flags and draft.source is None:
            report.warning(draft.at("track_src_ip"), "track_src_ip without a source address does not count", "")
        down = draft.down_adverts or self._defaults.down_adverts
        if self._strict and down != 3:
            report.warning(draft.at("down_timer_adverts"), f"{draft.name} is strict: three intervals are death", "")
            return 3
        return down

    def _interval(self) -> Duration:
        given = SECOND if self._draft.interval is None else self._draft.interval
        step, longest = (SECOND, LONGEST_V2) if self._version == 2 else (10 * MILLISECOND, LONGEST_V3)
        taken = min(max((given + step // 2) // step * step, step), longest)
        if taken != given:
            unit = "whole seconds" if self._version == 2 else "hundredths of a second, at most 40.95"
            text = f"advert_int {format_duration(given)}: version {self._version} has {unit}; {format_duration(taken)} is taken"
            hint = 'Shorter intervals need "version 3" on every router of the group.' if given < SECOND else ""
            self._report.warning(self._draft.at("advert_int"), text, hint)
        return taken

    def _priority(self) -> tuple[int, bool]:
        """The base priority, and whether it begins as master."""
        draft, report = self._draft, self._report
        priority = draft.priority
        if priority is None:
            priority = 255 if draft.state == "MASTER" else 100
            if draft.state == "MASTER":
                text = f"{draft.name} has state MASTER and no priority: it is 255, that of the address owner"
                hint = "Tracking never lowers that, and two owners fight. Write the priority that it should have."
                report.warning(draft.at("state"), text, hint)
        master = draft.state == "MASTER" or (priority == 255 and not draft.state)
        if self._strict and draft.state == "MASTER" and priority != 255:
            text = f"{draft.name} is strict: only priority 255 begins as master, so it begins as BACKUP"
            report.warning(draft.at("state"), text, "")
            master = False
        return priority, master

    def _preempting(self, priority: int, master: bool) -> tuple[bool, Duration]:
        draft, report = self._draft, self._report
        preempt, delay = draft.preempt, draft.preempt_delay
        if not preempt and (draft.state == "MASTER" or priority == 255):
            what = "initial state MASTER" if draft.state == "MASTER" else "priority 255"
            text = f"nopreempt does not go with {what}; keepalived drops it, and {draft.name} does preempt"
            report.warning(draft.at("nopreempt"), text, "Write state BACKUP on every router; the priority decides.")
            preempt = True
        if delay and (self._strict or priority == 255):
            text = f"preempt_delay does not go with {'strict mode' if self._strict else 'priority 255'}; there is none"
            report.warning(draft.at("preempt_delay"), text, "")
            delay = 0
        if delay and not preempt:
            report.warning(draft.at("preempt_delay"), "preempt_delay does not go with nopreempt; there is none", "")
            delay = 0
        return preempt, delay

    def _authentication(self) -> tuple[str, str]:
        draft, report = self._draft, self._report
        if not draft.auth:
            if draft.password:
                report.warning(draft.at("auth_pass"), "auth_pass without auth_type: there is no authentication", "")
            return "", ""
        if self._version == 3 or self._strict or self._family == 6:
            why = "strict mode has" if self._strict else "version 3 has" if self._version == 3 else "IPv6 has"
            hint = "Anybody on that network can send advertisements: keep it to the routers."
            report.warning(draft.at("authentication"), f"{why} no authentication; keepalived ignores it", hint)
            return "", ""
        if not draft.password:
            report.warning(draft.at("authentication"), "auth_type without auth_pass: there is no authentication", "")
            return "", ""
        data = draft.password.encode("utf-8", "surrogatepass")
        if len(data) > LONGEST_PASSWORD:
            text = f"the password is longer than {LONGEST_PASSWORD} characters; only the first {LONGEST_PASSWORD} count"
            report.warning(draft.at("auth_pass"), text, "keepalived cuts it, too. What is behind adds no safety.")
            try:
                return draft.auth, data[:LONGEST_PASSWORD].decode()
            except UnicodeDecodeError:
                report.error(
                    draft.at("auth_pass"), "the cut falls into the middle of a character", "Write eight plain letters."
                )
        return draft.auth, draft.password

    def _accept(self, priority: int) -> bool:
        draft = self._draft
        if self._strict and self._version == 2 and draft.accept:
            self._report.warning(draft.at("accept"), "strict mode of version 2 has no accept; it does not count", "")
            return priority == 255
        if draft.accept is not None:
            return draft.accept
        return not self._strict or priority == 255

    def _announcing(self) -> Announcing:
        draft, defaults = self._draft, self._defaults
        common = defaults.announcing
        lower = {
            "lower_repeat": common.repeat if defaults.lower_repeat is None else defaults.lower_repeat,
            "lower_delay": common.delay if defaults.lower_delay is None else defaults.lower_delay,
        }
        made = replace(common, **{**lower, **draft.announcing})
        if self._strict:
            # keepalived's strict mode has lower_repeat 0 besides, and the clients of a winner stay with the loser. No RFC asks
            # for that: who wants it writes garp_lower_prio_repeat 0.
            word = "garp_lower_prio_delay"
            if word in draft.places and draft.announcing.get("lower_delay"):
                self._report.warning(draft.at(word), f"strict mode sends none of {word}; it is 0", "")
            made = replace(made, lower_delay=0)
        return made

    # -- what belongs together ----------------------------------------------------------------------------------------

    def _addresses(self, device: str) -> tuple[RouterAddress, ...]:
        draft, report = self._draft, self._report
        found = tuple(item.finished(device) for item in draft.addresses)
        advertised = [item for item in draft.addresses if item.advertised]
        if not advertised:
            if self._version == 3 or self._strict:
                text = f"{draft.name} has no virtual address, and {'strict mode' if self._strict else 'version 3'} needs one"
                report.error(draft.place, text, "keepalived does not start. Write virtual_ipaddress { ADDRESS }.")
            else:
                report.warning(
                    draft.place, f"{draft.name} advertises no address", "Others cannot compare what they have."
                )
        if len(advertised) > MOST_ADDRESSES:
            text = f"{draft.name} has {len(advertised)} addresses, and an advertisement holds {MOST_ADDRESSES}"
            hint = "Put the others into virtual_ipaddress_excluded on every router."
            report.error(advertised[MOST_ADDRESSES].place, text, hint)
        if advertised and self._family == 6 and not advertised[0].address.lower().startswith("fe8"):
            text = f"the first address of {draft.name} is not link-local"
            hint = "RFC 9568 section 5.2.9 wants the link-local address of the virtual router first."
            tell = report.error if self._strict else report.warning
            tell(advertised[0].place, text, hint)
        return found

    def _peers(self) -> tuple:  # type: ignore[type-arg]
        draft, report = self._draft, self._report
        peers = []
        for peer, place in draft.peers:
            if (":" in peer.address) is (self._family == 6):
                peers.append(peer)
            else:
                text = f"the unicast peer {peer.address} is of another family than {draft.name}; it is left out"
                report.warning(place, text, "")
        own = "" if draft.source is None else str(draft.source)
        for peer in peers:
            if peer.address == own:
                report.warning(
                    draft.at("unicast_peer"), f"{own} is {draft.name}'s own source, not a peer", "Take it away."
                )
        if draft.unicast_words and not peers:
            text = f"{draft.name} has words of unicast and no unicast_peer: it speaks to the multicast group"
            if draft.switches.get("fault_without_peer"):
                text = f"{draft.name} has no unicast_peer, and unicast_fault_no_peer: it stays in FAULT"
            word = next(name for name in ("unicast_src_ip", "unicast_ttl", "unicast_peer") if name in draft.places)
            report.warning(draft.at(word), text, "Write unicast_peer { ADDRESS }, or mcast_src_ip for the source.")
        if peers and self._strict:
            text = f"{draft.name} is strict, and unicast is not in the standard"
            hint = f"Take vrrp_strict away, or write strict_mode off into {draft.name}."
            report.error(draft.at("unicast_peer"), text, hint)
        return tuple(peers)

    def _virtual_mac(self, vrid: int) -> VirtualMac | None:
        draft, report = self._draft, self._report
        if draft.vmac is None and "ipvlan" not in draft.flags:
            if "xmit_base" in draft.flags:
                report.warning(draft.at("vmac_xmit_base"), "vmac_xmit_base without use_vmac does not count", "")
            return None
        name, mac = draft.vmac or ("", "")
        base = "xmit_base" in draft.flags
        if base and self._strict:
            report.warning(draft.at("vmac_xmit_base"), "strict mode has no vmac_xmit_base; it does not count", "")
            base = False
        if mac and self._strict:
            report.warning(draft.at("use_vmac"), "strict mode has the MAC of the virtual router only", "")
            mac = ""
        if draft.peers and not base:
            text = (
                f"{draft.name} has unicast peers: its advertisements leave from the interface itself (vmac_xmit_base)"
            )
            report.warning(draft.at("use_vmac"), text, "")
            base = True
        if mac.count(":") == 4:
            mac = f"{mac}:{vrid:02x}"
        prefix = self._defaults.mac_prefix
        device = read_device(name or f"{prefix}{'6' if self._family == 6 else ''}.{vrid}")
        if isinstance(device, Wrong):
            report.error(draft.at("use_vmac"), device.text, "Shorten vmac_prefix, or write use_vmac NAME.")
            return None
        return VirtualMac(device, mac, base, "ipvlan" in draft.flags)

    def _checksum(self, unicast: bool) -> Checksum:
        old = self._draft.old_checksum
        if old and not (unicast and self._version == 3 and self._family == 4):
            text = "old_unicast_checksum is for version 3, unicast, IPv4; it does not count"
            self._report.warning(self._draft.at("old_unicast_checksum"), text, "")
            return Checksum.PSEUDO
        return Checksum.OLD_UNICAST if old else Checksum.PSEUDO


def check_together(report: Report, drafts: list[RouterDraft]) -> None:
    """What two instances cannot both have."""
    numbers: dict[tuple[str, int, int], list[RouterDraft]] = {}
    owners: dict[str, RouterDraft] = {}
    macs: dict[str, RouterDraft] = {}
    for one in drafts:
        router = one.router
        others = numbers.setdefault((router.device, router.family, router.vrid), [])
        for other in others:
            mine = {peer.address for peer in router.peers}
            theirs = {peer.address for peer in other.router.peers}
            if not mine or not theirs or mine & theirs:
                text = f"{router.name} and {other.router.name} both have virtual_router_id {router.vrid} on {router.device}"
                hint = "keepalived does not start. Give one of them another number, on every router."
                report.error(one.draft.at("virtual_router_id"), text, hint)
        others.append(one)
        for address in router.addresses:
            owner = owners.setdefault(address.address, one)
            if owner is not one:
                _twice(
                    report,
                    one,
                    owner,
                    address.address,
                    next(d.place for d in one.draft.addresses if d.address == address.address),
                )
        if router.virtual_mac is not None:
            owner = macs.setdefault(router.virtual_mac.name, one)
            if owner is not one:
                text = f"{router.name} and {owner.router.name} both make the device {router.virtual_mac.name}"
                report.error(one.draft.at("use_vmac"), text, "Give each a name of its own: use_vmac NAME.")


def _twice(report: Report, one: RouterDraft, owner: RouterDraft, address: str, place: Place) -> None:
    text = f"the address {address} is in two virtual routers, {owner.router.name} and {one.router.name}"
    hint = (
        "Refused, though keepalived takes it: each may be master on another machine, and two machines would answer for it. "
        "Keep it in one of them."
    )
    devices = [next(item.device for item in each.router.addresses if item.address == address) for each in (owner, one)]
    if devices[0] != devices[1]:
        text += f", on {devices[0]} and {devices[1]}"
        hint = (
            "Refused, though keepalived takes it: the kernel's lease knows an address whatever its device, so the end of one "
            "virtual router would cut the other one off. Give each an address of its own (of fe80::1 on several networks: "
            "fe80::1, fe80::2 ...), or put both networks' addresses into one virtual router."
        )
    report.error(place, text, hint)
