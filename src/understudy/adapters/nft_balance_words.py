"""The words of the load balancer's nf_tables: a service as it stands there, its keys as bytes, and whose turn it is. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from socket import AF_INET, AF_INET6, inet_pton

from ..balance import Place, TableServer, TableService
from ..services import Forward, ServiceKey
from .nftables import Family

TABLE = "understudy_balance"
KINDS = ("", "_any", "_mark")
"""Services of one port, of every port, and of a firewall mark."""

LOOPBACK = {Family.IP: bytes((127, 0, 0, 1)), Family.IP6: bytes(15) + b"\1"}
"""As which this machine is known in ``live_N``, whatever address a packet has."""

_MOST_INTERLEAVED = 4096
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


@dataclass(frozen=True, slots=True)
class Standing:
    """One service of the table. ``number``: in the names of its chains and sets. ``here``: addresses of this machine.

    ``owner``: which of several balancers of this machine wrote it, a word without blanks, "" for nobody's in particular.
    ``direct``: its servers are reached by direct routing. ``with_port``: they are told apart by their port, too.
    ``stands_direct``: of one that was read, in which of the maps it stands. With other addresses of this machine than it was
    written with ``servers`` and ``here`` would say otherwise. None: they say it.
    """

    number: int
    service: TableService
    servers: Mapping[Place, TableServer]
    here: frozenset[str] = frozenset()
    owner: str = ""
    stands_direct: bool | None = None
    direct: bool = field(init=False)
    with_port: bool = field(init=False)

    def __post_init__(self) -> None:
        key = self.service.key
        direct = self.stands_direct
        if direct is None:
            direct = any(item.forward is Forward.DIRECT and not self.is_here(item) for item in self.servers.values())
        ports = key.port != 0 or (key.mark != 0 and any(place.port for place in self.servers))
        object.__setattr__(self, "direct", direct)
        object.__setattr__(self, "with_port", ports and not direct)

    @property
    def family(self) -> Family:
        return Family.IP6 if self.service.key.family == 6 else Family.IP

    @property
    def shape(self) -> tuple[bool, bool, bool]:
        """While it is the same the sets of the service need not be made again."""
        return self.direct, self.with_port, self.service.persistence > 0

    def is_here(self, server: TableServer) -> bool:
        """Whether this machine serves: a loopback address, or one of its own by direct routing."""
        address = server.place.address
        own = server.forward is Forward.DIRECT and address in self.here
        return own or address.startswith("127.") or address == "::1"

    def chosen(self) -> list[TableServer]:
        """Who gets new connections."""
        chosen = (server for server in self.servers.values() if server.weight > 0)
        return sorted(chosen, key=lambda server: (server.place.address, server.place.port))

    def parted(self) -> tuple[list[TableServer], list[TableServer]]:
        """Who gets new connections: this machine, and others."""
        parts: tuple[list[TableServer], list[TableServer]] = [], []
        for server in self.chosen():
            parts[not self.is_here(server)].append(server)
        return parts


def mixed(standing: Standing) -> bool:
    """Whether some servers are reached by NAT and some by direct routing, which one service cannot have here."""
    away = {server.forward for server in standing.servers.values() if not standing.is_here(server)}
    return len(away) > 1


def suffix(key: ServiceKey) -> str:
    """In which of the maps the service is known."""
    return "_mark" if key.mark else "" if key.port else "_any"


def service_key(key: ServiceKey) -> bytes:
    """The service as a key of these maps."""
    if key.mark:
        return struct.pack("=I", key.mark)
    port = port_bytes(key.port) if key.port else b""
    return bytes([_NUMBERS[key.protocol], 0, 0, 0]) + packed(key.address) + port


def packed(address: str) -> bytes:
    """An address that is known to be one, as the kernel has it."""
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)


def port_bytes(port: int) -> bytes:
    return struct.pack("!Hxx", port)


def comment(standing: Standing) -> str:
    """The service in a comment of nf_tables; ``nft_balance_read`` has the way back. 128 bytes are possible."""
    service = standing.service
    flags = ",".join(service.flags) or "-"
    words = (
        service.scheduler,
        service.persistence,
        service.granularity,
        int(service.one_packet),
        int(service.hashed),
        flags,
    )
    return " ".join(str(word) for word in (standing.number, *words, *filter(None, (standing.owner,))))


def server_key(standing: Standing, server: TableServer) -> bytes:
    """The server as an element of ``servers``."""
    forward = 1 if server.forward is Forward.DIRECT else 0
    address = packed(server.place.address)
    return (
        struct.pack("=I", standing.number)
        + address
        + port_bytes(server.place.port)
        + struct.pack("=II", server.weight, forward)
    )


def live_key(standing: Standing, place: Place) -> bytes:
    """The server as an element of ``live_N`` and ``began_N``, and as the value of maps."""
    return packed(place.address) + (port_bytes(place.port) if standing.with_port else b"")


# -- who is next


def turns(servers: Sequence[TableServer], scheduler: str, start: int = 0) -> list[tuple[int, TableServer]]:
    """(how many connections in a row, to whom), over and over.

    Weights count but for ``rr``, and are exact. Up to 4096 turns they are spread evenly, beyond that each server has its turns
    in a row. ``start``: with whom to begin, for a rule that is made anew begins again.
    """
    if not servers:
        return []
    weights = [1 if scheduler == "rr" else server.weight for server in servers]
    divisor = math.gcd(*weights)
    weights = [weight // divisor for weight in weights]
    runs = list(zip(weights, servers, strict=True))
    if scheduler == "wrr" and sum(weights) <= _MOST_INTERLEAVED:
        rows = ([((2 * turn + 1) / (2 * weight), who) for turn in range(weight)] for who, weight in enumerate(weights))
        runs = [(1, servers[who]) for _, who in merge(*rows)]
    if scheduler in ("rr", "wrr"):
        first = start % len(runs)
        runs = runs[first:] + runs[:first]
    return runs
