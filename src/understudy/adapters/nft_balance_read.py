"""What stands in the load balancer's nf_tables, read back: the way back from the elements of ``nft_balance_words``. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from socket import AF_INET, inet_ntop

from ..balance import Place, TableServer, TableService
from ..services import Forward, ServiceKey
from .nft_balance_words import Standing
from .nft_expressions import Listed
from .nftables import Family

_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}
_LENGTH = {Family.IP: 4, Family.IP6: 16}
_WORDS, _OWNER = 7, 7
"""Words that every service has, and the place of the one that only a service with an owner has."""


def address(packed: bytes) -> str:
    """As the configuration has it. IPv4 by the system, which is ten times as fast; of IPv6 it writes some otherwise."""
    return inet_ntop(AF_INET, packed) if len(packed) == 4 else str(ip_address(packed))


def service_key(family: Family, kind: str, key: bytes) -> ServiceKey | None:
    """The service that an element of one of the ``live`` maps names; None for what is not ours."""
    version = 6 if family is Family.IP6 else 4
    if kind == "_mark":
        return ServiceKey(mark=struct.unpack("=I", key)[0], family=version) if len(key) == 4 else None
    length = _LENGTH[family]
    if len(key) != 4 + length + (0 if kind else 4) or key[0] not in _NAMES:
        return None
    port = 0 if kind else struct.unpack_from("!H", key, 4 + length)[0]
    return ServiceKey(_NAMES[key[0]], address(key[4 : 4 + length]), port, family=version)


def service(family: Family, kind: str, found: Listed) -> Standing | None:
    """A service without its servers; None for what is not ours."""
    key, words = service_key(family, kind, found.key), found.comment.split(" ")
    if (
        key is None
        or len(words) not in (_WORDS, _OWNER + 1)
        or not all(word.isdigit() for word in (words[0], *words[2:6]))
    ):
        return None
    number, persistence, granularity, one_packet, hashed = (int(word) for word in (words[0], *words[2:6]))
    flags = () if words[6] == "-" else tuple(words[6].split(","))
    said = TableService(
        key, words[1], flags, persistence, granularity, one_packet=bool(one_packet), hashed=bool(hashed)
    )
    return Standing(number, said, {}, owner=words[_OWNER] if len(words) > _OWNER else "")


def servers(family: Family, found: Iterable[Listed]) -> Mapping[int, dict[Place, TableServer]]:
    """The servers by their service's number."""
    length = _LENGTH[family]
    told: dict[int, dict[Place, TableServer]] = {}
    for item in found:
        if len(item.key) != 16 + length:
            continue
        (number,) = struct.unpack_from("=I", item.key)
        (port,) = struct.unpack_from("!H", item.key, 4 + length)
        weight, forward = struct.unpack_from("=II", item.key, 8 + length)
        place = Place(address(item.key[4 : 4 + length]), port)
        told.setdefault(number, {})[place] = TableServer(place, Forward.DIRECT if forward else Forward.NAT, weight)
    return told
