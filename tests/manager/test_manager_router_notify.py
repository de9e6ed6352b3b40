"""Notify scripts, the FIFO and mail: order, arguments, limits; with real scripts, readers and a mail server of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from router_parts import Ear, files, notified, router, script, until

from understudy.adapters.mailer import Mail, Mailer, send, server_of
from understudy.effects import Level
from understudy.manager.respawn import Pace
from understudy.manager.router_fifo import Fifos, NotifyFifo
from understudy.manager.router_notify import LONGEST_QUEUE, Notifier
from understudy.manager.router_told import Call, Told, calls, mail_of, subject
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import Notified, RouterFiles, RouterGlobals, SyncGroup

ME = pwd.getpwuid(os.geteuid()).pw_name
SETTINGS = RouterGlobals(script_user=ME)
MASTER = Told("INSTANCE", "VI_1", "MASTER", 150, "192.0.2.7 said goodbye", 41)
BACKUP = Told("INSTANCE", "VI_1", "BACKUP", 100)


# -- words


def test_the_lines_and_arguments_are_keepalived_s() -> None:
    assert MASTER.line == b'INSTANCE "VI_1" MASTER 150\n'
    group = Told("GROUP", "VG 1", "FAULT", 0)
    assert group.line == b'GROUP "VG 1" FAULT 0\n'
    both = Notified(master=("/m", "own"), any=("/n", "own"), user="u", users=(("any", "v"),))
    assert calls(both, MASTER) == (
        Call(("/m", "own"), "u", "master"),
        Call(("/n", "own", "INSTANCE", "VI_1", "MASTER", "150"), "v", "any"),
    )
    assert calls(both, Told("INSTANCE", "VI_1", "MASTER_PRIORITY", 150)) == (), "for the FIFO alone"
    lower = Notified(lower_priority=("/l",), any=("/n",))
    assert [call.field for call in calls(lower, Told("INSTANCE", "VI_1", "MASTER_RX_LOWER_PRI", 1))] == [
        "lower_priority"
    ]


@pytest.mark.parametrize("packet", [{}, {"what": "INSTANCE"}, {"what": 1, "name": "x", "state": "MASTER"}])
def test_a_packet_without_sense_is_dropped(packet: dict[str, object]) -> None:
    assert Told.of({"priority": 1, **packet}) is None
    whole = {"what": "INSTANCE", "name": "x", "state": "MASTER", "priority": 1, "why": "so", "ballot": 7}
    assert Told.of(whole) == Told("INSTANCE", "x", "MASTER", 1, "so", 7)
    assert Told.of({**whole, "priority": True}) is None


# -- scripts


def test_a_script_that_hangs_is_named_although_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    hangs = script(tmp_path, "master", f"read x < {tmp_path}/gate")

    async def work() -> None:
        desk = Notifier(notified(settings=SETTINGS, master=(hangs,)), str(tmp_path), Ear().say, slow=0)
        desk.tell(MASTER)
        await until("it is named", lambda: desk.warnings() == [f"VI_1: the notify script {hangs} has run for 0s"])
        (tmp_path / "gate").open("w").close()
        await until("it has ended", lambda: len(desk.warnings()) == 1 and "failed" in desk.warnings()[0])

    uvloop.run(work())


def test_a_script_that_cannot_be_run_is_named_before_it_is_needed(tmp_path: Path) -> None:
    """ "notify_master /x/n.sh master" without quotes: the second word is its user."""
    fine = script(tmp_path, "fine", "exit 0")
    wrong = replace(notified(settings=SETTINGS).routers[0].notified, master=(fine,), users=(("master", "no-such-9"),))
    told = notified(settings=SETTINGS)
    asked = replace(told, routers=(replace(told.routers[0], notified=wrong),))

    async def work() -> None:
        ear = Ear()
        desk = Notifier(asked, str(tmp_path), ear.say)
        await desk.examine()
        await desk.examine()
        text = f"VI_1: its notify script {fine} cannot be run: there is no user no-such-9"
        assert desk.warnings() == [text]
        assert [said[1] for said in ear.said] == [text], "once"
        desk.files = notified(settings=SETTINGS, master=(fine,))
        await desk.examine()
        assert desk.warnings() == []

    uvloop.run(work())


def test_the_scripts_of_one_router_keep_their_order(tmp_path: Path) -> None:
    """The first one is the slowest; keepalived would have it end last."""
    log = tmp_path / "said"
    slow = script(tmp_path, "master", f"read x < {tmp_path}/gate; echo master $* >> {log}")
    fast = script(tmp_path, "backup", f"echo backup $* >> {log}")
    every = script(tmp_path, "notify", f"echo notify $* >> {log}")
    os.mkfifo(tmp_path / "gate")
    asked = notified(settings=SETTINGS, master=(slow, "with arguments"), backup=(fast,), any=(every, "x"))

    async def work() -> None:
        ear = Ear()
        desk = Notifier(asked, str(tmp_path), ear.say)
        for told in (MASTER, BACKUP, Told("INSTANCE", "VI_1", "FAULT", 100)):
            desk.tell(told)
        first = f"VI_1: the notify script {slow} has run for 0s, and 4 wait for it"
        await until("the first runs", lambda: desk.warnings() == [first])
        assert not log.exists()
        gate = await asyncio.to_thread(os.open, tmp_path / "gate", os.O_WRONLY)
        os.write(gate, b"go\n")
        os.close(gate)
        await desk.drain(20 * SECOND)
        assert ear.said == []

    uvloop.run(work())
    assert log.read_text().splitlines() == [
        "master with arguments",
        "notify x INSTANCE VI_1 MASTER 150",
        "backup",
        "notify x INSTANCE VI_1 BACKUP 100",
        "notify x INSTANCE VI_1 FAULT 100",
    ]


def test_different_routers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs", f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    quick = script(tmp_path, "quick", f"touch {tmp_path}/done")
    asked = files(
        router("VI_1", notified=Notified(any=(hangs,))),
        router("VI_2", notified=Notified(any=(quick,))),
        settings=SETTINGS,
    )

    async def work() -> None:
        ear = Ear()
        desk = Notifier(asked, str(tmp_path), ear.say, limit=3600 * SECOND)
        desk.tell(MASTER)
        desk.tell(Told("INSTANCE", "VI_2", "MASTER", 150))
        await until("the other router's script has run", (tmp_path / "done").exists)
        await until("the one that hangs runs", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        await desk.drain(0)
        assert ear.told("is not waited for any more")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    uvloop.run(work())


def test_a_script_that_hangs_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs", "sleep 1000")
    quick = script(tmp_path, "quick", f"touch {tmp_path}/done; exit 3")
    asked = notified(settings=SETTINGS, master=(hangs,), backup=(quick,))

    async def work() -> None:
        ear = Ear()
        desk = Notifier(asked, str(tmp_path), ear.say, limit=2 * SECOND)
        desk.tell(MASTER)
        desk.tell(BACKUP)
        await until("both are over", lambda: len(ear.said) == 2)
        assert (tmp_path / "done").exists()
        assert ear.said[0][0] is Level.ERROR
        assert ear.told(f"VI_1: the script for MASTER, {hangs}, is ended: not done after 2s")
        assert ear.told(f"VI_1: the script for BACKUP, {quick}, failed: exit code 3")

    uvloop.run(work())


def test_what_only_we_say_is_in_the_environment(tmp_path: Path) -> None:
    tells = script(tmp_path, "tells", f"env | grep UNDERSTUDY_ | sort > {tmp_path}/env")

    async def work() -> None:
        desk = Notifier(notified(settings=SETTINGS, any=(tells,)), str(tmp_path), Ear().say)
        desk.tell(MASTER)
        await desk.drain(20 * SECOND)
        desk = Notifier(notified(settings=SETTINGS, any=(tells,)), str(tmp_path), Ear().say)

    uvloop.run(work())
    assert (tmp_path / "env").read_text().splitlines() == [
        "UNDERSTUDY_BALLOT=41",
        "UNDERSTUDY_KIND=INSTANCE",
        "UNDERSTUDY_PRIORITY=150",
        "UNDERSTUDY_ROUTER=VI_1",
        "UNDERSTUDY_STATE=MASTER",
        "UNDERSTUDY_WHY=192.0.2.7 said goodbye",
    ]
    assert "UNDERSTUDY_BALLOT" not in BACKUP.environment


def test_at_the_end_what_has_not_begun_is_begun_in_order(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs", f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    quick = script(tmp_path, "quick", f"touch {tmp_path}/stopped")
    asked = notified(settings=SETTINGS, master=(hangs,), stop=(quick,))

    async def work() -> None:
        desk = Notifier(asked, str(tmp_path), Ear().say)
        desk.tell(MASTER)
        desk.tell(Told("INSTANCE", "VI_1", "STOP", 150))
        await until("it runs", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        await desk.drain(0)
        await until("the script for STOP has run", (tmp_path / "stopped").exists)
        os.kill(int((tmp_path / "pid").read_text()), 9)  # raises if it was ended

    uvloop.run(work())


def test_a_router_that_was_deleted_still_tells(tmp_path: Path) -> None:
    gone = script(tmp_path, "gone", f"touch {tmp_path}/deleted")
    former = notified(settings=SETTINGS, deleted=(gone,))

    async def work() -> None:
        desk = Notifier(files(router("VI_2"), settings=SETTINGS), str(tmp_path), Ear().say)
        desk.tell(Told("INSTANCE", "VI_1", "DELETED", 100), former)
        desk.tell(Told("INSTANCE", "VI_9", "DELETED", 100), former)
        await desk.drain(20 * SECOND)

    uvloop.run(work())
    assert (tmp_path / "deleted").exists()


def test_the_queue_is_bounded_and_a_missing_script_is_named(tmp_path: Path) -> None:
    hangs = script(tmp_path, "hangs", "sleep 1000")

    async def work() -> None:
        ear = Ear()
        desk = Notifier(notified(settings=SETTINGS, any=(hangs,)), str(tmp_path), ear.say)
        for _ in range(LONGEST_QUEUE + 3):
            desk.tell(MASTER)
        assert ear.told("its script for MASTER is left out")
        missing = Notifier(notified(settings=SETTINGS, any=(str(tmp_path / "no"),)), str(tmp_path), ear.say)
        missing.tell(MASTER)
        await missing.drain(20 * SECOND)
        assert ear.told("is not run: " + str(tmp_path / "no"))
        for line in desk._lines.values():
            line.waiting.clear()
            assert line.task is not None
            line.task.cancel()
            await asyncio.gather(line.task, return_exceptions=True)

    uvloop.run(work())


# -- the FIFO


def test_the_fifo_is_made_written_and_taken_away(tmp_path: Path) -> None:
    path, ear = tmp_path / "fifo", Ear()
    fifo = NotifyFifo(str(path), (os.geteuid(), os.getegid()), ear.say)
    fifo.open()
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fifo.write(MASTER.line)
    assert fifo.write(BACKUP.line)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 4096) == MASTER.line + BACKUP.line, "what was written before somebody reads waits"
    os.close(reader)
    fifo.close()
    assert not path.exists()
    assert ear.said == []


def test_a_fifo_that_nobody_reads_never_blocks_and_is_said_once(tmp_path: Path) -> None:
    path, ear = tmp_path / "fifo", Ear()
    os.mkfifo(path)
    fifo = NotifyFifo(str(path), (os.geteuid(), os.getegid()), ear.say)
    written = sum(fifo.write(MASTER.line) for _ in range(5000))
    assert 0 < written < 5000
    assert [level for level, _ in ear.said] == [Level.ERROR]
    assert "nobody reads it" in fifo.warning
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    whole = b""
    while len(whole) < written * len(MASTER.line):
        whole += os.read(reader, 65_536)
    assert whole == MASTER.line * written, "no half lines"
    assert fifo.write(BACKUP.line)
    assert [level for level, _ in ear.said] == [Level.ERROR, Level.INFO]
    assert fifo.warning == ""
    os.close(reader)
    fifo.close()
    assert path.exists(), "it was there before us"


def test_what_is_no_fifo_is_left_alone_and_a_new_one_is_found(tmp_path: Path) -> None:
    path, ear = tmp_path / "fifo", Ear()
    path.write_text("precious")
    fifo = NotifyFifo(str(path), (os.geteuid(), os.getegid()), ear.say)
    fifo.open()
    assert not fifo.write(MASTER.line)
    assert path.read_text() == "precious"
    assert len(ear.said) == 1
    path.unlink()
    os.mkfifo(path)
    assert fifo.write(MASTER.line)
    path.unlink()
    os.mkfifo(path)  # somebody made it anew: its readers open this one
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert fifo.write(BACKUP.line)
    assert os.read(reader, 4096) == BACKUP.line
    os.close(reader)
    fifo.close()


def test_the_fifo_s_script_reads_it_and_is_started_again(tmp_path: Path) -> None:
    reads = script(
        tmp_path,
        "reads",
        f'echo "$@" >> {tmp_path}/arguments; while read x; do echo "$x" >> {tmp_path}/heard; '
        'test "$x" != "${x#*FAULT}" && exit 1; done < "$2"',
    )
    path = str(tmp_path / "fi fo")
    settings = RouterGlobals(script_user=ME, fifos=((path, (reads, "a 'word'")),))

    def heard() -> list[str]:
        found = tmp_path / "heard"
        return found.read_text().splitlines() if found.exists() else []

    async def work() -> None:
        ear = Ear()
        fifos = Fifos(str(tmp_path / "scripts"), ear.say, Pace(SECOND, 5 * MILLISECOND))
        await fifos.follow(settings)
        fifos.write(MASTER.line)
        await until("it has read", lambda: heard() == ['INSTANCE "VI_1" MASTER 150'])
        assert (tmp_path / "arguments").read_text() == f"a 'word' {path}\n"
        fifos.write(Told("INSTANCE", "VI_1", "FAULT", 1).line)
        await until(
            "it ended and was started again", lambda: len((tmp_path / "arguments").read_text().splitlines()) == 2
        )
        await fifos.follow(settings)  # a reload that changes nothing of it
        fifos.write(Told("INSTANCE", "VI_1", "STOP", 1).line)
        await fifos.close()
        assert heard()[-1] == 'INSTANCE "VI_1" STOP 1', "what was written last is read before it ends"
        assert list(fifos.warnings()) == []
        assert len((tmp_path / "arguments").read_text().splitlines()) == 2
        assert ear.told("FIFO script")

    uvloop.run(work())


# -- mail


class Server:
    """As much of SMTP as one mail needs; ``refuses`` so many mails first."""

    def __init__(self, refuses: int = 0) -> None:
        self.mails: list[str] = []
        self._refuses = refuses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                self._talk(stream)

    def _talk(self, stream: object) -> None:
        stream.write(b"220 test\r\n")  # type: ignore[attr-defined]
        inside, mail = False, ""
        for line in stream:  # type: ignore[attr-defined]
            text = line.decode().rstrip("\r\n")
            if inside and text != ".":
                mail += text + "\n"
                continue
            word = text[:4].upper()
            if word == "DATA":
                inside = True
            elif inside:
                inside = False
                self.mails.append(mail)
            elif word == "MAIL" and self._refuses:
                self._refuses -= 1
                stream.write(b"451 later\r\n")  # type: ignore[attr-defined]
                continue
            stream.write(b"354 go\r\n" if inside else b"250 ok\r\n")  # type: ignore[attr-defined]
            if word == "QUIT":
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # whoever waits in accept would take one more
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.example.org", ("mail.example.org", 25)),
        ("mail.example.org 587", ("mail.example.org", 587)),
        ("192.0.2.1:2525", ("192.0.2.1", 2525)),
        ("[2001:db8::1]:2525", ("2001:db8::1", 2525)),
        ("2001:db8::1 26", ("2001:db8::1", 26)),
        ("2001:db8::1", ("2001:db8::1", 25)),
    ],
)
def test_where_the_mail_server_is(text: str, expected: tuple[str, int]) -> None:
    assert server_of(text) == expected


def test_mail_through_a_server(server: Server) -> None:
    settings = RouterGlobals(mails=("a@example.org", "b@example.org"), mail_server=f"127.0.0.1 {server.port}")

    async def work() -> None:
        mailer = Mailer(Ear().say)
        mailer.queue(mail_of(settings, subject(MASTER, "lb01"), "text", "ha01"))
        await mailer.drain(20 * SECOND)
        assert mailer.sent == 1

    uvloop.run(work())
    assert "Subject: [lb01] VRRP Instance VI_1 - Entering MASTER state\n" in server.mails[0]
    assert "From: understudy@ha01\n" in server.mails[0]
    assert "To: a@example.org, b@example.org\n" in server.mails[0]


def test_mail_that_fails_is_tried_again_and_said_once() -> None:
    server = Server(refuses=2)
    settings = RouterGlobals(
        mails=("a@example.org",), mail_server=f"127.0.0.1:{server.port}", mail_from="x@example.org"
    )

    async def work() -> None:
        ear = Ear()
        mailer = Mailer(ear.say, pauses=(0.0, 0.0))
        mailer.queue(mail_of(settings, "s", "t", "ha01"))
        await mailer.drain(20 * SECOND)
        assert (mailer.sent, mailer.lost, len(ear.said)) == (1, 0, 1)
        assert mailer.warnings() == []
        server.close()
        mailer.queue(mail_of(settings, "s", "t", "ha01"))
        await mailer.drain(20 * SECOND)
        assert (mailer.sent, mailer.lost) == (1, 1)
        assert "is not sent" in mailer.warnings()[0]

    uvloop.run(work())


def test_mail_through_sendmail(tmp_path: Path) -> None:
    ours = script(tmp_path, "sendmail", f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail')
    mail = Mail("x@example.org", ("a@example.org", "b@example.org"), "s", "schön\n")
    assert send(mail, ours) == ""
    assert (tmp_path / "arguments").read_text() == "-i -f x@example.org -- a@example.org b@example.org\n"
    assert "Subject: s\n" in (tmp_path / "mail").read_text()
    fails = script(tmp_path, "fails", "echo no space >&2; exit 75")
    assert send(mail, fails) == f"{fails}: exit code 75: no space"


def test_without_server_and_sendmail_it_is_said_once(tmp_path: Path) -> None:
    ear = Ear()
    mailer = Mailer(ear.say, str(tmp_path / "none"))
    for _ in range(3):
        mailer.queue(mail_of(RouterGlobals(mails=("a@example.org",)), "s", "t", "ha01"))
    mailer.queue(mail_of(RouterGlobals(), "s", "t", "ha01"))  # nobody wants mail
    assert len(ear.said) == 1
    assert mailer.lost == 3


def test_a_name_with_a_line_break_adds_no_header() -> None:
    text = subject(Told("INSTANCE", "VI\r\nBcc: x@example.org", "MASTER", 1), "lb01")
    assert "\n" not in text
    assert "\r" not in text


def test_sync_groups_have_scripts_of_their_own(tmp_path: Path) -> None:
    tells = script(tmp_path, "tells", f"echo $* > {tmp_path}/said")
    group = SyncGroup("VG", ("VI_1",), notified=Notified(any=(tells,)))

    async def work() -> None:
        desk = Notifier(RouterFiles((router(),), (group,), settings=SETTINGS), str(tmp_path), Ear().say)
        desk.tell(Told("GROUP", "VG", "MASTER", 0))
        await desk.drain(20 * SECOND)

    uvloop.run(work())
    assert (tmp_path / "said").read_text() == "GROUP VG MASTER 0\n"
