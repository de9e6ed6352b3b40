"""Which agents lie on this machine, and what each says of itself. Used by ``understudy agents`` and ``understudy check``.

Four kinds: OCF resource agents, init scripts, fence agents, and STONITH plugins of the old kind. Init scripts are read, never
run: they have no action that only describes. Short descriptions are remembered in a file until the agent, or the library that
it prints its metadata with, changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ..units import SECOND, Duration
from .agent_metadata import Description, NotMetadata, one_line, read_description
from .agent_ocf import OCF_ROOT
from .fence_program import PLUGIN_HELPERS, PLUGINS, SEARCH_PATH, run

METADATA_LIMIT: Duration = 10 * SECOND
"""The slowest of Debian's agents needs a fifth of a second for its metadata; a loaded machine ten times that."""

AT_ONCE = 4
"""Agents asked at the same time: they are short processes, and a cluster node has other work."""

INIT_SCRIPTS = "/etc/init.d"
CACHE_VERSION = 1

NOT_FENCE_AGENTS = frozenset(
    {"fence_ack_manual", "fence_check", "fence_node", "fence_sanlockd", "fence_tool", "fence_virtd", "fence_watchdog"}
)
"""Programs with such a name that are daemons, or talk to one: they must not be run to ask what they are."""

NOT_INIT_SCRIPTS = frozenset({"README", "skeleton", "rc", "rcS", "functions"})

_HEADER = re.compile(r"^#\s*(Short-Description|Description|Provides):\s*(.*)$")

PACKAGES = {
    ("heartbeat", "pgsqlms"): "resource-agents-paf",
    ("heartbeat", ""): "resource-agents",
    ("pacemaker", ""): "pacemaker-resource-agents",
    ("ceph", ""): "ceph-resource-agents",
    ("linbit", ""): "drbd-utils",
    ("rabbitmq", ""): "rabbitmq-server",
}
"""Debian's package of an OCF agent (Debian 12), by provider and type; type "" for the others of a provider."""


class AgentKind(Enum):
    """Each with the word of the configuration that takes it."""

    OCF = "ocf"
    LSB = "lsb"
    FENCE = "fence"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Agent:
    """``name``: "heartbeat:IPaddr2", "apache2", "fence_ipmilan", "external/ipmi"."""

    kind: AgentKind
    name: str
    path: str

    @property
    def bare(self) -> str:
        """Without provider or folder."""
        return self.name.rpartition("/")[2].rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Line:
    """One agent in a listing. ``trouble``: why there is no description."""

    agent: Agent
    short: str = ""
    trouble: str = ""


def ocf_root() -> str:
    return os.environ.get("OCF_ROOT", OCF_ROOT)


def find_agents() -> tuple[Agent, ...]:
    """All agents of this machine, by kind and name. Unreadable directories count as empty."""
    return (*_ocf(os.path.join(ocf_root(), "resource.d")), *_init_scripts(), *_fence_agents(), *_plugins())


def _programs(directory: str) -> list[tuple[str, str]]:
    """(name, path) of the executable files that are not hidden: links of the OCF library begin with a dot."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    found = [(name, os.path.join(directory, name)) for name in names if not name.startswith(".")]
    return [(name, path) for name, path in found if os.path.isfile(path) and os.access(path, os.X_OK)]


def _ocf(root: str) -> Iterable[Agent]:
    try:
        providers = sorted(name for name in os.listdir(root) if not name.startswith("."))
    except OSError:
        return
    for provider in providers:
        for name, path in _programs(os.path.join(root, provider)):
            yield Agent(AgentKind.OCF, f"{provider}:{name}", path)


def _init_scripts() -> Iterable[Agent]:
    for name, path in _programs(INIT_SCRIPTS):
        if name not in NOT_INIT_SCRIPTS and "." not in name.removesuffix(".sh"):
            yield Agent(AgentKind.LSB, name, path)


def _fence_agents() -> Iterable[Agent]:
    seen: dict[str, str] = {}
    for directory in SEARCH_PATH.split(":"):
        for name, path in _programs(directory):
            if name.startswith("fence_") and name not in NOT_FENCE_AGENTS:
                seen.setdefault(name, path)
    return [Agent(AgentKind.FENCE, name, path) for name, path in sorted(seen.items())]


def _plugins() -> Iterable[Agent]:
    folder = os.path.join(PLUGINS, "external")
    return [Agent(AgentKind.EXTERNAL, f"external/{name}", path) for name, path in _programs(folder)]


def package_of(provider: str, kind: str) -> str | None:
    """Debian's package that has this OCF agent, if known."""
    return PACKAGES.get((provider, kind)) or PACKAGES.get((provider, ""))


# -- asking ---------------------------------------------------------------------------------------------------------------


async def describe(agent: Agent, limit: Duration = METADATA_LIMIT) -> Description:
    """Ask one agent what it is. Raises NotMetadata with the reason when it does not say."""
    if agent.kind is AgentKind.LSB:
        return _read_header(agent)
    if agent.kind is AgentKind.EXTERNAL:
        return await _describe_plugin(agent, limit)
    base = {"PATH": SEARCH_PATH, "LC_ALL": "C", "LANG": "C", "PYTHONDONTWRITEBYTECODE": "1"}
    if agent.kind is AgentKind.FENCE:
        found = read_description(await _say((agent.path,), base, "action=metadata\n", limit))
        return replace(found, short=dict(found.links).get(agent.bare) or found.short)
    provider = agent.name.partition(":")[0]
    environment = {
        **base,
        "OCF_ROOT": ocf_root(),
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": "metadata",
        "OCF_RESOURCE_TYPE": agent.bare,
        "OCF_RESOURCE_PROVIDER": provider,
        "HA_LOGFACILITY": "none",
    }
    return read_description(await _say((agent.path, "meta-data"), environment, "", limit))


async def _say(words: Sequence[str], environment: dict[str, str], stdin: str, limit: Duration) -> str:
    said = await run(words, environment, stdin, limit, errors=False)
    if said.status is None:
        raise NotMetadata(said.trouble)
    if said.status != 0 and "<" not in said.output:
        raise NotMetadata(f"asked for its metadata it ended with {said.sentence()}")
    return said.output


async def _describe_plugin(agent: Agent, limit: Duration) -> Description:
    """The plugins speak in three actions (cluster-glue, README.external)."""
    environment = {"PATH": f"{SEARCH_PATH}:{PLUGIN_HELPERS}", "LC_ALL": "C", "LANG": "C"}
    long = await _say((agent.path, "getinfo-devdescr"), environment, "", limit)
    short = await _say((agent.path, "getinfo-devid"), environment, "", limit)
    found = read_description(await _say((agent.path, "getinfo-xml"), environment, "", limit))
    return Description(agent.name, "", one_line(short), one_line(long), found.parameters)


def _read_header(agent: Agent) -> Description:
    """The comment block of the LSB (core specification, "Comment Conventions for Init Scripts")."""
    words: dict[str, str] = {}
    try:
        with open(agent.path, encoding="utf-8", errors="replace") as file:
            for line in file.read(16384).splitlines():
                found = _HEADER.match(line)
                if found:
                    words.setdefault(found[1], found[2].strip())
                elif line.startswith("### END INIT INFO"):
                    break
    except OSError as error:
        raise NotMetadata(f"cannot read {agent.path}: {error.strerror}") from None
    short = words.get("Short-Description") or words.get("Description", "")
    return Description(agent.name, "", short, words.get("Description", ""))


# -- the listing ----------------------------------------------------------------------------------------------------------


async def list_lines(
    agents: Sequence[Agent], cache_file: str, fresh: bool, progress: Callable[[int, str], None]
) -> list[Line]:
    """A line for each agent, asking those that the cache does not know. ``progress`` gets how many are done, and the next."""
    known = {} if fresh else _read_cache(cache_file)
    gate = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def line(agent: Agent) -> tuple[Line, str]:
        nonlocal done
        mark = _mark(agent)
        if known.get(agent.path, {}).get("mark") == mark:
            done += 1
            return Line(agent, str(known[agent.path].get("short", ""))), mark
        async with gate:
            progress(done, agent.name)
            try:
                found = Line(agent, (await describe(agent)).short)
            except NotMetadata as reason:
                found = Line(agent, "", str(reason))
            done += 1
            return found, mark

    lines = await asyncio.gather(*(line(agent) for agent in agents))
    fresh_cache = {item.agent.path: {"mark": mark, "short": item.short} for item, mark in lines if not item.trouble}
    if fresh_cache != known:
        _write_cache(cache_file, fresh_cache)
    return [item for item, _ in lines]


def cache_path() -> str:
    """For root under /var/cache, for others in their own cache directory (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        base = "/var/cache" if os.geteuid() == 0 else os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "understudy", "agents.json")


def _mark(agent: Agent) -> str:
    """What changes when the agent's words may have: its file, and the library that it speaks through."""
    library = {AgentKind.OCF: os.path.join(ocf_root(), "lib", "heartbeat"), AgentKind.FENCE: "/usr/share/fence"}
    marks = []
    for path in (agent.path, library.get(agent.kind)):
        with contextlib.suppress(OSError):
            if path is not None:
                status = os.stat(path)
                marks.append(f"{status.st_ino}.{status.st_size}.{status.st_mtime_ns}")
    return " ".join(marks)


def _read_cache(path: str) -> dict[str, Any]:
    """What the file remembers; nothing when it is damaged, or belongs to somebody else."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        with open(path, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return {}
            found = json.load(file)
        if found.get("version") == CACHE_VERSION:
            return {str(key): item for key, item in found["agents"].items() if isinstance(item, dict)}
    return {}


def _write_cache(path: str, agents: dict[str, dict[str, str]]) -> None:
    """Without it the next listing is slower, so a disk that is full or read-only is no reason to say anything."""
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(temporary, "x", encoding="utf-8") as file:  # never through somebody's link
            json.dump({"version": CACHE_VERSION, "agents": agents}, file)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
