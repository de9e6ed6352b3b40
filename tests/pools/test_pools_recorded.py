"""After each event of the recordings the table is what Debian's ldirectord made of it.

What a recording is stands in ``recorded/README.md``. Where ours differs on purpose the event has our table beside ldirectord's,
and the heading in ``docs/balancing-differences.md`` that says why; a difference that goes away is noticed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pool_rig import Kernel

from understudy.balance import (
    Ask,
    CheckAnswered,
    FilesChanged,
    MaintenanceSeen,
    Place,
    PoolEvent,
    StopAsked,
    TableServer,
    TableService,
    Tell,
)
from understudy.config.ldirectord import read_ldirectord
from understudy.core.pools import Pool
from understudy.service_checks import Check, CombinedQuestion, ConnectQuestion, ProgramQuestion
from understudy.services import Forward, ServiceFiles, ServiceKey
from understudy.units import SECOND

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
FLAGS = {Forward.DIRECT: "-g", Forward.NAT: "-m", Forward.TUNNEL: "-i"}


class Replay:
    """A pool in ldirectord's place. ``behaviours``: of the real servers; who has none is down."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.pool: Pool | None = None
        self.files = ServiceFiles()
        self.behaviours: dict[str, str] = {}
        self.maintenance: set[str] = set()
        self.asked: dict[int, Check] = {}
        self.connects: dict[int, int] = {}
        self.command = ""
        self.now = 0

    def tell(self, event: PoolEvent) -> None:
        assert self.pool is not None
        self.now += SECOND
        effects = self.pool.handle(event, self.now)
        self.kernel.apply(effects)
        for effect in effects:
            if isinstance(effect, Ask):
                self.asked = {number: check for number, check in self.asked.items() if number not in effect.end}
                self.asked.update(effect.begin)
            elif isinstance(effect, Tell):
                self.command = " ".join(effect.more)

    def round(self) -> None:
        """Every check is asked once."""
        self.tell(MaintenanceSeen(self.maintained()))
        for number, check in list(self.asked.items()):
            self.tell(CheckAnswered(number, "" if self.good(number, check) else "it is not as it should be"))

    def maintained(self) -> frozenset[tuple[str, str]]:
        found = set()
        for service in self.files.services if self.files.maintenance else ():
            for real in service.reals:
                if {real.name, real.address} & self.maintenance:
                    found.add((service.name, real.name))
        return frozenset(found)

    def good(self, number: int, check: Check) -> bool:
        place = f"{check.target.address}:{check.target.port}"
        if isinstance(check.question, ProgramQuestion):
            place = ":".join(check.question.argv[3:])  # COMMAND VIP VPORT RIP RPORT
        behaviour = self.behaviours.get(place, "down")
        if isinstance(check.question, ConnectQuestion):
            return behaviour != "down"
        if not isinstance(check.question, CombinedQuestion):
            return behaviour == "up"
        connects = self.connects.get(number, 999)
        if connects >= check.question.each:
            self.connects[number] = 0 if behaviour == "up" else connects
            return behaviour == "up"
        self.connects[number] = connects + 1 if behaviour != "down" else 999
        return behaviour != "down"

    def do(self, event: dict[str, Any], files: dict[str, list[str]]) -> None:
        """One event; a start or a reload is followed by two rounds (ldirectord's own, and the first of its loop)."""
        self.behaviours.update(event.get("set", {}))
        for name, there in event.get("maintenance", {}).items():
            (self.maintenance.add if there else self.maintenance.discard)(name)
        for call in event.get("outside", ()):
            entered(self.kernel, call)
        if event["do"] == "stop":
            self.tell(StopAsked())
        elif event["do"] == "start":
            found = read(files[event["file"]])
            assert found is not None
            self.files, self.asked, self.connects = found, {}, {}
            self.pool = Pool(self.files)
            self.tell(self.kernel.seen())
        elif event["do"] == "reload":
            found = read(files[event["file"]])
            if found is not None:  # a file with a mistake changes nothing
                self.files = found
                self.tell(FilesChanged(found))
        if event["do"] in ("start", "reload"):
            self.round()
            self.round()
        elif event["do"] == "round":
            if event.get("outside"):
                self.tell(self.kernel.seen())
            self.round()


def read(lines: list[str]) -> ServiceFiles | None:
    return read_ldirectord("".join(f"{line}\n" for line in lines), "ldirectord.cf").files


def entered(kernel: Kernel, call: str) -> None:
    """A call of ipvsadm that somebody else made."""
    verb, kind, where, *words = call.split()
    key = next((key for key in kernel.table if service_text(key) == f"{kind} {where}"), None)
    if key is None:
        address, _, port = where.rpartition(":")
        key = ServiceKey("tcp", address, int(port))
    options = dict(zip(words, [*words[1:], ""], strict=True))
    if verb == "-A":
        kernel.table[key] = (TableService(key, options["-s"], persistence=int(options.get("-p", 0)) * SECOND), {})
        return
    address, _, port = options["-r"].rpartition(":")
    place = Place(address, int(port))
    if verb == "-d":
        del kernel.table[key][1][place]
    else:
        forward = next(forward for forward, flag in FLAGS.items() if flag in words)
        kernel.table[key][1][place] = TableServer(place, forward, int(options["-w"]))


def service_text(key: ServiceKey) -> str:
    if key.mark:
        return f"-f {key.mark}"
    host = f"[{key.address}]" if key.family == 6 else key.address
    return f"{'-u' if key.protocol == 'udp' else '-t'} {host}:{key.port}"


def table_text(kernel: Kernel) -> list[str]:
    """The table in the words of the recordings."""
    found = []
    for key, (service, servers) in sorted(kernel.table.items(), key=lambda item: service_text(item[0])):
        text = f"-A {service_text(key)} -s {service.scheduler}"
        if service.persistence:
            text += f" -p {service.persistence // SECOND}"
        if service.granularity:
            bits = (0xFFFFFFFF << (32 - service.granularity)) & 0xFFFFFFFF
            text += " -M " + ".".join(str(bits >> shift & 255) for shift in (24, 16, 8, 0))
        text += f" -b {','.join(service.flags)}" if service.flags else ""
        found.append(text + (" -o" if service.one_packet else ""))
        lines = []
        for server in servers.values():
            limits = (f" -x {server.upper}" if server.upper else "") + (f" -y {server.lower}" if server.lower else "")
            flag = FLAGS[server.forward]
            lines.append(f"-a {service_text(key)} -r {server.place} {flag} -w {server.weight}{limits}")
        found += sorted(lines)
    return found


def test_there_are_enough_recordings() -> None:
    assert len(RECORDED) >= 30


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_table_is_ldirectords(path: Path) -> None:
    case = json.loads(path.read_text())
    replay = Replay()
    for call in case.get("before", ()):
        entered(replay.kernel, call)
    said = ""
    for index, event in enumerate(case["events"]):
        replay.do(event, case["files"])
        wanted = event.get("ours", event["table"])
        assert table_text(replay.kernel) == wanted, f"after event {index}, {event['do']}: {case['about']}"
        assert wanted != event["table"] or "ours" not in event, "no difference any more"
        said = event["commands"][-1] if event["commands"] else said
        assert replay.command == said, f"after event {index}, {event['do']}"


def test_each_difference_is_justified() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "balancing-differences.md").read_text()
    for path in RECORDED:
        for event in json.loads(path.read_text())["events"]:
            if "ours" in event:
                assert f"\n## {event['because']}\n" in page, path.stem
