"""Asks the probes that the core wants asked, and tells it what becomes of them.

Probes that ask the same thing with the same settings share one question; each reader counts for itself. Every question has a
task of its own, so one that hangs delays nobody. First questions are spread, so that a machine which starts fifty groups
does not ask all of them in the same instant; after that each keeps its own beat, and skips those that it was too slow for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias

from ..adapters.agent_ocf import SEARCH_PATH
from ..model import Cluster
from ..probes import Check, Probe
from ..units import MILLISECOND, MINUTE, SECOND, Duration, format_duration
from .probe_checks import Question
from .tally import Tally

SPREAD: Duration = 20 * MILLISECOND
"""Between the first questions of two probes that begin together; where that is more than an interval in all, it begins anew."""

RECENT: Duration = MINUTE
"""How long a trouble of our own stays among the warnings."""

_Key: TypeAlias = tuple[Check, Duration, Duration]

Tell: TypeAlias = Callable[[str, str, int, bool | None, str], None]
"""Called with group, probe, number, up (None: not known yet) and why this answer was a failure."""


def next_due(due: float, now: float, interval: float) -> float:
    """The next beat after ``due`` that is not over yet: what took longer than the interval costs its own beats only."""
    return due + interval * max(1, math.ceil((now - due) / interval))


class _Reader:
    """One probe that is asked now."""

    def __init__(self, group: str, probe: Probe, number: int, tell: Tell, grace_ends: float) -> None:
        self.group = group
        self.probe = probe
        self.number = number
        self._tell = tell
        self._grace_ends = grace_ends
        self._tally = Tally(probe.rise, probe.fall)

    def hear(self, failure: str, now: float) -> None:
        """Tells of every change and of every failure: status shows the reason and the age of the last."""
        if failure and self._tally.up is None and now < self._grace_ends:
            self._tally.pass_over()
            changed = False
        else:
            changed = self._tally.add(not failure)
        if changed or failure:
            self._tell(self.group, self.probe.name, self.number, self._tally.up, failure)


class _Asker:
    """One question and its readers."""

    def __init__(
        self, question: Question, interval: Duration, delay: float, own_trouble: Callable[[str], None]
    ) -> None:
        self.readers: list[_Reader] = []
        self._question = question
        self._own_trouble = own_trouble
        self._interval = interval / SECOND
        self.task = asyncio.get_running_loop().create_task(self._work(delay))

    async def _work(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        while True:
            await asyncio.sleep(due - loop.time())
            asked = tuple(self.readers)
            answer = await self._question.ask()
            if answer.ours:
                self._own_trouble(answer.failure)
            for reader in asked if not answer.ours else ():
                if reader in self.readers:  # not who came meanwhile: this answer may be about the time before its start
                    reader.hear(answer.failure, loop.time())
            due = next_due(due, loop.time(), self._interval)


class Probes:
    """All probes of one node's manager. Use it inside the running event loop."""

    def __init__(self, cluster: Cluster, me: str, tell: Tell) -> None:
        self._probes = {(group.name, probe.name): probe for group in cluster.groups for probe in group.probes}
        self._environment: Mapping[str, str] = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/", "UNDERSTUDY_NODE": me}
        self._tell = tell
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._askers: dict[_Key, _Asker] = {}
        self._next_start = 0.0
        self._troubles: dict[tuple[str, str], tuple[float, str]] = {}

    def want(self, group: str, wanted: Iterable[tuple[str, int]]) -> None:
        """Ask these probes of the group, and no others of it. Those with the same number as before go on undisturbed."""
        numbers = {(group, name): number for name, number in wanted if (group, name) in self._probes}
        for key, reader in list(self._readers.items()):
            if key[0] == group and numbers.get(key) != reader.number:
                self._drop(key)
        for key, number in numbers.items():
            if key not in self._readers:
                self._add(key, number)

    def follow(self, cluster: Cluster) -> None:
        """Another configuration. A probe that is asked now and was changed is asked anew under the number that it has: the pulse
        gives it another one where it sees the change, and passwords are not shown to it.
        """
        self._probes = {(group.name, probe.name): probe for group in cluster.groups for probe in group.probes}
        for key, reader in list(self._readers.items()):
            probe = self._probes.get(key)
            if probe != reader.probe:
                self._drop(key)
                if probe is not None:
                    self._add(key, reader.number)

    def forget(self) -> None:
        """The pulse that wanted them is gone."""
        for key in list(self._readers):
            self._drop(key)

    async def close(self) -> None:
        """End everything, the commands that run too."""
        tasks = [asker.task for asker in self._askers.values()]
        self.forget()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _could_not_ask(self, key: tuple[str, str], text: str) -> None:
        self._troubles[key] = (asyncio.get_running_loop().time(), text)

    def warnings(self) -> list[str]:
        """What could not be asked lately, through no fault of what is asked."""
        now = asyncio.get_running_loop().time()
        self._troubles = {key: item for key, item in self._troubles.items() if now - item[0] < RECENT / SECOND}
        return [
            f"the probe {name} of {group} could not be asked: {text}; last {format_duration(int(now - at) * SECOND)} ago"
            for (group, name), (at, text) in self._troubles.items()
        ]

    def _add(self, key: tuple[str, str], number: int) -> None:
        probe = self._probes[key]
        now = asyncio.get_running_loop().time()
        question = (probe.check, probe.interval, probe.timeout)
        asker = self._askers.get(question)
        if asker is None:
            start = max(self._next_start, now)
            self._next_start = start + SPREAD / SECOND
            delay = (start - now) % (probe.interval / SECOND)
            asked = Question(probe.check, probe.timeout, self._environment)
            asker = _Asker(asked, probe.interval, delay, partial(self._could_not_ask, key))
            self._askers[question] = asker
        reader = _Reader(key[0], probe, number, self._tell, now + probe.grace / SECOND)
        self._readers[key] = reader
        asker.readers.append(reader)

    def _drop(self, key: tuple[str, str]) -> None:
        reader = self._readers.pop(key)
        probe = reader.probe
        question = (probe.check, probe.interval, probe.timeout)
        asker = self._askers[question]
        asker.readers.remove(reader)
        if not asker.readers:
            asker.task.cancel()
            del self._askers[question]
