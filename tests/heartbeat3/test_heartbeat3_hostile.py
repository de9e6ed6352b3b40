"""Schedules drawn by chance: lost, copied, delayed and reordered messages, restarts, crashes, operators, cut cables.

While the service network works no two machines ever serve one address, nor run one program except on a machine that stood still;
and when everything works again, everything is served soon.
"""

from __future__ import annotations

import random

import pytest
from heartbeat3_parts import MAIL, WEB, A, B, Two

from understudy.events import ShutdownAsked
from understudy.heartbeat_files import AutoFailback
from understudy.units import MILLISECOND, SECOND

STEPS = ("standby", "takeover", "crash", "stop", "start", "cut", "mend", "lossy", "calm", "freeze", "deaf", "slow")


def act(two: Two, rng: random.Random) -> str:
    """One thing that happens."""
    step = rng.choice(STEPS)
    name = rng.choice((A, B))
    host = two.hosts[name]
    if step in ("standby", "takeover"):
        which = rng.choice(("all", "local", "foreign", "failback"))
        two.operator(name, f"hb_{step}", which)
        step += f" {which}"
    elif step == "crash":
        two.crash(name)
    elif step == "stop":
        two.tell(name, ShutdownAsked())
    elif step == "start":
        for each in two.hosts.values():
            if each.node is None or each.stopped:
                two.start(each.name)
    elif step == "cut":
        two.links[rng.choice(tuple(two.links))] = False
    elif step == "mend":
        calm(two)
    elif step == "lossy":
        two.loss, two.copies = rng.random() * 0.7, rng.random() * 0.5
        two.delay = (MILLISECOND, rng.choice((5, 50, 400)) * MILLISECOND)
    elif step == "calm":
        two.loss = two.copies = 0.0
    elif step == "freeze":
        two.freeze(name, rng.randrange(6000) * MILLISECOND)
    elif step == "deaf":
        two.deaf = {name}
    elif step == "slow":
        host.slow = rng.randrange(1, 4000) * MILLISECOND
    return f"{step} {name}"


def calm(two: Two) -> None:
    two.links = dict.fromkeys(two.links, True)
    two.loss = two.copies = 0.0
    two.delay = (MILLISECOND, 3 * MILLISECOND)
    two.deaf = set()


def night(seed: int, failback: AutoFailback) -> Two:
    """A minute or two of trouble, then quiet. Fails with the whole story."""
    rng = random.Random(seed)
    two = Two(seed, auto_failback=failback, programs=False)
    story = [f"seed {seed} {failback.value}"]
    two.start(A)
    two.run(rng.randrange(3000) * MILLISECOND)
    two.start(B)
    for _ in range(rng.randrange(3, 12)):
        two.run(rng.randrange(8000) * MILLISECOND)
        story.append(f"{(two.now // MILLISECOND) % 10**6}: {act(two, rng)}")
    calm(two)
    for host in two.hosts.values():
        host.frozen_until = min(host.frozen_until, two.now)
        host.slow = 20 * MILLISECOND
    two.run(8 * SECOND)  # longer than anything stood still
    for host in two.hosts.values():
        if host.node is None or host.stopped or host.node.leaving:
            two.run_until(lambda host=host: host.node is None or host.stopped, 5 * SECOND)  # type: ignore[misc]
            two.start(host.name)
    served = two.run_until(two.settled, 60 * SECOND)
    two.run(20 * SECOND)
    notes = [f"{name}: {note}" for name, host in two.hosts.items() for note in host.notes]
    told = "\n".join(story + notes)
    assert not two.doubles, f"{two.doubles[:3]}\n{told}"
    assert served, f"{two.owners()} {[two.node(name).stage for name in (A, B)]}\n{told}"
    assert two.settled(), f"{two.owners()}\n{told}"
    assert two.owner(WEB) in (A, B)
    assert two.owner(MAIL) in (A, B)
    return two


@pytest.mark.parametrize("failback", list(AutoFailback))
@pytest.mark.parametrize("block", range(4))
def test_no_two_owners_and_in_the_end_one(failback: AutoFailback, block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        night(seed, failback)
