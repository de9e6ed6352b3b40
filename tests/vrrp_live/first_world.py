"""What one daemon does with one virtual router on its machine, alone: take it, hold it by the kernel's lease, give it up."""

from __future__ import annotations

import json
import signal
from typing import Any

from router_world import Steps

from understudy.lab import kernel
from understudy.lab.vrrp_pair import UNDERSTUDY, RouterRoom, definitions, instance
from understudy.units import SECOND

ADDRESS = "192.168.58.100"
SECOND_ADDRESS = "192.168.58.99"
VRID = 7
NODE = "ha01"
VIRTUAL_MAC = f"00:00:5e:00:01:{VRID:02x}"


def _file(*addresses: str, more: tuple[str, ...] = ()) -> str:
    return definitions(version=3) + instance("VI_1", VRID, 150, addresses, "advert_int 0.1", *more)


def _room(text: str) -> RouterRoom:
    return RouterRoom({NODE: text, "ha02": text}, {NODE: UNDERSTUDY, "ha02": UNDERSTUDY})


def alone() -> int:
    """Every step tells who says that it is master, and which addresses the machine has; ``answers``: who answers the client."""
    room = _room(_file(f"{ADDRESS}/24"))
    steps = Steps(room)

    def step(name: str, master: bool, **more: Any) -> None:
        steps.take(name, {VRID: NODE} if master else {}, 40.0, **more)
        answers = steps.until(lambda: room.serves() == (NODE if master else ""), 3.0)
        steps.told[name]["answers"] = answers

    room.start(NODE)
    step("alone", True)
    asked = kernel.now()
    room.shell(NODE, "ip address del 192.168.58.101/24 dev eth0")
    step("no address to speak from", False)
    said = room.wire.since(asked, machine=NODE, vrid=VRID)
    steps.told["no address to speak from"]["last priority"] = said[-1].priority if said else None
    room.shell(NODE, "ip address add 192.168.58.101/24 dev eth0")
    step("the address is back", True)
    room.signal(NODE, signal.SIGSTOP)
    step("frozen", False)
    room.signal(NODE, signal.SIGCONT)
    step("thawed", True)
    pulse = room.programs[NODE].serving()
    room.machine(NODE).signal(pulse, signal.SIGKILL)
    killed = kernel.now()
    steps.until(lambda: bool(room.wire.since(killed, machine=NODE, vrid=VRID)), 10.0)
    step("killed and started again", True)
    room.files[NODE] = _file(f"{ADDRESS}/24", f"{SECOND_ADDRESS}/24")
    room.furnish(NODE)
    room.programs[NODE].reload()
    steps.until(lambda: SECOND_ADDRESS in room.addresses(NODE), 10.0)
    step("another address by a reload", True)
    room.shell(NODE, "ip link set eth0 down")
    step("device down", False)
    room.shell(NODE, "ip link set eth0 up")
    step("device up", True)
    room.stop(NODE)
    steps.until(lambda: not room.programs[NODE].everything(), 20.0)
    step("stopped", False, tables=room.shell(NODE, "nft list tables"))
    print(json.dumps(steps.told))
    room.close()
    return 0


def own_mac() -> int:
    """With a virtual MAC: which MAC the client knows, and which devices there are before and after."""
    room = _room(_file(f"{ADDRESS}/24", more=("use_vmac",)))
    steps = Steps(room)
    room.start(NODE)
    steps.take("alone", {VRID: NODE}, 40.0, devices=[])
    told = steps.told["alone"]
    told["answers"] = steps.until(lambda: room.serves() == NODE, 3.0)
    told["devices"] = room.shell(NODE, "ip -brief link show type macvlan").split()
    told["senders"] = sorted({frame.mac for frame in room.wire.since(kernel.now() - SECOND, machine=NODE, vrid=VRID)})
    room.stop(NODE)
    steps.until(lambda: not room.programs[NODE].everything(), 20.0)
    steps.take("stopped", {}, devices=room.shell(NODE, "ip -brief link show type macvlan").split())
    print(json.dumps(steps.told))
    room.close()
    return 0
