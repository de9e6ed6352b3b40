"""The files by which a node of a Heartbeat pair goes over to the native protocol, and back while the other has not followed.

In the runtime directory: what was prepared (``next.*``), what ran before (``old.*``), and a mark that the native protocol is only
being tried. Whoever starts and finds the mark goes back. In the state directory: a record of how far this node is, which outlives
the power and says what ``understudy run --config /etc/ha.d`` has to start.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass

from .running import CONFIGURATION, KEYS, SOURCE, end_change
from .safe_file import write_file

TRIAL = "upgrade.trial"
_NEXT = {"next.key": KEYS, "next.source": SOURCE, "next.toml": CONFIGURATION}
"""In the order in which they are put in place: the configuration last, for it says which protocol is spoken."""

_OLD = {"old.source": SOURCE, "old.toml": CONFIGURATION}
RECORD = "upgrade.json"
PREPARED, NATIVE = "prepared", "native"


@dataclass(frozen=True, slots=True)
class Record:
    """``state``: PREPARED (the files are written, and the pair may go over) or NATIVE (this node has gone over).

    ``folder``: of Heartbeat's files, as this node was started with. ``config``: the native file. ``digest``: what it means.
    ``at``: seconds since 1970.
    """

    state: str
    folder: str
    config: str
    digest: str
    at: int


def read_record(state_dir: str) -> Record | None:
    """None when there is none, or none that makes sense."""
    try:
        with open(os.path.join(state_dir, RECORD), encoding="utf-8") as file:
            found = json.loads(file.read(65536))
        record = Record(**{name: found[name] for name in Record.__slots__})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if record.state in (PREPARED, NATIVE) else None


def write_record(state_dir: str, record: Record) -> None:
    """Raises OSError."""
    text = json.dumps(asdict(record)) + "\n"
    write_file(os.path.join(state_dir, RECORD), text.encode(), 0o600, replace=True)


def forget_record(state_dir: str) -> None:
    """Raises OSError when it is there and stays."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(state_dir, RECORD))


def prepare(runtime_dir: str, text: str, keys: str, source: str) -> None:
    """What this node is to run with after it has gone over. Raises OSError."""
    for name, content in (("next.toml", text), ("next.key", keys), ("next.source", source)):
        write_file(os.path.join(runtime_dir, name), content.encode(), 0o600, replace=True)


def is_prepared(runtime_dir: str, keys: str = "") -> bool:
    """With ``keys``, if they are given."""
    if not all(os.path.exists(os.path.join(runtime_dir, name)) for name in _NEXT):
        return False
    with suppress(OSError), open(os.path.join(runtime_dir, "next.key"), encoding="ascii", errors="replace") as file:
        return keys in ("", file.read())
    return False


def forget(runtime_dir: str) -> None:
    """Nothing is prepared any more. Raises OSError."""
    _remove(runtime_dir, (*_NEXT, *_OLD))


def forget_old(runtime_dir: str) -> None:
    """Before an attempt: what an earlier one kept would be taken for its outcome. Raises OSError."""
    if not in_trial(runtime_dir):
        _remove(runtime_dir, tuple(_OLD))


def begin_afresh(runtime_dir: str) -> None:
    """A start writes its own copies: a trial in which the last life was stopped is over, and its files count no more.

    Raises OSError.
    """
    end_trial(runtime_dir)
    forget(runtime_dir)


def _remove(runtime_dir: str, names: tuple[str, ...]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(runtime_dir, name))


def in_trial(runtime_dir: str) -> bool:
    return os.path.lexists(os.path.join(runtime_dir, TRIAL))


def end_trial(runtime_dir: str) -> None:
    """The native protocol counts from now on, whatever dies. Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(runtime_dir, TRIAL))


def go_over(runtime_dir: str) -> None:
    """Raises OSError; then ``go_back`` is due."""
    for name, target in _OLD.items():
        _copy(runtime_dir, target, name)
    end_change(runtime_dir)  # files of the other protocol, from a reload that is over
    write_file(os.path.join(runtime_dir, TRIAL), b"", 0o600, replace=True)
    for name, target in _NEXT.items():
        _copy(runtime_dir, name, target)


def go_back(runtime_dir: str) -> None:
    """Raises OSError, when not even what was there before can be put in its place."""
    for name, target in _OLD.items():
        if os.path.exists(os.path.join(runtime_dir, name)):
            _copy(runtime_dir, name, target)
    end_trial(runtime_dir)


def _copy(runtime_dir: str, source: str, target: str) -> None:
    with open(os.path.join(runtime_dir, source), "rb") as file:
        write_file(os.path.join(runtime_dir, target), file.read(), 0o600, replace=True)
