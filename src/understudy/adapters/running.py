"""What a node runs with: its own copy of the accepted configuration and of the keys, in the runtime directory.

A process that is started again must mean the same as its dead predecessor and its living siblings. Were it to read the
administrator's file anew, a file that is just being edited would become law at the next crash: other voters, other addresses,
or nothing at all. So ``understudy run`` writes these copies once, and everything it starts reads only them.
"""

from __future__ import annotations

import os

from . import lockfile

CONFIGURATION = "running.toml"
KEYS = "running.key"
FORMER = "former.toml"
"""What ran before a reload whose former parts have not all stopped yet."""

LAST = "last.toml"
"""In the state directory: what this node ran with last, so that who votes is not changed by a start with another file."""

SOURCE = "running.source"
"""Holds the path of the file that was accepted, for messages."""

SERVICES = "services.json"
"""What the balancer runs with (``config.service_copy``). It is there on machines that have, or had, something to balance."""

LIVING = ("pulse", "manager")
"""Whoever of these is alive has read the copies, and they must stay what they are."""


def configuration(runtime_dir: str) -> str:
    return os.path.join(runtime_dir, CONFIGURATION)


def former(runtime_dir: str) -> str:
    """Where the configuration before a reload is, as long as something of it may be here."""
    return os.path.join(runtime_dir, FORMER)


def begin_change(runtime_dir: str) -> None:
    """What runs now is what ran before, from now on. Raises OSError that names the file."""
    path = configuration(runtime_dir)
    try:
        with open(path, "rb") as file:
            content = file.read()
        _write(former(runtime_dir), content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, former(runtime_dir)) from error


def undo_change(runtime_dir: str) -> None:
    """What ran before runs on. Raises OSError."""
    os.replace(former(runtime_dir), configuration(runtime_dir))


def keep_former(runtime_dir: str, state_dir: str) -> None:
    """Keep what runs now also where it outlives the power: who voted before a change of the voters. Raises OSError."""
    _keep(runtime_dir, os.path.join(state_dir, FORMER))


def keep_last(runtime_dir: str, state_dir: str) -> None:
    """What runs now is what the next start is compared with. Raises OSError that names the file."""
    _keep(runtime_dir, os.path.join(state_dir, LAST))


def _keep(runtime_dir: str, path: str) -> None:
    """What runs now, written to ``path``. Raises OSError that names it."""
    try:
        with open(configuration(runtime_dir), "rb") as file:
            _write(path, file.read(), sync=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def forget_former(state_dir: str) -> None:
    """The change is over. Raises OSError."""
    if os.path.lexists(os.path.join(state_dir, FORMER)):
        os.unlink(os.path.join(state_dir, FORMER))
        _sync_folder(state_dir)


def before_this_start(state_dir: str) -> str | None:
    """The file with what ran here before, the one before a change of the voters that was under way first; None: nothing did."""
    paths = (os.path.join(state_dir, name) for name in (FORMER, LAST))
    return next((path for path in paths if os.path.exists(path)), None)


def bring_back(runtime_dir: str, path: str) -> None:
    """A change of the voters goes on after a full stop and start, or begins with it: ``path`` is before it. Raises OSError."""
    with open(path, "rb") as file:
        _write(former(runtime_dir), file.read())


def end_change(runtime_dir: str) -> None:
    """Nothing is left of what ran before. Raises OSError."""
    if os.path.lexists(former(runtime_dir)):
        os.unlink(former(runtime_dir))


def is_in_use(runtime_dir: str) -> bool:
    """Whether there is a copy, and a living process that has read it."""
    if not os.path.exists(configuration(runtime_dir)):
        return False
    return any(lockfile.holder(os.path.join(runtime_dir, f"{name}.lock")) for name in LIVING)


def keep(runtime_dir: str, text: str, keys: str, source: str) -> None:
    """Write the three files, each at once and only for our own user. Raises OSError that names the file.

    What is there already is not written again: a node must start on a full disk, too.
    """
    for name, content in ((KEYS, keys), (SOURCE, source), (CONFIGURATION, text)):
        path = os.path.join(runtime_dir, name)
        try:
            _write(path, content.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error


def keep_services(runtime_dir: str, text: str) -> None:
    """What is balanced from now on. Raises OSError that names the file."""
    path = os.path.join(runtime_dir, SERVICES)
    try:
        _write(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def has_services(runtime_dir: str) -> bool:
    """Whether something is, or was, balanced here."""
    return os.path.exists(os.path.join(runtime_dir, SERVICES))


def keep_keys(runtime_dir: str, keys: str) -> None:
    """Other keys beside the same configuration. Raises OSError that names the file."""
    path = os.path.join(runtime_dir, KEYS)
    try:
        _write(path, keys.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def source(runtime_dir: str) -> str:
    """The path of the file that the copies were made from; empty when nothing says so."""
    try:
        with open(os.path.join(runtime_dir, SOURCE), "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def _write(path: str, content: bytes, sync: bool = False) -> None:
    if _is_already(path, content):
        return
    fresh = f"{path}.new"
    if os.path.lexists(fresh):
        os.unlink(fresh)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(fresh, path)
    if sync:
        _sync_folder(os.path.dirname(path))


def _sync_folder(path: str) -> None:
    """A renamed or removed name outlives the power only when its folder has been written, too."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_already(path: str, content: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return os.fstat(descriptor).st_mode & 0o777 == 0o600 and file.read() == content
