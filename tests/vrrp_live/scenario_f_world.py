"""Two scenarios of administrators, with their files as published: httpd with a check script, and two networks."""

from __future__ import annotations

import sys
from pathlib import Path

from router_world import Steps

from understudy.lab import kernel
from understudy.lab.netns import Machine
from understudy.lab.old_pair import APACHE
from understudy.lab.samples import last_answer
from understudy.lab.scene import Interface, Player, Scene, Watcher
from understudy.lab.site import DIRECTORY
from understudy.lab.vrrp_pair import NODES, OLD, RouterRoom
from understudy.units import MILLISECOND, SECOND

FILES = Path(__file__).resolve().parent / "scenarios"
ADDRESS, INNER_ADDRESS = "192.168.224.100", "192.168.198.100"
OUTER, INNER = 51, 52

MASTER_DOWN = 4 * SECOND
"""Of the published files: three intervals of 1 s and the skew, which is shorter than another one."""

RECENT = 300 * MILLISECOND
"""Whoever served so long ago serves still."""

CHECKED = f"{DIRECTORY}/checked"
"""A line for each time that the script has run."""

CHECK = f"""\
#!/bin/sh
# Is httpd there? If not, start it; fail when that does not help.
alive() {{ kill -0 "$(cat {DIRECTORY}/httpd.pid)" 2>/dev/null; }}
echo >> {CHECKED}
alive && exit 0
rm -f {DIRECTORY}/httpd.pid
{APACHE} -f {DIRECTORY}/httpd.conf -k start
for i in 1 2 3 4 5 6 7 8 9 10; do alive && exit 0; sleep 0.05; done
exit 1
"""
GROUP = "vrrp_sync_group both {\n    group {\n        VI_1\n        VI_2\n    }\n}\n"


def prepare(machine: Machine) -> None:
    """The check script where the file wants it."""
    words = "mount -t tmpfs none /usr/local && cat > /usr/local/httpd.sh && chmod 755 /usr/local/httpd.sh"
    machine.run(["sh", "-c", words], CHECK)


def room(folder: str, program: str, more: str = "") -> RouterRoom:
    places = (("ens33", "outer", "192.168.224"), ("ens37", "inner", "192.168.198"))
    players = tuple(
        Player(
            name,
            "node",
            tuple(Interface(device, network, (f"{prefix}.{last}/24",)) for device, network, prefix in places),
        )
        for name, last in NODES.items()
    )
    client = Watcher("outer", "192.168.224.200/24", asks=ADDRESS, page=f"http://{ADDRESS}/node.html")
    scene = Scene(folder, ("outer", "inner"), players, {}, {}, client, Watcher("outer", "192.168.224.201/24"))
    texts = [(FILES / folder / file).read_text("utf-8") for file in ("master.conf", "backup.conf")]
    if program == OLD:
        # It ends at once where the kernel has no IPVS; nothing here balances.
        texts = ["\n".join(line for line in text.splitlines() if "lvs_sync" not in line) + "\n" for text in texts]
    files = {name: text + more for name, text in zip(NODES, texts, strict=True)}
    return RouterRoom(files, dict.fromkeys(NODES, program), scene, 2 * MILLISECOND, prepare)


def httpd(program: str) -> int:
    """What the author tried, in his order. ``outage_ms`` of the address, ``page_ms`` of the page, ``two``: both answered."""
    world = room("vrrp-httpd", program)
    steps, watchers = Steps(world), world.stage.watchers
    begun = world.start()
    alone = {ADDRESS: "ha01"}

    def served(name: str, since: int) -> None:
        """Questions that were asked after ``since`` have their answers from there."""

        def answered() -> bool:
            now = kernel.now()
            last = [last_answer(asked(since, now)) for asked in (watchers.questions, watchers.pages)]
            recent = [sample for sample in last if sample is not None and sample.answered > now - RECENT]
            return [watchers.name(sample) for sample in recent] == [name, name]

        world.wait(f"{name} serves", answered, 90.0)

    def ended(step: str, start: int) -> None:
        since = kernel.now()
        world.wait("a little later", lambda: kernel.now() > since + 400 * MILLISECOND)
        seen = watchers.seen(start, kernel.now())
        assert seen.address is not None
        assert seen.page is not None
        outage, page = (gap.length / MILLISECOND for gap in (seen.address, seen.page))
        told = {"before": seen.before, "after": seen.after, "outage_ms": outage, "page_ms": page, "two": seen.two}
        steps.told[step] = told
        print(f"{step}: {told}", file=sys.stderr)

    served("ha01", begun)
    steps.take("both", {OUTER: "ha01"}, held=alone)
    started_again(world)
    served("ha01", world.stage.moment)
    ended("httpd stopped", world.stage.moment)
    start = kernel.now()  # what it returns is some time after the frames stopped, on a busy machine
    world.power_off("ha01")
    served("ha02", start)
    ended("power off", start)
    world.power_on("ha01")
    back = world.start("ha01")
    served("ha01", back)
    ended("power on", back)
    steps.take("both again", {OUTER: "ha01"}, held=alone)
    start = world.stop("ha01")
    served("ha02", start)
    ended("stopped", start)
    world.wait("it has ended", lambda: not world.programs["ha01"].everything(), 60.0)
    back = world.start("ha01")
    served("ha01", back)
    ended("started", back)
    steps.take("both for the third time", {OUTER: "ha01"}, held=alone)
    found = world.shell("ha01", f"ip -o address show dev ens33 to {ADDRESS}").split()[3]
    start = kernel.now()
    world.shell("ha01", f"ip address del {found} dev ens33")
    served("ha01", kernel.now())
    ended("address deleted", start)
    announced = world.wire.since(start, "arp", "ha01")
    return steps.tell(announced=len(announced), watched_ms=(kernel.now() - begun) / MILLISECOND)


def started_again(world: RouterRoom) -> None:
    """httpd is stopped just after its check, and waited for until a later check has started another one."""

    def read(file: str) -> str:
        return world.shell("ha01", f"cat {file} 2>/dev/null || true")

    checked, former = read(CHECKED), read(f"{DIRECTORY}/httpd.pid")
    world.wait("the script runs", lambda: read(CHECKED) != checked, 60.0)
    world.stage.do(f"on ha01 kill {former.strip()}")
    world.wait("another httpd runs", lambda: read(f"{DIRECTORY}/httpd.pid") not in ("", former), 60.0)


def two_nics(program: str, together: str) -> int:
    """The inner network's cable is pulled at ha01. ``together`` "yes": both virtual routers are one sync group."""
    world = room("vrrp-two-nics", program, GROUP if together == "yes" else "")
    steps = Steps(world)
    world.start("ha01")
    first = {OUTER: "ha01", INNER: "ha01"}
    steps.take("ha01 alone", first, held={ADDRESS: "ha01", INNER_ADDRESS: "ha01"})
    world.start("ha02")
    world.wait("ha02 listens", world.programs["ha02"].listening, 60.0)
    since = kernel.now()
    world.wait("it could have taken over", lambda: kernel.now() > since + MASTER_DOWN)
    steps.take("both", first, held={ADDRESS: "ha01", INNER_ADDRESS: "ha01"})
    world.stage.do("cable ha01 ens37 out")
    moved = {OUTER: "ha02" if together == "yes" else "ha01", INNER: "ha02"}
    steps.take("the inner cable is out", moved, held={ADDRESS: moved[OUTER], INNER_ADDRESS: "ha02"})
    return steps.tell()
