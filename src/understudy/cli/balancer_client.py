"""Ask the balancer of this machine: a line of JSON over its own socket, whether a manager is there or not.

``ldirectord FILE start`` of ``install-compat`` begins a daemon with a runtime directory of its own, below the one that is asked
(``own_folder``). It is meant where the daemon of that one does not balance.
"""

from __future__ import annotations

import glob
import json
import os
import socket
from typing import Any

from ..errors import NotRunning, Refused, TimedOut, UsageError

NAME = "balancer.sock"


def own_folder(runtime_dir: str, name: str) -> str:
    """The runtime directory of the daemon that the tool ``ldirectord`` begins for the file ``name``."""
    return os.path.join(runtime_dir, f"ldirectord.{os.path.basename(name)}")


def meant(runtime_dir: str) -> str:
    """The runtime directory that is to be asked where ``runtime_dir`` is given. Raises UsageError where several are."""
    if _listens(runtime_dir) or _comes_back(runtime_dir):
        return runtime_dir
    folders = sorted(glob.glob(own_folder(glob.escape(runtime_dir), "*")))
    others = [folder for folder in folders if _listens(folder) or _comes_back(folder)]
    if len(others) > 1:
        raise UsageError("several balancers run on this machine", f"choose with --runtime-dir: {', '.join(others)}")
    return others[0] if others else runtime_dir


def _listens(runtime_dir: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as handle:
            handle.settimeout(1.0)
            handle.connect(os.path.join(runtime_dir, NAME))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except OSError:  # it is there, and may not be used, or is slow
        return True
    return True


def _comes_back(runtime_dir: str) -> bool:
    """Whether the daemon of ours has services, and its balancer is away for the moment."""
    from ..adapters import lockfile, running

    return running.has_services(runtime_dir) and bool(lockfile.holder(os.path.join(runtime_dir, "supervisor.lock")))


def ask(runtime_dir: str, limit: float = 5.0, **asked: object) -> dict[str, Any]:
    """Of the balancer of this very directory. ``limit`` in seconds. Raises NotRunning, Refused, TimedOut or UsageError."""
    path = os.path.join(runtime_dir, NAME)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as handle:
            handle.settimeout(limit)
            handle.connect(path)
            handle.sendall(json.dumps(asked).encode() + b"\n")
            with handle.makefile("rb") as file:
                line = file.readline()
        found = json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError):
        raise _nobody(runtime_dir, path) from None
    except PermissionError:
        from .client import who_may

        raise Refused(f"{path} may not be used by you", who_may()) from None
    except TimeoutError:
        raise TimedOut(f"the balancer did not answer within {limit:g} s", "is the machine overloaded?") from None
    except (OSError, ValueError) as error:
        raise NotRunning(f"the connection to {path} broke: {error}", "it may be starting again; ask again") from None
    if not isinstance(found, dict) or found.get("ok") is not True:
        answer = found if isinstance(found, dict) else {}
        text = str(answer.get("text", "the balancer answered nonsense"))
        raise UsageError(text) if answer.get("wrong") else Refused(text)
    return found


def _nobody(runtime_dir: str, path: str) -> NotRunning:
    from ..adapters import own_unit

    if os.path.exists(os.path.join(runtime_dir, "services.json")):
        hint = f"it is started within a second while the daemon runs: systemctl status {own_unit.own_unit(runtime_dir)}"
        return NotRunning(f"no balancer answers at {path}", hint)
    if os.path.exists(os.path.join(runtime_dir, "control.sock")):
        return NotRunning(
            "nothing is balanced on this machine",
            "the configuration has no services (docs/balancing.md), or this is a witness",
        )
    return NotRunning(f"no balancer answers at {path}", "is the daemon started? another --runtime-dir?")
