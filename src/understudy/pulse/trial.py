"""The first moments after a pulse has left the old protocol: unless the other node is heard under the native one, it goes back.

Both happen within half a dead time after the last heartbeat of the old protocol. So nobody counts this node as dead meanwhile,
and the kernel's leases of what it holds still run when either protocol renews them. Nothing is promised to the other node
before the end of the trial is on record: the mark goes before its first message reaches the core.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..adapters import upgrading
from ..messages import Heartbeat, Message
from ..units import NEVER, SECOND, Duration, Instant, format_duration
from .speak import say

ANEW = -1
"""What a life of the pulse returns that is followed by another one in the same process."""

LONGEST: Duration = 5 * SECOND


def span(dead_time: Duration) -> Duration:
    """How long the other node is waited for."""
    return min(dead_time // 2, LONGEST)


@dataclass(slots=True)
class Trial:
    """``incarnation``: ours, in this life. ``deadline``: when the other node must have been heard; NEVER once it was."""

    runtime_dir: str
    me: str
    incarnation: int
    dead_time: Duration
    deadline: Instant

    def heard(self, sender: str, message: Message) -> None:
        """The other node speaks the native protocol, too: from now on that counts here.

        Only a heartbeat that names our incarnation shows that: it was said by a pulse, since we began, by one who hears us. The
        manager of a node of the old protocol has the same key, and what was said in an earlier trial may have been recorded. The
        core takes nothing of a member before it heard such a heartbeat, so it is never ahead of the mark.
        """
        if sender == self.me or self.deadline == NEVER or not isinstance(message, Heartbeat):
            return
        if (self.me, self.incarnation) not in ((item.node, item.incarnation) for item in message.state.heard):
            return
        try:
            upgrading.end_trial(self.runtime_dir)
        except OSError as error:
            say(f"cannot end the trial of the native protocol ({error.strerror}): it ends in a return", "error")
            return
        self.deadline = NEVER

    def failed(self, now: Instant) -> bool:
        if now < self.deadline:
            return False
        waited = format_duration(span(self.dead_time))
        say(f"the other node was not heard under the native protocol within {waited}: back to the old one", "warning")
        return True


def begin(runtime_dir: str) -> None:
    """A new process. Was its predecessor trying the native protocol? Then it promised nothing yet, and the old one counts."""
    if upgrading.in_trial(runtime_dir):
        say("an earlier pulse died while it tried the native protocol: back to the old one", "warning")
        upgrading.go_back(runtime_dir)


def change(runtime_dir: str) -> bool:
    """Between two lives: exchange the copies. Returns whether the next life is a trial."""
    if upgrading.in_trial(runtime_dir):
        upgrading.go_back(runtime_dir)
        return False
    try:
        upgrading.go_over(runtime_dir)
    except OSError as error:
        where = os.fspath(error.filename or runtime_dir)
        say(f"cannot write {where} ({error.strerror}): the old protocol goes on", "error")
        upgrading.go_back(runtime_dir)
        return False
    return True
