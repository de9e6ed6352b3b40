"""What status, why and top say of virtual routers."""

from __future__ import annotations

from typing import Any

from understudy.cli.render_routers import groups_of, priority_text, prospects, router_why
from understudy.cli.render_text import Paint, status_text
from understudy.cli.top_view import router_rows
from understudy.snapshot import router_json
from understudy.units import SECOND
from understudy.vrrp import RouterView

PLAIN = Paint(False)
SINCE = "2026-01-02T03:04:05.000Z"


def view(**changes: Any) -> dict[str, Any]:
    given = {
        "name": "VI_1",
        "state": "MASTER",
        "since": 65 * SECOND,
        "why": "192.0.2.7 said goodbye",
        "vrid": 51,
        "family": 4,
        "version": 2,
        "device": "eth0",
        "priority": 150,
        "base_priority": 150,
        "addresses": ("192.0.2.100", "192.0.2.101"),
        **changes,
    }
    return {**router_json(RouterView(**given)), "since": SINCE}


BACKUP = view(
    name="web",
    state="BACKUP",
    why="started",
    outlook="192.0.2.7 has the higher priority",
    priority=90,
    base_priority=100,
    master="192.0.2.7",
    master_priority=150,
    tracks=(("script chk", "down"), ("file load", "0"), ("process httpd", "up")),
    addresses=tuple(f"192.0.2.{number}" for number in range(10, 16)),
)


def test_why_names_the_router_whose_advertisements_are_not_taken() -> None:
    text = "an advertisement for VRID 51 from 192.0.2.8 was not taken: its password is wrong (last 3s ago)"
    assert f"\n  {text}\n" in router_why(view(refused=text), PLAIN)


def status(*routers: dict[str, Any]) -> dict[str, Any]:
    quorum = {"policy": "vrrp", "votes": 1, "of": 1, "have": 1, "quorate": True, "text": "", "members": []}
    return {
        "node": "ha01",
        "role": "node",
        "cluster": "",
        "at": SINCE,
        "quorum": quorum,
        "nodes": [],
        "groups": [],
        "virtual_routers": list(routers),
        "warnings": ["script chk is not run"],
    }


def test_a_node_with_virtual_routers_and_nothing_else() -> None:
    assert status_text(status(view(), BACKUP), PLAIN) == (
        f"Virtual routers of ha01 at {SINCE}\n"
        "1 MASTER, 1 BACKUP\n"
        "\n"
        "Virtual routers\n"
        f"  VI_1  MASTER since {SINCE} (1 min 5 s), priority 150\n"
        "    it became MASTER: 192.0.2.7 said goodbye\n"
        "    192.0.2.100, 192.0.2.101 on eth0 (VRID 51, VRRP version 2)\n"
        f"  web   BACKUP since {SINCE} (1 min 5 s), priority 90 (100, and tracking takes 10 away);"
        " master is 192.0.2.7 with priority 150\n"
        "    why: 192.0.2.7 has the higher priority\n"
        "    192.0.2.10, 192.0.2.11, 192.0.2.12, 192.0.2.13 and 2 more on eth0 (VRID 51, VRRP version 2)\n"
        "    tracks: script chk down\n"
        "\n"
        "Warnings\n"
        "  script chk is not run"
    )


def test_why_says_what_makes_it_so_and_what_would_change_it() -> None:
    fault = view(state="FAULT", faults=("eth0 has no carrier",), tracks=(("script chk", "up"),))
    assert router_why(fault, PLAIN) == (
        f"VI_1 is FAULT since {SINCE} (1 min 5 s): 192.0.2.7 said goodbye\n"
        "  192.0.2.100, 192.0.2.101 on eth0 (VRID 51, VRRP version 2)\n"
        "  priority 150\n"
        "  what is missing:\n"
        "    eth0 has no carrier\n"
        "  what it tracks:\n"
        "    script chk: up\n"
        "  what would change it: as soon as nothing of that is missing any more it is BACKUP, and waits as after a start"
    )


def test_what_made_it_so_is_told_as_what_was_and_a_backup_s_reason_as_what_is() -> None:
    assert router_why(view(), PLAIN).splitlines()[:2] == [
        f"VI_1 is MASTER since {SINCE} (1 min 5 s)",
        "  it became MASTER: 192.0.2.7 said goodbye",
    ]
    assert router_why(BACKUP, PLAIN).splitlines()[:2] == [
        f"web is BACKUP since {SINCE} (1 min 5 s): 192.0.2.7 has the higher priority",
        "  it became BACKUP: started",
    ]


def test_in_fault_a_master_is_only_told_of_when_one_was_heard() -> None:
    """Interfaces without carrier hear nobody, so "no master is heard" would say nothing."""
    assert "master" not in router_why(view(state="FAULT"), PLAIN).lower()
    heard = view(state="FAULT", master="192.0.2.7", master_priority=90)
    assert "master is 192.0.2.7 with priority 90" in router_why(heard, PLAIN)


def test_sync_groups_have_a_line() -> None:
    both = (view(name="LAN", group="GW"), view(name="WAN", group="GW"), view(name="else"))
    assert "\n  sync group GW: LAN, WAN\n" in status_text(status(*both), PLAIN)
    assert groups_of(both) == {"GW": "sync group GW: LAN, WAN"}


def test_what_would_change_it() -> None:
    assert prospects(BACKUP) == [
        "it takes over when 192.0.2.7 says goodbye or falls silent",
        "or when its own priority is higher than 150, where it preempts",
    ]
    assert prospects(view(state="BACKUP")) == ["it becomes master when it has heard nobody for long enough"]
    assert "higher priority than 150" in prospects(view())[0]
    assert "nobody has a higher priority" in prospects(view(priority=255, base_priority=255))[0]
    assert prospects(view(state="INIT")) == []


def test_priorities_in_words() -> None:
    assert priority_text(view(priority=160)) == "priority 160 (150, and tracking adds 10)"
    assert priority_text(view(priority=255, base_priority=255)) == "priority 255 (it owns the addresses)"


def test_a_daemon_of_before_has_none() -> None:
    old = status()
    del old["virtual_routers"]
    assert "Virtual" not in status_text(old, PLAIN)
    assert router_rows(old) == []


def test_the_rows_of_top() -> None:
    (key, cells), (_, other) = router_rows(status(view(), BACKUP))
    assert key == "VI_1"
    assert [str(cell) for cell in cells] == [
        "VI_1",
        "MASTER",
        "1 min 5 s",
        "150",
        "this one",
        "eth0 51",
        "192.0.2.7 said goodbye",
    ]
    assert [str(cell) for cell in other[3:5]] == ["90 of 100", "192.0.2.7 (150)"]
