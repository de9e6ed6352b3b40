"""``execute`` of ldirectord.cf: the other files are balanced with this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.config.ldirectord import LdirectordReading
from understudy.config.ldirectord_native import convert
from understudy.config.load import examine
from understudy.config.load_ldirectord import examine_ldirectord
from understudy.config.service_copy import copy_of

WEB = "quiescent=no\nexecute=mail.cf\nvirtual=192.0.2.1:80\n\treal=10.0.0.2:80 gate\n"
MAIL = "quiescent=yes\ncheckinterval=3\nvirtual=192.0.2.1:25\n\treal=10.0.0.3:25 gate\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "ldirectord.cf"
    path.write_text(WEB)
    (tmp_path / "mail.cf").write_text(MAIL)
    return path


def names(reading: LdirectordReading) -> list[str]:
    assert reading.files is not None, [str(problem) for problem in reading.problems]
    return [service.name for service in reading.files.services]


def errors(path: Path) -> list[str]:
    reading = examine_ldirectord(str(path))
    assert reading.files is None
    return [str(problem) for problem in reading.problems if problem.severity == "error"]


def test_its_services_come_with_the_settings_of_their_own_file(main: Path) -> None:
    reading = examine_ldirectord(str(main))
    assert names(reading) == ["tcp-192.0.2.1-80", "tcp-192.0.2.1-25"]
    assert reading.files is not None
    quiet = [service.reals[0].on_failure.value for service in reading.files.services]
    assert quiet == ["remove", "quiet"]
    assert [service.reals[0].checks[0].interval // 10**9 for service in reading.files.services] == [10, 3]
    cluster, _ = examine(str(main))
    assert cluster is not None
    assert copy_of(cluster, "lb01").sources == (str(main), str(main.parent / "mail.cf"))


def test_the_native_form_has_the_services_of_all(main: Path) -> None:
    made = convert(examine_ldirectord(str(main)), str(main))
    assert made.text is not None
    assert "tcp-192.0.2.1-25" in made.text


def test_a_file_that_names_itself_or_one_that_names_it_is_read_once(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (main.parent / "mail.cf").write_text("execute=ldirectord.cf\nexecute=mail.cf\nexecute=third.cf\n" + MAIL)
    (main.parent / "third.cf").write_text("virtual=192.0.2.1:119\n\treal=10.0.0.4:119 gate\n")
    monkeypatch.chdir(main.parent)
    assert len(names(examine_ldirectord("ldirectord.cf"))) == 3


def test_a_file_of_nothing_but_others(main: Path) -> None:
    main.write_text(f"execute={main.parent / 'mail.cf'}\n")
    reading = examine_ldirectord(str(main))
    assert names(reading) == ["tcp-192.0.2.1-25"]
    assert not any("no virtual server" in problem.text for problem in reading.problems)


def test_one_that_is_missing_or_wrong_or_has_the_same_service_is_told(main: Path) -> None:
    mail = main.parent / "mail.cf"
    mail.write_text(MAIL + "\tschedular=rr\n")
    assert errors(main) == [f'{mail}:5:2: error: unknown directive "schedular"\n    Did you mean "scheduler"?']
    mail.write_text(WEB)
    (said,) = errors(main)
    assert said.startswith(
        f"{main}:2:9: error: {mail} has the service tcp-192.0.2.1-80, which stands in {main} already"
    )
    mail.unlink()
    (said,) = errors(main)
    assert said.startswith(f'{main}:2:9: error: "execute" names mail.cf, which is neither in /etc/ha.d')
