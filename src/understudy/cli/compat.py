"""The command-line tools of Linux-HA Heartbeat 3 under their old names; the launchers of ``understudy install-compat`` come here.

The words, the streams and the exit codes are those of Debian's 3.0.6 (observed; docs/heartbeat.md lists the differences). Each
tool asks the daemon over its control socket. Only what a tool needs is imported: monitoring calls them every few seconds.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from .where import RUNTIME_DIR

if TYPE_CHECKING:
    from .client import Client

TOOLS = {
    "cl_status": ("compat_cl_status", "run"),
    "hb_standby": ("compat_handover", "standby"),
    "hb_takeover": ("compat_handover", "takeover"),
    "hb_addnode": ("compat_admin", "addnode"),
    "hb_delnode": ("compat_admin", "delnode"),
    "hb_setweight": ("compat_admin", "setweight"),
    "hb_setsite": ("compat_admin", "setsite"),
    "ResourceManager": ("compat_resources", "run"),
    "heartbeat": ("compat_heartbeat", "run"),
    "ldirectord": ("compat_ldirectord", "run"),
}
"""Each tool, and the module of this package and the function that it is: how it was called and its words to an exit code."""


def main() -> None:
    """``sys.argv``: the name of the tool, how it was called, its arguments."""
    _, tool, called, *words = sys.argv
    try:
        module, function = TOOLS[tool]
        code = getattr(importlib.import_module(f"understudy.cli.{module}"), function)(called, words)
        sys.stdout.flush()
    except BrokenPipeError:
        # "cl_status listnodes | head -1" is no error; what is left to flush has no reader.
        sys.stderr.close()
        code = 0
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def client() -> Client:
    """The daemon of this machine; the environment may say where, as for all commands."""
    from .client import Client

    return Client(runtime_dir())


def runtime_dir() -> str:
    return os.environ.get("UNDERSTUDY_RUNTIME_DIR") or RUNTIME_DIR


def complain(tool: str, text: str) -> None:
    """A line on standard error as the old programs write them when no log is set."""
    import socket
    import time

    stamp = time.strftime("%b %d %H:%M:%S")
    print(f"{stamp} {socket.gethostname()} {tool}: [{os.getpid()}]: {text}", file=sys.stderr)


def say_as_script(text: str) -> None:
    """A line on standard error as the old shell scripts write it."""
    import time

    print(f"{time.strftime('%b %d %H:%M:%S')} {text}", file=sys.stderr)
