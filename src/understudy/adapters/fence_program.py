"""Runs one action of one fence device: a fence agent, a STONITH plugin of the old kind, or a command.

What counts is the exit code, never what is printed (fence agents 4.12.1: 0 is success, and for ``status`` on; 2 is "off" for
``status``). Secrets go to standard input or the environment, never to the command line. A program that is not done at its limit
is killed with its whole process group, and nothing is known then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..events import Outcome
from ..fence_devices import FenceDevice, FenceKind
from ..units import SECOND, Duration, format_duration
from .agent_proc import Identity, describe_exit, identify, kill_group

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STONITH = "stonith"
"""Of Debian's cluster-glue: ``stonith -t TYPE -F FILE -T ACTION NODE``; exit code 0 is success (stonith(8))."""

PLUGINS = "/usr/lib/stonith/plugins"
PLUGIN_HELPERS = "/usr/share/cluster-glue"
"""The plugins call ``ha_log.sh``, which lies here."""

TRUSTED_WITHOUT_STATUS = frozenset({"fence_kdump", "fence_ovh", "fence_rcd_serial"})
"""Agents (of fence-agents 4.12.1) that have no status to ask, and whose success means that the node is off or reboots."""

MOST_OUTPUT = 64 * 1024
LAST_WORDS: Duration = SECOND // 2
"""How long output is waited for after the program has ended."""

METADATA_LIMIT: Duration = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Said:
    """How one call ended. ``status`` None: it could not be run, or was killed; ``trouble`` says which."""

    status: int | None
    output: str = ""
    trouble: str = ""
    missing: bool = False

    @property
    def last_words(self) -> str:
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""

    def sentence(self) -> str:
        """What went wrong."""
        if self.status is None:
            return self.trouble
        words = self.last_words
        return f"{describe_exit(self.status)}{f': {words}' if words else ''}"


def program_path(device: FenceDevice) -> str | None:
    """Where its program lies, or None when it is not installed."""
    name = STONITH if device.kind is FenceKind.STONITH else device.program
    if device.kind is FenceKind.EXTERNAL and not name.startswith("/"):
        folder = PLUGINS if name.startswith("external/") else os.path.join(PLUGINS, "external")
        path: str | None = os.path.join(folder, name)
    else:
        path = name if name.startswith("/") else shutil.which(name, path=SEARCH_PATH)
    return path if path is not None and os.access(path, os.X_OK) else None


def missing(device: FenceDevice) -> str:
    """The sentence for a program that is not there."""
    if device.kind is FenceKind.STONITH:
        return f"the program {STONITH} is not there, which {device.program} needs; Debian's package cluster-glue has it"
    package = {FenceKind.AGENT: "fence-agents", FenceKind.EXTERNAL: "cluster-glue"}.get(device.kind)
    where = f"; Debian's package {package} has such programs" if package else ""
    return f"{device.program} is not there or not executable{where}"


def call(device: FenceDevice, action: str, node: str) -> tuple[Sequence[str], Mapping[str, str], str]:
    """The words, the environment and the standard input of one call."""
    path = program_path(device) or device.program
    plug = dict(device.targets).get(node, "")
    base = {"PATH": SEARCH_PATH, "LC_ALL": "C", "LANG": "C"}
    if device.kind is FenceKind.AGENT:
        pairs = [*device.parameters, ("action", action), ("port", plug) if plug else ("nodename", node)]
        return (path,), base, "".join(f"{name}={value}\n" for name, value in pairs)
    if device.kind is FenceKind.EXTERNAL:
        words = (path, action) if action == "status" else (path, action, plug or node)
        return words, {**dict(device.parameters), **base, "PATH": f"{SEARCH_PATH}:{PLUGIN_HELPERS}"}, ""
    if device.kind is FenceKind.STONITH:
        file = device.parameters_file or "/dev/stdin"  # what is in memory there: never on the command line
        wish = ("-S",) if action == "status" else ("-T", "reset" if device.resets else action, plug or node)
        environment = {**base, "PATH": f"{SEARCH_PATH}:{PLUGIN_HELPERS}"}
        return (path, "-t", device.program, "-F", file, *wish), environment, f"{' '.join(device.arguments)}\n"
    return (path, *device.arguments, action, *((plug or node,))), base, ""


async def run(
    words: Sequence[str], environment: Mapping[str, str], stdin: str, limit: Duration, errors: bool = True
) -> Said:
    """Run a program to its end, at most for ``limit``. Never raises for what it does. ``errors``: with what it says on stderr."""
    heard, said = os.pipe()
    given = _as_file(stdin)
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            stdin=given,
            stdout=said,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:  # asyncio itself would kill only the first process of the group
        os.close(heard)
        with contextlib.suppress(OSError, ValueError):
            process = await starting
            await _kill(process, identify(process.pid) or Identity(process.pid, 0, ""))
        raise
    except (OSError, ValueError) as error:
        os.close(heard)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Said(None, "", f"cannot run {words[0]}: {reason}", isinstance(error, FileNotFoundError))
    finally:
        os.close(said)
        os.close(given)
    leader = identify(process.pid) or Identity(process.pid, 0, "")
    kept = bytearray()
    reading = asyncio.create_task(_read(heard, kept))
    try:
        async with asyncio.timeout(max(limit, 0) / SECOND):
            status = await process.wait()
    except TimeoutError:
        reading.cancel()
        await _kill(process, leader)
        return Said(None, "", f"{os.path.basename(words[0])} was killed: not done after {format_duration(limit)}")
    except asyncio.CancelledError:
        reading.cancel()
        await _kill(process, leader)
        raise
    # Its end decides, not that of a helper that it left behind with its output open.
    await asyncio.wait({reading}, timeout=LAST_WORDS / SECOND)
    reading.cancel()
    return Said(status, bytes(kept).decode("utf-8", "replace"))


def _as_file(text: str) -> int:
    """A descriptor that reads as ``text``. In memory, not a pipe: a program that ends without reading it then troubles nobody."""
    descriptor = os.memfd_create("understudy-fence", os.MFD_CLOEXEC)
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


async def _read(descriptor: int, kept: bytearray) -> None:
    """What it says, of which only the end is kept. Asyncio would wait for its own pipe too, not only for the program."""
    reader = asyncio.StreamReader()
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            while chunk := await reader.read(4096):
                kept += chunk
                del kept[:-MOST_OUTPUT]
        finally:
            transport.close()


async def _kill(process: asyncio.subprocess.Process, leader: Identity) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await kill_group(leader)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await process.wait()


async def act(device: FenceDevice, action: str, node: str, limit: Duration) -> Said:
    """One action, as it ended."""
    if program_path(device) is None:
        return Said(None, "", missing(device), missing=True)
    return await run(*call(device, action, node), limit)


async def switch(device: FenceDevice, action: str, node: str, limit: Duration) -> tuple[Outcome, str]:
    """``off`` or ``on``, confirmed by the device's own status where it has one. Only OK means that it is so."""
    if device.by_hand:
        return Outcome.FAILED, f"a human is asked: switch {node} off, look, then `understudy confirm-off {node}`"
    loop = asyncio.get_running_loop()
    end = loop.time() + limit / SECOND
    said = await act(device, action, node, limit)
    if said.status is None:
        return (Outcome.FAILED if said.missing else Outcome.UNKNOWN), said.sentence()
    if said.status != 0:
        return Outcome.FAILED, f"{device.program} {action}: {said.sentence()}"
    if device.kind in (FenceKind.EXTERNAL, FenceKind.STONITH):
        return Outcome.OK, f"{device.program} says so"
    if device.is_gate:
        return Outcome.OK, f"{device.program} permits it"
    left = max(int((end - loop.time()) * SECOND), SECOND)
    status = await act(device, "status", node, left)
    wanted, other = (2, 0) if action == "off" else (0, 2)
    if status.status == wanted:
        return Outcome.OK, f"{device.program} says so, and so does its status"
    if status.status == other:
        return (
            Outcome.FAILED,
            f"{device.program} said that it is done, but its status says {'on' if other == 0 else 'off'}",
        )
    trusted = os.path.basename(device.program) in TRUSTED_WITHOUT_STATUS
    if device.kind is FenceKind.AGENT and trusted and await _without_status(device):
        return Outcome.OK, f"{device.program} says so (it has no status to ask)"
    if status.status is None:
        return Outcome.UNKNOWN, f"status after {action}: {status.sentence()}"
    return Outcome.FAILED, f"status after {action}: {status.sentence()}"


async def _without_status(device: FenceDevice) -> bool:
    from .fence_metadata import read_metadata

    metadata = await metadata_of(device)
    found = read_metadata(metadata) if metadata is not None else None
    return found is not None and "status" not in found.actions


async def metadata_of(device: FenceDevice) -> str | None:
    """What a fence agent prints about itself, or None."""
    path = program_path(device)
    if device.kind is not FenceKind.AGENT or path is None:
        return None
    base = {"PATH": SEARCH_PATH, "LC_ALL": "C", "LANG": "C"}
    said = await run((path,), base, "action=metadata\n", METADATA_LIMIT, errors=False)
    return said.output if said.status == 0 else None


async def state(device: FenceDevice, node: str, limit: Duration) -> tuple[bool, str]:
    """Whether the device works, and what it says of ``node``: for ``fence --test`` and the device's own monitor."""
    if device.by_hand:
        return True, "a human confirms"
    said = await act(device, "status", node, limit)
    if said.status is None:
        return False, said.sentence()
    if device.kind in (FenceKind.EXTERNAL, FenceKind.STONITH):
        return said.status == 0, "it answers" if said.status == 0 else said.sentence()
    if said.status in (0, 2):
        return True, "on" if said.status == 0 else "off"
    if device.kind is FenceKind.AGENT and await _without_status(device):
        monitor = await act(device, "monitor", node, limit)
        return monitor.status == 0, "it answers" if monitor.status == 0 else monitor.sentence()
    return False, said.sentence()
