"""Which groups and virtual routers this machine serves: those whose addresses are on a device of it.

Asked of the kernel and of nobody else: it knows the moment in which an address comes or goes, and answers while the manager is
being started again. An address on the loopback device does not count: a balancer that is a real server too has it there always.
A group without addresses that services name counts as held: its table is then written everywhere, and harms nobody.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Mapping, Sequence

from ..adapters import netlink
from ..adapters.addresses import list_addresses, pack
from ..adapters.netlink import Failure, NetlinkSocket

_GROUP_IPV4_ADDRESS, _GROUP_IPV6_ADDRESS = 0x10, 0x100
_LOOPBACK = 1
"""The index of lo in every network namespace (LOOPBACK_IFINDEX of the kernel)."""


def held(addresses: Mapping[str, Sequence[str]], present: frozenset[bytes]) -> frozenset[str]:
    """The groups of which an address is in ``present``, or that have none."""
    return frozenset(
        group for group, own in addresses.items() if not own or any(_packed(address) in present for address in own)
    )


def absent(addresses: Mapping[str, Sequence[str]], anywhere: frozenset[bytes]) -> frozenset[str]:
    """The groups that have addresses of which none is ``anywhere`` on this machine."""
    return frozenset(
        group for group, own in addresses.items() if own and not any(_packed(address) in anywhere for address in own)
    )


def _packed(address: str) -> bytes:
    try:
        return pack(address.partition("%")[0].partition("/")[0])
    except OSError:
        return b""


class HeldWatch:
    """Tells when addresses of this machine have changed. Raises OSError when the kernel offers no NETLINK_ROUTE."""

    def __init__(self) -> None:
        self._lookup = NetlinkSocket(netlink.NETLINK_ROUTE)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, netlink.NETLINK_ROUTE)
        self._socket.bind((0, _GROUP_IPV4_ADDRESS | _GROUP_IPV6_ADDRESS))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        self._lookup.close()

    def drain(self) -> None:
        """Forget what the kernel has told: all of it is asked for anyway."""
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def present(self) -> tuple[frozenset[bytes], frozenset[bytes]] | None:
        """Every address of this machine: those of the loopback device behind all others; None when the kernel would not tell."""
        with contextlib.suppress(OSError):
            found = list_addresses(self._lookup)
            if not isinstance(found, Failure):
                silent = frozenset(each.packed for each in found if each.index == _LOOPBACK)
                return frozenset(each.packed for each in found if each.index != _LOOPBACK), silent
        return None
