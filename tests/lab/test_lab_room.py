"""The machine room itself, in the real kernel: power, cables, silence, loss, cuts; and that the watchers see what happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from lab_world import in_lab, missing

from private_world import environment
from understudy.lab import kernel
from understudy.lab.few_processes import FewProcesses
from understudy.lab.netns import LabError, Machine, Room
from understudy.lab.trial import ADDRESS, scene
from understudy.lab.watch import Watchers

MS = 1_000_000
LISTEN = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 9)); print("on", flush=True)
while True: print(s.recv(99).decode(), flush=True)
"""
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(int(sys.argv[2])): s.sendto(f"{sys.argv[3]}{n}".encode(), (sys.argv[1], 9))
"""


def until(what: Callable[[], bool], limit: float = 10.0) -> bool:
    end = time.monotonic() + limit
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def two_machines() -> Room:
    room = Room(["service", "heartbeat"])
    for number in (1, 2):
        places = [("eth0", "service", [f"10.0.0.{number}/24"]), ("eth1", "heartbeat", [f"10.0.1.{number}/24"])]
        room.add(f"m{number}", places)
        room.power_on(f"m{number}")
    return room


class Ear:
    """Listens on a machine; ``heard`` counts the datagrams with a mark."""

    def __init__(self, machine: Machine) -> None:
        self._path = f"/run/lab/ear.{machine.name}"
        machine.spawn([sys.executable, "-c", LISTEN], self._path)
        assert until(lambda: "on" in self._lines()), "the ear did not start"

    def _lines(self) -> list[str]:
        with open(self._path, encoding="ascii") as file:
            return file.read().split("\n")

    def heard(self, mark: str) -> int:
        return sum(line.startswith(mark) for line in self._lines())


def send(machine: Machine, address: str, mark: str, count: int = 1) -> None:
    machine.run([sys.executable, "-c", SEND, address, str(count), mark])


@in_lab
def test_power() -> None:
    room = two_machines()
    one = room.machine("m1")
    assert one.run(["hostname"]).strip() == "m1"
    program = one.spawn(["sleep", "1000"])
    assert until(lambda: any(process.argv == ("sleep", "1000") for process in one.processes()))
    assert all(process.argv != ("sleep", "1000") for process in room.machine("m2").processes())
    room.power_off("m1")
    assert program.wait(10) != 0
    assert not one.powered
    assert one.processes() == []
    with pytest.raises(LabError, match="no power"):
        one.run(["true"])
    room.clear_away("m1")
    room.power_on("m1")
    ear = Ear(room.machine("m2"))
    assert until(lambda: (send(one, "10.0.0.2", "a"), ear.heard("a") > 0)[1])
    assert "1000" not in str(one.processes())


@in_lab
def test_cable_takes_the_carrier_and_silence_keeps_it() -> None:
    room = two_machines()
    one = room.machine("m1")

    def carrier() -> str:
        return one.run(["cat", "/sys/class/net/eth1/carrier"]).strip()

    assert until(lambda: carrier() == "1")
    room.plug("m1", "eth1", False)
    assert carrier() == "0"
    assert one.run(["cat", "/sys/class/net/eth0/carrier"]).strip() == "1"
    room.plug("m1", "eth1", True)
    assert until(lambda: carrier() == "1")
    room.silence("m1", "eth1", True, True)
    assert carrier() == "1"
    ear = Ear(room.machine("m2"))
    send(one, "10.0.1.2", "silent", 5)
    send(one, "10.0.0.2", "other", 5)
    assert until(lambda: ear.heard("other") == 5)
    assert ear.heard("silent") == 0


@in_lab
def test_one_way_silence() -> None:
    room = two_machines()
    one, two = room.machine("m1"), room.machine("m2")
    ears = Ear(one), Ear(two)
    # Neighbours must be known before: a question for the neighbour needs both ways.
    assert until(lambda: (send(one, "10.0.0.2", "hello"), ears[1].heard("hello") > 0)[1])
    assert until(lambda: (send(two, "10.0.0.1", "hello"), ears[0].heard("hello") > 0)[1])
    room.silence("m1", "eth0", to=False, from_=True)
    send(one, "10.0.0.2", "lost", 5)
    send(two, "10.0.0.1", "through", 5)
    assert until(lambda: ears[0].heard("through") == 5)
    assert ears[1].heard("lost") == 0
    room.silence("m1", "eth0", to=False, from_=False)
    send(one, "10.0.0.2", "again", 5)
    assert until(lambda: ears[1].heard("again") == 5)


@in_lab
def test_a_slow_cable_delays_and_loses_nothing() -> None:
    room = two_machines()
    one, two = room.machine("m1"), room.machine("m2")
    ears = Ear(one), Ear(two)
    assert until(lambda: (send(one, "10.0.0.2", "hello"), ears[1].heard("hello") > 0)[1])
    room.slow("m1", "eth0", 400)
    began = time.monotonic()
    send(one, "10.0.0.2", "late", 5)
    send(two, "10.0.0.1", "late too", 5)
    assert until(lambda: ears[1].heard("late") == 5 and ears[0].heard("late too") == 5)
    assert time.monotonic() - began >= 0.4, "a cable is never faster than it is told to be"
    room.close()


@in_lab
def test_a_machine_that_can_start_no_process() -> None:
    room = two_machines()
    machine = room.machine("m1")
    script = "until [ -e /run/lab/go ]; do :; done; /bin/true && : > /run/lab/"
    free, bound = (machine.spawn(["sh", "-c", f"{script}{name}"]) for name in ("free", "bound"))
    assert until(lambda: len(machine.processes()) == 2)
    chosen = [process.pid for process in machine.processes() if process.argv[-1].endswith("bound")]
    try:
        full = FewProcesses(f"understudy-lab-test-{os.getpid()}")
    except LabError:  # a container may hide the control groups; then the fault matrix says so
        room.close()
        return
    try:
        full.take(chosen)
        machine.run(["touch", "/run/lab/go"])
        assert free.wait(10) == 0
        assert bound.wait(10) != 0, "it started a process"
        assert os.path.exists("/run/lab/free")
        assert not os.path.exists("/run/lab/bound")
    finally:
        room.close()
        full.close()


@in_lab
def test_loss_and_cut() -> None:
    room = two_machines()
    one = room.machine("m1")
    ear = Ear(room.machine("m2"))
    assert until(lambda: (send(one, "10.0.0.2", "hello"), ear.heard("hello") > 0)[1])
    room.lose("m1", "eth0", 0.5)
    for _ in range(20):
        send(one, "10.0.0.2", "some", 20)
    room.lose("m1", "eth0", 0.0)
    send(one, "10.0.0.2", "all", 20)
    assert until(lambda: ear.heard("all") == 20)
    assert 100 < ear.heard("some") < 300  # of 400; seven standard deviations are 70
    room.cut("m1", "m2", "service", True)
    send(one, "10.0.0.2", "cut", 5)
    send(one, "10.0.1.2", "way round", 5)
    assert until(lambda: ear.heard("way round") == 5)
    assert ear.heard("cut") == 0


@in_lab
def test_switches_that_are_not_there() -> None:
    room = two_machines()
    with pytest.raises(LabError, match="no machine 'm9'"):
        room.machine("m9")
    with pytest.raises(LabError, match="no interface 'eth7'"):
        room.plug("m1", "eth7", True)
    with pytest.raises(LabError, match="not possible"):
        room.lose("m1", "eth0", 2.0)
    with pytest.raises(LabError, match="no network 'moon'"):
        room.cut("m1", "m2", "moon", True)
    with pytest.raises(LabError, match="no network 'moon'"):
        room.add("m3", [("eth0", "moon", [])])


def watched_room() -> tuple[Room, Watchers]:
    plan = scene("200ms", "1s")
    room = Room(plan.networks)
    watchers = Watchers(room, plan)
    for player in plan.players:
        room.add(player.name, [(i.device, i.network, i.addresses) for i in player.interfaces])
        room.power_on(player.name)
        if player.role == "node":
            watchers.respond(player.name)
    watchers.start()
    return room, watchers


@in_lab
def test_watchers_see_who_answers_an_outage_and_two_at_once() -> None:
    room, watchers = watched_room()
    one, two = room.machine("ha01"), room.machine("ha02")
    put, take = (
        ["ip", "address", "add", f"{ADDRESS}/24", "dev", "eth0"],
        ["ip", "address", "del", f"{ADDRESS}/24", "dev", "eth0"],
    )
    one.run(put)
    assert until(lambda: watchers.who() == "ha01")
    start = kernel.now()
    assert until(lambda: len(watchers.questions(start, kernel.now())) > 300)
    well = watchers.seen(start, kernel.now())
    assert (well.before, well.after, well.two) == ("ha01", "ha01", 0)

    begin = kernel.now()
    two.run(put)
    assert until(lambda: len(watchers.two(begin, kernel.now())) > 50), "two machines held the address and nobody saw it"
    two.run(take)
    end = kernel.now()
    assert watchers.two(end + 2 * MS, end + 60 * MS) == [] or until(
        lambda: not watchers.two(kernel.now() - 100 * MS, kernel.now())
    )

    start = kernel.now()
    room.power_off("ha01")
    assert until(lambda: not watchers.who())
    two.run(put)
    two.run(["ip", "neighbour", "flush", "all"])
    room.machine("client").run(["ip", "neighbour", "flush", "all"])
    assert until(lambda: watchers.who() == "ha02")
    seen = watchers.seen(start, kernel.now())
    assert (seen.before, seen.after) == ("ha01", "ha02")
    assert seen.address is not None
    assert seen.address.mended
    # At least as long as ``who`` waits until it says that nobody answers.
    assert seen.address.length >= 200 * MS
    assert seen.address.lost > 0


HOLD = """
import sys, time
from understudy.lab.few_processes import FewProcesses
from understudy.lab.netns import Room
room = Room(["service"]); room.add("m1", [("eth0", "service", ["10.0.0.1/24"])]); room.power_on("m1")
room.machine("m1").spawn(["sleep", "4242.4242"])
print("up", flush=True)
time.sleep(600)
"""


def hold() -> None:
    """A lab that stays until it is killed."""
    exec(compile(HOLD, "hold", "exec"), {})


def leftovers() -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if "4242.4242" in line or "machine_init m1" in line:
                found.append(line)
    return found


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind(number: signal.Signals) -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)
    interfaces = sorted(os.listdir("/sys/class/net"))
    lab = subprocess.Popen(
        [sys.executable, "-m", "understudy.lab.inside", os.path.abspath(__file__), "hold"],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=environment(),
        text=True,
    )
    assert lab.stdout is not None
    assert lab.stdout.readline() == "up\n"
    assert until(lambda: any("4242" in line for line in leftovers()))
    if number is signal.SIGINT:
        os.killpg(lab.pid, number)  # as a terminal does it
    else:
        lab.send_signal(number)
    lab.wait(20)
    assert until(lambda: leftovers() == []), leftovers()
    assert sorted(os.listdir("/sys/class/net")) == interfaces
    assert not os.path.exists("/run/lab")
    lab.stdout.close()


@pytest.mark.kernel
def test_without_root_it_runs_in_a_user_namespace() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)
    python = "/usr/bin/python3"
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(kernel.__file__))))
    if os.getuid() == 0:
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"PYTHONPATH={source}", python]
    else:
        drop = [sys.executable]
    ready = subprocess.run([*drop, "-c", "import understudy.lab.inside"], capture_output=True, text=True, check=False)
    if ready.returncode:
        pytest.skip(f"nobody cannot run the program here: {ready.stderr.strip().splitlines()[-1]}")
    script = (
        "import sys; from understudy.lab import inside, netns\n"
        "def work():\n"
        "    room = netns.Room(['service']); room.add('m1', [('eth0', 'service', ['10.0.0.1/24'])]); room.power_on('m1')\n"
        "    print(room.machine('m1').run(['ip', '-br', 'address', 'show', 'eth0']), end=''); return 0\n"
        "sys.exit(inside.enter(work))\n"
    )
    done = subprocess.run([*drop, "-c", script], capture_output=True, text=True, timeout=60, check=False, cwd="/")
    if "cannot make namespaces" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert "10.0.0.1/24" in done.stdout
