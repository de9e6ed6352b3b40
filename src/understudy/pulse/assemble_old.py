"""Puts a pulse together that speaks the protocol of Linux-HA Heartbeat 3; what it does to this machine is as ever."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace

from ..adapters.channel import Listener
from ..adapters.old_identity import OldIdentity, generations, keep_generation, read_identity
from ..adapters.old_media import OldMedia
from ..adapters.udp import boot_clock
from ..changes import either
from ..config.heartbeat_copy import HeartbeatCopy
from ..config.load import load_heartbeat
from ..core.heartbeat3.node import OldNode
from ..errors import UnderstudyError
from ..model import Cluster
from ..old_pair import OldPair
from ..units import Duration
from .arguments import EXIT_CONFIG, Arguments
from .guard import Guards
from .kernel import KernelSide
from .life import Life, live, started_as
from .loop import Loop
from .manager_link import ManagerLink
from .old_ear import OldEar, OldMouth, keys_of, mouth_of
from .old_reload import OldReloader, Signing, read_copy
from .perform import Performer
from .recorder import Recorder
from .reload import former_copy
from .secrets import without_secrets
from .senders import Senders
from .speak import say
from .timer import Timer
from .trial import ANEW

IDENTITY = "heartbeat_identity"
"""In the runtime directory: generation and UUID of the last run."""

EXIT_SYSTEM = 71


def run(arguments: Arguments, cluster: Cluster, guards: Guards) -> int:
    """Until a clean stop, or until the pair goes over to the native protocol; returns the exit code, or ``ANEW``.

    Raises ConfigError for a copy that cannot be read, and OSError.
    """
    if arguments.node not in cluster.names:
        say(arguments.unknown_node(cluster.names))
        return EXIT_CONFIG
    copy = load_heartbeat(arguments.config, with_services=False)
    known = generations(arguments.state_dir)
    identity = _identity(copy, arguments, known)
    if identity is None:
        return EXIT_SYSTEM
    former = former_copy(arguments.runtime_dir, read_copy)
    groups_known = cluster.groups if former is None else either(former[0], cluster)
    kernel = KernelSide(replace(cluster, groups=groups_known))
    keys = keys_of(copy.files)
    media = OldMedia(copy.files.media, copy.hosts)
    manager = ManagerLink(Listener(arguments.in_runtime_dir("pulse.sock")))
    guard = guards.take(cluster, arguments.node, arguments.runtime_dir)
    groups = {item.address: group.name for group in groups_known for item in group.addresses}
    begun, begun_copy = (cluster, copy) if former is None else former
    core = OldNode(without_secrets(begun), pair_of(begun_copy, identity, known), arguments.node)
    ear, mouth = OldEar(keys, media.serial, Senders(arguments.node)), mouth_of(copy.files, media, keys)
    reloader = OldReloader(
        cluster,
        None if former is None else former[0],
        arguments.runtime_dir,
        kernel,
        without_secrets,
        _signing(ear, mouth, arguments.node, cluster.dead_time),
        lambda found: pair_of(found, identity, known),
    )
    reloader.objection = core.objection
    loop = Loop(
        core=core,
        links=media,
        ear=ear,
        performer=Performer(mouth, kernel, manager, boot_clock, groups, guard),
        news=kernel,
        manager=manager,
        timer=Timer(),
        clock=boot_clock,
        dead_time=cluster.dead_time,
        reloader=reloader,
        numbers=True,
        know=media.know,
        recorder=Recorder(arguments.node, lambda: pickle.dumps(core, 5)),
    )

    def paced(dead_time: Duration) -> None:
        loop.dead_time = dead_time

    reloader.paced = paced

    life = Life(arguments, loop, kernel, guard, manager, False, lambda: reloader.cluster)
    code = live(life, lambda: started_as(arguments, cluster, identity.generation, kernel, guard))
    for part in (loop, media, kernel) if code == ANEW else ():
        part.close()
    return code


def _identity(copy: HeartbeatCopy, arguments: Arguments, known: dict[str, int]) -> OldIdentity | None:
    """As ``identify``, or None after saying why not."""
    try:
        identity = identify(copy, arguments.runtime_dir, known.get(arguments.node, 0))
    except UnderstudyError as error:
        say(str(error))
        return None
    for note in identity.notes:
        say(note, "warning")
    return identity


def _signing(ear: OldEar, mouth: OldMouth, node: str, dead_time: Duration) -> Signing:
    signing = Signing(ear, mouth, node, dead_time)
    ear.heard, ear.again = signing.heard, signing.look
    return signing


def identify(copy: HeartbeatCopy, runtime_dir: str, last: int) -> OldIdentity:
    """Who this node is from now on: the next generation, above ``last`` and that of the last run in any case. Raises
    UnderstudyError, and OSError when the runtime directory cannot be written.

    A pulse that died must come back on a full disk, too: what it was is noted in the runtime directory, which must work, and
    counts when the files cannot be read or written.
    """
    beside = os.path.join(runtime_dir, IDENTITY)
    before = _noted(beside)
    last = max(last, 0 if before is None else before.generation)
    try:
        identity = read_identity(copy.home, lambda: int(time.time()), copy.files.generation_by_time)
        if identity.generation <= last:  # the core went on while it ran, the file was lost, or the time has not changed
            identity = replace(identity, generation=last + 1)
            keep_generation(copy.home, identity.generation)
    except (UnderstudyError, OSError) as error:
        known = error if isinstance(error, UnderstudyError) else UnderstudyError(f"{copy.home}: {error.strerror}")
        if before is None:
            raise known from error
        identity = OldIdentity(before.uuid, last + 1, (f"{known.text}; going on with what the last run had",))
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
        auto_failback=files.auto_failback,
        pings=copy.pings,
        ipfail=files.ipfail,
        keys=tuple((group.group.name, group.key) for group in files.groups),
        max_rexmit_delay=files.max_resend_delay,
        hopfudge=files.hop_fudge,
        known=tuple(known.items()),
        accepts=tuple(key.index for key in files.keys),
    )
