"""What only the conversation with Linux-HA Heartbeat 3 has besides the other words: its settings, its events and its effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from .effects import Effect
from .events import Event
from .heartbeat3 import OldMessage
from .heartbeat_files import AutoFailback, PingNode
from .messages import Inquiry, Page
from .model import Cluster
from .units import MILLISECOND, SECOND, Duration, Instant


@dataclass(frozen=True, slots=True)
class OldPair:
    """``ha.cf`` as far as the conversation needs it. Times in nanoseconds.

    ``nodes``: one name or two, lower case, in the order of the file. ``uuid``: 16 bytes of this machine. ``keys``: for each group
    of the cluster the first word of its line in haresources, as written there; a group without one is named by its own name.
    ``known``: (node, generation) as ``RememberGeneration`` said it last, so that recordings from before are refused after a
    restart of ours, too.
    """

    nodes: tuple[str, ...]
    uuid: bytes = b""
    keepalive: Duration = SECOND
    warntime: Duration = 15 * SECOND
    deadtime: Duration = 30 * SECOND
    initdead: Duration = 60 * SECOND
    deadping: Duration = 30 * SECOND
    auto_failback: AutoFailback = AutoFailback.LEGACY
    pings: tuple[PingNode, ...] = ()
    ipfail: bool = False
    keys: tuple[tuple[str, str], ...] = ()
    max_rexmit_delay: Duration = 250 * MILLISECOND
    hopfudge: int = 1
    known: tuple[tuple[str, int], ...] = field(default=())
    accepts: tuple[int, ...] = ()
    """The indices of authkeys, said to the other node: which of them it may sign with."""

    def key(self, group: str) -> str:
        """How the old protocol names ``group``."""
        return next((key for name, key in self.keys if name == group), group)


GENERATIONS = "heartbeat_generations.json"
"""In the state directory: the generations that were heard last, and our own, by the names of the nodes."""


@dataclass(frozen=True, slots=True)
class OldReceived:
    """A message of the old protocol whose signature holds. ``link``: the device or the serial port. ``arrival``: at most now."""

    link: str
    message: OldMessage
    arrival: Instant


@dataclass(frozen=True, slots=True)
class HostSeen:
    """This machine's wall clock (milliseconds since 1970) and the line of ``/proc/loadavg``; told now and then. Both are only
    passed on in messages: nothing is decided by them.
    """

    wall_clock: int
    load: str


@dataclass(frozen=True, slots=True)
class ScriptSaid:
    """A message of a script, to be sent in our name: names and texts of its fields, ``t`` among them."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PairChanged:
    """Other files while it runs: times, failback, devices, lines of haresources; the nodes are the same. ``restart`` and
    ``addresses`` as in ``events.Reconfigured``.
    """

    cluster: Cluster
    pair: OldPair
    restart: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SendOld:
    """Sign ``message`` and send it on every medium. Sent again it is this very message: only its outer token may differ."""

    message: OldMessage


@dataclass(frozen=True, slots=True)
class RememberGeneration:
    """Keep on disk, for ``OldPair.known``, that ``node`` was heard with this generation (safety does not depend on it)."""

    node: str
    generation: int


@dataclass(frozen=True, slots=True)
class ManagerSays:
    """What our manager has to say to that of the other node, which is one of ours, too."""

    message: Inquiry | Page


@dataclass(frozen=True, slots=True)
class ChangeOver:
    """Leave the old protocol now: the configuration that was prepared counts from here. What is held stays as it is."""

    why: str


OldEvent: TypeAlias = Event | OldReceived | HostSeen | PairChanged | ScriptSaid | ManagerSays
OldEffect: TypeAlias = Effect | SendOld | RememberGeneration | ChangeOver
