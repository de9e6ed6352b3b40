"""What users of keepalived suffer from, each measured with one program on both machines (or against a stranger)."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping

from understudy.lab import kernel
from understudy.lab.cluster import Daemon
from understudy.lab.trial import ADDRESS, player, two_networks
from understudy.lab.vrrp_pair import NODES, OLD, RouterRoom, definitions, instance
from understudy.lab.vrrp_trial import KINDS, PRIORITIES, VRID, VrrpSpec, VrrpTrial, longest
from understudy.lab.vrrp_wire import runs_of
from understudy.units import MILLISECOND, SECOND

FROZEN = 1.0
SLOW = 0.7
NOTIFY = f"""\
#!/bin/sh
[ "$3" = BACKUP ] && sleep {SLOW}
echo "$3" >> /run/notified
"""


def trial(text: str) -> int:
    """A trial of the benchmark, once."""
    spec = VrrpSpec(**json.loads(text))
    print(json.dumps(KINDS[spec.kind](spec)[0]))
    return 0


def thawed(program: str) -> int:
    """The backup's program stands still for a second, ten intervals; the master is well. ``taken``: how often it took over."""
    spec = VrrpSpec("thawed", program)
    world = VrrpTrial(spec)
    world.start()
    start = world.room.signal("ha02", signal.SIGSTOP)
    end = start + round(FROZEN * SECOND)
    world.room.wait("it was frozen for a while", lambda: kernel.now() > end)
    thaw = world.room.signal("ha02", signal.SIGCONT)
    world.room.wait("it had time", lambda: kernel.now() > thaw + SECOND)
    rival = [frame.at for frame in world.room.wire.since(start, machine="ha02") if frame.priority]
    print(json.dumps({**world.result(start), "taken": len(list(runs_of(rival, 2 * spec.interval)))}))
    return 0


def notified(program: str) -> int:
    """A notify script that takes its time about BACKUP, which is followed by MASTER 0.4 s later; and the FIFO."""
    world = alone(
        program,
        ("vrrp_notify_fifo /run/notify.fifo", "script_user root"),
        ("notify /run/notify.sh",),
        lambda room: (
            room.machine("ha01").run(["sh", "-c", "cat > /run/notify.sh && chmod 755 /run/notify.sh"], NOTIFY),
            room.shell("ha01", "mkfifo /run/notify.fifo; (cat /run/notify.fifo > /run/fifo.log) > /dev/null 2>&1 &"),
        ),
    )
    world.wait("it serves", lambda: world.serves() == "ha01")
    lines = "cat /run/notified 2>/dev/null || true"
    world.wait("both scripts have run", lambda: len(world.shell("ha01", lines).split()) >= 2, 20.0)
    fifo = [line.split() for line in world.shell("ha01", "cat /run/fifo.log").splitlines()]
    return ended(world, {"scripts": world.shell("ha01", lines).split(), "fifo": fifo})


def stranger(program: str) -> int:
    """Somebody else uses our VRID with another password. ``said``: what the program tells people then."""
    secret = "authentication {{\n        auth_type PASS\n        auth_pass {0}\n    }}"
    files = {
        name: definitions(version=2)
        + instance("site", VRID, PRIORITIES[name], [f"{ADDRESS}/24 dev eth0"], secret.format(word), "advert_int 1")
        for name, word in (("ha01", "ours"), ("ha02", "theirs"))
    }
    world = RouterRoom(files, {"ha01": program, "ha02": OLD})
    world.start("ha02")
    world.wait("the stranger speaks", lambda: world.wire.speaking().get(VRID) == ("ha02",))
    start = world.start("ha01")
    world.wait("both have spoken", lambda: len(world.wire.since(start, machine="ha01")) > 2, 20.0)
    return ended(
        world,
        {
            "mac": world.stage.room.cable("ha02", "eth0").mac,
            "address": f"192.168.58.{NODES['ha02']}",
            "said": "\n".join(said(world, "ha01")),
        },
    )


def said(world: RouterRoom, name: str) -> list[str]:
    """What the program there has printed, and the history of ours."""
    program = world.programs[name]
    lines = list(program.log_tail(300))
    return lines + [told.text for told in program.history()] if isinstance(program, Daemon) else lines


def reloaded(program: str) -> int:
    """One more (excluded) address in the file and SIGHUP, on the master. ``lost``: questions of the client at the old address."""
    spec = VrrpSpec("reloaded", program, advert="0.5")
    world = VrrpTrial(spec)
    world.start()
    room, more = world.room, "192.168.58.111"
    block = f"    virtual_ipaddress_excluded {{\n        {more}/24 dev eth0\n    }}\n}}\n"
    room.files["ha01"] = room.files["ha01"].rstrip()[:-1] + block
    room.furnish("ha01")
    start = kernel.now()
    room.programs["ha01"].reload()
    room.wait("the new address is there", lambda: more in room.addresses("ha01"), 20.0)
    room.wait("it had time", lambda: kernel.now() > start + 2 * spec.down)
    seen = room.stage.watchers.seen(start, kernel.now())
    rivals = [frame for frame in room.wire.since(start, machine="ha02") if frame.priority]
    if rivals:
        print(*room.said(20), sep="\n", file=sys.stderr)
    print(json.dumps({**world.result(start), "lost": seen.lost, "rivals": len(rivals)}))
    return 0


def three(program: str) -> int:
    """The master of three stops cleanly, and the other two have never heard of each other: backups are silent."""
    nodes = {"ha01": (101, 150), "ha02": (102, 100), "ha03": (103, 50)}
    files = {
        name: definitions() + instance("site", VRID, priority, [f"{ADDRESS}/24 dev eth0"], "advert_int 0.1")
        for name, (_, priority) in nodes.items()
    }
    scene = two_networks("three", (player(name, last) for name, (last, _) in nodes.items()), {}, {})
    world = RouterRoom(files, dict.fromkeys(nodes, program), scene)
    world.start("ha01")
    world.wait("ha01 serves", lambda: world.serves() == "ha01")
    world.start("ha02", "ha03")
    world.wait("they listen", lambda: all(world.programs[name].listening() for name in ("ha02", "ha03")))
    started = kernel.now() + SECOND
    world.wait("all listen", lambda: kernel.now() > started and world.wire.speaking() == {VRID: ("ha01",)})
    asked = world.stop("ha01")
    world.wait("ha02 serves", lambda: world.serves() == "ha02")
    end = kernel.now() + SECOND
    world.wait("it had time", lambda: kernel.now() > end)
    seen = world.stage.watchers.seen(asked, end)
    assert seen.address is not None
    told = {
        "outage_ms": seen.address.length / MILLISECOND,
        "after": seen.after,
        "longest_two_ms": longest(world.two(asked, end)),
        "masters": list(world.wire.speaking().get(VRID, ())),
        "holders": [name for name in nodes if ADDRESS in world.addresses(name)],
        "order": [f"{frame.machine} {frame.priority}" for frame in world.wire.since(asked)[:8]],
        "interval_ms": 100,
    }
    return ended(world, told)


def alone(
    program: str, globals_: tuple[str, ...], more: tuple[str, ...], prepare: Callable[[RouterRoom], object]
) -> RouterRoom:
    """Only ha01 runs."""
    files = {
        name: definitions(*globals_)
        + instance("site", VRID, priority, [f"{ADDRESS}/24 dev eth0"], "advert_int 0.1", *more)
        for name, priority in PRIORITIES.items()
    }
    world = RouterRoom(files, dict.fromkeys(NODES, program), interval=5 * MILLISECOND)
    prepare(world)
    world.start("ha01")
    return world


def ended(world: RouterRoom, told: Mapping[str, object]) -> int:
    print(json.dumps(told))
    world.close()
    return 0
