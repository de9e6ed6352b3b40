"""A scene, set up: machines, daemons, client and observer, and the commands that a person or a fault list gives.

One command is one line, as ``power ha01 off``; ``COMMANDS`` has them all. Every command returns a sentence about what was done.
"""

from __future__ import annotations

import difflib
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence

from ..units import MILLISECOND, Duration, Instant, format_duration, parse_duration
from . import kernel, site
from .cluster import Daemon, Told, holder, write_configuration
from .netns import LabError, Room
from .scene import Scene
from .watch import Watchers

COMMANDS = {
    "power": "power NODE on|off                          all at once, no goodbye; on starts the daemon too",
    "cable": "cable NODE DEVICE in|out                   pull a cable: the machine sees its carrier go",
    "silence": "silence NODE DEVICE both|to|from|no        the switch drops its frames; the carrier stays",
    "loss": "loss NODE DEVICE PERCENT%                  the switch drops some frames at random",
    "slow": "slow NODE DEVICE DURATION                  every frame there takes so long",
    "cut": "cut NODE NODE NETWORK on|off               two machines no longer hear each other there",
    "one-way": "one-way NODE NODE NETWORK on|off       the second no longer hears the first there",
    "freeze": "freeze NODE [PART]                         SIGSTOP to the daemon (or its pulse, manager, supervisor)",
    "thaw": "thaw NODE [PART]                           SIGCONT",
    "kill": "kill NODE [PART]                           kill -9; the whole daemon stays dead until start",
    "start": "start NODE                                 start the daemon after kill NODE all",
    "stop": "stop NODE                                  stop the daemon cleanly, as systemd would",
    "program": "program NODE kill NAME                     kill -9 every process of that program",
    "on": "on NODE COMMAND ...                        run any command on the machine",
    "move": "move GROUP NODE                            ask the cluster to move a group",
    "standby": "standby NODE                               ask the cluster to empty a node",
    "online": "online NODE                                let it take groups again",
}


class Stage:
    """A scene with its hands on the switches. Call only in the director."""

    def __init__(
        self,
        scene: Scene,
        with_daemons: bool = True,
        page_interval: Duration = 20 * MILLISECOND,
        native_file: bool = True,
        interval: Duration = MILLISECOND,
    ) -> None:
        """``with_daemons`` False: the machines get power, and the caller starts what keeps the address. ``native_file`` False:
        they have other files, and none of ours. ``interval``: between two questions of the client.
        """
        self.scene, self._with_daemons, self._native_file = scene, with_daemons, native_file
        self.room = Room(scene.networks)
        for player in scene.players:
            self.room.add(player.name, [(i.device, i.network, i.addresses) for i in player.interfaces])
        self.watchers = Watchers(self.room, scene, interval, page_interval)
        self.daemons = {player.name: Daemon(self.room.machine(player.name)) for player in scene.players}
        self.moment: Instant = 0
        """When the last command took effect."""

    def set_up(self) -> None:
        """Power for every machine, the watchers first. Raises LabError."""
        if self._native_file:
            write_configuration(self.scene)
        if self.scene.has_site:
            site.shared_page()
        for name in self.daemons:
            self._power_on(name)
        self.watchers.start()

    def _power_on(self, name: str) -> None:
        self.room.clear_away(name)
        machine = self.room.power_on(name)
        if name in self.scene.nodes:
            if self.scene.has_site:
                site.furnish(machine)
            self.watchers.respond(name)
        if self._with_daemons:
            self.daemons[name].start()

    def told(self) -> Iterator[Told]:
        """What the daemons have written into their histories since the last call."""
        for daemon in self.daemons.values():
            yield from daemon.history()

    def well(self) -> str:
        """ "" when every group is started and every machine that has power is heard; otherwise what is still missing."""
        for name, daemon in self.daemons.items():
            if not daemon.machine.powered:
                continue
            status = daemon.status()
            if status is None:
                return f"{name}'s daemon does not answer yet"
            for group in self.scene.groups:
                held, state = holder(status, group)
                if not held or state != "started":
                    return f"{group} is {state} as {name} sees it"
            for node in status["nodes"]:
                if node["state"] != "up" and self.daemons[node["name"]].machine.powered:
                    return f"{name} does not hear {node['name']}"
        return ""

    def do(self, line: str) -> str:
        """Carry out one command. Raises LabError with what is wrong with it."""
        try:
            word, *arguments = shlex.split(line)
        except ValueError as error:
            raise LabError(f"{line!r}: {error}") from error
        command: Callable[[Sequence[str]], str] | None = (
            getattr(self, f"_do_{word.replace('-', '_')}", None) if word in COMMANDS else None
        )
        if command is None:
            near = difflib.get_close_matches(word, COMMANDS, 1)
            raise LabError(f"there is no command {word!r}", f"did you mean {near[0]}?" if near else "type help")
        self.moment = kernel.now()
        try:
            return command(arguments)
        except (IndexError, ValueError) as error:
            raise LabError(f"{line!r} is not complete", COMMANDS[word]) from error

    def _daemon(self, name: str) -> Daemon:
        self.room.machine(name)
        if name not in self.daemons:
            raise LabError(f"{name} has no daemon", f"machines with one: {', '.join(self.daemons)}")
        return self.daemons[name]

    def _do_power(self, arguments: Sequence[str]) -> str:
        name, wanted = arguments
        daemon = self._daemon(name)
        if wanted == "off":
            self.moment = self.room.power_off(name)
            daemon.lost_power()
            return f"{name} has lost its power"
        if wanted != "on":
            raise ValueError(wanted)
        if not daemon.machine.powered:
            self._power_on(name)
        return f"{name} has power again and starts"

    def _do_cable(self, arguments: Sequence[str]) -> str:
        name, device, wanted = arguments
        if wanted not in ("in", "out"):
            raise ValueError(wanted)
        self.moment = self.room.plug(name, device, wanted == "in")
        return f"the cable of {name} {device} is {'in again' if wanted == 'in' else 'pulled'}"

    def _do_silence(self, arguments: Sequence[str]) -> str:
        name, device, wanted = arguments
        if wanted not in ("both", "to", "from", "no"):
            raise ValueError(wanted)
        self.moment = self.room.silence(name, device, wanted in ("both", "to"), wanted in ("both", "from"))
        ways = {
            "both": "drops all frames of",
            "to": "drops frames to",
            "from": "drops frames from",
            "no": "passes frames of",
        }
        return f"the switch {ways[wanted]} {name} {device}, carrier kept"

    def _do_loss(self, arguments: Sequence[str]) -> str:
        name, device, percent = arguments
        self.moment = self.room.lose(name, device, float(percent.removesuffix("%")) / 100)
        return f"the switch drops {percent.removesuffix('%')} % of the frames of {name} {device}"

    def _do_slow(self, arguments: Sequence[str]) -> str:
        name, device, delay = arguments
        milliseconds = parse_duration(delay) // MILLISECOND
        self.moment = self.room.slow(name, device, milliseconds)
        return f"every frame to and from {name} {device} takes {milliseconds} ms from now on"

    def _do_cut(self, arguments: Sequence[str]) -> str:
        one, other, network, wanted = arguments
        if wanted not in ("on", "off"):
            raise ValueError(wanted)
        self.moment = self.room.cut(one, other, network, wanted == "on")
        return f"{one} and {other} {'no longer hear' if wanted == 'on' else 'hear'} each other on {network}"

    def _do_one_way(self, arguments: Sequence[str]) -> str:
        sender, receiver, network, wanted = arguments
        if wanted not in ("on", "off"):
            raise ValueError(wanted)
        self.moment = self.room.cut_one_way(sender, receiver, network, wanted == "on")
        return f"{receiver} {'no longer hears' if wanted == 'on' else 'hears'} {sender} on {network}"

    def _signalled(self, arguments: Sequence[str], number: signal.Signals, done: str) -> str:
        name, part = arguments[0], (arguments[1] if len(arguments) > 1 else "all")
        count = self._daemon(name).signal(part, number)
        if not count:
            raise LabError(f"no {part} process lives on {name}")
        return f"{part if part != 'all' else 'the whole daemon'} on {name} {done} ({count} process{'es' * (count > 1)})"

    def _do_freeze(self, arguments: Sequence[str]) -> str:
        return self._signalled(arguments, signal.SIGSTOP, "is frozen")

    def _do_thaw(self, arguments: Sequence[str]) -> str:
        return self._signalled(arguments, signal.SIGCONT, "goes on")

    def _do_kill(self, arguments: Sequence[str]) -> str:
        return self._signalled(arguments, signal.SIGKILL, "was killed (-9)")

    def _do_stop(self, arguments: Sequence[str]) -> str:
        return self._signalled([arguments[0], "supervisor"], signal.SIGTERM, "was asked to stop")

    def _do_start(self, arguments: Sequence[str]) -> str:
        self._daemon(arguments[0]).start()
        return f"the daemon on {arguments[0]} is started"

    def _do_program(self, arguments: Sequence[str]) -> str:
        name, action, program = arguments
        if action != "kill":
            raise ValueError(action)
        machine = self.room.machine(name)
        found = [process for process in machine.processes() if process.argv[0].rsplit("/", 1)[-1] == program]
        if not found:
            raise LabError(f"no {program} runs on {name}")
        machine.signal(found, signal.SIGKILL)
        return f"{program} on {name} was killed (-9, {len(found)} process{'es' * (len(found) > 1)})"

    def _do_on(self, arguments: Sequence[str]) -> str:
        name, *command = arguments
        if not command:
            raise ValueError("no command")
        return self.room.machine(name).run(command).strip() or "done"

    def _do_move(self, arguments: Sequence[str]) -> str:
        group, node = arguments
        return self._asked("/v1/move", {"group": group, "node": node}, node)

    def _do_standby(self, arguments: Sequence[str]) -> str:
        return self._asked("/v1/standby", {"node": arguments[0]}, arguments[0])

    def _do_online(self, arguments: Sequence[str]) -> str:
        return self._asked("/v1/online", {"node": arguments[0]}, arguments[0])

    def _asked(self, path: str, body: dict[str, str], node: str) -> str:
        started = kernel.now()
        answer = self._daemon(node).ask(path, body, timeout=15.0)
        if answer is None:
            raise LabError(f"{node}'s daemon does not answer")
        text = str(answer.get("text") or answer.get("error") or answer)
        if not answer.get("ok"):
            raise LabError(f"{node} refused: {text}")
        return f"{text} (answered after {format_duration(kernel.now() - started)})"

    def close(self) -> None:
        """Cut all power. Namespaces and files end with the director."""
        self.watchers.close()
        self.room.close()
