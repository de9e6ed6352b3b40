"""Checks: which are asked, by which number, and what an answer makes of them.

Counted for each check, not for each server: the same check of several servers has one number and one row of failures.
``fall`` failures in a row make it down; ``rise`` good answers make one that was down up, the first good one makes one up of
which nothing was known. Until ``fall`` failures what was never up stays unknown, which for a server that is not trusted is
the same as down. ``retry_delay`` is the engine's: it asks again earlier after a failure.
"""

from __future__ import annotations

from ...balance import Ask, CheckAnswered
from ...service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FileQuestion,
    FixedQuestion,
    HttpQuestion,
    PingQuestion,
    ProgramQuestion,
    Question,
    ServiceQuestion,
    UdpQuestion,
)
from .members import Probe, Server


class Probes:
    """All checks by what they are and by their number. ``unanswered``: how many of those asked have said nothing yet."""

    def __init__(self) -> None:
        self.by_check: dict[Check, Probe] = {}
        self.by_number: dict[int, Probe] = {}
        self.unanswered = 0
        self._number = 0
        self._changed: dict[Probe, None] = {}

    def of(self, checks: tuple[Check, ...]) -> tuple[Probe, ...]:
        """The probes of a server; the same check twice is one."""
        found: dict[Probe, None] = {}
        for check in checks:
            new = Probe(check)
            probe = self.by_check.setdefault(check, new)  # looked for once: a check is a deep key
            if probe is new:
                if isinstance(check.question, FixedQuestion):
                    probe.up = (
                        check.question.up or None
                    )  # off: never up, but who is in the table already stays (ldirectord)
                elif check.starts_up:
                    probe.up = True
            found[probe] = None
        return tuple(found)

    def want(self, server: Server, asking: bool) -> None:
        """``server`` wants its checks asked, or not any more."""
        if server.asking == asking:
            return
        server.asking = asking
        for probe in server.probes:
            probe.asked_by += 1 if asking else -1
            if not probe.fixed:
                self._changed[probe] = None

    def leave(self, server: Server) -> None:
        """``server`` is not there any more."""
        self.want(server, False)
        self.part(server, server.probes)
        for probe in server.awaits:
            probe.awaited -= 1

    def part(self, server: Server, probes: tuple[Probe, ...]) -> None:
        """``server`` has these no more; checks that nobody has are forgotten."""
        for probe in probes:
            probe.users.remove(server)
            if not probe.users:
                self.by_check.pop(probe.check, None)

    def asked(self) -> Ask | None:
        """What is to be asked from now on and what not any more, since the last time."""
        begin, end = [], []
        for probe in self._changed:
            if probe.asked_by and not probe.number:
                self._number += 1
                probe.number = self._number
                self.by_number[probe.number] = probe
                self.unanswered += not probe.answered
                begin.append((probe.number, probe.check))
            elif not probe.asked_by and probe.number:
                end.append(probe.number)
                del self.by_number[probe.number]
                self.unanswered -= not probe.answered
                probe.number = 0
        self._changed.clear()
        return Ask(tuple(begin), tuple(end)) if begin or end else None


def count(probe: Probe, answer: CheckAnswered) -> None:
    """Take an answer into the row."""
    probe.answered = True
    if answer.failure:
        probe.failures += 1
        probe.good, probe.failure = 0, answer.failure
        probe.bad += 1
        if probe.bad >= probe.check.fall:
            probe.up = False
    else:
        probe.bad, probe.weight = 0, answer.weight
        probe.good += 1
        if probe.up is None or probe.good >= probe.check.rise:
            probe.up = True
    settle(probe)


def settle(probe: Probe) -> None:
    """Whether the next good answer can change anything."""
    probe.calm = probe.up is True and probe.bad == 0 and probe.answered and not probe.awaited


_WORDS: dict[type[object], str] = {
    ConnectQuestion: "connection",
    PingQuestion: "ping",
    UdpQuestion: "datagram",
    FixedQuestion: "fixed answer",
}


def described(check: Check) -> str:
    """What a check asks of whom, in a few words."""
    target = check.target
    host = f"[{target.address}]" if ":" in target.address else target.address
    where = f"{host}:{target.port}" if target.port else target.address
    return f"{_word(check.question)} to {where}"


def _word(question: Question) -> str:
    if isinstance(question, HttpQuestion):
        return "https" if question.tls else "http"
    if isinstance(question, ServiceQuestion):
        return question.service.value
    if isinstance(question, ProgramQuestion):
        return f"program {question.argv[0]}" if question.argv else "program"
    if isinstance(question, FileQuestion):
        return f"file {question.path}"
    if isinstance(question, CombinedQuestion):
        return _word(question.seldom)
    return _WORDS.get(type(question), "dialogue")
