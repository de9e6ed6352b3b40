"""FTP: the login, and a file over a second connection."""

from __future__ import annotations

import pytest
from dialogue_samples import FTP_FILE, FTP_LOGIN, drive, drive_ftp

from understudy.service_checks import Pattern, Service, ServiceQuestion, Target
from understudy.wire.dialogues.talk import MOST_SAID

LOGIN = ServiceQuestion(Service.FTP, login="bob", password="secret")
FILE = ServiceQuestion(Service.FTP, request="/a file", expect=Pattern("x"))
EXTENDED = FTP_FILE.replace(b"227 Entering Passive Mode (10,0,0,1,200,10)", b"229 Extended (|||51210|)")


def test_login_is_enough_without_a_file() -> None:
    course = drive(LOGIN, FTP_LOGIN)
    assert (course.said, course.verdict) == ([b"USER bob\r\nPASS secret\r\nQUIT\r\n"], "")
    nobody = drive(ServiceQuestion(Service.FTP), b"220 x\r\n", b"230 no password needed\r\n")
    assert (nobody.said, nobody.verdict) == ([b"USER anonymous\r\n", b"QUIT\r\n"], "")
    assert b"PASS anonymous@\r\n" in drive(ServiceQuestion(Service.FTP), FTP_LOGIN).said[0]


def test_file_comes_over_a_connection_to_the_server_itself() -> None:
    for cut in range(len(FTP_FILE)):
        course = drive_ftp(FILE, FTP_FILE, (b"one\r", b"\ntwo\n", b"three"), cut)
        assert course.verdict == ""
        assert course.dialogue.wants_connection == ("192.0.2.7", 200 * 256 + 10)
        assert course.dialogue.to_search == ("one\n", "two\n", "three")
        assert b"".join(course.said).endswith(b"PASV\r\nRETR /a file\r\nQUIT\r\n")


def test_ipv6_goes_another_way() -> None:
    target = Target("2001:db8::7", 21)
    course = drive(FILE, EXTENDED, target=target, close=False)
    assert course.dialogue.wants_connection == ("2001:db8::7", 51210)
    assert b"EPSV\r\n" in course.said[0]


def test_file_may_end_after_the_word_of_its_end() -> None:
    course = drive(FILE, FTP_FILE, close=False)
    assert course.dialogue.verdict is None
    course.dialogue.feed_second(b"abc")
    assert course.dialogue.closed_second() == b"QUIT\r\n"
    assert course.seen[1:] == ("", ("abc",))


def test_file_is_not_kept_when_nobody_searches_in_it() -> None:
    course = drive_ftp(ServiceQuestion(Service.FTP, request="/x"), FTP_FILE, (b"a" * MOST_SAID,) * 3)
    assert (course.verdict, course.dialogue.to_search) == ("", ())


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (b"421 too many\r\n", 'it said "421 too many" where its greeting should be 220'),
        (b"120 in 5 minutes\r\n", "it closed the connection before its greeting"),
        (b"220 x\r\n332 account?\r\n", 'it refused the login: "332 account?"'),
        (b"220 x\r\n331 x\r\n530 Login incorrect.\r\n", 'it refused the login: "530 Login incorrect."'),
        (b"220 x\r\n230 x\r\n502 no PASV\r\n", 'it refused a passive connection: "502 no PASV"'),
        (b"220 x\r\n230 x\r\n227 Passive\r\n", 'it refused a passive connection: "227 Passive"'),
        (b"220 x\r\n230 x\r\n227 (1,2,3,4,0,0)\r\n", 'it named an impossible port for the file: "227 (1,2,3,4,0,0)"'),
        (b"220 x\r\n230 x\r\n229 (|||99999|)\r\n", 'it named an impossible port for the file: "229 (|||99999|)"'),
        (b"220 x\r\n230 x\r\n227 (1,2,3,4,5,6)\r\n550 none\r\n", 'it refused the file: "550 none"'),
        (b"220 x\r\n230 x\r\n227 (1,2,3,4,5,6)\r\n150 x\r\n426 broken\r\n", 'it refused the file: "426 broken"'),
        (b"220 x\r\n230 x\r\n227 (1,2,3,4,5,6)\r\n150 x\r\n", "it closed the connection before the file"),
    ],
)
def test_refusal(control: bytes, why: str) -> None:
    assert drive_ftp(FILE, control, (b"x",)).verdict == why


def test_file_too_long_to_be_searched() -> None:
    course = drive_ftp(FILE, FTP_FILE, (b"a" * MOST_SAID, b"b"))
    assert course.verdict == f"the file is longer than {MOST_SAID} bytes, which is as much as is searched"
