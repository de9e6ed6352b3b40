"""What the lab reads on the wire is what an independent program read in recordings of keepalived."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))

from vrrp_vectors import of_kind

from understudy.lab.vrrp_wire import ADVERT, ARP, NEIGHBOUR, decode, runs_of
from understudy.units import MILLISECOND, SECOND


def test_every_recorded_advert_is_read() -> None:
    for vector in of_kind("vrrp"):
        found, advert = decode(vector.frame, 7, "ha01", "eth0"), vector.advert()
        assert found is not None, vector.place
        assert (found.at, found.machine, found.device, found.kind) == (7, "ha01", "eth0", ADVERT)
        assert (found.version, found.vrid, found.priority) == (advert.version, advert.vrid, advert.priority), (
            vector.place
        )
        assert (found.addresses, found.interval, found.auth) == (advert.addresses, advert.interval, advert.auth), (
            vector.place
        )
        assert (found.source, found.target, found.mac) == (vector.source, vector.destination, vector.told["eth_src"])
        assert found.sequence == vector.told.get("ah", {"seq": 0})["seq"], vector.place
        assert found.ttl == vector.told["ip"].get("ttl", vector.told["ip"].get("hop_limit"))


def test_every_recorded_announcement_is_read() -> None:
    for vector in of_kind("garp", "na"):
        found = decode(vector.frame, 0, "ha01", "eth0")
        assert found is not None
        address = vector.told["arp"]["spa"] if vector.kind == "garp" else vector.told["na"]["target"]
        kind = ARP if vector.kind == "garp" else NEIGHBOUR
        assert (found.kind, found.addresses) == (kind, (address,)), vector.place


def test_a_frame_that_is_cut_off_is_nothing() -> None:
    frame = next(iter(of_kind("vrrp"))).frame
    assert [decode(frame[:length], 0, "", "") for length in range(12, 34)] == [None] * 22


def test_stretches_end_where_the_next_is_too_far() -> None:
    times = [0, MILLISECOND, 3 * MILLISECOND, SECOND, SECOND + MILLISECOND]
    assert list(runs_of(times, 2 * MILLISECOND)) == [(0, 3 * MILLISECOND), (SECOND, SECOND + MILLISECOND)]
    assert list(runs_of([], SECOND)) == []
