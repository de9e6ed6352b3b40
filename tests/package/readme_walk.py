"""What the README tells a newcomer to type, from nothing to a cluster, typed exactly so on three machines of the lab.

``steps`` reads the commands and the machines on which they are typed from the page; ``walk`` types them. The only thing that
is not on the page is the code that `understudy invite` shows, which takes the place of the word CODE, as the page says.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clean_debian import HOME, CleanDebian

from understudy.lab.netns import Room

ROOT = Path(__file__).resolve().parent.parent.parent
HEADINGS = {"README.md": "## From nothing to a cluster", "README.zh-CN.md": "## 从零到一个集群"}
MACHINES = {
    "ha01": ("192.168.58.101/24", "192.168.107.101/24"),
    "ha02": ("192.168.58.102/24", "192.168.107.102/24"),
    "arbiter": ("192.168.58.9/24",),
}
LIMIT = 60.0
"""Seconds that each thing may take that a person would wait for."""


@dataclass(frozen=True)
class Step:
    """One line, typed on each of the machines; on none of them when it is to be typed elsewhere."""

    machines: tuple[str, ...]
    line: str


def steps(name: str = "README.md") -> list[Step]:
    """The lines of the page's section in order, without their comments."""
    text = (ROOT / name).read_text("utf-8").split(HEADINGS[name], 1)[1].split("\n## ", 1)[0]
    found = []
    for before, block in re.findall(r"([^\n]+)\n\n```sh\n(.*?)```", text, re.DOTALL):
        found += [Step(_places(before), line.partition(" #")[0].strip()) for line in block.splitlines() if line.strip()]
    return found


def _places(before: str) -> tuple[str, ...]:
    """The machines with which a sentence begins, as in "On `ha01` and `ha02`, type the line that `ha03` shows"."""
    place = re.match(r"(?:On|在) ((?:`\w+`(?:, | and |、| 和 )?)+)", before)
    return tuple(re.findall(r"`(\w+)`", place[1])) if place else ()


class Walk:
    """Three machines and what has been typed on them so far."""

    def __init__(self, base: str) -> None:
        self.room = Room(["service", "heartbeat"])
        self.machines = {}
        for name, addresses in MACHINES.items():
            networks = zip(("eth0", "eth1"), ("service", "heartbeat"), addresses, strict=False)
            self.room.add(name, [(device, network, [address]) for device, network, address in networks])
            self.machines[name] = CleanDebian(self.room, name, base)
        self.inviting: subprocess.Popen[str] | None = None
        self.codes: dict[str, str] = {}

    def take(self, step: Step) -> None:
        for name in step.machines:
            began = time.monotonic()
            if step.line == "understudy invite":
                self._invite(self.machines[name])
            elif step.line.startswith("understudy join"):
                self._join(self.machines[name], step.line)
            elif step.line.startswith("understudy move"):
                self.until_started("web", "ha01")  # the page has just told the reader to look whether it is
                self.machines[name].type(step.line)
            else:
                self.machines[name].type(step.line)
            print(f"{time.monotonic() - began:6.1f} s  {name}# {step.line}")

    def _invite(self, machine: CleanDebian) -> None:
        self.inviting = subprocess.Popen(
            machine.argv("understudy invite"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert self.inviting.stdout is not None
        for line in self.inviting.stdout:
            found = re.match(r"Type on (\w+): +(understudy join .* --code )(\S+)$", line.rstrip())
            if found:
                self.codes[found[1]] = found[3]
                assert f"{found[2]}CODE" in [step.line for step in steps()], "the page shows another line than `invite`"
            elif "Waiting" in line:
                return
        raise AssertionError("understudy invite ended without an invitation")

    def _join(self, machine: CleanDebian, line: str) -> None:
        machine.type(line.replace("CODE", self.codes.pop(machine.machine.name)))
        if not self.codes and self.inviting is not None:
            words, _ = self.inviting.communicate(timeout=LIMIT)
            assert self.inviting.returncode == 0, words

    def until_started(self, group: str, node: str) -> float:
        """Look at the status of ``node`` until the group runs there; seconds that it took."""
        began = time.monotonic()
        status = {}
        while time.monotonic() - began < LIMIT:
            status = json.loads(self.machines[node].type("understudy status --json"))
            (found,) = [item for item in status["groups"] if item["name"] == group]
            if (found["state"], found["holder"]) == ("started", node):
                return time.monotonic() - began
        raise AssertionError(f"{group} never ran on {node}: {json.dumps(status, indent=1)}")


def walk(base: str, package: str = "", checkout: str = "") -> int:
    """Type the page. ``base`` is a root directory with Debian; then ``package`` is installed as the page says, or, to be quick,
    the program of ``checkout`` is put where the package would put it and apt-get does nothing."""
    began = time.monotonic()
    reader = Walk(base)
    for machine in reader.machines.values():
        machine.put_systemctl()
        if package:
            machine.put(Path(package), f"{HOME}/{Path(package).name}")
        else:
            put_checkout(machine, Path(checkout))
    ready = time.monotonic()
    for step in steps():
        reader.take(step)
    reader.until_started("web", "ha02")
    assert "192.168.58.100" in reader.machines["ha02"].type("ip -4 address show dev eth0")
    status = reader.machines["ha01"].type("understudy status")
    print(status)
    assert "hears 3 of 3 votes" in status
    reader.room.power_off("ha02")
    seconds = reader.until_started("web", "ha01")
    assert "192.168.58.100" in reader.machines["ha01"].type("ip -4 address show dev eth0")
    print(
        f"{time.monotonic() - ready:.1f} s from the first line to the take-over ({ready - began:.1f} s for the machines before);"
    )
    print(f"ha01 had the group {seconds:.1f} s after the power of ha02 was cut, seen through `understudy status`")
    assert time.monotonic() - ready < 600
    reader.room.close()
    return 0


def put_checkout(machine: CleanDebian, checkout: Path) -> None:
    """The program, its unit and an apt-get that has nothing to do, where the package would put them."""
    machine.put(checkout / "packaging" / "understudy.service", "/usr/lib/systemd/system/understudy.service")
    wrapper = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(checkout / "src"))} exec {sys.executable} -m understudy.cli.main "$@"\n'
    for path, text in (("/usr/bin/understudy", wrapper), ("/usr/bin/apt-get", "#!/bin/sh\nexit 0\n")):
        machine.machine.run(["sh", "-c", f"cat > {machine.root}{path} && chmod 755 {machine.root}{path}"], text)
