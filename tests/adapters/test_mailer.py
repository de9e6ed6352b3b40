"""Mails that cannot be sent: nobody waits for a server that hangs, and no mail for one that went wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

from understudy.adapters.mailer import Mail, Mailer
from understudy.units import SECOND

SENDER = "ha01@example.org"


def test_an_end_does_not_wait_for_a_server_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        open_ones = list[socket.socket]()

        async def work() -> None:
            mailer = Mailer(lambda level, text: None)
            server = f"127.0.0.1:{silent.getsockname()[1]}"
            mailer.queue(Mail(SENDER, ("a@example.org",), "s", "t", server))
            open_ones.append((await asyncio.to_thread(silent.accept))[0])
            await mailer.drain(0)

        over = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
        over.start()
        over.join(20)  # the conversation's own limit is 30 s
        assert not over.is_alive()
        open_ones[0].close()


def test_a_mail_that_cannot_be_made_holds_up_no_other(tmp_path: Path) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text("#!/bin/sh\ncat > /dev/null\n")
    sendmail.chmod(0o755)

    async def work() -> None:
        said = list[str]()
        mailer = Mailer(lambda level, text: said.append(text), str(sendmail), pauses=())
        for subject in ("of two\nlines", "good"):
            mailer.queue(Mail(SENDER, ("a@example.org",), subject, "t"))
        await mailer.drain(20 * SECOND)
        assert (mailer.sent, mailer.lost, len(said)) == (1, 1, 1)

    asyncio.run(work())
