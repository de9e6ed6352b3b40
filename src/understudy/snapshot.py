"""Read-only status: one source for the command line, the API and the tests, and its JSON form.

The JSON form is versioned (``SCHEMA``) and described in ``docs/status-schema.json``. Spans are milliseconds (floats) and
named ``..._ms``; a fact that was never observed is null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .units import MILLISECOND
from .vrrp import RouterView

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One path to one member: ``up`` when something arrived on it within the dead time; ``age_ms`` since the last.

    ``loss``: the part of the member's last 63 heartbeats that did not come by it, from 0.0 to 1.0.
    """

    network: str
    up: bool
    age_ms: float | None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """``state``: up, late, lost or unknown; ``via`` is "direct", the name of a relaying member, or null when unheard.

    ``hears_us``: null when unknown. ``fencing``: what became of fencing it, a sentence, or "". ``watchdog_ms``: the time-out
    of its armed watchdog, 0 for none. ``draining``: in standby, but it keeps what no other node can take. ``digest``: of the
    configuration with which it runs, "" when unheard. ``reaches``: which ping targets of groups answer there; null when that
    is not known, or no group has any. ``leaving``: its daemon is being stopped; of one that is
    lost: it was, and nothing was left there.
    """

    name: str
    role: str
    state: str
    via: str | None
    incarnation: str | None
    age_ms: float | None
    standby: bool
    config_differs: bool
    links: tuple[LinkStatus, ...]
    hears_us: bool | None = None
    fencing: str = ""
    watchdog_ms: float = 0.0
    draining: bool = False
    digest: str = ""
    reaches: tuple[str, ...] | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    id: str
    kind: str
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """``state``: up, down, waiting (asked, not often enough yet) or unknown (not asked now); ``for_ms``: for how long.

    ``failure``: why the last answer that was one failed, "" if none did; ``failed_ms``: how long ago. ``resource``: null for a
    probe of the group.
    """

    name: str
    resource: str | None
    check: str
    state: str
    for_ms: float | None
    failure: str
    failed_ms: float | None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """``lease_left_ms`` is known on the holder itself only. ``not_on`` says for each other node why not there.

    ``unfit``: for each node that cannot run it, whatever becomes of others, why. ``pinned``: an operator put it where it is;
    known on the holder only. ``up``: everything is started and every probe is up; null where only the holder knows.
    ``probes``: as this node sees them. ``prospects``: what would move it, or end its wait when it runs nowhere, in sentences.
    ``preferred``: the node that its configuration names first; null when it names none.
    """

    name: str
    holder: str | None
    state: str
    for_ms: float | None
    ballot: int | None
    lease_left_ms: float | None
    why: str
    not_on: dict[str, str]
    resources: tuple[ResourceStatus, ...]
    unfit: dict[str, str] = field(default_factory=dict)
    pinned: bool = False
    up: bool | None = None
    probes: tuple[ProbeStatus, ...] = ()
    prospects: tuple[str, ...] = ()
    preferred: str | None = None


@dataclass(frozen=True, slots=True)
class WishStatus:
    """What an operator has asked of all nodes, for as long as it is in force. ``group`` "": of all groups.

    ``kind``: "stopped" or "maintenance". ``said_ms``: when, milliseconds since 1970 by the clock of the node that was asked.
    ``left_ms``: null when it has no end. ``unknown_to``: members that are heard and have not said yet that they know of it.
    """

    group: str
    kind: str
    by: str
    said_ms: int
    reason: str
    left_ms: float | None
    unknown_to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuorumStatus:
    """``votes`` needed, ``of`` all, ``have``: members heard both ways now, this one included; ``members`` names them.

    ``text``: "partition with quorum" or "partition WITHOUT quorum", then what is special. ``needs``: the votes needed, in words,
    while a majority of two sets of voters is needed; else "".
    """

    policy: str
    votes: int
    of: int
    have: int
    quorate: bool
    text: str
    members: tuple[str, ...] = ()
    needs: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatNode:
    """A node as Heartbeat 3 has it. ``kind``: normal or ping. ``status``: init, up, active, dead or ping. ``links``: up, dead."""

    name: str
    kind: str
    status: str
    links: dict[str, str]


@dataclass(frozen=True, slots=True)
class HeartbeatView:
    """What only a pair under the old protocol has. ``resources``: which of its groups this node holds, in the word of
    ``cl_status rscstatus``: none, local, foreign, all or transition. ``keys``: for each group the first word of its line.
    """

    resources: str
    nodes: tuple[HeartbeatNode, ...]
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one node knows, at one moment. ``rejected`` counts datagrams by the reason they were refused.

    ``heartbeat``: null unless the pair speaks the protocol of Heartbeat 3. ``virtual_routers``: those of this node.
    """

    node: str
    role: str
    cluster: str
    digest: str
    quorum: QuorumStatus
    nodes: tuple[NodeStatus, ...]
    groups: tuple[GroupStatus, ...]
    warnings: tuple[str, ...]
    rejected: dict[str, int]
    counters: dict[str, int]
    standby: bool
    wishes: tuple[WishStatus, ...] = ()
    draining: bool = False
    heartbeat: HeartbeatView | None = None
    virtual_routers: tuple[RouterView, ...] = ()

    def to_json(self) -> dict[str, Any]:
        routers = [router_json(view) for view in self.virtual_routers]
        return {"schema": SCHEMA, **asdict(self), "virtual_routers": routers}


def router_json(view: RouterView) -> dict[str, Any]:
    """Its span is ``for_ms``, as a group's; what it tracks and counts are objects."""
    form = asdict(view)
    form["for_ms"] = form.pop("since") / MILLISECOND
    form["master"] = view.master or None
    return {**form, "tracks": dict(view.tracks), "counters": dict(view.counters)}
