"""Which part of the kernel gets a service; nothing is approximated, and each refusal says what to write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from understudy.core.pools.planes import beside, cannot_ipvs, cannot_nft, choose, differs, foreseen
from understudy.services import (
    Forward,
    OnFailure,
    Plane,
    RealServer,
    ServiceFiles,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    VirtualService,
)
from understudy.units import SECOND

KEY = ServiceKey("tcp", "10.0.0.100", 80)
REAL = RealServer("10.0.0.1", 80)
PLAIN = VirtualService("web", (KEY,), (REAL, replace(REAL, address="10.0.0.2", weight=3)), scheduler="wrr")


@pytest.mark.parametrize("scheduler", ["rr", "wrr", "random", "sh"])
def test_what_is_simple_goes_to_nftables_whether_there_is_ipvs_or_not(scheduler: str) -> None:
    service = replace(PLAIN, scheduler=scheduler, persistence=300 * SECOND, granularity=24)
    for has_ipvs in (True, False):
        assert choose(service, has_ipvs, True) == (Plane.NFTABLES, ["nftables can do all that the service asks for"])


FAR = replace(REAL, forward=Forward.DIRECT)
ASKED_TOO_MUCH = [
    (replace(PLAIN, scheduler="wlc"), 'scheduler "wlc", which IPVS has: write scheduler "rr"'),
    (replace(PLAIN, flags=("flag-1",)), "scheduler flag flag-1"),
    (replace(PLAIN, persistence_engine="sip"), "persistence engine sip"),
    (replace(PLAIN, reals=(replace(REAL, forward=Forward.TUNNEL),)), "no tunnels (10.0.0.1:80): write nat or direct"),
    (replace(PLAIN, reals=(replace(REAL, upper=5),)), "leave their thresholds out"),
    (replace(PLAIN, reals=(REAL, FAR)), "one of nat and direct for all"),
    (replace(PLAIN, fallback=replace(REAL, address="127.0.0.2")), "(127.0.0.2:80): write one of them"),
    (replace(PLAIN, one_packet=True), "single datagrams by NAT"),
    (replace(PLAIN, keys=(replace(KEY, protocol="sctp"),), reals=(FAR,), persistence=SECOND), "SCTP begins"),
    (replace(PLAIN, keys=(replace(KEY, port=0),)), "needs persistence"),
    (replace(PLAIN, reals=(replace(REAL, address="fd00::1"),)), "other address family ([fd00::1]:80)"),
    (replace(PLAIN, reals=(REAL, replace(REAL, address="10.0.0.3", weight=(1 << 31) - 1))), "weights are too many"),
]


@pytest.mark.parametrize(("service", "said"), ASKED_TOO_MUCH, ids=[said for _, said in ASKED_TOO_MUCH])
def test_what_nftables_cannot_do_is_said(service: VirtualService, said: str) -> None:
    (reason,) = cannot_nft(service)
    assert said in reason


def test_a_fallback_on_this_machine_may_be_direct_beside_nat() -> None:
    here = RealServer("127.0.0.1", 80, Forward.DIRECT)
    assert cannot_nft(replace(PLAIN, fallback=here)) == []
    assert cannot_nft(replace(PLAIN, fallback=FAR)) != []


def test_what_nftables_cannot_do_ipvs_does_where_it_is() -> None:
    busy = replace(PLAIN, scheduler="wlc")
    plane, why = choose(busy, True, True)
    assert plane is Plane.IPVS
    assert why[0].startswith('IPVS, because nftables has no scheduler "wlc"')
    plane, why = choose(busy, False, True)
    assert plane is None
    assert 'write scheduler "rr"' in why[0]
    assert why[1] == "this kernel has no IPVS, which could do it"


def test_what_neither_can_do_gets_both_reasons() -> None:
    both = replace(PLAIN, scheduler="random", flags=("flag-1",))
    assert choose(both, True, True) == (None, cannot_nft(both) + cannot_ipvs(both))


def test_who_says_which_gets_that_or_hears_why_not() -> None:
    assert choose(replace(PLAIN, plane=Plane.IPVS), True, True)[0] is Plane.IPVS
    assert choose(replace(PLAIN, plane=Plane.IPVS), False, True)[0] is None
    assert choose(replace(PLAIN, plane=Plane.IPVS, scheduler="random"), True, True)[0] is None
    assert choose(replace(PLAIN, plane=Plane.NFTABLES, scheduler="wlc"), True, True)[0] is None
    assert choose(PLAIN, True, False) == (Plane.IPVS, ["IPVS, because this kernel has no nftables"])
    synchronised = ["IPVS, because connections are synchronised, which nftables cannot do"]
    assert choose(PLAIN, True, True, synchronised=True) == (Plane.IPVS, synchronised)
    assert choose(PLAIN, False, True, synchronised=True)[0] is Plane.NFTABLES, "better unsynchronised than not served"
    assert choose(replace(PLAIN, plane=Plane.NFTABLES), True, True, synchronised=True)[0] is Plane.NFTABLES
    assert choose(PLAIN, False, False)[0] is None


def test_what_is_foreseen_says_what_the_machine_that_runs_it_decides() -> None:
    by_ipvs = "(when it runs: not served where the kernel has no ip_vs)"
    for service, plane, said in (
        (PLAIN, Plane.NFTABLES, "(when it runs: by IPVS where the kernel has no nf_tables)"),
        (replace(PLAIN, scheduler="random"), Plane.NFTABLES, "not served where the kernel has no nf_tables"),
        (replace(PLAIN, plane=Plane.NFTABLES), Plane.NFTABLES, "not served where the kernel has no nf_tables"),
        (replace(PLAIN, scheduler="wlc"), Plane.IPVS, by_ipvs),
        (replace(PLAIN, plane=Plane.IPVS), Plane.IPVS, by_ipvs),
        (replace(PLAIN, plane=Plane.NFTABLES, scheduler="wlc"), None, 'no scheduler "wlc"'),
    ):
        found, text = foreseen(service, synchronised=False)
        assert found is plane
        assert said in text
    assert foreseen(PLAIN, synchronised=True) == (
        Plane.IPVS,
        "IPVS, because connections are synchronised, which nftables cannot do "
        "(when it runs: by nftables, not synchronised, where the kernel has no ip_vs)",
    )


HERE = RealServer("127.0.0.1", 8080)
OTHERWISE = [
    (
        replace(PLAIN, reals=(replace(HERE, port=80),), persistence=SECOND),
        Plane.NFTABLES,
        "persistence does not hold for this machine",
    ),
    (replace(PLAIN, fallback=HERE), Plane.NFTABLES, "must listen on all addresses"),
    (replace(PLAIN, fallback=HERE), Plane.IPVS, "IPVS drops what it would translate to a loopback address"),
    (replace(PLAIN, reals=(replace(FAR, port=8080),)), Plane.NFTABLES, "10.0.0.1:8080 gets its packets at the service"),
    (replace(PLAIN, reals=(replace(FAR, port=8080),)), Plane.IPVS, "10.0.0.1:8080 gets its packets at the service"),
    (
        replace(PLAIN, reals=(FAR,), fallback=replace(HERE, forward=Forward.NAT)),
        Plane.NFTABLES,
        "while servers by direct routing stand beside it, 127.0.0.1:8080 is reached at the service's port",
    ),
    (
        replace(PLAIN, scheduler="sh", reals=(replace(REAL, on_failure=OnFailure.QUIET),)),
        Plane.NFTABLES,
        'as with the flag "sh-fallback"',
    ),
    (
        replace(PLAIN, keys=(ServiceKey(mark=1),), reals=(FAR,), persistence=SECOND),
        Plane.NFTABLES,
        "holds for TCP only",
    ),
]


@pytest.mark.parametrize(("service", "plane", "said"), OTHERWISE)
def test_what_a_plane_does_otherwise_is_said(service: VirtualService, plane: Plane, said: str) -> None:
    assert said in " ".join(differs(service, plane))


def test_of_what_is_done_as_it_is_written_nothing_is_said() -> None:
    here = replace(HERE, forward=Forward.DIRECT, port=80)
    for service in (PLAIN, replace(PLAIN, fallback=here), replace(PLAIN, reals=(FAR,), persistence=SECOND)):
        assert differs(service, Plane.NFTABLES) == differs(service, Plane.IPVS) == []
    assert differs(replace(PLAIN, scheduler="sh", flags=("sh-fallback",)), Plane.NFTABLES) == []


def test_what_is_set_for_all_of_ipvs_is_said_of_services_that_it_does_not_serve() -> None:
    files = ServiceFiles((PLAIN,), sync=SyncDaemon("eth0"), timeouts=Timeouts(SECOND))
    times, sync = beside(files, {"web": Plane.NFTABLES})
    assert "time-outs of IPVS do not hold for services of nftables (web)" in times
    assert "not synchronised (web)" in sync
    assert beside(files, {"web": Plane.IPVS}) == beside(ServiceFiles((PLAIN,)), {"web": Plane.NFTABLES}) == []
