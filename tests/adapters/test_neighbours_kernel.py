"""MAC addresses of neighbours, asked of a real kernel."""

from __future__ import annotations

import pytest
from netns import Lab, inside

from understudy.adapters.neighbours import mac_of

pytestmark = pytest.mark.kernel


def test_who_stands_behind_an_address(lab: Lab) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    lab.segment({a: "10.50.0.1/24 fd50::1/64", b: "10.50.0.2/24 fd50::2/64"})
    mac = b.mac()
    a.run(f"ip neigh replace 10.50.0.2 lladdr {mac} dev eth0")
    a.run(f"ip neigh replace fd50::2 lladdr {mac} dev eth0")
    with inside(a):
        assert mac_of("10.50.0.2") == mac
        assert mac_of("fd50::2") == mac_of("fd50::2%eth0") == mac
        for nobody in ("10.50.0.3", "fd50::3", "192.0.2.1", "", "no address"):
            assert mac_of(nobody) == ""
