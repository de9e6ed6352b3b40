"""Takes up a new copy of the configuration while the loop turns.

Reading and judging the copy takes a millisecond for three groups and forty for a hundred (measured), so a thread does it, which
gives way to the loop every fraction of a millisecond. What has to be made anew in the kernel (tables of the leases, messages for
addresses, sockets) takes a few milliseconds, in one turn. Until the core says ``Settled`` the kernel's side knows the former
addresses and leases too, and a pulse that starts in between begins with the former copy and takes up the new one at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, Protocol

from ..adapters import running
from ..changes import either, one_step, restarted, together, voters
from ..config.load import load_for_pulse as load
from ..errors import ConfigError
from ..events import Reconfigured
from ..model import Cluster, Group, Role
from .kernel import KernelSide
from .manager_link import ManagerLink
from .perform import Performer
from .reading import Found, Reading
from .speak import say


class Bare(Protocol):
    """``secrets.without_secrets``."""

    def __call__(self, cluster: Cluster, /) -> Cluster: ...


def former_copy(runtime_dir: str, read: Callable[[str], Found]) -> Found | None:
    """What ran before a reload that our predecessor could not finish. ``read`` raises ConfigError."""
    path = running.former(runtime_dir)
    if not os.path.exists(path):
        return None
    try:
        return read(path)
    except ConfigError as error:
        say(f"what was configured before the reload is not known: {error}", "warning")
        return None


class AnyReloader(Generic[Found]):
    """What a reload is, whichever files say what runs. ``read``: what they say; raises ConfigError or OSError.

    ``cluster`` is what runs, with its secrets; ``former`` what ran before, while something of it may be here.
    """

    def __init__(
        self,
        cluster: Cluster,
        former: Cluster | None,
        runtime_dir: str,
        kernel: KernelSide,
        bare: Bare,
        read: Callable[[str], Found],
    ) -> None:
        self.cluster = cluster
        self.former = former
        self._runtime_dir = runtime_dir
        self._kernel = kernel
        self._bare = bare
        self._read_copy = read
        self._asked: Any = None
        self._reading: Reading[Found | str] = Reading(self._read, lambda text: text)

    @property
    def busy(self) -> bool:
        """Whether the loop has to look again soon."""
        return self._reading.busy

    def begin(self, id: Any, manager: ManagerLink) -> None:
        """Somebody has written new copies."""
        if self._reading.begin():
            self._asked = id
        else:
            manager.reloaded(id, False, "an earlier reload is being read")

    def _read(self) -> Found | str:
        try:
            return self._read_copy(running.configuration(self._runtime_dir))
        except (ConfigError, OSError) as error:
            return str(error)

    def _taken(self, performer: Performer, manager: ManagerLink) -> Found | None:
        """What the copies say, once they are read and no change of addresses is under way. Who asked is told what is wrong."""
        found = None if performer.busy else self._reading.take()
        if isinstance(found, str):
            manager.reloaded(self._asked, False, found)
            return None
        return found

    def _same(self, manager: ManagerLink) -> None:
        """Nothing of it is ours (only services have changed, say), so nothing of what was before has to stop."""
        if self.former is None:
            self._end(manager)
        manager.reloaded(self._asked, True, "it runs with this configuration already")

    def settle(self, performer: Performer, manager: ManagerLink) -> None:
        """The core says that nothing of the former configuration is left. Waits while addresses are being changed."""
        if performer.busy:
            return
        performer.settled = False
        self._end(manager, lambda: self._forget(performer))

    def _end(self, manager: ManagerLink, forget: Callable[[], None] = lambda: None) -> None:
        try:
            forget()
            running.end_change(self._runtime_dir)
        except OSError as error:
            say(f"what was configured before the reload cannot be forgotten: {error.strerror}", "warning")
        self.former = None
        manager.settled()

    def _forget(self, performer: Performer) -> None:
        """Only what runs counts from now on. May raise OSError."""
        raise NotImplementedError

    def _follow(self, groups: tuple[Group, ...], cluster: Cluster, performer: Performer) -> None:
        """The kernel's side knows the addresses and leases of these groups, and no others."""
        self._kernel.follow(replace(cluster, groups=groups))
        performer.groups = {item.address: group.name for group in groups for item in group.addresses}
        performer.renew_leases()


class Reloader(AnyReloader[Cluster]):
    """As ``AnyReloader``, of the native configuration.

    ``objection``: the core's, against another configuration. ``meet``: has the members of a cluster, and nobody else, heard and
    spoken to from now on; raises OSError.
    """

    def __init__(
        self,
        cluster: Cluster,
        former: Cluster | None,
        node: str,
        runtime_dir: str,
        kernel: KernelSide,
        bare: Bare,
    ) -> None:
        super().__init__(cluster, former, runtime_dir, kernel, bare, load)
        self.objection: Callable[[Cluster], str] = lambda _: ""
        self.meet: Callable[[Cluster], None] = lambda _: None
        self._witness = (cluster if former is None else together(former, cluster)).member(node).role is Role.WITNESS

    def take(self, performer: Performer, manager: ManagerLink) -> Reconfigured | None:
        """The event for the core, once the copy is read and no change of addresses is under way."""
        found, before = self._taken(performer, manager), self.cluster
        if found is None:
            return None
        if replace(found, source=before.source) == before:
            self._same(manager)
            return None
        refusal = self._refusal(found)
        if refusal:
            manager.reloaded(self._asked, False, refusal)
            return None
        if self.former is None:
            self.former = before
        try:
            self._prepare(either(before, found), found, performer)
            self.meet(together(self.former, found))
        except OSError as error:
            manager.reloaded(self._asked, False, f"the kernel does not take it: {error.strerror}")
            self.former = None if self.former is before else self.former
            return None
        self.cluster = found
        manager.reloaded(self._asked, True, "taken up")
        return self.event()

    def _refusal(self, found: Cluster) -> str:
        """Why it cannot be taken up. While two sets of voters are counted, what was before them is all that can."""
        if self.former is not None and voters(self.former) == voters(self.cluster):
            return "something of the configuration before the last reload has not stopped yet"
        if not one_step(self.cluster, found):
            return "this change needs a restart of the daemons"
        if self.cluster.routers is None and found.routers is not None and not self._witness:
            return "the first virtual router needs a restart of the daemon"
        return self.objection(found)

    def event(self) -> Reconfigured:
        """From the former configuration to the one that runs."""
        restart = () if self.former is None else restarted(self.former, self.cluster)
        return Reconfigured(self._bare(self.cluster), restart, self._kernel.present(), self._kernel.carriers())

    def _forget(self, performer: Performer) -> None:
        self._prepare(self.cluster.groups, self.cluster, performer)
        self.meet(self.cluster)

    def _prepare(self, groups: tuple[Group, ...], cluster: Cluster, performer: Performer) -> None:
        """The kernel's side knows these groups, and what else ``cluster`` has here. Raises OSError."""
        if not self._witness:
            self._follow(groups, cluster, performer)
