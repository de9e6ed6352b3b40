"""Addresses, devices and names as people write them; each reader gives the value or a sentence about what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_DEVICE = re.compile(
    r"[^\s/:%\x00-\x20\x7f]{1,15}"
)  # the kernel's own rule (dev_valid_name); IFNAMSIZ is 16 with the NUL
_DIGITS = re.compile(r"[0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a text is not what it should be, and how to mend it."""

    text: str
    hint: str = ""


def is_name(text: str) -> bool:
    """Whether this may name a cluster, member, network, group or resource: it becomes part of messages and file names."""
    return _NAME.fullmatch(text) is not None


NAME_RULE = "A name has 1 to 63 letters, digits, dots, - or _, and begins with a letter or digit."


def read_device(text: str) -> str | Wrong:
    """The name of a network interface."""
    if ":" in text:
        plain = text.partition(":")[0]
        hint = f'Write "{plain}": labels like {text} belong to the old ifconfig and are not needed.'
        return Wrong(f'"{text}" is the label of an address, not a network interface', hint)
    if text in (".", "..") or _DEVICE.fullmatch(text) is None:
        return Wrong(
            f'"{text}" cannot be a network interface', "Names have 1 to 15 characters, as `ip link` shows them."
        )
    return text


def read_host(text: str) -> tuple[Address, str | None] | Wrong:
    """An address of one machine, and the device behind a ``%``. No host names: heartbeats must not wait for a name server."""
    if not text.strip():
        return Wrong("an empty text is not an address", "Write the address, or take the quotation marks away.")
    body, percent, device = text.partition("%")
    if "/" in body:
        plain = body.partition("/")[0]
        return Wrong(f'"{text}" has a prefix length, which an address of a machine does not', f'Write "{plain}".')
    try:
        address = ip_address(body)
    except ValueError:
        return Wrong(f'"{text}" is not an IP address', _address_hint(body))
    if address.is_multicast:
        return Wrong(f'"{text}" is a multicast group, not an address of one machine', "")
    reason = _unusable(address)
    if reason:
        return Wrong(f'"{text}" is {reason}', "Write the address that one machine has on this network.")
    if percent:
        found = read_device(device)
        if isinstance(found, Wrong):
            return found
        return address, found
    return address, None


def read_virtual(text: str) -> tuple[Address, int] | Wrong:
    """A virtual address with its prefix length, such as ``192.168.58.100/24`` or ``fd00::5/64``."""
    body, slash, length = text.partition("/")
    if "%" in text:
        return Wrong(f'"{text}" names a device', 'Write the device as a word of its own: device = "eth0".')
    try:
        address = ip_address(body)
    except ValueError:
        return Wrong(f'"{text}" is not an IP address', _address_hint(body))
    longest = address.max_prefixlen
    if not slash:
        hint = f'Write "{body}/24", or whatever the network uses; /{longest} for an address that is alone.'
        return Wrong(f'"{text}" lacks the prefix length', hint if longest == 32 else hint.replace("/24", "/64"))
    if not _DIGITS.fullmatch(length) or not 1 <= int(length) <= longest:
        return Wrong(f'"{text}": the prefix length must be from 1 to {longest}', "")
    if address.is_multicast:
        return Wrong(f'"{text}" is a multicast group, not an address of one machine', "")
    reason = _unusable(address) or _special_in_network(address, int(length))
    if reason:
        return Wrong(f'"{text}" is {reason}', "Choose an address of the network that no machine has.")
    return address, int(length)


def read_group(text: str) -> tuple[Address, str | None] | Wrong:
    """A multicast group, and the device behind a ``%``."""
    body, percent, device = text.partition("%")
    try:
        address = ip_address(body)
    except ValueError:
        return Wrong(f'"{text}" is not an IP address', "Multicast groups look like 239.1.2.3 or ff02::5694%eth1.")
    if not address.is_multicast:
        hint = "Multicast groups are 224.0.0.0 to 239.255.255.255 (239.x.x.x is for private use) and ff00::/8."
        return Wrong(f'"{text}" is not a multicast address', hint)
    if not percent:
        return address, None
    found = read_device(device)
    return found if isinstance(found, Wrong) else (address, found)


def common_prefix(one: Address, other: Address) -> int:
    """How many leading bits two addresses of one family share."""
    return one.max_prefixlen - (int(one) ^ int(other)).bit_length()


def _unusable(address: Address) -> str:
    if address.is_unspecified:
        return "the address that means none"
    if isinstance(address, IPv4Address):
        return "the broadcast address of every network" if int(address) == 0xFFFFFFFF else ""
    if address.ipv4_mapped is not None:
        return f"the IPv4 address {address.ipv4_mapped} in IPv6 clothes"
    return ""


def _special_in_network(address: Address, length: int) -> str:
    """Addresses of a network that mean something else than one machine (RFC 1122 3.2.1.3, RFC 3021, RFC 4291 2.6.1)."""
    if address.max_prefixlen - length < 2:
        return ""
    network = ip_network((address, length), strict=False)
    if isinstance(network, IPv6Network):
        return f"the routers' anycast address of {network}" if address == network.network_address else ""
    if address == network.network_address:
        return f"the name of the network {network} itself"
    return f"the broadcast address of {network}" if address == network.broadcast_address else ""


def _address_hint(body: str) -> str:
    if re.fullmatch(r"[0-9.]+", body):
        parts = body.split(".")
        if len(parts) != 4:
            return "An IPv4 address has four numbers."
        if any(len(part) > 1 and part.startswith("0") for part in parts):
            return "Write the numbers without leading zeros."
        return "Each of the four numbers is from 0 to 255."
    if ":" not in body:
        return "Write the address itself: names are not looked up, because a heartbeat must not wait for a name server."
    return "Check the colons and groups; an IPv6 address looks like fd00::5."
