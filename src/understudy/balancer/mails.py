"""Mails about servers: to whom each service's ``emailalert`` says, by its smtp host or this machine's sendmail."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..adapters import mailer
from ..balance import Mail
from ..logline import Level
from ..services import ServiceFiles
from ..units import Duration


class Mails:
    """``say``: a sentence and its level."""

    def __init__(self, say: Callable[[str, str], None], sendmail: str = mailer.SENDMAIL) -> None:
        self._services: dict[str, mailer.Mail] = {}
        self._mailer = mailer.Mailer(self._say, sendmail, what="mail about servers")
        self._told = say

    def _say(self, level: Level, text: str) -> None:
        self._told(text, level.value)

    def follow(self, files: ServiceFiles) -> None:
        """Whom each service's mail goes to from now on."""
        sender = f"understudy@{socket.gethostname()}"
        self._services = {
            each.name: mailer.Mail(each.mailing.sender or sender, each.mailing.to, "", "", each.mailing.smtp)
            for each in files.services
        }

    def send(self, mail: Mail) -> None:
        """Queue it; a service that has gone has nobody who wants it."""
        found = self._services.get(mail.service)
        if found is not None:
            self._mailer.queue(mailer.Mail(found.sender, found.to, mail.subject, mail.text, found.server))

    def warnings(self) -> list[str]:
        return self._mailer.warnings()

    async def drain(self, limit: Duration) -> None:
        """We end: what is queued has a little time left."""
        await self._mailer.drain(limit)
