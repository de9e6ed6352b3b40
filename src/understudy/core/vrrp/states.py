"""The states of a virtual router and what leads from one to the next: one table, which the code follows and the page shows.

RFC 9568 section 6.4, with the state FAULT that keepalived has besides.
"""

from __future__ import annotations

from enum import Enum

from ...vrrp import RouterState


class Cause(Enum):
    """Why a virtual router goes from one state to another; the value is what the page shows."""

    READY = "everything that it needs is there"
    OWNER = "everything that it needs is there, and it owns the addresses (priority 255)"
    RESUMED = "it was master when this daemon ended, and its right to serve still runs in the kernel"
    SILENCE = "no better master was heard for Master_Down_Interval"
    GOODBYE = "the master has said goodbye (priority 0)"
    TOGETHER = "every member of its sync group wants to be master"
    GRANTED = "nobody is heard, and the group of the cluster that it follows is held here"
    BEATEN = "a better master is heard: a higher priority, or the same from a higher address"
    LATE = "its own right to serve is over: no advertisement left this machine in time"
    PARTED = "another member of its sync group is not master any more"
    REVOKED = "the group of the cluster that it follows is not held here any more"
    CHANGED = "its configuration has changed in what others know it by"
    FAULTY = "something that it needs is missing"
    STOPPED = "asked to stop, or not in the configuration any more"


_INIT, _BACKUP, _MASTER = RouterState.INIT, RouterState.BACKUP, RouterState.MASTER
_FAULT, _STOP = RouterState.FAULT, RouterState.STOP

TRANSITIONS: tuple[tuple[RouterState, Cause, RouterState], ...] = (
    (_INIT, Cause.READY, _BACKUP),
    (_INIT, Cause.OWNER, _MASTER),
    (_INIT, Cause.RESUMED, _MASTER),
    (_INIT, Cause.FAULTY, _FAULT),
    (_INIT, Cause.STOPPED, _STOP),
    (_BACKUP, Cause.SILENCE, _MASTER),
    (_BACKUP, Cause.GOODBYE, _MASTER),
    (_BACKUP, Cause.TOGETHER, _MASTER),
    (_BACKUP, Cause.GRANTED, _MASTER),
    (_BACKUP, Cause.FAULTY, _FAULT),
    (_BACKUP, Cause.STOPPED, _STOP),
    (_MASTER, Cause.BEATEN, _BACKUP),
    (_MASTER, Cause.LATE, _BACKUP),
    (_MASTER, Cause.PARTED, _BACKUP),
    (_MASTER, Cause.REVOKED, _BACKUP),
    (_MASTER, Cause.CHANGED, _BACKUP),
    (_MASTER, Cause.FAULTY, _FAULT),
    (_MASTER, Cause.STOPPED, _STOP),
    (_FAULT, Cause.READY, _BACKUP),
    (_FAULT, Cause.OWNER, _MASTER),
    (_FAULT, Cause.STOPPED, _STOP),
)

_AFTER = {(before, cause): then for before, cause, then in TRANSITIONS}


def after(state: RouterState, cause: Cause) -> RouterState:
    """The state that follows. Raises KeyError for what is not in the table: then our own code is wrong."""
    return _AFTER[(state, cause)]
