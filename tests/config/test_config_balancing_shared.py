"""Published files with services: how many services, servers and checks of which kind are read of each.

Those of ``reference/configs`` and of the scenarios, where UNDERSTUDY_SHARED names a folder that has them.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from understudy.config.ldirectord import read_ldirectord
from understudy.config.ldirectord_names import Names
from understudy.config.load import examine_keepalived
from understudy.core.pools.planes import choose
from understudy.core.pools.probing import described
from understudy.services import ServiceFiles

ROOT = Path(os.environ.get("UNDERSTUDY_SHARED", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("UNDERSTUDY_SHARED") or not (ROOT / "reference" / "configs").is_dir(),
    reason="UNDERSTUDY_SHARED names no folder with reference/configs",
)
CONFIGS, SCENARIOS = "reference/configs", "scenarios"

Row = tuple[str, str, int, str, str, str, bool]
# fmt: off
EXPECTED: dict[str, list[Row]] = {
    # file: service, scheduler, servers, forward, what is asked of each, fallback, quiet
    f"{CONFIGS}/ldirectord-01-packaged-sample.cf": [
        ("tcp 192.168.6.240:80", "rr", 3, "direct", "http", "127.0.0.1:80", False),
    ],
    f"{CONFIGS}/ldirectord-02-http-gate.cf": [("tcp 203.0.113.164:80", "wrr", 3, "direct", "http", "", True)],
    f"{CONFIGS}/ldirectord-03-dns-ldap-mysql-fallback.cf": [
        ("tcp 10.0.16.1:53", "wrr", 2, "direct", "dns", "", True),
        ("udp 10.0.16.1:53", "rr", 2, "direct", "dns", "", True),
        ("tcp 10.0.16.65:80", "sed", 4, "direct", "http", "", True),
        ("tcp 10.0.16.24:389", "wrr", 2, "direct", "ldap", "", True),
        ("tcp 10.0.16.111:3306", "sed", 1, "direct", "mysql", "10.0.112.2:3306", True),
        ("tcp 10.0.16.62:9312", "sed", 1, "direct", "fixed answer", "", True),
    ],
    f"{CONFIGS}/keepalived-03-dns-lvs-tcp-check.conf": [
        ("tcp 192.168.0.100:53", "wlc", 2, "nat", "connection", "", False),
    ],
    f"{SCENARIOS}/lvs-pair/ldirectord.cf": [("tcp 192.168.2.254:80", "lc", 4, "direct", "http", "127.0.0.1:80", False)],
}
# fmt: on


def _files(path: Path) -> ServiceFiles | None:
    """Its services, None when it has none."""
    if path.suffix == ".conf":
        routers = examine_keepalived(str(path), "main").files
        assert routers is not None
        return routers.services
    return read_ldirectord(path.read_text(), path.name, Names()).files


def _row(files: ServiceFiles, index: int) -> Row:
    service = files.services[index]
    (asked,) = {described(check).partition(" to ")[0] for real in service.reals for check in real.checks}
    (forward,) = {real.forward.value for real in service.reals}
    (quiet,) = {real.on_failure.value == "quiet" for real in service.reals}
    fallback = "" if service.fallback is None else service.fallback.name
    assert all(len(real.checks) == 1 for real in service.reals)
    return str(service.keys[0]), service.scheduler, len(service.reals), forward, asked, fallback, quiet


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_read(name: str) -> None:
    files = _files(ROOT / name)
    assert files is not None
    assert [_row(files, index) for index in range(len(files.services))] == EXPECTED[name]
    for service in files.services:
        assert choose(service, True, True)[0] is not None, "some plane can do it"


def test_no_file_with_services_is_forgotten() -> None:
    """The others, and the files of the old Heartbeat, have none."""
    found = Counter[str]()
    for path in [*(ROOT / CONFIGS).iterdir(), *(ROOT / SCENARIOS).glob("*/*")]:
        name = str(path.relative_to(ROOT))
        if path.suffix == ".conf" or "ldirectord" in path.name:
            files = _files(path)
            found[name] = 0 if files is None else len(files.services)
    assert {name for name, many in found.items() if many} == set(EXPECTED)


def test_the_values_of_the_small_ones() -> None:
    """Delay, time limit, failures and weights, as the file and the defaults of the program have them."""
    seconds = {}
    for name in EXPECTED:
        files = _files(ROOT / name)
        assert files is not None
        check = files.services[0].reals[0].checks[0]
        weights = [real.weight for real in files.services[0].reals]
        seconds[Path(name).name] = (check.interval // 10**9, check.timeout // 10**9, check.fall, weights)
    assert seconds == {
        "ldirectord-01-packaged-sample.cf": (1, 3, 1, [1, 1, 1]),
        "ldirectord-02-http-gate.cf": (1, 3, 1, [1, 1, 1]),
        "ldirectord-03-dns-ldap-mysql-fallback.cf": (2, 10, 1, [1, 1]),
        "keepalived-03-dns-lvs-tcp-check.conf": (6, 6, 2, [100, 100]),
        "ldirectord.cf": (10, 30, 1, [1, 1, 1, 1]),
    }
