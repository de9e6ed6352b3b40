"""What decides who is master: priority, address, preemption, scripts, interfaces, sync groups, a split; each a virtual router."""

from __future__ import annotations

from router_world import Steps

from understudy.lab import kernel
from understudy.lab.vrrp_pair import NODES, RouterRoom, definitions, instance
from understudy.units import MILLISECOND, SECOND

PLAIN, EQUAL, KEPT, DELAYED, FAULTY, LOWERED, RAISED, OUTER, INNER = range(1, 10)
"""VRIDs. KEPT: nopreempt. FAULTY, LOWERED, RAISED: a script without weight, with a negative and a positive one.
OUTER and INNER are one sync group on two devices."""

INTERVAL = SECOND // 2
"""Of adverts: a busy machine makes masters late by more than the Master_Down of shorter ones."""

DELAY = 5.0
"""Longer than Master_Down: what takes over sooner has not waited for it."""
SCRIPT = """\
vrrp_script here {
    script "/usr/bin/test ! -e /run/fails"
    interval 1
    user root
}
"""
PRIORITIES = {
    PLAIN: (150, 100), EQUAL: (100, 100), KEPT: (100, 150), DELAYED: (100, 150), FAULTY: (150, 100), LOWERED: (150, 100),
    RAISED: (90, 100), OUTER: (150, 100), INNER: (150, 100),
}  # fmt: skip
MORE = {
    KEPT: ("nopreempt",),
    DELAYED: (f"preempt_delay {DELAY:.0f}",),
    FAULTY: ("track_script {\n        here\n    }",),
    LOWERED: ("track_script {\n        here weight -60\n    }",),
    RAISED: ("track_script {\n        here weight 60\n    }",),
}
GROUP = "vrrp_sync_group both {\n    group {\n        r8\n        r9\n    }\n}\n"

FIRST = dict.fromkeys(range(1, 10), "ha01")
JOINED = FIRST | {DELAYED: "ha02"}
SPLIT_HEALED = JOINED | dict.fromkeys((EQUAL, KEPT), "ha02")
"""Of two masters the one with the higher priority, or the higher address, remains."""

STEPS: dict[str, dict[int, str]] = {
    "ha01 alone": FIRST,
    "ha02 joins": JOINED,
    "a split healed": SPLIT_HEALED,
    "the script fails": SPLIT_HEALED | dict.fromkeys((FAULTY, LOWERED, RAISED), "ha02"),
    "the script is well": SPLIT_HEALED,
    "the inner cable is out": SPLIT_HEALED | dict.fromkeys((OUTER, INNER), "ha02"),
    "the inner cable is in": SPLIT_HEALED,
    "the service cable is out": dict.fromkeys(range(1, 10), "ha02"),
    "the service cable is in": SPLIT_HEALED,
    "ha01 stops": dict.fromkeys(range(1, 10), "ha02"),
}


def addresses(vrid: int) -> list[str]:
    return [f"192.168.{107 if vrid == INNER else 58}.{20 + vrid}"]


def room(programs: tuple[str, ...]) -> RouterRoom:
    files = {}
    for index, node in enumerate(NODES):
        text = definitions("script_user root") + SCRIPT + GROUP
        for vrid, priorities in PRIORITIES.items():
            device = "eth1" if vrid == INNER else "eth0"
            more = MORE.get(vrid, ())
            if vrid == RAISED and index:
                more = ()
            shown = [f"{address}/24 dev {device}" for address in addresses(vrid)]
            advert = f"advert_int {INTERVAL / SECOND:g}"
            text += instance(f"r{vrid}", vrid, priorities[index], shown, advert, *more, device=device)
        files[node] = text
    return RouterRoom(files, dict(zip(NODES, programs, strict=True)), interval=20 * MILLISECOND)


def conditions(*programs: str) -> int:
    """Through ``STEPS``. Tells also how long the delayed one waited, and which priorities ha01 said before and while its
    script failed.
    """
    world = room(programs)
    steps = Steps(world)

    def step(name: str) -> None:
        held = {address: master for vrid, master in STEPS[name].items() for address in addresses(vrid)}
        steps.take(name, STEPS[name], held=held)

    world.start("ha01")
    step("ha01 alone")
    joined = world.start("ha02")
    step("ha02 joins")
    delayed = world.wire.since(joined, machine="ha02", vrid=DELAYED)
    muted = world.mute()
    both = {vrid: tuple(NODES) for vrid in PRIORITIES}
    split = steps.until(lambda: world.wire.speaking() == both, 60.0)
    world.mute(False)
    step("a split healed")
    failed = kernel.now() - 2 * INTERVAL
    world.shell("ha01", "touch /run/fails")
    step("the script fails")
    spoken = {
        vrid: sorted({frame.priority for frame in world.wire.since(failed, machine="ha01", vrid=vrid)})
        for vrid in (FAULTY, LOWERED, RAISED)
    }
    world.shell("ha01", "rm /run/fails")
    step("the script is well")
    for device, cable in (("eth1", "the inner cable"), ("eth0", "the service cable")):
        world.stage.do(f"cable ha01 {device} out")
        step(f"{cable} is out")
        world.stage.do(f"cable ha01 {device} in")
        step(f"{cable} is in")
    world.stop("ha01")
    step("ha01 stops")
    waited = (delayed[0].at - joined) / SECOND if delayed else 0.0
    return steps.tell(waited=waited, split=split, split_for=(kernel.now() - muted) / SECOND, spoken=spoken)
