"""Whole ldirectord.cf files under ldirectord/: what is said about each, and what was read. The cases of single lines: refusals.

The files are our own, but for that of scenario D. UNDERSTUDY_REWRITE=1 writes said.txt and meaning.txt anew; review what changes.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from config_helpers import HERE, REWRITE, read_cases, write_cases
from ldirectord_helpers import NAMES, meaning, one, read_case, read_text

from understudy.config.ldirectord import read_ldirectord
from understudy.config.ldirectord_names import NO_SUCH, Names, hosts_of, services_of
from understudy.config.ldirectord_native import convert
from understudy.config.ldirectord_words import DIRECTIVES
from understudy.config.load import is_keepalived
from understudy.config.load_ldirectord import examine_ldirectord, is_ldirectord, look_up
from understudy.service_checks import FixedQuestion, PingQuestion
from understudy.services import Forward, Notice, OnFailure
from understudy.units import SECOND

FOLDERS = sorted(path.parent for path in (HERE / "ldirectord").glob("*/ldirectord.cf"))
CASES = HERE / "refusals" / "ldirectord.txt"


def _same(path: Path, text: str) -> None:
    if REWRITE:
        path.write_text(text)
    assert path.read_text() == text


def _said(text: str) -> str:
    return "\n".join(str(problem) for problem in read_case(text).problems)


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_what_is_read(path) -> None:
    reading = read_ldirectord((path / "ldirectord.cf").read_text(), "ldirectord.cf", NAMES)
    _same(path / "said.txt", "".join(f"{problem}\n" for problem in reading.problems))
    _same(path / "meaning.txt", "refused\n" if reading.files is None else meaning(reading.files))


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_the_native_form_means_the_same(path) -> None:
    """``convert`` reads back what it writes."""
    reading = read_ldirectord((path / "ldirectord.cf").read_text(), "ldirectord.cf", NAMES)
    made = convert(reading, "ldirectord.cf")
    assert made.text is not None, made.problems[-1]
    _same(path / "native.toml", made.text)


def test_a_refused_file_is_not_converted() -> None:
    made = convert(read_text("quiescent=maybe\n"), "ldirectord.cf")
    assert made.text is None
    assert [problem.severity for problem in made.problems].count("error") == 1


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in read_cases(CASES)[1]])
def test_refusal(case) -> None:
    if REWRITE:
        head, cases = read_cases(CASES)
        for each in cases:
            each.expected = _said(each.text)
        write_cases(CASES, head, cases)
        return
    assert _said(case.text) == case.expected


def test_every_directive_is_in_the_sample() -> None:
    lines = (HERE / "ldirectord" / "every-directive" / "ldirectord.cf").read_text().splitlines()
    own = {line.strip().partition("=")[0].strip() for line in lines if line[:1] == "\t"}
    whole = {line.partition("=")[0].strip() for line in lines if line[:1].isalpha()}
    missing = {
        word for word, item in DIRECTIVES.items() if item.globally and word not in whole | {"virtual", "virtual6"}
    }
    missing |= {word for word, item in DIRECTIVES.items() if item.virtually and word not in own}
    assert missing <= {"checkcommand", "fallback6"}


@pytest.mark.parametrize("word", DIRECTIVES)
def test_a_misspelt_directive_has_a_neighbour(word) -> None:
    letters = word[:-2] + word[-1] + word[-2] + "x" if len(word) > 4 else word + "s"
    line = f"\t{letters}=1\n" if DIRECTIVES[word].virtually else ""
    text = f"virtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n{line}" + ("" if line else f"{letters}=1\n")
    reading = read_text(text)
    assert reading.files is None
    (error,) = [problem for problem in reading.problems if problem.severity == "error"]
    assert (error.text, error.line, error.column) == (f'unknown directive "{letters}"', 3, 2 if line else 1)
    assert error.hint.startswith("Did you mean"), error.hint


# -- defaults, as the program has them --------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_program() -> None:
    """quiescent is no, whatever the manual page says; the scheduler is wrr; a fallback is reached by gate."""
    service = one("fallback=127.0.0.1")
    (real,) = service.reals
    (check,) = real.checks
    assert real.on_failure is OnFailure.REMOVE
    assert (service.scheduler, service.persistence, service.clean_stop, service.readd_quiet) == ("wrr", 0, True, False)
    assert (real.weight, real.upper, real.lower, real.mail, real.starts_up) == (1, 0, 0, False, False)
    assert service.fallback is not None
    assert (service.fallback.forward, service.fallback.port, service.fallback.weight) == (Forward.DIRECT, 80, 1)
    assert (check.interval, check.timeout, check.fall, check.rise, check.pause) == (
        10 * SECOND,
        30 * SECOND,
        1,
        1,
        True,
    )
    assert service.by_count


@pytest.mark.parametrize(
    ("whole", "own", "short", "long"),
    [
        ("", "", 5, 30),
        ("checktimeout=3", "", 3, 3),
        ("negotiatetimeout=7", "", 7, 7),
        ("checktimeout=3\nnegotiatetimeout=7", "", 3, 7),
        ("checktimeout=3\nnegotiatetimeout=7", "checktimeout=2", 2, 2),
        ("checktimeout=3\nnegotiatetimeout=7", "negotiatetimeout=9", 9, 9),
        ("checktimeout=3", "checktimeout=2\nnegotiatetimeout=9", 2, 9),
    ],
)
def test_each_time_limit_stands_in_for_the_other(whole, own, short, long) -> None:
    """First the virtual server's, of either kind, then the file's."""
    head = f"{whole}\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n"
    for kind, limit in (("connect", short), ("negotiate", long), ("ping", short)):
        (check,) = one(f"checktype={kind}\n{own}", head).reals[0].checks
        assert check.timeout == limit * SECOND, kind


def test_ldap_and_radius_have_the_shorter_limit() -> None:
    for service in ("ldap", "ldaps", "radius"):
        (check,) = one(f"checktimeout=2\nnegotiatetimeout=9\nservice={service}").reals[0].checks
        assert check.timeout == 2 * SECOND


def test_quiescent_of_a_virtual_server_comes_first() -> None:
    for whole, own, meant in (
        ("yes", "no", OnFailure.REMOVE),
        ("no", "yes", OnFailure.QUIET),
        ("yes", "", OnFailure.QUIET),
    ):
        head = f"quiescent={whole}\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n"
        assert one(f"quiescent={own}" if own else "", head).reals[0].on_failure is meant


def test_two_services_with_the_same_server_ask_the_same_check() -> None:
    """So that it is asked once."""
    text = "".join(f'virtual=10.0.0.{n}:80\n\treal=10.0.0.9:80 masq {n}\n\trequest="x"\n' for n in (1, 2))
    files = read_text(text).files
    assert files is not None
    assert files.services[0].reals[0].checks == files.services[1].reals[0].checks


def test_a_trouble_of_all_servers_is_told_once() -> None:
    head = "quiescent=no\nvirtual=10.0.0.1:9312\n\treal=10.0.0.2->10.0.0.99:9312 gate\n"
    assert len(read_text(head).problems) == 1


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("/usr/bin/told", ("/usr/bin/told",)),
        ('"/usr/bin/told  it"', ("/usr/bin/told", "it")),
        ("/usr/bin/told > /tmp/x", ("/bin/sh", "-c", '/usr/bin/told > /tmp/x "$@"', "sh")),
    ],
)
def test_a_fallback_command_gets_a_shell_where_perl_takes_one(written, argv) -> None:
    assert one(f"fallbackcommand={written}").fallback_command == Notice(argv)


def test_global_quotation_marks_go_to_the_shell() -> None:
    head = 'fallbackcommand="/usr/bin/told"\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n'
    assert one("", head).fallback_command.argv[:3] == ("/bin/sh", "-c", '"/usr/bin/told" "$@"')


def test_pings_are_tried_as_often_as_checkcount_says() -> None:
    (check,) = one("checktype=ping\ncheckcount=4\nfailurecount=2").reals[0].checks
    assert (check.question, check.fall, check.target.port) == (PingQuestion(4), 2, 0)


# -- from disk --------------------------------------------------------------------------------------------------------


def test_the_file_is_known_by_its_name_or_by_what_stands_in_it(tmp_path) -> None:
    (tmp_path / "ldirectord.cf").write_text("checktimeout=3\n")
    (tmp_path / "www.cf").write_text("virtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n")
    (tmp_path / "six").write_text("# x\nvirtual6 = [::1]:80\n\treal6=[::2]:80 gate\n")
    (tmp_path / "native.cf").write_text('virtual = "10.0.0.1:80"\n')
    (tmp_path / "x.toml").write_text("virtual=10.0.0.1:80\n")
    (tmp_path / "keepalived.conf").write_text("virtual_server 10.0.0.1 80 {\n}\n")
    known = ("ldirectord.cf", "www.cf", "six")
    assert {path.name for path in tmp_path.iterdir() if is_ldirectord(str(path))} == set(known)
    assert not any(is_keepalived(str(tmp_path / name)) for name in known)
    assert not is_ldirectord(str(tmp_path))
    assert not is_ldirectord(str(tmp_path / "missing.cf"))


def test_a_file_that_is_missing_or_open_to_others_is_told(tmp_path) -> None:
    path = tmp_path / "ldirectord.cf"
    assert examine_ldirectord(str(path)).files is None
    path.write_text('quiescent=no\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 gate\n\tpasswd="x"\n')
    path.chmod(0o666)
    said = [problem.text for problem in examine_ldirectord(str(path)).problems]
    assert [text.partition(" (mode")[0] for text in said] == [
        "the file may be changed by others",
        "the file may be read by others",
    ]
    path.chmod(0o600)
    assert examine_ldirectord(str(path)).problems == ()


def test_who_looks_names_up_is_asked_for_what_hosts_does_not_have(tmp_path) -> None:
    path = tmp_path / "ldirectord.cf"
    path.write_text("quiescent=no\nvirtual=10.0.0.1:80\n\treal=web.invalid:80 gate\n")
    path.chmod(0o600)
    asked: list[tuple[str, int]] = []

    def look_up(name: str, family: int) -> str | None:
        asked.append((name, family))
        return "10.0.0.7"

    files = examine_ldirectord(str(path), look_up).files
    assert files is not None
    assert (files.services[0].reals[0].address, asked) == ("10.0.0.7", [("web.invalid", 4)])
    assert examine_ldirectord(str(path)).files is None


def test_only_a_name_without_an_answer_may_have_one_at_the_next_start() -> None:
    text = "virtual={0}:80\n\treal=10.0.0.2:80 gate\nvirtual=10.0.0.1:80\n\treal={0}:80 gate\n\tfallback={0}:80\n"
    found = [
        [item.passing for item in read_text(text.format(name)).problems if item.severity == "error"]
        for name in ("late", "10.0.0.1.2")
    ]
    assert found == [[True] * 3, [False] * 3]


def test_a_name_that_there_is_not_is_told_apart_from_no_answer(tmp_path) -> None:
    """Both may be another at the next start: a name may be entered only then."""
    path = tmp_path / "ldirectord.cf"
    path.write_text("virtual=10.0.0.1:80\n\treal=wbe.example:80 gate\n")
    for answer, said in (
        (NO_SUCH, 'the name service says that "wbe.example" has no IPv4 address'),
        (None, 'nothing here knows the IPv4 address of "wbe.example"'),
    ):
        found = [
            (item.text, item.passing)
            for item in examine_ldirectord(str(path), lambda *_, answer=answer: answer).problems
            if item.severity == "error"
        ]
        assert found == [(said, True)]


def test_what_the_name_service_says() -> None:
    def answers(error: Exception) -> str | None:
        def ask(*_: object) -> object:
            raise error

        return look_up("x.example", 4, ask)

    absent = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY)
    assert [answers(socket.gaierror(number, "none")) for number in absent] == [NO_SUCH] * 3
    assert answers(UnicodeError("label too long")) == NO_SUCH
    assert [answers(socket.gaierror(number, "?")) for number in (socket.EAI_AGAIN, socket.EAI_FAIL)] == [None] * 2
    assert look_up("10.0.0.7", 4) == "10.0.0.7"


def test_hosts_and_services_as_the_system_writes_them() -> None:
    hosts = hosts_of(
        "127.0.0.1 localhost # me\n::1 localhost ip6-localhost\n\nfe80::1%lo x\nbad y\n10.0.0.1 A a.example b\n"
    )
    assert hosts[("localhost", 4)] == "127.0.0.1"
    assert hosts[("localhost", 6)] == "::1"
    assert hosts[("a", 4)] == hosts[("b", 4)] == "10.0.0.1"
    assert ("x", 6) not in hosts
    assert services_of("www 80/tcp http # w\nbad\nx y/tcp\n") == {("www", "tcp"): 80, ("http", "tcp"): 80}


def test_without_etc_services_the_usual_names_are_known() -> None:
    reading = read_ldirectord("virtual=10.0.0.1:domain\n\treal=10.0.0.2:www gate\n\tchecktype=on\n", "x", Names())
    assert reading.files is not None
    assert (str(reading.files.services[0].keys[0]), reading.files.services[0].reals[0].checks[0].question) == (
        "udp 10.0.0.1:53",
        FixedQuestion(True),
    )


def test_the_manual_has_every_directive() -> None:
    """docs/ldirectord.md, from the table that the reader uses."""
    page = HERE.parent.parent / "docs" / "ldirectord.md"
    begin, end = "test_config_ldirectord.py) -->\n", "<!-- directives: end -->"
    head, _, rest = page.read_text("utf-8").partition(begin)
    rows = ["| directive | where | default | here | note |", "|---|---|---|---|---|"]
    for word, item in sorted(DIRECTIVES.items()):
        where = "both" if item.globally and item.virtually else "file" if item.globally else "virtual"
        rows.append(f"| `{word}` | {where} | {item.default} | {'done' if item.effect else 'no effect'} | {item.note} |")
    made = f"{head}{begin}\n{chr(10).join(rows)}\n\n{end}{rest.partition(end)[2]}"
    if REWRITE:
        page.write_text(made, "utf-8")
    assert page.read_text("utf-8") == made
