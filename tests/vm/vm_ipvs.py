"""IPVS as the stock Debian kernel has it, in one virtual machine: every way of forwarding, persistence, and the sync daemon.

Not part of ./dev test: it boots a machine without hardware help, about a minute. ``pytest -v -rs tests/vm/vm_ipvs.py`` runs it.
"""

from __future__ import annotations

from pathlib import Path

from guest_image import Image
from virtual_machine import ENDED, Machine

GUEST = Path(__file__).with_name("guest_ipvs.py")
SEEN = (
    "the table as it was written",
    "2000 servers in one batch",
    "the resource realserver starts",
    "an answer by gate",
    "an answer by ipip",
    "an answer by masq",
    "with persistence one serves the client",
    "weight 0 gets no new connection",
    "who is removed gets no new connection",
    "the counters have the connection, both ways with masq",
    "a connection of the master is on the backup",
    "each is what the other was",
)


def test_ipvs_under_a_real_kernel(tmp_path: Path, image: Image) -> None:
    machine = Machine(tmp_path, image, "ha01", driver="ipvs", script=GUEST)
    try:
        machine.wait("the end of the guest's part", lambda: machine.said("all done") or machine.said("failed: "), 600.0)
        assert not machine.said("failed: "), machine.story()
        assert [words for words in SEEN if not machine.said(f"seen: {words}")] == []
        assert machine.wait_ended() == ENDED, machine.story()
    finally:
        machine.power_off()
        print(*[line for line in machine.lines() if line.startswith("guest ")], sep="\n")
