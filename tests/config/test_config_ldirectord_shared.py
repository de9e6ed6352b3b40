"""Other people's real ldirectord.cf files, read unchanged where UNDERSTUDY_SHARED names a folder that has them.

What those of ``reference/configs`` must mean is told in our own words; scenario D is ldirectord/lvs-pair here.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_helpers import HERE
from ldirectord_helpers import NAMES

from understudy.config.ldirectord import LdirectordReading, read_ldirectord
from understudy.config.ldirectord_names import Names
from understudy.config.ldirectord_native import convert
from understudy.service_checks import FixedQuestion, HttpQuestion, ServiceQuestion
from understudy.services import Forward, OnFailure
from understudy.units import SECOND

ROOT = Path(os.environ.get("UNDERSTUDY_SHARED", ""))
SHARED = ROOT / "reference" / "configs"
FILES = sorted(SHARED.glob("ldirectord-*.cf")) if ROOT.name else []
pytestmark = pytest.mark.skipif(
    not os.environ.get("UNDERSTUDY_SHARED") or not SHARED.is_dir(),
    reason="UNDERSTUDY_SHARED names no folder with reference/configs",
)


def _reading(name: str) -> LdirectordReading:
    return read_ldirectord((SHARED / name).read_text(), name, Names())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_read_and_the_native_form_means_the_same(path: Path) -> None:
    assert convert(_reading(path.name), path.name).text is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_stands_in_comments_is_read_too(path: Path) -> None:
    """Whole blocks of the sample are commented out; without their marks they are good, but for two colons before a port."""
    lines = path.read_text().replace("::5060", ":5060").splitlines()
    good, block = [], False
    for line in lines:
        bare = line.removeprefix("#")
        block = bare.startswith("virtual") or (block and bare.startswith(("\t", " ")))
        good.append(bare if block else line)
    text = "\n".join(good).replace("sql01->sql03", "10.1.0.1->10.1.0.3").replace("192.168.84.5:53", "192.168.84.9:53")
    reading = read_ldirectord(text + "\n", path.name, NAMES)
    errors = [str(item) for item in reading.problems if item.severity == "error" and "there already" not in item.text]
    assert errors == []


def test_the_packaged_sample() -> None:
    files = _reading("ldirectord-01-packaged-sample.cf").files
    assert files is not None
    (service,) = files.services
    assert [real.name for real in service.reals] == ["192.168.6.2:80", "192.168.6.3:80", "192.168.6.6:80"]
    assert (service.scheduler, files.autoreload, service.comment) == (
        "rr",
        True,
        "Web Site: Test load balanced web site",
    )
    question = service.reals[0].checks[0].question
    assert isinstance(question, HttpQuestion)
    assert (question.pages[0].path, question.pages[0].host) == ("/index.html", "www.x.y.z")
    assert question.pages[0].pattern is not None
    assert question.pages[0].pattern.text == "Test Page"


def test_quiescent_with_gate() -> None:
    files = _reading("ldirectord-02-http-gate.cf").files
    assert files is not None
    (service,) = files.services
    assert {(real.forward, real.on_failure) for real in service.reals} == {(Forward.DIRECT, OnFailure.QUIET)}
    assert {(real.checks[0].interval, real.checks[0].timeout) for real in service.reals} == {(SECOND, 3 * SECOND)}


def test_names_of_ports_ldap_mysql_and_a_service_without_a_check() -> None:
    reading = _reading("ldirectord-03-dns-ldap-mysql-fallback.cf")
    assert reading.files is not None
    tcp, udp, web, ldap, mysql, other = reading.files.services
    assert [str(service.keys[0]) for service in (tcp, udp)] == ["tcp 10.0.16.1:53", "udp 10.0.16.1:53"]
    assert [service.reals[0].checks[0].question.udp for service in (tcp, udp)] == [False, True]  # type: ignore[union-attr]
    assert [real.weight for real in web.reals] == [140, 100, 100, 100]
    assert isinstance(ldap.reals[0].checks[0].question, ServiceQuestion)
    assert mysql.fallback is not None
    assert (mysql.fallback.name, mysql.fallback.forward) == ("10.0.112.2:3306", Forward.DIRECT)
    assert other.reals[0].checks[0].question == FixedQuestion(True)
    assert any("port 9312 stands for no service" in item.text for item in reading.problems)
    assert {service.mailing.repeat for service in reading.files.services} == {1800 * SECOND}


def test_scenario_d_is_the_one_that_is_tested_here() -> None:
    theirs = (ROOT / "scenarios" / "lvs-pair" / "ldirectord.cf").read_text()
    assert theirs == (HERE / "ldirectord" / "lvs-pair" / "ldirectord.cf").read_text()
