"""Others who claim an address that is served here."""

from __future__ import annotations

from heartbeat3_parts import A, up

from understudy.events import RivalSeen
from understudy.units import MILLISECOND, SECOND

MAC = "02:00:00:00:00:09"


def test_a_claim_is_noted_once_in_ten_seconds() -> None:
    two = up()
    two.run(10 * SECOND)
    for _ in range(10):
        two.tell(A, RivalSeen("10.77.1.100", "eth0", MAC))
        two.run(500 * MILLISECOND)
    claims = [note for note in two.hosts[A].notes if "claims 10.77.1.100" in note]
    assert claims == [f"{MAC} on eth0 claims 10.77.1.100, which {A} serves"]
    two.run(10 * SECOND)
    two.tell(A, RivalSeen("10.77.1.100", "eth0", MAC))
    assert len([note for note in two.hosts[A].notes if "claims 10.77.1.100" in note]) == 2
    two.tell(A, RivalSeen("10.77.1.101", "eth0", MAC))
    assert not any("claims 10.77.1.101" in note for note in two.hosts[A].notes), "it is served by the other"


def test_what_an_old_peer_said_before_it_gave_the_address_is_no_error() -> None:
    two = up()
    two.run(10 * SECOND)
    node = two.hosts[A].node
    assert node is not None
    assert node.peer is not None
    node.peer.version = ""
    web = next(iter(node.holdings.groups.values()))
    web.since = two.now - SECOND
    two.tell(A, RivalSeen("10.77.1.100", "eth0", MAC))
    assert "for some seconds after it gave it" in two.hosts[A].notes[-1]
