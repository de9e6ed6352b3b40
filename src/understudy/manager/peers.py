"""What this manager asks those of other members, and what it answers them: their histories and their clocks.

Question and answer are sealed datagrams that the pulses carry (``messages.Inquiry``); they are bounded, and nothing that serves
waits for them. Only what is asked for travels: no node sends its history to anybody unasked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..adapters.channel import Packet
from ..core.chronicle import merge
from ..effects import Level
from ..errors import NotRunning, Refused, TimedOut, UnderstudyError
from ..units import MILLISECOND, MINUTE, SECOND, Duration, format_duration
from .entry import line_of, public
from .pulse_link import PulseLink
from .wanted import Wanted, page, read_page, select

TRIES = 3
PATIENCE: Duration = 400 * MILLISECOND
"""For each try: a page needs some milliseconds; a machine that is busy failing over may need more."""

LONGEST: float = 10.0
"""Seconds after which a history that comes too slowly counts as missing, however much of it came."""

FAR_OFF: Duration = 2 * SECOND
"""Clocks of members that differ by more are worth a warning: certificates, logs and databases suffer; this cluster does not."""

CLOCK_INTERVAL: float = 60.0
"""Seconds between two looks at the clocks of the others."""


@dataclass(slots=True)
class Asked:
    """One member's part of a common history. ``ahead``: its wall clock less ours, nanoseconds; ``trouble``: why it is missing."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    ahead: Duration = 0
    trouble: str = ""


def apart(ahead: Duration) -> str:
    """``3h5m ahead of`` or ``2.5s behind``."""
    size = abs(ahead)
    unit = SECOND if size < MINUTE else MINUTE
    whole = round(size / unit) * unit
    hours, rest = divmod(whole, 60 * MINUTE)
    text = f"{hours}h{rest // MINUTE}m" if hours else format_duration(whole)
    return f"{text} {'ahead of' if ahead > 0 else 'behind'}"


class Peers:
    """``say`` adds to the history; ``kept`` is this node's history as it is kept; ``wall`` reads the wall clock, nanoseconds."""

    def __init__(
        self,
        me: str,
        others: tuple[str, ...],
        link: PulseLink,
        next_number: Callable[[], int],
        kept: Callable[[], list[dict[str, Any]]],
        say: Callable[[Level, str], None],
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._me = me
        self.others = others
        self._link = link
        self._next_number = next_number
        self._kept = kept
        self._say = say
        self._wall = wall
        self.clocks: dict[str, Duration] = {}
        """How far ahead of ours each clock was that was far off when it was last looked at."""

    def answer(self, packet: Packet) -> None:
        """Another manager asks: ``packet`` is an ``inquiry`` as the pulse hands it on."""
        sender, number = packet.get("from"), packet.get("id")
        if sender not in self.others or not isinstance(number, int):
            return
        ok, text = True, ""
        try:
            match packet.get("topic"):
                case "history":
                    text = page(self._kept(), str(packet.get("text")), self._me, self._wall())
                case "clock":
                    text = str(self._wall())
                case topic:
                    ok, text = False, f"{self._me} knows nothing of {str(topic)[:80]!r}; is it an older version?"
        except UnderstudyError as error:
            ok, text = False, error.text
        self._link.send({"t": "page", "to": sender, "id": number, "ok": ok, "text": text})

    async def ask(self, member: str, topic: str, text: str, patience: Duration = PATIENCE) -> str:
        """Ask the manager of ``member``, with ``patience`` for each of three tries.

        Raises TimedOut, Refused (it understood and cannot) or NotRunning (our own pulse).
        """
        for attempt in range(TRIES):
            number = self._next_number()
            packet = {"t": "inquire", "id": number, "to": member, "topic": topic, "text": text}
            try:
                found = await self._link.ask(packet, "page", number, patience)
            except TimedOut:
                if attempt < TRIES - 1:
                    continue
                raise TimedOut(f"{member} does not answer (silent, without a manager, or an older version)") from None
            if found.get("from") != member:
                continue
            if found.get("ok") is not True:
                raise Refused(f"{member}: {found.get('text', '')}")
            return str(found.get("text", ""))
        raise TimedOut(f"{member} does not answer")

    # Histories

    async def histories(self, want: Wanted, heard: Mapping[str, bool]) -> tuple[list[dict[str, Any]], dict[str, Asked]]:
        """The newest entries of all members in one order, causes first, each with its ``origin``; and what became of each.

        ``heard`` says of each other member whether it is there; who is not is not waited for.
        """
        found = await asyncio.gather(*(self._history_of(name, want, heard.get(name, False)) for name in self.others))
        parts = dict(zip(self.others, found, strict=True))
        logs = {name: part.entries for name, part in parts.items() if part.entries}
        logs[self._me] = select(self._kept(), want, self._me, self._wall())
        ahead = {name: part.ahead for name, part in parts.items()}
        lines = {name: [line_of(form, ahead.get(name, 0)) for form in log] for name, log in logs.items()}
        order = merge(lines)[-want.lines :]
        return [{**public(logs[name][index]), "origin": name} for name, index in order], parts

    async def _history_of(self, member: str, want: Wanted, heard: bool) -> Asked:
        if not heard:
            return Asked(trouble=f"{member} is not heard")
        part = Asked()
        try:
            async with asyncio.timeout(LONGEST):
                await self._fetch(member, want, part)
        except TimeoutError:
            part.trouble = f"{member} answers too slowly"
        except (TimedOut, Refused, NotRunning) as error:
            part.trouble = error.text
        except ValueError:
            part.trouble = f"{member} sent something that is no page of a history"
        part.entries.reverse()
        return part

    async def _fetch(self, member: str, want: Wanted, part: Asked) -> None:
        before: int | None = None
        while len(part.entries) < want.lines:
            asked_at = self._wall()
            text = await self.ask(member, "history", want.question(before))
            now, entries, following = read_page(text)
            if before is None:
                part.ahead = now - (asked_at + self._wall()) // 2
            part.entries += entries[: want.lines - len(part.entries)]
            if following is None or (before is not None and following >= before):
                return
            before = following

    # Clocks

    async def watch_clocks(self, heard: Callable[[], Mapping[str, bool]]) -> None:
        """Compare the wall clocks of all members that are heard with ours, once a minute. Runs until cancelled."""
        while True:
            await asyncio.sleep(CLOCK_INTERVAL)
            await self.compare_clocks(heard())

    async def compare_clocks(self, heard: Mapping[str, bool]) -> None:
        """Once; what has changed goes into the history."""
        for name in self.others:
            if not heard.get(name, False):
                continue
            asked_at = self._wall()
            try:
                ahead = int(await self.ask(name, "clock", "")) - (asked_at + self._wall()) // 2
            except (UnderstudyError, ValueError):
                continue
            if self._wall() - asked_at < FAR_OFF:  # an answer that took longer says too little
                self._clock_is(name, ahead)

    def _clock_is(self, name: str, ahead: Duration) -> None:
        far, was = abs(ahead) > FAR_OFF, name in self.clocks
        if far:
            self.clocks[name] = ahead
        else:
            self.clocks.pop(name, None)
        if far and not was:
            self._say(Level.WARNING, f"the clock of {name} is {apart(ahead)} that of {self._me}")
        elif was and not far:
            self._say(Level.INFO, f"the clock of {name} agrees with that of {self._me} again")

    def warnings(self) -> list[str]:
        """For the status."""
        return [
            f"the clock of {name} is {apart(ahead)} that of {self._me}: leases do not depend on clocks, but logs and "
            "certificates do; see to its time service"
            for name, ahead in sorted(self.clocks.items())
        ]
