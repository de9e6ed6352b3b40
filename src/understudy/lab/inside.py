"""A private world for a lab, which ends with the process that made it.

``enter`` forks a child that is process 1 of a new PID namespace, with network, mount, host-name and IPC namespaces of its own
(and, for anybody but root, inside a user namespace in which they are root). Everything a lab makes (bridges, cables,
machines, files) lives in there, so the end of that one process, also by ``kill -9`` of either side, is the end of it all:
the kernel kills what is left in the PID namespace and drops networks and mounts with their last user.

    caller (waits, forwards signals) ── fork ──> director (process 1, network namespace = the switch cupboard)
                                                 ├─ machine ha01 (own namespaces, own process 1)
                                                 └─ ...

The director's ``/run`` is an empty tmpfs; ``BASE`` in it holds the lab's files.

``python -m understudy.lab.inside FILE FUNCTION [ARGUMENT...]`` runs one function of a Python file in such a world, for tests.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from ..errors import UnderstudyError
from . import kernel

BASE = "/run/lab"
"""Where the lab's files are, seen by the director and by every machine; gone with the lab."""

_WORLD = kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC


class NoNamespaces(UnderstudyError):
    """The kernel does not let us make namespaces."""


def enter(work: Callable[[], int]) -> int:
    """Run ``work`` as the director of a new private world and return its result as an exit status.

    The caller's own network namespace changes too, so a process calls this once and then ends. SIGTERM and SIGHUP are handed
    on to the director; SIGINT reaches it from the terminal. Raises NoNamespaces with the remedy.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.pidfd_open(os.getpid())
    _leave_host()
    director = os.fork()
    if director == 0:
        status = 70
        try:
            status = _direct(parent, work)
        finally:
            os._exit(status)
    os.close(parent)
    return _wait(director)


def answer(work: Callable[[], object]) -> int:
    """As ``enter``; prints what ``work`` returns, as JSON."""

    def told() -> int:
        print(json.dumps(work()))
        return 0

    return enter(told)


def _leave_host() -> None:
    user, group = os.getuid(), os.getgid()
    try:
        if user == 0 and _may_administer():
            kernel.unshare(_WORLD)
            return
        kernel.unshare(_WORLD | kernel.CLONE_NEWUSER)
    except OSError as error:
        raise NoNamespaces(
            f"the lab cannot make namespaces: {error.strerror}",
            "run it as root, or allow user namespaces: sysctl user.max_user_namespaces (not 0), and on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container start it with --privileged",
        ) from error
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _may_administer() -> bool:
    """Whether this root may administer namespaces: bit 21, CAP_SYS_ADMIN, of the effective set (containers often drop it)."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> 21 & 1)
    return False


def _direct(parent: int, work: Callable[[], int]) -> int:
    """Process 1 of the new world. It dies with its parent, also when that ended before the request to do so."""
    kernel.die_with_parent(signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        return 70
    os.close(parent)
    # Process 1 ignores every signal without a handler.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _furnish()
        return work()
    except KeyboardInterrupt:
        return 130
    except UnderstudyError as error:
        print(f"understudy: {error}", file=sys.stderr)
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return 70
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _furnish() -> None:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    try:
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError as error:
        raise NoNamespaces(
            f"the lab cannot mount its own /proc: {error.strerror}",
            "inside a container the masked /proc forbids it: start the container with --privileged",
        ) from error
    kernel.mount("lab", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    os.mkdir(BASE)


def _wait(director: int) -> int:
    """Wait for the director, handing termination on to it. Its exit status, or 128 + the signal that ended it."""

    def forward(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(director, number)

    former = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGHUP)}
    former[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _, status = os.waitpid(director, 0)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _call(path: str, name: str, arguments: list[str]) -> int:
    specification = importlib.util.spec_from_file_location("inside_case", path)
    if specification is None or specification.loader is None:
        print(f"cannot load {path}", file=sys.stderr)
        return 2
    module = importlib.util.module_from_spec(specification)
    sys.modules["inside_case"] = module
    sys.path.insert(0, os.path.dirname(path))
    specification.loader.exec_module(module)
    function = getattr(module, name)
    return int(getattr(function, "case", function)(*arguments) or 0)


def main() -> None:
    if len(sys.argv) < 3:
        print("usage: python -m understudy.lab.inside FILE FUNCTION [ARGUMENT...]", file=sys.stderr)
        sys.exit(2)
    path, name, *arguments = sys.argv[1:]
    try:
        code = enter(lambda: _call(os.path.abspath(path), name, arguments))
    except NoNamespaces as error:
        print(f"understudy: {error}", file=sys.stderr)
        code = 77
    sys.exit(code)


if __name__ == "__main__":
    main()
