"""Scenario B: an address, a mount and Apache in this order, heartbeats on a serial line alone, ipfail with a router.

Two pseudo terminals, joined, are the line. Not every kernel knows NFS: ``nfsha...:/ha::/ha::nfs::rw,hard`` becomes a bind mount
of a directory that both machines see, below ``/run``, by the same real OCF agent ``Filesystem``. All else is as published, also
the times: ``deadtime 60``, so the router, too, counts as lost after a minute.
"""

from __future__ import annotations

import pytest
from old_world import never_two, until
from scenario_world import Play, Scenario, scenario

from understudy.lab import kernel
from understudy.lab.old_pair import CALLS, HTTPD
from understudy.lab.site import DIRECTORY, SHARED
from understudy.units import SECOND

pytestmark = pytest.mark.long

SHARED_AT = "/run/ha"
ORDER = "/run/order"
HA1, HA2 = "ha1.haw2.ibm.com", "ha2.haw2.ibm.com"

IN_ORDER = HTTPD.replace(
    "run=",
    f"""there=$(ip -o address show to 9.22.7.46 | grep -c .)
[ "$1" = status ] || echo "$there $(mountpoint -q {SHARED_AT} && echo mounted || echo bare) $1" >> {ORDER}
run=""",
    1,
)
"""It notes whether the address and the mount are there when it is called."""

PLAY = Play(
    folder="apache-nfs-serial",
    machines={HA1: {"eth0": "9.22.7.48/24"}, HA2: {"eth0": "9.22.7.49/24"}},
    client="9.22.7.200/24",
    observer="9.22.7.201/24",
    asks="9.22.7.46",
    page="http://9.22.7.46/node.html",
    replaced={"nfsha.haw2.ibm.com:/ha::/ha::nfs::rw,hard": f"{SHARED}::{SHARED_AT}::none::bind"},
    scripts={"httpd": IN_ORDER},
    prepare=f"mkdir {SHARED_AT}; sed -i 's|^DocumentRoot.*|DocumentRoot \"{SHARED_AT}\"|' {DIRECTORY}/httpd.conf",
    serial_line=True,
    router="9.22.7.1/24",
)


def mounted(pair: Scenario, name: str) -> bool:
    return SHARED_AT in pair.machine(name).run(["cat", "/proc/self/mounts"])


def served_by(pair: Scenario, name: str, other: str) -> None:
    """Both pages come from that machine, and the shared files are mounted there alone."""
    assert "Served from the cluster" in pair.read("/")
    assert f"Served from node {name}" in pair.read("/node.html")
    assert mounted(pair, name)
    assert not mounted(pair, other)


@scenario(PLAY)
def test_address_mount_and_apache_move_together_and_follow_the_router(pair: Scenario) -> None:
    """The active machine loses the router, and gets it back; then its daemon is stopped."""
    start = kernel.now()
    for name in pair.play.names:
        pair.start_new(name)
    until("ha1 serves", lambda: pair.both_serve_as_one(HA1), 60)
    served_by(pair, HA1, HA2)

    cut = kernel.now()
    pair.stage.do(f"cut {HA1} router service on")
    until("ha2 serves, for ha1 lost the router", lambda: pair.both_serve_as_one(HA2), 120)
    assert kernel.now() - cut > 50 * SECOND, "damped: the router counts as lost after deadping"
    served_by(pair, HA2, HA1)
    pair.stage.do(f"cut {HA1} router service off")
    until("ha1 has it back, for both reach the router", lambda: pair.both_serve_as_one(HA1), 60)
    never_two(pair, start)
    assert pair.calls(HA2, CALLS) == ["start", "stop"]

    asked = pair.stop_new(HA1)
    until("ha2 serves", lambda: pair.serves() == HA2 and pair.pages() == HA2, 40)
    gap = never_two(pair, asked).page
    assert gap is not None
    print(f"the stop of the daemon cost {gap.length / SECOND:.2f} s")
    assert gap.length < 20 * SECOND, "the dead time is a minute"
    served_by(pair, HA2, HA1)
    for name in (HA1, HA2):
        assert set(pair.machine(name).run(["cat", ORDER]).splitlines()) == {"1 mounted start", "1 mounted stop"}
    assert pair.calls(HA1, CALLS) == ["start", "stop"] * 2
    assert pair.calls(HA2, CALLS) == ["start", "stop", "start"]
