"""A recording, read again and asked again."""

from __future__ import annotations

import base64
import json
import os
import pickle
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy import events
from understudy.cli.replay import command
from understudy.core.node import Node
from understudy.effects import Effect
from understudy.messages import Phase
from understudy.model import Cluster
from understudy.plain import plain
from understudy.pulse.recorder import ENTRIES, Recorder
from understudy.sim.recording import EVENTS, BadRecording, build, load_core, read_recording
from understudy.sim.replay import replay
from understudy.sim.run import run_seed

# A node that keeps a recording while the simulator troubles it


class Recorded:
    """Stands before a core, as the loop of a pulse does."""

    def __init__(self, core: Node, recorder: Recorder) -> None:
        self.core = core
        self.recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def handle(self, event: events.Event, now: int) -> list[Effect]:
        self.recorder.told(now, event)
        effects = self.core.handle(event, now)
        self.recorder.wished(effects)
        return effects


def record(seed: int, entries: int = ENTRIES) -> list[Recorder]:
    """What all nodes that ran have recorded."""
    recorders: list[Recorder] = []

    def make(cluster: Cluster, me: str) -> Any:
        core = Node(cluster, me)
        recorders.append(Recorder(me, lambda: pickle.dumps(core, 5), entries))
        return Recorded(core, recorders[-1])

    assert run_seed(seed, make).findings == ()
    return recorders


@pytest.fixture(scope="module")
def recorders() -> list[Recorder]:
    return [recorder for seed in (0, 3, 11) for recorder in record(seed)]


@pytest.fixture(scope="module")
def lines(recorders: list[Recorder]) -> list[str]:
    """Of the one that was told most."""
    return max((list(recorder.lines()) for recorder in recorders), key=len)


def test_whatever_happens_is_answered_the_same(recorders: list[Recorder]) -> None:
    assert len(recorders) > 10
    for recorder in recorders:
        recording = read_recording(recorder.lines())
        done = replay(recording)
        assert done.difference is None, done.difference
        assert done.entries == len(recording.entries)
        assert recording.node in recording.core.cluster.names


def test_a_ring_that_has_lost_its_beginning_begins_with_the_core_of_then() -> None:
    recordings = [read_recording(recorder.lines()) for recorder in record(3, 100)]
    late = [recording for recording in recordings if not isinstance(recording.entries[0].event, events.Started)]
    assert len(late) > 2
    for recording in late:
        assert 50 < len(recording.entries) <= 100
        done = replay(recording)
        assert done.difference is None, done.difference


def test_the_first_other_answer_is_shown(lines: list[str]) -> None:
    number = next(at for at, line in enumerate(lines) if '"type": "Note"' in line)
    entry = json.loads(lines[number])
    note = next(effect for effect in entry["effects"] if effect["type"] == "Note")
    note["why"] = "something else was decided"
    done = replay(read_recording([*lines[:number], json.dumps(entry), *lines[number + 1 :]]))
    assert done.difference is not None
    assert done.difference.line == number + 1
    assert "something else was decided" in done.difference.there
    assert "something else" not in done.difference.here
    assert json.loads(done.difference.event) == entry["event"]


def test_another_order_is_another_answer(lines: list[str]) -> None:
    number = next(at for at, line in enumerate(lines) if len(json.loads(line).get("effects") or []) > 1)
    entry = json.loads(lines[number])
    entry["effects"].reverse()
    assert replay(read_recording([*lines[:number], json.dumps(entry), *lines[number + 1 :]])).difference is not None


def test_a_core_that_failed_fails_again(lines: list[str]) -> None:
    """The pulse was told something that its core takes for impossible, and ended."""
    first = json.loads(lines[-1])
    impossible = {"at": first["at"] - 10**18, "event": {"type": "Stalled", "duration": 1}, "effects": None}
    done = replay(read_recording([*lines, json.dumps(impossible), json.dumps({"crash": "Traceback"})]))
    if not done.failure:  # the core bears it: then that it once did not is the difference
        assert done.difference is not None
        assert done.difference.there == "it failed inside"


# The form of it

_SCALARS = {int: st.integers(-(2**63), 2**64 - 1), str: st.text(max_size=8)}


for _kind, _strategy in _SCALARS.items():
    st.register_type_strategy(_kind, _strategy)


@settings(max_examples=300, deadline=None)
@given(st.one_of([st.from_type(kind) for kind in EVENTS.values()]))
def test_every_event_survives_the_file(event: Any) -> None:
    again = build(type(event), json.loads(json.dumps(plain(event))))
    assert again == event
    assert [type(getattr(again, item.name)) for item in fields(again)] == [
        type(getattr(event, item.name)) for item in fields(event)
    ]


def broken(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    heading = json.loads(lines[0])
    yield "the file is empty", []
    yield "line 1 is not the heading", lines[1:]
    yield "no JSON; was the file cut off", [*lines, lines[-1][:20]]
    yield "line 1 is no JSON object", ["[]"]
    yield "this program reads format 1", [json.dumps(heading | {"recording": 2}), *lines[1:]]
    yield "only the same code can be asked again", [json.dumps(heading | {"version": "0.0.1"}), *lines[1:]]
    yield "holds no copy of the core", [line for line in lines if not line.startswith('{"core"')]
    yield "the copy of the core is damaged", [lines[0], '{"core": "%%"}']
    yield "spoke the protocol of Heartbeat 3", [*lines, '{"at": 1, "event": {"type": "HostSeen"}, "effects": []}']
    yield "is no entry of a recording", [*lines, '{"at": 1, "event": {"type": "Nothing"}, "effects": []}']
    yield (
        "is no entry of a recording",
        [*lines, '{"at": 1, "event": {"type": "Stalled", "duration": "x"}, "effects": []}'],
    )


def test_bad_files_are_refused_with_a_sentence(lines: list[str]) -> None:
    for text, bad in broken(lines):
        with pytest.raises(BadRecording, match=text):
            read_recording(bad)


class Evil:
    def __init__(self, *what: Any) -> None:
        self.what = what

    def __reduce__(self) -> Any:
        return self.what[0], tuple(self.what[1:])


@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "true"),
        Evil(eval, "1"),
        Evil(getattr, Phase.STOPPED, "__class__"),
        Evil(getattr, "text", "format"),
        Evil(__import__, "os"),
        ["not a core"],
    ],
    ids=["system", "eval", "class", "format", "import", "list"],
)
def test_a_strangers_core_calls_nothing(evil: Any) -> None:
    with pytest.raises(BadRecording, match=r"cannot be loaded|something else"):
        load_core(base64.b64encode(pickle.dumps(evil, 5)).decode())


def test_a_strangers_core_changes_no_class() -> None:
    """GLOBAL Node, then BUILD with a state for its slots: set as attributes of the class."""
    before = Node.handle
    build = b"\x80\x02cunderstudy.core.node\nNode\n(N}(X\x06\x00\x00\x00handlec__builtin__\nset\nut" + b"b."
    with pytest.raises(BadRecording, match=r"may not be changed|cannot be loaded"):
        load_core(base64.b64encode(build).decode())
    assert Node.handle is before


# The command


def test_the_command(lines: list[str], tmp_path: Any) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_text("\n".join(lines) + "\n")
    told = CliRunner().invoke(command, [str(path)])
    assert told.exit_code == 0, told.output
    assert "The answers are the same." in told.output
    story = CliRunner().invoke(command, ["--story", str(path)])
    assert "started; it grants nothing for" in story.output
    entry = next(at for at, line in enumerate(lines) if '"type": "Send"' in line)
    path.write_text(
        "\n".join([*lines[:entry], lines[entry].replace('"type": "Send"', '"type": "Sent"'), *lines[entry + 1 :]])
    )
    wrong = CliRunner().invoke(command, ["--json", str(path)])
    assert wrong.exit_code == 1
    answer = json.loads(wrong.output)
    assert answer["ok"] is False
    assert answer["difference"]["line"] == entry + 1
