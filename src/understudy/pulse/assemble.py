"""Puts a pulse together: configuration, keys, sockets, kernel, core; then hands over to the loop."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from functools import partial

from ..adapters import lockfile
from ..adapters.channel import Listener
from ..adapters.udp import UdpLinks, boot_clock
from ..changes import either, one_step, together
from ..config.load import key_path, load_keys
from ..config.load import load_for_pulse as load
from ..config.paths import paths
from ..core.node import Node
from ..errors import ConfigError
from ..events import Started
from ..model import Cluster, Role
from ..wire.native import Opener, Sealer
from .arguments import EXIT_BUSY, EXIT_CONFIG, Arguments
from .ear import NativeEar
from .guard import Guards
from .keeper import Keeper
from .kernel import KernelSide
from .keys import Rekeyer
from .life import Life, live, started_as
from .loop import Loop
from .manager_link import ManagerLink
from .mouth import NativeMouth
from .perform import Performer
from .realtime import freeze_garbage, raise_priority
from .recorder import Recorder
from .reload import Reloader, former_copy
from .secrets import without_secrets
from .senders import Senders
from .speak import say
from .start import draw_incarnation
from .timer import Timer
from .trial import ANEW, Trial, begin, change, span

EXIT_SYSTEM = 71


def main(arguments: Arguments) -> int:
    """Runs until a clean stop; returns the exit code."""
    try:
        lock = lockfile.take(arguments.in_runtime_dir("pulse.lock"))
        if lock is None:
            say(f"another pulse runs for {arguments.runtime_dir}; each node needs its own --runtime-dir")
            return EXIT_BUSY
        begin(arguments.runtime_dir)
        guards = Guards(Keeper(arguments.keeper_fd))
        code, trial = _live(arguments, guards, False), False
        while code == ANEW:
            arguments, trial = replace(arguments, ready_fd=-1), change(arguments.runtime_dir)
            code = _live(arguments, guards, trial)
        return code
    except ConfigError as error:
        say(str(error))
        return EXIT_CONFIG
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        say(f"cannot start: {error.strerror or error}{where}")
        return EXIT_SYSTEM


def _live(arguments: Arguments, guards: Guards, trial: bool) -> int:
    """One life with the copies that are there now; ``ANEW`` when another one follows. ``trial``: see ``trial``."""
    cluster = load(arguments.config)
    if cluster.heartbeat3:
        from .assemble_old import run  # only here: the native protocol needs none of it

        return run(arguments, cluster, guards)
    if cluster.routers is not None and not cluster.key_file:
        from .assemble_vrrp import run as run_routers

        return run_routers(arguments, cluster, guards)
    former = former_copy(arguments.runtime_dir, load)
    if former is not None and not one_step(former, cluster):
        former = None
    keys = load_keys(cluster)
    if arguments.node not in (cluster if former is None else together(former, cluster)).names:
        say(arguments.unknown_node(cluster.names))
        return EXIT_CONFIG
    either_one = cluster if former is None else together(former, cluster)
    if cluster.routers is not None and either_one.member(arguments.node).role is Role.NODE:
        from .assemble_leased import run as run_leased

        return run_leased(arguments, cluster, former, keys, guards)
    return _run(arguments, cluster, former, keys, guards, trial)


def wait_for_turn(descriptor: int) -> bool:
    """A spare pulse waits here until the supervisor needs it. False: it never will, because it is gone."""
    if descriptor < 0:
        return True
    freeze_garbage()
    if not os.read(descriptor, 1):
        return False
    os.close(descriptor)
    raise_priority()
    return True


def _run(
    arguments: Arguments,
    cluster: Cluster,
    former: Cluster | None,
    keys: tuple[bytes, ...],
    guards: Guards,
    trial: bool,
) -> int:
    incarnation = draw_incarnation()
    whole = cluster if former is None else together(former, cluster)
    witness = whole.member(arguments.node).role is Role.WITNESS
    # A witness touches no address, whatever devices it happens to have.
    known = cluster.groups if former is None else either(former, cluster)
    kernel = KernelSide(replace(cluster, groups=() if witness else known))
    own_ports = {link.address: link.port for link in whole.member(arguments.node).links}
    links = UdpLinks(paths(whole, arguments.node), ports=own_ports)
    manager = ManagerLink(Listener(arguments.in_runtime_dir("pulse.sock")))
    mouth = NativeMouth(Sealer(cluster.name, keys, arguments.node, incarnation), links)
    ear = NativeEar(Opener(cluster.name, keys, whole.names), cluster.dead_time, Senders(arguments.node, incarnation))
    guard = guards.take(whole, arguments.node, arguments.runtime_dir)
    groups = {item.address: group.name for group in known for item in group.addresses}
    core = Node(without_secrets(former or cluster), arguments.node)
    reloader = Reloader(cluster, former, arguments.node, arguments.runtime_dir, kernel, without_secrets)
    loop = Loop(
        core=core,
        links=links,
        ear=ear,
        performer=Performer(mouth, kernel, manager, boot_clock, groups, guard),
        news=kernel,
        manager=manager,
        timer=Timer(),
        clock=boot_clock,
        dead_time=cluster.dead_time,
        reloader=reloader,
        rekeyer=Rekeyer(key_path(cluster), keys, ear, mouth),
        recorder=Recorder(arguments.node, lambda: pickle.dumps(core, 5)),
    )
    if trial:
        loop.trial = Trial(
            arguments.runtime_dir,
            arguments.node,
            incarnation,
            cluster.dead_time,
            boot_clock() + span(cluster.dead_time),
        )
        ear.first = loop.trial.heard
    reloader.objection = core.objection
    reloader.meet = partial(meet, links, ear, arguments.node)

    def first() -> Started:
        return replace(started_as(arguments, whole, incarnation, kernel, guard), taking_up=former is not None)

    code = live(Life(arguments, loop, kernel, guard, manager, witness, lambda: reloader.cluster), first)
    for part in (loop, links, kernel) if code == ANEW else ():
        part.close()
    return code


def meet(links: UdpLinks, ear: NativeEar, me: str, members: Cluster) -> None:
    """These are heard and spoken to from now on, and nobody else. Raises OSError."""
    links.follow(paths(members, me))
    ear.opener = ear.opener.with_members(members.names)
