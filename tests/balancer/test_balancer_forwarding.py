"""What is said where servers behind NAT are reached by nobody, because the machine does not forward."""

from __future__ import annotations

from pathlib import Path

from understudy.balancer.forwarding import lacking
from understudy.services import Forward, RealServer, ServiceFiles, ServiceKey, VirtualService


def service(name: str, *reals: RealServer) -> VirtualService:
    return VirtualService(name, (ServiceKey("tcp", "10.9.9.9", 80),), reals)


def settings(folder: Path, four: str, six: str) -> str:
    for path, text in (("ipv4/ip_forward", four), ("ipv6/conf/all/forwarding", six)):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return str(folder)


def test_only_what_goes_to_other_machines_by_nat_needs_it(tmp_path: Path) -> None:
    here = service("here", RealServer("127.0.0.1", 80), RealServer("::1", 80))
    direct = service("direct", RealServer("10.0.0.2", 80, Forward.DIRECT), RealServer("10.0.0.3", 80, Forward.TUNNEL))
    assert lacking(ServiceFiles((here, direct)), settings(tmp_path, "0", "0")) == []


def test_it_names_the_setting_and_the_services(tmp_path: Path) -> None:
    web, mail = service("web", RealServer("10.0.0.2", 80)), service("mail", RealServer("10.0.0.2", 25))
    six = service("six", RealServer("fd00::2", 80))
    off = settings(tmp_path, "0", "0")
    (sentence,) = lacking(ServiceFiles((web,)), off)
    assert sentence.startswith("net.ipv4.ip_forward is 0: no client of web reaches")
    assert sentence.endswith("sysctl -w net.ipv4.ip_forward=1")
    four, other = lacking(ServiceFiles((web, mail, six)), off)
    assert "web and 1 more" in four
    assert "net.ipv6.conf.all.forwarding" in other
    assert len(lacking(ServiceFiles((web, mail, six)), settings(tmp_path, "1", "0"))) == 1
    assert lacking(ServiceFiles((web, six)), settings(tmp_path, "1", "2")) == []


def test_a_setting_that_cannot_be_read_accuses_nobody(tmp_path: Path) -> None:
    assert lacking(ServiceFiles((service("web", RealServer("10.0.0.2", 80)),)), str(tmp_path / "none")) == []
