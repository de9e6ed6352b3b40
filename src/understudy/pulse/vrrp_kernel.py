"""The kernel's side of virtual routers: as ``kernel`` does for addresses and leases, and from which address each speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..adapters import router_filter
from ..adapters.addresses import AddressChange, Outcomes
from ..adapters.router_routes import Extra, RouterRoutes, understood
from ..adapters.source_address import SourceAddresses
from ..adapters.udp import interface_index
from ..adapters.virtual_mac import VirtualDevices
from ..events import AddressGone, LinkChanged
from ..model import AddressResource, Cluster
from ..vrrp import DevicesMissing, SourceKnown
from ..vrrp_files import RouterFiles, VirtualRouter
from ..wire import neighbour
from . import vrrp_places
from .kernel import KernelSide


@dataclass(slots=True)
class _WithRoutes:
    """A change of a router's addresses, and of what comes and goes with them. As ``AddressChange``."""

    change: AddressChange
    put: Sequence[Extra]
    routes: RouterRoutes
    refused: Callable[[list[str]], None]

    def step(self) -> bool:
        done = self.change.step()
        if done and self.put:
            self.refused(self.routes.put(self.put))
        return done

    @property
    def serving(self) -> Sequence[AddressResource]:
        return self.change.serving

    @property
    def results(self) -> Outcomes:
        return self.change.results


class RouterKernel(KernelSide):
    """``cluster``: its groups are the virtual routers', and ``routers`` is set. Raises OSError as ``KernelSide`` does.

    ``found``: told of each router's source before the core is. ``moved``: called when a device may have come, gone or come back,
    with those of which the kernel has told something.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.found: Callable[[str, str], None] = lambda _, __: None
        self.moved: Callable[[Collection[str]], None] = lambda _: None
        self._files = cluster.routers or RouterFiles()
        self._told: dict[str, str] = {}
        self._missing: tuple[str, ...] = ()
        self._missing_told: tuple[str, ...] = ()
        self._sources = SourceAddresses((), frozenset())
        self._follow_sources(self._files)
        self.devices = vrrp_places.watched(self._files)
        self._routes = RouterRoutes()
        self._extras: dict[tuple[str, str], list[Extra]] = {}
        self._put: set[tuple[str, str]] = set()
        self._unmade: list[str] = []
        self._refused: list[str] = []
        self._follow_routes(self._files)
        self._virtual = VirtualDevices()
        self._virtual.follow(vrrp_places.virtual_devices(self._files))
        self._cluster = cluster
        self._unfiltered = self._filter()
        super().__init__(cluster)

    def follow(self, cluster: Cluster) -> None:
        files = cluster.routers or RouterFiles()
        self.devices = vrrp_places.watched(files)
        self._virtual.follow(vrrp_places.virtual_devices(files))
        super().follow(cluster)
        self._files, self._cluster = files, cluster
        self._unfiltered = self._filter()
        self._follow_sources(files)
        self._follow_routes(files)

    def _filter(self) -> tuple[str, ...]:
        """Make the rules of what does not answer; a sentence where the kernel has none."""
        self._beneath = router_filter.beneath(self._cluster.routers or RouterFiles())
        text = router_filter.setup(self._cluster)
        if text is None:
            return ()
        return (f"addresses of virtual routers that must not answer (no_accept, strict) do answer: {text}",)

    def _follow_sources(self, files: RouterFiles) -> None:
        wanted = frozenset(router.source for router in files.routers if router.source)
        self._sources.follow(vrrp_places.source_places(files), vrrp_places.virtual_addresses(files), wanted)

    def close(self) -> None:
        super().close()
        self._sources.close()
        self._virtual.close()
        self._routes.close()

    # -- addresses, and the routes and rules that come with them --------------------------------------------------

    def _follow_routes(self, files: RouterFiles) -> None:
        """Of each router what is understood; and by which of its addresses it is known. What is gone is taken away."""
        before, self._extras = self._extras, {}
        self._unmade = []
        for router in files.routers:
            words = [(item, False) for item in router.routes] + [(item, True) for item in router.rules]
            read = [understood(item, router.family, is_rule) for item, is_rule in words]
            self._unmade += [f"{router.name}: {item}" for item in read if isinstance(item, str)]
            extras = [item for item in read if not isinstance(item, str)]
            for address in router.addresses[:1] if extras else ():
                self._extras[address.address, address.device] = extras
        for key, extras in before.items():
            gone = [item for item in extras if item not in self._extras.get(key, ())]
            self._routes.take(gone)
        self._put &= set(self._extras)
        for key in self._put:
            self._refusals(self._routes.put(self._extras[key]))

    def _extras_of(self, addresses: Sequence[AddressResource]) -> list[Extra]:
        found = [self._extras.get((item.address, item.device), ()) for item in addresses]
        return [item for extras in found for item in extras]

    def _refusals(self, texts: list[str]) -> None:
        self._refused = texts

    def begin_add(self, addresses: Sequence[AddressResource]) -> _WithRoutes:  # type: ignore[override]
        change = super().begin_add(addresses)
        self._put |= {key for item in addresses if (key := (item.address, item.device)) in self._extras}
        return _WithRoutes(change, self._extras_of(addresses), self._routes, self._refusals)

    def begin_remove(self, addresses: Sequence[AddressResource]) -> AddressChange:
        self._routes.take(self._extras_of(addresses))
        self._put -= {(item.address, item.device) for item in addresses}
        return super().begin_remove(addresses)

    def leave(self) -> None:
        """At a clean end: the devices with virtual MACs go, and the rules."""
        self._virtual.remove_all()
        router_filter.teardown(self._cluster)

    def mend(self) -> None:
        before = self._virtual.troubles
        self._virtual.mend()
        self._missing = tuple(name for name in self.devices if not interface_index(name))
        if self._virtual.troubles != before:
            self.moved(())
        repairs = self._repairs
        super().mend()
        # Who flushed the leases flushed these rules, too; and a device that was made again has another index.
        if self._repairs != repairs or router_filter.beneath(self._files) != self._beneath:
            self._unfiltered = self._filter()

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._unmade, *self._refused, *self._unfiltered, *self._virtual.troubles, *super().warnings)

    def _announcement(self, mac: bytes, address: str, router: bool = False) -> bytes:
        return neighbour.router_announcement(mac, address, router)

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (*super().descriptors, self._sources.fileno())

    def carriers(self) -> tuple[tuple[str, bool], ...]:
        """Of all devices that matter: one that is not there has no carrier."""
        known = dict(super().carriers())
        return tuple((device, known.get(device, False)) for device in self.devices)

    def facts(self) -> list[AddressGone | LinkChanged | SourceKnown | DevicesMissing]:  # type: ignore[override]
        found: list[AddressGone | LinkChanged | SourceKnown | DevicesMissing] = [*super().facts()]
        if changed := {fact.device for fact in found if isinstance(fact, LinkChanged)}:
            self.moved(changed)
        if self._sources.changed():
            found += self.sources()
        return found + self.missing()

    def missing(self, again: bool = False) -> list[DevicesMissing]:
        """Which devices are not there, as ``mend`` found them, if they are others than was said last; ``again``: in any case."""
        if not again and self._missing == self._missing_told:
            return []
        self._missing_told = self._missing
        return [DevicesMissing(self._missing)]

    def sources(self, again: bool = False) -> list[SourceKnown]:
        """Of each virtual router whose source is another one than was said last; ``again``: of all."""
        found = []
        for router in self._files.routers:
            address = self._source(router)
            if again or self._told.get(router.name) != address:
                self._told[router.name] = address
                self.found(router.name, address)
                found.append(SourceKnown(router.name, address))
        names = {router.name for router in self._files.routers}
        self._told = {name: address for name, address in self._told.items() if name in names}
        return found

    def tidings(self, again: bool = False) -> list[DevicesMissing | SourceKnown]:
        """What a core has to know before it decides anything, as it is now."""
        self.mend()
        return [*self.missing(), *self.sources(again)]

    def source_of(self, device: str, family: int) -> str:
        """The address that a device speaks from, "" for none."""
        return self._sources.known.get((device, family), "")

    def _source(self, router: VirtualRouter) -> str:
        """A configured one need not be there, unless it is tracked: it may be another machine's that answers for us."""
        if not router.source:
            return self._sources.known.get((router.device, router.family), "")
        return "" if router.tracks_source and router.source not in self._sources.present else router.source
