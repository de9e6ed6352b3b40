"""Takes up other files of Heartbeat's while the loop turns: as ``reload`` does a native configuration, and other keys with them.

Another key signs only when the other node is known to accept it: because it signs with it itself, because it says so (one of
ours), or because it is not heard at all. An old peer verifies with the key that it signs with, so at most the heartbeats between
its own change and ours are lost. What it signs with is accepted throughout: files without that key are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..adapters import running
from ..changes import either, restarted
from ..config.heartbeat_copy import HeartbeatCopy
from ..config.load import load_for_pulse, load_heartbeat
from ..core.heartbeat3.saying import ACCEPTS
from ..heartbeat3 import OldMessage
from ..model import Cluster
from ..old_pair import OldPair, PairChanged
from ..units import Duration, Instant
from ..wire.heartbeat3 import Keys
from .kernel import KernelSide
from .manager_link import ManagerLink
from .old_ear import OldEar, OldMouth, keys_of
from .perform import Performer
from .reload import AnyReloader, Bare
from .speak import say


@dataclass(slots=True)
class Signing:
    """Which key signs. ``me``: whose messages come back to us. ``patience``: silence after which the other is not waited for."""

    ear: OldEar
    mouth: OldMouth
    me: str
    patience: Duration
    index: int | None = None
    """With which the other node signs."""
    heard_at: Instant = 0
    accepts: frozenset[int] = frozenset()

    def heard(self, index: int, message: OldMessage, now: Instant) -> None:
        """A message whose signature holds."""
        if message.get("src").lower() == self.me:
            return
        self.index, self.heard_at = index, now
        if message.get("t") == "status":
            said = message.get(ACCEPTS).split()
            self.accepts = frozenset(int(word) for word in said if word.isascii() and word.isdigit() and len(word) < 3)
        self.look(now)

    def look(self, now: Instant) -> None:
        """Sign with the key of the file as soon as that is understood."""
        wanted = self.ear.keys.sending
        if self.mouth.auth == wanted:
            return
        if self.index == wanted.index or wanted.index in self.accepts or now - self.heard_at > self.patience:
            self.mouth.auth = wanted
            say(f"messages are signed with key {wanted.index} from now on", "info")

    def objection(self, keys: Keys, now: Instant) -> str:
        """Why these keys cannot be the only ones accepted, or ""."""
        for index, who in ((self.index, "the other node"), (self.mouth.auth.index, "this node")):
            silent = index == self.index and now - self.heard_at > self.patience
            if index is not None and not silent and keys.get(index) != self.ear.keys.get(index):
                return f"{who} still signs with key {index}: keep it as it is, until both sign with the new one"
        return ""


def read_copy(path: str) -> tuple[Cluster, HeartbeatCopy]:
    """What the copy of Heartbeat's files says. Raises ConfigError."""
    return load_for_pulse(path), load_heartbeat(path, with_services=False)


class OldReloader(AnyReloader[tuple[Cluster, HeartbeatCopy]]):
    """As ``AnyReloader``, of Heartbeat's files. ``pair``: the core's settings in a copy. ``objection``: the core's.
    ``paced``: told of another dead time.
    """

    def __init__(
        self,
        cluster: Cluster,
        former: Cluster | None,
        runtime_dir: str,
        kernel: KernelSide,
        bare: Bare,
        signing: Signing,
        pair: Callable[[HeartbeatCopy], OldPair],
    ) -> None:
        super().__init__(cluster, former, runtime_dir, kernel, bare, read_copy)
        self.objection: Callable[[Cluster, OldPair], str] = lambda _, __: ""
        self.paced: Callable[[Duration], None] = lambda _: None
        self._signing = signing
        self._pair_of = pair
        self._pair: OldPair | None = None

    def take(self, performer: Performer, manager: ManagerLink) -> PairChanged | None:
        """The event for the core, once the copy is read and no change of addresses is under way."""
        found = self._taken(performer, manager)
        if found is None:
            return None
        before, now = self.cluster, performer.clock()
        cluster, copy = found
        keys, pair = keys_of(copy.files), self._pair_of(copy)
        if self.former is not None and cluster.digest == before.digest:
            manager.reloaded(self._asked, True, "it is being taken up")  # asked again by a manager that came anew
            return None
        refusal = self._signing.objection(keys, now) or self.objection(cluster, pair)
        if refusal:
            manager.reloaded(self._asked, False, refusal)
            return None
        try:
            self._follow(either(before, cluster), cluster, performer)
        except OSError as error:
            manager.reloaded(self._asked, False, f"the kernel does not take it: {error.strerror}")
            return None
        self.former, self.cluster, self._pair = before, cluster, pair
        self._signing.ear.keys, self._signing.patience = keys, pair.deadtime
        self._signing.look(now)
        self.paced(min(before.dead_time, cluster.dead_time))
        manager.reloaded(self._asked, True, "taken up")
        return self.event()

    def event(self) -> PairChanged:
        """From the former files to those that count."""
        pair = self._pair or self._pair_of(load_heartbeat(running.configuration(self._runtime_dir), False))
        restart = () if self.former is None else restarted(self.former, self.cluster)
        return PairChanged(self._bare(self.cluster), pair, restart, self._kernel.present())

    def _forget(self, performer: Performer) -> None:
        self.paced(self.cluster.dead_time)
        self._follow(self.cluster.groups, self.cluster, performer)
