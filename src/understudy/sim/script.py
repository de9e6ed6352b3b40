"""The language of tests/scenarios: one command a line, and below it, indented, everything that acted until the next.

``render`` runs a script and returns it with its output written anew: equal to the file, or the difference is what a change
did. ``#`` begins a comment. Any command may end with ``quietly``: its output is left out. The commands:

    cluster N nodes | NAMES... [witness NAME]... [quorum pair|fence] [ping ADDRESS]... [fenced [reboot]] [watchdog 5s]
            heartbeat 200ms dead 1s [spare NAMES...]
    group NAME address A [program P] [script P] [exclusive P] [prefer NODES...] [failback never|when-healthy|5s|02:00-04:00]
            [with GROUP] [apart GROUPS...] [after GROUPS...] [weight N] [probe N[:P]] [restarts N]
            [on-failure restart|move|fence|ignore] [reach ADDRESSES... [damping 5s]] [monitor 40s (its limit; 1s)]
    capacity N NODE             what a node takes
    start all|NAMES...          power on, or start the daemon of a machine that is on
    advance 2s                  let time pass
    power off|on NAME           crash NAME [for 50ms]        stop NAME (cleanly)
    crash-daemon NAME [for 50ms]                             the supervisor with the pulse
    freeze NAME [for 2s]        thaw NAME                    manager NAME dies|returns
    partition A B | C [on NET]  cut A B [NET]                one-way A B [NET]      heal
    block A B [NET]             heartbeats are dropped, address claims and probes pass
    cable NAME NET out|in       loss 30%                     delay 50ms
    stop-group GROUP at NAME [because WORDS...]              start-group, restart-group, cleanup-group: likewise
    maintenance on|off GROUP|all at NAME [for 10s] [because WORDS...]        drain NODE [at NAME]
    move GROUP NODE [at NAME]   standby NODE [at NAME]       online NODE [at NAME]
    edit group NAME ... | without NAME                      reload all|NAMES... (takes up what was edited)
    members add|remove NODE on NAMES...                     members back on NAMES... (by reloads)
    members as NAME on NODE     its next start reads the file of NAME
    agent P on NAME start|stop|monitor fails|loses|hangs|denies [N] or takes 300ms  probe N on NAME answers|fails
    kill P on NAME              delete ADDRESS on NAME       rival ADDRESS
    ping NAME answers|fails     strike NAME N [freeze 2s]    replay N [of NAME]
    starve NAME for 5s late 400ms                            flood NAME for 5s
    device fails|hangs|slow N    fence NODE at NAME         confirm-off NODE at NAME
    wall-clock NAME ahead|behind 8h                          kernel NAME refuses|ignores N
    status NAME                 other-voters NAME (by the file that its next start reads)
    expect GROUP on NAME|nobody|somebody            expect P runs on NAMES...|nowhere
    expect GROUP outage below 1030ms          expect nothing moved
    expect NAME sees NODE up|late|lost        expect GROUP is started on NAME
    expect ADDRESS present on NAMES...|nowhere
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..config.digest import digest
from ..effects import Action
from ..events import RivalSeen
from ..model import Cluster, Group, Member
from ..units import MILLISECOND, parse_duration
from .checks import Movements, Safety
from .files import take_up
from .host import Host
from .network import Weather
from .outages import Outages
from .run import make_world
from .script_shapes import read_cluster, read_group, with_capacity
from .shapes import DEVICES, SERVICE_DEVICE
from .strike import Strike
from .text import Story, short, status_lines
from .voters import members
from .watchdog import kill_daemon
from .world import Habits, MakeCore, World

INDENT = "    "
STRANGER = "02:00:00:00:00:ff"


class ScriptError(Exception):
    """A line of a script that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The script with fresh output, and the expectations that did not hold."""

    text: str
    failures: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    """What ``cluster`` and ``group`` lines have said before the first ``start``."""

    cluster: Cluster | None = None
    groups: list[Group] = field(default_factory=list)
    spares: tuple[Member, ...] = ()


class Script:
    """One script and the world that it drives."""

    def __init__(self, make_core: MakeCore) -> None:
        self._make_core = make_core
        self._draft = _Draft()
        self._world: World | None = None
        self._lines: list[str] = []
        self._failures: list[str] = []
        self._outages = Outages()
        self._movements = Movements()
        self._safety = Safety()
        self._moved = self._requests = 0
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "cluster": self._cluster,
            "group": self._group,
            "capacity": self._capacity,
            "start": self._start,
            "advance": self._advance,
            "power": self._power,
            **dict.fromkeys(("crash", "crash-daemon"), self._crash),
            "other-voters": self._other_voters,
            "edit": self._edit,
            "reload": self._reload,
            "stop": self._stop,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "manager": self._manager,
            "partition": self._partition,
            "cut": self._cut,
            "one-way": self._one_way,
            "block": self._block,
            "heal": self._heal,
            "cable": self._cable,
            "loss": self._weather,
            "delay": self._weather,
            "move": self._move,
            **dict.fromkeys(("stop-group", "start-group", "restart-group", "cleanup-group"), self._of_group),
            "members": self._members,
            "maintenance": self._maintenance,
            "drain": self._standby,
            "standby": self._standby,
            "online": self._standby,
            "agent": self._agent,
            "device": self._device,
            "fence": self._standby,
            "confirm-off": self._standby,
            "kill": self._kill,
            "probe": self._probe,
            "delete": self._delete,
            "rival": self._rival,
            "ping": self._ping,
            "strike": self._strike,
            "starve": self._starve,
            "flood": self._starve,
            "wall-clock": self._wall_clock,
            "kernel": self._kernel,
            "replay": self._replay,
            "status": self._status,
            "expect": self._expect,
        }

    def render(self, text: str) -> Rendered:
        """Run all commands of ``text``; raises ScriptError with the line for one that makes no sense."""
        output: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith(INDENT):
                continue
            output.append(line.rstrip())
            command = line.partition("#")[0].split()
            if not command:
                continue
            output += [INDENT + said for said in self._run(command, number)]
        while output and not output[-1]:
            output.pop()
        for finding in self._safety.findings:
            self._failures.append(f"{finding.kind}: {finding.text}")
            output.append(f"{INDENT}NEVER: {finding.kind}: {finding.text}")
        return Rendered("\n".join(output) + "\n", tuple(self._failures))

    def _run(self, command: list[str], number: int) -> list[str]:
        quietly = command[-1] == "quietly"
        words = command[:-1] if quietly else command
        handler = self._commands.get(words[0])
        if handler is None:
            raise ScriptError(f"line {number}: unknown command {words[0]!r}; one of {' '.join(sorted(self._commands))}")
        self._lines = []
        if words[0] != "expect":
            self._moved = self._movements.count
        try:
            handler(words)
        except (KeyError, IndexError, ValueError, StopIteration) as error:
            raise ScriptError(f"line {number}: cannot understand {' '.join(words)!r} ({error!r})") from error
        return [] if quietly else self._lines

    @property
    def world(self) -> World:
        """The running world; made by the first command that needs it."""
        if self._world is None:
            if self._draft.cluster is None:
                raise ValueError("the first command must be cluster")
            cluster = replace(self._draft.cluster, groups=tuple(self._draft.groups))
            story = Story(lambda line: self._lines.append(line))
            observers = (self._safety, self._outages, self._movements, story)
            spares = self._draft.spares
            self._world = make_world(cluster, 1, self._make_core, Habits(), observers, spares)
            self._world.network.recording = True
        return self._world

    def _host(self, name: str) -> Host:
        return self.world.hosts[name]

    def _soon(self) -> None:
        """Let what happens at this very moment happen, and no more."""
        self.world.run(self.world.now)

    # -- shape

    def _cluster(self, words: list[str]) -> None:
        self._draft.cluster, self._draft.spares = read_cluster(words[1:])

    def _capacity(self, words: list[str]) -> None:
        cluster = self._draft.cluster
        if cluster is None:
            raise ValueError("the cluster comes first")
        self._draft.cluster = with_capacity(cluster, words[2], int(words[1]))

    def _group(self, words: list[str]) -> None:
        self._draft.groups.append(read_group(words[1:]))

    # -- what happens to machines

    def _start(self, words: list[str]) -> None:
        names = self.world.cluster.names if words[1] == "all" else words[1:]
        for name in names:
            host = self._host(name)
            if host.power:
                host.start_pulse()
            else:
                host.power_on()
        self._soon()

    def _advance(self, words: list[str]) -> None:
        self.world.run(self.world.now + parse_duration(words[1]))

    def _power(self, words: list[str]) -> None:
        host = self._host(words[2])
        if {"on": True, "off": False}[words[1]]:
            host.power_on()
        else:
            host.power_off()
        self._soon()

    def _crash(self, words: list[str]) -> None:
        host = self._host(words[1])
        if words[0] == "crash-daemon":
            kill_daemon(host)
        else:
            host.kill_pulse()
        if len(words) > 3:
            self.world.after(parse_duration(words[3]), host.start_pulse)

    def _other_voters(self, words: list[str]) -> None:
        self._host(words[1]).change_file(replace(self.world.cluster, digest="otherone"))

    def _edit(self, words: list[str]) -> None:
        """The file that the next reload reads."""
        if words[1] == "without":
            self._draft.groups = [group for group in self._draft.groups if group.name != words[2]]
            return
        edited = read_group(words[2:])
        names = [group.name for group in self._draft.groups]
        if edited.name in names:
            self._draft.groups[names.index(edited.name)] = edited
        else:
            self._draft.groups.append(edited)

    def _reload(self, words: list[str]) -> None:
        changed = replace(self.world.cluster, groups=tuple(self._draft.groups))
        changed = replace(changed, digest=self.world.cluster.digest[:8] + digest(changed)[8:])
        for name in self.world.hosts if words[1] == "all" else words[1:]:
            take_up(self._host(name), changed)
        self._soon()

    def _members(self, words: list[str]) -> None:
        self._lines += [f"refused: {text}" for text in members(self.world, words[1:])]
        self._soon()

    def _stop(self, words: list[str]) -> None:
        self._host(words[1]).shut_down()
        self._soon()

    def _freeze(self, words: list[str]) -> None:
        host = self._host(words[1])
        host.freeze()
        if len(words) > 3:
            self.world.after(parse_duration(words[3]), host.thaw)

    def _thaw(self, words: list[str]) -> None:
        self._host(words[1]).thaw()
        self._soon()

    def _manager(self, words: list[str]) -> None:
        manager = self._host(words[1]).manager
        {"dies": manager.crash, "returns": manager.start}[words[2]]()
        self._soon()

    def _cable(self, words: list[str]) -> None:
        self._host(words[1]).set_carrier(DEVICES[words[2]], {"in": True, "out": False}[words[3]])
        self._soon()

    def _strike(self, words: list[str]) -> None:
        freeze = parse_duration(words[4]) if len(words) > 4 else None
        self._host(words[1]).strike = Strike(int(words[2]), freeze)

    def _starve(self, words: list[str]) -> None:
        host = self._host(words[1])
        if words[0] == "flood":
            host.flood(parse_duration(words[3]))
        else:
            host.starve(parse_duration(words[3]), parse_duration(words[5]))

    def _wall_clock(self, words: list[str]) -> None:
        """Looked at by the next start of the daemon."""
        sign = {"ahead": 1, "behind": -1}[words[2]]
        self._host(words[1]).wall_error = sign * parse_duration(words[3]) // MILLISECOND

    def _kernel(self, words: list[str]) -> None:
        """The next so many changes of addresses fail, or nothing is heard of them."""
        kernel = self._host(words[1]).kernel
        if words[2] == "refuses":
            kernel.refusals = int(words[3])
        else:
            kernel.silences = {"ignores": int(words[3])}[words[2]]

    # -- what happens to the network

    def _partition(self, words: list[str]) -> None:
        networks = words[words.index("on") + 1 :] if "on" in words else []
        sides = words[1 : words.index("on")] if "on" in words else words[1:]
        middle = sides.index("|")
        self.world.network.part(sides[:middle], sides[middle + 1 :], networks)

    def _cut(self, words: list[str]) -> None:
        self.world.network.part((words[1],), (words[2],), words[3:])

    def _one_way(self, words: list[str]) -> None:
        self.world.network.cut((words[1],), (words[2],), words[3:])

    def _block(self, words: list[str]) -> None:
        self.world.network.block(words[1], words[2], words[3:])

    def _heal(self, words: list[str]) -> None:
        self.world.network.heal()

    def _weather(self, words: list[str]) -> None:
        weather = self.world.network.weather
        if words[0] == "loss":
            self.world.network.blow(replace(weather, loss=int(words[1].rstrip("%")) / 100))
        else:
            self.world.network.blow(Weather(weather.loss, parse_duration(words[1]), weather.duplicates))

    def _replay(self, words: list[str]) -> None:
        if len(words) > 2:
            self.world.network.replay_ended(words[3], int(words[1]))
        else:
            self.world.network.replay(int(words[1]))

    def _rival(self, words: list[str]) -> None:
        for host in self.world.hosts.values():
            if host.power and host.kernel.carriers[SERVICE_DEVICE]:
                host.fact(RivalSeen(words[1], SERVICE_DEVICE, STRANGER))

    def _ping(self, words: list[str]) -> None:
        host = self._host(words[1])
        host.neighbours.pings = dict.fromkeys(host.neighbours.pings, {"answers": True, "fails": False}[words[2]])
        host.neighbours.tell_pings()

    # -- operators and programs

    def _asked(self, words: list[str], verb: str, group: str, node: str) -> None:
        name = words[words.index("at") + 1] if "at" in words else node
        self._requests += 1
        self._host(name).ask(self._requests, verb, group, node)
        self._soon()

    def _move(self, words: list[str]) -> None:
        self._asked(words, "move", words[1], words[2])

    def _standby(self, words: list[str]) -> None:
        self._asked(words, words[0], "", words[1])

    def _of_group(self, words: list[str]) -> None:
        """``VERB-group GROUP at NAME [because WORDS...]``."""
        self._wish(words, words[0].removesuffix("-group"), words[1])

    def _maintenance(self, words: list[str]) -> None:
        self._wish(words, f"maintenance-{words[1]}", "" if words[2] == "all" else words[2])

    def _wish(self, words: list[str], verb: str, group: str) -> None:
        end = words.index("because") if "because" in words else len(words)
        span = parse_duration(words[words.index("for") + 1]) if "for" in words[:end] else 0
        self._requests += 1
        host = self._host(words[words.index("at") + 1])
        host.ask(self._requests, verb, group, "", " ".join(words[end + 1 :]), span)
        self._soon()

    def _program(self, name: str) -> tuple[str, str]:
        return next((g.name, name) for g in self.world.known.values() for r in g.resources if r.id == name)

    def _agent(self, words: list[str]) -> None:
        temper = self._host(words[3]).manager.temper(*self._program(words[1]))
        action = Action(words[4])
        if words[5] == "takes":
            temper.durations[action] = parse_duration(words[6])
            return
        known = {"fails": temper.fails, "loses": temper.loses, "hangs": temper.hangs, "denies": temper.denies}
        counts = known[words[5]]
        counts[action] = int(words[6]) if len(words) > 6 else 1

    def _device(self, words: list[str]) -> None:
        """The next so many orders to fence devices fail, hang, or are answered too late."""
        setattr(self.world.devices, {"fails": "fails", "hangs": "hangs", "slow": "slow"}[words[1]], int(words[2]))

    def _kill(self, words: list[str]) -> None:
        self._host(words[3]).manager.kill(*self._program(words[1]))
        self._soon()

    def _probe(self, words: list[str]) -> None:
        group = next(g.name for g in self.world.cluster.groups for p in g.probes if p.name == words[1])
        self._host(words[3]).manager.sicken(group, words[1], {"fails": True, "answers": False}[words[4]])
        self._soon()

    def _delete(self, words: list[str]) -> None:
        self._host(words[3]).lose_address(words[1])
        self._soon()

    # -- looking

    def _status(self, words: list[str]) -> None:
        host = self._host(words[1])
        if host.core is None:
            self._lines.append(f"{host.name}: no daemon")
            return
        self._lines += status_lines(host.core.snapshot(host.reading))

    def _expect(self, words: list[str]) -> None:
        reality = self._reality(words[1:])
        if reality is not None:
            text = f"FAILED: {' '.join(words)}: {reality}"
            self._failures.append(text)
            self._lines.append(text)

    def _reality(self, words: list[str]) -> str | None:
        """None if the expectation holds, or what is the case instead."""
        world = self.world
        match words:
            case [group, "on", wanted]:
                world.known[group]
                found = [host.name for host in world.hosts.values() if host.serves(group)]
                if wanted == "somebody":
                    return None if len(found) == 1 else f"served by {found}"
                return None if found == ([] if wanted == "nobody" else [wanted]) else f"served by {found}"
            case [program, "runs", "on", *wanted]:
                return self._runs(program, wanted)
            case [program, "runs", "nowhere"]:
                return self._runs(program, [])
            case [address, "present", "on", *wanted]:
                found = [host.name for host in world.hosts.values() if address in host.kernel.addresses]
                return None if found == ([] if wanted == ["nowhere"] else wanted) else f"present on {found}"
            case [group, "outage", "below", limit]:
                world.known[group]
                outage = self._outages.take(group, world.now)
                return None if outage < parse_duration(limit) else f"the outage was {short(outage)}"
            case ["nothing", "moved"]:
                moved = self._movements.count - self._moved
                return None if moved == 0 else f"{moved} moves"
            case [name, "sees", node, state]:
                core = self._host(name).core
                states = (
                    {} if core is None else {n.name: n.state for n in core.snapshot(self._host(name).reading).nodes}
                )
                return None if states.get(node) == state else f"{name} sees {states}"
            case [group, "is", state, "on", name]:
                core = self._host(name).core
                groups = {} if core is None else {g.name: g for g in core.snapshot(self._host(name).reading).groups}
                said = groups[group].state if group in groups else "nothing"
                return None if said == state else f"{name} says {said}"
            case _:
                raise ValueError("no such expectation")

    def _runs(self, program: str, wanted: list[str]) -> str | None:
        keys = [
            (group.name, item.id)
            for group in self.world.known.values()
            for item in group.resources
            if item.id == program
        ]
        hosts = self.world.hosts.values()
        found = [host.name for host in hosts if any(host.manager.running.get(key) for key in keys)]
        return None if found == wanted else f"runs on {found}"


def render(text: str, make_core: MakeCore) -> Rendered:
    """Run a script against cores made by ``make_core``."""
    return Script(make_core).render(text)
