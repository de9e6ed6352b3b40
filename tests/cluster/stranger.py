"""A stranger on the networks of a lab: what it can overhear, forge and send. Knows no key but what a test gives it.

As a program, on a machine of the lab, ``python stranger.py FILE A_SECOND TOGETHER [until-stopped]`` sends what FILE lists,
TOGETHER at a time, one JSON object a line: ``{"to": address, "data": hex}`` as UDP, ``{"device": name, "frame": hex}`` as a bare
Ethernet frame.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.lab.inside import BASE
from understudy.lab.netns import Room, run
from understudy.lab.observer import checksum

NAME = "stranger"
PORT = 5694
TOGETHER = 20
_ALL_PROTOCOLS = 3
_RECEIVE_BUFFER_FORCE = 33
_OUTGOING = 4
Job = dict[str, str]


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram that went by, with both its addresses."""

    source: str
    target: str
    source_port: int
    port: int
    data: bytes

    @classmethod
    def of_frame(cls, frame: bytes) -> Datagram | None:
        """Read an Ethernet frame with IPv4 (no options, no fragments) and UDP; None for anything else."""
        if len(frame) < 42 or frame[12:15] != b"\x08\x00\x45" or frame[23] != socket.IPPROTO_UDP:
            return None
        source_port, port, length = struct.unpack_from("!HHH", frame, 34)
        addresses = [str(ipaddress.IPv4Address(frame[at : at + 4])) for at in (26, 30)]
        return cls(addresses[0], addresses[1], source_port, port, frame[42 : 34 + length])

    def frame(self, own_mac: str, target_mac: str) -> bytes:
        """The same once more, from the recorded address but another machine. No UDP checksum (RFC 768 permits that)."""
        body = struct.pack("!HHHH", self.source_port, self.port, 8 + len(self.data), 0) + self.data
        ends = socket.inet_aton(self.source) + socket.inet_aton(self.target)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, socket.IPPROTO_UDP, 0) + ends
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        return ethernet(own_mac, target_mac, 0x0800, header + body)


def ethernet(source: str, target: str, protocol: int, body: bytes) -> bytes:
    """An Ethernet frame. MAC addresses are written with colons."""
    ends = bytes.fromhex((target + source).replace(":", ""))
    return ends + struct.pack("!H", protocol) + body


class Tap:
    """Everything that passes one port of a switch, as a monitoring port gives it. Made in the director."""

    def __init__(self, port: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 32 << 20)
        self._socket.bind((port, _ALL_PROTOCOLS))
        self._socket.setblocking(False)

    def frames(self) -> Iterator[bytes]:
        """What has passed since the last call (in either direction)."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._socket.recv(65535)

    def datagrams(self, port: int) -> list[Datagram]:
        """Those of them that went to the UDP port ``port``."""
        found = (Datagram.of_frame(frame) for frame in self.frames())
        return [datagram for datagram in found if datagram is not None and datagram.port == port]

    def close(self) -> None:
        self._socket.close()


class Stranger:
    """A machine of its own on the networks ``eth0`` service and ``eth1`` heartbeat."""

    def __init__(self, room: Room) -> None:
        addresses = {"service": "192.168.58.66/24", "heartbeat": "192.168.107.66/24"}
        room.add(NAME, [("eth0", "service", [addresses["service"]]), ("eth1", "heartbeat", [addresses["heartbeat"]])])
        self._room = room
        self.machine = room.power_on(NAME)
        self._files = 0

    def mac(self, device: str) -> str:
        return self._room.cable(NAME, device).mac

    def replayed(self, datagrams: Iterable[Datagram], device: str) -> list[Job]:
        """Recorded datagrams as this machine would repeat them, their senders' addresses kept."""
        macs = {
            address.split("/")[0]: cable.mac
            for machine in self._room.machines.values()
            for cable in machine.cables.values()
            for address in cable.addresses
        }
        own = self.mac(device)
        return [{"device": device, "frame": item.frame(own, macs[item.target]).hex()} for item in datagrams]

    def send(self, jobs: Sequence[Job], a_second: int) -> None:
        """Send all, and return when they are out."""
        run(self.machine.command(self._command(jobs, a_second, TOGETHER)))

    def keep_sending(self, jobs: Sequence[Job], a_second: int, together: int = TOGETHER) -> subprocess.Popen[bytes]:
        """Send all over and over; the caller ends it with ``stop``."""
        return self.machine.spawn([*self._command(jobs, a_second, together), "until-stopped"], f"{BASE}/{NAME}.log")

    def stop(self) -> None:
        """End what ``keep_sending`` began."""
        self._room.power_off(NAME)

    def _command(self, jobs: Sequence[Job], a_second: int, together: int) -> list[str]:
        self._files += 1
        path = f"{BASE}/{NAME}.{self._files}"
        with open(path, "w", encoding="ascii") as file:
            file.writelines(json.dumps(job) + "\n" for job in jobs)
        return [sys.executable, __file__, path, str(a_second), str(together)]


def to_all(addresses: Sequence[str], payloads: Iterable[bytes]) -> list[Job]:
    """Every payload once to every address."""
    return [{"to": address, "data": payload.hex()} for payload in payloads for address in addresses]


def garbage(dice: random.Random, real: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Random bytes of random lengths; half of them begin like a real datagram, so that they get past the first look."""
    plain = frozenset(real)
    for number in range(count):
        length = 65_507 if number % 1000 == 999 else dice.choice((0, 1, 16, 33, 60, dice.randrange(1500)))
        model = dice.choice(real)
        kept = model[: dice.choice((4, 8, 12, 16, 32, 40, len(model) - 1))] if number % 2 else b""
        data = (kept + dice.randbytes(length))[:65_507]
        while data in plain:  # one time in 256 the one random byte at the end is the right one
            data = kept + dice.randbytes(length)
        yield data


def mutated(dice: random.Random, real: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Copies of real datagrams, each changed in some way; none is a plain copy of another."""
    plain = frozenset(real)
    for _ in range(count):
        data = bytearray(dice.choice(real))
        while bytes(data) in plain:
            _mutate(dice, data, dice.choice(real))
        yield bytes(data)


def _mutate(dice: random.Random, data: bytearray, other: bytes) -> None:
    place = dice.randrange(len(data)) if data else 0
    match dice.randrange(6):
        case 0 if data:
            data[place] ^= 1 << dice.randrange(8)
        case 1 if data:
            data[place] = dice.randrange(256)
        case 2:
            del data[place:]
        case 3:
            data += dice.randbytes(dice.randrange(1, 40))
        case 4:
            data[place:] = other[place:]
        case _:
            at = dice.choice(
                (4, 5, 7, 8, 12, 16, 24, 32)
            )  # version, newest, name length, cluster, key, incarnation ...
            width = dice.choice((1, 4, 8))
            data[at : at + width] = dice.choice((bytes(width), b"\xff" * width, dice.randbytes(width)))


def main() -> None:
    path, a_second, together, *more = sys.argv[1:]
    with open(path, encoding="ascii") as file:
        jobs: list[Any] = [json.loads(line) for line in file]
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bare = {}
    for device in {job["device"] for job in jobs if "device" in job}:
        bare[device] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        bare[device].bind((device, 0))
    ready = [
        (bare[job["device"]], bytes.fromhex(job["frame"]), None)
        if "device" in job
        else (plain, bytes.fromhex(job["data"]), (job["to"], PORT))
        for job in jobs
    ]
    while True:
        begun = time.monotonic()
        for number, (handle, data, target) in enumerate(ready):
            if number % int(together) == 0:
                time.sleep(max(0.0, begun + number / int(a_second) - time.monotonic()))
            _send(handle, data, target)
        if not more:
            return


def _send(handle: socket.socket, data: bytes, target: tuple[str, int] | None) -> None:
    try:
        handle.send(data) if target is None else handle.sendto(data, target)
    except ConnectionRefusedError:  # an ICMP error about an earlier one: this one was not sent
        _send(handle, data, target)


if __name__ == "__main__":
    main()
