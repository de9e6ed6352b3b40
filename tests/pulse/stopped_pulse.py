"""A loop in a process of its own, to be stopped and continued: prints the kinds of what its core is told."""

from __future__ import annotations

import sys

from pulse_parts import PretendCore, rig

from understudy.effects import Effect, Quit
from understudy.events import AddressGone, Event, ShutdownAsked, Stalled, TimerDue
from understudy.units import MILLISECOND, Instant


class Telling(PretendCore):
    """A heartbeat's deadline every 20 ms; counts ordinary timers quietly until the first stall."""

    stalled = False

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self.stalled = self.stalled or isinstance(event, Stalled)
        if self.stalled or not isinstance(event, TimerDue):
            print(type(event).__name__, getattr(event, "duration", ""), flush=True)
        if isinstance(event, TimerDue):
            self.deadline = now + 20 * MILLISECOND
            if self.stalled:
                return [Quit("seen")]
        return [Quit("asked")] if isinstance(event, ShutdownAsked) else []


if __name__ == "__main__":
    made = rig(sys.argv[1], int(sys.argv[2]), core=Telling())
    made.sender.close()  # the test itself is member b
    made.core.deadline = made.loop.clock()
    sys.exit(made.loop.run(AddressGone("started"), f"{sys.argv[1]}/crash"))
