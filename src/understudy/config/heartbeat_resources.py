"""The resources of haresources as our own: a word such as ``IPaddr::10.0.0.1/24/eth0`` to the table that TOML would have had.

So there is one judge for both. Addresses become our own fast ones; agents on disk are run for the rest.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .heartbeat_machine import Machine
from .mounts import SHARED_TYPES
from .report import Report, nearest
from .tree import Array, Entry, Place, Table, Value

OWN_DIRECTORIES = ("/etc/ha.d/resource.d", "/etc/init.d")
"""A script here is named without its directory: every machine looks here, in this order."""

UNKNOWN_DEVICE = "?"
"""What stands for the interface of an address while no machine has been asked."""

_ADDRESSES = ("IPaddr", "IPaddr2", "IPv6addr")
_BARE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]")

WRAPPERS: dict[str, tuple[str, ...]] = {
    "apache": ("configfile",),
    "AudibleAlarm": ("nodelist",),
    "Delay": ("startdelay", "stopdelay", "mondelay"),
    "ICP": ("driveid", "device"),
    "LVM": ("volgrpname",),
    "LinuxSCSI": ("scsi",),
    "MailTo": ("email", "subject"),
    "Raid1": ("raidconf", "raiddev"),
    "SendArp": ("ip",),
    "ServeRAID": ("serveraid", "mergegroup"),
    "WAS": ("config",),
    "WinPopup": ("hostfile",),
    "Xinetd": ("service",),
    "db2": ("instance",),
    "ids": ("informixdir", "informixserver", "onconfig"),
    "portblock": ("protocol", "portno", "action"),
}
"""Scripts that Heartbeat's package brought, each around an OCF agent: what their arguments are called there."""

KNOWN_SCRIPTS = (
    *_ADDRESSES,
    "IPsrcaddr",
    "Filesystem",
    "LVSSyncDaemonSwap",
    "drbddisk",
    "ldirectord",
    "OCF",
    *WRAPPERS,
)


def is_balancing(word: Word) -> bool:
    """Whether this resource is a balancer, and no script (``heartbeat_balancing``)."""
    return word.text.partition("::")[0] == "ldirectord"


LONG_START = "5m"
LONG_STOP = "1m"
"""Heartbeat knows no limits for scripts; ours are long, so that a database may recover."""


@dataclass(frozen=True, slots=True)
class Translator:
    """``machine`` None: nothing is looked up. ``own_mounts``: mounts of our own kind in place of the agent ``Filesystem``."""

    report: Report
    machine: Machine | None = None
    own_mounts: bool = False
    asked: tuple[str, ...] = ()
    """Addresses in the form of IPaddr, whose prefix length and interface count for haresources too."""

    def table(self, word: Word) -> Table | None:
        """What TOML would have had; None after reporting."""
        text = f"IPaddr::{word.text}" if _BARE.match(word.text) else word.text
        name, *arguments = text.split("::")
        if "\ufffd" in text or any(character < " " for character in text):
            self.report.error(word.place, "a resource with characters that no name has", "Write it in plain letters.")
            return None
        if name in _ADDRESSES:
            return self._address(word, name, arguments)
        if name == "IPsrcaddr":
            return self._source(word, arguments)
        if name == "Filesystem":
            return self._file_system(word, arguments)
        return self._script(word, name, arguments)

    # -- addresses ----------------------------------------------------------------------------------------------------

    def _address(self, word: Word, name: str, arguments: list[str]) -> Table | None:
        if len(arguments) != 1:
            hint = f'Write "{name}::192.168.58.100/24/eth0".'
            whole = read_form("::".join(arguments))
            if isinstance(whole, AddressForm):
                hint = (
                    f'"::" separates arguments: write all groups of the address, {ip_address(whole.address).exploded}.'
                )
            self.report.error(word.place, f"{name} takes one address, not {len(arguments)} arguments", hint)
            return None
        form = read_form(arguments[0])
        if isinstance(form, Wrong):
            self.report.error(word.place, form.text, form.hint)
            return None
        form = next((other for text in self.asked if _same(other := read_form(text), form)), form)
        if isinstance(form, Wrong):  # never: _same saw to it
            return None
        prefix, device = form.prefix, form.device
        if self.machine is not None and (prefix is None or device is None):
            network = self.machine.network_of(form.address, device or "")
            if network is not None:
                prefix, device = prefix or network.prefix, device or network.device
        if device is None and self.machine is not None:
            text = f"no network of this machine has a place for {form.address}, so its interface is not known"
            hint = f'Write "{name}::{form.address}/{prefix or 24}/eth0", with the interface that shall carry it.'
            self.report.lacking(word.place, text, hint)
            return None
        if device is not None and self.machine is not None and device not in self.machine.devices:
            text = f"there is no network interface {device} on this machine for {form.address}"
            self.report.warning(word.place, text, f"It has: {', '.join(sorted(self.machine.devices))}.")
        longest = 128 if ":" in form.address else 32
        words: dict[str, object] = {
            "address": f"{form.address}/{prefix or longest}",
            "device": device or UNKNOWN_DEVICE,
        }
        return _table(word.place, words)

    def _source(self, word: Word, arguments: list[str]) -> Table | None:
        if len(arguments) != 1:
            hint = 'Write "IPsrcaddr::192.168.58.100", behind the address itself.'
            self.report.error(word.place, f"IPsrcaddr takes one address, not {len(arguments)} arguments", hint)
            return None
        return _table(word.place, {"source_address": arguments[0].partition("/")[0]})

    # -- mounts -------------------------------------------------------------------------------------------------------

    def _file_system(self, word: Word, arguments: list[str]) -> Table | None:
        if not 2 <= len(arguments) <= 4 or not all(arguments[:2]):
            hint = 'Write "Filesystem::/dev/drbd0::/srv::ext4", and options behind that: "::noatime".'
            text = f"Filesystem takes a device, a directory, a type and options, not {len(arguments)} arguments"
            self.report.error(word.place, text, hint)
            return None
        device, directory, kind, options = (*arguments, "", "")[:4]
        asked = options.split(",")
        bind = "bind" in asked or "rbind" in asked or kind == "bind"
        shared = bind or (kind or _guess(device)) in SHARED_TYPES
        if self.own_mounts:
            kept = [option for option in asked if option not in ("bind", "rbind", "defaults", "")]
            words: dict[str, object] = {
                "mount": device,
                "at": posixpath.normpath(directory) if directory else directory,
            }
            words["type"] = "bind" if bind else kind or _guess(device)
            return _table(word.place, words | ({"options": kept} if kept else {}))
        if self.machine is not None and "Filesystem" not in self.machine.agents:
            hint = (
                "Debian's package resource-agents has it; the native form needs none (`understudy convert --mounts`)."
            )
            self.report.warning(word.place, "the agent heartbeat:Filesystem is not installed on this machine", hint)
        parameters = {"device": device, "directory": directory, "fstype": kind, "options": options}
        words = {"ocf": "heartbeat:Filesystem", "params": {name: text for name, text in parameters.items() if text}}
        words |= {"exclusive": False} if shared else {}
        return _table(
            word.place, words | {"start_timeout": LONG_START, "stop_timeout": LONG_STOP}
        )  # fsck may come first

    # -- scripts ------------------------------------------------------------------------------------------------------

    def _script(self, word: Word, name: str, arguments: list[str]) -> Table | None:
        if not name or "/" in name:
            hint = "Write the name of a script in resource.d or init.d, as in httpd, with arguments behind ::."
            self.report.error(word.place, f'"{word.text}" does not begin with the name of a script', hint)
            return None
        machine = self.machine
        limits: dict[str, object] = {"start_timeout": LONG_START, "stop_timeout": LONG_STOP}
        path = machine.scripts.get(name) if machine is not None else name
        if path is None and machine is not None and name in WRAPPERS and name in machine.agents:
            return self._agent(word, name, arguments)
        if path is None and machine is not None and f"{name}.service" in machine.units:
            if arguments:
                text = f"{name} is a unit of systemd here, which takes no arguments ({', '.join(arguments)})"
                self.report.warning(
                    word.place, text, f"Put them into the unit's own configuration, or a script {name} into resource.d."
                )
            return _table(word.place, {"systemd": f"{name}.service"})
        if path is None and machine is not None:
            self._missing(word, name, machine)
        path = path or name
        own = posixpath.dirname(path) in OWN_DIRECTORIES
        words: dict[str, object] = {"resource_d": name if own else path}
        words |= {"args": list(arguments)} if arguments else {}
        # Heartbeat never asks a script whether it still runs, and many cannot say.
        return _table(word.place, words | limits | {"interval": "0s"})

    def _agent(self, word: Word, name: str, arguments: list[str]) -> Table | None:
        names = WRAPPERS[name]
        if len(arguments) > len(names):
            text = f"{name} takes at most {len(names)} arguments, not {len(arguments)}"
            self.report.error(word.place, text, f"They are: {', '.join(names)}.")
            return None
        found: dict[str, str] = dict(zip(names, arguments, strict=False))
        if name == "SendArp" and "/" in found.get("ip", ""):
            found["ip"], _, found["nic"] = found["ip"].partition("/")
        if name == "WAS" and found.get("config", "").isdigit():
            found = {"port": found["config"]}
        words: dict[str, object] = {"ocf": f"heartbeat:{name}"}
        words |= {"params": {key: text for key, text in found.items() if text}} if any(found.values()) else {}
        words |= {"start_timeout": LONG_START, "stop_timeout": LONG_STOP}
        return _table(word.place, words | ({} if name == "apache" else {"interval": "0s"}))

    def _missing(self, word: Word, name: str, machine: Machine) -> None:
        known = [*machine.scripts, *KNOWN_SCRIPTS, *(unit.removesuffix(".service") for unit in machine.units)]
        text = f"there is no script {name} in {' or '.join(OWN_DIRECTORIES)} and no unit {name}.service on this machine"
        hint = "Install it; until then the group cannot start here."
        close = nearest(name, known)
        if name == "LVSSyncDaemonSwap":
            hint = "It came with old packages of ldirectord, and hands over the connection table of LVS: copy it from there."
        elif name == "drbddisk":
            hint = "It comes with the utilities of DRBD."
        elif name == "OCF":
            hint = (
                "It came with Heartbeat: keep that file, or convert and write the agent natively, with its parameters."
            )
        elif close is not None and close != name:
            hint = f'Did you mean "{close}"?'
        self.report.warning(word.place, text, hint)


@dataclass(frozen=True, slots=True)
class AddressForm:
    """``ip[/prefix[/interface[:label]][/broadcast]]``. The label and the broadcast address mean nothing to us."""

    address: str
    prefix: int | None
    device: str | None


def read_form(text: str) -> AddressForm | Wrong:
    """The argument of IPaddr and its kin."""
    body, *parts = text.split("/")
    try:
        address = ip_address(body)
    except ValueError:
        return Wrong(f'"{body}" is not an IP address', "Write it as in IPaddr::192.168.58.100/24/eth0.")
    prefix: int | None = None
    if parts and parts[0]:
        try:
            network = ip_network(f"{address}/{parts[0]}", strict=False)  # a netmask in four numbers is fine too
        except ValueError:
            network = None
        if network is None or network.prefixlen == 0:
            hint = f"Write a number from 1 to {address.max_prefixlen}, such as 24."
            return Wrong(f'"{text}": the prefix length is "{parts[0]}"', hint)
        prefix = network.prefixlen
    device: str | None = None
    for part in parts[1:3]:
        if not part or part[0].isdigit():
            continue  # a broadcast address
        found = read_device(part.partition(":")[0])
        if isinstance(found, Wrong):
            return found
        device = found
    if len(parts) > 3:
        return Wrong(f'"{text}" has too many parts', "Write address/prefix/interface/broadcast.")
    return AddressForm(str(address), prefix, device)


def _same(one: AddressForm | Wrong, other: AddressForm | Wrong) -> bool:
    return isinstance(one, AddressForm) and isinstance(other, AddressForm) and one.address == other.address


def _guess(device: str) -> str:
    """The type that mount(8) finds by itself."""
    if re.match(r"[^/]+:/", device):
        return "nfs"
    return "cifs" if device.startswith("//") else "auto"


def _table(place: Place, words: Mapping[str, object]) -> Table:
    """A table of plain values, all of them at one place."""
    return Table(entries={word: Entry(place, tree_value(place, data)) for word, data in words.items()})


def tree_value(place: Place, data: object) -> Value:
    """Plain values (dict, list, str, int, bool) as a tree, all at one place; a table that is one already keeps its own."""
    if isinstance(data, dict):
        return Value(place, _table(place, data))
    if isinstance(data, Table):
        return Value(next(iter(data.entries.values())).place if data.entries else place, data)
    if isinstance(data, list):
        return Value(place, Array([tree_value(place, item) for item in data]))
    if isinstance(data, str | int | bool):
        return Value(place, data)
    return Value(place, str(data))
