"""What instances and groups look at: ``vrrp_script``, ``track_file``, ``vrrp_track_process``, and the ``track_*`` lists."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeVar

from ..units import HOUR, SECOND
from ..vrrp_files import Track, TrackedFile, TrackedProcess, TrackedScript
from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .keepalived_text import command_words
from .keepalived_tree import Statement
from .keepalived_values import choice, command, flag, seconds, user, whole
from .report import Report, suggestion

KINDS = {"track_interface": "interface", "track_script": "script", "track_process": "process", "track_file": "file"}
MOST_WEIGHT = 253
_Kind = TypeVar("_Kind")
_WHOLE = re.compile(r"[+-]?[0-9]{1,6}", re.ASCII)


@dataclass(slots=True)
class Tracked:
    """Everything that may be tracked, by its name."""

    scripts: dict[str, TrackedScript] = field(default_factory=dict)
    files: dict[str, TrackedFile] = field(default_factory=dict)
    processes: dict[str, TrackedProcess] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, TrackedScript] | dict[str, TrackedFile] | dict[str, TrackedProcess]:
        if kind == "script":
            return self.scripts
        return self.files if kind == "file" else self.processes


def read_tracked(report: Report, tree: list[Statement]) -> Tracked:
    """The three kinds of blocks. What lacks the thing to look at is left out with a warning, as there."""
    found = Tracked()
    for block in tree:
        if block.name == "vrrp_script":
            _named(report, block, found.scripts, _script(report, block))
        elif block.name in ("track_file", "vrrp_track_file"):
            _named(report, block, found.files, _file(report, block))
        elif block.name == "vrrp_track_process":
            _named(report, block, found.processes, _process(report, block))
    return found


def _named(report: Report, block: Statement, found: dict[str, _Kind], made: _Kind | None) -> None:
    name = block.words[1].text if len(block.words) > 1 else ""
    if made is None or not name:
        return
    if name in found:
        report.warning(block.words[1].place, f'"{name}" is there already; keepalived ignores the second', "Rename it.")
        return
    found[name] = made


def _weight(report: Report, statement: Statement, beyond: str = "it does not count") -> tuple[int, bool] | None:
    word = statement.value()
    if word is None:
        return None
    if not _WHOLE.fullmatch(word.text):
        report.warning(word.place, f'the weight "{word.text}" is not a whole number; {beyond}', "")
        return None
    number = int(word.text)
    if not -MOST_WEIGHT <= number <= MOST_WEIGHT:
        number = max(-MOST_WEIGHT, min(MOST_WEIGHT, number))
        text = f'the weight "{word.text}" must be from -253 to 253; {number} is taken, which is as much'
        report.warning(word.place, text, "Priorities end at 1 and 254 whatever the sum.")
    more = statement.value(2)
    if more is not None and more.text != "reverse":
        report.warning(more.place, f'unknown word "{more.text}" behind a weight; keepalived ignores it', "")
    return number, more is not None and more.text == "reverse"


def _script(report: Report, block: Statement) -> TrackedScript | None:
    said: dict[str, object] = {}
    for statement in block.block or ():
        name = statement.name
        if name == "script":
            made = command(report, statement, users=False)
            said |= {} if made is None else {"command": made[0]}
        elif name in ("interval", "timeout"):
            number = whole(report, statement, 1, 1_000_000, "1 is taken")
            said[name] = (number or 1) * SECOND
        elif name in ("rise", "fall"):
            said[name] = whole(report, statement, 1, 2**31 - 1, "1 is taken") or 1
        elif name == "weight":
            found = _weight(report, statement)
            said |= {} if found is None else {"weight": found[0], "reverse": found[1]}
        elif name == "user":
            who = user(report, list(statement.words[1:]))
            said |= {} if who is None else {"user": who}
        elif name == "init_fail":
            said["begins_failed"] = flag(report, statement)
    name = block.words[1].text if len(block.words) > 1 else ""
    if "command" not in said:
        text = f'the vrrp_script "{name}" has no script; keepalived leaves it out, and nothing is tracked by it'
        report.warning(block.place, text, 'Write script "/path/of/program ARGUMENTS" in it.')
        return None
    said.setdefault("timeout", said.get("interval", SECOND))
    return TrackedScript(name, **said)  # type: ignore[arg-type]


def _file(report: Report, block: Statement) -> TrackedFile | None:
    said: dict[str, object] = {}
    for statement in block.block or ():
        words = statement.words
        if statement.name == "file" and len(words) > 1:
            said["path"] = words[1].text
        elif statement.name == "weight":
            found = _weight(report, statement)
            said |= {} if found is None else {"weight": found[0], "reverse": found[1]}
        elif statement.name == "init_file":
            said["initial"] = 0
            for word in words[1:]:
                if word.text == "overwrite":
                    said["overwrite"] = True
                elif _WHOLE.fullmatch(word.text):
                    said["initial"] = int(word.text)
                else:
                    report.warning(
                        word.place, f'unknown word "{word.text}" behind init_file; keepalived ignores it', ""
                    )
    name = block.words[1].text if len(block.words) > 1 else ""
    if not str(said.get("path", "")).startswith("/"):
        report.warning(block.place, f'the track_file "{name}" has no whole path; it is left out', 'Write file "/PATH".')
        return None
    return TrackedFile(name, **said)  # type: ignore[arg-type]


def _process(report: Report, block: Statement) -> TrackedProcess | None:
    said: dict[str, object] = {}
    for statement in block.block or ():
        name = statement.name
        if name == "process":
            words = command_words(statement.text)[1:]
            said["process"] = tuple(word.text for word in words)
        elif name == "weight":
            found = _weight(report, statement)
            said |= {} if found is None else {"weight": found[0], "reverse": found[1]}
        elif name in ("quorum", "quorum_max"):
            said[name] = whole(report, statement, 0 if name == "quorum_max" else 1, 65535, "it does not count") or (
                1 if name == "quorum" else 0
            )
        elif name in ("delay", "terminate_delay", "fork_delay"):
            span = seconds(report, statement, 0, HOUR, "there is no delay") or 0
            said |= {which: span for which in ("terminate_delay", "fork_delay") if name in (which, "delay")}
        elif name == "full_command":
            said["full_command"] = flag(report, statement)
        elif name == "param_match" and (word := statement.value()) is not None:
            known = choice(report, word, ("exact", "initial", "partial"), "param_match", "exact is taken")
            said["parameters"] = "" if known in (None, "exact") else known
            said["full_command"] = True
    name = block.words[1].text if len(block.words) > 1 else ""
    process = said.get("process")
    if not process or not isinstance(process, tuple) or not process[0]:
        report.warning(
            block.place, f'the vrrp_track_process "{name}" names no process; it is left out', "Write process NAME."
        )
        return None
    if len(process) > 1:
        said["full_command"] = True
    return TrackedProcess(name, **said)  # type: ignore[arg-type]


def read_tracks(report: Report, block: Statement, tracked: Tracked, owner: str) -> list[Track]:
    """The lines of one ``track_*`` list. A weight left out is the object's own."""
    kind = KINDS[block.name]
    found: list[Track] = []
    for line in block.block or ():
        first = line.words[0]
        if kind == "interface" and isinstance(device := read_device(first.text), Wrong):
            report.error(first.place, device.text, device.hint)
            continue
        if kind != "interface" and first.text not in tracked.of(kind):
            hint = suggestion(first.text, tuple(tracked.of(kind)), "There are")
            report.warning(
                first.place, f'{owner} tracks the {kind} "{first.text}", which is not there; it is left out', hint
            )
            continue
        if any(track.name == first.text for track in found):
            report.warning(first.place, f'{owner} tracks the {kind} "{first.text}" twice', "Keep one of the lines.")
            continue
        weight, reverse = 0, False
        if kind != "interface":
            whole_object = tracked.of(kind)[first.text]
            weight, reverse = whole_object.weight, whole_object.reverse
        given = _given(report, list(line.words[1:]))
        if given is not None:
            weight, reverse = given[0], given[1] or reverse
        found.append(Track(kind, first.text, weight, reverse))
    return found


def _given(report: Report, words: list[Word]) -> tuple[int, bool] | None:
    """``weight N [reverse]`` behind a name."""
    if not words:
        return None
    if words[0].text != "weight" or len(words) < 2:
        text = f'"{words[0].text}" behind a tracked name is not "weight" with a number; keepalived ignores it'
        report.warning(words[0].place, text, 'Write "NAME weight -20".')
        return None
    number = words[1]
    if not _WHOLE.fullmatch(number.text) or not -MOST_WEIGHT <= int(number.text) <= MOST_WEIGHT:
        report.warning(number.place, f'the weight "{number.text}" must be from -253 to 253; it does not count', "")
        return None
    reverse = len(words) > 2 and words[2].text == "reverse"
    return int(number.text), reverse
