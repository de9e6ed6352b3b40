"""A list of faults, played on a stage: what was done, what the cluster said, what the client saw; at the end a table.

Every fault, and every mending of one, is one row. A row is bad when two machines served the address at any sampled
millisecond, when the wrong machine (or none) answered at the end, when the outage was longer than the scene allows, or
when the command itself could not be carried out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import kernel
from .netns import LabError
from .samples import Gap
from .scene import Fault, Scene
from .stage import Stage
from .watch import Seen

_GLANCE = 0.03
_SILENCE = 60 * MILLISECOND
_SETTLE = 15 * SECOND
_START_UP = 45 * SECOND
SCHEMA = 1

_WORTH_SAYING = 50.0
"""Milliseconds by which the client is late: less is no news."""

_PAGES_MORE = 100 * MILLISECOND
"""A page is asked for every 20 ms only, and comes from a web server of ordinary priority beside all the others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Spans in milliseconds; null where it was not asked.

    ``client_late_ms``: how late the client itself was, which asks every millisecond. Of a machine that stands still for so long
    no better can be asked, so an outage is judged without it, and the table says so.
    """

    fault: str
    before: str
    after: str
    outage_ms: float | None
    page_outage_ms: float | None
    two_ms: int
    lost: int
    client_late_ms: float
    bad: str


class Timeline:
    """What happens, line by line, with the seconds since the beginning. ``quiet`` prints nothing (``--json``)."""

    def __init__(self, stage: Stage, output: TextIO | None) -> None:
        self._stage, self._output = stage, output
        self._start = kernel.now()
        self._colour = output is not None and output.isatty()
        self._answering = ""
        self._since: Instant = 0
        self._silent = True

    def say(self, who: str, text: str, colour: int = 0, at: Instant | None = None) -> None:
        """One line; ``at`` is when it happened (default: now)."""
        if self._output is None:
            return
        stamp = f"{((kernel.now() if at is None else at) - self._start) / SECOND:7.2f}"
        line = f"{stamp}  {who:<8}  {text}"
        if self._colour and colour:
            line = f"\x1b[{colour}m{line}\x1b[0m"
        print(line, file=self._output, flush=True)

    def title(self, text: str) -> None:
        if self._output is not None:
            print(f"\n── {text} " + "─" * max(0, 96 - len(text)), file=self._output, flush=True)

    def glance(self) -> None:
        """Print what has changed since the last glance: the cluster's words, and the client's fortune."""
        for told in sorted(self._stage.told(), key=lambda told: told.at):
            self.say(told.machine, told.text, {"warning": 33, "error": 31}.get(told.level, 36), told.at)
        now = kernel.now()
        recent = self._stage.watchers.questions(now - 2 * SECOND, now)
        last = max((sample for sample in recent if sample.answered), key=lambda sample: sample.answered, default=None)
        if last is None or now - last.answered > _SILENCE:
            if not self._silent:
                self._silent, self._since = True, last.answered if last else now
                self.say("client", "no answer from the address", 31)
            return
        name = self._stage.watchers.name(last)
        if self._silent and self._since:
            back = min((sample.answered for sample in recent if sample.answered > self._since), default=now)
            self.say("client", f"answered again, by {name}, after {(back - self._since) / MILLISECOND:.0f} ms", 32)
        elif name != self._answering:
            self.say("client", f"the address is answered by {name}", 32)
        self._silent, self._since, self._answering = False, 0, name

    def until(self, end: Instant, enough: Callable[[], bool] = lambda: False) -> bool:
        """Go on glancing until ``end``, or until ``enough()``; whether it was enough."""
        while kernel.now() < end:
            self.glance()
            if enough():
                return True
            time.sleep(_GLANCE)
        self.glance()
        return enough()


class Play:
    """Plays the faults of a scene."""

    def __init__(self, stage: Stage, output: TextIO | None) -> None:
        self.stage = stage
        self.timeline = Timeline(stage, output)
        self.rows: list[Row] = []

    def begin(self) -> None:
        """Set the stage up and wait until the cluster serves. Raises LabError when it does not within 45 s."""
        scene = self.stage.scene
        self.timeline.title(scene.title)
        for line in scene.story.strip().splitlines():
            self.timeline.say("", line)
        self.timeline.say("lab", f"power for {', '.join(self.stage.daemons)}")
        self.stage.set_up()
        if not self.timeline.until(kernel.now() + _START_UP, self._serves):
            lines = [f"the cluster did not come up: {self.stage.well() or 'the client gets no answer'}"]
            for name, daemon in self.stage.daemons.items():
                lines += [f"{name}: {line}" for line in daemon.log_tail()]
            raise LabError("\n".join(lines))
        self._go_home()
        self.timeline.say("lab", f"the cluster is up; {self.stage.watchers.who()} serves")

    def _go_home(self) -> None:
        """The faults of a list begin with every group on the node that it prefers; whoever was up first may have it now."""
        stage = self.stage
        for group, values in stage.scene.groups.items():
            home = (values.get("prefer") or [""])[0]
            if not home or not stage.scene.faults:
                continue
            if values.get("failback") == "never" and self.stage.watchers.who() != home:
                self.timeline.say("lab", stage.do(f"move {group} {home}"), 1)
            if not self.timeline.until(kernel.now() + _SETTLE, lambda to=home: self._as_expected(to)):  # type: ignore[misc]
                raise LabError(f"{group} did not come to {home}, which it prefers")

    def _serves(self) -> bool:
        watchers = self.stage.watchers
        if not watchers.who() or (self.stage.scene.has_site and not watchers.who_gives_pages()):
            return False
        return not self.stage.well()

    def run(self, faults: Sequence[Fault]) -> None:
        for number, fault in enumerate(faults, 1):
            self.timeline.title(f"{number}. {fault.name}")
            self._act(fault.name, fault.says, fault.do, fault.watch, fault.expect, fault.most)
            if fault.mend:
                name = f"{fault.name}: mended"
                self._act(name, fault.mend_says, fault.mend, fault.watch, fault.mend_expect, fault.mend_most)

    def _act(
        self, name: str, says: str, do: Sequence[str], watch: Duration, expect: str, most: Duration | None
    ) -> None:
        if says:
            self.timeline.say("", says)
        start = kernel.now()
        complaint = ""
        for line in do:
            try:
                done = self.stage.do(line)
                self.timeline.say("lab", done, 1)
            except LabError as error:
                complaint = error.text
                self.timeline.say("lab", f"{line}: {error}", 31)
        begin = max(start, kernel.now() - watch)
        self.timeline.until(begin + watch)
        self.timeline.until(begin + watch + _SETTLE, lambda: self._as_expected(expect))
        seen = self.stage.watchers.seen(start, kernel.now())
        self.rows.append(row_of(name, seen, expect, most, complaint))
        self.timeline.say("lab", _sentence(self.rows[-1]), 31 if self.rows[-1].bad else 32)

    def _as_expected(self, expect: str) -> bool:
        watchers = self.stage.watchers
        if expect == "nobody":
            return not watchers.who()
        if expect and watchers.who() != expect:
            return False
        pages = watchers.who_gives_pages()
        return not self.stage.scene.has_site or (bool(pages) and (not expect or pages == expect))


def _milliseconds(gap: Gap | None) -> float | None:
    return None if gap is None else round(gap.length / MILLISECOND, 1)


def row_of(name: str, seen: Seen, expect: str, most: Duration | None, complaint: str) -> Row:
    bad = [complaint] if complaint else []
    if seen.two:
        bad.append(f"two machines answered in {seen.two} samples")
    if expect == "nobody":
        if seen.after:
            bad.append(f"{seen.after} answers, nobody should")
    elif (seen.after or "nobody") != (expect or seen.after or "somebody"):
        bad.append(f"{seen.after or 'nobody'} answers instead of {expect or 'somebody'}")
    gaps = [gap for gap in (seen.address, seen.page) if gap is not None]
    longest = max((gap.length - gap.own_lateness - (_PAGES_MORE if gap is seen.page else 0) for gap in gaps), default=0)
    if most is not None and longest > most:
        bad.append(f"the outage is above {most / MILLISECOND:.0f} ms")
    if expect != "nobody" and any(not gap.mended and gap.length > SECOND for gap in gaps):
        bad.append("the service has not come back")
    late = max((gap.own_lateness for gap in gaps[:1]), default=0) / MILLISECOND
    page = _milliseconds(seen.page)
    outage = _milliseconds(seen.address)
    return Row(name, seen.before, seen.after, outage, page, seen.two, seen.lost, round(late, 1), "; ".join(bad))


def _sentence(row: Row) -> str:
    if row.bad:
        return f"NOT as it should be: {row.bad}"
    who = f"{row.after} answers" if row.before == row.after else f"{row.before or 'nobody'} → {row.after or 'nobody'}"
    page = "" if row.page_outage_ms is None else f", without a page {row.page_outage_ms:.0f} ms"
    return f"{who}; longest time without an answer {row.outage_ms:.0f} ms{page}; two at once: never"


def table(rows: Sequence[Row], pages: bool) -> str:
    """The rows for people."""
    heads = ["fault", "answered before", "after", "outage ms", *(["page ms"] if pages else []), "ms with two", ""]
    lines = [heads]
    for row in rows:
        cells = [row.fault, row.before or "nobody", row.after or "nobody", _number(row.outage_ms)]
        if pages:
            cells.append(_number(row.page_outage_ms))
        verdict = "BAD: " + row.bad if row.bad else "ok"
        late = (
            f" (this machine itself was late by {row.client_late_ms:.0f} ms)"
            if row.client_late_ms > _WORTH_SAYING
            else ""
        )
        lines.append([*cells, str(row.two_ms), verdict + late])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) - 1)]
    right = set(range(3, len(heads) - 1))
    text = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        text.append("  ".join([*cells, line[-1]]).rstrip())
    text.insert(1, "─" * (len(text[0]) + 4))
    return "\n".join(text)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def as_json(scene: Scene, rows: Sequence[Row]) -> dict[str, Any]:
    """The rows for scripts."""
    return {
        "schema": SCHEMA,
        "scene": scene.title,
        "ok": not any(row.bad for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def explain(pages: bool, output: TextIO = sys.stdout) -> None:
    """What the columns of the table mean."""
    print(
        "\noutage ms: the longest time between two answers at the client, which asks every millisecond (1 to 5: nothing)."
        + ("\npage ms: the same for a page fetched every 20 ms; programs take time to start." if pages else "")
        + "\nms with two: sampled milliseconds at which two machines answered for the address. It must be 0.",
        file=output,
    )
