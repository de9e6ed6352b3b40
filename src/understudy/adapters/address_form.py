"""What an address of a virtual router has beside its number: label, scope, broadcast, peer and flags, as its file has them.

As keepalived 2.2.7 was seen to do it: an address has the prefix length, label, scope, broadcast and peer of its line. Of IPv6
addresses the kernel checks no duplicates (``-nodad``: it does), and one of full length is deprecated, so that it is no source of
connections, unless ``preferred_lft`` says otherwise. That word does nothing for IPv4; label, scope and broadcast do nothing for
IPv6.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from . import netlink

if TYPE_CHECKING:
    from ..vrrp_files import AddressForm

ADDRESS, LOCAL, LABEL, BROADCAST, FLAGS, CACHE_INFO = 1, 2, 3, 4, 8, 6
FOREVER = 0xFFFFFFFF

_NODAD = 0x02
_FLAGS = {"home": 0x10, "mngtmpaddr": 0x100, "noprefixroute": 0x200, "autojoin": 0x400}
_SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
_LONGEST_WITH_BROADCAST = 30
_LIFETIMES = struct.Struct("=IIII")


@dataclass(frozen=True, slots=True)
class Parts:
    """Of RTM_NEWADDR: the scope of its header, and its attributes."""

    scope: int
    body: bytes


@cache
def plain() -> AddressForm:
    """That of an address which says nothing else."""
    from ..vrrp_files import AddressForm

    return AddressForm(options=("preferred_lft", "0"))


def parts(address: str, prefix: int, form: AddressForm, lifetime: int | None) -> Parts:
    """``lifetime``: whole seconds after which the kernel takes it away, None for never."""
    if ":" in address:
        return Parts(0, _six(address, prefix, form, lifetime))
    body = netlink.attribute(LOCAL, _packed(address)) + netlink.attribute(ADDRESS, _packed(form.peer or address))
    if form.label:
        body += netlink.attribute(LABEL, form.label.encode() + b"\0")
    if broadcast := _broadcast(address, prefix, form.broadcast):
        body += netlink.attribute(BROADCAST, broadcast)
    if flags := _flags(form):
        body += netlink.attribute(FLAGS, struct.pack("=I", flags))
    if lifetime is not None:
        body += netlink.attribute(CACHE_INFO, _LIFETIMES.pack(lifetime, lifetime, 0, 0))
    scope = int(form.scope) if form.scope.isdecimal() else _SCOPES.get(form.scope, 0)
    return Parts(scope, body)


def _six(address: str, prefix: int, form: AddressForm, lifetime: int | None) -> bytes:
    flags = _flags(form) | (0 if "-nodad" in form.options else _NODAD)
    valid = FOREVER if lifetime is None else lifetime
    body = netlink.attribute(LOCAL, _packed(address)) + netlink.attribute(ADDRESS, _packed(form.peer or address))
    body += netlink.attribute(FLAGS, struct.pack("=I", flags))
    return body + netlink.attribute(CACHE_INFO, _LIFETIMES.pack(min(_preferred(prefix, form), valid), valid, 0, 0))


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _flags(form: AddressForm) -> int:
    return sum(flag for word, flag in _FLAGS.items() if word in form.options)


def _preferred(prefix: int, form: AddressForm) -> int:
    if "preferred_lft" not in form.options[:-1]:
        return 0 if prefix == 128 else FOREVER
    word = form.options[form.options.index("preferred_lft") + 1]
    return FOREVER if word == "forever" else int(word)


def _broadcast(address: str, prefix: int, said: str) -> bytes:
    """``+``: the host bits set, ``-``: cleared; nothing where there are none."""
    if said not in ("+", "-"):
        return _packed(said) if said else b""
    network = ip_interface(f"{address}/{prefix}").network
    if prefix > _LONGEST_WITH_BROADCAST:
        return b""
    return (network.broadcast_address if said == "+" else network.network_address).packed
