"""Who sent an advert: a real switch, two machines, frames of protocol 112."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.advert_macs import AdvertMacs
from understudy.wire.checksum import checksum

pytestmark = pytest.mark.kernel

OURS, THEIRS = "10.50.0.1", "10.50.0.2"


def advert(mac: str, source: str) -> bytes:
    """As much of one as anybody looks at."""
    header = bytearray(
        b"\x45\xc0\x00\x3c\x00\x01\x00\x00\xff\x70\x00\x00" + socket.inet_aton(source) + b"\xe0\x00\x00\x12"
    )
    struct.pack_into("!H", header, 10, checksum(header))  # the switch looks at it
    return b"\x01\x00\x5e\x00\x00\x12" + bytes.fromhex(mac.replace(":", "")) + b"\x08\x00" + header + bytes(40)


@contextlib.contextmanager
def speaking(machine: Machine) -> Iterator[socket.socket]:
    with inside(machine):
        mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        mouth.bind(("eth0", 0))
    with mouth:
        yield mouth


def test_others_are_known_and_what_we_send_is_not_read(lab: Lab) -> None:
    one, other = lab.machine("one"), lab.machine("other")
    lab.segment({one: f"{OURS}/24", other: f"{THEIRS}/24"})
    macs = AdvertMacs()
    with inside(one):
        macs.follow(["eth0"])
    with speaking(one) as ours, speaking(other) as theirs:
        ours.send(advert(one.mac(), OURS))
        assert macs.mac_of("eth0", OURS) == "", "the kernel leaves our own out"
        theirs.send(advert(other.mac(), THEIRS))
        eventually(lambda: macs.mac_of("eth0", THEIRS) == other.mac(), "the other one is known")
    macs.close()
