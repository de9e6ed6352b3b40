"""The faults of the matrix. ``fault.py`` says what the fields mean; ``link_faults.py`` adds the cuts of links."""

from __future__ import annotations

from .fault import POLICIES, Fault
from .link_faults import link_faults

__all__ = ["FAULTS", "NOT_HERE", "POLICIES", "PROGRAMS", "Fault", "fault"]

PROGRAMS = frozenset(
    {
        "agent-start-fails",
        "agent-start-hangs",
        "agent-stop-fails",
        "agent-stop-hangs",
        "agent-monitor-fails",
        "agent-monitor-hangs",
        "fork-refused",
    }
)
"""Faults whose group has a program besides its address."""


BOTH_LINKS = ("silence ha01 eth1 {way}", "silence ha01 eth0 {way}")


def _both(way: str) -> tuple[str, ...]:
    return tuple(text.format(way=way) for text in BOTH_LINKS)


_WRITTEN = (
    Fault("power-off", "the serving machine loses power", ("power ha01 off",), "moves"),
    Fault("daemon-killed", "kill -9 of the whole daemon, which stays dead", ("kill ha01",), "moves"),
    Fault("pulse-killed", "kill -9 of the pulse", ("kill ha01 pulse",), "stays"),
    Fault("manager-killed", "kill -9 of the manager", ("kill ha01 manager",), "stays"),
    Fault("manager-frozen", "the manager is frozen", ("freeze ha01 manager",), "stays"),
    Fault("daemon-frozen", "the daemon is frozen, and stays so", ("freeze ha01",), "moves", watch=12.0),
    Fault("daemon-frozen-thawed-0.5", "frozen for half a dead time", ("freeze ha01", 0.5, "thaw ha01"), "stays"),
    Fault("daemon-frozen-thawed-1.5", "frozen for 1.5 dead times", ("freeze ha01", 1.5, "thaw ha01"), "any"),
    Fault("daemon-frozen-thawed-10", "frozen for 10 dead times", ("freeze ha01", 10.0, "thaw ha01"), "moves"),
    Fault("heartbeat-cut", "the heartbeat network is silent", ("silence ha01 eth1 both",), "stays"),
    Fault("heartbeat-cable", "the heartbeat cable is pulled", ("cable ha01 eth1 out",), "stays"),
    Fault(
        "heartbeats-filtered",
        "no heartbeat passes on any path, the service network is up",
        ("!filter-heartbeats",),
        "moves",
        otherwise={"pair": "stays", "fence": "stays"},
        watch=12.0,
    ),
    Fault("one-way-from", "nothing that ha01 sends arrives", _both("from"), "moves", watch=10.0),
    Fault("one-way-to", "nothing arrives at ha01", _both("to"), "moves", watch=10.0, otherwise={"fence": "nobody"}),
    Fault("isolated", "ha01 is cut from everything", _both("both"), "moves", watch=10.0),
    Fault(
        "cut-between-two",
        "the two nodes reach each other on no path, but everybody else",
        ("cut ha01 ha02 service on", "cut ha01 ha02 heartbeat on"),
        "stays",
        otherwise={"fence": "moves", "pair": "any"},
        not_promised=frozenset({"pair"}),
        watch=10.0,
    ),
    Fault("service-cable", "the service cable is pulled", ("cable ha01 eth0 out",), "moves"),
    Fault(
        "loss-30", "30 % loss on every cable of ha01", ("loss ha01 eth0 30%", "loss ha01 eth1 30%"), "any", watch=20.0
    ),
    Fault(
        "address-deleted", "the address is deleted by hand", ("on ha01 ip address del {address}/32 dev eth0",), "stays"
    ),
    Fault(
        "rival",
        "somebody adds the address on the other node",
        ("on ha02 ip address add {address}/24 dev eth0",),
        "stays",
    ),
    Fault(
        "disk-full", "no room on the state directory's disk, then power off", ("!fill-disk", "power ha01 off"), "moves"
    ),
    Fault("state-read-only", "read-only state directories, then power off", ("!read-only", "power ha01 off"), "moves"),
    Fault(
        "no-fork",
        "no machine can start a process any more, then power off",
        ("!no-fork", "power ha01 off"),
        "moves",
        otherwise={"fence": "nobody"},
    ),
    Fault("fork-refused", "a program's machine can start none any more", ("!no-fork-there",), "any", watch=40.0),
    Fault("few-descriptors", "256 file descriptors, then power off", ("!few-descriptors", "power ha01 off"), "moves"),
    Fault("cpu-burners", "four programs that burn both processors", ("!burn", 8.0), "stays"),
    Fault(
        "successor-restarts",
        "power off, and the other's pulse is killed in the take-over",
        ("power ha01 off", 0.9, "kill ha02 pulse"),
        "moves",
        otherwise={"fence": "nobody"},
        watch=15.0,
    ),
    Fault(
        "delay-300",
        "every frame of ha01 takes 300 ms, there and back",
        ("slow ha01 eth0 300ms", "slow ha01 eth1 300ms"),
        "any",
        not_promised=frozenset({"pair"}),
        watch=30.0,
        slow=True,
    ),
    Fault(
        "changed-file-in-take-over",
        "power off, and the other is started anew with a changed file in the take-over",
        ("power ha01 off", 0.9, "!changed-file"),
        "moves",
        otherwise={"fence": "nobody"},
        watch=15.0,
    ),
    Fault("both-started", "all machines lose power and start at once", ("!restart-all",), "any", watch=25.0),
    Fault("agent-start-fails", "a program cannot be started on ha01 any more", ("!start-fails",), "moves", watch=25.0),
    Fault("agent-start-hangs", "its start hangs on ha01", ("!start-hangs",), "moves", watch=40.0),
    Fault("agent-monitor-fails", "its monitor fails once", ("!monitor-fails",), "any", watch=25.0),
    Fault("agent-monitor-hangs", "its monitor hangs on ha01", ("!status-hangs",), "moves", watch=40.0),
    Fault(
        "agent-stop-fails",
        "its stop fails, and the node is put to standby",
        ("!stop-fails", "!standby"),
        "any",
        watch=20.0,
    ),
    Fault(
        "agent-stop-hangs",
        "its stop hangs, and the node is put to standby",
        ("!stop-hangs", "!standby"),
        "any",
        watch=20.0,
    ),
    Fault(
        "lease-tables-flushed",
        "counter-proof: frozen, and its packet filter emptied by hand",
        ("freeze ha01", "on ha01 nft flush ruleset"),
        "any",
        watch=12.0,
        only=("witness",),
        proof=True,
    ),
)

FAULTS = (*_WRITTEN[:-1], *link_faults(), _WRITTEN[-1])
"""The counter-proof comes last."""

NOT_HERE = {
    "clock-a-day": "namespaces share the wall clock; `./dev test-vm` sets it back and ahead, the simulator too",
}
"""Faults of the list that namespaces cannot make, and where they are tried instead."""


def fault(name: str) -> Fault:
    """Raises KeyError."""
    for item in FAULTS:
        if item.name == name:
            return item
    raise KeyError(name)
