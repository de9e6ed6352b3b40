"""Puts a pulse together that speaks the protocol of Linux-HA Heartbeat 3; what it does to this machine is as ever."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import replace

from ..adapters.channel import Listener
from ..adapters.old_identity import OldIdentity, keep_generation, read_identity
from ..adapters.old_media import OldMedia
from ..adapters.udp import boot_clock
from ..config.heartbeat_copy import HeartbeatCopy
from ..config.load import load_heartbeat
from ..core.heartbeat3.node import OldNode
from ..errors import UnderstudyError
from ..events import Started
from ..model import Cluster
from ..old_pair import AutoFailback, OldPair, PingNode
from .arguments import EXIT_CONFIG, Arguments
from .guard import take_guard
from .keeper import Keeper
from .kernel import KernelSide
from .life import Life, live, started_as
from .loop import Loop
from .manager_link import ManagerLink
from .old_ear import OldEar, keys_of, mouth_of
from .perform import Performer
from .recorder import Recorder
from .secrets import without_secrets
from .senders import Senders
from .speak import say
from .timer import Timer

KNOWN = "heartbeat_generations.json"
"""In the state directory: the generations that were heard last, and our own, by the names of the nodes."""

IDENTITY = "heartbeat_identity"
"""In the runtime directory: generation and UUID of the last run."""

EXIT_SYSTEM = 71


def run(arguments: Arguments, cluster: Cluster) -> int:
    """Until a clean stop; returns the exit code. Raises ConfigError for a copy that cannot be read, and OSError."""
    if arguments.node not in cluster.names:
        say(arguments.unknown_node(cluster.names))
        return EXIT_CONFIG
    copy = load_heartbeat(arguments.config)
    known = generations(arguments.state_dir)
    try:
        identity = identify(copy, arguments.runtime_dir, known.get(arguments.node, 0))
    except UnderstudyError as error:
        say(str(error))
        return EXIT_SYSTEM
    for note in identity.notes:
        say(note, "warning")
    kernel = KernelSide(cluster)
    keys = keys_of(copy.files)
    media = OldMedia(copy.files.media, copy.hosts)
    manager = ManagerLink(Listener(arguments.in_runtime_dir("pulse.sock")))
    guard = take_guard(cluster, arguments.node, arguments.runtime_dir, Keeper(arguments.keeper_fd))
    groups = {item.address: group.name for group in cluster.groups for item in group.addresses}
    core = OldNode(without_secrets(cluster), pair_of(copy, identity, known), arguments.node)
    loop = Loop(
        core=core,
        links=media,
        ear=OldEar(keys, media.serial, Senders(arguments.node)),
        performer=Performer(mouth_of(copy.files, media, keys), kernel, manager, boot_clock, groups, guard),
        news=kernel,
        manager=manager,
        timer=Timer(),
        clock=boot_clock,
        dead_time=cluster.dead_time,
        recorder=Recorder(arguments.node, lambda: pickle.dumps(core, 5)),
    )

    def begin() -> Started:
        return started_as(arguments, cluster, identity.generation, kernel, guard)

    return live(Life(arguments, loop, kernel, guard, manager, False, lambda: cluster), begin)


def identify(copy: HeartbeatCopy, runtime_dir: str, last: int) -> OldIdentity:
    """Who this node is from now on: the next generation, above ``last`` in any case. Raises UnderstudyError, and OSError when the
    runtime directory cannot be written.

    A pulse that died must come back on a full disk, too: what it was is noted in the runtime directory, which must work, and
    counts when the files cannot be read or written.
    """
    beside = os.path.join(runtime_dir, IDENTITY)
    try:
        identity = read_identity(copy.home, lambda: int(time.time()), copy.files.generation_by_time)
        if identity.generation <= last:  # the core went on while it ran, and the file was lost since
            identity = replace(identity, generation=last + 1)
            keep_generation(copy.home, identity.generation)
    except (UnderstudyError, OSError) as error:
        before = _noted(beside)
        known = error if isinstance(error, UnderstudyError) else UnderstudyError(f"{copy.home}: {error.strerror}")
        if before is None:
            raise known from error
        after = max(before.generation, last) + 1
        identity = OldIdentity(before.uuid, after, (f"{known.text}; going on with what the last run had",))
    with open(f"{beside}.new", "w", encoding="ascii") as file:
        file.write(f"{identity.generation} {identity.uuid.hex()}\n")
    os.replace(f"{beside}.new", beside)
    return identity


def _noted(path: str) -> OldIdentity | None:
    try:
        with open(path, encoding="ascii") as file:
            generation, uuid = file.read(200).split()
        return OldIdentity(bytes.fromhex(uuid), int(generation))
    except (OSError, ValueError):
        return None


def generations(state_dir: str) -> dict[str, int]:
    """As the manager wrote them; nothing when the file cannot be read. Whoever loses it accepts recordings once more."""
    try:
        with open(os.path.join(state_dir, KNOWN), encoding="ascii") as file:
            found = json.loads(file.read(4096))
        return {str(name): int(number) for name, number in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def pair_of(copy: HeartbeatCopy, identity: OldIdentity, known: dict[str, int]) -> OldPair:
    """``ha.cf`` as the core wants it."""
    files = copy.files
    return OldPair(
        nodes=files.nodes,
        uuid=identity.uuid,
        keepalive=files.keepalive,
        warntime=files.warntime,
        deadtime=files.deadtime,
        initdead=files.initdead,
        deadping=files.deadping,
        auto_failback=AutoFailback(files.auto_failback.value),
        pings=tuple(PingNode(node.name, node.hosts) for node in copy.pings),
        ipfail=files.ipfail,
        keys=tuple((group.group.name, group.key) for group in files.groups),
        max_rexmit_delay=files.max_resend_delay,
        hopfudge=files.hop_fudge,
        known=tuple(known.items()),
    )
