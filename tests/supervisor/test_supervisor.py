"""The supervisor with pretend children, in processes of their own: what it starts, adopts, stops and gives up."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from understudy.adapters import lockfile
from understudy.supervisor.child import FREE_FAILURES, LONGEST_DELAY, Child

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def wait_for(what: Callable[[], object], text: str) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, f"not within 20 s: {text}"
        select.select([], [], [], 0.01)


class Nursery:
    """Supervisors over one directory, and the diary of their children."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.supervisors: list[subprocess.Popen[str]] = []

    def start(self, *words: str, stop_limit: float = 60, environment: dict[str, str] | None = None) -> int:
        command = [sys.executable, str(HERE / "run_supervisor.py"), str(self.directory), str(stop_limit), *words]
        made = subprocess.Popen(
            command, stderr=(self.directory / "log").open("a"), text=True, env={**os.environ, **(environment or {})}
        )
        self.supervisors.append(made)
        return made.pid

    @property
    def supervisor(self) -> subprocess.Popen[str]:
        return self.supervisors[-1]

    def behave(self, name: str, words: str) -> None:
        fresh = self.directory / f"{name}.fresh"
        fresh.write_text(words)
        fresh.replace(self.directory / f"{name}.behaviour")

    def diary(self, word: str = "", name: str = "") -> list[tuple[str, str, int]]:
        path = self.directory / "diary"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        entries = [(who, what, int(pid)) for who, what, pid in lines]
        return [entry for entry in entries if word in ("", entry[1]) and name in ("", entry[0])]

    def holder(self, name: str) -> int:
        return lockfile.holder(str(self.directory / f"{name}.lock"))

    def wait_working(self) -> tuple[int, int]:
        """The numbers of the pulse and of the manager, when both work."""
        wait_for(lambda: self.holder("pulse") and self.holder("manager"), "pulse and manager work")
        pulse, manager = self.holder("pulse"), self.holder("manager")
        for pid in (pulse, manager):
            wait_for(lambda pid=pid: [entry for entry in self.diary("works") if entry[2] == pid], "it says so")
        return pulse, manager

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def end(self) -> int:
        return self.supervisor.wait(timeout=20)

    def clear_away(self) -> None:
        for made in self.supervisors:
            made.kill()
            made.wait()
        for _, _, pid in self.diary():
            command = Path(f"/proc/{pid}/cmdline")
            try:
                if str(self.directory).encode() in command.read_bytes():
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    made.clear_away()


def test_a_killed_child_is_started_again_and_the_other_not_disturbed(nursery: Nursery) -> None:
    nursery.start()
    pulse, manager = nursery.wait_working()
    assert (os.getsid(pulse), os.getsid(manager)) == (pulse, manager), "no terminal's Ctrl-C reaches them"
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: nursery.holder("pulse") not in (0, pulse), "a new pulse")
    assert nursery.holder("manager") == manager
    os.kill(manager, signal.SIGKILL)
    wait_for(lambda: nursery.holder("manager") not in (0, manager), "a new manager")
    assert "pulse was ended by SIGKILL; it is started again at once" in nursery.log()


def test_a_spare_pulse_takes_the_place_of_a_killed_one(nursery: Nursery) -> None:
    nursery.start("spare")
    pulse, _ = nursery.wait_working()
    wait_for(lambda: nursery.diary("waits"), "a spare")
    (spare,) = [pid for _, _, pid in nursery.diary("waits")]
    assert nursery.holder("pulse") == pulse
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: nursery.holder("pulse") == spare, "the spare works")
    wait_for(lambda: len(nursery.diary("waits")) == 2, "a new spare")


@pytest.mark.parametrize("spare", [(), ("spare",)])
def test_the_watchdog_stays_open_while_pulses_die(nursery: Nursery, spare: tuple[str, ...]) -> None:
    reader = make_device(nursery)
    nursery.start(*spare)
    for number in range(3):
        pulse, _ = nursery.wait_working()
        if spare:
            wait_for(lambda number=number: len(nursery.diary("waits")) > number, "a spare")  # type: ignore[misc]
        assert is_open(reader)
        os.kill(pulse, signal.SIGKILL)
        wait_for(lambda pulse=pulse: nursery.holder("pulse") not in (0, pulse), "a new pulse")  # type: ignore[misc]
        assert is_open(reader)
    nursery.wait_working()
    assert (len(nursery.diary("opens")), len(nursery.diary("takes"))) == (1, 3)
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    assert not is_open(reader)
    os.close(reader)


def test_the_next_supervisor_takes_the_watchdog_from_the_pulse_that_lives(nursery: Nursery) -> None:
    reader = make_device(nursery)
    nursery.start()
    pulse, _ = nursery.wait_working()
    nursery.supervisor.kill()
    nursery.end()
    assert is_open(reader)
    nursery.start()
    wait_for(lambda: nursery.log().count("adopted") == 2, "both are adopted")
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: nursery.diary("takes"), "the next pulse gets it")
    assert is_open(reader)
    assert len(nursery.diary("opens")) == 1
    os.close(reader)


def test_the_watchdog_is_closed_as_soon_as_the_pulse_says_so(nursery: Nursery) -> None:
    """The manager may take longer to end than the device waits."""
    reader = make_device(nursery)
    nursery.start()
    nursery.wait_working()
    nursery.behave("manager", "ignore")
    nursery.supervisor.terminate()
    wait_for(lambda: nursery.diary("asked", "manager"), "the manager is asked")
    assert not is_open(reader)
    os.close(reader)


def make_device(nursery: Nursery) -> int:
    """A FIFO; its reader sees whether anybody has it open."""
    os.mkfifo(nursery.directory / "watchdog")
    return os.open(nursery.directory / "watchdog", os.O_RDONLY | os.O_NONBLOCK)


def is_open(reader: int) -> bool:
    try:
        return bool(os.read(reader, 10))
    except BlockingIOError:
        return True


def test_a_spare_that_died_is_replaced_and_not_relied_on(nursery: Nursery) -> None:
    nursery.start("spare")
    nursery.wait_working()
    wait_for(lambda: nursery.diary("waits"), "a spare")
    first = nursery.diary("waits")[0][2]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(nursery.diary("waits")) == 2, "a new spare")
    second = nursery.diary("waits")[1][2]
    pulse = nursery.holder("pulse")
    os.kill(second, signal.SIGSTOP)  # it is there but cannot begin: the lock stays free until it goes on
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: "pulse was ended by SIGKILL" in nursery.log(), "the death is seen")
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: nursery.holder("pulse") not in (0, pulse, second), "another pulse")


def test_a_killed_supervisor_disturbs_nobody_and_the_next_one_adopts(nursery: Nursery) -> None:
    nursery.start("spare")
    pulse, manager = nursery.wait_working()
    wait_for(lambda: nursery.diary("waits"), "a spare")
    nursery.supervisor.kill()
    nursery.end()
    wait_for(lambda: nursery.diary("not-needed"), "the spare goes with its supervisor")
    assert (nursery.holder("pulse"), nursery.holder("manager")) == (pulse, manager)
    nursery.start()
    wait_for(lambda: nursery.log().count("adopted") == 2, "both are adopted")
    assert nursery.wait_working() == (pulse, manager)
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: nursery.holder("pulse") not in (0, pulse), "an adopted pulse is watched too")
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    assert nursery.holder("manager") == 0


def test_a_clean_stop_asks_the_pulse_first_and_the_manager_afterwards(nursery: Nursery) -> None:
    nursery.start("spare")
    nursery.wait_working()
    wait_for(lambda: nursery.diary("waits"), "a spare")
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    assert [entry[0] for entry in nursery.diary("asked")] == ["pulse", "manager"]
    wait_for(lambda: nursery.diary("not-needed"), "the spare ends")


def test_a_pulse_that_crashes_while_it_hands_over_is_asked_again(nursery: Nursery) -> None:
    nursery.start()
    pulse, _ = nursery.wait_working()
    nursery.behave("pulse", "once 70")
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    assert len(nursery.diary("works", "pulse")) == 2
    asked = nursery.diary("asked")
    assert [entry[0] for entry in asked] == ["pulse", "pulse", "manager"]
    assert asked[0][2] == pulse != asked[1][2]


def test_a_second_signal_stops_at_once(nursery: Nursery) -> None:
    nursery.behave("pulse", "ignore")
    nursery.start()
    nursery.wait_working()
    nursery.supervisor.terminate()
    wait_for(lambda: nursery.diary("asked", "pulse"), "the pulse is asked")
    nursery.supervisor.send_signal(signal.SIGINT)
    assert nursery.end() == 1
    assert (nursery.holder("pulse"), nursery.holder("manager")) == (0, 0)


def test_a_stop_that_takes_too_long_is_forced(nursery: Nursery) -> None:
    nursery.behave("pulse", "ignore")
    nursery.start(stop_limit=0.2)
    nursery.wait_working()
    nursery.supervisor.terminate()
    assert nursery.end() == 1
    assert "handing over took longer than 0.2 s" in nursery.log()


def test_a_refused_configuration_is_no_reason_to_try_again(nursery: Nursery) -> None:
    nursery.behave("pulse", "refuse 2")
    nursery.start()
    assert nursery.end() == 2
    assert len(nursery.diary("refuses")) == 1
    assert "the configuration is refused" in nursery.log()
    wait_for(lambda: not nursery.holder("manager"), "the manager ends")


def test_a_pulse_that_always_fails_is_tried_ever_more_slowly(nursery: Nursery) -> None:
    nursery.behave("pulse", "refuse 70")
    nursery.start()
    wait_for(lambda: "started again in 0.1 s" in nursery.log(), "it slows down")
    nursery.behave("pulse", "exit 0")
    nursery.wait_working()


def test_a_child_that_somebody_else_started_is_adopted_when_ours_finds_the_lock_taken(nursery: Nursery) -> None:
    nursery.behave("manager", "refuse 70")
    nursery.start()
    wait_for(lambda: len(nursery.diary("refuses")) > 2, "our manager fails")
    take = f"from understudy.adapters import lockfile; lockfile.take({str(nursery.directory)!r} + '/manager.lock'); input()"
    other = subprocess.Popen([sys.executable, "-c", take], stdin=subprocess.PIPE)
    try:
        wait_for(lambda: nursery.holder("manager") == other.pid, "the other one works")
        nursery.behave("manager", "exit 0")
        wait_for(lambda: f"manager {other.pid} runs already and is adopted" in nursery.log(), "it is adopted")
        assert nursery.diary("busy", "manager")
    finally:
        other.kill()
        other.wait()
    wait_for(lambda: nursery.holder("manager") not in (0, other.pid), "its end is seen")


def test_a_wish_to_reload_goes_to_the_manager_alone(nursery: Nursery) -> None:
    nursery.start()
    nursery.wait_working()
    nursery.supervisor.send_signal(signal.SIGHUP)
    wait_for(lambda: "manager reload" in (nursery.directory / "diary").read_text(), "the manager hears of it")
    assert "the manager says what comes of it" in nursery.log()
    assert nursery.supervisor.poll() is None


def test_a_wish_for_a_dump_goes_to_the_manager_alone(nursery: Nursery) -> None:
    """By default either signal would end whoever gets it."""
    nursery.start()
    nursery.wait_working()
    for number, word in ((signal.SIGUSR1, "manager data"), (signal.SIGUSR2, "manager statistics")):
        nursery.supervisor.send_signal(number)
        wait_for(lambda word=word: word in (nursery.directory / "diary").read_text(), "the manager hears of it")
    assert nursery.supervisor.poll() is None
    assert "pulse data" not in (nursery.directory / "diary").read_text()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_when_the_pulse_works(nursery: Nursery, abstract: bool) -> None:
    path = f"{nursery.directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + path if abstract else path)
        systemd.settimeout(20)
        nursery.start(environment={"NOTIFY_SOCKET": "@" + path if abstract else path, "WATCHDOG_USEC": "100000"})
        said = [systemd.recv(1000).decode() for _ in range(40)]
    ready = [text for text in said if text.startswith("READY=1\nSTATUS=pulse ")]
    assert len(ready) == 1
    assert said.count("WATCHDOG=1") > 20


def test_a_second_supervisor_is_refused(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, str(HERE / "pretend_child.py"), str(tmp_path), "supervisor"],
    )
    try:
        wait_for(lambda: lockfile.holder(str(tmp_path / "supervisor.lock")) == holder.pid, "the lock is held")
        flags = ["--config", "x", "--node", "n", "--runtime-dir", str(tmp_path), "--state-dir", str(tmp_path)]
        second = subprocess.run(
            [sys.executable, "-m", "understudy.supervisor", *flags], capture_output=True, text=True, timeout=20
        )
        assert second.returncode == 75
        assert "another supervisor runs" in second.stderr
    finally:
        holder.kill()
        holder.wait()


def test_delays_begin_after_the_free_failures_and_are_bounded() -> None:
    child = Child("x", (), "")
    delays = [child.delay_next() for _ in range(12)]
    assert delays[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    assert delays[FREE_FAILURES : FREE_FAILURES + 3] == [0.05, 0.1, 0.2]
    assert delays[-1] == LONGEST_DELAY


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "pulse.lock")
    assert lockfile.holder(path) == 0
    assert lockfile.attach(path) is None
    child = subprocess.Popen([sys.executable, str(HERE / "pretend_child.py"), str(tmp_path), "pulse"])
    try:
        wait_for(lambda: lockfile.holder(path) == child.pid, "the lock is taken")
        assert lockfile.take(path) is None
        found = lockfile.attach(path)
        assert found is not None
        pid, pidfd = found
        assert pid == child.pid
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        ready, _, _ = select.select([pidfd], [], [], 20)
        assert ready
        os.close(pidfd)
        child.wait()
        assert lockfile.holder(path) == 0
        taken = lockfile.take(path)
        assert taken is not None
        os.close(taken)
    finally:
        child.kill()
        child.wait()


def test_a_pulse_that_has_worked_and_refuses_the_configuration_later_is_tried_again(nursery: Nursery) -> None:
    nursery.start("spare")
    pulse, _ = nursery.wait_working()
    wait_for(lambda: nursery.diary("waits"), "the supervisor has heard that the pulse works")
    nursery.behave("pulse", "refuse 2")
    os.kill(pulse, signal.SIGKILL)
    wait_for(lambda: len(nursery.diary("refuses")) > FREE_FAILURES, "it is tried again and again")
    assert nursery.supervisor.poll() is None
    assert "it refused the configuration (see above); it is started again" in nursery.log()
    nursery.behave("pulse", "exit 0")
    wait_for(lambda: nursery.holder("pulse"), "it works again")
    nursery.supervisor.terminate()
    assert nursery.end() == 0


def test_a_manager_that_stands_still_is_replaced(nursery: Nursery) -> None:
    (nursery.directory / "manager.beats").touch()
    nursery.start("impatient")
    pulse, manager = nursery.wait_working()
    os.kill(manager, signal.SIGSTOP)
    wait_for(lambda: nursery.holder("manager") not in (0, manager), "a new manager")
    # 0.5 s are configured; a slow machine looks later.
    assert re.search(rf"manager {manager} has not moved for [\d.]+ s: it is killed and started again", nursery.log())
    assert nursery.holder("pulse") == pulse
    # An adopted one is looked after, too.
    manager = nursery.holder("manager")
    nursery.supervisor.kill()
    nursery.end()
    nursery.start("impatient")
    wait_for(lambda: nursery.log().count("adopted") == 2, "both are adopted")
    os.kill(manager, signal.SIGSTOP)
    wait_for(lambda: nursery.holder("manager") not in (0, manager), "a new manager again")


def test_a_stop_during_the_pulses_restart_pause_waits_for_its_word(nursery: Nursery) -> None:
    nursery.behave("pulse", "refuse 70")
    nursery.start()
    wait_for(lambda: "pulse ended with exit code 70; it is started again in 0.4 s" in nursery.log(), "it pauses")
    nursery.behave("pulse", "exit 0")
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    assert [entry[0] for entry in nursery.diary("asked")] == ["pulse", "manager"]


def test_a_pulse_that_never_says_that_it_rests_makes_no_clean_stop(nursery: Nursery) -> None:
    nursery.start()
    nursery.wait_working()
    nursery.behave("pulse", "exit 70")
    nursery.supervisor.terminate()
    assert nursery.end() == 1
    assert "this stop was not clean" in nursery.log()


@pytest.mark.parametrize("behaviour", ["rest", "once 0"])
def test_an_adopted_pulse_proves_its_rest_by_a_file(nursery: Nursery, behaviour: str) -> None:
    nursery.start()
    nursery.wait_working()
    nursery.supervisor.kill()
    nursery.end()
    nursery.start()
    wait_for(lambda: nursery.log().count("adopted") == 2, "both are adopted")
    nursery.behave("pulse", behaviour)
    nursery.supervisor.terminate()
    # Without the file its exit code is not known, so another one is started and asked.
    assert nursery.end() == 0
    assert len(nursery.diary("works", "pulse")) == (1 if behaviour == "rest" else 2)


def test_what_a_forced_stop_leaves_is_named(nursery: Nursery) -> None:
    nursery.behave("pulse", "ignore")
    program = subprocess.Popen(["sleep", "1000"])
    try:
        fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(") ")[2].split()
        record = {"pid": program.pid, "started": int(fields[19]), "boot": "", "argv": ["sleep", "1000"]}
        (nursery.directory / "programs").mkdir()
        (nursery.directory / "programs" / "x.json").write_text(json.dumps(record))
        record["started"] = int(fields[19]) - 1
        (nursery.directory / "programs" / "y.json").write_text(json.dumps(record))
        (nursery.directory / "running.toml").write_text("""
            [groups.web]
            resources = [
                { address = "127.0.0.1/8", device = "lo" }, { address = "192.0.2.9/24", device = "lo" },
                { command = ["sleep", "1000"], name = "sleeper" }, { command = ["other"] }, { ocf = "heartbeat:apache" },
            ]
            [groups.bare]
            resources = [{ address = "192.0.2.10/24", device = "lo" }]
        """)
        nursery.start(stop_limit=0.2)
        nursery.wait_working()
        nursery.supervisor.terminate()
        assert nursery.end() == 1
    finally:
        program.kill()
        program.wait()
    assert (
        f"left over: group web: 127.0.0.1 is still on lo; sleeper runs (process {program.pid}); "
        "heartbeat:apache may run: it was not seen to stop. Look now:" in nursery.log()
    )
    assert "group bare" not in nursery.log()
