"""Reads what ``understudy dump`` or a crash wrote (``pulse/recorder.py``): the core as it was, and what it was told and wished.

A recording may come from a stranger. Events are built by the types of their fields, nothing else. The copy of the core is a
pickle, which could otherwise call anything: only classes that are defined in the core and the words are loaded, a few plain
containers, and methods of those classes (docs/decisions/0011).
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import random
import sys
import types
import typing
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass
from enum import Enum, EnumMeta
from typing import Any

from .. import __version__, events
from ..core.node import Node
from ..errors import UnderstudyError
from ..events import Event
from ..units import Instant

FORMAT = 1

_ROOT = __name__.partition(".")[0]
_MODULES = tuple(
    f"{_ROOT}.{name}"
    for name in (
        "core.",
        "effects",
        "events",
        "fence_devices",
        "heartbeat3",
        "hours",
        "messages",
        "model",
        "probes",
        "snapshot",
    )
)
_CONTAINERS: dict[tuple[str, str], type] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("collections", "Counter"): Counter,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "deque"): deque,
    ("random", "Random"): random.Random,
}


class BadRecording(UnderstudyError):
    """The file is no recording, or one that this program cannot read. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``effects`` as JSON has them; None: the core failed inside."""

    line: int
    now: Instant
    event: Event
    effects: list[Any] | None


@dataclass(frozen=True, slots=True)
class Recording:
    """``core``: as it was before the first entry. ``crash``: the traceback with which the pulse ended, "" for a dump."""

    node: str
    core: Node
    entries: tuple[Entry, ...] = field(default=())
    crash: str = ""


def read_recording(lines: Iterable[str]) -> Recording:
    """Raises BadRecording."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise BadRecording("the file is empty")
    heading = _object(*numbered[0])
    _judge(heading)
    core, crash, entries = "", "", []
    for number, line in numbered[1:]:
        item = _object(number, line)
        if "core" in item:
            core += str(item["core"])
        elif "crash" in item:
            crash = str(item["crash"])
        else:
            entries.append(_entry(number, item))
    node = str(heading.get("node", ""))
    if not core:
        raise BadRecording("the recording holds no copy of the core to begin with")
    return Recording(node, load_core(core), tuple(entries), crash)


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise BadRecording(f"line {number} is no JSON; was the file cut off while it was copied?") from None
    if not isinstance(found, dict):
        raise BadRecording(f"line {number} is no JSON object")
    return found


def _judge(heading: dict[str, Any]) -> None:
    if "recording" not in heading:
        raise BadRecording("line 1 is not the heading of a recording; `understudy dump` writes one")
    if heading["recording"] != FORMAT:
        raise BadRecording(f"the recording has format {heading['recording']}, this program reads format {FORMAT}")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    made = (str(heading.get("version")), str(heading.get("python")))
    if made != (__version__, python):
        raise BadRecording(
            f"understudy {made[0]} wrote it with Python {made[1]}, and only the same code can be asked again; "
            f"this is understudy {__version__} with Python {python}"
        )


def _entry(number: int, item: dict[str, Any]) -> Entry:
    event = item.get("event")
    if isinstance(event, dict) and event.get("type") in _OLD:
        text = "it is of a node that spoke the protocol of Heartbeat 3: people can read it, but that core cannot be asked again"
        raise BadRecording(text)
    try:
        effects = item["effects"]
        if effects is not None and not isinstance(effects, list):
            raise TypeError("effects is no list")
        return Entry(
            number, int(item["at"]), typing.cast(Event, build(EVENTS[item["event"]["type"]], item["event"])), effects
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecording(f"line {number} is no entry of a recording ({type(error).__name__}: {error})") from None


# Events


def _leaves(kind: Any) -> tuple[type, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


EVENTS: dict[str, type] = {kind.__name__: kind for kind in _leaves(events.Event)}
_OLD = frozenset({"OldReceived", "HostSeen"})
"""Events of ``old_pair``, in which there are bytes that the form of a recording does not keep."""
_hints: dict[type, dict[str, Any]] = {}


def build(kind: Any, value: Any) -> Any:
    """A value of the type ``kind`` out of what ``json.loads`` gave for it. Raises KeyError, TypeError or ValueError."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of(_leaves(kind), value)
    if origin is tuple:
        parts = typing.get_args(kind)
        if not isinstance(value, list):
            raise TypeError(f"a list was expected, not {value!r}")
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple([build(parts[0], item) for item in value])
        return tuple([build(part, item) for part, item in zip(parts, value, strict=True)])
    if is_dataclass(kind):
        return _build_dataclass(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is type(None) or kind in (int, bool, str, float):
        if type(value) is not (kind if kind is not type(None) else type(None)):
            raise TypeError(f"{kind.__name__} was expected, not {value!r}")
        return value
    raise TypeError(f"no value can be built for {kind}")


def _build_dataclass(kind: Any, value: Any) -> Any:
    name: str = kind.__name__
    if value["type"] != name:
        raise TypeError(f"{name} was expected, not {value['type']}")
    hints = _hints.get(kind) or _hints.setdefault(kind, typing.get_type_hints(kind))
    words = {"type" if name == "type_" else name: item for name, item in value.items() if name != "type"}
    return kind(**{name: build(hints[name], item) for name, item in words.items()})


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, dict):
        named = {kind.__name__: kind for kind in kinds if isinstance(kind, type)}
        return build(named[value["type"]], value)
    for kind in kinds:
        try:
            return build(kind, value)
        except (KeyError, TypeError, ValueError):
            continue
    raise TypeError(f"{value!r} is none of {', '.join(map(str, kinds))}")


# The core


def _method(owner: object, name: str) -> Any:
    """What pickles use ``getattr`` for: a method of one of our objects; before Python 3.11.4 members of enumerations, too."""
    if isinstance(owner, EnumMeta) and owner.__module__.startswith(_MODULES) and name in owner.__members__:
        return owner[name]
    if not type(owner).__module__.startswith(_MODULES) or name.startswith("__"):
        raise pickle.UnpicklingError(f"{type(owner).__name__}.{name} may not be loaded")
    found = getattr(owner, name)
    if not isinstance(found, types.MethodType):
        raise pickle.UnpicklingError(f"{type(owner).__name__}.{name} is no method")
    return found


class _Unpickler(pickle._Unpickler):
    """Python's own, because that of C cannot be told what not to fill."""

    dispatch: typing.ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def load_build(self) -> None:
        """A state is for an object: given to a class it would replace the methods of all."""
        target = self.stack[-2]  # type: ignore[attr-defined]
        if isinstance(target, type | types.FunctionType | types.MethodType):
            raise pickle.UnpicklingError(f"{target!r} may not be changed")
        super().load_build()  # type: ignore[misc]

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        """Only what a core consists of."""
        if (module, name) == ("builtins", "getattr"):
            return _method
        known = _CONTAINERS.get((module, name))
        if known is not None:
            return known
        if module.startswith(_MODULES) and "." not in name:
            found = getattr(sys.modules.get(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a core")


def load_core(text: str) -> Node:
    """The core out of its base64. Raises BadRecording."""
    try:
        found = _Unpickler(io.BytesIO(base64.b64decode(text, validate=True))).load()
    except binascii.Error:
        raise BadRecording("the copy of the core is damaged") from None
    except Exception as error:  # whatever a stranger's bytes make of it
        raise BadRecording(f"the copy of the core cannot be loaded: {error}") from None
    if not isinstance(found, Node):
        raise BadRecording("the copy of the core is something else")
    return found
