"""IPVS as the stock Debian kernel has it, in one virtual machine: every way of forwarding, persistence, and the sync daemon; then
the real daemon on that kernel.

Not part of ./dev test: it boots machines without hardware help, some minutes. ``pytest -v -rs tests/vm/vm_ipvs.py`` runs it.
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


SEEN_RUNNING = (
    "quiescent: who fails has weight 0",
    "quiescent: new connections go to the other one",
    "quiescent: an open connection goes on",
    "quiescent: the fallback answers",
    "quiescent: both get connections again",
    "not quiescent: who fails is removed",
    "not quiescent: an open connection stands still",
    "not quiescent: the fallback answers",
    "not quiescent: the open connection goes on with its server",
    "a clean stop empties the table",
    "the second machine is backup and listens",
    "the second machine is master and tells",
    "the open connection goes on by the second machine",
    "clients stay with their servers",
    "the second one is backup again",
    "none runs in the end",
)


def test_ipvs_under_a_real_kernel(tmp_path: Path, image: Image) -> None:
    _whole(tmp_path, image, GUEST, SEEN, 600.0)


def test_the_real_daemon_on_that_kernel(tmp_path: Path, image: Image) -> None:
    _whole(tmp_path, image, GUEST.with_name("guest_ipvs_run.py"), SEEN_RUNNING, 3600.0)


def _whole(tmp_path: Path, image: Image, script: Path, seen: tuple[str, ...], limit: float) -> None:
    machine = Machine(tmp_path, image, "ha01", driver="ipvs", script=script, memory=768)
    try:
        machine.wait("the end of the guest's part", lambda: machine.said("all done") or machine.said("failed: "), limit)
        assert not machine.said("failed: "), machine.story()
        assert [words for words in seen if not machine.said(f"seen: {words}")] == []
        assert machine.wait_ended() == ENDED, machine.story()
    finally:
        machine.power_off()
        print(*[line for line in machine.lines() if line.startswith("guest ")], sep="\n")
