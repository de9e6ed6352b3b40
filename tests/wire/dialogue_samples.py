"""What servers say in good conversations, and a stand-in for the engine that drives a dialogue."""

from __future__ import annotations

from dataclasses import dataclass, field

from understudy.service_checks import Pattern, Service, ServiceQuestion, Target, Tls
from understudy.wire.dialogues.ber import element
from understudy.wire.dialogues.make import RANDOM_BYTES, make
from understudy.wire.dialogues.shape import Dialogue

RANDOM = bytes(range(65, 65 + RANDOM_BYTES))
TARGET = Target("192.0.2.7", 25)


@dataclass
class Course:
    """How it went: what we said in order, and the dialogue."""

    dialogue: Dialogue
    said: list[bytes] = field(default_factory=list)

    def say(self, data: bytes) -> None:
        if data:
            self.said.append(data)

    @property
    def verdict(self) -> str:
        assert self.dialogue.verdict is not None
        return self.dialogue.verdict

    @property
    def seen(self) -> tuple[object, ...]:
        return b"".join(self.said), self.verdict, self.dialogue.to_search


def drive(question: ServiceQuestion, *pieces: bytes, close: bool = True, target: Target = TARGET) -> Course:
    """The server says ``pieces`` whatever we say, and closes."""
    course = Course(make(question, target, RANDOM))
    course.say(course.dialogue.begin())
    for piece in pieces:
        course.say(course.dialogue.feed(piece))
        if course.dialogue.wants_tls:
            course.say(course.dialogue.begin_tls())
    if close:
        course.dialogue.closed()
    return course


def drive_ftp(question: ServiceQuestion, control: bytes, file: tuple[bytes, ...] = (), cut: int = 0) -> Course:
    """The same with a second connection, which brings ``file`` once all of ``control`` was said."""
    course = Course(make(question, TARGET, RANDOM))
    course.say(course.dialogue.begin())
    for piece in (control[:cut], control[cut:]):
        course.say(course.dialogue.feed(piece))
    if course.dialogue.wants_connection:
        for piece in file:
            course.say(course.dialogue.feed_second(piece))
        course.say(course.dialogue.closed_second())
    course.dialogue.closed()
    return course


def ldap_message(number: int, tag: int, content: bytes) -> bytes:
    return element(0x30, element(2, bytes((number,))) + element(tag, content))


def ldap_result(code: int, words: bytes = b"") -> bytes:
    return element(10, bytes((code,))) + element(4, b"") + element(4, words)


def my_packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number,)) + content


def my_greeting(
    plugin: bytes = b"mysql_native_password", capabilities: int = 0xC1FF_FFFF, version: bytes = b"8.0.39"
) -> bytes:
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    head = (
        b"\x0a" + version + b"\0" + b"\1\0\0\0" + b"abcdefgh" + b"\0" + low + b"\xff\2\0" + high + b"\x15" + bytes(10)
    )
    return my_packet(0, head + b"ijklmnopqrst\0" + plugin + b"\0")


MY_OK = b"\0\0\0\2\0\0\0"
MY_EOF = b"\xfe\0\0\2\0"
MY_ROWS = (
    my_packet(1, b"\1")
    + my_packet(2, b"\3def\0\0\0\0011\0\x0c?\0\1\0\0\0\x08\x81\0\0\0\0")
    + my_packet(3, MY_EOF)
    + my_packet(4, b"\0011")
    + my_packet(5, MY_EOF)
)


def pg_message(kind: bytes, content: bytes) -> bytes:
    return kind + (4 + len(content)).to_bytes(4, "big") + content


PG_READY = pg_message(b"R", bytes(4)) + pg_message(b"S", b"TimeZone\0UTC\0") + pg_message(b"Z", b"I")
PG_ROW = (
    pg_message(b"T", b"\0\0")
    + pg_message(b"D", b"\0\1\0\0\0\0011")
    + pg_message(b"C", b"SELECT 1\0")
    + pg_message(b"Z", b"I")
)


def dns_answer(question: bytes, answers: bytes = b"", count: int = 0, flags: bytes = b"\x81\x80") -> bytes:
    return RANDOM[:2] + flags + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + question + answers


WWW = b"\3www\7example\3com\0\0\1\0\1"
FTP_LOGIN = b"220-Welcome\r\n 220 inside\r\n220 vsFTPd 3.0.3\r\n331 Password?\r\n230-Hello\r\n230 Logged in.\r\n"
FTP_FILE = FTP_LOGIN + b"227 Entering Passive Mode (10,0,0,1,200,10).\r\n150 Here it comes.\r\n226 Sent.\r\n"
SIP_OK = b"SIP/2.0 100 Trying\r\nVia: x\r\n\r\nSIP/2.0 200 OK\r\nVia: x\r\n\r\n"
LDAP_FOUND = (
    ldap_message(1, 0x61, ldap_result(0))
    + ldap_message(2, 0x64, element(4, b"dc=example,dc=com") + element(0x30, b""))
    + ldap_message(2, 0x65, ldap_result(0))
)

GOOD: dict[str, tuple[ServiceQuestion, bytes]] = {
    "smtp": (ServiceQuestion(Service.SMTP), b"220-mx ESMTP\r\n220 ready\r\n221 bye\r\n"),
    "helo": (ServiceQuestion(Service.SMTP, helo="me.example"), b"220 mx\r\n250-mx\r\n250 SIZE 1\r\n221 2.0.0 Bye\r\n"),
    "submission": (ServiceQuestion(Service.SUBMISSION), b"220 mx ESMTP\n"),
    "pop": (ServiceQuestion(Service.POP), b"+OK Dovecot ready.\r\n"),
    "pop login": (
        ServiceQuestion(Service.POP, login="bob", password="x y"),
        b"+OK <1@x>\r\n+OK\r\n+OK Logged in.\r\n+OK\r\n",
    ),
    "imap": (ServiceQuestion(Service.IMAP), b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n"),
    "imap login": (
        ServiceQuestion(Service.IMAP, login="bob", password='a"b\\c'),
        b"* OK ready\r\n* CAPABILITY IMAP4rev1\r\na OK Logged in\r\n* BYE\r\nb OK\r\n",
    ),
    "imap known": (ServiceQuestion(Service.IMAP, login="bob"), b"* PREAUTH hello bob\r\n"),
    "nntp": (ServiceQuestion(Service.NNTP), b"201 InterNetNews NNRP server ready (no posting)\r\n"),
    "ftp": (ServiceQuestion(Service.FTP), FTP_LOGIN),
    "ldap": (ServiceQuestion(Service.LDAP, request="dc=example,dc=com", expect=Pattern("example")), LDAP_FOUND),
    "mysql": (
        ServiceQuestion(Service.MYSQL, login="u", password="p", database="d", request="SELECT 1"),
        my_greeting() + my_packet(2, MY_OK) + MY_ROWS,
    ),
    "pgsql": (ServiceQuestion(Service.PGSQL, login="u", password="p", request="SELECT 1"), PG_READY + PG_ROW),
    "sip": (ServiceQuestion(Service.SIP, login="bob@example.com"), SIP_OK),
}
"""Conversations over one stream that end well, whole."""

OTHERS = (
    ServiceQuestion(Service.FTP, request="/index.html", expect=Pattern("x")),
    ServiceQuestion(Service.MYSQL, login="u", password="p", request="SELECT 1", tls=Tls()),
    ServiceQuestion(Service.PGSQL, login="u", password="p", request="SELECT 1", tls=Tls()),
    ServiceQuestion(Service.SIP, udp=True),
    ServiceQuestion(Service.RADIUS, login="bob", password="hello", secret="xyzzy5461", udp=True),
    ServiceQuestion(Service.DNS, request="www.example.com", udp=True),
    ServiceQuestion(Service.DNS, request="example.com", kind="SOA", udp=True),
    ServiceQuestion(Service.ORACLE, login="u", password="p", request="SELECT 1"),
)
