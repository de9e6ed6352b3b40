"""Puts a pulse together: configuration, keys, sockets, kernel, core; then hands over to the loop."""

from __future__ import annotations

import os
import pickle
import signal
import time
from dataclasses import replace
from functools import partial

from ..adapters import lockfile, running
from ..adapters.channel import Listener
from ..adapters.kernel_lease_setup import teardown
from ..adapters.udp import UdpLinks, boot_clock
from ..changes import either, one_step, together
from ..config.load import key_path, load, load_keys
from ..config.paths import paths
from ..core.node import Node
from ..errors import ConfigError
from ..events import Started
from ..model import (
    Cluster,
    CommandResource,
    MountResource,
    NotifyResource,
    OcfResource,
    Resource,
    ResourceDResource,
    Role,
    ScriptResource,
)
from ..probes import CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck
from ..units import Duration
from ..wire.native import Opener, Sealer
from .arguments import EXIT_BUSY, EXIT_CONFIG, Arguments
from .ear import NativeEar
from .guard import Guard, take_guard
from .keeper import Keeper
from .kernel import KernelSide
from .keys import Rekeyer
from .loop import Loop
from .manager_link import ManagerLink
from .mouth import NativeMouth
from .perform import Performer
from .realtime import freeze_garbage, prepare, raise_priority
from .recorder import CRASH_PREFIX, CRASH_SUFFIX, Recorder
from .reload import Reloader
from .senders import Senders
from .speak import say
from .start import DRAINING_FILE, draw_entropy, draw_incarnation, in_standby, quiet_time, wishes_kept
from .timer import Timer

EXIT_SYSTEM = 71

EXIT_UNPROVEN = 69
"""Told to stop, but without a manager nobody could be asked whether all programs have stopped."""


def main(arguments: Arguments) -> int:
    """Runs until a clean stop; returns the exit code."""
    try:
        lock = lockfile.take(arguments.in_runtime_dir("pulse.lock"))
        if lock is None:
            say(f"another pulse runs for {arguments.runtime_dir}; each node needs its own --runtime-dir")
            return EXIT_BUSY
        cluster = load(arguments.config)
        former = _former(arguments, cluster)
        keys = load_keys(cluster)
        if arguments.node not in (cluster if former is None else together(former, cluster)).names:
            say(arguments.unknown_node(cluster.names))
            return EXIT_CONFIG
        return _run(arguments, cluster, former, keys)
    except ConfigError as error:
        say(str(error))
        return EXIT_CONFIG
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        say(f"cannot start: {error.strerror or error}{where}")
        return EXIT_SYSTEM


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


def _former(arguments: Arguments, cluster: Cluster) -> Cluster | None:
    """What ran before a reload that our predecessor could not finish."""
    path = running.former(arguments.runtime_dir)
    if not os.path.exists(path):
        return None
    try:
        former = load(path)
    except ConfigError as error:
        say(f"what was configured before the reload is not known: {error}", "warning")
        return None
    return former if one_step(former, cluster) else None


def _run(arguments: Arguments, cluster: Cluster, former: Cluster | None, keys: tuple[bytes, ...]) -> int:
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
    guard = take_guard(whole, arguments.node, arguments.runtime_dir, Keeper(arguments.keeper_fd))
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
    reloader.objection = core.objection
    reloader.meet = partial(_meet, links, ear, arguments.node)
    loop.watch_all()
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    loop.wake_on_signals(reading)
    started = _started(arguments, whole, incarnation, kernel, guard, former is not None)

    def settle_in() -> None:
        loop.warnings = prepare().warnings(cluster.dead_time)
        for warning in (*loop.warnings, *kernel.warnings, *guard.troubles()):
            say(warning, "warning")
        _tell_ready(arguments.ready_fd)

    proof = _no_rest(arguments)
    code = loop.run(started, arguments.in_runtime_dir(f"{CRASH_PREFIX}{os.getpid()}{CRASH_SUFFIX}"), settle_in)
    cluster = reloader.cluster
    programs = any(len(group.resources) > len(group.addresses) for group in cluster.groups)
    if code == 0 and not witness and programs and manager.peer is None:
        say("without a manager nobody could say whether all programs have stopped", "warning")
        return EXIT_UNPROVEN
    if code == 0:
        _note_rest(proof)
    if code == 0 and not witness:
        # Nothing is held any more; whoever uses an address of ours by hand from now on must not meet our rules.
        refusal = teardown(cluster)
        if refusal is not None:
            say(f"the tables of the kernel leases stay: {refusal}", "warning")
    return code


def _no_rest(arguments: Arguments) -> str:
    """Where a clean stop notes that nothing is left; an earlier one's note is over."""
    proof = arguments.in_runtime_dir("at_rest")
    if os.path.exists(proof):
        os.unlink(proof)
    return proof


def _meet(links: UdpLinks, ear: NativeEar, me: str, members: Cluster) -> None:
    """These are heard and spoken to from now on, and nobody else. Raises OSError."""
    links.follow(paths(members, me))
    ear.opener = ear.opener.with_members(members.names)


def without_secrets(cluster: Cluster) -> Cluster:
    """What the core needs to know of it: which programs and devices there are, not what they are told.

    So no password can get from the configuration into a recording, a crash file or a core dump of the pulse.
    """

    def bare(resource: Resource) -> Resource:
        match resource:
            case CommandResource():
                return replace(resource, argv=resource.argv[:1], environment=())
            case ScriptResource():
                return replace(resource, arguments=())
            case OcfResource():
                return replace(resource, parameters=())
            case MountResource():
                return replace(resource, options=())
            case NotifyResource():
                return replace(resource, notify=resource.notify[:1])
            case ResourceDResource():
                return replace(resource, arguments=())
            case _:
                return resource

    def asked(probe: Probe) -> Probe:
        match probe.check:
            case HttpCheck(url, host):
                return replace(probe, check=HttpCheck(url.partition("?")[0], host))
            case TcpCheck(address, port):
                return replace(probe, check=TcpCheck(address, port))
            case CommandCheck(argv):
                return replace(probe, check=CommandCheck(argv[:1]))
            case PingCheck():
                return probe

    groups = tuple(
        replace(group, resources=tuple(map(bare, group.resources)), probes=tuple(map(asked, group.probes)))
        for group in cluster.groups
    )
    fences = tuple(replace(device, arguments=(), parameters=()) for device in cluster.fences)
    return replace(cluster, groups=groups, fences=fences)


def _started(
    arguments: Arguments, cluster: Cluster, incarnation: int, kernel: KernelSide, guard: Guard, taking_up: bool
) -> Started:
    """What this machine is like at the start, for the core."""
    return Started(
        incarnation=incarnation,
        entropy=draw_entropy(),
        wall_clock=time.time_ns() // 1_000_000,
        kernel_leases=kernel.running_leases(),
        addresses=kernel.present(),
        carriers=kernel.carriers(),
        standby=in_standby(arguments.state_dir),
        draining=in_standby(arguments.state_dir, DRAINING_FILE),
        quiet=_quiet(arguments, cluster),
        watchdog=guard.timeout,
        watchdog_ran=guard.ran,
        wishes=wishes_kept(arguments.state_dir, time.time_ns() // 1_000_000),
        taking_up=taking_up,
    )


def _quiet(arguments: Arguments, cluster: Cluster) -> Duration:
    """The longest dead time that this machine may have promised with, before it was booted too.

    It is noted in the runtime directory, which must work, and in the state directory, which outlives a boot and may be full.
    """

    def warn(text: str) -> None:
        say(text, "warning")

    now = boot_clock()
    quiet = quiet_time(arguments.in_runtime_dir("dead_time"), cluster.dead_time, now, warn)
    lasting = os.path.join(arguments.state_dir, "dead_time")
    try:
        return max(quiet, quiet_time(lasting, cluster.dead_time, now, warn))
    except OSError as error:
        warn(
            f"cannot write {lasting} ({error.strerror}): after a boot with a shorter dead_time promises may be forgotten"
        )
        return quiet


def _note_rest(path: str) -> None:
    """For who was not our parent and cannot know our exit code."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        say(f"cannot write {path}: {error.strerror}", "warning")


def _tell_ready(descriptor: int) -> None:
    if descriptor < 0:
        return
    try:
        os.write(descriptor, b"1")
        os.close(descriptor)
    except OSError:
        pass  # the supervisor died meanwhile; the next one finds us by our lock
