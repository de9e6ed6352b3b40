"""The balancer's copy of the services: what is read is what was written, and what is not ours is said to be so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_helpers import GOOD

from understudy.config.load import load
from understudy.config.service_copy import VERSION, ServiceCopy, balances, copy_of, read_copy, write_copy
from understudy.config.validate import read
from understudy.service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    HttpQuestion,
    Page,
    Pattern,
    ProgramQuestion,
    SayQuestion,
    Service,
    ServiceQuestion,
    Target,
    Tls,
    UdpQuestion,
)
from understudy.services import (
    Forward,
    Mailing,
    Notice,
    OnFailure,
    Plane,
    RealServer,
    ServiceFiles,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnelling,
    VirtualService,
)
from understudy.units import SECOND

QUESTIONS = (
    HttpQuestion((Page("/a", status=((200, 299), (404, 404)), pattern=Pattern("x", flags="i")),), Tls("name", True)),
    ConnectQuestion(),
    SayQuestion(bytes(range(256)), Pattern("é", absent=True), half_close=True),
    ServiceQuestion(Service.DNS, "example.com", udp=True),
    UdpQuestion(b"\xff\x00", True, ((1, 255), (2, 15))),
    ProgramQuestion(("/bin/true", "--x"), dynamic=True, user="nobody:users"),
    CombinedQuestion(ConnectQuestion(), ServiceQuestion(Service.SMTP), 5),
)


def everything() -> ServiceCopy:
    checks = tuple(Check(question, Target("10.0.0.2", 80), pause=True, fall=3) for question in QUESTIONS)
    real = RealServer(
        "10.0.0.2",
        80,
        Forward.TUNNEL,
        7,
        tunnelling=Tunnelling("gue", 6080),
        checks=checks,
        on_failure=OnFailure.QUIET,
        notify_up=Notice(("/bin/echo", "up"), "root"),
    )
    service = VirtualService(
        "web",
        (ServiceKey("tcp", "2001:db8::1", 80, family=6), ServiceKey(mark=7)),
        (real,),
        group="site",
        plane=Plane.IPVS,
        fallback=RealServer("127.0.0.1", 80, Forward.DIRECT),
        slow_start=30 * SECOND,
        mailing=Mailing(("root",), when=frozenset({"running", "stopping"})),
    )
    files = ServiceFiles((service,), "/etc/m", True, sync=SyncDaemon("eth1", "VI_1"), timeouts=Timeouts(SECOND))
    return ServiceCopy(files, (("site", ("2001:db8::1",)),), ("/etc/x",), "ha01", "adm")


def test_what_is_written_is_read_again() -> None:
    assert read_copy(write_copy(everything())) == everything()
    assert read_copy(write_copy(ServiceCopy())) == ServiceCopy()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version":99}',
        json.dumps({"version": VERSION, "strange": 1}),
        '{"version":1,"files":3}',
        pytest.param("[" * 100_000, id="nested"),
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_copy(text)


def test_a_witness_balances_nothing() -> None:
    """It never has the address, and would only ask all servers."""
    web = '[services.web]\naddress = "192.168.58.100:80"\nservers = ["192.168.58.11:80"]\n'
    cluster = read(GOOD + web, "f").cluster
    assert cluster is not None
    assert [balances(cluster, name) for name in cluster.names] == [True, True, False]
    copy = copy_of(cluster, "ha01")
    assert (copy.files.services[0].group, copy.addresses, copy.node) == (
        "site",
        (("site", ("192.168.58.100",)),),
        "ha01",
    )
    assert copy_of(cluster, "arbiter").files == ServiceFiles()


def test_many_servers_are_a_small_file() -> None:
    """Defaults are left out: a server of a large farm is some hundred bytes."""
    check = Check(HttpQuestion(), Target("10.0.0.1", 80))
    reals = tuple(RealServer(f"10.0.{i // 250}.{i % 250}", 80, checks=(check,)) for i in range(1000))
    text = write_copy(ServiceCopy(ServiceFiles((VirtualService("w", (ServiceKey("tcp", "10.9.9.9", 80),), reals),))))
    assert len(text) < 250 * 1000


@pytest.mark.parametrize(
    ("word", "addresses", "router"),
    [
        ("lvs_sync_daemon eth0 inst web id 7", "virtual_ipaddress {\n192.0.2.100/24\n}", "web"),
        ("lvs_sync_daemon eth0 inst web id 7", "", ""),
        ("lvs_sync_daemon eth0 id 7", "virtual_ipaddress {\n192.0.2.100/24\n}", ""),
    ],
)
def test_the_sync_daemon_follows_only_whose_addresses_can_be_seen(
    tmp_path: Path, word: str, addresses: str, router: str
) -> None:
    """Without virtual servers of ours, too: somebody else may write IPVS's table."""
    path = tmp_path / "keepalived.conf"
    instance = f"vrrp_instance web {{\ninterface eth0\nvirtual_router_id 10\n{addresses}\n}}\n"
    path.write_text(f"global_defs {{\n{word}\n}}\n{instance}")
    copy = copy_of(load(str(path)), "ha01")
    assert copy.files.sync == SyncDaemon("eth0", router, 7)
    assert dict(copy.addresses).get(router) == (("192.0.2.100",) if router else None)
