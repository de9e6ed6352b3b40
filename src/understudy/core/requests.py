"""What operators ask for, here or through another node: ``move``, ``standby``, ``online``.

A move is decided by the holder, standby by the node itself. A request made elsewhere is carried there as an ``Ask``,
repeated each heartbeat until the ``Answer`` comes or the time is up; the one who decides remembers what it answered,
so a repeated Ask is not done twice.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..messages import Answer, Ask
from ..units import NEVER, Duration, Instant, format_duration

REMEMBERED = 64


@dataclass(slots=True)
class _Pending:
    """``op``: whom to tell here."""

    op: int
    ask: Ask
    again_at: Instant
    deadline: Instant


class Requests:
    """Asks under way to others, and answers given to others."""

    def __init__(self, me: str, heartbeat: Duration, limit: Duration) -> None:
        self.me = me
        self.heartbeat = heartbeat
        self.limit = limit
        self.pending: dict[int, _Pending] = {}
        self.given: OrderedDict[tuple[str, int], Answer] = OrderedDict()
        self.next_request = 1

    def start(self, number: int) -> None:
        """Request numbers begin at random, so that a restarted node's are not taken for its earlier ones."""
        self.next_request = number

    def ask(self, op: int, to: str, verb: str, group: str, target: str, by: str, now: Instant) -> Ask:
        self.next_request += 1
        ask = Ask(self.me, to, self.next_request, verb, group, target, by)
        self.pending[ask.request] = _Pending(op, ask, now + self.heartbeat, now + self.limit)
        return ask

    def remembered(self, ask: Ask) -> Answer | None:
        return self.given.get((ask.node, ask.request))

    def answer(self, ask: Ask, ok: bool, text: str) -> Answer:
        answer = Answer(self.me, ask.node, ask.request, ok, text)
        self.given[(ask.node, ask.request)] = answer
        while len(self.given) > REMEMBERED:
            self.given.popitem(last=False)
        return answer

    def answered(self, answer: Answer) -> int | None:
        """The ``op`` that waits for this answer, or None for one that is late or not ours."""
        pending = self.pending.get(answer.request)
        if pending is None or pending.ask.to != answer.node:
            return None
        del self.pending[answer.request]
        return pending.op

    def expire(self, now: Instant) -> tuple[list[Ask], list[tuple[int, str]]]:
        """For ``TimerDue`` only: (asks to send again, (op, sentence) of those whose time is up)."""
        again: list[Ask] = []
        over: list[tuple[int, str]] = []
        for request, pending in list(self.pending.items()):
            if now >= pending.deadline:
                del self.pending[request]
                over.append(
                    (
                        pending.op,
                        f"{pending.ask.to} did not answer within {format_duration(self.limit)}: unknown outcome",
                    )
                )
            elif now >= pending.again_at:
                pending.again_at = now + self.heartbeat
                again.append(pending.ask)
        return again, over

    def next_deadline(self) -> Instant:
        if not self.pending:
            return NEVER
        return min(min(item.again_at, item.deadline) for item in self.pending.values())
