"""Several planes as one: each change goes where its service stands, in order; what no plane has is refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from balancer_parts import PretendPlane

from understudy.balance import (
    DropService,
    Place,
    PoolEvent,
    PoolNote,
    PoolTimer,
    SetServer,
    SetService,
    Synchronise,
    TableEffect,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
)
from understudy.balancer.planes import Planes
from understudy.core.pools import Pool
from understudy.services import Plane, RealServer, ServiceFiles, ServiceKey, SyncDaemon, Timeouts, VirtualService
from understudy.units import SECOND, Instant

NFT, IPVS = ServiceKey("tcp", "10.9.9.1", 80), ServiceKey("tcp", "10.9.9.2", 80)
SERVER = TableServer(Place("10.0.0.2", 80))
SERVICES = (VirtualService("a", (NFT,), plane=Plane.NFTABLES), VirtualService("b", (IPVS,), plane=Plane.IPVS))


class PretendIpvs(PretendPlane):
    def __init__(self) -> None:
        super().__init__()
        self.settled: list[object] = []
        self.busy = ""
        """Why it sets no timeouts."""

    def set_timeouts(self, wanted: Timeouts) -> str:
        self.settled.append(wanted)
        return self.busy

    def synchronise(self, wanted: Synchronise) -> str:
        self.settled.append(wanted)
        return "no device" if wanted.backup else ""


class PretendNft(PretendPlane):
    def __init__(self) -> None:
        super().__init__()
        self.claimed: list[ServiceKey] = []

    def claim(self, keys: Sequence[ServiceKey]) -> None:
        assert self.reads, "nothing is written before the table was read"
        self.claimed += keys


def choose(service: VirtualService, synchronised: bool) -> Plane | str:
    if synchronised:
        return Plane.IPVS
    return "no plane can do it" if service.scheduler == "strange" else service.plane


def made(services: Sequence[VirtualService] = SERVICES) -> tuple[Planes, PretendPlane, PretendIpvs]:
    nft, ipvs = PretendPlane(), PretendIpvs()
    planes = Planes({Plane.NFTABLES: lambda: nft, Plane.IPVS: lambda: ipvs}, choose)
    planes.follow(ServiceFiles(tuple(services)))
    return planes, nft, ipvs


def begin(key: ServiceKey) -> list[SetService | SetServer]:
    return [SetService(TableService(key), True, "new"), SetServer(key, SERVER, True, "up")]


def test_services_of_the_file_are_claimed_in_the_plane_that_says_whose_they_are() -> None:
    nft, ipvs = PretendNft(), PretendIpvs()
    planes = Planes({Plane.NFTABLES: lambda: nft, Plane.IPVS: lambda: ipvs}, choose)
    planes.follow(ServiceFiles(SERVICES))
    planes.read()
    assert nft.claimed == [NFT]


def test_each_plane_gets_what_is_its_own_in_one_batch_a_run() -> None:
    planes, nft, ipvs = made()
    assert planes.apply([*begin(NFT), *begin(IPVS)]) == []
    assert [list(plane.table) for plane in (nft, ipvs)] == [[NFT], [IPVS]]
    assert [len(plane.batches) for plane in (nft, ipvs)] == [1, 1]
    assert [each.key for each, _ in planes.read().services] == [NFT, IPVS]
    assert (planes.name_of(NFT), planes.name_of(IPVS)) == ("nftables", "ipvs")


def test_a_service_that_gets_another_plane_is_taken_out_of_the_former_one() -> None:
    planes, nft, ipvs = made()
    planes.apply(begin(NFT))
    assert planes.follow(ServiceFiles((VirtualService("a", (NFT,), plane=Plane.IPVS),))) is True
    assert nft.table == {}
    planes.apply(begin(NFT))
    assert list(ipvs.table) == [NFT]


def test_what_a_plane_does_not_let_go_is_tried_again_at_each_look() -> None:
    planes, nft, ipvs = made()
    planes.apply([*begin(NFT), *begin(IPVS)])
    nft.keeps = "Device or resource busy"
    other = ServiceFiles((VirtualService("a", (NFT,), plane=Plane.IPVS), SERVICES[1]))
    assert planes.follow(other) is False
    for _ in range(2):
        assert "cannot be taken out of nftables, which still serves it: Device or resource busy" in planes.trouble
        assert [service.key for service, _ in planes.read().services] == [NFT, IPVS]
    assert planes.name_of(NFT) == "nftables"
    nft.keeps = ""
    assert [service.key for service, _ in planes.read().services] == [IPVS], "the pool has it made again"
    assert (nft.table, planes.trouble) == ({}, "")
    assert planes.apply(begin(NFT)) == []
    assert list(ipvs.table) == [IPVS, NFT]


def test_what_a_plane_did_not_let_go_may_go_by_itself_or_stay_after_all() -> None:
    planes, nft, ipvs = made()
    planes.apply(begin(NFT))
    nft.keeps = "Device or resource busy"
    other = ServiceFiles((VirtualService("a", (NFT,), plane=Plane.IPVS),))
    planes.follow(other)
    planes.follow(ServiceFiles(SERVICES))
    batches = len(nft.batches)
    planes.read()
    assert (len(nft.batches), planes.trouble) == (batches, ""), "it is where it is to be"
    planes.follow(other)
    nft.table.clear()
    planes.read()
    assert (len(nft.batches), planes.trouble) == (batches + 1, ""), "it is gone"
    planes.apply(begin(NFT))
    assert list(ipvs.table) == [NFT]


def test_a_service_that_is_not_ours_any_more_is_dropped_where_it_stands() -> None:
    planes, nft, _ = made()
    planes.apply(begin(NFT))
    assert planes.follow(ServiceFiles()) is False
    assert planes.apply([DropService(NFT, "gone")]) == []
    assert nft.table == {}


def test_a_service_goes_to_ipvs_when_connections_are_to_be_synchronised() -> None:
    planes, nft, ipvs = made()
    planes.apply(begin(NFT))
    assert planes.plane_of(SERVICES[0]) is Plane.NFTABLES
    assert planes.follow(ServiceFiles(SERVICES, sync=SyncDaemon("eth1"))) is True
    assert planes.plane_of(SERVICES[0]) is Plane.IPVS
    planes.apply(begin(NFT))
    assert (nft.table, list(ipvs.table)) == ({}, [NFT])


def test_what_no_plane_can_do_or_the_kernel_lacks_is_refused_with_the_reason() -> None:
    strange = VirtualService("s", (NFT,), scheduler="strange", plane=Plane.NFTABLES)
    planes, nft, _ = made((strange, SERVICES[1]))
    assert planes.apply(begin(NFT))[0] == TableRefused(NFT, None, "no plane can do it")
    assert nft.batches == []

    def absent() -> PretendPlane:
        raise OSError(95, "no IP_VS")

    lacking = Planes({Plane.IPVS: absent}, choose)
    lacking.follow(ServiceFiles(SERVICES))
    assert lacking.read().services == ()
    assert "this kernel offers no ipvs: no IP_VS" in lacking.apply(begin(IPVS))[1].text


def test_it_says_of_the_planes_that_were_chosen_what_is_not_done_or_otherwise() -> None:
    strange = VirtualService("s", (NFT,), scheduler="strange")
    here = RealServer("127.0.0.1", 8080)
    planes, _, _ = made()
    files = ServiceFiles((strange, replace(SERVICES[1], fallback=here), SERVICES[0]), timeouts=Timeouts(SECOND))
    planes.follow(files)
    found = planes.judge(files)
    assert found[0] == ("service s: no plane can serve it: no plane can do it", "error")
    assert found[1][0].startswith("service b, ipvs: IPVS drops")
    assert found[2][0] == "the time-outs of IPVS do not hold for services of nftables (a)"
    assert [level for _, level in found] == ["error", "warning", "warning"]
    everything = replace(files, services=files.services[1:], sync=SyncDaemon("eth1"))
    planes.follow(everything)
    assert [text[:19] for text, _ in planes.judge(everything)] == ["service b, ipvs: IP"], "all of it is IPVS's then"


def test_what_stands_from_before_in_a_plane_that_was_not_chosen_goes_to_the_chosen_one() -> None:
    planes, nft, ipvs = made()
    nft.table[IPVS] = (TableService(IPVS), {})
    assert planes.read().services != ()
    assert planes.follow(ServiceFiles(SERVICES)) is True
    assert (planes.read().services, nft.table) == ((), {})
    planes.apply(begin(IPVS))
    assert (nft.table, list(ipvs.table)) == ({}, [IPVS])


def test_of_one_batch_only_what_was_refused_is_tried_again_with_its_own_reason() -> None:
    good, bad = (RealServer(f"10.0.0.{number}", 80) for number in (2, 3))
    services = tuple(replace(service, reals=(good, bad)) for service in SERVICES)
    planes, nft, ipvs = made(services)
    nft.refuses[Place(bad.address, 80)], ipvs.refuses[Place(bad.address, 80)] = "no room", "no such thing"
    pool, notes = Pool(ServiceFiles(services)), list[str]()

    def tell(event: PoolEvent, now: Instant) -> list[TableEffect]:
        effects = pool.handle(event, now)
        notes.extend(effect.text for effect in effects if isinstance(effect, PoolNote) and effect.level == "error")
        changes = [effect for effect in effects if isinstance(effect, TableEffect)]
        for refused in planes.apply(changes):
            tell(refused, now)
        return changes

    assert len(tell(planes.read(), 0)) == 6, "two services with two servers each"
    assert [list(plane.table[key][1]) for plane, key in ((nft, NFT), (ipvs, IPVS))] == [[Place(good.address, 80)]] * 2
    said = [f"the kernel did not take 10.0.0.3:80 of {NFT}: no room"]
    assert notes == [*said, f"the kernel did not take 10.0.0.3:80 of {IPVS}: no such thing"]
    assert [state.trouble for state in pool.snapshot(0).services] == ["no room", "no such thing"]
    ipvs.refuses.clear()
    for now, keys in ((SECOND, [NFT, IPVS]), (2 * SECOND, []), (3 * SECOND, [NFT])):
        assert [(type(each), getattr(each, "key", None)) for each in tell(PoolTimer(), now)] == [
            (SetServer, key) for key in keys
        ]
    assert [state.trouble for state in pool.snapshot(3 * SECOND).services] == ["no room", ""]


def test_of_a_service_that_stands_in_two_planes_what_is_not_wanted_goes() -> None:
    planes, nft, ipvs = made()
    left = ServiceKey("tcp", "10.9.9.3", 80)
    for key in (NFT, IPVS, left):
        nft.table[key] = ipvs.table[key] = (TableService(key), {})
        nft.own.add(key)
    assert planes.read().own == {NFT, IPVS, left}
    assert planes.follow(ServiceFiles(SERVICES)) is True
    assert planes.read().own == {NFT, left}
    assert planes.apply([DropService(left, "nobody has it")]) == []
    assert (list(nft.table), list(ipvs.table)) == ([NFT], [IPVS, left]), "the administrator's own entry stays"
    assert planes.read().own == {NFT}


def test_a_plane_that_cannot_be_read_is_believed_as_it_was_and_the_others_are_read() -> None:
    planes, nft, ipvs = made()
    planes.apply([*begin(NFT), *begin(IPVS)])
    planes.read()
    nft.table.clear()
    ipvs.fails = OSError(105, "No buffer space available")
    assert planes.read() == TableSeen((), frozenset({IPVS}))
    assert planes.trouble.endswith("ipvs cannot be read, it is believed to be as it was: No buffer space available")
    assert planes.counters() == {}
    ipvs.fails = None
    assert [each.key for each, _ in planes.read().services] == [IPVS]
    assert planes.trouble == ""


def test_timeouts_that_the_kernel_refuses_are_told_and_tried_again() -> None:
    planes, _, ipvs = made()
    files = ServiceFiles(timeouts=Timeouts(SECOND))
    ipvs.busy = "Device or resource busy"
    assert planes.settle(files) == "the timeouts of IPVS are not set: Device or resource busy"
    ipvs.busy = ""
    assert [planes.settle(files) for _ in range(2)] == ["", ""]
    assert ipvs.settled == [files.timeouts] * 2


def test_timeouts_and_the_sync_daemon_are_matters_of_ipvs_alone() -> None:
    planes, _, ipvs = made()
    master, backup = (Synchronise(SyncDaemon("eth1", "VI_1"), here, not here, "a test") for here in (True, False))
    assert planes.settle(ServiceFiles()) == ""
    assert ipvs.settled == []
    assert planes.settle(ServiceFiles(timeouts=Timeouts(SECOND))) == ""
    assert planes.settle(ServiceFiles(timeouts=Timeouts(SECOND))) == ""
    assert (planes.synchronise(master), planes.synchronise(backup)) == ("", "no device")
    assert ipvs.settled == [Timeouts(SECOND), master, backup]

    def absent() -> PretendPlane:
        raise OSError(95, "no IP_VS")

    lacking = Planes({Plane.IPVS: absent}, choose)
    said = "the timeouts of IPVS are not set: this kernel offers no ipvs: no IP_VS"
    assert [lacking.settle(ServiceFiles(timeouts=Timeouts(SECOND))) for _ in range(2)] == [said, said]
    assert lacking.synchronise(master) == "this kernel offers no ipvs: no IP_VS"
    assert lacking.synchronise(Synchronise(None, False, False, "a clean stop")) == ""
