"""A machine that passes nothing on, and has servers by NAT: said for each address family, and only then."""

from __future__ import annotations

from pathlib import Path

from understudy.adapters.forwarding import SETTINGS, not_forwarded
from understudy.services import Forward, RealServer, ServiceFiles, ServiceKey, VirtualService


def put(root: Path, four: str, six: str) -> str:
    for setting, content in zip(SETTINGS.values(), (four, six), strict=True):
        path = root / setting.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return str(root)


def files(*reals: RealServer) -> ServiceFiles:
    return ServiceFiles((VirtualService("web", (ServiceKey("tcp", "10.0.0.9", 80),), reals),))


def test_it_is_said_of_the_family_that_needs_it(tmp_path: Path) -> None:
    four, six = RealServer("10.0.0.1", 80), RealServer("fd00::1", 80)
    both = files(four, RealServer("10.0.0.2", 80), six)
    first, second = not_forwarded(both, put(tmp_path, "0", "0"))
    assert first.startswith("net.ipv4.ip_forward is 0: nothing comes to servers by NAT (10.0.0.1:80 of web and 1 more)")
    assert second.startswith("net.ipv6.conf.all.forwarding is 0")
    assert len(not_forwarded(both, put(tmp_path, "1", "0"))) == 1
    assert not_forwarded(both, put(tmp_path, "1", "1")) == []


def test_who_needs_no_forwarding_hears_nothing_of_it(tmp_path: Path) -> None:
    others = files(RealServer("10.0.0.1", 80, Forward.DIRECT), RealServer("127.0.0.1", 80))
    assert not_forwarded(others, put(tmp_path, "0", "0")) == []
    assert not_forwarded(files(RealServer("10.0.0.1", 80)), str(tmp_path / "nowhere")) == []
