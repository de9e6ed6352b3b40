"""Whether a resource of haresources runs on this machine, found out as the old scripts did: by looking, not by remembering."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import Enum

ADDRESS_SCRIPTS = ("IPaddr", "IPaddr2", "IPv6addr")
INIT_DIRECTORY = "/etc/init.d"
LIMIT = 60.0
"""Seconds that a script has for its status."""


class Found(Enum):
    RUNS = "runs"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    """There is no such script, or it does not answer."""


def script_of(word: str) -> tuple[str, list[str]]:
    """The script of a word of haresources, and its arguments. A word that looks like an IPv4 address is one for IPaddr."""
    parts = word.split("/")[0].split(".")
    if len(parts) >= 4 and all(part[:1].isdigit() for part in parts[:4]):
        return "IPaddr", [word]
    name, *arguments = word.split("::")
    return name, arguments


def look(word: str, folder: str) -> tuple[Found, str]:
    """``folder``: with ``resource.d``. The text says why it is unknown."""
    name, arguments = script_of(word)
    if name in ADDRESS_SCRIPTS and arguments:
        return _address(arguments[0].split("/")[0])
    places = (os.path.join(folder, "resource.d", name), os.path.join(INIT_DIRECTORY, name))
    path = next((path for path in places if name and os.path.isfile(path) and os.access(path, os.X_OK)), None)
    if path is not None:
        return _script([path, *arguments, "status"])
    if name and _run(["systemctl", "cat", name]) is not None:
        return (Found.RUNS if _run(["systemctl", "is-active", name]) is not None else Found.STOPPED), ""
    return Found.UNKNOWN, f"Cannot locate resource script {name}"


def _run(words: list[str]) -> str | None:
    """What a short program printed; None when it failed or there is none."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _script(words: list[str]) -> tuple[Found, str]:
    """By what it prints; its exit code means nothing, and its standard error goes on to ours."""
    from ..adapters.agent_script import says_running

    sys.stderr.flush()
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, errors="replace", timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return Found.UNKNOWN, f"{words[0]} status did not end within {LIMIT:g} s"
    except OSError as error:
        return Found.UNKNOWN, f"{words[0]} cannot be run: {error.strerror}"
    return (Found.RUNS if says_running(done.stdout) else Found.STOPPED), ""


def _address(text: str) -> tuple[Found, str]:
    from ipaddress import ip_address

    from ..adapters.addresses import links_and_addresses

    try:
        packed = ip_address(text).packed
    except ValueError:
        return Found.UNKNOWN, f"{text} is no address"
    links, addresses = links_and_addresses()
    if not links:  # there is always lo
        return Found.UNKNOWN, "the kernel does not say its addresses"
    return (Found.RUNS if any(item.packed == packed for item in addresses) else Found.STOPPED), ""
