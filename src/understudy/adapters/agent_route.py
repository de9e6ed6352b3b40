"""A route that moves with its group, and the preferred source address of a route that stays.

Both speak to the kernel in the system call itself, so nothing here waits.

The kernel removes an IPv4 route when its preferred source address leaves the machine (``fib_sync_down_addr``), and addresses
leave at once when a lease ends. So the route is noted before it is changed, and put back as it was, also when it is gone by then,
and by the next manager. The note is worthless after a boot, when the machine makes its routes anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..effects import Action
from ..events import Outcome
from ..model import RouteResource, SourceAddressResource
from ..units import Duration
from .agent_ocf import Verdict
from .agent_proc import boot_id, read_record, remove_record, write_record
from .routes import FROM_ROUTER, Route, Routes, make, open_routes, unpack


class RouteRunner:
    """One ``route`` resource."""

    def __init__(self, resource: RouteResource) -> None:
        self.resource = resource

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        try:
            with open_routes() as routes:
                if action is Action.START:
                    return self._start(routes)
                if action is Action.STOP:
                    return self._stop(routes)
                return self._monitor(routes)
        except OSError as error:
            return Outcome.UNKNOWN, f"cannot ask the kernel for its routes: {error.strerror}"

    def _wanted(self) -> Route | str:
        """The route, or why there can be none now."""
        resource = self.resource
        try:
            return make(
                resource.destination, resource.via, resource.device, resource.table, resource.metric, resource.source
            )
        except OSError:
            return f"there is no network interface {resource.device}"

    def _ours(self, routes: Routes, wanted: Route) -> Route | None:
        resource = self.resource
        for route in routes.to(resource.destination, resource.table):
            same = route.metric == wanted.metric and route.gateway == (resource.via or "")
            device = resource.device is None or route.device == resource.device
            if same and device and (resource.source is None or route.source == resource.source):
                return route
        return None

    def _start(self, routes: Routes) -> Verdict:
        wanted = self._wanted()
        if isinstance(wanted, str):
            return Outcome.FAILED, wanted
        if self._ours(routes, wanted) is not None:
            return Outcome.OK, "was there already"
        refusal = routes.add(wanted)
        if not refusal:
            return Outcome.OK, ""
        resource = self.resource
        rivals = [r for r in routes.to(resource.destination, resource.table) if r.metric == wanted.metric]
        if rivals:
            return Outcome.FAILED, f"there is another route to the same place: {rivals[0]}"
        return Outcome.FAILED, f"the kernel refuses the route: {refusal}"

    def _stop(self, routes: Routes) -> Verdict:
        wanted = self._wanted()
        ours = None if isinstance(wanted, str) else self._ours(routes, wanted)
        if ours is None:
            return Outcome.OK, "was not there"
        refusal = routes.remove(ours)
        return (Outcome.FAILED, f"the kernel does not remove the route: {refusal}") if refusal else (Outcome.OK, "")

    def _monitor(self, routes: Routes) -> Verdict:
        wanted = self._wanted()
        ours = wanted if isinstance(wanted, str) else self._ours(routes, wanted)
        if not isinstance(ours, Route):
            return Outcome.NOT_RUNNING, ours or "the route is not there"
        if ours.is_dead:
            return (
                Outcome.FAILED,
                f"the route leads nowhere: {ours.device or 'its interface'} is down or has no carrier",
            )
        return Outcome.OK, ""


class SourceAddressRunner:
    """One ``source_address`` resource. ``note``: the path of a small file that remembers the route as it was."""

    def __init__(self, resource: SourceAddressResource, note: str) -> None:
        self.resource = resource
        self._note = note

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        try:
            with open_routes() as routes:
                if action is Action.START:
                    return self._start(routes)
                if action is Action.STOP:
                    return self._stop(routes)
                return self._monitor(routes)
        except OSError as error:
            return Outcome.UNKNOWN, f"cannot ask the kernel for its routes: {error.strerror}"

    def _found(self, routes: Routes) -> tuple[Route, ...]:
        device = self.resource.route_device
        found = routes.to(self.resource.of_route)
        return tuple(route for route in found if device is None or route.device == device)

    def _start(self, routes: Routes) -> Verdict:
        found = self._found(routes)
        if any(route.source == self.resource.source_address for route in found):
            return Outcome.OK, "was set already"
        before = self._remembered()
        if not found and before is not None:
            if refusal := routes.add(before):
                return Outcome.FAILED, f"the route ({before}) was lost and cannot be put back: {refusal}"
            found = (before,)
        if not found:
            return Outcome.FAILED, f"there is no {self._name()}"
        route = found[0]
        if route.protocol == FROM_ROUTER:
            text = f"the {self._name()} comes from router advertisements and changes with them"
            return Outcome.FAILED, f"{text}: give the machine a route of its own"
        if trouble := self._remember(route):
            return Outcome.FAILED, trouble
        refusal = routes.replace(route.with_source(self.resource.source_address))
        if refusal:
            remove_record(self._note)
            text = f"the kernel does not take {self.resource.source_address} as the source of the {self._name()}: {refusal}"
            return Outcome.FAILED, text
        return Outcome.OK, ""

    def _stop(self, routes: Routes) -> Verdict:
        """As it was; a route that somebody else has made meanwhile is left alone."""
        found = self._found(routes)
        ours = [route for route in found if route.source == self.resource.source_address]
        before = self._remembered()
        refusal = ""
        if ours:
            same = before is not None and before.metric == ours[0].metric
            refusal = routes.replace(before if same and before is not None else ours[0].with_source(""))
        elif before is not None and not found:
            refusal = routes.add(before)
        if refusal:
            return Outcome.FAILED, f"the kernel does not put the {self._name()} back: {refusal}"
        remove_record(self._note)
        return Outcome.OK, "" if ours or before is not None else "was not set"

    def _monitor(self, routes: Routes) -> Verdict:
        """With a note there is something to put back, so it is not simply stopped."""
        found = self._found(routes)
        if any(route.source == self.resource.source_address for route in found):
            return Outcome.OK, ""
        text = (
            f"the {self._name()} has {found[0].source or 'no'} preferred source"
            if found
            else f"there is no {self._name()}"
        )
        return (Outcome.NOT_RUNNING if self._remembered() is None else Outcome.FAILED), text

    def _name(self) -> str:
        device = f" over {self.resource.route_device}" if self.resource.route_device else ""
        network = self.resource.of_route
        return f"default route{device}" if network.endswith("/0") else f"route to {network}{device}"

    def _remember(self, route: Route) -> str:
        """What went wrong, or ""."""
        return write_record(self._note, {"boot": boot_id(), "route": route.pack().hex(), "words": str(route)})

    def _remembered(self) -> Route | None:
        record = read_record(self._note)
        if record is None or record.get("boot") != boot_id():
            return None
        try:
            return unpack(bytes.fromhex(str(record.get("route"))))
        except ValueError:
            return None
