"""The states of the conversation and what leads from one to the next: one table, which the code follows and the page shows."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import TypeAlias


class Holding(IntFlag):
    """What a node holds, from its own point of view: ``LOCAL`` are the groups whose lines begin with its name."""

    NONE = 0
    LOCAL = 1
    FOREIGN = 2
    ALL = 3

    @property
    def word(self) -> str:
        return ("none", "local", "foreign", "all")[self]

    def swapped(self) -> Holding:
        """The same groups as the other node sees them."""
        return Holding((self & 1) << 1 | (self & 2) >> 1)


WORDS = {each.word: each for each in (Holding.NONE, Holding.LOCAL, Holding.FOREIGN, Holding.ALL)}


class Presence(Enum):
    """What this node says of itself in its ``status``."""

    INIT = "init"
    UP = "up"
    ACTIVE = "active"


class Stage(Enum):
    """How far this node and its peer know what each holds."""

    SILENT = "silent"
    STARTING = "starting"
    WAITING = "waiting"
    STABLE = "stable"
    YIELDING = "yielding"
    LEAVING = "leaving"
    GONE = "gone"


class Standby(Enum):
    """One hand-over: the first three are of the node that gives, the last two of the one that takes."""

    IDLE = "idle"
    ASKED = "asked"
    RELEASING = "releasing"
    RELEASED = "released"
    OFFERED = "offered"
    ACQUIRING = "acquiring"


class Succession(Enum):
    """What follows when the peer is dead: may its groups be taken?"""

    IDLE = "none"
    ASKING = "asking"
    FENCING = "fencing"


State: TypeAlias = Presence | Stage | Standby | Succession

TRANSITIONS: tuple[tuple[State, str, State], ...] = (
    (Presence.INIT, "the process runs", Presence.UP),
    (Presence.UP, "every node was heard or is dead, and the lists of nodes were exchanged", Presence.ACTIVE),
    (Stage.SILENT, "this node is active", Stage.STARTING),
    (Stage.STARTING, "a report of a stable peer", Stage.STABLE),
    (Stage.STARTING, "a report of a peer that starts too, and holds nothing", Stage.STABLE),
    (Stage.STARTING, "a report of a peer that is not stable, and holds something", Stage.WAITING),
    (Stage.STARTING, "the peer is dead or has gone", Stage.STABLE),
    (Stage.STARTING, "legacy", Stage.STABLE),
    (Stage.WAITING, "a report of a stable peer", Stage.STABLE),
    (Stage.WAITING, "a report of a peer that starts too, and holds nothing", Stage.STABLE),
    (Stage.WAITING, "the wait is over", Stage.STABLE),
    (Stage.WAITING, "the peer is dead or has gone", Stage.STABLE),
    (Stage.STARTING, "its right lapsed while a peer may have been listening", Stage.YIELDING),
    (Stage.WAITING, "its right lapsed while a peer may have been listening", Stage.YIELDING),
    (Stage.STABLE, "its right lapsed while a peer may have been listening", Stage.YIELDING),
    (Stage.YIELDING, "everything has stopped", Stage.SILENT),
    (Stage.SILENT, "asked to stop", Stage.LEAVING),
    (Stage.STARTING, "asked to stop", Stage.LEAVING),
    (Stage.WAITING, "asked to stop", Stage.LEAVING),
    (Stage.STABLE, "asked to stop", Stage.LEAVING),
    (Stage.YIELDING, "asked to stop", Stage.LEAVING),
    (Stage.LEAVING, "everything has stopped", Stage.GONE),
    (Standby.IDLE, "an operator, failback or ipfail", Standby.ASKED),
    (Standby.ASKED, "the peer agrees", Standby.RELEASING),
    (Standby.ASKED, "no answer within 10 s", Standby.IDLE),
    (Standby.RELEASING, "everything has stopped", Standby.RELEASED),
    (Standby.RELEASED, "the peer has it", Standby.IDLE),
    (Standby.RELEASED, "the peer says that it has given up waiting", Standby.IDLE),
    (Standby.IDLE, "the peer asks, and both are stable", Standby.OFFERED),
    (Standby.OFFERED, "the peer asks again", Standby.OFFERED),
    (Standby.OFFERED, "the peer has released", Standby.ACQUIRING),
    (Standby.OFFERED, "the peer says that it has given up waiting", Standby.IDLE),
    (Standby.ACQUIRING, "everything has started, or failed", Standby.IDLE),
    (Standby.ASKED, "the peer is dead, gone or began anew, or this node stops", Standby.IDLE),
    (Standby.RELEASING, "the peer is dead, gone or began anew, or this node stops", Standby.IDLE),
    (Standby.RELEASED, "the peer is dead, gone or began anew, or this node stops", Standby.IDLE),
    (Standby.OFFERED, "the peer is dead, gone or began anew, or this node stops", Standby.IDLE),
    (Standby.ACQUIRING, "the peer is dead, gone or began anew, or this node stops", Standby.IDLE),
    (Standby.RELEASING, "it lasts longer than an hour", Standby.IDLE),
    (Standby.RELEASED, "it lasts longer than an hour", Standby.IDLE),
    (Standby.OFFERED, "it lasts longer than an hour", Standby.IDLE),
    (Succession.IDLE, "the peer is dead, and has a fence device", Succession.FENCING),
    (Succession.IDLE, "the peer is dead, and has none", Succession.ASKING),
    (Succession.FENCING, "it was confirmed to be off", Succession.IDLE),
    (Succession.ASKING, "nobody answers for its addresses", Succession.IDLE),
    (Succession.FENCING, "it is heard again", Succession.IDLE),
    (Succession.ASKING, "it is heard again", Succession.IDLE),
)

_AFTER: dict[tuple[State, str], State] = {(before, cause): after for before, cause, after in TRANSITIONS}


def after(state: State, cause: str) -> State:
    """The state that follows. Raises KeyError for what is not in the table: then our own code is wrong."""
    return _AFTER[(state, cause)]
