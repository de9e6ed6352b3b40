"""Checks over TCP against small servers: good ones, bad ones, slow ones, and such as say nothing or rubbish."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
from pathlib import Path

import pytest
from checking import (
    PATIENCE,
    SHORT,
    Conversation,
    Heard,
    Spoken,
    ask,
    check,
    closed_port,
    drive,
    engine,
    failure,
    page,
    saying,
    serving,
    then_nothing,
    until_closed,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from understudy.balancer.asker import Ears
from understudy.balancer.simple import Combined
from understudy.service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    HttpQuestion,
    Page,
    Pattern,
    Question,
    SayQuestion,
    Service,
    ServiceQuestion,
    Target,
    Tls,
)
from understudy.units import MILLISECOND, SECOND
from understudy.wire.dialogues.make import make


def test_a_connection_is_enough() -> None:
    with serving(until_closed) as port:
        assert failure(ConnectQuestion(), port) == ""
        assert failure(SayQuestion(), port) == ""
    with serving(until_closed, family=socket.AF_INET6) as port:
        assert ask([check(ConnectQuestion(), port, address="::1")]).answers == {0: ("", None)}


def test_nobody_listens() -> None:
    assert failure(ConnectQuestion(), closed_port()) == "cannot connect: Connection refused"
    assert failure(HttpQuestion(), closed_port()) == "cannot connect: Connection refused"


def test_no_connection_comes() -> None:
    """A listener whose queue is full does not answer; nothing leaves this machine for it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        said = failure(ConnectQuestion(), listener.getsockname()[1], SHORT)
    assert said == "no answer within 150ms (no connection)"


def test_what_is_no_address_is_our_trouble() -> None:
    heard = ask([check(ConnectQuestion(), 80, address="www.example.org")])
    assert heard.troubles == {0: "'www.example.org' is no address"}


ENDINGS: dict[str, tuple[Conversation, str]] = {
    "": (saying(page()), ""),
    "hangs": (until_closed, "no answer within 150ms (connected, but no answer)"),
    "half": (then_nothing(page()[:-1]), "no answer within 150ms (the answer began, and did not end)"),
    "closes": (saying(b""), "the connection was closed without an answer"),
    "rubbish": (saying(b"\x1b[2Jabc\0\r\n\r\n"), "no proper answer: it begins '\\x1b[2Jabc\\x00'"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_page_may_end(name: str) -> None:
    talk, said = ENDINGS[name]
    with serving(talk) as port:
        assert failure(HttpQuestion(), port, SHORT if "within" in said else PATIENCE) == said


def test_a_big_page_is_read_whole() -> None:
    body = bytes(range(256)) * 20_000
    import hashlib

    question = HttpQuestion((Page(digest=hashlib.md5(body).hexdigest()),))
    with serving(saying(page(body))) as port:
        assert failure(question, port, PATIENCE) == ""


def test_a_reset_is_told() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1)  # the rest is unread, so closing resets

    with serving(talk) as port:
        said = failure(HttpQuestion(), port)
    assert said in ("the connection broke: Connection reset by peer", "the connection was closed without an answer")


def test_pages_are_asked_one_after_the_other() -> None:
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split(b" ")[1])
        connection.sendall(page(asked[-1]))

    with serving(talk) as port:
        good = HttpQuestion((Page("/a", text="a"), Page("/b", text="b")))
        assert failure(good, port) == ""
        bad = HttpQuestion((Page("/c", text="x"), Page("/d")))
        assert failure(bad, port) == "the text 'x' is not in the body, which begins '/c'"
    assert asked == [b"/a", b"/b", b"/c"]


@pytest.mark.parametrize(("rcode", "said"), [(0, ""), (2, "it answered with server failure (RCODE 2)")])
def test_dns_over_tcp(rcode: int, said: str) -> None:
    def talk(connection: socket.socket) -> None:
        asked = connection.recv(512)[2:]
        answer = asked[:2] + bytes((0x81, 0x80 | rcode)) + asked[4:6] + bytes(6) + asked[12:]
        connection.sendall(len(answer).to_bytes(2, "big") + answer)

    with serving(talk) as port:
        question = ServiceQuestion(Service.DNS, "www.example.net")
        assert failure(question, port, PATIENCE, lambda asked, target: make(asked, target, bytes(32))) == said


def test_redirects_are_followed_as_often_as_allowed() -> None:
    def talk(connection: socket.socket) -> None:
        path = connection.recv(65536).split(b" ")[1].decode()
        connection.sendall(page(b"there") if path == "/xx" else page(b"", "302 Found", f"Location: {path}x"))

    with serving(talk) as port:
        question = HttpQuestion((Page("/", text="there"),), redirects=2)
        assert failure(question, port) == ""
        once = HttpQuestion((Page("/", text="there"),), redirects=1)
        assert failure(once, port) == "status 302 Found"
    with serving(saying(page(b"", "302 Found", "Location: http://192.0.2.1/"))) as port:
        assert failure(question, port) == "it is redirected to another server, 'http://192.0.2.1/'"


RUNAWAY = Pattern("(a+)+$")


def test_a_runaway_expression_stops_nobody_else() -> None:
    heard = Heard()
    body = b"a" * 60 + b"!"
    with serving(saying(page(body))) as port, serving(until_closed) as other, engine(heard) as made:
        made.begin(1, check(HttpQuestion((Page(pattern=RUNAWAY),)), port, PATIENCE))
        quick = Check(ConnectQuestion(), Target("127.0.0.1", other), 5 * MILLISECOND, SECOND)
        made.begin(2, quick)
        drive(made, lambda: 1 in heard.answers)
    assert heard.answers[1] == (f"the regular expression {RUNAWAY.text!r} takes too long", None)
    assert heard.count[2] > 10, "the others were asked meanwhile"


def test_an_expression_that_takes_a_while_is_sought_elsewhere() -> None:
    with serving(saying(page(b"all is well " * 1000))) as port:
        good, bad = (HttpQuestion((Page(pattern=Pattern(text)),)) for text in (".*well.*well", "(ill)+.*"))
        assert failure(good, port, PATIENCE) == ""
        assert failure(bad, port, PATIENCE).startswith("'(ill)+.*' is not in the body")
        broken = [check(HttpQuestion((Page(pattern=Pattern(text)),)), port, PATIENCE) for text in ("(x)+(", "(")]
        troubles = ask(broken).troubles
    assert troubles == {0: "'(x)+(' is no regular expression", 1: "'(' is no regular expression"}


# -- what is said


def echo(connection: socket.socket) -> None:
    """All that is heard until the other side has no more to say."""
    heard = b""
    while more := connection.recv(65536):
        heard += more
    connection.sendall(heard.upper())


SENTENCES: dict[str, tuple[Conversation, SayQuestion, str]] = {
    "greeting": (then_nothing(b"220 ready\r\n"), SayQuestion(expect=Pattern("^220 ")), ""),
    "half closed": (echo, SayQuestion(b"well\n", Pattern("^WELL$"), half_close=True, lines=True), ""),
    "wrong": (saying(b"ill"), SayQuestion(b"how", Pattern("well")), "'ill' instead of 'well'"),
    "any": (then_nothing(b"x"), SayQuestion(b""), ""),
    "silent": (until_closed, SayQuestion(b"a"), "no answer within 150ms (connected, but nothing was said)"),
    "not yet": (
        then_nothing(b"we"),
        SayQuestion(b"", Pattern("well")),
        "no answer within 150ms (connected, but only 'we' was said)",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences(name: str) -> None:
    talk, question, said = SENTENCES[name]
    with serving(talk) as port:
        assert failure(question, port, SHORT if "within" in said else PATIENCE) == said


class Word:
    """An asker that says nothing by itself."""

    def __init__(self, name: str, said: list[str], ears: Ears) -> None:
        self.name, self.said, self.ears = name, said, ears

    def ask(self) -> None:
        self.said.append(self.name)

    def expire(self) -> None:
        self.said.append(f"{self.name} is late")

    def cancel(self) -> None:
        self.said.append(f"{self.name} is over")


def test_the_seldom_question_comes_first_then_every_so_often_and_after_a_failure() -> None:
    said: list[str] = []
    told: list[str] = []
    ears: list[Ears] = []

    def word(name: str, inner: Ears) -> Word:
        ears.append(inner)
        return Word(name, said, inner)

    outer = Ears(lambda failure, weight: told.append(failure), told.append, lambda: None)
    both = Combined(outer, 2, lambda inner: word("often", inner), lambda inner: word("seldom", inner))
    for failed in (False, False, False, False, True, True, False, False):
        both.ask()
        ears[0].over("no" if failed else "", None)
    assert said == ["seldom", "often", "often", "seldom", "often", "seldom", "seldom", "often"]
    assert told == ["", "", "", "", "no", "no", "", ""]
    both.expire()
    both.cancel()
    assert said[-2:] == ["often is late", "often is over"]
    ears[0].over("no", None)
    both.ask()
    ears[1].ours("no ports")
    both.ask()
    assert said[-2:] == ["seldom", "seldom"], "what could not be asked was not asked"


def test_a_combined_question_is_asked() -> None:
    with serving(saying(page(b"well"))) as port:
        for text, said in (("well", ""), ("ill", "the text 'ill' is not in the body, which begins 'well'")):
            question = CombinedQuestion(ConnectQuestion(), HttpQuestion((Page(text=text),)), 2)
            assert failure(question, port) == said


# -- TLS


class Authority:
    """Makes certificates into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the test")])
        self.path = str(folder / "ca.pem")
        self.make("ca", self.key, x509.BasicConstraints(ca=True, path_length=None))

    def make(self, name: str, key: ec.EllipticCurvePrivateKey | None = None, *more: x509.ExtensionType) -> str:
        private = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = self.name if key is self.key else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(self.name, subject, private.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        for extension in more or (x509.SubjectAlternativeName(names),):
            builder = builder.add_extension(extension, False)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self.folder / f"{name}.pem"
        certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        path.write_bytes(private.private_bytes(*form) + certificate)
        return str(path)

    def server(self, name: str, asks: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.make(name))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_pages_over_tls(authority: Authority) -> None:
    seen: list[str | None] = []
    context = authority.server("www.example.org")
    context.sni_callback = lambda handle, name, _: seen.append(name)  # type: ignore[assignment]
    with serving(saying(page(b"well" * 50_000)), context) as port:
        for tls, said in (
            (Tls(), ""),
            (Tls("www.example.org"), ""),
            (Tls("www.example.org", True, authority.path), ""),
            (Tls("", True, authority.path), ""),
            (Tls("other.example.org", True, authority.path), "the certificate is not good: Hostname mismatch"),
            (Tls("www.example.org", True, authority.make("stranger")), "the certificate is not good: "),
        ):
            assert failure(HttpQuestion((Page(text="well"),), tls), port, PATIENCE)[: max(len(said), 1)] == said
        assert failure(SayQuestion(b"x", Pattern("^HTTP"), tls=Tls()), port, PATIENCE) == ""
        unreadable = ask([check(HttpQuestion(tls=Tls("", True, "/nonexistent.pem")), port)])
    assert seen[:2] == [None, "www.example.org"]
    assert "/nonexistent.pem" in unreadable.troubles[0]


def test_our_certificate_is_shown(authority: Authority) -> None:
    with serving(saying(page()), authority.server("www", asks=True)) as port:
        mine = authority.make("balancer")
        assert failure(HttpQuestion(tls=Tls(certificate=mine)), port, PATIENCE) == ""
        assert failure(HttpQuestion(tls=Tls()), port, PATIENCE) != ""


def test_a_certificate_of_ours_that_is_renewed_is_shown(authority: Authority, tmp_path: Path) -> None:
    """The old one was refused: no reload is needed."""
    (tmp_path / "other").mkdir()
    old, heard = Path(Authority(tmp_path / "other").make("balancer")), Heard()
    asked = HttpQuestion(tls=Tls(certificate=str(old)))
    with serving(saying(page()), authority.server("www", asks=True)) as port, engine(heard) as made:
        for number in range(2):
            made.begin(number, check(asked, port))
            drive(made, lambda number=number: number in heard.answers)  # type: ignore[misc]
            os.replace(authority.make("renewed"), old)
    assert (heard.answers[0][0] != "", heard.answers[1][0]) == (True, "")


def test_who_does_not_speak_tls(authority: Authority) -> None:
    question: Question = HttpQuestion(tls=Tls())
    with serving(saying(page())) as port:
        assert failure(question, port, PATIENCE).startswith("TLS: ")
    with serving(until_closed) as port:
        assert failure(question, port, SHORT) == "no answer within 150ms (the TLS handshake did not end)"
    with serving(saying(b"")) as port:
        assert failure(question, port) == "the connection was closed during the TLS handshake"


class StartTls(Spoken):
    """Hears a greeting, begins TLS, and says one more word."""

    def feed(self, data: bytes) -> bytes:
        if data == b"ready\n":
            return b"starttls\n"
        if data == b"go\n":
            self.wants_tls = True
            return b""
        if data == b"":
            self.wants_tls = False
            return b"secret\n"
        self.verdict = "" if data == b"SECRET\n" else f"{data!r}"
        return b"bye\n"


def test_a_dialogue_may_begin_tls_on_the_way(authority: Authority) -> None:
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"ready\n")
        assert connection.recv(100) == b"starttls\n"
        connection.sendall(b"go\n")
        with authority.server("www").wrap_socket(connection, server_side=True) as secure:
            secure.sendall(secure.recv(100).upper())
            heard.append(secure.recv(100))

    question = ServiceQuestion(Service.PGSQL, tls=Tls(verify=True, ca=authority.path))
    with serving(talk) as port:
        assert failure(question, port, PATIENCE, lambda asked, target: StartTls()) == ""
        other = ServiceQuestion(Service.PGSQL, tls=Tls(verify=True, ca=authority.make("stranger")))
        assert failure(other, port, PATIENCE, lambda asked, target: StartTls()).startswith(
            "the certificate is not good"
        )
    assert heard[:1] == [b"bye\n"], "the last words were sent"
    with serving(saying(b"", asks=False)) as port:
        assert failure(question, port, PATIENCE, lambda asked, target: StartTls()) == "closed"


class Files(Spoken):
    """Is told a port, and reads a file there, while the first connection goes on."""

    awaits = "its greeting"

    def feed(self, data: bytes) -> bytes:
        if data.startswith(b"port "):
            self.wants_connection = ("127.0.0.1", int(data[5:]))
        elif data == b"done":
            self.verdict = ""
        return b""

    def feed_second(self, data: bytes) -> bytes:
        self.to_search = (*(self.to_search or ()), data.decode())
        return b""

    def closed_second(self) -> bytes:
        return b"thanks"


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (None, ""),
        (Pattern("well"), ""),
        (Pattern("(l)+$"), ""),
        (Pattern("ill"), "'ill' is not in the answer, which begins 'well'"),
        (Pattern("w.ll", absent=True), "'w.ll' is in the answer, which begins 'well'"),
        (Pattern("ill", absent=True), ""),
    ],
)
def test_a_dialogue_may_want_a_second_connection_and_a_search(expect: Pattern | None, said: str) -> None:
    with serving(saying(b"well", asks=False)) as data_port:

        def talk(connection: socket.socket) -> None:
            connection.sendall(f"port {data_port}".encode())
            assert connection.recv(100) == b"thanks"
            connection.sendall(b"done")
            until_closed(connection)

        with serving(talk) as port:
            question = ServiceQuestion(Service.FTP, expect=expect)
            assert failure(question, port, PATIENCE, lambda asked, target: Files()) == said


def test_a_second_connection_that_is_refused_is_a_failure() -> None:
    question = ServiceQuestion(Service.FTP)
    with serving(then_nothing(f"port {closed_port()}".encode())) as port:
        said = failure(question, port, PATIENCE, lambda asked, target: Files())
    assert said == "its second connection: Connection refused"
    with serving(until_closed) as port:
        said = failure(question, port, SHORT, lambda asked, target: Files())
    assert said == "no answer within 150ms (waiting for its greeting)"


def test_a_question_that_cannot_be_asked_is_not_asked() -> None:
    class Never(Spoken):
        def __init__(self) -> None:
            self.verdict = "it makes no sense"

    assert failure(ServiceQuestion(Service.LDAP), 1, PATIENCE, lambda asked, target: Never()) == "it makes no sense"


# -- from where


def test_asking_from_a_source() -> None:
    seen: list[tuple[str, int]] = []

    def talk(connection: socket.socket) -> None:
        seen.append(connection.getpeername()[:2])
        saying(page())(connection)

    free = closed_port()
    with serving(talk) as port:
        for source, source_port in (("127.0.0.9", 0), ("127.0.0.9", free), ("", free), ("127.0.0.9", free)):
            target = Target("127.0.0.1", port, source, source_port)
            assert ask([Check(HttpQuestion(), target)]).answers == {0: ("", None)}
    assert [place[0] for place in seen] == ["127.0.0.9", "127.0.0.9", "127.0.0.1", "127.0.0.9"]
    assert [place[1] for place in seen[1:]] == [free] * 3


def test_a_source_that_is_not_here_accuses_nobody() -> None:
    heard = ask([Check(ConnectQuestion(), Target("127.0.0.1", 80, "192.0.2.77"))])
    assert heard.answers == {}
    assert heard.troubles[0].startswith("cannot ask as 192.0.2.77 port 0 as the configuration wants: ")
    heard = ask([Check(ConnectQuestion(), Target("127.0.0.1", 80, device="nosuch0"))])
    assert list(heard.troubles) == [0]
