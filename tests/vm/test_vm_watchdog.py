"""Real watchdogs on Debian's stock kernel: a machine whose daemon hangs while an exclusive program runs is really reset.

Run by ``./dev test-vm``, not by ``./dev test``: each machine takes 10 s to boot under emulation.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

import pytest
from vm_lab import Machine, Room, absent, until

pytestmark = pytest.mark.skipif(
    bool(absent()) or os.environ.get("UNDERSTUDY_VM") != "1", reason=absent() or "./dev test-vm"
)

FILE = """
[cluster]
name = "vm"
key_file = "/run/understudy/cluster.key"
heartbeat = "1s"
dead_time = "6s"

[watchdog]
timeout = "20s"

[nodes.a]
links = ["10.99.0.1"]
[nodes.b]
links = ["10.99.0.2"]
watchdog = false
[witness.w]
links = ["10.99.0.9"]

[groups.site]
prefer = ["a", "b"]
stop_timeout = "60s"
resources = [
  { address = "10.99.0.100/24", device = "eth0" },
  { command = ["/usr/bin/sleep", "86396"], name = "data", exclusive = true, stop_timeout = "5s" },
]
"""
KEY = "ab" * 32
DAEMON = f"{sys.prefix}/bin/python -c 'import sys; from understudy.cli.main import main; sys.exit(main())'"


@pytest.fixture
def room() -> Iterator[Room]:
    found = Room()
    try:
        yield found
    finally:
        found.close()


def witness(room: Room) -> None:
    """On this machine, in the room's network namespace."""
    folder = f"{room.folder}/w"
    os.makedirs(folder)
    with open(f"{folder}/key", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(KEY + "\n")
    with open(f"{folder}/cluster.toml", "w") as file:
        file.write(FILE.replace("/run/understudy/cluster.key", f"{folder}/key"))
    code = "import sys; from understudy.cli.main import main; sys.exit(main())"
    flags = ["--config", f"{folder}/cluster.toml", "--node", "w", "--runtime-dir", folder, "--state-dir", folder]
    room.spawn([sys.executable, "-c", code, "run", *flags], f"{folder}/log")


def furnish(machine: Machine, driver: str) -> None:
    machine.wait_boot()
    machine.run(f"ip address add 10.99.0.{machine.number}/24 dev eth0 && ip link set eth0 up")
    if driver:
        machine.run(f"modprobe {driver} && until [ -e /dev/watchdog ]; do sleep 0.1; done")
    machine.run("mkdir -p /run/understudy /run/state && umask 077 && " + f"echo {KEY} > /run/understudy/cluster.key")
    machine.run(f"cat > /run/understudy/cluster.toml <<'END'\n{FILE}\nEND")
    flags = f"--config /run/understudy/cluster.toml --node {machine.name} --runtime-dir /run/understudy --state-dir /run/state"
    machine.start(f"exec {DAEMON} run {flags} > /run/log 2>&1")


def status(machine: Machine) -> dict[str, object]:
    found: dict[str, object] = json.loads(machine.run(f"{DAEMON} status --json --runtime-dir /run/understudy"))
    return found


def program_runs(machine: Machine) -> bool:
    return "86396" in machine.run("pgrep -fa 'sleep 86396' || true")


def pings(room: Room, address: str) -> bool:
    return room.run(["ping", "-c", "1", "-W", "1", address]).returncode == 0


def holding(room: Room, driver: str, extra: tuple[str, ...] = ()) -> Machine:
    """Machine a holds the group, with its program started and its watchdog counting."""
    witness(room)
    machine = room.machine("a", extra)
    furnish(machine, driver)
    until("the program runs on a", lambda: program_runs(machine), 240)
    until("the address answers", lambda: pings(room, "10.99.0.100"), 30)
    nodes = status(machine)["nodes"]
    assert isinstance(nodes, list)
    assert next(node for node in nodes if node["name"] == "a")["watchdog_ms"] == 20_000
    return machine


def freeze(machine: Machine) -> None:
    machine.run(
        "pkill -STOP -f understudy.supervisor; pkill -STOP -f understudy.manager; pkill -STOP -f understudy.pulse"
    )


@pytest.mark.parametrize(
    ("driver", "extra"),
    [("softdog", ()), ("i6300esb", ("-device", "i6300esb", "-action", "watchdog=reset"))],
    ids=["softdog", "i6300esb"],
)
def test_a_frozen_daemon_is_reset_and_stops_serving_long_before(
    room: Room, driver: str, extra: tuple[str, ...]
) -> None:
    machine = holding(room, driver, extra)
    freeze(machine)
    served = until("the kernel lease ended (Linux 6.1)", lambda: not pings(room, "10.99.0.100"), 30)
    assert not machine.gone, "the address must stop by the kernel lease, before the reset"
    assert pings(room, "10.99.0.1"), "the machine itself lives"
    reset = until("the watchdog has reset the machine", lambda: machine.gone, 120)
    print(f"{driver}: address silent {served:.1f} s after the freeze, machine reset {served + reset:.1f} s after it")


def test_the_other_machine_starts_the_program_only_after_the_reset(room: Room) -> None:
    first = holding(room, "softdog")
    second = room.machine("b")
    furnish(second, "")
    until("b is up", lambda: any(node["name"] == "a" and node["state"] == "up" for node in _nodes(second)), 240)
    freeze(first)
    until("b holds the address", lambda: _holder(second) == "b", 120)
    while not first.gone:
        assert not program_runs(second), "a's program may still run"
        time.sleep(0.5)
    until("b runs the program", lambda: program_runs(second), 120)


def _nodes(machine: Machine) -> list[dict[str, object]]:
    try:
        nodes = status(machine)["nodes"]
    except RuntimeError:
        return []
    return nodes if isinstance(nodes, list) else []


def _holder(machine: Machine) -> str:
    groups = status(machine)["groups"]
    return str(groups[0]["holder"]) if isinstance(groups, list) else ""


def test_a_clean_stop_resets_nothing(room: Room) -> None:
    machine = holding(room, "softdog")
    machine.run("pkill -TERM -f understudy.supervisor")
    until("the daemon has ended", lambda: "pulse" not in machine.run("pgrep -fa understudy.pulse || true"), 120)
    assert not program_runs(machine)
    end = time.monotonic() + 45
    until("more than twice the time-out passes", lambda: machine.gone or time.monotonic() > end, 60)
    assert not machine.gone
