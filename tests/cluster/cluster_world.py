"""A whole cluster of real daemons for one test, in a private world; and words to say what must happen.

``@in_cluster("200ms", "1s")`` makes a test of a function that gets a ``Trial`` whose cluster is up and served by ha01.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from private_world import directed, made_test
from understudy.lab import kernel
from understudy.lab.trial import Spec, Trial
from understudy.lab.watch import Seen
from understudy.units import SECOND

LONGEST = 180.0
ENOUGH = 500
"""Questions of the client, about one per millisecond, below which an answer about a stretch of time says nothing."""

Case = Callable[[Trial], None]


def in_cluster(heartbeat: str = "200ms", dead_time: str = "1s") -> Callable[[Case], Callable[[], None]]:
    """Make a test that runs ``case(trial)`` with the lab's own cluster, in a process and a world of its own."""
    return in_world(lambda: Trial(replace(Spec("test"), heartbeat=heartbeat, dead_time=dead_time)))


def in_world(make: Callable[[], Trial]) -> Callable[[Case], Callable[[], None]]:
    """Make a test that runs ``case(make())`` in a process and a world of its own."""

    def decorate(case: Case) -> Callable[[], None]:
        return made_test(case, directed(case, make, tell, lambda trial: trial.stage.close()), LONGEST)

    return decorate


def tell(trial: Trial) -> None:
    """Print what the daemons said, for a test that fails."""
    for daemon in trial.stage.daemons.values():
        print("\n".join(f"{daemon.machine.name}: {line}" for line in daemon.log_tail(40)))


def until(what: str, happened: Callable[[], bool], limit: float = 20.0) -> None:
    """Wait for a condition; fails the test with ``what`` when it does not come."""
    end = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < end, f"not within {limit:.0f} s: {what}"
        time.sleep(0.01)


def watch(trial: Trial, start: int, least: float) -> Seen:
    """What was seen from ``start`` until at least ``least`` seconds after it, and until it was asked often enough."""
    until("time passes", lambda: kernel.now() > start + least * SECOND, least + 5)
    until("the client asks often enough", lambda: trial.stage.watchers.seen(start, kernel.now()).asked > ENOUGH)
    return trial.stage.watchers.seen(start, kernel.now())


def never_two(seen: Seen) -> None:
    assert seen.asked > ENOUGH, f"the client asked only {seen.asked} times: nothing can be said"
    assert seen.two == 0, f"two machines answered in {seen.two} sampled milliseconds, first at {seen.first_two}"


def undisturbed(seen: Seen, who: str = "ha01") -> None:
    """The same machine answered all the time. 100 ms allow for a busy test machine; the dead time is ten times that."""
    never_two(seen)
    assert (seen.before, seen.after) == (who, who)
    assert seen.address is not None
    assert seen.address.mended
    assert seen.address.length - seen.address.own_lateness < 100_000_000, seen.address


def holder(trial: Trial, at: str) -> str:
    """Who holds the group, as one machine sees it; "" when it says nobody or nothing."""
    status = trial.stage.daemons[at].status()
    groups = status["groups"] if status else []
    return next((group["holder"] or "" for group in groups), "")
