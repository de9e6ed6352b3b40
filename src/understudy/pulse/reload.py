"""Takes up a new copy of the configuration while the loop turns.

Reading and judging the copy takes a millisecond for three groups and forty for a hundred (measured), so a thread does it, which
gives way to the loop every fraction of a millisecond. What has to be made anew in the kernel (tables of the leases, messages for
addresses, sockets) takes a few milliseconds, in one turn. Until the core says ``Settled`` the kernel's side knows the former
addresses and leases too, and a pulse that starts in between begins with the former copy and takes up the new one at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ..adapters import running
from ..changes import either, one_step, restarted, together, voters
from ..config.load import load
from ..errors import ConfigError
from ..events import Reconfigured
from ..model import Cluster, Role
from .kernel import KernelSide
from .manager_link import ManagerLink
from .perform import Performer
from .speak import say

SWITCH = 0.0002
"""Seconds after which a thread that reads gives way to the loop."""

STACK = 1 << 20
"""Bytes of the thread's stack, which is locked in memory."""


class Bare(Protocol):
    """``secrets.without_secrets``."""

    def __call__(self, cluster: Cluster, /) -> Cluster: ...


class Reloader:
    """``cluster`` is what runs, with its secrets; ``former`` what ran before, while something of it may be here.

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
        self.cluster = cluster
        self.former = former
        self.objection: Callable[[Cluster], str] = lambda _: ""
        self.meet: Callable[[Cluster], None] = lambda _: None
        self._witness = (cluster if former is None else together(former, cluster)).member(node).role is Role.WITNESS
        self._runtime_dir = runtime_dir
        self._kernel = kernel
        self._bare = bare
        self._asked: Any = None
        self._found: Cluster | str | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether the loop has to look again soon."""
        return self._thread is not None

    def begin(self, id: Any, manager: ManagerLink) -> None:
        """Somebody has written new copies."""
        if self._thread is not None:
            manager.reloaded(id, False, "an earlier reload is being read")
            return
        self._asked, self._found = id, None
        threading.stack_size(STACK)
        sys.setswitchinterval(SWITCH)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._found = load(running.configuration(self._runtime_dir))
        except (ConfigError, OSError) as error:
            self._found = str(error)

    def take(self, performer: Performer, manager: ManagerLink) -> Reconfigured | None:
        """The event for the core, once the copy is read and no change of addresses is under way."""
        if self._thread is None or self._found is None or performer.busy:
            return None
        self._thread.join()
        self._thread, found, before = None, self._found, self.cluster
        if isinstance(found, str):
            manager.reloaded(self._asked, False, found)
            return None
        if replace(found, source=before.source) == before:
            manager.reloaded(self._asked, True, "it runs with this configuration already")
            return None
        refusal = self._refusal(found)
        if refusal:
            manager.reloaded(self._asked, False, refusal)
            return None
        if self.former is None:
            self.former = before
        try:
            self._prepare(either(before, found), performer)
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
        return self.objection(found)

    def event(self) -> Reconfigured:
        """From the former configuration to the one that runs."""
        restart = () if self.former is None else restarted(self.former, self.cluster)
        return Reconfigured(self._bare(self.cluster), restart, self._kernel.present(), self._kernel.carriers())

    def settle(self, performer: Performer, manager: ManagerLink) -> None:
        """The core says that nothing of the former configuration is left. Waits while addresses are being changed."""
        if performer.busy:
            return
        performer.settled = False
        try:
            self._prepare(self.cluster.groups, performer)
            self.meet(self.cluster)
            running.end_change(self._runtime_dir)
        except OSError as error:
            say(f"what was configured before the reload cannot be forgotten: {error.strerror}", "warning")
        self.former = None
        manager.settled()

    def _prepare(self, groups: tuple[Any, ...], performer: Performer) -> None:
        if self._witness:
            return
        self._kernel.follow(replace(self.cluster, groups=groups))
        performer.groups = {item.address: group.name for group in groups for item in group.addresses}
        performer.renew_leases()
