"""Mails that leave this machine through a named server or its own sendmail.

Nothing waits for a mail: they stand in a queue of ``LONGEST_QUEUE``, one is sent at a time in a thread, for which the end of the
process does not wait either; what cannot be sent is tried again, and given up after ``TRIES``; the history says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..logline import Level
from ..units import SECOND, Duration

SENDMAIL = "/usr/sbin/sendmail"
LIMIT: Duration = 30 * SECOND
"""For each step of a conversation with a server, and for sendmail."""

PAUSES: tuple[float, ...] = (5.0, 60.0, 600.0)
"""Seconds before the second and each later try."""

TRIES = len(PAUSES) + 1
LONGEST_QUEUE = 200

Say: TypeAlias = Callable[[Level, str], None]


@dataclass(frozen=True, slots=True)
class Mail:
    """Who gets it, from whom, and how it leaves; ``server`` "" for sendmail."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    server: str = ""


def server_of(text: str) -> tuple[str, int]:
    """Host and port of ``smtp_server``: ``host``, ``host port``, ``host:port``, ``[address]:port``; 25 when no port is named."""
    words = text.split()
    if len(words) > 1 and words[1].isdigit():
        return words[0].strip("[]"), int(words[1])
    found = re.fullmatch(r"\[([^]]+)\](?::([0-9]+))?|([^:]+)(?::([0-9]+))?", words[0]) if words else None
    if found is None:
        return text.strip(), 25
    return found[1] or found[3], int(found[2] or found[4] or 25)


def send(mail: Mail, sendmail: str = SENDMAIL, limit: Duration = LIMIT) -> str:
    """Send it; what went wrong, or "". Blocks."""
    from email.message import EmailMessage  # most nodes never send a mail
    from email.utils import formatdate, make_msgid

    here = socket.gethostname()  # not its full name, for which a name server would be asked
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, ", ".join(mail.to), mail.subject
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain=here)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    try:
        if mail.server:
            import smtplib

            host, port = server_of(mail.server)
            server = smtplib.SMTP(host, port, here, timeout=limit / SECOND)
            try:
                server.send_message(message, mail.sender, list(mail.to))
                with contextlib.suppress(OSError):  # it has the mail, however it says good-bye
                    server.quit()
            finally:
                server.close()
            return ""
        done = subprocess.run(
            [sendmail, "-i", "-f", mail.sender, "--", *mail.to],
            input=message.as_bytes(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=limit / SECOND,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:  # smtplib's errors are OSErrors
        return f"{mail.server or sendmail}: {getattr(error, 'strerror', None) or error}"
    words = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if done.returncode == 0 else f"{sendmail}: exit code {done.returncode}: {words[-1] if words else ''}"


class Mailer:
    """The queue of one node."""

    def __init__(
        self,
        say: Say,
        sendmail: str = SENDMAIL,
        pauses: Sequence[float] = PAUSES,
        counted: Counter[str] | None = None,
        what: str = "mail of virtual routers",
    ) -> None:
        """``counted``: where "sent" and "lost" are counted. ``what``: for sentences."""
        self._say = say
        self._what = what
        self._counted = Counter() if counted is None else counted
        self._sendmail = sendmail
        self._pauses = tuple(pauses)
        self._queue: deque[Mail] = deque()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    @property
    def sent(self) -> int:
        return self._counted["sent"]

    @property
    def lost(self) -> int:
        return self._counted["lost"]

    def queue(self, mail: Mail) -> None:
        """Have it sent some time soon, if anybody wants it."""
        if not mail.to:
            return
        if not mail.server and not os.access(self._sendmail, os.X_OK):
            self._failed(f"there is no smtp_server, and no {self._sendmail} on this machine")
            self._counted["lost"] += 1
            return
        if len(self._queue) >= LONGEST_QUEUE:
            self._queue.popleft()
            self._counted["lost"] += 1
        self._queue.append(mail)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._queue:
            mail = self._queue.popleft()
            for pause in (*self._pauses, None):
                trouble = await self._send(mail)
                if not trouble:
                    self._counted["sent"] += 1
                    self._trouble = ""
                    break
                self._failed(trouble)
                if pause is None:
                    self._counted["lost"] += 1
                else:
                    await asyncio.sleep(pause)
        self._task = None

    async def _send(self, mail: Mail) -> str:
        """As ``send``, and whatever else goes wrong is its trouble, too: the mails behind it wait for this one."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[str] = loop.create_future()

        def tell(trouble: str) -> None:
            if not over.done():
                over.set_result(trouble)

        def work() -> None:
            try:
                trouble = send(mail, self._sendmail)
            except Exception as error:
                trouble = f"{type(error).__name__}: {error}"
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell, trouble)

        try:
            threading.Thread(target=work, name="mail", daemon=True).start()
        except RuntimeError as error:
            return str(error)
        return await over

    def _failed(self, text: str) -> None:
        """Said once for each reason."""
        if text != self._trouble:
            self._trouble = text
            self._say(Level.WARNING, f"{self._what} is not sent: {text}")

    def warnings(self) -> list[str]:
        return [f"{self._what} is not sent: {self._trouble}"] if self._trouble else []

    async def drain(self, limit: Duration) -> None:
        """The daemon ends: what is queued has a little time left."""
        task = self._task
        if task is not None:
            await asyncio.wait({task}, timeout=limit / SECOND)
            task.cancel()
