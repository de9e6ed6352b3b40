"""Questions of every kind, asked of real servers, programs and addresses."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop
from probe_servers import Authority, Said, page, serving

from understudy.adapters.agent_ocf import SEARCH_PATH
from understudy.manager.probe_checks import Answer, Question
from understudy.probes import Check, CommandCheck, HttpCheck, TcpCheck
from understudy.units import MILLISECOND, SECOND, Duration

LONG = 20 * SECOND
Found = TypeVar("Found")


def within(work: Awaitable[Found]) -> Found:
    async def bounded() -> Found:
        async with asyncio.timeout(30):
            return await work

    return uvloop.run(bounded())


def question(check: Check, limit: Duration = LONG) -> Question:
    return Question(check, limit, {"PATH": SEARCH_PATH, "UNDERSTUDY_NODE": "ha01"})


async def ask(check: Check, limit: Duration = LONG) -> str:
    for _ in range(20):
        found = await question(check, limit).ask()
        if not found.ours:  # a busy machine: it is asked again, as the manager would
            break
    assert not found.ours, found
    return found.failure


def get(say: Said, limit: Duration = LONG, path: str = "/", **words: object) -> str:
    async def scene() -> str:
        async with serving(say) as server:
            return await ask(HttpCheck(f"http://127.0.0.1:{server.port}{path}", **words), limit)  # type: ignore[arg-type]

    return within(scene())


# HTTP


@pytest.mark.parametrize(
    ("say", "words", "expected"),
    [
        (page(), {}, ""),
        (page(status="204 No Content", body=""), {}, ""),
        (page(status="503 Down"), {}, "status 503 Down"),
        (page(status="302 Found"), {}, "status 302 Found"),
        (page(status="302 Found"), {"status": ((200, 200), (300, 399))}, ""),
        (page(), {"text": "is well"}, ""),
        (page("all is lost"), {"text": "is well"}, "the text 'is well' is not in the body, which begins 'all is lost'"),
        (page(""), {"text": "x"}, "the text 'x' is not in the body, which begins nothing"),
        (page("load: 3\nok"), {"regex": r"(?m)^load: [0-3]$"}, ""),
        (page("load: 9"), {"regex": "load: [0-3]"}, "'load: [0-3]' is not in the body, which begins 'load: 9'"),
        (page("load: 3"), {"regex": "load", "text": "ok"}, "the text 'ok' is not in the body, which begins 'load: 3'"),
        (page("x", "200 OK", "X-State: active, ready"), {"expect_headers": (("x-state", "ready"),)}, ""),
        (page("x", "200 OK", "X-State: idle"), {"expect_headers": (("X-State", "ready"),)}, "header X-State is 'idle'"),
        (page(), {"expect_headers": (("X-State", ""),)}, "there is no header X-State"),
        (lambda _: b"", {}, "the connection was closed without an answer"),
        (lambda _: b"SSH-2.0-OpenSSH_9.2\r\n", {}, "no proper answer: "),
        (page("x" * 300_000 + "late"), {"text": "late"}, "the text 'late' is not in the body, which begins "),
    ],
)
def test_what_an_answer_must_be(say: Said, words: dict[str, object], expected: str) -> None:
    found = get(say, **words)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_what_is_sent() -> None:
    async def scene() -> bytes:
        async with serving(page()) as server:
            headers = (("Authorization", "Basic eDp5"),)
            check = HttpCheck(
                f"http://127.0.0.1:{server.port}/a%20b?c=%2F", "www.example.org", "POST", send_headers=headers
            )
            assert await ask(check) == ""
            return server.heard[0]

    sent = within(scene())
    assert sent.startswith(b"POST /a%20b?c=%2F HTTP/1.1\r\n")
    assert b"\r\nHost: www.example.org\r\n" in sent
    assert sent.count(b"Host:") == 1
    assert b"\r\nAuthorization: Basic eDp5\r\n" in sent


def test_what_the_other_side_says_is_made_harmless(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 500 Oh\xff\r\nX-State: a\xffb\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\x1b[2"
    assert get(lambda _: answer) == "status 500 Oh?"
    well = {"status": ((500, 500),)}
    assert get(lambda _: answer, **well, expect_headers=(("X-State", "ready"),)) == "header X-State is 'a\ufffdb'"
    assert get(lambda _: answer, **well, text="ok") == "the text 'ok' is not in the body, which begins '\\x1b[2'"
    shouts = script(tmp_path, "printf 'a\\033[2Jb'; exit 1")
    assert within(ask(shouts)) == "exit code 1: a?[2Jb"
    assert len(within(ask(script(tmp_path, "head -c 5000 /dev/zero | tr '\\0' x; exit 1")))) <= 300


def test_redirects_are_not_followed() -> None:
    moved = page("", "302 Found", "Location: /new")
    assert get(lambda heard: (moved if b"/old" in heard else page())(heard), path="/old") == "status 302 Found"


def test_a_server_that_accepts_and_never_answers() -> None:
    assert get(lambda _: None, 200 * MILLISECOND) == "no answer within 200ms (no connection, or no answer)"


def test_a_body_that_never_ends() -> None:
    def begin(_heard: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot yet"

    async def scene() -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(begin(await reader.read(65536)))
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        found = await ask(HttpCheck(f"http://127.0.0.1:{port}/", text="ready"), 300 * MILLISECOND)
        listener.close()
        return found

    assert within(scene()) == "no answer within 300ms (the answer began, and did not end)"


def test_a_regular_expression_without_end_holds_nobody_up() -> None:
    """Python's would search this for some ten seconds, and hold the interpreter meanwhile; a longer body for years."""

    async def scene() -> tuple[str, list[str]]:
        async with serving(page("a" * 27 + "!")) as slow, serving(page()) as quick:
            hanging = asyncio.ensure_future(ask(HttpCheck(f"http://127.0.0.1:{slow.port}/", regex="(a+)+$"), SECOND))
            others = []
            while not hanging.done():
                others.append(await ask(HttpCheck(f"http://127.0.0.1:{quick.port}/")))
            return hanging.result(), others

    slow, others = within(scene())
    assert slow == "no answer within 1s (the regular expression '(a+)+$' takes too long)"
    assert len(others) > 2, "no other question was answered while the search went on"
    assert set(others) == {""}


def test_nobody_listens() -> None:
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        port = handle.getsockname()[1]
        assert within(ask(HttpCheck(f"http://127.0.0.1:{port}/"))) == "cannot connect: Connection refused"
        assert within(ask(TcpCheck("127.0.0.1", port))) == "cannot connect: Connection refused"


def test_ipv6() -> None:
    async def scene() -> list[str]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(65536))
            writer.write(page()(b"") or b"")
            writer.close()

        heard: list[bytes] = []
        listener = await asyncio.start_server(talk, "::1", 0)
        port = listener.sockets[0].getsockname()[1]
        said = [
            await ask(HttpCheck(f"http://[::1]:{port}/", text="well")),
            await ask(TcpCheck("::1", port, "x", "200 OK")),
        ]
        listener.close()
        assert f"\r\nHost: [::1]:{port}\r\n".encode() in heard[0]
        return said

    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    assert within(scene()) == ["", ""]


# TLS


def https(tls: ssl.SSLContext, **words: object) -> str:
    async def scene() -> str:
        async with serving(page(), tls) as server:
            return await ask(HttpCheck(f"https://127.0.0.1:{server.port}/", **words))  # type: ignore[arg-type]

    return within(scene())


def test_a_certificate_must_be_good_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    named, addressed = ours.server("www.example.org"), ours.server("127.0.0.1")
    assert https(addressed, ca=ours.path) == ""
    assert https(named, ca=ours.path, host="www.example.org") == ""
    assert https(named, ca=ours.path) == (
        "the certificate is not good: IP address mismatch, certificate is not valid for '127.0.0.1'."
    )
    assert https(named, ca=ours.path, host="shop.example.org") == (
        "the certificate is not good: Hostname mismatch, certificate is not valid for 'shop.example.org'."
    )
    assert https(addressed, ca=theirs.path).startswith("the certificate is not good: ")
    assert https(addressed) == "the certificate is not good: unable to get local issuer certificate"
    assert https(addressed, verify=False) == ""
    assert https(ours.server("127.0.0.1", days=-1), ca=ours.path) == (
        "the certificate is not good: certificate has expired"
    )


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    assert within(ask(HttpCheck("https://127.0.0.1:1/", ca=missing))) == (
        f"cannot read {missing}: No such file or directory"
    )
    (tmp_path / "missing.pem").write_text("no certificate")
    assert within(ask(HttpCheck("https://127.0.0.1:1/", ca=missing))).startswith(f"cannot read {missing}: TLS: ")


def test_a_renewed_authority_is_read_after_one_failure(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        asked, said = question(HttpCheck("")), []
        for _ in range(2):
            authority = Authority(tmp_path)
            async with serving(page(), authority.server("127.0.0.1")) as server:
                asked.check = HttpCheck(f"https://127.0.0.1:{server.port}/", ca=authority.path)
                said += [(await asked.ask()).failure, (await asked.ask()).failure]
        return said

    first, second, third, fourth = within(scene())
    assert (first, second) == ("", "")
    assert third.startswith("the certificate is not good: ")
    assert fourth == ""


def test_https_to_a_server_without_tls() -> None:
    async def scene() -> str:
        async with serving(page()) as server:
            return await ask(HttpCheck(f"https://127.0.0.1:{server.port}/", verify=False))

    assert within(scene()).startswith("cannot connect: TLS: ")


# TCP


def tcp(say: Said, limit: Duration = LONG, greets: bool = False, **words: str) -> tuple[str, list[bytes]]:
    async def scene() -> tuple[str, list[bytes]]:
        async with serving(say, greets=greets) as server:
            found = await ask(TcpCheck("127.0.0.1", server.port, **words), limit)
            return found, server.heard

    return within(scene())


def test_tcp() -> None:
    assert tcp(lambda _: None)[0] == "", "accepted is enough"
    assert tcp(lambda _: b"220 mail ESMTP\r\n", greets=True, expect="220 ")[0] == ""
    assert tcp(lambda _: b"+PONG\r\n", send="PING\r\n", expect="+PONG") == ("", [b"PING\r\n"])
    assert tcp(lambda _: b"-LOADING\r\n", send="PING\r\n", expect="+PONG")[0] == "'-LOADING' instead of '+PONG'"
    assert tcp(lambda _: b"", send="PING\r\n", expect="+PONG")[0] == "nothing instead of '+PONG'"
    assert tcp(lambda _: b"x" * 200_000, greets=True, expect="y")[0].endswith("instead of 'y'")


def test_a_tcp_server_that_accepts_and_never_answers() -> None:
    assert tcp(lambda _: None, 200 * MILLISECOND, send="PING\r\n", expect="+PONG")[0] == (
        "no answer within 200ms (connected, but nothing was said)"
    )


def test_a_full_backlog_is_no_connection() -> None:
    """What a program looks like that is stopped: the kernel accepts for it until the queue is full, and then is silent."""
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        handle.listen(0)
        port = handle.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            assert (
                within(ask(TcpCheck("127.0.0.1", port), 300 * MILLISECOND)) == "no answer within 300ms (no connection)"
            )
        finally:
            for each in waiting:
                each.close()


# Commands


def script(folder: Path, text: str) -> CommandCheck:
    path = folder / "check"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return CommandCheck((str(path), "two words"))


def test_a_command(tmp_path: Path) -> None:
    assert within(ask(script(tmp_path, '[ "$1" = "two words" ] && [ "$UNDERSTUDY_NODE" = ha01 ]'))) == ""
    assert within(ask(script(tmp_path, "echo queue is 400 long; exit 3"))) == "exit code 3: queue is 400 long"
    assert within(ask(CommandCheck(("/nowhere/check",)))) == "cannot run /nowhere/check: No such file or directory"


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    check = script(tmp_path, f"sleep 86396 & echo $! > {tmp_path}/pid; wait")
    assert within(ask(check, 500 * MILLISECOND)) == f"no answer within 500ms ({tmp_path}/check still runs)"
    process = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not process.exists() or process.read_text().rpartition(")")[2].split()[0] in "ZX"


# Troubles of our own


def test_a_manager_that_was_late_itself_accuses_nobody() -> None:
    """Its event loop stands still for longer than the limit."""

    async def scene() -> Answer:
        async with serving(lambda _: None) as mute:
            asked = question(TcpCheck("127.0.0.1", mute.port, "x", "y"), 400 * MILLISECOND)
            answer = asyncio.ensure_future(asked.ask())
            while not mute.connections:
                await asyncio.sleep(0)
            signal.sigtimedwait([], 1.0)  # holds up the whole process
            return await answer

    answer = within(scene())
    assert answer.ours
    assert answer.failure.startswith("the manager itself was late by ")


@pytest.mark.parametrize("kind", ["http", "tcp", "command", "ping"])
def test_a_process_without_descriptors_accuses_nobody(kind: str) -> None:
    code = f"""
import os, resource, uvloop
from understudy.manager.probe_checks import Question
from understudy.probes import *
checks = dict(http=HttpCheck("http://127.0.0.1:9/"), tcp=TcpCheck("127.0.0.1", 9), command=CommandCheck(("/bin/true",)),
    ping=PingCheck("127.0.0.1"))
async def scene():
    question = Question(checks[{kind!r}], 5_000_000_000, {{}})
    await question.ask()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True: held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError: pass
    print(await question.ask())
uvloop.run(scene())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "Too many open files" in done.stdout, done
    assert "ours=True" in done.stdout


# Ping, and real things


@pytest.mark.kernel
def test_ping_in_a_network_of_its_own() -> None:
    """An address that is there answers; one that is not on the link is silent or unreachable; without a route it is said."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare")
    code = (
        "import uvloop\nfrom understudy.manager.probe_checks import Question\nfrom understudy.probes import PingCheck\n"
        "for address in ('192.0.2.1', 'fd00::1', '192.0.2.9', '198.51.100.1'):\n"
        "    print(uvloop.run(Question(PingCheck(address), 500_000_000, {}).ask()).failure or 'answers')\n"
    )
    network = (
        "ip link set lo up; ip link add veth7 type veth peer name veth8; ip addr add 192.0.2.1/24 dev veth7; "
        "ip addr add fd00::1/64 dev veth7 nodad; ip link set veth7 up; ip link set veth8 up"
    )
    command = ["unshare", "--net", "sh", "-c", f'{network}; exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [
        "answers",
        "answers",
        "no answer within 500ms (no reply)",
        "cannot be reached: Network is unreachable",
    ], done.stderr


@pytest.mark.kernel
def test_a_real_apache(tmp_path: Path) -> None:
    apache = shutil.which("apache2", path=SEARCH_PATH)
    if apache is None:
        pytest.skip("needs Debian's apache2")
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        port = handle.getsockname()[1]
    (tmp_path / "index.html").write_text("the page of the test")
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "dir")
    )
    (tmp_path / "site.conf").write_text(
        f"ServerRoot {tmp_path}\nServerName test\nListen 127.0.0.1:{port}\nPidFile {tmp_path}/pid\n{modules}{user}"
        f"ErrorLog {tmp_path}/log\nDocumentRoot {tmp_path}\nDirectoryIndex index.html\n<Directory {tmp_path}>\n"
        "Require all granted\n</Directory>\n"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    process = subprocess.Popen([apache, "-DFOREGROUND", "-f", f"{tmp_path}/site.conf"])
    url = f"http://127.0.0.1:{port}"

    async def scene() -> tuple[str, ...]:
        while (said := await ask(HttpCheck(f"{url}/"))) == "cannot connect: Connection refused":
            assert process.poll() is None, (tmp_path / "log").read_text()
            await asyncio.sleep(0.01)
        whole = HttpCheck(f"{url}/", text="of the test", expect_headers=(("Server", "Apache"),), method="GET")
        return (
            said,
            await ask(whole),
            await ask(HttpCheck(f"{url}/none")),
            await ask(HttpCheck(f"{url}/", method="HEAD")),
        )

    try:
        assert within(scene()) == ("", "", "status 404 Not Found", "")
    finally:
        process.terminate()
        process.wait()
