"""The load balancer in nf_tables, for kernels without IPVS: by NAT, or by direct routing. Rules: ``nft_balance_rules``.

- Rules match only where the address is on the device by which the packet came. So the table stands ready on the standby, and on
  a machine that has the address on ``lo``, and does nothing there.
- They stand behind the kernel lease: what comes to an address whose lease is over is dropped before it gets here.
- A batch is one transaction. A service that is not touched costs nothing; one that is has its choosing rule made again, with the
  map of its servers. What the kernel refuses of one server or service does not keep the others waiting.
- A server that was removed gets nothing any more; packets of its connections are dropped, and go on when it is back (as in IPVS
  without ``expire_nodest_conn``). With weight 0 it gets no new connections and keeps those that it has; clients that persistence
  ties to it stay, too.
- Direct routing sends to the real server as the routing table finds it: device, MAC and their changes are the kernel's work.
- NAT needs ``net.ipv4.ip_forward``, and real servers whose way back leads through this machine, as LVS-NAT does: nothing is
  masqueraded. So a client in the network of the real servers, or a real server itself, gets no answer that it knows.
- Connections that this machine itself begins are not balanced.

When the table is gone (``nft flush ruleset``) the next batch makes it again, connections by direct routing forgotten.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..balance import (
    Counters,
    DropServer,
    DropService,
    Place,
    SetServer,
    SetService,
    TableEffect,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
    refusal,
)
from ..services import ServiceKey
from . import netlink, nftables
from . import nft_balance_read as reading
from . import nft_balance_rules as rules
from . import nft_expressions as nft
from .addresses import list_addresses
from .kernel_lease_setup import existing, no_netfilter, transact
from .netlink import Failure, NetlinkSocket
from .nft_balance_words import KINDS, TABLE, Standing, live_key, mixed
from .nftables import Family

FAMILIES = (Family.IP, Family.IP6)
Table = dict[ServiceKey, Standing]
_MOST_DIVISIONS, _FEWEST_DIVISIONS = 64, 8
"""In one batch, and of one service where it has many: a transaction that fails may wait for every processor, and where all is
refused nothing comes of dividing."""

_NO_SET = (errno.ENOENT, errno.EINVAL, errno.EAFNOSUPPORT)
"""There is no such set: the second where the kernel has no nf_tables, the third where an old one lacks the family."""

_UNKNOWN = frozenset({"not known"})
"""The addresses with which a service that was read was written: like no others, so the first change makes its rule again."""


def lacking() -> str:
    """Why the kernel cannot do it, "" when it can. Changes nothing.

    A table that is there, maybe another version's, is proof enough. IPv6 alone may be missing; then its services are refused.
    """
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError as error:
        return no_netfilter(error)
    try:
        return "" if existing(socket, TABLE) else transact(socket, rules.table(Family.IP), commit=False) or ""
    finally:
        socket.close()


@dataclass(slots=True)
class _Draft:
    """A service while its changes are gathered. ``number`` 0: it stands anew; ``service`` None: it does not stand."""

    number: int = 0
    service: TableService | None = None
    servers: dict[Place, TableServer] = field(default_factory=dict)


def _key(effect: TableEffect) -> ServiceKey:
    return effect.service.key if isinstance(effect, SetService) else effect.key


def _each(effects: Sequence[TableEffect], key: ServiceKey, text: str) -> list[TableRefused]:
    """Nothing of this service was done: who believes what of it is told by the place."""
    return [refusal(effect, text) for effect in effects if _key(effect) == key]


class PlaneNft:
    """The table of this network namespace. Raises OSError when the kernel offers no nf_tables.

    ``owner``: who writes it, a word without blanks of at most 30 bytes; several balancers of a machine have one table.
    """

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self._socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
        self._table: Table = {}
        self._number = 0
        self._start = 0
        self._divisions = 0
        self._families: set[Family] = set()
        self._seen = False

    def close(self) -> None:
        """The table stays."""
        self._socket.close()

    def read(self) -> TableSeen:
        """What stands there, also from an earlier process. Raises OSError when the kernel does not say."""
        table: Table = {}
        families: set[Family] = set()
        for family in FAMILIES:
            elements = self._listed(family, "servers")
            if elements is None:
                continue
            families.add(family)
            told = reading.servers(family, elements)
            for kind in KINDS:
                lives = self._listed(family, "live" + kind)
                direct = {item.key for item in self._listed(family, "direct" + kind) or ()} if lives else set()
                for item in lives or ():
                    found = reading.service(family, kind, item)
                    if found is not None:
                        table[found.service.key] = replace(
                            found,
                            servers=told.get(found.number, {}),
                            here=_UNKNOWN,
                            stands_direct=item.key in direct,
                        )
        self._table, self._families, self._seen = table, families, True
        self._number = max((standing.number for standing in self._table.values()), default=0)
        own = frozenset(key for key, item in self._table.items() if item.owner == self._owner)
        return TableSeen(tuple((item.service, tuple(item.servers.values())) for item in self._table.values()), own=own)

    def claim(self, keys: Collection[ServiceKey]) -> None:
        """Of these services those that stand as nobody's in particular are ours from now on; refused, they stay as they are."""
        if not self._owner:
            return
        nobodys = {key: self._table[key] for key in keys if key in self._table and not self._table[key].owner}
        self._write({key: replace(standing, owner=self._owner) for key, standing in nobodys.items()})

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        """One batch, in order. Returns what the kernel refused, each change with its own reason; the rest is done.

        Reads first when it never has: what stands may be another process's. Raises OSError when that, or the addresses of this
        machine, cannot be read; then nothing is done.
        """
        if not self._seen:
            self.read()
        each: dict[ServiceKey, list[TableEffect]] = {}
        for effect in effects:
            each.setdefault(_key(effect), []).append(effect)
        wanted, refused = self._wanted(effects)
        failed = self._write(wanted)
        if failed is not None and any(item.number == errno.ENOENT for item in failed) and not self._there():
            before, self._table, self._families = self._table, {}, set()
            here = self._here()
            anew = {key: replace(item, here=here, stands_direct=None) for key, item in before.items()}
            failed = self._write({**anew, **wanted})
        if failed is not None and any(item.number == errno.EEXIST for item in failed):
            taken = self._number + 1  # by another balancer of this machine, since we have read
            self.read()
            self._number = max(self._number, taken)
            wanted, refused = self._wanted(effects)
            failed = self._write(wanted)
        alone = each.keys() - (wanted.keys() if failed is None else ())
        refused = [item for item in refused if item.key not in alone]
        share = max(_FEWEST_DIVISIONS, _MOST_DIVISIONS // max(1, len(alone)))
        for key in filter(alone.__contains__, each):
            self._divisions = share  # what one service wants in vain does not keep the others from theirs
            refused += self._divided(each[key])
        # Services first: what is believed of the servers is put right in the service that stands again.
        return sorted(dict.fromkeys(refused), key=lambda item: item.place is not None)

    def _divided(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        """These changes of one service: all of them, else one half after the other, until what is refused stands alone."""
        wanted, refused = self._wanted(effects)
        if found := self._write(wanted):
            text = "; ".join(dict.fromkeys(str(item) for item in found))
            refused = [refusal(effect, text) for effect in effects]
        if len(refused) < len(effects) or len(effects) == 1 or not self._divisions:
            return refused
        self._divisions -= bool(wanted)  # else the kernel was not asked
        half = len(effects) // 2
        return self._divided(effects[:half]) + self._divided(effects[half:])

    def counters(self) -> dict[tuple[ServiceKey, Place], Counters]:
        """Since each server came into the table. How many connections are open now, and the answers, are not counted: -1.

        ``connections`` are packets that begin one, repeated ones too. NAT: those before the first answer, so a UDP client that
        gets none is counted with each datagram. Direct routing: TCP's SYN; each datagram of a UDP service; of a firewall mark
        TCP's only, and of SCTP nothing.
        """
        found = {}
        for key, standing in self._table.items():
            live, began = (
                {
                    item.key: item
                    for item in self._listed(standing.family, f"{name}_{standing.number}", whole=False) or ()
                }
                for name in ("live", "began")
            )
            for place in standing.servers:
                data = live_key(standing, place)
                if data in live and data in began:
                    found[key, place] = Counters(
                        active=-1,
                        inactive=-1,
                        persistent=-1,
                        connections=began[data].packets,
                        packets_in=live[data].packets,
                        packets_out=-1,
                        bytes_in=live[data].octets,
                        bytes_out=-1,
                    )
        return found

    def _wanted(self, effects: Sequence[TableEffect]) -> tuple[dict[ServiceKey, Standing | None], list[TableRefused]]:
        """What becomes of the services that are touched; None: it goes."""
        drafts: dict[ServiceKey, _Draft] = {}
        refused: list[TableRefused] = []
        for effect in effects:
            key = _key(effect)
            draft = drafts.get(key)
            if draft is None:
                old = self._table.get(key)
                draft = _Draft(old.number, old.service, dict(old.servers)) if old is not None else _Draft()
                drafts[key] = draft
            if isinstance(effect, SetServer) and draft.service is not None:
                draft.servers[effect.server.place] = effect.server
            elif isinstance(effect, SetService):
                draft.service = effect.service
            elif isinstance(effect, DropService):
                drafts[key] = _Draft()
            elif draft.service is None:
                refused.append(refusal(effect, "the service is not in the table"))
            elif isinstance(effect, DropServer):
                draft.servers.pop(effect.place, None)
        here = self._here() if any(draft.servers for draft in drafts.values()) else frozenset()
        found: dict[ServiceKey, Standing | None] = {}
        for key, draft in drafts.items():
            service = draft.service
            standing = (
                Standing(draft.number, service, draft.servers, here, self._owner) if service is not None else None
            )
            if standing is not None and mixed(standing):
                refused += _each(effects, key, "servers by NAT and by direct routing in one service need IPVS")
            else:
                found[key] = standing
        return found, refused

    def _here(self) -> frozenset[str]:
        """The addresses of this machine. Raises OSError: without them a service would be made for another way."""
        route = NetlinkSocket(netlink.NETLINK_ROUTE)
        try:
            found = list_addresses(route)
        finally:
            route.close()
        if isinstance(found, Failure):
            raise OSError(found.number, f"the addresses of this machine cannot be listed: {found}")
        return frozenset(reading.address(item.packed) for item in found)

    def _write(self, wanted: Mapping[ServiceKey, Standing | None]) -> tuple[Failure, ...] | None:
        """One transaction, all or nothing; None when it is done."""
        parts: list[bytes] = []
        numbered = dict(wanted)
        for family in {item.family for item in wanted.values() if item is not None} - self._families:
            parts += rules.table(family)
        identifier, last = 100, self._number
        for key, item in wanted.items():
            old = self._table.get(key)
            self._start += 1
            if old is not None and item is not None and old.number == item.number and old.shape == item.shape:
                parts += rules.changed(old, item, identifier, self._start)
            else:
                parts += rules.unmade(old) if old is not None else []
                if item is not None:
                    last += 1
                    numbered[key] = item = replace(item, number=last)
                    parts += rules.made(item, identifier, self._start)
            identifier += 8
        failed = self._send(parts) if parts else ()
        if failed:
            return failed
        self._number = last
        for key, standing in numbered.items():
            if standing is None:
                self._table.pop(key, None)
            else:
                self._table[key] = standing
                self._families.add(standing.family)
        return None

    def _send(self, parts: list[bytes]) -> tuple[Failure, ...]:
        return self._socket.request(nftables.batch(*parts[:-1], netlink.with_acknowledgement(parts[-1])))

    def _there(self) -> bool:
        return all(self._listed(family, "servers", whole=False) is not None for family in self._families)

    def _listed(self, family: Family, name: str, *, whole: bool = True) -> list[nft.Listed] | None:
        """The elements of a set; None when there is no such set. Raises OSError when they cannot be listed, or not ``whole``."""
        asked = nftables.set_request(family, TABLE, name)
        found = self._socket.dump(nftables.kind(nftables.GETSETELEM), asked, whole=whole)
        if isinstance(found, Failure):
            if found.number not in _NO_SET:
                raise OSError(found.number, str(found))
            return None
        return [element for item in found for element in nft.listed(item.payload)]
